package kernel

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestTranspose128(t *testing.T) { runLevels(t, testTranspose) }

func testTranspose(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, test := range []struct{ n, stride int }{{0, 0}, {64, 8}, {128, 16}, {192, 33}, {1024, 192}, {1216, 152}} {
		src := make([]byte, 128*test.stride)
		for i := range src {
			src[i] = byte(rng.Uint32())
		}
		dst := make([]Block, test.n)
		Transpose128(dst, src, test.stride)
		for j, b := range dst {
			for r := range 128 {
				want := uint64(src[r*test.stride+j/8]>>(j%8)) & 1
				if got := b[r/64] >> (r % 64) & 1; got != want {
					t.Fatalf("%+v: row %d, column %d: %d, want %d", test, r, j, got, want)
				}
			}
		}
	}
}

func TestTransposeEveryBit(t *testing.T) {
	src := make([]byte, 128*8)
	dst := make([]Block, 64)
	for r := range 128 {
		for j := range 64 {
			src[r*8+j/8] = 1 << (j % 8)
			Transpose128(dst, src, 8)
			for col, b := range dst {
				var want Block
				if col == j {
					want[r/64] = 1 << (r % 64)
				}
				if b != want {
					t.Fatalf("bit %d,%d: wrong column %d", r, j, col)
				}
			}
			src[r*8+j/8] = 0
		}
	}
}

// TestTransposeTwin compares with the plain Go twin.
func TestTransposeTwin(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for n := 0; n <= 70*64; n += 64 {
		checkTranspose(t, rng, n, n/8+int(rng.Uint32()%70))
	}
}

func FuzzTranspose128(f *testing.F) {
	f.Add(uint64(1), uint8(4), uint8(3))
	f.Fuzz(func(t *testing.T, seed uint64, tiles, gap uint8) {
		checkTranspose(t, rand.New(rand.NewPCG(seed, 3)), 64*int(tiles), 8*int(tiles)+int(gap))
	})
}

func checkTranspose(t *testing.T, rng *rand.Rand, n, stride int) {
	t.Helper()
	src := make([]byte, 127*stride+n/8)
	for i := range src {
		src[i] = byte(rng.Uint32())
	}
	want := make([]Block, n)
	transposeGo(want, src, stride)
	eachLevel(func(l level) {
		got := make([]Block, n+1)
		Transpose128(got[:n], src, stride)
		if !slices.Equal(got[:n], want) || got[n] != (Block{}) {
			t.Fatalf("%v: %d columns with stride %d differ from the twin", l, n, stride)
		}
	})
}

func BenchmarkTranspose128(b *testing.B) {
	const n = 16384
	x, src := make([]Block, n), make([]byte, 128*(n/8+64))
	benchLevels(b, func(b *testing.B) {
		for b.Loop() {
			Transpose128(x, src, n/8+64)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/column")
	})
}
