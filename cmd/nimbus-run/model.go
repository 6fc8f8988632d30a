package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"nimbus/frontend"
	"nimbus/frontend/bundle"
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
	return runtime.NewProgram(m)
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

// embeddedPlans lists the plans that are embedded for a model, the shortest
// first.
func embeddedPlans(model string) ([]string, error) {
	dir, err := models.Open(model)
	if err != nil {
		return nil, err
	}
	files, err := fs.Glob(dir, "*.plan")
	if err != nil {
		return nil, err
	}
	length := map[string]int{}
	var names []string
	for _, f := range files {
		n := model + "/" + f
		prog, err := loadPlan(n)
		if err != nil {
			return nil, err
		}
		length[n] = prog.Seq
		names = append(names, n)
	}
	slices.SortFunc(names, func(a, b string) int { return length[a] - length[b] })
	return names, nil
}

// loadModel loads what a server needs of a model to serve a plan: the weights
// that the plan declares, and the files that clients need.
func loadModel(name string, prog *runtime.Program, set settings) (runtime.Weights, runtime.Bundle, error) {
	b, err := bundle.Open(name)
	if err != nil {
		return nil, nil, err
	}
	defer b.Close()
	src, err := b.Weights(set.with("seq", prog.Seq))
	if err != nil {
		return nil, nil, err
	}
	out := runtime.Weights{}
	for _, w := range prog.Module.Weights {
		if out[w.Name], err = weights.Encode(w, src); err != nil {
			return nil, nil, err
		}
	}
	files, err := modelBundle(name)
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

// modelBundle collects the tokenizer's files of a model.
func modelBundle(name string) (runtime.Bundle, error) {
	var dir fs.FS
	if info, err := os.Stat(name); err == nil {
		folder := name
		if !info.IsDir() {
			folder = filepath.Dir(name)
		}
		dir = os.DirFS(folder)
	} else {
		folder, _, _ := strings.Cut(strings.TrimSuffix(name, "/"), "/") // of NAME or NAME/DESCRIPTION
		if dir, err = models.Open(folder); err != nil {
			return nil, err
		}
	}
	out := runtime.Bundle{}
	for _, file := range []string{"tokenizer.json", "vocab.txt", "vocab.json", "merges.txt", "tokenizer_config.json"} {
		data, err := fs.ReadFile(dir, file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out[file] = data
	}
	return out, nil
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
	enc, err := b.Tokenizer.Encode(text, length, truncate)
	if err != nil {
		return nil, err
	}
	inputs := map[string]eval.Value{}
	for _, p := range m.Func("main").Params {
		switch p.Name {
		case "ids":
			inputs[p.Name] = eval.Ints(enc.IDs)
		case "types":
			inputs[p.Name] = eval.Ints(enc.Types)
		case "mask":
			inputs[p.Name] = eval.Ints(enc.Mask)
		case "pool":
			inputs[p.Name] = eval.Floats(enc.Pool())
		}
	}
	out, err := eval.Run(m, "main", inputs, src)
	if err != nil {
		return nil, err
	}
	logits := out[0].Reals()
	labels := b.Labels()
	if len(labels) == 0 {
		labels = m.Attrs.Strs("labels")
	}
	return bundle.NewAnswer(logits, labels)
}
