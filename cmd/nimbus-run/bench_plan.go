package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"nimbus/backend"
	"nimbus/frontend/bundle"
	"nimbus/ir"
	"nimbus/ir/eval"
	"nimbus/ir/weights"
	"nimbus/passes"
	"nimbus/runtime"
)

// A target is what a benchmark runs.
type target struct {
	name      string   // for people
	plan      string   // file, or name of an embedded plan
	weights   string   // name of the bundle
	set       []string // settings of its description
	synthetic bool     // weights
	// inputs are main's.
	inputs func(prog *runtime.Program) (map[string][]uint64, error)
}

// A family names a description's settings that make a well-known model.
type family struct {
	model []string // the bundle and its settings
	block []string // the same of one layer
}

var families = map[string]family{
	"bert-base":  {[]string{"bert"}, []string{"bert/block"}},
	"bert-large": {[]string{"bert", "hidden=1024", "heads=16", "layers=24", "ffn=4096"}, []string{"bert/block", "hidden=1024", "heads=16", "ffn=4096"}},
	"minilm":     {[]string{"sentence"}, []string{"bert/block", "hidden=384", "heads=12", "ffn=1536"}},
}

// findTarget finds the plan to run, and compiles it where there is none.
func findTarget(ctx context.Context, o benchOptions) (*target, error) {
	if o.model == "" {
		o.model = demoModel
		if o.what == "block" {
			o.model = "bert-base"
		}
	}
	t := &target{name: o.model, weights: o.model, inputs: randomInputs}
	f, known := families[o.model]
	switch {
	case known && o.what == "block":
		t.weights, t.set = f.block[0], f.block[1:]
	case known:
		t.weights, t.set = f.model[0], f.model[1:]
	case o.what == "block" && o.layers == 0:
		o.layers = 1
	}
	if o.layers > 0 {
		t.set = append(slices.Clone(t.set), fmt.Sprintf("layers=%d", o.layers))
	} else if !known {
		// An embedded model without plans is compiled like any other.
		if names, err := embeddedPlans(o.model); err == nil && len(names) > 0 {
			return embeddedTarget(o, names)
		}
	}
	b, err := bundle.Open(t.weights)
	if err != nil {
		return nil, err
	}
	t.synthetic = b.Synthetic
	if err := b.Close(); err != nil {
		return nil, err
	}
	t.plan, err = cachedPlan(ctx, o, t)
	return t, err
}

// embeddedTarget is the shortest of the plans that takes the tokens, with a
// real text.
func embeddedTarget(o benchOptions, plans []string) (*target, error) {
	for _, n := range plans {
		prog, err := loadPlan(n)
		if err != nil {
			return nil, err
		}
		if prog.Seq < o.tokens {
			continue
		}
		if o.lower.Ahead {
			backend.RunAhead(prog.Module)
			h, err := home()
			if err != nil {
				return nil, err
			}
			if n = filepath.Join(h, "bench", filepath.Base(n)+".ahead"); os.MkdirAll(filepath.Dir(n), 0o700) != nil {
				return nil, fmt.Errorf("cannot make %s", filepath.Dir(n))
			}
			if err := os.WriteFile(n, []byte(prog.Module.String()), 0o600); err != nil {
				return nil, err
			}
		}
		return &target{name: o.model, plan: n, weights: o.model, inputs: func(prog *runtime.Program) (map[string][]uint64, error) {
			files, err := modelBundle(o.model)
			if err != nil {
				return nil, err
			}
			r, err := newReader(prog, files)
			if err != nil {
				return nil, err
			}
			in, _, err := r.inputs(demoText, false)
			return in, err
		}}, nil
	}
	return nil, fmt.Errorf("no embedded plan of %s takes %d tokens", o.model, o.tokens)
}

// cachedPlan compiles a target's plan, in a process of its own, unless this
// very program has done so before.
func cachedPlan(ctx context.Context, o benchOptions, t *target) (string, error) {
	exe, err := os.Executable()
	if err != nil {
		return "", err
	}
	h, err := home()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(h, "bench")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	model, err := filepath.Abs(t.weights) // two folders may have one name
	if _, serr := os.Stat(t.weights); err != nil || serr != nil {
		model = t.weights
	}
	args := []string{"-seq", fmt.Sprint(o.tokens), "-extension", o.lower.Extension, "-base", o.lower.Base, "-parts", fmt.Sprint(o.parts), "-range", string(o.ranges)}
	if o.lower.Ahead {
		args = append(args, "-offline")
	}
	for _, s := range t.set {
		args = append(args, "-set", s)
	}
	digest := sha256.New()
	self, err := os.Open(exe)
	if err != nil {
		return "", err
	}
	_, err = io.Copy(digest, self)
	self.Close()
	if err != nil {
		return "", err
	}
	stamp := fmt.Appendf(nil, "%x %s %s\n", digest.Sum(nil), model, strings.Join(args, " "))
	name := sha256.Sum256([]byte(model + strings.Join(args, " ")))
	plan := filepath.Join(dir, fmt.Sprintf("%x.plan", name[:8]))
	note := plan + ".stamp"
	if old, err := os.ReadFile(note); err == nil && string(old) == string(stamp) {
		if _, err := os.Stat(plan); err == nil {
			return plan, nil
		}
	}
	if err := os.Remove(note); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	fmt.Fprintf(os.Stderr, "compiling %s for %d tokens\n", t.name, o.tokens)
	var log tail
	cmd := exec.CommandContext(ctx, exe, append(append([]string{planCommand.name, "-o", plan}, args...), t.weights)...)
	cmd.Stderr = &log
	if err := cmd.Run(); err != nil {
		return "", errors.Join(ctx.Err(), fmt.Errorf("compile %s: %w: %s", t.name, err, log.last()))
	}
	return plan, os.WriteFile(note, stamp, 0o600)
}

