package kernel

import (
	"bytes"
	"fmt"
	"testing"
)

// TestFold holds all units against the definition, with streams read in uneven
// steps and with the carries of the counter.
func TestFold(t *testing.T) {
	for k := 1; k <= 8; k++ {
		for _, iv := range []Block{{3, 4}, {5, ^uint64(0)}, {^uint64(0), 0xf0ffffffffffffff}, {^uint64(0), ^uint64(0)}} {
			for _, punctured := range []bool{false, true} {
				checkFold(t, k, iv, punctured, []int{16, 0, 48, 512, 528, 1024, 496, 32, 2048})
			}
		}
	}
}

func FuzzFold(f *testing.F) {
	f.Add(uint8(4), uint64(1), ^uint64(0), true, []byte{1, 32, 33})
	f.Fuzz(func(t *testing.T, k uint8, hi, lo uint64, punctured bool, steps []byte) {
		var n []int
		for _, s := range steps[:min(len(steps), 8)] {
			n = append(n, 16*int(s))
		}
		checkFold(t, int(k)%8+1, Block{hi, lo}, punctured, n)
	})
}

func checkFold(t *testing.T, k int, iv Block, punctured bool, steps []int) {
	t.Helper()
	keys := randomBlocks(uint64(k), 1<<k)
	eachLevel(func(l level) {
		single := make([]*Stream, len(keys))
		for x, key := range keys {
			single[x] = NewStream(key, iv)
		}
		s := NewStreams(keys, iv, punctured)
		for _, n := range steps {
			room := (n + FoldChunk - 1) / FoldChunk * FoldChunk
			stride := room + 64
			u, rows := make([]byte, room), bytes.Repeat([]byte{7}, k*stride)
			s.Fold(u, rows, stride, n)

			sum, want := make([]byte, n), make([]byte, k*stride)
			for x, one := range single {
				if punctured && x == 0 {
					continue
				}
				r := make([]byte, n)
				one.XOR(r, r)
				for i, v := range r {
					sum[i] ^= v
					for b := range k {
						want[b*stride+i] ^= v & -byte(x>>b&1)
					}
				}
			}
			if !bytes.Equal(u[:n], sum) {
				t.Fatalf("%v, k = %d, punctured %v: wrong sum of %d bytes", l, k, punctured, n)
			}
			for b := range k {
				if !bytes.Equal(rows[b*stride:][:n], want[b*stride:][:n]) {
					t.Fatalf("%v, k = %d, punctured %v: wrong row %d of %d bytes", l, k, punctured, b, n)
				}
				if tail := rows[b*stride+room:][:stride-room]; !bytes.Equal(tail, bytes.Repeat([]byte{7}, stride-room)) {
					t.Fatalf("%v, k = %d: wrote behind row %d", l, k, b)
				}
			}
		}
	})
}

func BenchmarkFold(b *testing.B) {
	const n = 2048
	for _, k := range []int{2, 4, 8} {
		u, rows := make([]byte, n), make([]byte, k*(n+64))
		b.Run(fmt.Sprintf("k=%d", k), func(b *testing.B) {
			benchLevels(b, func(b *testing.B) {
				s := NewStreams(randomBlocks(1, 1<<k), Block{}, false)
				for b.Loop() {
					s.Fold(u, rows, n+64, n)
				}
				// 128/k digits make a COT of each bit.
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n*8)*float64(128/k), "ns/COT")
			})
		})
	}
}
