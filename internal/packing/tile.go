package packing

import "fmt"

// Product is a matrix product A[Rows][Inner]·B[Inner][Cols].
type Product struct{ Rows, Inner, Cols int }

// Tile is a block of a [Product] that one polynomial product computes: Rows·Inner·Cols ≤ N. With n, k, m its three sides,
//
//	A[i][c] is at i·k·m + (k-1-c),  B[c][j] at j·k + c,  A·B[i][j] at i·k·m + j·k + k-1,
//
// and no other pair of coefficients of the two polynomials falls on a result's index, the wrap at N included. EncryptA
// says which operand travels encrypted; the other enters as integers.
type Tile struct {
	Rows, Inner, Cols int
	EncryptA          bool
}

// Check reports a tile that does not fit the ring or the product.
func (t Tile) Check(n int, p Product) error {
	if p.Rows < 1 || p.Inner < 1 || p.Cols < 1 {
		return fmt.Errorf("packing: product %d×%d×%d: sides must be positive", p.Rows, p.Inner, p.Cols)
	}
	if t.Rows < 1 || t.Inner < 1 || t.Cols < 1 || t.Rows > p.Rows || t.Inner > p.Inner || t.Cols > p.Cols ||
		t.Rows > n/t.Inner || t.Rows*t.Inner > n/t.Cols {
		return fmt.Errorf("packing: tile %d×%d×%d does not fit ring degree %d and product %d×%d×%d", t.Rows, t.Inner, t.Cols, n, p.Rows, p.Inner, p.Cols)
	}
	return nil
}

// A is the coefficient of A[i][c], indices within the tile.
func (t Tile) A(i, c int) int { return i*t.Inner*t.Cols + t.Inner - 1 - c }

// B is the coefficient of B[c][j].
func (t Tile) B(c, j int) int { return j*t.Inner + c }

// Used is how many coefficients, from 0 on, hold all elements of the left operand (first) or of the right one.
func (t Tile) Used(first bool) int {
	if first {
		return t.A(t.Rows-1, 0) + 1
	}
	return t.B(t.Inner-1, t.Cols-1) + 1
}

// Result is the coefficient of (A·B)[i][j].
func (t Tile) Result(i, j int) int { return i*t.Inner*t.Cols + j*t.Inner + t.Inner - 1 }

func up(a, b int) int { return (a + b - 1) / b }

// Grid is the number of tiles along each side of p.
func (t Tile) Grid(p Product) (rows, inner, cols int) {
	return up(p.Rows, t.Rows), up(p.Inner, t.Inner), up(p.Cols, t.Cols)
}

// Inputs is the number of ciphertexts that carry the encrypted operand.
func (t Tile) Inputs(p Product) int {
	r, k, c := t.Grid(p)
	if t.EncryptA {
		return r * k
	}
	return k * c
}

// Outputs is the number of response ciphertexts.
func (t Tile) Outputs(p Product) int {
	r, _, c := t.Grid(p)
	return r * c
}

// Terms bounds the number of products of one error coefficient with one plaintext coefficient that a result gathers.
func (t Tile) Terms(p Product) int {
	_, k, _ := t.Grid(p)
	if t.EncryptA {
		return k * t.Inner * t.Cols
	}
	return k * t.Inner * t.Rows
}

// Tiles lists the tiles worth trying for p in a ring of degree n: sides that are powers of two or the whole side, both
// choices of the encrypted operand, and for a given pair of sides only the largest third.
func Tiles(n int, p Product) []Tile {
	sides := func(limit int) []int {
		var s []int
		for v := 1; v < limit; v *= 2 {
			s = append(s, v)
		}
		return append(s, limit)
	}
	var out []Tile
	for _, k := range sides(p.Inner) {
		for _, m := range sides(p.Cols) {
			best := 0
			for _, r := range sides(p.Rows) {
				if k <= n && m <= n/k && r <= n/(k*m) {
					best = r
				}
			}
			if best > 0 {
				out = append(out, Tile{best, k, m, false}, Tile{best, k, m, true})
			}
		}
	}
	return out
}
