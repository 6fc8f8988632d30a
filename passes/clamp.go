package passes

import (
	"math"
	"slices"

	"nimbus/ir"
)

// clampName is the function of the piecewise op that clamps.
const clampName = "clamp"

// clampBits is from how many bits between the proved and the calibrated sum of
// squares on a clamp is cheaper than the squares. A square takes 37 bytes for an
// element at 24 bits and grows with the square of its width; a clamp takes some
// 60, and leaves the squares of the clamp's own range, which are several bits
// more than the calibrated ones.
const clampBits = 18

// Clamp keeps values within what calibration saw where proofs are dear.
var Clamp = Pass{
	Name: "clamp",
	Doc: `clamp what a layernorm reads where proved squares would be too wide

A residual stream that was never normalised has a proof many bits above what it
ever holds, and layernorm squares it. Where the proved sum of squares has
more than 18 bits more than the calibrated one, a clamp to twice the calibrated
range, margin included, stands before the layernorm: two comparisons per
element, in place of wider squares. The residual itself stays as it is. Only
with -range clamped; what follows rests on the clamp, and is proved from it.`,
	In: "nn", Out: "nn",
	Run: func(m *ir.Module, o *Options) error {
		if o.Range != "" && o.Range != Clamped {
			return nil
		}
		done := false
		for _, f := range m.Funcs {
			for _, op := range slices.Clone(f.Body) {
				if v := dear(f, op, o.margin()); v != nil {
					clamp(f, v, o.margin())
					done = true
				}
			}
		}
		if !done {
			return nil
		}
		return Bound.Run(m, o)
	},
}

// dear is the value whose deviations op squares, if that takes clampBits more
// than calibration says.
func dear(f *ir.Func, op *ir.Op, margin float64) *ir.Value {
	if op.Name != "nn.square" || op.X(0).Def == nil || op.X(0).Def.Name != "nn.sub" {
		return nil
	}
	for _, u := range f.Uses()[op.Result()] {
		seen, proved := u.Op.Attrs.Floats("range"), u.Op.Attrs.Floats("proved")
		if u.Op.Name == "nn.sum" && len(seen) == 2 && len(proved) == 2 && bits(proved[1]) > bits(margin*seen[1])+clampBits {
			v := op.X(0).Def.X(0)
			if d := v.Def; d != nil && d.Name == "nn.scale" {
				v = d.X(0)
			}
			if v.Def != nil && len(v.Def.Attrs.Floats("range")) == 2 {
				return v
			}
		}
	}
	return nil
}

// clamp puts a clamp between v and the layernorm that reads it.
func clamp(f *ir.Func, v *ir.Value, margin float64) {
	r := v.Def.Attrs.Floats("range")
	most := math.Ceil(2*margin*max(math.Abs(r[0]), math.Abs(r[1]))/cutGrid) * cutGrid
	uses := f.Uses()[v]
	attrs := ir.A("fn", ir.Ident(clampName), "cuts", []float64{-most, most}, "coef", []any{[]any{-most}, []any{0.0, 1.0}, []any{most}})
	for _, name := range []string{"range", "bound", "layer", "part"} {
		if a, ok := v.Def.Attrs.Get(name); ok {
			attrs.Set(name, a)
		}
	}
	c := ir.NewBuilder(f).After(v.Def).Op1("nn.piecewise", v.Name, attrs, v)
	for _, u := range uses {
		if slices.Contains([]string{"nn.sum", "nn.sub", "nn.scale"}, u.Op.Name) {
			for i, a := range u.Op.Args {
				if a.Value == v {
					u.Op.Args[i] = ir.Arg{Value: c}
				}
			}
		}
	}
}
