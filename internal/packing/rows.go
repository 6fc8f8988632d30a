package packing

import "fmt"

// Rows is the layout of a table of Count rows of Cols columns, as many whole rows in a polynomial as fit.
type Rows struct{ N, Count, Cols int }

// Check reports dimensions that do not fit the ring.
func (r Rows) Check() error {
	if r.N < 2 || r.Count < 1 || r.Cols < 1 || r.Cols > r.N {
		return fmt.Errorf("packing: table of %d rows of %d columns, ring degree %d: rows must fit the ring", r.Count, r.Cols, r.N)
	}
	return nil
}

// PerPoly is the number of rows in a polynomial.
func (r Rows) PerPoly() int { return r.N / r.Cols }

// Polys is the number of polynomials.
func (r Rows) Polys() int { return (r.Count + r.PerPoly() - 1) / r.PerPoly() }

// Stored is the number of coefficients of each polynomial that hold rows.
func (r Rows) Stored() int { return min(r.PerPoly(), r.Count) * r.Cols }

// At is where a row sits: its polynomial and its first coefficient.
func (r Rows) At(row int) (poly, offset int) {
	return row / r.PerPoly(), row % r.PerPoly() * r.Cols
}
