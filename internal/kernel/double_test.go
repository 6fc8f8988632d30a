package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestMatMulDouble: the same bits as the plain loop, whatever the shape.
func TestMatMulDouble(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, s := range [][3]int{{0, 3, 4}, {1, 1, 1}, {8, 0, 16}, {8, 1, 16}, {9, 5, 17}, {7, 300, 33}, {16, 256, 32}, {17, 513, 40}, {64, 70, 15}} {
		m, k, n := s[0], s[1], s[2]
		a, b := doubles(r, m*k), doubles(r, k*n)
		got, want := doubles(r, m*n), make([]float64, m*n)
		MatMulDouble(got, a, b, m, k, n)
		for i := range m {
			for j := range n {
				for p := range k {
					want[i*n+j] += float64(a[i*k+p] * b[p*n+j])
				}
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d × %d × %d: another result than the plain loop", m, k, n)
		}
	}
}

func doubles(r *rand.Rand, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = r.NormFloat64()
	}
	return out
}

// TestDoubles converts there and back at every width.
func TestDoubles(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for width := 1; width <= 64; width++ {
		for _, n := range []int{0, 1, 7, 8, 9, 40} {
			x, got, back := make([]uint64, n), make([]float64, n), make([]uint64, n)
			mask, top := ^uint64(0)>>(64-width), 0.0
			for i := range x {
				x[i] = r.Uint64() & mask
				if i%5 == 0 {
					x[i] = mask>>1 + uint64(i)%2 // the largest and the smallest
				}
				x[i] &= mask
				top = max(top, math.Abs(float64(int64(x[i]<<(64-width))>>(64-width))))
			}
			if w := Doubles(got, x, width); w != top {
				t.Fatalf("width %d, %d numbers: the largest is %v, not %v", width, n, w, top)
			}
			for i := range x {
				if want := float64(int64(x[i]<<(64-width)) >> (64 - width)); got[i] != want {
					t.Fatalf("width %d: %d becomes %v, want %v", width, x[i], got[i], want)
				}
			}
			if width > 53 {
				continue // rounded
			}
			if FromDoubles(back, got, width); !slices.Equal(back, x) {
				t.Fatalf("width %d, %d numbers: not the same when converted back", width, n)
			}
			for w := 1; w < width; w++ {
				FromDoubles(back, got, w)
				for i := range x {
					if back[i] != x[i]&(1<<w-1) {
						t.Fatalf("width %d: %d modulo 2^%d is %d", width, x[i], w, back[i])
					}
				}
			}
		}
	}
}

func BenchmarkMatMulDouble(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, s := range [][3]int{{128, 384, 1536}, {128, 1536, 384}, {128, 32, 128}} {
		m, k, n := s[0], s[1], s[2]
		x, y, z := doubles(r, m*k), doubles(r, k*n), make([]float64, m*n)
		b.Run(fmt.Sprintf("%dx%dx%d", m, k, n), func(b *testing.B) {
			for b.Loop() {
				MatMulDouble(z, x, y, m, k, n)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*m*k*n), "ns/mac")
		})
	}
}
