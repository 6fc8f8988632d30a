package z2k

import (
	goruntime "runtime"
	"sync"

	"nimbus/internal/kernel"
)

// Blocks of b of blockRows × blockCols elements (64 KiB) are spread into panels of eight columns, which the kernel
// multiplies by eight rows of a at a time.
const (
	lanes     = 8
	blockRows = 128
	blockCols = 64
)

// leastRows is the least number of rows of a for which it pays to spread b.
const leastRows = 4

// vectorized tells whether matMulVector serves a product.
func vectorized(m, k int) bool { return kernel.Multiplies && m >= leastRows && k > 0 }

// matMulVector is MatMul with the vector kernel. A large product uses all processors.
func matMulVector(dst, a, b []uint64, m, k, n, width int) {
	groups := (m + lanes - 1) / lanes
	rows := make([]uint64, groups*lanes*k) // a, [groups][k][lanes]
	for i := range m {
		to := rows[i/lanes*lanes*k+i%lanes:]
		for p, x := range a[i*k : (i+1)*k] {
			to[p*lanes] = x
		}
	}
	blocks := (n + blockCols - 1) / blockCols
	workers := min(goruntime.GOMAXPROCS(0), blocks)
	if m*k*n < parallelProducts {
		workers = 1
	}
	work := func(w int) {
		panels := make([]uint64, blockRows*blockCols)
		sums := make([]uint64, groups*lanes*blockCols)
		for c := w; c < blocks; c += workers {
			clear(sums)
			j := c * blockCols
			cols := min(blockCols, n-j)
			for p := 0; p < k; p += blockRows {
				depth := min(blockRows, k-p)
				spread(panels, b[p*n+j:], depth, cols, n)
				for g := range groups {
					x := rows[(g*k+p)*lanes:]
					for o := 0; o < cols; o += lanes {
						kernel.AddProduct(sums[g*lanes*blockCols+o:], blockCols, x, panels[o*depth:], depth, width)
					}
				}
			}
			for i := range m {
				Reduce(dst[i*n+j:i*n+j+cols], sums[i*blockCols:][:cols], width)
			}
		}
	}
	var wg sync.WaitGroup
	for w := 1; w < workers; w++ {
		wg.Go(func() { work(w) })
	}
	work(0)
	wg.Wait()
}

// spread writes rows×cols elements, of rows stride apart, into panels [cols/lanes][rows][lanes]; what pads the last is
// left as it is, for nobody reads sums of it.
func spread(panels, b []uint64, rows, cols, stride int) {
	for p := range rows {
		row := b[p*stride:][:cols]
		at := p * lanes
		for ; len(row) >= lanes; row = row[lanes:] {
			// Written out, or the compiler calls memmove.
			d, v := (*[lanes]uint64)(panels[at:]), (*[lanes]uint64)(row)
			d[0], d[1], d[2], d[3] = v[0], v[1], v[2], v[3]
			d[4], d[5], d[6], d[7] = v[4], v[5], v[6], v[7]
			at += rows * lanes
		}
		copy(panels[min(at, len(panels)):], row)
	}
}
