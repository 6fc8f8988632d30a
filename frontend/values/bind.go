package values

import (
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"nimbus/frontend/bristol"
	"nimbus/ir"
	"nimbus/ir/eval"
	"nimbus/ir/weights"
)

// Bind makes inputs of the parameters that lists are for, which must be all of
// params: whole numbers for iL, else reals; in fixed point where the parameter
// is. Names with an @ are weights and left alone. what begins errors.
func Bind(what string, params []*ir.Value, lists map[string]List) (map[string]eval.Value, error) {
	out := map[string]eval.Value{}
	for _, name := range slices.Sorted(maps.Keys(lists)) {
		if strings.HasPrefix(name, "@") {
			continue
		}
		p := find(params, name)
		if p == nil && name == Lone {
			return nil, fmt.Errorf("%s: the input does not say for which of %s it is; write NAME=FILE", what, listed(params))
		}
		if p == nil {
			return nil, fmt.Errorf("%s: there is no parameter %%%s to give; there is %s", what, name, listed(params))
		}
		if _, twice := out[p.Name]; twice {
			return nil, fmt.Errorf("%s: %%%s is given twice", what, p.Name)
		}
		v, err := Value(p, lists[name])
		if err != nil {
			return nil, fmt.Errorf("%s: %q: %w", what, p.Name, err)
		}
		out[p.Name] = v
	}
	for _, p := range params {
		if _, ok := out[p.Name]; !ok {
			return nil, fmt.Errorf("%s: no input %q, which is a %s", what, p.Name, p.Type)
		}
	}
	return out, nil
}

func find(params []*ir.Value, name string) *ir.Value {
	if name == Lone && len(params) == 1 {
		return params[0]
	}
	i := slices.IndexFunc(params, func(p *ir.Value) bool { return p.Name == name })
	if i < 0 {
		return nil
	}
	return params[i]
}

func listed(params []*ir.Value) string {
	if len(params) == 0 {
		return "none"
	}
	names := make([]string, len(params))
	for i, p := range params {
		names[i] = "%" + p.Name
	}
	return strings.Join(names, ", ")
}

// Value makes an input of parameter p of a list.
func Value(p *ir.Value, l List) (eval.Value, error) {
	t := p.Type
	if err := l.blocks(t); err != nil {
		return eval.Value{}, err
	}
	if l.Blocks != nil {
		return bits(t, l.Blocks)
	}
	if l.Reals == nil {
		return eval.Value{}, fmt.Errorf("bytes in hexadecimal for a %s; numbers are expected", t)
	}
	if err := checkCount(t, l); err != nil {
		return eval.Value{}, err
	}
	for i, x := range l.Reals {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return eval.Value{}, fmt.Errorf("element %d is not a finite number", i)
		}
	}
	if r := p.Attrs.Floats("range"); len(r) == 2 {
		for i, x := range l.Reals {
			if x < r[0] || x > r[1] {
				return eval.Value{}, fmt.Errorf("element %d is outside [%g, %g], the range that the program declares; scale the input, or widen the range and compile again", i, r[0], r[1])
			}
		}
	}
	if n := p.Attrs.Float("norm", 0); n > 0 {
		for i := 0; i+t.Last() <= len(l.Reals); i += t.Last() {
			if length(l.Reals[i:i+t.Last()]) > n {
				return eval.Value{}, fmt.Errorf("row %d is longer than %g, the norm that the program declares; scale the input, or declare a larger norm and compile again", i/t.Last(), n)
			}
		}
	}
	switch t.Elem.Kind {
	case ir.Int:
		ring, err := whole(t.Elem, l.Whole)
		return eval.Value{Type: t, Ring: ring}, err
	case ir.F32:
		return eval.Value{Type: t, Real: l.Reals}, nil
	}
	ring, err := weights.EncodeReals(t.Elem, l.Reals)
	return eval.Value{Type: t, Ring: ring}, err
}

// length is the Euclidean norm of a row.
func length(row []float64) float64 {
	s := 0.0
	for _, x := range row {
		s += x * x
	}
	return math.Sqrt(s)
}

func checkCount(t ir.Type, l List) error {
	if l.Shape != nil && !slices.Equal(squeezed(l.Shape), squeezed(t.Shape)) {
		return fmt.Errorf("an array of shape %v for a %s; reshape it", l.Shape, t)
	}
	if got, want := len(l.Reals), t.NumElems(); got != want {
		return fmt.Errorf("%d numbers for a %s, which has %d", got, t, want)
	}
	return nil
}

// squeezed leaves out axes of length one.
func squeezed(shape []int) []int {
	return slices.DeleteFunc(slices.Clone(shape), func(d int) bool { return d == 1 })
}

