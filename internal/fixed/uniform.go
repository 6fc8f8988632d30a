package fixed

import "math/big"

// Uniform returns p's pieces with every one a quadratic of the one accumulator,
// at p's FracAcc, and the least width of it: that in which the piece that applies,
// shrunk to MidFrac and off by slack units, can be extended. p has a quadratic
// piece and passes Check.
func (p Piecewise) Uniform(slack int) (pieces []Poly, width int) {
	lo, hi := p.Domain()
	most := new(big.Int)
	for i, q := range p.Pieces {
		if q.Kind == Linear { // scales are those of the argument
			shl := p.FracAcc - p.In.Frac
			q.C[0], q.C[1] = q.C[0]<<shl, q.C[1]<<shl
		}
		q.Kind = Quadratic
		pieces = append(pieces, q)
		from, to := lo, hi
		if i > 0 {
			from = p.Cuts[i-1]
		}
		if i < len(p.Cuts) {
			to = min(hi, addSat(p.Cuts[i], int64(1)<<p.Drop-1))
		}
		for _, x := range q.extremes(min(from, to), to) {
			if y := q.at(x); y.CmpAbs(most) > 0 {
				most = y.Abs(y)
			}
		}
	}
	drop := p.FracAcc - p.MidFrac
	most.Rsh(most, uint(drop))
	most.Add(most, big.NewInt(int64(slack)+1))
	return pieces, most.BitLen() + 2 + drop
}
