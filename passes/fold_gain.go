package passes

import (
	"slices"

	"nimbus/ir"
)

// FoldGain moves a layer norm's gain and bias into the linear layers behind it.
var FoldGain = Pass{
	Name: "fold-gain",
	Doc: `move a layer norm's gain and bias into the linear layers that read it

(g∘n + b)·W + c is n·(g∘W) + (b·W + c): the recipes of weight and bias take the
gain and the bias in, and a multiplication and a truncation of every element are
saved. Only where nothing but linear layers reads the result: a residual that
goes around them needs g∘n + b itself. So it serves layers that normalise first,
and the last norm before a head.`,
	In: "nn", Out: "nn",
	Run: func(m *ir.Module, _ *Options) error {
		return ir.Catch(func() {
			for _, f := range m.Funcs {
				foldGains(m, f)
			}
			m.RemoveUnusedWeights()
		})
	},
}

func foldGains(m *ir.Module, f *ir.Func) {
	uses := f.Uses()
	folded := map[*ir.Op]*ir.Op{} // linear layer -> the norm that it takes in
	for _, op := range f.Body {
		if op.Name != "nn.layernorm" || op.W(1) == nil || !untouched(op.W(1)) || op.W(2) != nil && !untouched(op.W(2)) {
			continue
		}
		readers, ok := linearReaders(uses, op.Result())
		if !ok || slices.ContainsFunc(readers, func(l *ir.Op) bool { return !takesGain(l, op.W(2) != nil) }) {
			continue
		}
		for _, l := range readers {
			folded[l] = op
		}
	}
	bare := map[*ir.Op]bool{}
	for _, n := range folded {
		bare[n] = true
	}
	f.Rewrite(func(b *ir.Builder, op *ir.Op) []*ir.Value {
		if bare[op] {
			return []*ir.Value{b.Op1(op.Name, op.Result().Name, op.Attrs.Clone(), op.X(0))}
		}
		n := folded[op]
		if n == nil {
			return nil
		}
		w := op.W(1)
		attrs := w.Attrs.Clone()
		attrs.Set("from", sources(w))
		attrs.Set("gain", sources(n.W(1))[0])
		args := []ir.Operand{op.X(0), m.AddWeight(w.Name+"_gain", w.Type, attrs)}
		switch c := op.W(2); {
		case c != nil && n.W(2) != nil:
			attrs := c.Attrs.Clone()
			attrs.Set("from", sources(c))
			attrs.Set("shift", sources(n.W(2))[0])
			attrs.Set("through", sources(w))
			if w.Attrs.Bool("transpose") {
				attrs.Set("through_transposed", true)
			}
			args = append(args, m.AddWeight(c.Name+"_shift", c.Type, attrs))
		case c != nil:
			args = append(args, c)
		}
		return []*ir.Value{b.Op1("nn.linear", op.Result().Name, op.Attrs.Clone(), args...)}
	})
}

// takesGain reports whether the recipes of a linear layer can take in a gain, and
// a shift if there is one.
func takesGain(l *ir.Op, shift bool) bool {
	c := l.W(2)
	return simple(l.W(1)) && (c == nil && !shift || c != nil && simple(c))
}

// untouched reports whether w is a file tensor as it is.
func untouched(w *ir.Weight) bool {
	return simple(w) && !w.Attrs.Has("mul") && !w.Attrs.Bool("transpose")
}

// simple reports whether w is one file tensor, as a whole and in its own shape.
func simple(w *ir.Weight) bool {
	return len(sources(w)) == 1 && !w.Attrs.Has("rows") && !w.Attrs.Has("view") && !w.Attrs.Has("gain") && !w.Attrs.Has("shift")
}
