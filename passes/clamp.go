package passes

import (
	"math"
	"slices"

	"nimbus/ir"
)

// clampName is the function of the piecewise op that clamps.
const clampName = "clamp"

// clampBits is from how many bits between the proved and the calibrated sum of
// squares on a clamp is cheaper than the squares, where nobody tells prices. A
// square takes 37 bytes for an element at 24 bits and grows with the square of
// its width; a clamp takes some 60, and leaves the squares of the clamp's own
// range, which are several bits more than the calibrated ones. With fewer than
// clampLeast bits it does not pay whatever the price of a round.
const (
	clampBits  = 18
	clampLeast = 12
)

// Clamp keeps values within what calibration saw where proofs are dear.
var Clamp = Pass{
	Name: "clamp",
	Doc: `clamp what a layernorm reads where proved squares would be too wide

A residual stream that was never normalised has a proof many bits above what it
ever holds, and layernorm squares it. Where the proved sum of squares has many
more bits than the calibrated one, a clamp to twice the calibrated range, margin
included, stands before the layernorm: two comparisons per element, in place of
wider squares. From how many bits on is what makes the module cheapest, or, where
nobody tells prices, 18. The residual itself stays as it is. Only with -range
clamped; what follows rests on the clamp, and is proved from it.`,
	In: "nn", Out: "nn",
	Run: func(m *ir.Module, o *Options) error {
		if o.Range != "" && o.Range != Clamped {
			return nil
		}
		least, err := clampFrom(m, o)
		if err != nil {
			return err
		}
		if !clampAll(m, o.margin(), least) {
			return nil
		}
		return Bound.Run(m, o)
	},
}

// clampFrom is from how many bits on clamps make m cheapest: it tries them from
// the dearest proof down, while the price falls.
func clampFrom(m *ir.Module, o *Options) (int, error) {
	if o.Price == nil {
		return clampBits + 1, nil
	}
	var excess []int
	for _, f := range m.Funcs {
		for _, op := range f.Body {
			if v, n := dear(f, op, o.margin()); v != nil && n >= clampLeast && !slices.Contains(excess, n) {
				excess = append(excess, n)
			}
		}
	}
	best := math.MaxInt
	if len(excess) == 0 {
		return best, nil
	}
	slices.Sort(excess)
	least := priceOf(m, o)
	for _, n := range slices.Backward(excess) {
		t := m.Clone()
		clampAll(t, o.margin(), n)
		if err := Bound.Run(t, o); err != nil {
			return best, err
		}
		p := priceOf(t, o)
		if p > least {
			break
		}
		best, least = n, p
	}
	return best, nil
}

// clampAll clamps where a proof has so many bits too many, or more; it tells
// whether there is such a place.
func clampAll(m *ir.Module, margin float64, least int) (done bool) {
	for _, f := range m.Funcs {
		for _, op := range slices.Clone(f.Body) {
			if v, n := dear(f, op, margin); v != nil && n >= least {
				clamp(f, v, margin)
				done = true
			}
		}
	}
	return done
}

// dear is the value whose deviations op squares, and how many bits more than
// calibration says this takes; nil where op is no square of a layernorm's.
func dear(f *ir.Func, op *ir.Op, margin float64) (*ir.Value, int) {
	if op.Name != "nn.square" || op.X(0).Def == nil || op.X(0).Def.Name != "nn.sub" {
		return nil, 0
	}
	for _, u := range f.Uses()[op.Result()] {
		seen, proved := u.Op.Attrs.Floats("range"), u.Op.Attrs.Floats("proved")
		if u.Op.Name == "nn.sum" && len(seen) == 2 && len(proved) == 2 {
			v := op.X(0).Def.X(0)
			if d := v.Def; d != nil && d.Name == "nn.scale" {
				v = d.X(0)
			}
			if v.Def != nil && len(v.Def.Attrs.Floats("range")) == 2 {
				return v, bits(proved[1]) - bits(margin*seen[1])
			}
		}
	}
	return nil, 0
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
