package eval

import (
	goruntime "runtime"
	"sync"

	"nimbus/internal/kernel"
	"nimbus/internal/z2k"
)

// parallelProducts is the least number of products worth a second goroutine.
const parallelProducts = 1 << 21

// tallRows is what a goroutine's rows are a multiple of: the kernel's tile.
const tallRows = 8

// inRows calls f with ranges that cover m rows, at once where that many
// products are worth it.
func inRows(m, products int, f func(lo, hi int)) {
	parts := min(goruntime.GOMAXPROCS(0), m/tallRows)
	if products < parallelProducts || parts < 2 {
		f(0, m)
		return
	}
	var wg sync.WaitGroup
	for p := range parts {
		lo, hi := p*m/parts/tallRows*tallRows, (p+1)*m/parts/tallRows*tallRows
		if p == parts-1 {
			hi = m
		}
		wg.Go(func() { f(lo, hi) })
	}
	wg.Wait()
}

// realMatMul sets dst [m, n] to a [m, k] · b [k, n].
func realMatMul(dst, a, b []float64, m, k, n int) {
	inRows(m, m*k*n, func(lo, hi int) {
		kernel.MatMulDouble(dst[lo*n:hi*n], a[lo*k:hi*k], b, hi-lo, k, n)
	})
}

// exactDouble bounds the integers that a double holds exactly.
const exactDouble = 1 << 53

// matMul sets dst to a · b modulo 2^width. Weights and activations are far
// smaller than their ring, so doubles hold their products exactly, and have the
// faster kernel; what they cannot hold takes the ring's own.
func matMul(dst, a, b []uint64, m, k, n, width int) {
	if m < tallRows {
		z2k.MatMul(dst, a, b, m, k, n, width)
		return
	}
	x, y := doubles(len(a)), doubles(len(b))
	defer x.free()
	defer y.free()
	if kernel.Doubles(x.v, a, width)*kernel.Doubles(y.v, b, width)*float64(k) >= exactDouble {
		z2k.MatMul(dst, a, b, m, k, n, width)
		return
	}
	z := doubles(len(dst))
	defer z.free()
	realMatMul(z.v, x.v, y.v, m, k, n)
	kernel.FromDoubles(dst, z.v, width)
}

// scratch is memory for one product.
type scratch struct{ v []float64 }

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// doubles is a scratch of n elements, which hold anything.
func doubles(n int) *scratch {
	s := scratches.Get().(*scratch)
	if cap(s.v) < n {
		s.v = make([]float64, n)
	}
	s.v = s.v[:n]
	return s
}

func (s *scratch) free() { scratches.Put(s) }
