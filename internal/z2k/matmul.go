package z2k

import "fmt"

// Panels of b of panelRows × panelCols elements (256 KiB) stay in the second
// level cache while every row of a goes over them.
const (
	panelRows = 64
	panelCols = 512
)

// MatMul sets dst [m, n] to a [m, k] · b [k, n], all row-major. dst must not
// overlap a or b; what it held before does not matter.
func MatMul(dst, a, b []uint64, m, k, n, width int) {
	if m < 0 || k < 0 || n < 0 || len(dst) != m*n || len(a) != m*k || len(b) != k*n {
		panic(fmt.Sprintf("z2k: internal error: matmul of [%d,%d] by [%d,%d]: lengths %d, %d, result %d", m, k, k, n, len(a), len(b), len(dst)))
	}
	clear(dst)
	for j0 := 0; j0 < n; j0 += panelCols {
		j1 := min(j0+panelCols, n)
		for p0 := 0; p0 < k; p0 += panelRows {
			p1 := min(p0+panelRows, k)
			for i := range m {
				row(dst[i*n+j0:i*n+j1], a[i*k+p0:i*k+p1], b[p0*n+j0:], n)
			}
		}
	}
	Reduce(dst, dst, width)
}

// row adds to dst the combination, with coefficients a, of the rows of b, which
// start stride apart. Four rows at a time save loads and stores of dst.
func row(dst, a, b []uint64, stride int) {
	w, p := len(dst), 0
	for ; p+4 <= len(a); p += 4 {
		a0, a1, a2, a3 := a[p], a[p+1], a[p+2], a[p+3]
		b0 := b[p*stride:][:w]
		b1 := b[(p+1)*stride:][:w]
		b2 := b[(p+2)*stride:][:w]
		b3 := b[(p+3)*stride:][:w]
		for j := range dst {
			dst[j] += a0*b0[j] + a1*b1[j] + a2*b2[j] + a3*b3[j]
		}
	}
	for ; p < len(a); p++ {
		a0, b0 := a[p], b[p*stride:][:w]
		for j := range dst {
			dst[j] += a0 * b0[j]
		}
	}
}
