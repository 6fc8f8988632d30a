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
	var room [512]byte
	b := room[:0]
	for _, s := range []string{"nimbus he v1 seed", label, name} {
		b = binary.LittleEndian.AppendUint64(b, uint64(len(s)))
		b = append(b, s...)
	}
	for _, d := range [][32]byte{id, plan, salt} {
		b = append(b, d[:]...)
	}
	b = binary.LittleEndian.AppendUint64(b, uint64(index))
	b = binary.LittleEndian.AppendUint64(b, uint64(limb))
	return sha256.Sum256(b)
}
