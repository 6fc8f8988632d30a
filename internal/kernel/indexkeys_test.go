package kernel

import (
	"math/rand/v2"
	"testing"
)

// TestIndexKeys compares with the definitions.
func TestIndexKeys(t *testing.T) {
	runLevels(t, func(t *testing.T) {
		for size := 1; size <= 64; size *= 2 {
			for n := range 20 {
				checkIndexKeys(t, uint64(size+n), size, n, 1+n%max(64/size, 1))
			}
		}
	})
}

func FuzzIndexKeys(f *testing.F) {
	f.Add(uint64(1), uint8(4), uint8(7), uint8(2))
	f.Fuzz(func(t *testing.T, seed uint64, logSize, n, width uint8) {
		size := 1 << (logSize % 7)
		eachLevel(func(level) { checkIndexKeys(t, seed, size, int(n), 1+int(width)%(64/size)) })
	})
}

func checkIndexKeys(t *testing.T, seed uint64, size, n, width int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 1))
	multiples, base, digits := make([]Block, size), randomBlocks(rng.Uint64(), n), make([]uint8, n)
	Multiples(multiples, Block{rng.Uint64(), rng.Uint64()})
	for j := range digits {
		digits[j] = uint8(rng.IntN(size))
	}
	keys := randomBlocks(rng.Uint64(), n*size+1)
	end := keys[n*size]
	IndexKeys(keys[:n*size], base, digits, multiples)
	for i, k := range keys[:n*size] {
		j, v := i/size, i%size
		if want := base[j].Xor(multiples[int(digits[j])^v]); k != want {
			t.Fatalf("%v: %d of %d keys: key %d of block %d is wrong", best, n, size, v, j)
		}
	}
	words := make([]uint64, n+1)
	words[n] = 7
	PackLow(words[:n], keys[:n*size], size, width)
	for j, w := range words[:n] {
		var want uint64
		for v := range size {
			want |= keys[j*size+v][0] & (1<<width - 1) << (v * width)
		}
		if w != want {
			t.Fatalf("%v: %d words of %d times %d bits: word %d is %x, want %x", best, n, size, width, j, w, want)
		}
	}
	if keys[n*size] != end || words[n] != 7 {
		t.Fatalf("%v: wrote behind the end of %d blocks of %d", best, n, size)
	}
}

func BenchmarkIndexKeys(b *testing.B) {
	const n, size = 64, 16
	multiples, base, digits := make([]Block, size), make([]Block, n), make([]uint8, n)
	keys, words := make([]Block, n*size), make([]uint64, n)
	benchLevels(b, func(b *testing.B) {
		for b.Loop() {
			IndexKeys(keys, base, digits, multiples)
			PackLow(words, keys, size, 2)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/index")
	})
}
