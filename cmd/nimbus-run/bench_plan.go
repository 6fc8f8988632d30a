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
	"nimbus/backend/cost"
	"nimbus/frontend/bundle"
	"nimbus/internal/otparams"
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
	minimise  string   // what the plan was compiled for
	coefs     string   // file of its private coefficients, or empty
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
		if plans, err := embeddedPlans(o.model); err == nil && len(plans) > 0 && !o.plan.private && o.plan.minimise == "" {
			return embeddedTarget(o, plans)
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
	t.minimise = o.plan.minimising()
	if t.plan, err = cachedPlan(ctx, o, t); err == nil && o.plan.private {
		t.coefs = t.plan + coefficientSuffix
	}
	return t, err
}

// embeddedTarget is the shortest of the plans that takes the tokens, with a
// real text.
func embeddedTarget(o benchOptions, plans []embeddedPlan) (*target, error) {
	for _, p := range plans {
		if p.prog.Seq < o.tokens {
			continue
		}
		n := p.name
		if o.plan.lower.Ahead {
			backend.RunAhead(p.prog.Module)
			h, err := home()
			if err != nil {
				return nil, err
			}
			if n = filepath.Join(h, "bench", filepath.Base(n)+".ahead"); os.MkdirAll(filepath.Dir(n), 0o700) != nil {
				return nil, fmt.Errorf("cannot make %s", filepath.Dir(n))
			}
			if err := os.WriteFile(n, []byte(p.prog.Module.String()), 0o600); err != nil {
				return nil, err
			}
		}
		return &target{name: o.model, plan: n, weights: o.model, minimise: "bytes", inputs: func(prog *runtime.Program) (map[string][]uint64, error) {
			b, err := bundle.Open(o.model)
			if err != nil {
				return nil, err
			}
			defer b.Close()
			r, err := b.Reader(prog.Module)
			if err != nil {
				return nil, err
			}
			in, err := r.Text(demoText, false)
			if err != nil {
				return nil, err
			}
			return rings(in.Values), nil
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
	args := append([]string{"-seq", fmt.Sprint(o.tokens)}, o.plan.args()...)
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
	if o.plan.profile != "" {
		profile, err := os.ReadFile(o.plan.profile)
		if err != nil {
			return "", err
		}
		digest.Write(profile)
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
	cmd := exec.CommandContext(ctx, exe, append(append([]string{planCommand.Name, "-o", plan}, args...), t.weights)...)
	cmd.Stderr = &log
	if err := cmd.Run(); err != nil {
		return "", errors.Join(ctx.Err(), fmt.Errorf("compile %s: %w: %s", t.name, err, log.last()))
	}
	return plan, os.WriteFile(note, stamp, 0o600)
}

// planOptions say how a plan is compiled here, and for what link.
type planOptions struct {
	ranges            passes.Range
	parts             int
	private           bool // coefficients
	link              cost.Link
	profile, minimise string
	lower             backend.Options
}

func (p *planOptions) flags(fs *flag.FlagSet) {
	p.ranges = passes.Clamped
	fs.Var(&p.ranges, "range", "let ring widths of a plan compiled here rest on `WHAT`: proved, clamped or calibrated")
	fs.IntVar(&p.parts, "parts", 0, "cut the layers of a plan compiled here into `N` parts that overlap (default: as nimbusc)")
	fs.BoolVar(&p.private, "private-coefficients", false, "compile a plan that keeps cuts and coefficients of fitted functions with the server")
	fs.BoolVar(&p.lower.Ahead, "offline", false, "make matrix products of masks, and all else that does not depend on the input, in a session before, and keep it on the disk")
	fs.StringVar(&p.lower.Extension, "extension", "", "OT extension `NAME` of a plan compiled here: "+strings.Join(otparams.Names(), ", ")+", or "+backend.AnyFerret+" (default: what suits the plan and the -link)")
	fs.StringVar(&p.lower.Base, "base", string(otparams.Ristretto), "base OT `NAME` of a plan compiled here: ristretto or mlkem")
	fs.Var(&p.link, "link", linkUsage+"; a plan compiled here is for it")
	fs.StringVar(&p.minimise, "minimise", "", "compile a plan that takes least `WHAT`: bytes (the default without -link), online (with it) or all, which counts what goes ahead of the input too")
	fs.StringVar(&p.profile, "profile", "", "write this machine's profile to `FILE`; of model and block: choose and predict by the times of the one in FILE")
}

// minimising is what a plan compiled here takes least of.
func (p *planOptions) minimising() string {
	switch {
	case p.minimise != "":
		return p.minimise
	case p.link.String() != "none":
		return "online"
	}
	return "bytes"
}

func (p *planOptions) check() error {
	if p.parts < 0 {
		return usagef("%d parts, expected at least one, or 0 for the default", p.parts)
	}
	if err := backend.CheckExtension(p.lower.Extension); err != nil {
		return usagef("-extension: %v", err)
	}
	if _, err := otparams.FindBase(p.lower.Base); err != nil {
		return usagef("-base: %v", err)
	}
	if _, err := backend.Minimising(p.minimising(), nil, p.link); err != nil {
		return usagef("-minimise: %v", err)
	}
	return nil
}

// args are the flags that make the same options again. What is chosen by bytes
// does not depend on a link.
func (p *planOptions) args() []string {
	args := []string{"-range", string(p.ranges), "-parts", fmt.Sprint(p.parts), "-extension", p.lower.Extension, "-base", p.lower.Base,
		fmt.Sprintf("-private-coefficients=%t", p.private), fmt.Sprintf("-offline=%t", p.lower.Ahead), "-minimise", p.minimising()}
	if p.minimising() != "bytes" {
		args = append(args, "-link", p.link.String(), "-profile", p.profile)
	}
	return args
}

// coefficientSuffix follows a plan's name in that of its private coefficients.
const coefficientSuffix = ".coefficients"

// planCommand compiles a plan for a benchmark. It is a process of its own, so
// that the compiler's memory does not count as the client's, and it is not in
// the help: whoever wants a plan wants nimbusc.
var planCommand = &command{
	Name: "bench-plan",
	Args: "-o PLAN -seq N MODEL",
	Setup: func(fs *flag.FlagSet) func(context.Context, []string) error {
		out := fs.String("o", "", "`PLAN` to write")
		seq := fs.Int("seq", 0, "")
		set := settings{}
		fs.Var(set, "set", "")
		var p planOptions
		p.flags(fs)
		return func(_ context.Context, args []string) error {
			if len(args) != 1 || *out == "" {
				return usagef("wants a model and -o")
			}
			if err := p.check(); err != nil {
				return err
			}
			m, hidden, err := compileBench(args[0], set, *seq, p)
			if err != nil {
				return err
			}
			if hidden != nil {
				text, err := bundle.CoefficientText(m, hidden)
				if err != nil {
					return err
				}
				if err := os.WriteFile(*out+coefficientSuffix, []byte(text), 0o600); err != nil {
					return err
				}
			}
			return os.WriteFile(*out, []byte(m.String()), 0o600)
		}
	},
}

// benchExamples is how many random inputs a plan is calibrated on.
const benchExamples = 4

// compileBench compiles a plan, and returns its private coefficients if it shall
// have such.
func compileBench(name string, set settings, seq int, p planOptions) (*ir.Module, weights.Map, error) {
	profile, err := readProfile(p.profile)
	if err != nil {
		return nil, nil, err
	}
	p.lower.Reuse = backend.DefaultReuse
	if p.lower.Objective, err = backend.Minimising(p.minimising(), profile, p.link); err != nil {
		return nil, nil, err
	}

	b, err := bundle.Open(name)
	if err != nil {
		return nil, nil, err
	}
	defer b.Close()
	params := set.with("seq", seq)
	m, err := b.Module(params)
	if err != nil {
		return nil, nil, err
	}
	src, err := b.Weights(params)
	if err != nil {
		return nil, nil, err
	}
	job := backend.Job{Source: src, Passes: passes.Options{Margin: passes.DefaultMargin, Parts: p.parts, Range: p.ranges}, Lower: p.lower}
	if p.private {
		job.Hidden = weights.Map{}
	}
	for i := range benchExamples {
		in, err := exampleInput(m, uint64(i)+1, seq-i*seq/(2*benchExamples))
		if err != nil {
			return nil, nil, err
		}
		job.Examples = append(job.Examples, in)
	}
	return m, job.Hidden, backend.Compile(m, job)
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
