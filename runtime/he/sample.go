package he

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"

	"nimbus/internal/prg"
)

// uniform fills dst with uniform residues of q: values of the right number of bits, those that are too large drawn
// again. Which are drawn again says nothing about the values that are kept.
func uniform(rng *prg.PRG, dst []uint64, l *limb) {
	rng.Fill(dst, l.bits)
	mask := ^uint64(0) >> (64 - l.bits)
	for i, v := range dst {
		for v >= l.q {
			v = rng.Uint64() & mask
		}
		dst[i] = v
	}
}

// ternary fills dst with uniform values of {-1, 0, 1}, off by less than 2^-62 each, in constant time.
func ternary(rng *prg.PRG, dst []int8) {
	words(rng, len(dst), func(i int, w uint64) {
		hi, _ := bits.Mul64(w, 3)
		dst[i] = int8(hi) - 1
	})
}

// binomial fills dst with centred binomial values of 21 pairs of bits, variance 10.5, in constant time.
func binomial(rng *prg.PRG, dst []int8) {
	const low = 1<<21 - 1
	words(rng, len(dst), func(i int, w uint64) {
		dst[i] = int8(bits.OnesCount64(w&low) - bits.OnesCount64(w>>21&low))
	})
}

func words(rng *prg.PRG, n int, f func(i int, w uint64)) {
	var chunk [4096]byte
	for i := 0; i < n; {
		k := min(n-i, len(chunk)/8)
		rng.Read(chunk[:8*k])
		for j := range k {
			f(i+j, binary.LittleEndian.Uint64(chunk[8*j:]))
		}
		i += k
	}
	clear(chunk[:])
}

// expand fills dst with the uniform polynomial of one limb that a public seed determines. The seed determines nothing
// else: errors never come from it.
func expand(seed [32]byte, dst []uint64, l *limb) { uniform(prg.New(prg.Seed(seed)), dst, l) }

// publicSeed derives the seed of one stored or sent polynomial from what makes it unique.
func publicSeed(label string, id [32]byte, plan [32]byte, name string, salt [32]byte, index, limb int) [32]byte {
	h := sha256.New()
	var b [8]byte
	str := func(s string) {
		binary.LittleEndian.PutUint64(b[:], uint64(len(s)))
		h.Write(b[:])
		h.Write([]byte(s))
	}
	str("nimbus he v1 seed")
	str(label)
	str(name)
	h.Write(id[:])
	h.Write(plan[:])
	h.Write(salt[:])
	binary.LittleEndian.PutUint64(b[:], uint64(index))
	h.Write(b[:])
	binary.LittleEndian.PutUint64(b[:], uint64(limb))
	h.Write(b[:])
	return [32]byte(h.Sum(nil))
}