func whole(e ir.Elem, numbers []int64) ([]uint64, error) {
	if numbers == nil {
		return nil, fmt.Errorf("whole numbers are expected for %s", e)
	}
	ring := make([]uint64, len(numbers))
	for i, x := range numbers {
		if w := e.Width; w < 64 && (x >= 1<<w || x < -1<<(w-1)) || w == 1 && x < 0 {
			return nil, fmt.Errorf("element %d does not fit %s", i, e)
		}
		ring[i] = uint64(x) & (^uint64(0) >> (64 - e.Width))
	}
	return ring, nil
}

// blocks takes the words of plain text for blocks of bits if the parameter is
// such blocks and the words are as long.
func (l *List) blocks(t ir.Type) error {
	wires, ok := blockBits(t)
	if !ok || l.words == nil || len(l.words[0])*4 != wires {
		return nil
	}
	for i, w := range l.words {
		b, err := hex.DecodeString(w)
		if err != nil {
			return fmt.Errorf("block %d is no hexadecimal number", i+1)
		}
		l.Blocks = append(l.Blocks, b)
	}
	return nil
}

// blockBits is the length of a block for a parameter of blocks of whole bytes,
// bits [wires, blocks] as package bristol lays them out.
func blockBits(t ir.Type) (int, bool) {
	if t.Elem != ir.IntElem(1) || t.Rank() != 2 || t.Shape[0]%8 != 0 {
		return 0, false
	}
	return t.Shape[0], true
}

// bits lays blocks out; one block stands for as many as are wanted.
func bits(t ir.Type, blocks [][]byte) (eval.Value, error) {
	wires, ok := blockBits(t)
	if !ok {
		return eval.Value{}, fmt.Errorf("bytes in hexadecimal for a %s; numbers are expected", t)
	}
	n := t.Shape[1]
	if len(blocks) == 1 {
		blocks = slices.Repeat(blocks, n)
	}
	if len(blocks) != n {
		return eval.Value{}, fmt.Errorf("%d blocks for a plan of %d; give as many, one for all, or compile with -blocks %d", len(blocks), n, len(blocks))
	}
	for i, b := range blocks {
		if 8*len(b) != wires {
			return eval.Value{}, fmt.Errorf("block %d has %d bytes, expected %d", i+1, len(b), wires/8)
		}
	}
	v, err := bristol.Unpack(blocks)
	return eval.Value{Type: t, Ring: v}, err
}

// Hex is the blocks of a value that is blocks of bits, nil for any other.
func Hex(t ir.Type, ring []uint64) []string {
	if _, ok := blockBits(t); !ok {
		return nil
	}
	blocks, err := bristol.Pack(ring, t.Shape[1])
	if err != nil {
		return nil
	}
	out := make([]string, len(blocks))
	for i, b := range blocks {
		out[i] = hex.EncodeToString(b)
	}
	return out
}

// Tensors are the weights among lists, by their names, whose @ may be left out
// where all of lists are weights. A list that is not nested as the weight is
// shaped takes the weight's shape.
func Tensors(what string, m *ir.Module, lists map[string]List) (weights.Map, error) {
	out := weights.Map{}
	for _, name := range slices.Sorted(maps.Keys(lists)) {
		l := lists[name]
		name = strings.TrimPrefix(name, "@")
		t, err := tensorOf(m, name, l)
		if err != nil {
			return nil, fmt.Errorf("%s: %q: %w", what, "@"+name, err)
		}
		out[name] = t
	}
	return out, nil
}

func tensorOf(m *ir.Module, name string, l List) (weights.Tensor, error) {
	if l.Reals == nil {
		return weights.Tensor{}, errList
	}
	w := m.Weight(name)
	t := weights.Tensor{Shape: l.Nested, Data: make([]float32, len(l.Reals))}
	for i, x := range l.Reals {
		t.Data[i] = float32(x)
	}
	switch {
	case w == nil && !named(m, name):
		return t, fmt.Errorf("module @%s has no such weight", m.Name)
	case w != nil && !slices.Equal(t.Shape, w.Type.Shape) && slices.Equal(weights.Sources(w), []string{name}) && !reshaped(w):
		if err := checkCount(w.Type, List{Shape: l.Shape, Reals: l.Reals}); err != nil {
			return t, err
		}
		t.Shape = w.Type.Shape
	case t.Shape == nil:
		return t, errors.New("the list is not nested evenly")
	}
	return t, nil
}

// named reports whether some weight's recipe reads a tensor.
func named(m *ir.Module, tensor string) bool {
	return slices.ContainsFunc(m.Weights, func(w *ir.Weight) bool { return slices.Contains(weights.Sources(w), tensor) })
}

// reshaped reports whether w's recipe does more than to scale.
func reshaped(w *ir.Weight) bool {
	return w.Attrs.Has("view") || w.Attrs.Has("transpose") || w.Attrs.Has("rows")
}
