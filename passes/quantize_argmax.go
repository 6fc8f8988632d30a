package passes

import (
	"math"

	"nimbus/ir"
)

// argmax writes the place of each element, counted from the end of its row,
// into bits below its last one. Then no two are equal, the first of equals is
// the largest, and the low bits of the row's largest say where it stood: the
// price is a maximum of so many more bits, all else is local.
func (q *quantizer) argmax() []*ir.Value {
	op := q.op
	x, s, n := op.X(0), q.span[op.X(0)], op.X(0).Type.Last()
	b := s.most
	k := bits(float64(n)) + 1
	f := min(x.Type.Elem.Frac, q.fm.Act)
	keep := f + k + bits(2*b+math.Ldexp(1, -f)) + 1
	if keep > 64 {
		q.fail(op, "%%%s may reach ±%.4g, whose comparison with %d others takes %d bits; scale it", x.Name, b, n-1, keep)
	}
	numbered := q.set(q.b.Op1("fx.number", q.hint(), ir.A("bits", k), q.cast(x, keep, f)), s)
	top := q.set(q.b.Op1("fx.max", q.hint(), ir.A("keep", keep, "drop", 0), numbered), s)
	last := span{typical: float64(n - 1), most: float64(n - 1), proof: "interval"}
	place := q.set(q.b.Op1("fx.low", q.hint(), ir.A("bits", k), top), last)
	back := q.set(q.b.Op1("fx.mul_const", q.hint(), ir.A("value", -1.0, "frac", 0), place), last)
	return []*ir.Value{q.set(q.b.Op1("fx.add_const", q.hint(), ir.A("value", last.most), back), last)}
}
