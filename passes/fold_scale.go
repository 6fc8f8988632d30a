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
		if by := op.Attrs.Float("by", 1); foldInto(f, uses, op.X(0), by) || foldOnward(f, uses, op, by) {
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

// foldOnward multiplies the weights, not the biases, of all that reads op by c,
// if linear layers and products with vectors, all with weights of their own, do
// and nothing else.
func foldOnward(f *ir.Func, uses map[*ir.Value][]ir.Use, op *ir.Op, c float64) bool {
	readers := rowReaders(uses, op.Result())
	if len(readers) == 0 || slices.ContainsFunc(readers, func(u ir.Use) bool {
		l := u.Op
		return l.Name != "nn.linear" && (l.Name != "nn.mul" || l.W(1) == nil) || readersOf(f, l.W(1)) != 1
	}) {
		return false
	}
	for _, u := range readers {
		w := u.Op.W(1)
		scaleWeight(w, slices.Repeat([]float64{c}, len(sources(w))))
	}
	return true
}

// rowReaders are the places that read v, or a stretch of its rows.
func rowReaders(uses map[*ir.Value][]ir.Use, v *ir.Value) []ir.Use {
	var out []ir.Use
	for _, u := range uses[v] {
		if u.Op.Name == "nn.slice" && u.Op.Axis() != v.Type.Rank()-1 {
			out = append(out, rowReaders(uses, u.Op.Result())...)
		} else {
			out = append(out, u)
		}
	}
	return out
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
		if w == nil || len(sources(w)) != parts || readersOf(f, w) != 1 {
			return false
		}
	}
	for arg := 1; arg < len(lin.Args); arg++ {
		by := slices.Repeat([]float64{1}, parts)
		by[i] = c
		scaleWeight(lin.W(arg), by)
	}
	return true
}

// scaleWeight multiplies each source of w by its factor.
func scaleWeight(w *ir.Weight, by []float64) {
	for i, f := range w.Attrs.Floats("mul") {
		by[i] *= f
	}
	w.Attrs.Set("mul", by)
}

// readersOf counts the ops that read w.
func readersOf(f *ir.Func, w *ir.Weight) int {
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
