package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestMatMulDouble: the same bits as the plain loop, whatever the shape, the
// columns and what the second factor is stored as.
func TestMatMulDouble(t *testing.T) { runLevels(t, testMatMulShapes) }

func testMatMulShapes(t *testing.T) {
	for _, s := range [][5]int{{0, 3, 4, 0, 4}, {1, 1, 1, 0, 1}, {8, 0, 16, 0, 16}, {8, 1, 16, 0, 16}, {9, 5, 17, 0, 17}, {7, 300, 33, 0, 33},
		{16, 256, 32, 0, 32}, {16, 256, 32, 16, 32}, {17, 513, 40, 0, 40}, {17, 513, 40, 3, 37}, {64, 70, 15, 0, 15}, {9, 5, 17, 4, 4}} {
		testMatMulDouble(t, s, func(x float64) float64 { return x })
		testMatMulDouble(t, s, func(x float64) float32 { return float32(x) })
		testMatMulDouble(t, s, func(x float64) int32 { return int32(1e6 * x) })
	}
}

func testMatMulDouble[F Factor](t *testing.T, s [5]int, store func(float64) F) {
	r := rand.New(rand.NewPCG(1, 2))
	m, k, n, lo, hi := s[0], s[1], s[2], s[3], s[4]
	a, b := doubles(r, m*k), make([]F, k*n)
	for i := range b {
		b[i] = store(r.NormFloat64())
	}
	got := doubles(r, m*n)
	want := slices.Clone(got)
	MatMulDouble(got, a, b, m, k, n, lo, hi)
	for i := range m {
		for j := lo; j < hi; j++ {
			want[i*n+j] = 0
			for p := range k {
				want[i*n+j] += float64(a[i*k+p] * float64(b[p*n+j]))
			}
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("columns %d to %d of %d × %d × %d by %T: another result than the plain loop", lo, hi, m, k, n, b)
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
func TestDoubles(t *testing.T) { runLevels(t, testDoubles) }

func testDoubles(t *testing.T) {
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

// FuzzMatMulDouble holds the levels equal, for any doubles.
func FuzzMatMulDouble(f *testing.F) {
	f.Add(uint64(1), uint8(9), uint16(300), uint8(17))
	f.Fuzz(func(t *testing.T, seed uint64, rows uint8, depth uint16, columns uint8) {
		m, k, n := int(rows%20), int(depth%520), int(columns%40)
		r := rand.New(rand.NewPCG(seed, 4))
		a, b := doubles(r, m*k), doubles(r, k*n)
		var want []float64
		eachLevel(func(l level) {
			got := make([]float64, m*n)
			MatMulDouble(got, a, b, m, k, n, 0, n)
			if l == plain {
				want = got
			}
			if !slices.Equal(got, want) {
				t.Fatalf("%v: %d × %d × %d differs from the plain level", l, m, k, n)
			}
		})
	})
}

func BenchmarkMatMulDouble(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, s := range [][3]int{{128, 384, 1536}, {128, 1536, 384}, {128, 32, 128}} {
		m, k, n := s[0], s[1], s[2]
		x, y, z := doubles(r, m*k), doubles(r, k*n), make([]float64, m*n)
		b.Run(fmt.Sprintf("%dx%dx%d", m, k, n), func(b *testing.B) {
			benchLevels(b, func(b *testing.B) {
				for b.Loop() {
					MatMulDouble(z, x, y, m, k, n, 0, n)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*m*k*n), "ns/mac")
			})
		})
	}
}
