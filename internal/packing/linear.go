package packing

import "fmt"

// Linear is the layout of Y[M][Cols] = X[M][K]·W[K][Cols] with W stored encrypted, one row of one column block per
// ciphertext: column j of the block is coefficient j. T rows of Y share a response, row t at coefficients t·n to t·n+n-1
// for a block of n columns.
type Linear struct {
	N       int // ring degree
	M, K    int // rows of X, inner dimension
	Cols, T int // columns of W, rows of Y in a response
}

// Check reports dimensions that do not fit the ring.
func (l Linear) Check() error {
	if l.N < 2 || l.M < 1 || l.K < 1 || l.Cols < 1 || l.T < 1 {
		return fmt.Errorf("packing: linear layer %d×%d×%d, %d rows in a response, ring degree %d: all must be positive", l.M, l.K, l.Cols, l.T, l.N)
	}
	if n := l.Block(0).Len; l.T > l.N/n {
		return fmt.Errorf("packing: %d rows of %d columns do not fit a response of degree %d, at most %d do", l.T, n, l.N, l.N/n)
	}
	return nil
}

// Span is a range of columns or coefficients.
type Span struct{ Start, Len int }

// Blocks is the number of column blocks: one unless W is wider than the ring.
func (l Linear) Blocks() int { return (l.Cols + l.N - 1) / l.N }

// Block is the range of columns of block b. Blocks differ by at most one column, the widest first.
func (l Linear) Block(b int) Span {
	n := l.Blocks()
	base, extra := l.Cols/n, l.Cols%n
	s := Span{b*base + min(b, extra), base}
	if b < extra {
		s.Len++
	}
	return s
}

// Groups is the number of responses for a column block.
func (l Linear) Groups() int { return (l.M + l.T - 1) / l.T }

// Responses is the number of response ciphertexts.
func (l Linear) Responses() int { return l.Blocks() * l.Groups() }

// GroupRows is the range of rows of Y in response group g.
func (l Linear) GroupRows(g int) Span { return Span{g * l.T, min(l.T, l.M-g*l.T)} }

// Transforms tells whether the T rows of a response are better multiplied as one polynomial, by transforms, than row by
// row: where the inner dimension is small and rows are many.
func (l Linear) Transforms() bool { return l.T*l.K >= rowWork*(l.K+2) }

// rowWork is how many rows cost about what one transform costs.
const rowWork = 64

// Stored is the range of coefficients of the first polynomial that block b must keep, as a start modulo N (read it as
// negative if it is not 0) and a length: row t of a response reaches back t·n coefficients, so all of
// [-(T-1)n, T·n) is needed, and only for T = 1 do the n coefficients of the row itself suffice.
func (l Linear) Stored(b int) Span {
	n := l.Block(b).Len
	if length := (2*l.T - 1) * n; length < l.N {
		return Span{(l.N - (l.T-1)*n) % l.N, length}
	}
	return Span{0, l.N}
}
