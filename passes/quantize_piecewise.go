package passes

import (
	"math"
	"slices"

	"nimbus/internal/fixed"
	"nimbus/ir"
	"nimbus/ir/plan"
)

// piecewise turns a fitted function into integers. Cuts lie on a grid that every
// input format has; quadratic coefficients were fitted on the accumulator's
// grid, so only slopes and constants are rounded, far below an ulp of the result.
func (q *quantizer) piecewise() []*ir.Value {
	op := q.op
	name := op.Attrs.Ident("fn", "")
	s := shapes[name]
	x, b := op.X(0), q.span[op.X(0)].most
	f := min(q.fm.Scalar, x.Type.Elem.Frac)
	if straight(op) {
		f = min(q.fm.Act, x.Type.Elem.Frac)
	}
	out := ir.FxElem(q.fm.Linear, q.fm.Act)
	if name == "exp" { // read by a row sum and a product with its reciprocal
		f = min(q.fm.Score, x.Type.Elem.Frac)
		out = ir.FxElem(2*q.fm.Prob+3, q.fm.Prob)
	}
	spec := fixed.Piecewise{
		In: fixed.Format{Width: 64, Frac: f}, Out: fixed.Format{Width: out.Width, Frac: out.Frac},
		FracAcc: 2*f + s.Grid,
	}
	// A comparison errs above its cut, by less than 2^Drop.
	below, above := blur(op)
	spec.Drop = max(0, int(math.Log2(below+above))+f)
	move := int64(math.Ldexp(below, f)) // 0 where no bit is dropped
	cuts := op.Attrs.Floats("cuts")
	most := 0.0
	for _, c := range cuts {
		spec.Cuts = append(spec.Cuts, int64(math.Round(math.Ldexp(c, f)))-move)
		most = max(most, math.Abs(c))
	}
	spec.Keep = f + bits(b+most+0.25) + 1 - spec.Drop
	// A function without a right tail is read below its largest argument only:
	// the exponential, after the row's maximum is subtracted.
	spec.NonPositive = s.Right == nil && name != clampName
	for p, row := range op.Attrs.FloatLists("coef") {
		c := [3]float64{}
		copy(c[:], row)
		tail := p == 0 || p == len(cuts)
		piece := fixed.Poly{Kind: fixed.Quadratic}
		switch {
		case c == [3]float64{}:
			piece.Kind = fixed.Zero
		case (tail || name == clampName) && c[2] == 0 && c[1] == math.Trunc(c[1]):
			piece.Kind = fixed.Linear
			piece.C = [3]int64{int64(math.Round(math.Ldexp(c[0], f))), int64(c[1]), 0}
		default:
			piece.C = [3]int64{
				int64(math.Round(math.Ldexp(c[0], spec.FracAcc))),
				int64(math.Round(math.Ldexp(c[1], spec.FracAcc-f))),
				int64(math.Round(math.Ldexp(c[2], spec.FracAcc-2*f))),
			}
		}
		spec.Pieces = append(spec.Pieces, piece)
	}
	if !spec.HasQuadratic() {
		spec.FracAcc = 0
	} else {
		spec.MidFrac = min(out.Frac, spec.FracAcc)
	}
	fit := narrowest(spec)
	if lined, ok := leanOnLines(spec); ok {
		if other := narrowest(lined); other.WidthAcc < fit.WidthAcc {
			fit = other
		}
	}
	spec = fit
	in := max(spec.WidthAcc, spec.WidthLin, spec.Keep+spec.Drop)
	spec.In.Width = in
	if err := spec.Check(); err != nil {
		q.fail(op, "%v", err)
	}
	attrs := ir.A("fn", ir.Ident(name))
	plan.SetPiecewise(&attrs, spec)
	v := q.b.Op1T("fx.piecewise", q.hint(), attrs, x.Type.WithElem(out), q.cast(x, in, f))
	return []*ir.Value{q.set(v, q.spanOf(op))}
}

// blur is how far below and above a cut of a fitted function either piece may
// apply. Curved pieces meet, so their cuts are moved to have as much of it below as
// above; straight ones have no square to pay for and no fit whose error hides a
// coarse cut.
func blur(op *ir.Op) (below, above float64) {
	if straight(op) {
		return 0, 1.0 / 64
	}
	return 1.0 / 16, 1.0 / 16
}

// straight reports whether no piece of a fitted function is curved.
func straight(op *ir.Op) bool {
	for _, row := range op.Attrs.FloatLists("coef") {
		if len(row) > 2 && row[2] != 0 {
			return false
		}
	}
	return true
}

// narrowest gives a function's groups the least widths that it passes its check
// with, or the input's, with which it will not.
func narrowest(p fixed.Piecewise) fixed.Piecewise {
	least := func(width *int, used bool) {
		for *width = 0; used && *width < p.In.Width && p.Check() != nil; {
			*width++
		}
	}
	// The one is found with room for the other.
	if p.HasLinear() {
		p.WidthLin = p.In.Width
	}
	least(&p.WidthAcc, p.HasQuadratic())
	least(&p.WidthLin, p.HasLinear())
	return p
}

// leanOnLines takes from every quadratic piece the line with an integer slope
// that is nearest to it, so that what is left has small values, if the linear
// group then has no more selections.
func leanOnLines(p fixed.Piecewise) (fixed.Piecewise, bool) {
	_, before := p.Terms(fixed.Linear)
	p.Pieces = slices.Clone(p.Pieces)
	for i := 1; i < len(p.Cuts); i++ {
		q := &p.Pieces[i]
		if q.Kind != fixed.Quadratic {
			continue
		}
		// The slope of the chord is that in the middle.
		middle := math.Ldexp(float64(p.Cuts[i-1]+p.Cuts[i]), -1)
		unit := int64(1) << (p.FracAcc - p.In.Frac)
		q.Slope = int64(math.Round((2*float64(q.C[2])*middle + float64(q.C[1])) / float64(unit)))
		q.C[1] -= q.Slope * unit
	}
	_, after := p.Terms(fixed.Linear)
	return p, len(after) <= len(before)
}
