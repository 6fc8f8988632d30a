package cost

import (
	"fmt"

	"nimbus/internal/packing"
	"nimbus/internal/rlweparams"
	"nimbus/ir"
	"nimbus/ir/plan"
)

// Of is the cost of one plan op: its row's formula at the op's shapes, widths
// and attributes. Ops that talk to nobody cost nothing.
func Of(op *ir.Op) (Cost, error) {
	row := Rows[op.Name]
	if row == nil && (op.Name == "return" || op.Dialect() == "ss") {
		return Cost{}, nil
	}
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
	"ss.select":    publicSelect,
	"he.select":    heSelect,
	"he.matmul":    heMatmul,
	"he.matmul_ss": heMatmulSS,
	"ot.cmp": func(o *ir.Op) (Cost, error) {
		opts, err := plan.Comparison(o)
		return CmpCost(arg(o, 0).NumElems(), opts.Keep, o.NumCuts(), opts.Layout), err
	},
	"ot.mux": func(o *ir.Op) (Cost, error) {
		return MuxCost(arg(o, 1).NumElems(), arg(o, 1).Elem.Width), nil
	},
	"ot.and": func(o *ir.Op) (Cost, error) {
		return AndCost(arg(o, 0).NumElems()), nil
	},
	"ot.trunc":  trunc,
	"ot.extend": trunc,
	"ot.square": func(o *ir.Op) (Cost, error) {
		within, err := plan.Within(o)
		if err != nil {
			return Cost{}, err
		}
		return SquareCost(arg(o, 0).NumElems(), o.Result().Type.Elem.Width, within), nil
	},
	"ot.mul_ss": func(o *ir.Op) (Cost, error) {
		x, y := arg(o, 0), arg(o, 1)
		opts, err := plan.Product(o)
		if err != nil {
			return Cost{}, err
		}
		if x.SameShape(y) {
			return MulSSCost(x.NumElems(), 1, x.Elem.Width, opts), nil
		}
		return MulSSCost(y.NumElems(), x.Last(), x.Elem.Width, opts), nil
	},
	"ot.mul": func(o *ir.Op) (Cost, error) {
		x, g := arg(o, 0), arg(o, 1)
		return MulCost(x.NumElems()/x.Last(), x.Last(), x.Elem.Width, g.Elem.Width), nil
	},
	"ot.max": func(o *ir.Op) (Cost, error) {
		x := arg(o, 0)
		opts, stated, err := plan.Tournament(o)
		if err != nil {
			return Cost{}, err
		}
		return MaxCost(x.NumElems()/x.Last(), x.Last(), x.Elem.Width, opts, stated)
	},
	"ot.piecewise": func(o *ir.Op) (Cost, error) {
		p, err := plan.Piecewise(o)
		if err != nil {
			return Cost{}, err
		}
		return PiecewiseCost(arg(o, 0).NumElems(), p), nil
	},
	"ot.recip": inverse,
	"ot.rsqrt": inverse,
}

func arg(o *ir.Op, i int) ir.Type { return o.Args[i].Type() }

func trunc(o *ir.Op) (Cost, error) {
	x := arg(o, 0)
	return TruncCost(x.NumElems(), x.Elem.Width, o.Attrs.Int("bits", 0), o.Result().Type.Elem.Width), nil
}

func inverse(o *ir.Op) (Cost, error) {
	v, err := plan.Inverse(o)
	if err != nil {
		return Cost{}, err
	}
	return InverseCost(arg(o, 0).NumElems(), v)
}

// ShareBytes is what the owner of n values of width bits sends to share them: one
// ring element each, or a seed where that is shorter.
func ShareBytes(n, width int) int64 { return min(packed(n, width), seedBytes) }

const seedBytes = 32

func ioShare(o *ir.Op) (Cost, error) {
	t := arg(o, 0)
	n := ShareBytes(t.NumElems(), t.Elem.Width)
	if t.Party == ir.Server {
		return Cost{S2C: n, Chain: toClient, Work: sent(n)}, nil
	}
	return Cost{C2S: n, Chain: toServer, Work: sent(n)}, nil
}

