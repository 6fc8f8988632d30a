package fixed

import "math/big"

// Uniform returns p's pieces with every one a quadratic of the one accumulator,
// at p's FracAcc, and the least width of it: that in which the piece that applies,
// shrunk to MidFrac and off by slack units, can be extended. p has a quadratic
// piece and passes Check.
func (p Piecewise) Uniform(slack int) (pieces []Poly, width int) {
	most := new(big.Int)
	for i, q := range p.Pieces {
		shl := p.FracAcc - p.In.Frac // scales of lines are those of the argument
		if q.Kind == Linear {
			q.C[0], q.C[1] = q.C[0]<<shl, q.C[1]<<shl
		}
		q.C[1] += q.Slope << shl
		q.Kind, q.Slope = Quadratic, 0
		pieces = append(pieces, q)
		for _, x := range q.extremes(p.interval(i)) {
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
