package kernel

import (
	"bytes"
	"testing"
)

func BenchmarkHash(b *testing.B) {
	x := make([]Block, 8192)
	h := NewCRH(Block{1, 2})
	b.SetBytes(int64(len(x) * 16))
	for b.Loop() {
		h.HashBlocks(x, x, 7)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(x)), "ns/hash")
}

func BenchmarkTranspose128(b *testing.B) {
	const n = 8192
	x, src := make([]Block, n), bytes.Repeat([]byte{1, 2, 3, 4}, 16*n/4)
	b.SetBytes(16 * n)
	for b.Loop() {
		Transpose128(x, src, n/8)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/column")
}
