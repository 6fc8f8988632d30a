package z2k

import (
	"fmt"
	goruntime "runtime"
	"sync"
)

// Panels of b of panelRows × panelCols elements (256 KiB) stay in the second
// level cache while every row of a goes over them.
const (
	panelRows = 64
	panelCols = 512
)

// parallelProducts is the least number of products worth a second goroutine.
const parallelProducts = 1 << 21

// MatMul sets dst [m, n] to a [m, k] · b [k, n], all row-major. dst must not
// overlap a or b; what it held before does not matter. A large product uses all
// processors.
func MatMul(dst, a, b []uint64, m, k, n, width int) {
	if m < 0 || k < 0 || n < 0 || len(dst) != m*n || len(a) != m*k || len(b) != k*n {
		panic(fmt.Sprintf("z2k: internal error: matmul of [%d,%d] by [%d,%d]: lengths %d, %d, result %d", m, k, k, n, len(a), len(b), len(dst)))
	}
	Mask(width)
	if vectorized(m, k) {
		matMulVector(dst, a, b, m, k, n, width)
		return
	}
	parts := min(goruntime.GOMAXPROCS(0), m/2)
	if m*k*n < parallelProducts || parts < 2 {
		matMul(dst, a, b, k, n, width)
		return
	}
	var wg sync.WaitGroup
	for p := range parts {
		// Even cuts, for the rows go in pairs.
		lo, hi := p*m/parts&^1, (p+1)*m/parts&^1
		if p == parts-1 {
			hi = m
		}
		wg.Go(func() { matMul(dst[lo*n:hi*n], a[lo*k:hi*k], b, k, n, width) })
	}
	wg.Wait()
}

// matMul is MatMul in one goroutine.
func matMul(dst, a, b []uint64, k, n, width int) {
	clear(dst)
	if k == 0 {
		return
	}
	m := len(a) / k
	for j0 := 0; j0 < n; j0 += panelCols {
		j1 := min(j0+panelCols, n)
		for p0 := 0; p0 < k; p0 += panelRows {
			p1 := min(p0+panelRows, k)
			i := 0
			for ; i+2 <= m; i += 2 {
				twoRows(dst[i*n+j0:i*n+j1], dst[(i+1)*n+j0:(i+1)*n+j1], a[i*k+p0:i*k+p1], a[(i+1)*k+p0:(i+1)*k+p1], b[p0*n+j0:], n)
			}
			if i < m {
				oneRow(dst[i*n+j0:i*n+j1], a[i*k+p0:i*k+p1], b[p0*n+j0:], n)
			}
		}
	}
	Reduce(dst, dst, width)
}

// twoRows is oneRow for two rows of a and dst at a time, which halves the loads
// of b.
func twoRows(dst, dst2, a, a2, b []uint64, stride int) {
	w, p := len(dst), 0
	dst2, a2 = dst2[:w], a2[:len(a)]
	for ; p+4 <= len(a); p += 4 {
		x0, x1, x2, x3 := a[p], a[p+1], a[p+2], a[p+3]
		y0, y1, y2, y3 := a2[p], a2[p+1], a2[p+2], a2[p+3]
		b0 := b[p*stride:][:w]
		b1 := b[(p+1)*stride:][:w]
		b2 := b[(p+2)*stride:][:w]
		b3 := b[(p+3)*stride:][:w]
		for j := range dst {
			e0, e1, e2, e3 := b0[j], b1[j], b2[j], b3[j]
			dst[j] += x0*e0 + x1*e1 + x2*e2 + x3*e3
			dst2[j] += y0*e0 + y1*e1 + y2*e2 + y3*e3
		}
	}
	oneRow(dst, a[p:], b[min(p*stride, len(b)):], stride)
	oneRow(dst2, a2[p:], b[min(p*stride, len(b)):], stride)
}

// oneRow adds to dst the combination, with coefficients a, of the rows of b,
// which start stride apart. Four rows at a time save loads and stores of dst.
func oneRow(dst, a, b []uint64, stride int) {
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
