package passes

import (
	"slices"

	"nimbus/ir"
)

// FoldGain moves a layer norm's gain and bias to where they cost nothing.
var FoldGain = Pass{
	Name: "fold-gain",
	Doc: `move a layer norm's gain and bias into the linear layers that read it

(g∘n + b)·W + c is n·(g∘W) + (b·W + c): the recipes of weight and bias take the
gain and the bias in, and a multiplication and a truncation of every element are
saved. A residual that goes around these layers needs g∘n + b itself. It gets it
where it ends, on the rows that it has there: where it is added to a linear
layer, quantize makes the gain rows of that layer's weight. Where it ends
otherwise, and whole, the norm stays as it is.`,
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
	folded := map[*ir.Op]*ir.Op{}           // linear layer -> the norm that it takes in
	bare := map[*ir.Op]bool{}               // such norms
	residual := map[*ir.Op]map[int]*ir.Op{} // other reader, argument -> the norm
	for _, op := range f.Body {
		if op.Name != "nn.layernorm" || op.W(1) == nil || !untouched(op.W(1)) || op.W(2) != nil && !untouched(op.W(2)) {
			continue
		}
		var layers []*ir.Op
		var others []ir.Use
		for _, u := range rowReaders(uses, op.Result()) {
			if u.Op.Name == "nn.linear" {
				layers = append(layers, u.Op)
			} else {
				others = append(others, u)
			}
		}
		if len(layers) == 0 || slices.ContainsFunc(layers, func(l *ir.Op) bool { return !takesGain(l, op.W(2) != nil) }) ||
			slices.ContainsFunc(others, func(u ir.Use) bool { return u.Op.X(u.Index) == op.Result() && !endsInLinear(uses, u) }) {
			continue
		}
		bare[op] = true
		for _, l := range layers {
			folded[l] = op
		}
		for _, u := range others {
			if residual[u.Op] == nil {
				residual[u.Op] = map[int]*ir.Op{}
			}
			residual[u.Op][u.Index] = op
		}
	}
	f.Rewrite(func(b *ir.Builder, op *ir.Op) []*ir.Value {
		if bare[op] {
			return []*ir.Value{b.Op1(op.Name, op.Result().Name, op.Attrs.Clone(), op.X(0))}
		}
		for i := range op.Args {
			n := residual[op][i]
			if n == nil {
				continue
			}
			y := b.Op1("nn.mul", "gain", nil, op.X(i), n.W(1))
			if c := n.W(2); c != nil {
				y = b.Op1("nn.add", n.Result().Name, nil, y, c)
			}
			op.Args[i].Value = y
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

// residualRows is how much longer than the number of its rows a residual's row may be for the gain to become rows of a
// weight: these are stored once per setup, and what they save of each run is proportional to the rows.
const residualRows = 32

// endsInLinear reports whether u is a residual's end: a sum with a linear layer whose weight can take in a gain.
func endsInLinear(uses map[*ir.Value][]ir.Use, u ir.Use) bool {
	if u.Op.Name != "nn.add" || u.Op.X(1-u.Index) == nil {
		return false
	}
	y, t := u.Op.X(1-u.Index), u.Op.Result().Type
	l := y.Def
	if l == nil || l.Name != "nn.linear" || len(uses[y]) != 1 || !simple(l.W(1)) {
		return false
	}
	if x := l.X(0).Def; x != nil && x.Name == "nn.layernorm" { // it may take in a gain of its own
		return false
	}
	return t.Rank() == 2 && y.Type.Equal(t) && t.Last() <= residualRows*t.Shape[0]
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
	return len(sources(w)) == 1 && !w.Attrs.Has("rows") && !w.Attrs.Has("view") && !w.Attrs.Has("gain") && !w.Attrs.Has("shift") && !w.Attrs.Has("diagonal")
}
