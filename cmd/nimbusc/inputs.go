package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"nimbus/ir"
	"nimbus/ir/eval"
	"nimbus/ir/weights"
)

// parseInputs reads a JSON object of lists of numbers, nested as one likes: the
// inputs of f by parameter, and weights of m by name with an @.
func parseInputs(display, text string, m *ir.Module, f *ir.Func) (map[string]eval.Value, weights.Map, error) {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var object map[string]any
	if err := dec.Decode(&object); err != nil {
		return nil, nil, jsonError(display, text, dec, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, nil, fmt.Errorf("%s: one JSON object is expected, and more follows", display)
	}
	in, given := map[string]eval.Value{}, weights.Map{}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		numbers, err := flatten(nil, object[name])
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %q: %w", display, name, err)
		}
		if weight, ok := strings.CutPrefix(name, "@"); ok {
			t, err := tensorOf(m, weight, numbers)
			if err != nil {
				return nil, nil, fmt.Errorf("%s: %q: %w", display, name, err)
			}
			given[weight] = t
			continue
		}
		p := f.Param(strings.TrimPrefix(name, "%"))
		if p == nil {
			return nil, nil, fmt.Errorf("%s: @%s has no parameter %%%s", display, f.Name, strings.TrimPrefix(name, "%"))
		}
		v, err := valueOf(p.Type, numbers)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %q: %w", display, name, err)
		}
		in[p.Name] = v
	}
	for _, p := range f.Params {
		if _, ok := in[p.Name]; !ok {
			return nil, nil, fmt.Errorf("%s: no input %q, which is a %s", display, p.Name, p.Type)
		}
	}
	return in, given, nil
}

// jsonError names the place where the JSON is wrong.
func jsonError(display, text string, dec *json.Decoder, err error) error {
	at := dec.InputOffset()
	var syntax *json.SyntaxError
	var typ *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		at = max(syntax.Offset-1, 0)
	case errors.As(err, &typ):
		err = fmt.Errorf("a JSON %s stands where an object is expected", typ.Value)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		at, err = int64(len(text)), errors.New("the JSON ends early")
	}
	before := text[:min(int(at), len(text))]
	line := 1 + strings.Count(before, "\n")
	col := len(before) - strings.LastIndex(before, "\n")
	return fmt.Errorf("%s:%d:%d: %w", display, line, col, err)
}

// flatten appends the numbers of a nested list.
func flatten(dst []json.Number, v any) ([]json.Number, error) {
	switch v := v.(type) {
	case json.Number:
		return append(dst, v), nil
	case bool:
		if v {
			return append(dst, "1"), nil
		}
		return append(dst, "0"), nil
	case []any:
		var err error
		for _, e := range v {
			if dst, err = flatten(dst, e); err != nil {
				return nil, err
			}
		}
		return dst, nil
	}
	return nil, errors.New("a list of numbers is expected")
}

func checkCount(t ir.Type, got int) error {
	if want := t.NumElems(); got != want {
		return fmt.Errorf("%d numbers for a %s, which has %d", got, t, want)
	}
	return nil
}

// valueOf makes an input of type t: whole numbers for iL, else reals.
func valueOf(t ir.Type, numbers []json.Number) (eval.Value, error) {
	if err := checkCount(t, len(numbers)); err != nil {
		return eval.Value{}, err
	}
	if t.Elem.Kind != ir.Int {
		reals, err := realsOf(numbers)
		return eval.Floats(reals), err
	}
	v := eval.Value{Ring: make([]uint64, len(numbers))}
	for i, n := range numbers {
		x, err := strconv.ParseInt(n.String(), 10, 64)
		if err != nil {
			return v, fmt.Errorf("%s is not a whole number", n)
		}
		if w := t.Elem.Width; w < 64 && (x >= 1<<w || x < -1<<(w-1)) || w == 1 && x < 0 {
			return v, fmt.Errorf("%s does not fit %s", n, t.Elem)
		}
		v.Ring[i] = uint64(x)
	}
	return v, nil
}

func realsOf(numbers []json.Number) ([]float64, error) {
	out := make([]float64, len(numbers))
	for i, n := range numbers {
		x, err := n.Float64()
		if err != nil {
			return nil, fmt.Errorf("%s is out of range", n)
		}
		out[i] = x
	}
	return out, nil
}

// tensorOf is a weight given in place of what its recipe would make.
func tensorOf(m *ir.Module, name string, numbers []json.Number) (weights.Tensor, error) {
	w := m.Weight(name)
	if w == nil {
		return weights.Tensor{}, fmt.Errorf("module @%s has no such weight", m.Name)
	}
	if err := checkCount(w.Type, len(numbers)); err != nil {
		return weights.Tensor{}, err
	}
	reals, err := realsOf(numbers)
	if err != nil {
		return weights.Tensor{}, err
	}
	t := weights.Tensor{Shape: w.Type.Shape, Data: make([]float32, len(reals))}
	for i, x := range reals {
		t.Data[i] = float32(x)
	}
	return t, nil
}

// inlineWeights is a source of the weights given with the input, and of a
// model's for the rest.
type inlineWeights struct {
	given weights.Map
	rest  weights.Source // may be nil
}

// strip is m with the recipes of given weights removed: what is given is the
// weight itself.
func (s inlineWeights) strip(m *ir.Module) *ir.Module {
	m = m.Clone()
	for name := range s.given {
		w := m.Weight(name)
		for _, attr := range []string{"from", "axis", "mul", "transpose", "rows"} {
			w.Attrs.Del(attr)
		}
		w.Attrs.Set("from", []string{"@" + name}) // no tensor of a file is called so
	}
	return m
}

// Tensor implements weights.Source.
func (s inlineWeights) Tensor(name string) ([]int, []float32, error) {
	if weight, ok := strings.CutPrefix(name, "@"); ok {
		return s.given.Tensor(weight)
	}
	if s.rest == nil {
		return nil, nil, fmt.Errorf("no tensor %q: -model names the model whose weights are meant, or give the weight in the input under its name with @", name)
	}
	return s.rest.Tensor(name)
}
