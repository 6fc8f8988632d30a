package passes

import (
	"fmt"
	"slices"

	"nimbus/ir"
	"nimbus/ir/eval"
	"nimbus/ir/weights"
)

// An Example is one calibration input: what @main's parameters are given, and
// how many leading tokens of it are text and not padding.
type Example struct {
	Inputs map[string]eval.Value
	Tokens int
}

// Record runs m in the clear on examples and returns what it saw. Ranges cover
// padded rows too, since they must not wrap either; samples, which weigh the
// fits, come from text alone.
func Record(m *ir.Module, src weights.Source, examples []Example) (*Stats, error) {
	if len(examples) == 0 {
		return nil, fmt.Errorf("calibration: no examples; give some text of the kind the model is for")
	}
	s := NewStats()
	tokens := 0 // of the present example
	if len(m.Funcs) != 1 {
		return nil, fmt.Errorf("calibration: module @%s has %d functions; inline calls first", m.Name, len(m.Funcs))
	}
	sampled := map[string]bool{}
	masked := map[*ir.Op]bool{}
	for _, op := range m.Funcs[0].Body {
		if op.Name == "nn.add_mask" || (op.Name == "nn.sub" || op.Name == "nn.max") && masked[op.X(0).Def] {
			masked[op] = true
		}
		if _, ok := functionOf(op); ok {
			sampled[op.X(0).Name] = true
		}
	}
	seq := m.Attrs.Int("seq", 0)
	p, err := eval.New(m, src, eval.Options{Observe: func(f *ir.Func, op *ir.Op, results []eval.Value) {
		for i, v := range results {
			name := op.Results[i].Name
			var samples []float64
			if sampled[name] {
				samples = unpadded(v, seq, tokens)
			}
			s.Observe(name, v.Real, samples, masked[op])
		}
	}})
	if err != nil {
		return nil, err
	}
	for _, e := range examples {
		tokens = e.Tokens
		s.Tokens += tokens
		out, err := p.Run("main", e.Inputs)
		if err != nil {
			return nil, err
		}
		if r := reals(out); len(s.Results) < widthExamples && len(s.Results)*len(r) < maxResults {
			s.Results = append(s.Results, r)
		}
	}
	for _, w := range m.Weights {
		if w.Type.Rank() != 1 {
			continue
		}
		v, err := weights.Load(w, src)
		if err != nil {
			return nil, err
		}
		s.Weights[w.Name] = [2]float64{slices.Min(v), slices.Max(v)}
	}
	return s, nil
}

// unpadded is the part of v that comes from the first n of seq tokens: rows of
// [S, D], rows and columns of [H, S, S], and all of anything else.
func unpadded(v eval.Value, seq, n int) []float64 {
	sh := v.Type.Shape
	switch {
	case len(sh) == 2 && sh[0] == seq:
		return v.Real[:n*sh[1]]
	case len(sh) == 3 && sh[1] == seq && sh[2] == seq:
		var out []float64
		for h := range sh[0] {
			for i := range n {
				at := (h*seq + i) * seq
				out = append(out, v.Real[at:at+n]...)
			}
		}
		return out
	}
	return v.Real
}
