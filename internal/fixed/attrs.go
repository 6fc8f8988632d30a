package fixed

import "fmt"

// Attrs is a Piecewise as plain attribute values, the way plans print it; the
// two formats come from the types of the operand and the result.
//
//	cuts = [-10240, 8192], pieces = [[0], [34, 5120, 4096], [1, 0]],
//	keep = 11, drop = 4, width_acc = 24, frac_acc = 24, mid_frac = 10, width_lin = 16
//
// A piece is [0], [c1, c0], [c2, c1, c0], or [c2, c1, c0, slope] with a slope that
// is not 0.
type Attrs struct {
	Cuts     []int64
	Pieces   [][]int64
	Keep     int
	Drop     int
	WidthAcc int
	FracAcc  int
	MidFrac  int
	WidthLin int

	NonPositive bool
	Layout      []int // of the comparisons, if stated
}

// Attrs returns p as attribute values. They share no memory with p.
func (p Piecewise) Attrs() Attrs {
	a := Attrs{
		Cuts: append([]int64{}, p.Cuts...), Keep: p.Keep, Drop: p.Drop,
		WidthAcc: p.WidthAcc, FracAcc: p.FracAcc, MidFrac: p.MidFrac, WidthLin: p.WidthLin,
		NonPositive: p.NonPositive,
	}
	if p.Layout != (CmpLayout{}) {
		a.Layout = p.Layout.Ints()
	}
	for _, q := range p.Pieces {
		switch q.Kind {
		case Quadratic:
			c := []int64{q.C[2], q.C[1], q.C[0]}
			if q.Slope != 0 {
				c = append(c, q.Slope)
			}
			a.Pieces = append(a.Pieces, c)
		case Linear:
			a.Pieces = append(a.Pieces, []int64{q.C[1], q.C[0]})
		default:
			a.Pieces = append(a.Pieces, []int64{0})
		}
	}
	return a
}

// Piecewise returns the function that the attributes describe, checked.
func (a Attrs) Piecewise(in, out Format) (Piecewise, error) {
	p := Piecewise{
		In: in, Out: out, Cuts: append([]int64{}, a.Cuts...), Keep: a.Keep, Drop: a.Drop,
		WidthAcc: a.WidthAcc, FracAcc: a.FracAcc, MidFrac: a.MidFrac, WidthLin: a.WidthLin,
		NonPositive: a.NonPositive,
	}
	var err error
	if p.Layout, err = CmpLayoutOf(a.Layout); err != nil {
		return Piecewise{}, fmt.Errorf("fixed: %w", err)
	}
	for i, c := range a.Pieces {
		var q Poly
		switch {
		case len(c) == 1 && c[0] == 0:
		case len(c) == 2:
			q = Poly{Kind: Linear, C: [3]int64{c[1], c[0], 0}}
		case len(c) == 3:
			q = Poly{Kind: Quadratic, C: [3]int64{c[2], c[1], c[0]}}
		case len(c) == 4 && c[3] != 0:
			q = Poly{Kind: Quadratic, C: [3]int64{c[2], c[1], c[0]}, Slope: c[3]}
		default:
			return Piecewise{}, fmt.Errorf("fixed: piece %d is %v: want [0], [c1, c0], [c2, c1, c0] or [c2, c1, c0, slope]", i, c)
		}
		p.Pieces = append(p.Pieces, q)
	}
	return p, p.Check()
}
