package passes

import (
	"slices"

	"nimbus/ir"
)

// FuseQKV joins linear layers that read the same value.
var FuseQKV = Pass{
	Name: "fuse-qkv",
	Doc: `join linear layers of equal width that read the same value

Queries, keys and values then cost one product, whose responses are packed more
densely than three separate ones (Nimbus, table 4). The joined weight is a
recipe over the same file tensors; the result is split again.`,
	In: "nn", Out: "nn",
	Run: func(m *ir.Module, _ *Options) error {
		return ir.Catch(func() {
			for _, f := range m.Funcs {
				fuseLinear(m, f)
			}
			m.RemoveUnusedWeights()
		})
	},
}

func fuseLinear(m *ir.Module, f *ir.Func) {
	groups := map[*ir.Value][]*ir.Op{}
	for _, op := range f.Body {
		if op.Name == "nn.linear" && joinable(op.W(1)) && (op.W(2) == nil || joinable(op.W(2))) {
			x := op.X(0)
			if g := groups[x]; len(g) == 0 || sameForm(g[0], op) {
				groups[x] = append(g, op)
			}
		}
	}
	results := map[*ir.Op][]*ir.Value{} // member -> its replacement
	f.Rewrite(func(b *ir.Builder, op *ir.Op) []*ir.Value {
		if r := results[op]; r != nil {
			return r
		}
		if op.Name != "nn.linear" {
			return nil
		}
		g := groups[op.X(0)]
		if len(g) < 2 || g[0] != op {
			return nil
		}
		args := []ir.Operand{op.X(0), joinWeights(m, g, 1)}
		if op.W(2) != nil {
			args = append(args, joinWeights(m, g, 2))
		}
		y := b.Op1("nn.linear", "qkv", nil, args...)
		hints := make([]string, len(g))
		for i, o := range g {
			hints[i] = o.Result().Name
		}
		parts := b.Op("nn.split", hints, ir.A("axis", y.Type.Rank()-1), y)
		for i, o := range g[1:] {
			results[o] = parts[i+1 : i+2]
		}
		return parts[:1]
	})
}

// sameForm reports whether two linear layers can be joined and split equally.
func sameForm(a, b *ir.Op) bool {
	if !a.W(1).Type.Equal(b.W(1).Type) || len(a.Args) != len(b.Args) {
		return false
	}
	for i := 1; i < len(a.Args); i++ {
		for _, attr := range []string{"transpose", "gain", "shift", "through_transposed"} {
			x, _ := a.W(i).Attrs.Get(attr)
			y, _ := b.W(i).Attrs.Get(attr)
			if x != y {
				return false
			}
		}
	}
	return true
}

// joinable reports whether w is made of one file tensor, so that its recipe can
// be put into a longer list.
func joinable(w *ir.Weight) bool {
	return len(sources(w)) == 1 && !w.Attrs.Has("rows")
}

// sources are the file tensors of w's recipe: its own name if it gives none.
func sources(w *ir.Weight) []string {
	if from := w.Attrs.Strs("from"); from != nil {
		return from
	}
	return []string{w.Name}
}

// factors are those of the sources of w.
func factors(w *ir.Weight) []float64 {
	if f := w.Attrs.Floats("mul"); f != nil {
		return f
	}
	return slices.Repeat([]float64{1}, len(sources(w)))
}

// joinWeights declares the concatenation along the output axis of argument arg
// of all members.
func joinWeights(m *ir.Module, g []*ir.Op, arg int) *ir.Weight {
	first := g[0].W(arg)
	var from []string
	var through []string
	var mul []float64
	width := 0
	for _, o := range g {
		w := o.W(arg)
		from = append(from, sources(w)...)
		through = append(through, w.Attrs.Strs("through")...)
		mul = append(mul, factors(w)...)
		width += w.Type.Last()
	}
	shape := slices.Clone(first.Type.Shape)
	shape[len(shape)-1] = width
	attrs := first.Attrs.Clone()
	attrs.Set("from", from)
	attrs.Set("axis", len(shape)-1)
	if through != nil {
		attrs.Set("through", through)
	}
	attrs.Del("mul")
	if slices.ContainsFunc(mul, func(f float64) bool { return f != 1 }) {
		attrs.Set("mul", mul)
	}
	return m.AddWeight(first.Name+"_fused", first.Type.WithShape(shape...), attrs)
}