// planCommand compiles a plan for a benchmark. It is a process of its own, so
// that the compiler's memory does not count as the client's, and it is not in
// the help: whoever wants a plan wants nimbusc.
var planCommand = &command{
	name: "bench-plan",
	args: "-o PLAN -seq N MODEL",
	flags: func(fs *flag.FlagSet) func(context.Context, []string) error {
		out := fs.String("o", "", "`PLAN` to write")
		seq := fs.Int("seq", 0, "")
		set := settings{}
		fs.Var(set, "set", "")
		parts := fs.Int("parts", 0, "")
		ranges := passes.Clamped
		fs.Var(&ranges, "range", rangeUsage)
		var lower backend.Options
		extensionFlags(fs, &lower)
		fs.BoolVar(&lower.Ahead, "offline", false, "")
		return func(_ context.Context, args []string) error {
			if len(args) != 1 || *out == "" {
				return usagef("wants a model and -o")
			}
			if err := checkExtension(lower); err != nil {
				return err
			}
			lower.Reuse = backend.DefaultReuse
			m, err := compileBench(args[0], set, *seq, passes.Options{Margin: passes.DefaultMargin, Parts: *parts, Range: ranges}, lower)
			if err != nil {
				return err
			}
			return os.WriteFile(*out, []byte(m.String()), 0o600)
		}
	},
}

// benchExamples is how many random inputs a plan is calibrated on.
const benchExamples = 4

const rangeUsage = "let ring widths of a plan compiled here rest on `WHAT`: proved, clamped or calibrated"

func compileBench(name string, set settings, seq int, how passes.Options, lower backend.Options) (*ir.Module, error) {
	b, err := bundle.Open(name)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	params := set.with("seq", seq)
	m, err := b.Module(params)
	if err != nil {
		return nil, err
	}
	src, err := b.Weights(params)
	if err != nil {
		return nil, err
	}
	job := backend.Job{Source: src, Passes: how, Lower: lower}
	for i := range benchExamples {
		in, err := exampleInput(m, uint64(i)+1, seq-i*seq/(2*benchExamples))
		if err != nil {
			return nil, err
		}
		job.Examples = append(job.Examples, in)
	}
	return m, backend.Compile(m, job)
}

// exampleInput draws an input with the given number of tokens, the rest padding.
func exampleInput(m *ir.Module, seed uint64, tokens int) (passes.Example, error) {
	main := m.Func("main")
	if main == nil {
		return passes.Example{}, errors.New("the module has no function main")
	}
	rng := rand.New(rand.NewPCG(seed, 0))
	in := map[string]eval.Value{}
	for _, p := range main.Params {
		n := p.Type.NumElems()
		ints := make([]int, n)
		switch {
		case p.Name == "ids":
			for i := range ints {
				ints[i] = rng.IntN(max(m.Attrs.Int("vocab", 0), 1))
				if i >= tokens {
					ints[i] = m.Attrs.Int("pad", 0)
				}
			}
		case p.Name == "mask":
			for i := range min(tokens, n) {
				ints[i] = 1
			}
		case p.Name == "types":
		case p.Type.Elem.Kind != ir.Int:
			lo, hi := -8.0, 8.0
			if r := p.Attrs.Floats("range"); len(r) == 2 {
				lo, hi = r[0], r[1]
			}
			reals := make([]float64, n)
			for i := range reals {
				reals[i] = min(max(rng.NormFloat64(), lo), hi)
				if p.Name == "pool" { // weights of a mean over the tokens
					reals[i] = 0
					if i < tokens {
						reals[i] = 1 / float64(tokens)
					}
				}
			}
			in[p.Name] = eval.Floats(reals)
			continue
		default:
			return passes.Example{}, fmt.Errorf("nobody knows what to draw for the input %%%s of type %s", p.Name, p.Type)
		}
		in[p.Name] = eval.Ints(ints)
	}
	return passes.Example{Inputs: in, Tokens: tokens}, nil
}

// randomInputs draws an input of full length that calibration has not seen.
func randomInputs(prog *runtime.Program) (map[string][]uint64, error) {
	e, err := exampleInput(prog.Module, 1<<32, prog.Seq)
	if err != nil {
		return nil, err
	}
	out := map[string][]uint64{}
	for _, in := range prog.Inputs() {
		v := e.Inputs[in.Name]
		if out[in.Name] = v.Ring; v.Ring == nil {
			if out[in.Name], err = weights.EncodeReals(in.Type.Elem, v.Real); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

func parseSettings(list []string) (settings, error) {
	set := settings{}
	for _, s := range list {
		if err := set.Set(s); err != nil {
			return nil, err
		}
	}
	return set, nil
}
