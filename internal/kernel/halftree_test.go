package kernel

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestGrowLevel compares with the definition, for every path.
func TestGrowLevel(t *testing.T) { runLevels(t, testGrowLevel) }

func testGrowLevel(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for _, n := range []int{1, 2, 4, 6, 8, 12, 32} {
		for path := -1; path < n; path++ {
			for _, clear := range []Block{{}, {1, 0}} {
				nodes, hashes := randomBlocks(rng.Uint64(), 2*n), randomBlocks(rng.Uint64(), n)
				if path >= 0 {
					nodes[path] = Block{}
				}
				var want []Block
				var sums [2]Block
				for j, h := range hashes {
					if j == path {
						h = Block{}
					}
					for side, c := range []Block{h, h.Xor(nodes[j])} {
						c = Block{c[0] &^ clear[0], c[1] &^ clear[1]}
						sums[side] = sums[side].Xor(c)
						want = append(want, c)
					}
				}
				left, right := GrowLevel(nodes, hashes, path, clear)
				if left != sums[0] || right != sums[1] {
					t.Fatalf("n=%d, path %d: a sum is wrong", n, path)
				}
				pair := rng.IntN(n)
				a, b := Block{rng.Uint64(), rng.Uint64()}, Block{rng.Uint64(), rng.Uint64()}
				want[2*pair], want[2*pair+1] = want[2*pair].Xor(a), want[2*pair+1].Xor(b)
				PatchPair(nodes, pair, a, b)
				for j := range want {
					if nodes[j] != want[j] {
						t.Fatalf("n=%d, path %d: child %d is wrong", n, path, j)
					}
				}
			}
		}
	}
}

// FuzzGrowLevel holds the levels equal, of a level of a tree and its patch.
func FuzzGrowLevel(f *testing.F) {
	f.Add(uint64(1), uint8(8), int16(3), uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64, count uint8, place int16, clear uint64) {
		n := int(count) + 1
		path := int(place) % n // negative: none
		var want []Block
		eachLevel(func(l level) {
			nodes, hashes := randomBlocks(seed, 2*n+1), randomBlocks(seed+1, n)
			end := nodes[2*n]
			left, right := GrowLevel(nodes[:2*n], hashes, path, Block{clear, seed})
			PatchPair(nodes[:2*n], path, right, left)
			if nodes[2*n] != end {
				t.Fatalf("%v: wrote behind %d children", l, 2*n)
			}
			got := append(nodes, left, right)
			if l == plain {
				want = got
			}
			if !slices.Equal(got, want) {
				t.Fatalf("%v: %d nodes with path %d differ from the plain level", l, n, path)
			}
		})
	})
}

func BenchmarkGrowLevel(b *testing.B) {
	const n = 1 << 10
	nodes, hashes := make([]Block, 2*n), make([]Block, n)
	b.Run("grow", func(b *testing.B) {
		for b.Loop() {
			GrowLevel(nodes, hashes, 5, Block{})
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*2*n), "ns/child")
	})
	b.Run("patch", func(b *testing.B) {
		for b.Loop() {
			PatchPair(nodes, 5, Block{}, Block{})
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*2*n), "ns/child")
	})
	h := NewCRH(Block{1})
	b.Run("hash", func(b *testing.B) {
		for b.Loop() {
			h.HashBlocks(hashes, nodes[:n], 0)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*2*n), "ns/child")
	})
}
