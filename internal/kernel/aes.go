package kernel

import (
	"crypto/cipher"
	"fmt"
)

// A Stream is the AES-128-CTR key stream of one key from a given counter on. It
// only moves forward: no position is ever given out twice. Long reads run at the
// speed of AES-NI (about 10 GB/s), short ones pay some 50 ns each. It is not
// safe for concurrent use.
type Stream struct {
	ctr cipher.Stream
}

// NewStream returns the stream of key that starts at counter iv. iv is public;
// streams with different keys may share it, a key makes one stream only.
func NewStream(key, iv Block) *Stream {
	var b [BlockBytes]byte
	return &Stream{ctr: cipher.NewCTR(newAES(key), iv.Append(b[:0]))}
}

// XOR sets dst = src ⊕ the next len(src) bytes of the stream. dst and src have
// equal length and are the same slice or do not overlap.
func (s *Stream) XOR(dst, src []byte) { s.ctr.XORKeyStream(dst, src) }

// Expand fills dst with the first len(dst) bytes of the stream of key at counter 0: a
// one-time pad of any length from a one-time 128-bit key. It costs some 50 ns
// more than the bytes themselves with vector instructions, and 300 ns
// without.
func Expand(dst []byte, key Block) {
	if best == plain {
		clear(dst)
		NewStream(key, Block{}).XOR(dst, dst)
		return
	}
	var s schedule
	expandKey(&s, &key)
	const chunk = 512
	whole := len(dst) / chunk
	if whole > 0 {
		stream(&dst[0], whole, &s, 0)
	}
	if rest := dst[whole*chunk:]; len(rest) > 0 {
		var last [chunk]byte
		stream(&last[0], 1, &s, uint64(whole)*(chunk/BlockBytes))
		copy(rest, last[:])
	}
}

// stream sets chunks times 512 bytes of dst to the key stream from counter from on.
func stream(dst *byte, chunks int, s *schedule, from uint64) {
	if best >= avx512 {
		streamWide(dst, chunks, s, from)
	} else {
		streamNarrow(dst, chunks, s, from)
	}
}

// A Doubler is the length-doubling generator of the trees that stretch seeds:
//
//	G(s) = (π₀(s) ⊕ s, π₁(s) ⊕ s)
//
// with two fixed keys, because a key schedule per tree node would cost ten
// times the encryption. It is a generator for random secret seeds when the πᵢ
// are random permutations (Matyas, Meyer and Oseas; see Guo et al., IEEE S&P
// 2020). The keys come from a public salt, fresh per session. Immutable, safe
// for concurrent use.
type Doubler struct {
	left, right cipher.Block
}

// NewDoubler returns the generator of a public salt.
func NewDoubler(salt Block) *Doubler {
	var keys [2 * BlockBytes]byte
	copy(keys[:], "nimbus tree left")
	copy(keys[BlockBytes:], "nimbus tree righ")
	encryptEach(keys[:], keys[:], newAES(salt))
	return &Doubler{left: newAES(LoadBlock(keys[:])), right: newAES(LoadBlock(keys[BlockBytes:]))}
}

// Double sets dst[2j], dst[2j+1] to the children of src[j]. len(dst) is twice
// len(src); dst and src do not overlap.
func (g *Doubler) Double(dst, src []Block) {
	if len(dst) != 2*len(src) {
		panic(fmt.Sprintf("kernel: internal error: %d children for %d nodes", len(dst), len(src)))
	}
	var in, out [BlockBytes]byte
	for j, s := range src {
		s.Append(in[:0])
		g.left.Encrypt(out[:], in[:])
		dst[2*j] = LoadBlock(out[:]).Xor(s)
		g.right.Encrypt(out[:], in[:])
		dst[2*j+1] = LoadBlock(out[:]).Xor(s)
	}
}
