package cost

import (
	"fmt"

	"nimbus/internal/fixed"
	"nimbus/ir"
)

// Of is the cost of one plan op: its row's formula at the op's shapes, widths
// and attributes. Ops that talk to nobody cost nothing.
func Of(op *ir.Op) (Cost, error) {
	if op.Name == "return" || op.Dialect() == "ss" {
		return Cost{}, nil
	}
	row := Rows[op.Name]
	if row == nil {
		return Cost{}, fmt.Errorf("%s has no cost row", op.Name)
	}
	c, err := row(op)
	if err != nil {
		return Cost{}, fmt.Errorf("%s: %w", op.Name, err)
	}
	return c, nil
}

// Rows binds plan ops that talk to their formulas.
var Rows = map[string]func(*ir.Op) (Cost, error){
	"io.share":     ioShare,
	"io.reveal":    ioReveal,
	"he.select":    heSelect,
	"he.matmul":    heMatmul,
	"he.matmul_ss": heMatmulSS,
	"ot.cmp": func(o *ir.Op) (Cost, error) {
		x := arg(o, 0)
		return CmpCost(x.NumElems(), o.Attrs.Int("keep", x.Elem.Width), len(o.Attrs.Ints("cuts"))), nil
	},
	"ot.mux": func(o *ir.Op) (Cost, error) {
		return MuxCost(arg(o, 1).NumElems(), arg(o, 1).Elem.Width), nil
	},
	"ot.trunc":  trunc,
	"ot.extend": trunc,
	"ot.square": func(o *ir.Op) (Cost, error) {
		return SquareCost(arg(o, 0).NumElems(), o.Result().Type.Elem.Width), nil
	},
	"ot.mul_ss": func(o *ir.Op) (Cost, error) {
		x, y := arg(o, 0), arg(o, 1)
		if x.SameShape(y) {
			return MulSSCost(x.NumElems(), 1, x.Elem.Width), nil
		}
		return MulSSCost(y.NumElems(), x.Last(), x.Elem.Width), nil
	},
	"ot.mul": func(o *ir.Op) (Cost, error) {
		x, g := arg(o, 0), arg(o, 1)
		return MulCost(x.NumElems()/x.Last(), x.Last(), x.Elem.Width, g.Elem.Width), nil
	},
	"ot.max": func(o *ir.Op) (Cost, error) {
		x := arg(o, 0)
		return MaxCost(x.NumElems()/x.Last(), x.Last(), x.Elem.Width, o.Attrs.Int("keep", x.Elem.Width)), nil
	},
	"ot.piecewise": func(o *ir.Op) (Cost, error) {
		p, err := Piecewise(o)
		if err != nil {
			return Cost{}, err
		}
		return PiecewiseCost(arg(o, 0).NumElems(), p), nil
	},
	"ot.recip": inverse,
	"ot.rsqrt": inverse,
}

func arg(o *ir.Op, i int) ir.Type { return o.Args[i].Type() }

func format(t ir.Type) fixed.Format {
	return fixed.Format{Width: t.Elem.Width, Frac: t.Elem.Frac}
}

func trunc(o *ir.Op) (Cost, error) {
	x := arg(o, 0)
	return TruncCost(x.NumElems(), x.Elem.Width, o.Attrs.Int("bits", 0), o.Result().Type.Elem.Width), nil
}

func inverse(o *ir.Op) (Cost, error) {
	return InverseCost(arg(o, 0).NumElems(), Inverse(o))
}

// Piecewise reads the function of an fx.piecewise or ot.piecewise.
func Piecewise(o *ir.Op) (fixed.Piecewise, error) {
	return fixed.Attrs{
		Cuts: o.Attrs.Int64s("cuts"), Pieces: o.Attrs.Int64Lists("pieces"),
		Keep: o.Attrs.Int("keep", 0), Drop: o.Attrs.Int("drop", 0),
		WidthAcc: o.Attrs.Int("width_acc", 0), FracAcc: o.Attrs.Int("frac_acc", 0),
		MidFrac: o.Attrs.Int("mid_frac", 0), WidthLin: o.Attrs.Int("width_lin", 0),
	}.Piecewise(format(arg(o, 0)), format(o.Result().Type))
}

// Inverse reads the function of a recip or rsqrt op.
func Inverse(o *ir.Op) fixed.Inverse {
	v := fixed.Inverse{Kind: fixed.Recip, In: format(arg(o, 0)), Out: format(o.Result().Type), Lo: o.Attrs.Int("lo", 0), Hi: o.Attrs.Int("hi", 0)}
	if o.Name == "ot.rsqrt" || o.Name == "fx.rsqrt" {
		v.Kind = fixed.Rsqrt
	}
	return v
}

// ioShare: the owner sends one ring element per value.
func ioShare(o *ir.Op) (Cost, error) {
	t := arg(o, 0)
	n := packed(t.NumElems(), t.Elem.Width)
	if t.Party == ir.Server {
		return Cost{S2C: n, Depth: 1}, nil
	}
	return Cost{C2S: n, Depth: 1}, nil
}

// ioReveal: whoever does not learn sends its share.
func ioReveal(o *ir.Op) (Cost, error) {
	t := arg(o, 0)
	n := packed(t.NumElems(), t.Elem.Width)
	switch o.Attrs.Ident("to", "") {
	case ir.Client:
		return Cost{S2C: n, Depth: 1}, nil
	case ir.Server:
		return Cost{C2S: n, Depth: 1}, nil
	}
	return Cost{C2S: n, S2C: n, Depth: 1}, nil
}
