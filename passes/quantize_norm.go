package passes

import (
	"math"

	"nimbus/ir"
)

func (q *quantizer) normFrac(v *ir.Value) int {
	f := q.fm.Norm - bits(q.bound[v])
	if r := q.least[v]; r > 0 {
		f = max(f, leastNorm-bits(r))
	}
	return min(f, v.Type.Elem.Frac)
}

// the root mean square of their row.
const leastNorm = 6

func (q *quantizer) leastRoot(op *ir.Op) float64 {
	for _, next := range []string{"nn.sum", "nn.scale", "nn.rsqrt"} {
		uses := q.uses[op.Result()]
		if len(uses) != 1 || uses[0].Op.Name != next {
			return 0
		}
		op = uses[0].Op
	}
	if r := op.Attrs.Floats("range"); len(r) == 2 && r[1] > 0 {
		return 1 / r[1]
	}
	return 0
}

// are squares of.
const squareDrop = 2

// square's ring must hold the sum that follows it.
func (q *quantizer) square() []*ir.Value {
	op := q.op
	b := q.magnitude(op)
	// A variance averages its rounding errors away: squareDrop bits fewer than the
	// deviations themselves, from whose conversion these are cut locally.
	f := q.normFrac(op.X(0))
	g := max(f-squareDrop, 0)
	l := 2*g + max(bits(max(b, q.sumAfter(op))), 0) + 4 // a reciprocal root wants three bits above its input
	x := q.cast(op.X(0), l+f-g, f)
	if f > g {
		x = q.set(q.b.Op1("fx.shrink", x.Name, ir.A("bits", f-g), x), q.bound[x])
	}
	return []*ir.Value{q.set(q.b.Op1T("fx.square", q.hint(), nil, x.Type.WithElem(ir.FxElem(l, 2*g)), x), b)}
}

func (q *quantizer) gain() []*ir.Value {
	op := q.op
	b := q.magnitude(op)
	g := op.W(1)
	r := g.Attrs.Floats("range")
	if len(r) != 2 {
		q.fail(op, "weight @%s has no range; calibrate with text, or write range = [lo, hi]", g.Name)
	}
	gain := max(math.Abs(r[0]), math.Abs(r[1]))
	vbits := q.fm.Gain + max(bits(gain+math.Ldexp(1, -q.fm.Gain)), 1) + 1
	x := op.X(0)
	most := max(b, q.sumAfter(op))
	l := max(q.fm.Act+q.fm.Gain+room(most)+2, vbits)
	y := q.b.Op1("fx.mul", q.hint(), nil, q.cast(x, l, q.fm.Act), q.weight(g, ir.FxElem(vbits, q.fm.Gain), nil))
	return []*ir.Value{q.set(y, b)}
}

func (q *quantizer) bias() []*ir.Value {
	op := q.op
	x := op.X(0)
	b := q.magnitude(op)
	y := q.set(q.b.Op1("fx.add_bias", q.hint(), nil, x, q.weight(op.W(1), x.Type.Elem, nil)), b)
	if q.onlyBiased(op.Result()) || embedded(x) {
		return []*ir.Value{y}
	}
	return []*ir.Value{q.cast(y, q.fm.Linear, q.fm.Act)}
}

func (q *quantizer) onlyBiased(v *ir.Value) bool {
	for _, u := range q.uses[v] {
		if u.Op.Name != "nn.add" || u.Op.W(1) == nil {
			return false
		}
	}
	return len(q.uses[v]) > 0
}

func embedded(v *ir.Value) bool {
	for v.Def != nil && v.Def.Name == "fx.add_bias" {
		v = v.Def.X(0)
	}
	return v.Def != nil && v.Def.Name == "fx.select"
}

func (q *quantizer) sumAfter(op *ir.Op) float64 {
	most := 0.0
	for _, u := range q.uses[op.Result()] {
		if u.Op.Name == "nn.add" || u.Op.Name == "nn.sum" {
			most = max(most, q.magnitude(u.Op))
		}
	}
	return most
}
