package passes

import (
	"slices"

	"nimbus/ir"
)

// FoldScale moves constant factors of attention scores into weights.
var FoldScale = Pass{
	Name: "fold-scale",
	Doc: `move constant factors back into the weights of the linear layer they come from

A factor costs nothing in a weight's recipe; left in place it costs ring bits and
a truncation. The pass walks from nn.scale through ops that commute with a
factor (shape changes, the first operand of a product, one part of a split) and
stops where another reader would see the change.`,
	In: "nn", Out: "nn",
	Run: func(m *ir.Module, _ *Options) error {
		for _, f := range m.Funcs {
			foldScales(m, f)
		}
		return nil
	},
}

func foldScales(m *ir.Module, f *ir.Func) {
	for _, op := range slices.Clone(f.Body) {
		if op.Name != "nn.scale" {
			continue
		}
		uses := f.Uses()
		if foldInto(f, uses, op.X(0), op.Attrs.Float("by", 1)) {
			f.ReplaceUses(op.Result(), op.X(0))
			f.Remove(op)
		}
	}
}

// foldInto multiplies v by c at its origin, if v is read once all the way and
// the origin is a linear layer with weights of its own.
func foldInto(f *ir.Func, uses map[*ir.Value][]ir.Use, v *ir.Value, c float64) bool {
	if v.Def == nil || len(uses[v]) != 1 {
		return false
	}
	op := v.Def
	switch op.Name {
	case "nn.split_heads", "nn.merge_heads", "nn.transpose", "nn.reshape", "nn.matmul":
		return op.Args[0].Value != nil && foldInto(f, uses, op.X(0), c)
	case "nn.split":
		return foldIntoPart(f, uses, op, slices.Index(op.Results, v), c)
	case "nn.linear":
		return scaleWeights(f, op, 0, 1, c)
	}
	return false
}

// foldIntoPart scales part i of a split linear layer, whose recipe has one
// source per part.
func foldIntoPart(f *ir.Func, uses map[*ir.Value][]ir.Use, split *ir.Op, i int, c float64) bool {
	lin := split.X(0).Def
	if lin == nil || lin.Name != "nn.linear" || len(uses[split.X(0)]) != 1 {
		return false
	}
	return scaleWeights(f, lin, i, len(split.Results), c)
}

func scaleWeights(f *ir.Func, lin *ir.Op, i, parts int, c float64) bool {
	for arg := 1; arg < len(lin.Args); arg++ {
		w := lin.W(arg)
		if w == nil || len(sources(w)) != parts || readers(f, w) != 1 {
			return false
		}
	}
	for arg := 1; arg < len(lin.Args); arg++ {
		w := lin.W(arg)
		mul := w.Attrs.Floats("mul")
		if mul == nil {
			mul = slices.Repeat([]float64{1}, parts)
		}
		mul[i] *= c
		w.Attrs.Set("mul", mul)
	}
	return true
}

func readers(f *ir.Func, w *ir.Weight) int {
	n := 0
	for _, op := range f.Body {
		for _, a := range op.Args {
			if a.Weight == w {
				n++
			}
		}
	}
	return n
}
