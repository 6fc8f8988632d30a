package eval

import (
	goruntime "runtime"
	"sync"

	"nimbus/internal/kernel"
	"nimbus/internal/z2k"
)

// parallelProducts is the least number of products worth a second goroutine.
const parallelProducts = 1 << 21

// wideCols is what a goroutine's columns are a multiple of: the kernel's tile.
// tallRows is the height of that tile: lower products have a kernel of their own.
const (
	wideCols = 16
	tallRows = 8
)

// realMatMul sets dst [m, n] to a [m, k] · b [k, n], on all cores where that is
// worth it.
func realMatMul[F kernel.Factor](dst, a []float64, b []F, m, k, n int) {
	parts := min(goruntime.GOMAXPROCS(0), n/wideCols)
	if m*k*n < parallelProducts || parts < 2 {
		kernel.MatMulDouble(dst, a, b, m, k, n, 0, n)
		return
	}
	var wg sync.WaitGroup
	for p := range parts {
		lo, hi := p*n/parts/wideCols*wideCols, (p+1)*n/parts/wideCols*wideCols
		if p == parts-1 {
			hi = n
		}
		wg.Go(func() { kernel.MatMulDouble(dst, a, b, m, k, n, lo, hi) })
	}
	wg.Wait()
}

// exactDouble bounds the integers that a double holds exactly.
const exactDouble = 1 << 53

// matMul sets dst to a · b modulo 2^width, and wide, unless nil, to that product
// without a ring. Weights and activations are far smaller than their ring, so
// doubles hold their products exactly, and have the faster kernel; what they
// cannot hold takes the ring's own.
func matMul(dst []uint64, wide []float64, a []uint64, b Value, m, k, n, width int) {
	if wide == nil && m < tallRows {
		z2k.MatMul(dst, a, b.wide().Ring, m, k, n, width)
		return
	}
	x, z := doubles(len(a)), wide
	defer x.free()
	if z == nil {
		s := doubles(len(dst))
		defer s.free()
		z = s.v
	}
	most, exact := float64(k)*kernel.Doubles(x.v, a, width), false
	if b.held != nil {
		if exact = most*b.held.most < exactDouble; exact || wide != nil {
			realMatMul(z, x.v, b.held.ring, m, k, n)
		}
	} else {
		y := doubles(len(b.Ring))
		defer y.free()
		if exact = most*kernel.Doubles(y.v, b.Ring, width) < exactDouble; exact || wide != nil {
			realMatMul(z, x.v, y.v, m, k, n)
		}
	}
	if exact {
		kernel.FromDoubles(dst, z, width)
		return
	}
	z2k.MatMul(dst, a, b.wide().Ring, m, k, n, width)
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
