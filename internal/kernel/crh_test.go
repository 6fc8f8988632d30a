package kernel

import (
	"crypto/aes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func randomBlocks(seed uint64, n int) []Block {
	rng := rand.New(rand.NewPCG(seed, 1))
	x := make([]Block, n)
	for j := range x {
		x[j] = Block{rng.Uint64(), rng.Uint64()}
	}
	return x
}

// hashOne is H by its definition, one block at a time.
func hashOne(t *testing.T, salt, x Block, tweak uint64) Block {
	t.Helper()
	encrypt := func(key, in Block) Block {
		c, err := aes.NewCipher(key.Append(nil))
		if err != nil {
			t.Fatal(err)
		}
		out := make([]byte, 16)
		c.Encrypt(out, in.Append(nil))
		return LoadBlock(out)
	}
	pi := encrypt(salt, Block{tweak >> 8})
	once := encrypt(pi, x)
	return encrypt(pi, once.Xor(Block{tweak})).Xor(once)
}

func TestHash(t *testing.T) {
	salt := Block{3, 4}
	h := NewCRH(salt)
	for _, test := range []struct {
		n, group int
		tweak    uint64
	}{
		{0, 1, 0}, {1, 1, 0}, {3, 1, 255}, {300, 1, 250}, {1000, 1, 1 << 40}, {600, 2, 100}, {1024, 16, 200}, {9, 3, 255}, {7, 7, 1<<63 + 5},
	} {
		src := randomBlocks(uint64(test.n), test.n)
		dst := make([]Block, test.n)
		h.HashGroups(dst, src, test.group, test.tweak)
		for j := range dst {
			if want := hashOne(t, salt, src[j], test.tweak+uint64(j/test.group)); dst[j] != want {
				t.Fatalf("%+v: block %d differs from the definition", test, j)
			}
		}
		// In place, and cut into two calls.
		cut := test.n / test.group / 2
		h.HashGroups(src[:cut*test.group], src[:cut*test.group], test.group, test.tweak)
		h.HashGroups(src[cut*test.group:], src[cut*test.group:], test.group, test.tweak+uint64(cut))
		for j := range dst {
			if dst[j] != src[j] {
				t.Fatalf("%+v: block %d differs when hashed in place in two calls", test, j)
			}
		}
	}
}

// TestHashBreaksCorrelation hashes blocks with a common offset under one tweak
// each and looks for any trace of the offset.
func TestHashBreaksCorrelation(t *testing.T) {
	const n = 1 << 12
	delta := Block{0x123456789abcdef, 0xfedcba987654321}
	x := randomBlocks(5, n)
	y := make([]Block, n)
	for j := range x {
		y[j] = x[j].Xor(delta)
	}
	h := NewCRH(Block{})
	h.HashBlocks(x, x, 77)
	h.HashBlocks(y, y, 77)
	seen := make(map[Block]bool)
	ones := 0
	for j := range x {
		d := x[j].Xor(y[j])
		for _, b := range []Block{x[j], y[j], d} {
			if seen[b] {
				t.Fatalf("value %d repeats", j)
			}
			seen[b] = true
		}
		ones += bits.OnesCount64(d[0]) + bits.OnesCount64(d[1])
	}
	if got, want := ones, 64*n; got < want-6*362 || got > want+6*362 { // σ = √(128n)/2 = 362
		t.Errorf("the hashes differ in %d bits of %d", got, 2*want)
	}
	// The same block under other tweaks and salts.
	same := make([]Block, n)
	h.HashBlocks(same, same, 0)
	NewCRH(Block{1}).HashBlocks(x[:1], make([]Block, 1), 0)
	for _, b := range append(same, x[0]) {
		if seen[b] {
			t.Fatal("a hash of the zero block repeats")
		}
		seen[b] = true
	}
}

// TestHashFrozen: the hash is part of the wire protocol.
func TestHashFrozen(t *testing.T) {
	x := make([]Block, 1000)
	for j := range x {
		x[j] = Block{uint64(j), 9}
	}
	NewCRH(Block{1, 2}).HashGroups(x, x, 2, 3)
	h := sha256.New()
	for _, b := range x {
		h.Write(b.Append(nil))
	}
	const want = "cbc3406478653f2ecd93741ae93b54e9086636275d753afc07a67fb1b549dccd"
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		t.Errorf("digest %s, want %s", got, want)
	}
}

func TestBlockPrintsNothing(t *testing.T) {
	b := []Block{{0x1234, 0x5678}}
	for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%d", "%s"} {
		if got := fmt.Sprintf(verb, b[0]); got != redactedBlock {
			t.Errorf("%s printed %q", verb, got)
		}
		if got := fmt.Sprintf(verb, b); strings.ContainsAny(got, "12345678") {
			t.Errorf("%s of a slice printed %q", verb, got)
		}
	}
}

// TestHashLevels holds every level of this machine equal to the plain one.
func TestHashLevels(t *testing.T) {
	h := NewCRH(Block{5, 6})
	for n := range 71 {
		for _, group := range []int{1, 2, 3, 4, 5, 8, 9, 16, 24, 32, 35} {
			if n%group == 0 {
				for _, tweak := range []uint64{0, 250, 1<<63 + 255, ^uint64(0) - 3} {
					checkLevels(t, h, n, group, tweak)
				}
			}
		}
	}
	for group := 1; group <= 48; group++ {
		checkLevels(t, h, 300*group, group, uint64(group)<<32+77)
	}
}

func FuzzHashLevels(f *testing.F) {
	f.Add(uint64(1), uint16(300), uint8(1), uint64(200))
	f.Add(uint64(2), uint16(20), uint8(16), ^uint64(0))
	f.Fuzz(func(t *testing.T, salt uint64, groups uint16, group uint8, tweak uint64) {
		g := int(group)%40 + 1
		checkLevels(t, NewCRH(Block{salt}), int(groups)%600*g, g, tweak)
	})
}

func checkLevels(t *testing.T, h *CRH, n, group int, tweak uint64) {
	t.Helper()
	src := randomBlocks(uint64(n), n)
	want := make([]Block, n)
	eachLevel(func(l level) {
		if l == plain {
			h.HashGroups(want, src, group, tweak)
		}
		got := make([]Block, n+1)
		h.HashGroups(got[:n], src, group, tweak)
		if !slices.Equal(got[:n], want) || got[n] != (Block{}) {
			t.Fatalf("%v: %d blocks by %d from tweak %d differ from the plain level", l, n, group, tweak)
		}
		copy(got, src)
		h.HashGroups(got[:n], got[:n], group, tweak)
		if !slices.Equal(got[:n], want) {
			t.Fatalf("%v: %d blocks by %d from tweak %d differ in place", l, n, group, tweak)
		}
	})
}

func BenchmarkHash(b *testing.B) {
	x := make([]Block, 8192)
	h := NewCRH(Block{1, 2})
	for _, group := range []int{1, 16} {
		b.Run(fmt.Sprintf("group=%d", group), func(b *testing.B) {
			benchLevels(b, func(b *testing.B) {
				for b.Loop() {
					h.HashGroups(x, x, group, 7)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(x)), "ns/hash")
			})
		})
	}
}
