package kernel

import (
	"fmt"
	"math"
)

// The matrix product of doubles works on tiles, over panels of b of doubleDepth
// rows (at most 32 KiB), which stay in the first-level cache while every row of a
// goes over them.
const doubleDepth = 256

// A Factor is what the second factor of a product of doubles may be stored as.
type Factor interface{ float64 | float32 | int32 }

// MatMulDouble sets columns lo to hi of dst [m, n] to those of a [m, k] · b [k, n],
// row-major; dst must not overlap a or b. Every element is summed in ascending
// order of k, each product rounded before it is added, so every processor gives
// the same bits; and where k·max|a|·max|b| is below 2^53, a product of integers is
// exact.
func MatMulDouble[F Factor](dst, a []float64, b []F, m, k, n, lo, hi int) {
	if m < 0 || k < 0 || n < 0 || len(dst) != m*n || len(a) != m*k || len(b) != k*n || lo < 0 || lo > hi || hi > n {
		panic(fmt.Sprintf("kernel: internal error: columns %d to %d of a product of [%d,%d] by [%d,%d]: lengths %d, %d, result %d", lo, hi, m, k, k, n, len(a), len(b), len(dst)))
	}
	for i := range m {
		clear(dst[i*n+lo : i*n+hi])
	}
	tile := doubleTile(best)
	rows, cols := 0, lo // what the vector kernel does of the result
	if tile.rows > 0 {
		rows, cols = m/tile.rows*tile.rows, lo+(hi-lo)/tile.cols*tile.cols
	}
	if rows > 0 && cols > lo {
		matMulTiles(dst, a, b, tile, rows, lo, cols, k, n)
	}
	matMulDouble(dst, a, b, 0, rows, cols, hi, k, n)
	matMulDouble(dst, a, b, rows, m, lo, hi, k, n)
}

// A doubleShape is the size of the tile of a level's kernel.
type doubleShape struct{ rows, cols int }

func doubleTile(l level) doubleShape {
	return [...]doubleShape{plain: {}, avx2: {4, 8}, avx512: {8, 16}}[l]
}

// matMulTiles adds to columns lo to hi of the first rows of dst.
func matMulTiles[F Factor](dst, a []float64, b []F, tile doubleShape, rows, lo, hi, k, n int) {
	var panel [doubleDepth * 16]float64
	for p := 0; p < k; p += doubleDepth {
		depth := min(doubleDepth, k-p)
		for j := lo; j < hi; j += tile.cols {
			for r := range depth {
				to, from := panel[r*tile.cols:][:tile.cols], b[(p+r)*n+j:][:tile.cols]
				for c := range to {
					to[c] = float64(from[c])
				}
			}
			for i := 0; i < rows; i += tile.rows {
				d, x := &dst[i*n+j], &a[i*k+p]
				if tile.rows == 8 {
					doubleTile8x16(d, n*8, x, k*8, &panel[0], depth)
				} else {
					doubleTile4x8(d, n*8, x, k*8, &panel[0], depth)
				}
			}
		}
	}
}

// matMulDouble adds to columns j0 to j1 of rows lo to hi of dst.
func matMulDouble[F Factor](dst, a []float64, b []F, lo, hi, j0, j1, k, n int) {
	if j0 == j1 {
		return
	}
	for i := lo; i < hi; i++ {
		row := dst[i*n+j0 : i*n+j1]
		for p := range k {
			f, bp := a[i*k+p], b[p*n+j0:p*n+j1]
			for j := range row {
				row[j] += float64(f * float64(bp[j])) // never fused
			}
		}
	}
}

// Doubles sets dst to x, signed numbers of width bits, and returns the largest
// magnitude. Numbers of more than 53 bits are rounded.
func Doubles(dst []float64, x []uint64, width int) float64 {
	x = x[:len(dst)]
	shift, top, done := 64-width, 0.0, 0
	if best >= avx512 {
		if done = len(dst) / lanes * lanes; done > 0 {
			top = toDoubles(&dst[0], &x[0], done, uint64(shift))
		}
	}
	for i := done; i < len(dst); i++ {
		dst[i] = float64(int64(x[i]<<shift) >> shift)
		top = max(top, math.Abs(dst[i]))
	}
	return top
}

// FromDoubles sets dst to x, integers of magnitude below 2^63, modulo 2^width.
func FromDoubles(dst []uint64, x []float64, width int) {
	x = x[:len(dst)]
	mask, done := ^uint64(0)>>(64-width), 0
	if best >= avx512 {
		if done = len(dst) / lanes * lanes; done > 0 {
			fromDoubles(&dst[0], &x[0], done, mask)
		}
	}
	for i := done; i < len(dst); i++ {
		dst[i] = uint64(int64(x[i])) & mask
	}
}
