package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"nimbus/backend"
	"nimbus/frontend"
	"nimbus/frontend/bundle"
	"nimbus/ir"
	"nimbus/ir/eval"
	"nimbus/ir/plan"
	"nimbus/ir/weights"
	"nimbus/models"
	"nimbus/runtime"
)

// settings is a flag value that gathers name=value, parameters of a model's
// description.
type settings frontend.Set

// String is what the flags were, in order of the names.
func (s settings) String() string {
	parts := make([]string, 0, len(s))
	for name, value := range s {
		parts = append(parts, fmt.Sprintf("%s=%v", name, value))
	}
	slices.Sort(parts)
	return strings.Join(parts, " ")
}

// Set reads one name=value.
func (s settings) Set(text string) error {
	name, value, err := frontend.ParseSetting(text)
	if err != nil {
		return err
	}
	s[name] = value
	return nil
}

// with returns the settings and one more.
func (s settings) with(name string, value int) frontend.Set {
	out := frontend.Set{}
	maps.Copy(out, s)
	out[name] = value
	return out
}

// parsePlan reads and checks a plan.
func parsePlan(name, text string) (*runtime.Program, error) {
	m, err := plan.Parse(name, text)
	if err != nil {
		return nil, err
	}
	prog, err := runtime.NewProgram(m)
	if err != nil {
		return nil, err
	}
	traffic, err := backend.Vet(m)
	if err != nil {
		return nil, err
	}
	prog.MostOp, prog.MostRun = traffic.Op, traffic.Run
	return prog, nil
}

// loadPlan reads a plan from a file or, where there is none, an embedded one
// such as nimbus-sst2-tiny/s32.plan.
func loadPlan(name string) (*runtime.Program, error) {
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		if model, file := path.Split(name); model != "" && file != "" {
			if dir, derr := models.Open(path.Clean(model)); derr == nil {
				text, err = fs.ReadFile(dir, file)
			}
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read plan: %w", err)
	}
	return parsePlan(name, string(text))
}

// An embeddedPlan is a plan that is embedded for a model.
type embeddedPlan struct {
	name string
	prog *runtime.Program
}

// embeddedPlans reads the plans that are embedded for a model, the shortest
// first.
func embeddedPlans(model string) ([]embeddedPlan, error) {
	dir, err := models.Open(model)
	if err != nil {
		return nil, err
	}
	files, err := fs.Glob(dir, "*.plan")
	if err != nil {
		return nil, err
	}
	var plans []embeddedPlan
	for _, f := range files {
		name := model + "/" + f
		prog, err := loadPlan(name)
		if err != nil {
			return nil, err
		}
		plans = append(plans, embeddedPlan{name, prog})
	}
	slices.SortFunc(plans, func(a, b embeddedPlan) int { return a.prog.Seq - b.prog.Seq })
	return plans, nil
}

// list is a flag value that gathers what it is given.
type list []string

func (l *list) String() string { return strings.Join(*l, " ") }

// Set adds one.
func (l *list) Set(text string) error {
	*l = append(*l, text)
	return nil
}

// loadWeights loads what a server needs to serve a plan: the weights that it
// declares, and the files that clients need. args is the name of a model, or
// files of weights; coefs the file of a plan's private coefficients, or empty;
// next the server of another plan of these weights, or nil.
func loadWeights(args []string, coefs string, prog *runtime.Program, set settings, next *runtime.Server) (runtime.Weights, runtime.Bundle, error) {
	if len(args) == 1 && !bundle.IsWeightFile(args[0]) {
		return loadModel(args[0], coefs, prog, set, next)
	}
	files := runtime.Bundle{}
	if len(prog.Module.Weights) == 0 {
		if len(args) > 0 {
			return nil, nil, usagef("-weights is given, but the plan has no weights")
		}
		return runtime.Weights{}, files, nil
	}
	src, done, err := bundle.OpenWeights("-weights", args, prog.Module, openFile)
	if err != nil {
		return nil, nil, err
	}
	defer done()
	out, err := encode(prog, coefs, src, next)
	return out, files, err
}

// encode makes the plan's weights of a source, and of a file of private
// coefficients if the plan has such. What another plan declares alike is shared
// with its server.
func encode(prog *runtime.Program, coefs string, src weights.Source, next *runtime.Server) (runtime.Weights, error) {
	src, err := bundle.WithCoefficients(prog.Module, coefs, src)
	if err != nil {
		return nil, err
	}
	out := runtime.Weights{}
	for _, w := range prog.Module.Weights {
		if out[w.Name] = encoded(w, next); out[w.Name] != nil {
			continue
		}
		if out[w.Name], err = weights.Encode(w, src); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// encoded is w as one of some servers has it, or nil.
func encoded(w *ir.Weight, sv *runtime.Server) []uint64 {
	for ; sv != nil; sv = sv.Next {
		v := sv.Program.Module.Weight(w.Name)
		if v != nil && v.Type.Equal(w.Type) && v.Attrs.String() == w.Attrs.String() {
			return sv.Weights[w.Name]
		}
	}
	return nil
}

// loadModel is loadWeights for a model.
func loadModel(name, coefs string, prog *runtime.Program, set settings, next *runtime.Server) (runtime.Weights, runtime.Bundle, error) {
	b, err := bundle.Open(name)
	if err != nil {
		return nil, nil, err
	}
	defer b.Close()
	src, err := b.Weights(set.with("seq", prog.Seq))
	if err != nil {
		return nil, nil, err
	}
	out, err := encode(prog, coefs, src, next)
	if err != nil {
		return nil, nil, err
	}
	files, err := b.Files()
	if err != nil {
		return nil, nil, err
	}
	labels := prog.Module.Attrs.Strs("labels")
	if len(labels) == 0 {
		labels = b.Labels()
	}
	if len(labels) > 0 {
		if files[labelsFile], err = json.Marshal(labels); err != nil {
			return nil, nil, err
		}
	}
	return out, files, nil
}

// clearAnswer computes the answer in this process, in the clear and in real
// numbers: what the private one is compared with.
func clearAnswer(model, text string, length int, truncate bool) (*bundle.Answer, error) {
	b, err := bundle.Open(model)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	set := frontend.Set{"seq": length}
	m, err := b.Module(set)
	if err != nil {
		return nil, err
	}
	src, err := b.Weights(set)
	if err != nil {
		return nil, err
	}
	r, err := b.Reader(m)
	if err != nil {
		return nil, err
	}
	in, err := r.Text(text, truncate)
	if err != nil {
		return nil, err
	}
	out, err := eval.Run(m, "main", in.Values, src)
	if err != nil {
		return nil, err
	}
	return r.Answer(in, out)
}
