package passes

import (
	"fmt"
	"math"

	"nimbus/internal/fixed"
	"nimbus/ir"
	"nimbus/ir/plan"
)

// HideCoefficients makes the numbers of fitted functions weights.
var HideCoefficients = Pass{
	Name: "hide-coefficients",
	Doc: `make the cuts and coefficients of fitted functions weights, which stay with the server

A piecewise function whose pieces are attributes is public in the plan. This pass
takes it apart into steps that read three weights: its cuts, and for the first
piece and the change from each piece to the next the two upper coefficients and
the constant. With bits b_j of the comparison,

    y = P_0(x) + sum_j b_j·(P_j(x) - P_(j-1)(x))

All polynomials are one product of [x, x²] with a matrix, whatever their degree,
so that none can be told from another. Their sums are right modulo the ring even
where a polynomial that does not apply wraps. Functions without a curved piece are
not fitted and stay. The values go to whoever compiles and nowhere else; what the
text still tells is the number of pieces, widths, and bits compared; ranges, which
tell of coefficients too, go with forget-ranges. Not part of the default pipeline.`,
	In: ir.StageFx, Out: ir.StageFx,
	Run: func(m *ir.Module, o *Options) error {
		return ir.Catch(func() {
			h := &hider{m: m, told: o.Hidden}
			for _, f := range m.Funcs {
				f.Rewrite(func(b *ir.Builder, op *ir.Op) []*ir.Value {
					if op.Name != "fx.piecewise" {
						return nil
					}
					h.b, h.op = b, op
					return h.hide()
				})
			}
		})
	},
}

type hider struct {
	m    *ir.Module
	told func(*ir.Weight, []float64)
	n    int // functions hidden so far
	b    *ir.Builder
	op   *ir.Op
}

// hide replaces one piecewise op; nil keeps it.
func (h *hider) hide() []*ir.Value {
	f, err := plan.Piecewise(h.op)
	if err == nil {
		err = f.Check()
	}
	if err == nil && h.told == nil {
		err = fmt.Errorf("nobody keeps the coefficients: `nimbusc compile -private-coefficients FILE` does")
	}
	if err != nil {
		panic(&ir.OpError{Pos: h.op.Pos, Op: h.op.Name, Err: err})
	}
	if !f.HasQuadratic() || len(f.Cuts) == 0 {
		return nil
	}
	pieces, width := f.Uniform(len(f.Pieces))
	width = max(width, f.Keep+f.Drop)
	x := h.argument(ir.FxElem(width, f.In.Frac))
	cuts, poly, constant := h.weights(f, pieces, width)
	b, name, wraps := h.b, h.op.Result().Name, func(a ...any) ir.Attrs { return ir.A(append(a, "wraps", true)...) }

	bits := b.Op1("fx.cmp", name, ir.A("keep", f.Keep, "drop", f.Drop), x, cuts)
	square := b.Op1T("fx.square", name, wraps(), x.Type.WithElem(ir.FxElem(width, 2*f.In.Frac)), x)
	// The factor is 1 in the ring: x/2^f has the square's fraction bits.
	scaled := b.Op1("fx.mul_const", name, ir.A("value", math.Ldexp(1, -f.In.Frac), "frac", f.In.Frac), x)
	column := x.Type.WithShape(append(append([]int(nil), x.Type.Shape...), 1)...).WithElem(square.Type.Elem)
	powers := b.Op1("fx.concat", name, ir.A("axis", len(column.Shape)-1),
		b.Op1T("fx.reshape", name, nil, column, scaled), b.Op1T("fx.reshape", name, nil, column, square))
	y := b.Op1("fx.matmul", name, wraps(), powers, poly)
	y = b.Op1("fx.add_bias", name, wraps(), y, constant)
	if drop := f.FracAcc - f.MidFrac; drop > 0 {
		y = b.Op1("fx.shrink", name, wraps("bits", drop), y)
	}
	first := h.columns(y, 0, 1)
	chosen := b.Op1("fx.mux", name, nil, bits, h.columns(y, 1, len(f.Cuts)))
	sum := b.Op1("fx.add", name, wraps(), first, b.Op1("fx.sum", name, wraps(), chosen))
	flat := b.Op1T("fx.reshape", name, nil, x.Type.WithElem(sum.Type.Elem), sum)
	// What the ring can hold, rather than the function's range, which would tell of it.
	most := math.Ldexp(math.Ldexp(1, flat.Type.Elem.Width-2)-2, -f.MidFrac)
	return []*ir.Value{b.Op1T("fx.cast", name, ir.A("range", []float64{-most, most}), h.op.Result().Type, flat)}
}

// argument is the function's argument as e: of what it was converted from, if it
// was.
func (h *hider) argument(e ir.Elem) *ir.Value {
	x := h.op.X(0)
	if x.Type.Elem == e {
		return x
	}
	attrs := ir.Attrs(nil)
	if x.Def != nil {
		for _, name := range []string{"range", "bound", "proof"} {
			if v, ok := x.Def.Attrs.Get(name); ok {
				attrs.Set(name, v)
			}
		}
		if x.Def.Name == "fx.cast" {
			x = x.Def.X(0)
		}
	}
	return h.b.Op1T("fx.cast", x.Name, attrs, x.Type.WithElem(e), x)
}

// columns are n of y's last axis, from start.
func (h *hider) columns(y *ir.Value, start, n int) *ir.Value {
	return h.b.Op1("fx.slice", y.Name, ir.A("axis", y.Type.Rank()-1, "start", start, "len", n), y)
}

// weights declares the cuts [cuts], the coefficients [2, pieces] of x/2^f and x²,
// and the constants [pieces].
func (h *hider) weights(f fixed.Piecewise, pieces []fixed.Poly, width int) (cuts, poly, constant *ir.Weight) {
	declare := func(what string, e ir.Elem, raw []int64, shape ...int) *ir.Weight {
		values := make([]float64, len(raw))
		for i, c := range raw {
			values[i] = math.Ldexp(float64(c), -e.Frac)
		}
		w := h.m.AddWeight(fmt.Sprintf("fitted.%d.%s", h.n, what), ir.TensorType(e, shape...), ir.A("owner", ir.Ident(ir.Server), "fitted", true))
		h.told(w, values)
		return w
	}
	k := len(pieces)
	coef, c0 := make([]int64, 2*k), make([]int64, k)
	var before fixed.Poly
	for i, p := range pieces {
		coef[i], coef[k+i], c0[i] = p.C[1]-before.C[1], p.C[2]-before.C[2], p.C[0]-before.C[0]
		before = p
	}
	cuts = declare("cuts", ir.FxElem(width, f.In.Frac), f.Cuts, len(f.Cuts))
	poly = declare("coefficients", ir.FxElem(width, f.FracAcc-2*f.In.Frac), coef, 2, k)
	constant = declare("constants", ir.FxElem(width, f.FracAcc), c0, k)
	h.n++
	return cuts, poly, constant
}
