package kernel

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestGather compares the kernels with the definition.
func TestGather(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, k := range []int{1, 2, 64, 1 << 12, maxSecret} {
		secret := randomBlocks(uint64(k), k)
		for _, n := range []int{0, 1, 2, 7, 40} {
			rows := make([]byte, n*rowBytes)
			for i := range rows {
				rows[i] = byte(rng.Uint32())
			}
			start := randomBlocks(uint64(n), n)
			want, got, plain := append([]Block{}, start...), append([]Block{}, start...), append([]Block{}, start...)
			for i := range want {
				for j := range 10 {
					index := 0
					for b := range 20 { // bit b is bit 4 + b of the 24 bits of one j
						at := 8*(32*i+3*j) + 4 + b
						index |= int(rows[at/8]>>(at%8)&1) << b
					}
					want[i] = want[i].Xor(secret[index%k])
				}
			}
			gather(got, secret, rows)
			gatherGo(plain, secret, rows)
			for i := range want {
				if got[i] != want[i] || plain[i] != want[i] {
					t.Fatalf("k=%d: row %d of %d is wrong", k, i, n)
				}
			}
		}
	}
}

func FuzzGather(f *testing.F) {
	f.Add([]byte("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"), uint8(5))
	secret := randomBlocks(3, 1<<12)
	f.Fuzz(func(t *testing.T, rows []byte, logk uint8) {
		n := len(rows) / rowBytes
		a, b := make([]Block, n), make([]Block, n)
		s := secret[:1<<(logk%13)]
		gather(a, s, rows)
		gatherGo(b, s, rows)
		for i := range a {
			if a[i] != b[i] {
				t.Fatalf("row %d differs", i)
			}
		}
	})
}

// TestLocalCode: rows do not depend on how they are asked for, none comes back, and every
// element of the secret is used about equally often.
func TestLocalCode(t *testing.T) {
	const k, n = 1 << 10, 3000
	unit := make([]Block, k) // element i says i: sums of rows are sums of indices
	for i := range unit {
		unit[i] = Block{uint64(i), uint64(i)<<32 | 1}
	}
	whole := make([]Block, n)
	NewLocalCode(Block{7}).Add(whole, unit)
	parts := make([]Block, n)
	c := NewLocalCode(Block{7})
	for at, step := 0, 1; at < n; at, step = at+step, step%77+13 {
		c.Add(parts[at:min(n, at+step)], unit)
	}
	other := make([]Block, n)
	NewLocalCode(Block{8}).Add(other, unit)
	same := 0
	for i := range whole {
		if whole[i] != parts[i] {
			t.Fatalf("row %d depends on the calls before", i)
		}
		if whole[i] == other[i] {
			same++
		}
	}
	if same > n/100 {
		t.Errorf("two keys have %d of %d rows in common", same, n)
	}

	seen := map[[rowBytes]byte]bool{}
	var count [k]int
	c = NewLocalCode(Block{9})
	for range 20 {
		c.refill()
		for i := range codeChunk {
			row := [rowBytes]byte(c.rows[i*rowBytes:])
			if seen[row] {
				t.Fatal("a row comes back")
			}
			seen[row] = true
			for j := range codeWeight {
				count[binary.LittleEndian.Uint32(row[3*j:])>>4%k]++
			}
		}
	}
	chi, mean := 0.0, float64(20*codeChunk*codeWeight)/k
	for _, c := range count {
		chi += (float64(c) - mean) * (float64(c) - mean) / mean
	}
	if chi > k+6*45.3 { // a standard deviation is √(2k)
		t.Errorf("indices are not uniform: chi² = %.0f over %d degrees", chi, k-1)
	}
}

func BenchmarkLocalCode(b *testing.B) {
	for _, logk := range []int{16, 17, 18, 19} {
		b.Run(fmt.Sprintf("k=2^%d", logk), func(b *testing.B) {
			secret := randomBlocks(1, 1<<logk)
			dst := make([]Block, 1<<17)
			c := NewLocalCode(Block{1})
			for b.Loop() {
				c.Add(dst, secret)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(dst)), "ns/row")
		})
	}
	b.Run("rows", func(b *testing.B) {
		c := NewLocalCode(Block{1})
		for b.Loop() {
			c.refill()
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*codeChunk), "ns/row")
	})
	b.Run("go/k=2^17", func(b *testing.B) {
		secret := randomBlocks(1, 1<<17)
		dst := make([]Block, 1<<17)
		c := NewLocalCode(Block{1})
		for b.Loop() {
			for at := 0; at < len(dst); at += codeChunk {
				c.refill()
				gatherGo(dst[at:at+codeChunk], secret, c.rows[:])
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(dst)), "ns/row")
	})
}
