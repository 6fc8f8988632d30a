package passes

import (
	"math"

	"nimbus/ir"
)

// leastNorm is the least number of significant bits of deviations as large as
// the root mean square of their row.
const leastNorm = 6

// squareDrop is by how many fraction bits squares are coarser than what they
// are squares of.
const squareDrop = 2

// squareFracs is the number of fraction bits of a deviation, and of it where it
// is squared: the smaller the deviations are, the more. A few large ones among
// many small must not cost these theirs. least is the least root mean square of
// a row, where it is known.
func squareFracs(fm Formats, typical, least float64) (fine, coarse int) {
	fine = fm.Norm - bits(typical)
	if least > 0 {
		fine = max(fine, leastNorm-bits(least))
	}
	return fine, max(fine-squareDrop, 0)
}

// normFrac is the number of fraction bits of a deviation v.
func (q *quantizer) normFrac(v *ir.Value) int {
	f, _ := squareFracs(q.fm, q.span[v].typical, q.least[v])
	return min(f, v.Type.Elem.Frac)
}

// leastRoot is the least root mean square of the rows that op squares, as the
// range of the reciprocal says that layernorm takes of it; 0 if none is taken.
func leastRoot(uses map[*ir.Value][]ir.Use, op *ir.Op) float64 {
	for _, next := range []string{"nn.sum", "nn.scale", "nn.rsqrt"} {
		u := uses[op.Result()]
		if len(u) != 1 || u[0].Op.Name != next {
			return 0
		}
		op = u[0].Op
	}
	if r := op.Attrs.Floats("range"); len(r) == 2 && r[1] > 0 {
		return 1 / r[1]
	}
	return 0
}

// inverseRange is where the calibrated range of a reciprocal or reciprocal root,
// with a margin, says that its input lies.
func inverseRange(op *ir.Op, margin float64) (lo, hi float64, ok bool) {
	r := op.Attrs.Floats("range")
	if len(r) != 2 || r[0] <= 0 {
		return 0, 0, false
	}
	lo, hi = 1/r[1], 1/r[0]
	if op.Name == "nn.rsqrt" {
		lo, hi = lo*lo, hi*hi
	}
	return lo / (margin * margin), hi * margin, true
}

// invFrac is the number of fraction bits of a reciprocal root.
func invFrac(fm Formats, op *ir.Op, margin float64) int {
	return fm.Inv - bits(op.Attrs.Floats("range")[1]*margin)
}

// rootRoom is how many bits a reciprocal or reciprocal root wants above its input:
// extending it takes a free one, and the sign.
const rootRoom = 2

// square's ring must hold the sum that follows it, not the squares themselves.
func (q *quantizer) square() []*ir.Value {
	op := q.op
	s := q.spanOf(op)
	// A variance averages its rounding errors away: squareDrop bits fewer than the
	// deviations themselves, from whose conversion these are cut locally.
	f := q.normFrac(op.X(0))
	g := max(f-squareDrop, 0)
	most := q.sumAfter(op)
	if q.mode == Calibrated || most == 0 {
		most = max(most, s.most)
	}
	l := 2*g + max(room(most), 0) + rootRoom
	x := q.convert(op.X(0), l+f-g, f)
	if f > g {
		x = q.set(q.b.Op1("fx.shrink", x.Name, ir.A("bits", f-g), x), q.span[x])
	}
	return []*ir.Value{q.set(q.b.Op1T("fx.square", q.hint(), q.within(x, false), x.Type.WithElem(ir.FxElem(l, 2*g)), x), s)}
}

// within is the promise of where the factor x of a product lies, if it has few
// enough bits: all that is possible, or typical where widths follow that, and a
// little for rounding. Reciprocals are positive.
func (q *quantizer) within(x *ir.Value, positive bool) ir.Attrs {
	const slack = 4
	most := math.Ceil(math.Ldexp(q.span[x].most, x.Type.Elem.Frac)) + slack
	if bits(2*most+1)+1 >= x.Type.Elem.Width {
		return nil
	}
	least := -most
	if positive {
		least = -slack
	}
	return ir.A("within", []int64{int64(least), int64(most)})
}

// gain multiplies by a vector of the server's: layernorm's gain.
func (q *quantizer) gain() []*ir.Value {
	op := q.op
	s := q.spanOf(op)
	g := op.W(1)
	r := g.Attrs.Floats("range")
	if len(r) != 2 {
		q.fail(op, "weight @%s has no range; calibrate with text, or write range = [lo, hi]", g.Name)
	}
	gain := max(math.Abs(r[0]), math.Abs(r[1]))
	vbits := q.fm.Gain + max(bits(gain+math.Ldexp(1, -q.fm.Gain)), 1) + 1
	x := op.X(0)
	most := max(s.most, q.sumAfter(op))
	f := q.fm.Act
	if q.squared[x] { // deviations: what comes out is one, and its root comes later
		f = q.normFrac(x)
	}
	l := max(f+q.fm.Gain+max(room(most), 0)+2, vbits)
	y := q.b.Op1("fx.mul", q.hint(), nil, q.convert(x, l, f), q.weight(g, ir.FxElem(vbits, q.fm.Gain), nil))
	q.squared[y], q.least[y] = q.squared[x], q.least[x]
	return []*ir.Value{q.set(y, s)}
}

// bias adds a vector or a table of the server's; what follows is what linear
// layers and the residual read, so it takes their format at once, unless more is
// added, the sum is still an embedding, or it is returned.
func (q *quantizer) bias() []*ir.Value {
	op := q.op
	x := op.X(0)
	y := q.set(q.b.Op1("fx.add_bias", q.hint(), nil, x, q.weight(op.W(1), x.Type.Elem, nil)), q.spanOf(op))
	if q.onlyRead(op.Result(), returned) || q.onlyRead(op.Result(), biased) || embedded(x) {
		return []*ir.Value{y}
	}
	return []*ir.Value{q.cast(y, q.fm.Linear, q.fm.Act)}
}

// onlyRead reports whether all that reads v is of a kind.
func (q *quantizer) onlyRead(v *ir.Value, kind func(*ir.Op) bool) bool {
	for _, u := range q.uses[v] {
		if !kind(u.Op) {
			return false
		}
	}
	return len(q.uses[v]) > 0
}

func biased(op *ir.Op) bool   { return op.Name == "nn.add" && op.W(1) != nil }
func returned(op *ir.Op) bool { return op.Name == "return" }

// embedded reports whether v is a selection of rows and what was added to it.
func embedded(v *ir.Value) bool {
	for v.Def != nil && v.Def.Name == "fx.add_bias" {
		v = v.Def.X(0)
	}
	return v.Def != nil && v.Def.Name == "fx.select"
}

// sumAfter is the largest magnitude of a sum that reads op's result.
func (q *quantizer) sumAfter(op *ir.Op) float64 {
	most := 0.0
	for _, u := range q.uses[op.Result()] {
		if u.Op.Name == "nn.add" || u.Op.Name == "nn.sum" {
			most = max(most, q.spanOf(u.Op).most)
		}
	}
	return most
}
