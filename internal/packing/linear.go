package packing

import (
	"fmt"
	"math/bits"
)

// Linear is the layout of Y[M][Cols] = X[M][K]·W[K][Cols] with W stored encrypted. S rows of one column block of n columns
// are in a ciphertext, and T rows of Y in a response, S = [Linear.Stack]:
//
//	ciphertext r    W[r·S+s][j]            at coefficient s·n + j
//	factor          X[g·T+t][r·S+s]        times X^((t·S-s)·n)
//	response g      Y[g·T+t][j]            at coefficient t·S·n + j
//
// What else the products leave in a response meets none of these, as T·S·n ≤ N. That is the layout of Cheetah (Huang et
// al., USENIX Security 2022) for a product of the matrix X with columns of W.
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

// Stack is S, the number of rows of W in a ciphertext: as many as there is room for, which makes ciphertexts fewer and what
// is stored no more. Only blocks of multiples of 64 columns are stacked, as others would need transforms.
func (l Linear) Stack() int {
	n := l.Block(0).Len
	if n%minClass != 0 || l.Blocks() > 1 {
		return 1
	}
	return min(l.N/n/l.T, l.K)
}

// Ciphertexts is the number of ciphertexts of a column block.
func (l Linear) Ciphertexts() int { return (l.K + l.Stack() - 1) / l.Stack() }

// Groups is the number of responses for a column block.
func (l Linear) Groups() int { return (l.M + l.T - 1) / l.T }

// Responses is the number of response ciphertexts.
func (l Linear) Responses() int { return l.Blocks() * l.Groups() }

// GroupRows is the range of rows of Y in response group g.
func (l Linear) GroupRows(g int) Span { return Span{g * l.T, min(l.T, l.M-g*l.T)} }

// Classes is how X is multiplied. 1 is row by row, the rows then being shifted and added up, where ciphertexts are of one
// row of W. Otherwise the factor of a response and a ciphertext is one polynomial in Y = X^(N/Classes), multiplied in that
// many classes of the ring (kernel.Split): as many as the shifts by multiples of a block's columns need, or N, a transform.
func (l Linear) Classes() int {
	best, least := 0, int64(0)
	for _, classes := range []int{1, l.N / l.step(), l.N} {
		switch {
		case classes == 1 && l.Stack() > 1:
			continue
		case classes > 1 && l.T*l.Stack() == 1, classes > 1 && classes < l.N && l.N/classes < minClass:
			continue
		}
		if w := l.weigh(classes); best == 0 || w < least {
			best, least = classes, w
		}
	}
	return best
}

// minClass is the least number of coefficients of a class: it and what is stored are read in pieces of so many.
const minClass = 64

// step is the largest power of two that divides the columns of a block.
func (l Linear) step() int { n := l.Block(0).Len; return n & -n }

// levelWork is what a residue takes in one level of a transform, in products of residues.
const levelWork = 3

func (l Linear) weigh(classes int) int64 {
	products, levels := l.Work(classes)
	return products + levelWork*levels
}

// Work is what so many classes take for each limb: residues multiplied and residues in levels of transforms.
func (l Linear) Work(classes int) (products, levels int64) {
	tiles := func(rows int) int64 { return int64(rows+7) / 8 * 8 } // what the kernel multiplies
	n, k, groups := int64(l.N), int64(l.Ciphertexts()), int64(l.Groups())
	log := int64(bits.Len(uint(classes)) - 1)
	for b := range l.Blocks() {
		stored := int64(l.Stored(b).Len)
		switch classes {
		case 1:
			products += k * tiles(l.M) * (stored + n)
		case l.N: // of the identity, to read the ciphertexts, then of transforms
			products += k*tiles(l.Ciphertexts())*(stored+n) + 2*groups*k*n
			levels += log * n * (2*k + groups*(k+2))
		default:
			products += 2*tiles(l.Groups())*k*n + tiles(classes)*int64(l.M)*int64(l.K)
			levels += log * 2 * n * (k + groups)
		}
	}
	return products, levels
}

// Stored is the range of coefficients of the first polynomial that block b must keep, as a start modulo N (read it as
// negative if it is not 0) and a length: the coefficients that carry Y reach back and forth by what they are multiplied
// with, so all of [-(T-1)·S·n, T·S·n) is needed, and only for T = 1 do the coefficients of the rows of W suffice.
func (l Linear) Stored(b int) Span {
	n := l.Stack() * l.Block(b).Len
	if length := (2*l.T - 1) * n; length < l.N {
		return Span{(l.N - (l.T-1)*n) % l.N, length}
	}
	return Span{0, l.N}
}

// At is the coefficients of a response of block b that carry rows of Y, row after row.
func (l Linear) At(b, rows int) []int {
	n, stack := l.Block(b).Len, l.Stack()
	at := make([]int, 0, rows*n)
	for t := range rows {
		for j := range n {
			at = append(at, t*stack*n+j)
		}
	}
	return at
}
