package passes

import (
	"math"

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
	f, coarse := min(q.fm.Scalar, x.Type.Elem.Frac), 4
	if straight(op) { // no square to pay for, and no fit whose error hides a coarse cut
		f, coarse = min(q.fm.Act, x.Type.Elem.Frac), 6
	}
	out := ir.FxElem(q.fm.Linear, q.fm.Act)
	if name == "exp" { // read by a row sum and a product with its reciprocal
		f = min(q.fm.Score, x.Type.Elem.Frac)
		out = ir.FxElem(2*q.fm.Prob+3, q.fm.Prob)
	}
	spec := fixed.Piecewise{FracAcc: 2*f + s.Grid, Out: fixed.Format{Width: out.Width, Frac: out.Frac}}
	cuts := op.Attrs.Floats("cuts")
	most := 0.0
	for _, c := range cuts {
		spec.Cuts = append(spec.Cuts, int64(math.Round(math.Ldexp(c, f))))
		most = max(most, math.Abs(c))
	}
	spec.Drop = max(f-coarse, 0)
	spec.Keep = f + bits(b+most+0.25) + 1 - spec.Drop
	// A function without a right tail is read below its largest argument only:
	// the exponential, after the row's maximum is subtracted.
	spec.NonPositive = s.Right == nil && name != clampName
	quad, lin := 0.0, 0.0
	reach := math.Ldexp(1, spec.Keep+spec.Drop-1-f)
	for p, row := range op.Attrs.FloatLists("coef") {
		c := [3]float64{}
		copy(c[:], row)
		lo, hi := -b, b
		from, to := lo, hi // where the comparisons are right, which may be more than b
		if len(cuts) > 0 {
			from, to = cuts[len(cuts)-1]-reach, cuts[0]+reach
		}
		if p > 0 {
			lo, from = max(lo, cuts[p-1]), max(from, cuts[p-1])
		}
		if p < len(cuts) {
			hi, to = min(hi, cuts[p]), min(to, cuts[p]+math.Ldexp(1, -coarse))
		}
		if spec.NonPositive {
			hi, to = min(hi, 0), min(to, 0)
		}
		tail := p == 0 || p == len(cuts)
		piece := fixed.Poly{Kind: fixed.Quadratic}
		switch {
		case c == [3]float64{}:
			piece.Kind = fixed.Zero
		case (tail || name == clampName) && c[2] == 0 && c[1] == math.Trunc(c[1]):
			piece.Kind = fixed.Linear
			piece.C = [3]int64{int64(math.Round(math.Ldexp(c[0], f))), int64(c[1]), 0}
			lin = max(lin, math.Abs(c[0]+c[1]*from), math.Abs(c[0]+c[1]*to))
		default:
			piece.C = [3]int64{
				int64(math.Round(math.Ldexp(c[0], spec.FracAcc))),
				int64(math.Round(math.Ldexp(c[1], spec.FracAcc-f))),
				int64(math.Round(math.Ldexp(c[2], spec.FracAcc-2*f))),
			}
			quad = max(quad, largest(c, lo, hi))
		}
		spec.Pieces = append(spec.Pieces, piece)
	}
	if quad > 0 {
		spec.MidFrac = min(out.Frac, spec.FracAcc)
		spec.WidthAcc = spec.FracAcc + bits(quad+0.25) + 3
	} else {
		spec.FracAcc = 0
	}
	if lin > 0 {
		spec.WidthLin = f + max(room(lin), 1-f) + 2
	}
	in := max(spec.WidthAcc, spec.WidthLin, spec.Keep+spec.Drop)
	spec.In = fixed.Format{Width: in, Frac: f}
	if err := spec.Check(); err != nil {
		q.fail(op, "%v", err)
	}
	attrs := ir.A("fn", ir.Ident(name))
	plan.SetPiecewise(&attrs, spec)
	v := q.b.Op1T("fx.piecewise", q.hint(), attrs, x.Type.WithElem(out), q.cast(x, in, f))
	return []*ir.Value{q.set(v, q.spanOf(op))}
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

// largest is the greatest magnitude of c0 + c1·x + c2·x² on [lo, hi].
func largest(c [3]float64, lo, hi float64) float64 {
	at := func(x float64) float64 { return math.Abs(c[0] + x*(c[1]+x*c[2])) }
	m := max(at(lo), at(hi))
	if c[2] != 0 {
		if v := -c[1] / (2 * c[2]); v > lo && v < hi {
			m = max(m, at(v))
		}
	}
	return m
}
