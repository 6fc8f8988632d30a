package kernel

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"testing"
)

func TestStream(t *testing.T) {
	key, iv := Block{1, 2}, Block{3, ^uint64(0)}
	c, err := aes.NewCipher(key.Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	want := make([]byte, 5000)
	cipher.NewCTR(c, iv.Append(nil)).XORKeyStream(want, want)

	s := NewStream(key, iv)
	var got []byte
	for _, n := range []int{0, 1, 16, 15, 100, 1024, 3844} {
		part := bytes.Repeat([]byte{0xa5}, n)
		zero := bytes.Repeat([]byte{0xa5}, n)
		s.XOR(part, zero)
		for i := range part {
			part[i] ^= 0xa5
		}
		got = append(got, part...)
	}
	if !bytes.Equal(got, want) {
		t.Error("the stream depends on how it is cut, or is not AES-CTR")
	}
	expanded := bytes.Repeat([]byte{1}, 100)
	Expand(expanded, key)
	first := make([]byte, 100)
	NewStream(key, Block{}).XOR(first, first)
	if !bytes.Equal(expanded, first) {
		t.Error("Expand is not the stream from counter 0")
	}
}

func TestDoubler(t *testing.T) {
	g := NewDoubler(Block{7})
	src := randomBlocks(3, 500)
	dst := make([]Block, 1000)
	g.Double(dst, src)
	seen := make(map[Block]bool)
	for _, b := range append(dst, src...) {
		if seen[b] {
			t.Fatal("a node repeats")
		}
		seen[b] = true
	}
	again := make([]Block, 2)
	for j := range src {
		NewDoubler(Block{7}).Double(again, src[j:j+1])
		if again[0] != dst[2*j] || again[1] != dst[2*j+1] {
			t.Fatalf("node %d depends on its neighbours", j)
		}
	}
	NewDoubler(Block{8}).Double(again, src[:1])
	if again[0] == dst[0] {
		t.Error("the salt does not matter")
	}
}

// TestExpandLevels holds the levels equal.
func TestExpandLevels(t *testing.T) {
	for n := range 1100 {
		checkExpand(t, n, Block{8, uint64(n)})
	}
}

func FuzzExpand(f *testing.F) {
	f.Add(uint16(5000), uint64(1), uint64(2))
	f.Fuzz(func(t *testing.T, n uint16, a, b uint64) { checkExpand(t, int(n), Block{a, b}) })
}

func checkExpand(t *testing.T, n int, key Block) {
	t.Helper()
	want, got := make([]byte, n), bytes.Repeat([]byte{3}, n+1)
	eachLevel(func(l level) {
		if l == plain {
			Expand(want, key)
		}
		Expand(got[:n], key)
		if !bytes.Equal(got[:n], want) || got[n] != 3 {
			t.Fatalf("%v: %d bytes differ from the plain level", l, n)
		}
	})
}

func BenchmarkExpand(b *testing.B) {
	for _, n := range []int{344, 2048} {
		dst := make([]byte, n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			benchLevels(b, func(b *testing.B) {
				for b.Loop() {
					Expand(dst, Block{1})
				}
			})
		})
	}
}