// sent is the work of sending bytes.
func sent(bytes int64) Work { return inTurn(Counts{}, Counts{}, bytes) }

// ioReveal: whoever does not learn sends its share.
func ioReveal(o *ir.Op) (Cost, error) {
	t := arg(o, 0)
	n := packed(t.NumElems(), t.Elem.Width)
	switch o.Attrs.Ident("to", "") {
	case ir.Client:
		return Cost{S2C: n, Chain: toClient, Work: sent(n)}, nil
	case ir.Server:
		return Cost{C2S: n, Chain: toServer, Work: sent(n)}, nil
	}
	return Cost{C2S: n, S2C: n, Chain: crossing, Work: atOnce(Counts{}, n)}, nil
}

// publicSelect: the tables travel once, bit-packed.
func publicSelect(o *ir.Op) (Cost, error) {
	var c Cost
	for i := range o.Args {
		if w := o.W(i); w != nil {
			c.Setup += packed(w.Type.NumElems(), w.Type.Elem.Width)
		}
	}
	return c, nil
}

// drops reads what an he op leaves out.
func drops(o *ir.Op) rlweparams.Drops {
	return rlweparams.Drops{Stored: o.Attrs.Int("drop_stored", o.Attrs.Int("drop_in", 0)), C0: o.Attrs.Int("drop_c0", 0), C1: o.Attrs.Int("drop_c1", 0)}
}

func heSelect(o *ir.Op) (Cost, error) {
	word := arg(o, len(o.Args)-1)
	types := 0
	if len(o.Args) == 4 {
		word, types = arg(o, 2), arg(o, 3).Shape[0]
	}
	return SelectCost(o.Attrs.Ident("set", ""), arg(o, 0).NumElems(), word.Shape[0], types, word.Last(),
		drops(o))
}

func heMatmul(o *ir.Op) (Cost, error) {
	l, err := LinearOf(o)
	if err != nil {
		return Cost{}, err
	}
	width := arg(o, 0).Elem.Width
	c, err := MatMulCost(o.Attrs.Ident("set", ""), l.M, l.K, l.Cols, l.T, width, drops(o))
	if err == nil && o.Attrs.Bool("ahead") {
		c = c.MatMulAhead(l.M, l.K, l.Cols, width)
	}
	return c, err
}

// LinearOf is the layout of a product with an encrypted weight.
func LinearOf(o *ir.Op) (packing.Linear, error) {
	s, err := rlweparams.Lookup(o.Attrs.Ident("set", ""))
	if err != nil {
		return packing.Linear{}, err
	}
	x := arg(o, 0)
	l := packing.Linear{N: s.N(), M: x.NumElems() / x.Last(), K: x.Last(), Cols: arg(o, 1).Last(), T: o.Attrs.Int("tile", 1)}
	return l, l.Check()
}

// ProductOf is the shape of a product of two shared matrices, and how many.
func ProductOf(o *ir.Op) (p packing.Product, batch int) {
	a, b := arg(o, 0), arg(o, 1)
	n := a.Rank()
	p = packing.Product{Rows: a.Shape[n-2], Inner: a.Shape[n-1], Cols: b.Last()}
	return p, a.NumElems() / (p.Rows * p.Inner)
}

func heMatmulSS(o *ir.Op) (Cost, error) {
	p, batch := ProductOf(o)
	t := o.Attrs.Ints("tile")
	if len(t) != 4 {
		return Cost{}, fmt.Errorf("tile = %v, want [rows, inner, columns, 1 if the first operand is encrypted]", t)
	}
	l := arg(o, 0).Elem.Width
	c, err := MatMulSSCost(o.Attrs.Ident("set", ""), batch, l, p, packing.Choice{
		Tile:  packing.Tile{Rows: t[0], Inner: t[1], Cols: t[2], EncryptA: t[3] != 0},
		Drops: drops(o),
	})
	if err == nil && o.Attrs.Bool("ahead") {
		c = c.MatMulSSAhead(batch, l, p)
	}
	return c, err
}
