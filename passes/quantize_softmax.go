package passes

import (
	"math"

	"nimbus/ir"
)

// expTail is how far below the row's largest score the exponential is zero for
// certain, in units of the score: a little more than any fit's interval.
const expTail = 10

// scoreWidth is the ring of scores: wide enough for the exponential's square, and
// for it still where the largest has lost the fraction bits that it is found without.
func scoreWidth(frac int, span float64) int {
	return max(frac+bits(span)+2, 2*frac+shapes["exp"].Grid+1+max(frac-maxFrac, 3))
}

// addMask lowers masked scores so far that their exponential is zero whatever
// the scores are: by twice the bound of a score and the exponential's tail.
func (q *quantizer) addMask() []*ir.Value {
	op := q.op
	s := op.X(0)
	r := q.span[s].most
	drop := math.Ceil(2*r + expTail)
	f := q.worth(s, q.fm.Score, leastScore)
	x := q.cast(s, scoreWidth(f, 2*r+drop), f)
	y := q.set(q.b.Op1("fx.add_mask", q.hint(), ir.A("value", -drop), x, op.X(1)), q.span[s].plus(drop))
	q.masked[y] = r
	return []*ir.Value{y}
}

func (q *quantizer) max() []*ir.Value {
	op := q.op
	x := op.X(0)
	v := q.span[x]
	b := v.most
	if x.Type.Elem.Frac > q.fm.Score {
		f := q.worth(x, q.fm.Score, leastScore)
		x = q.cast(x, scoreWidth(f, 2*b), f)
	}
	span := 2 * b // between the largest and the smallest
	if r, ok := q.masked[x]; ok {
		span = b + r
	}
	rows, coarse := x, 0
	if q.shift[op.Result()] {
		coarse = max(x.Type.Elem.Frac-maxFrac, 0)
	}
	if coarse > 0 { // rounded up or down, and a unit added first: not below the largest
		unit := math.Ldexp(1, -maxFrac)
		x = q.set(q.b.Op1("fx.add_const", x.Name, ir.A("value", unit), x), q.span[x].plus(unit))
		x = q.set(q.b.Op1("fx.shrink", x.Name, ir.A("bits", coarse), x), q.span[x])
		v, span = v.plus(2*unit), span+2*unit
	}
	e := x.Type.Elem
	keep := min(e.Frac+bits(span)+1, e.Width)
	y := q.set(q.b.Op1("fx.max", q.hint(), ir.A("keep", keep, "drop", 0), x), v)
	q.compared[y] = rows
	return []*ir.Value{y}
}

// maxFrac is the number of fraction bits of the scores of which softmax takes the
// largest. What all exponentials of a row have in common is divided out again, so
// a shift that is too large by maxSlack at most serves as well, and comparisons and
// selections are as much narrower.
const maxFrac = 3

// maxSlack is how far the shift of a softmax's row may be above its largest score.
var maxSlack = math.Ldexp(2, -maxFrac)

// shiftsExp reports whether op is the largest of each row that a softmax subtracts
// before the exponential.
func shiftsExp(uses map[*ir.Value][]ir.Use, op *ir.Op) bool {
	for _, u := range uses[op.Result()] {
		if u.Op.Name != "nn.sub" || u.Op.W(1) != nil || u.Op.X(1) != op.Result() || u.Op.X(0) != op.X(0) {
			return false
		}
		for _, v := range uses[u.Op.Result()] {
			if v.Op.Name != "nn.piecewise" || v.Op.Attrs.Ident("fn", "") != "exp" {
				return false
			}
		}
	}
	return len(uses[op.Result()]) > 0
}
