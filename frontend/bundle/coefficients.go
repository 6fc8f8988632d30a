package bundle

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"

	"nimbus/ir"
	"nimbus/ir/plan"
	"nimbus/ir/weights"
)

// A coefficientFile holds what `nimbusc compile -private-coefficients` keeps out
// of a plan: the values of its weights marked fitted, row-major. It is the
// server's alone.
type coefficientFile struct {
	Plan         string               `json:"plan"` // digest
	Coefficients map[string][]float64 `json:"coefficients"`
}

// CoefficientText is the file of coefficients for a plan.
func CoefficientText(p *ir.Module, src weights.Map) (string, error) {
	f := coefficientFile{plan.DigestOf(p).String(), map[string][]float64{}}
	for _, w := range fitted(p) {
		v, err := weights.Load(w, src)
		if err != nil {
			return "", err
		}
		f.Coefficients[w.Name] = v
	}
	text, err := json.MarshalIndent(f, "", "  ")
	return string(text) + "\n", err
}

// fitted are the weights of a plan that no model has.
func fitted(p *ir.Module) (all []*ir.Weight) {
	for _, w := range p.Weights {
		if w.Attrs.Bool("fitted") {
			all = append(all, w)
		}
	}
	return all
}

// ErrNoCoefficients is what WithCoefficients returns for a plan that needs a file.
var ErrNoCoefficients = errors.New("the plan keeps the coefficients of its functions private: -coefficients FILE gives the server those that nimbusc compile -private-coefficients wrote")

// WithCoefficients adds the coefficients in a file to a model's weights, src,
// which may be nil. file is empty if p needs none. Errors tell no value.
func WithCoefficients(p *ir.Module, file string, src weights.Source) (weights.Source, error) {
	need := fitted(p)
	switch {
	case file == "" && len(need) == 0:
		return src, nil
	case file == "":
		return nil, ErrNoCoefficients
	case len(need) == 0:
		return nil, fmt.Errorf("%s: the plan's coefficients are public, it takes no -coefficients", file)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var f coefficientFile
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, fmt.Errorf("%s: not a file of coefficients, as nimbusc compile -private-coefficients writes it", file)
	}
	if d := plan.DigestOf(p).String(); f.Plan != d {
		return nil, fmt.Errorf("%s: coefficients of another plan, with digest %.16s; this one's is %.16s", file, f.Plan, d)
	}
	out := weights.Overlay{Map: weights.Map{}, Under: src}
	for _, w := range need {
		v := f.Coefficients[w.Name]
		if len(v) != w.Type.NumElems() {
			return nil, fmt.Errorf("%s: %d numbers for @%s, want %d", file, len(v), w.Name, w.Type.NumElems())
		}
		t := weights.Tensor{Shape: w.Type.Shape, Data: make([]float32, len(v))}
		for i, x := range v {
			if t.Data[i] = float32(x); math.IsInf(float64(t.Data[i]), 0) {
				return nil, fmt.Errorf("%s: a number of @%s is too large", file, w.Name)
			}
		}
		out.Map[w.Name] = t
	}
	return out, nil
}
