package kernel

import (
	"fmt"
	"math"
)

// The matrix product of doubles works on tiles of doubleRows × doubleCols, over
// panels of b of doubleDepth rows (32 KiB), which stay in the first-level cache
// while every row of a goes over them.
const (
	doubleRows  = 8
	doubleCols  = 16
	doubleDepth = 256
)

// MatMulDouble sets dst [m, n] to a [m, k] · b [k, n], row-major; dst must not
// overlap a or b. Every element is summed in ascending order of k, each product
// rounded before it is added, so every processor gives the same bits; and where
// k·max|a|·max|b| is below 2^53, a product of integers is exact.
func MatMulDouble(dst, a, b []float64, m, k, n int) {
	if m < 0 || k < 0 || n < 0 || len(dst) != m*n || len(a) != m*k || len(b) != k*n {
		panic(fmt.Sprintf("kernel: internal error: product of [%d,%d] by [%d,%d]: lengths %d, %d, result %d", m, k, k, n, len(a), len(b), len(dst)))
	}
	clear(dst)
	rows, cols := 0, 0 // what the vector kernel does of the result
	if vectorDouble {
		rows, cols = m/doubleRows*doubleRows, n/doubleCols*doubleCols
	}
	if rows > 0 && cols > 0 {
		matMulTiles(dst, a, b, rows, cols, k, n)
	}
	matMulDouble(dst, a, b, 0, rows, cols, k, n)
	matMulDouble(dst, a, b, rows, m, 0, k, n)
}

// matMulTiles adds to the first rows × cols elements of dst.
func matMulTiles(dst, a, b []float64, rows, cols, k, n int) {
	var panel [doubleDepth * doubleCols]float64
	for p := 0; p < k; p += doubleDepth {
		depth := min(doubleDepth, k-p)
		for j := 0; j < cols; j += doubleCols {
			for r := range depth {
				*(*[doubleCols]float64)(panel[r*doubleCols:]) = *(*[doubleCols]float64)(b[(p+r)*n+j:])
			}
			for i := 0; i < rows; i += doubleRows {
				doubleTile(&dst[i*n+j], n*8, &a[i*k+p], k*8, &panel[0], depth)
			}
		}
	}
}

// matMulDouble adds to rows lo to hi of dst, from column j0 on.
func matMulDouble(dst, a, b []float64, lo, hi, j0, k, n int) {
	if j0 == n {
		return
	}
	for i := lo; i < hi; i++ {
		row := dst[i*n+j0 : (i+1)*n]
		for p := range k {
			f, bp := a[i*k+p], b[p*n+j0:(p+1)*n]
			for j := range row {
				row[j] += float64(f * bp[j]) // never fused
			}
		}
	}
}

// Doubles sets dst to x, signed numbers of width bits, and returns the largest
// magnitude. Numbers of more than 53 bits are rounded.
func Doubles(dst []float64, x []uint64, width int) float64 {
	x = x[:len(dst)]
	shift, top, done := 64-width, 0.0, 0
	if vectorDouble {
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
	if vectorDouble {
		if done = len(dst) / lanes * lanes; done > 0 {
			fromDoubles(&dst[0], &x[0], done, mask)
		}
	}
	for i := done; i < len(dst); i++ {
		dst[i] = uint64(int64(x[i])) & mask
	}
}
