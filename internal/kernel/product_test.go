package kernel

import (
	"math/rand/v2"
	"testing"
)

// TestAddProduct compares with the definition, for operands with bits beyond the width.
func TestAddProduct(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 9))
	eachLevel(func(l level) {
		for _, width := range []int{1, 32, 33, 52, 53, 64} {
			for _, k := range []int{0, 1, 2, 9, 130} {
				if l > plain {
					checkProduct(t, r, k, width)
				}
			}
		}
	})
}

func FuzzAddProduct(f *testing.F) {
	f.Add(uint64(1), uint8(7), uint8(52))
	f.Fuzz(func(t *testing.T, seed uint64, k, width uint8) {
		eachLevel(func(l level) {
			if l > plain {
				checkProduct(t, rand.New(rand.NewPCG(seed, 1)), int(k), int(width)%64+1)
			}
		})
	})
}

func checkProduct(t *testing.T, r *rand.Rand, k, width int) {
	t.Helper()
	const stride = 11
	numbers := func(n int) []uint64 {
		x := make([]uint64, n)
		for i := range x {
			if x[i] = r.Uint64(); i%5 == 0 {
				x[i] = ^uint64(0)
			}
		}
		return x
	}
	a, b, got := numbers(8*k), numbers(8*k), numbers(8*stride)
	want := append([]uint64(nil), got...)
	AddProduct(got, stride, a, b, k, width)
	for i := range 8 {
		for j := range 8 {
			for p := range k {
				want[i*stride+j] += a[8*p+i] * b[8*p+j]
			}
			if d := got[i*stride+j] ^ want[i*stride+j]; d<<(64-width) != 0 {
				t.Fatalf("%v, %d products at width %d: element %d,%d is wrong", best, k, width, i, j)
			}
			got[i*stride+j] = want[i*stride+j]
		}
	}
	for i, v := range got {
		if v != want[i] {
			t.Fatalf("%v: wrote outside the tile, at %d", best, i)
		}
	}
}

func BenchmarkAddProduct(b *testing.B) {
	const k = 128
	x, y, z := make([]uint64, 8*k), make([]uint64, 8*k), make([]uint64, 64)
	for _, width := range []int{52, 64} {
		eachLevel(func(l level) {
			if l > plain {
				b.Run(l.String(), func(b *testing.B) {
					for b.Loop() {
						AddProduct(z, 8, x, y, k, width)
					}
					b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*64*k), "ns/mac")
				})
			}
		})
	}
}
