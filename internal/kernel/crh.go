package kernel

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
)

// A Block is 128 bits: bits 0..63 in [0], bits 64..127 in [1]. It holds keys
// and key offsets, so it prints as a constant.
type Block [2]uint64

// BlockBytes is the encoded size of a [Block].
const BlockBytes = 16

const redactedBlock = "kernel.Block(redacted)"

// Format hides the bits whatever the verb.
func (b Block) Format(f fmt.State, _ rune) { fmt.Fprint(f, redactedBlock) }

// Xor returns b ⊕ c.
func (b Block) Xor(c Block) Block { return Block{b[0] ^ c[0], b[1] ^ c[1]} }

// Append appends the 16-byte little-endian encoding of b to dst.
func (b Block) Append(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, b[0])
	return binary.LittleEndian.AppendUint64(dst, b[1])
}

// LoadBlock decodes the first 16 bytes of src, little-endian.
func LoadBlock(src []byte) Block {
	return Block{binary.LittleEndian.Uint64(src), binary.LittleEndian.Uint64(src[8:16])}
}

// epochBits is the log of the number of tweaks hashed under one AES key.
const epochBits = 8

// A CRH is a tweakable correlation-robust hash H(tweak, block) on 128-bit
// blocks: for a secret random Δ the values H(i, x_i ⊕ Δ) look random and
// independent to whoever knows the x_i, as long as no pair (i, x) is repeated.
// It turns correlated OT (keys K and K ⊕ Δ) into random OT.
//
// The hash is TMMO of Guo, Katz, Wang and Yu ("Efficient and Secure
// Multiparty Computation from Fixed-Key Block Ciphers", IEEE S&P 2020,
// section 7.4),
//
//	H(i, x) = π(π(x) ⊕ i) ⊕ π(x)
//
// which is tweakable circular correlation robust when π is a random
// permutation, even for inputs x that the adversary chooses. The cheaper
// one-call form π(σ(x) ⊕ i) ⊕ σ(x) is not: two inputs with equal σ(x) ⊕ i
// collide. Its distinguishing advantage is about p·q/2^127 for p evaluations of
// AES and q hashes under one π. A session hashes 2^33 blocks or more, so one π
// for all of them would leave some 94 bits; as MITCCRH does (Guo, Katz, Wang,
// Weng and Yu, CRYPTO 2020) the key of π is therefore changed, here after every
// 2^8 tweaks. q is then 256 times the number of blocks per tweak: 118 bits for
// OT, 115 for 1-of-16 OT, however long the session is. The key of an epoch is
// AES(salt, epoch), and the salt is fresh and public per session, which keeps
// the bound independent of the number of sessions.
//
// A CRH is immutable and safe for concurrent use. The running time depends on
// the number of blocks and on the tweaks (which are public), not on the blocks.
type CRH struct {
	epochs   cipher.Block // AES under the salt
	schedule schedule     // the same, where it is used instead
}

// A schedule is the eleven round keys of AES-128, for the levels other than plain.
type schedule [11]Block

// NewCRH returns the hash for a session's public salt.
func NewCRH(salt Block) *CRH {
	h := &CRH{epochs: newAES(salt)}
	if best > plain {
		expandKey(&h.schedule, &salt)
	}
	return h
}

// HashBlocks sets dst[j] = H(tweak0+j, src[j]). The slices have equal length
// and may be the same slice.
func (h *CRH) HashBlocks(dst, src []Block, tweak0 uint64) {
	h.HashGroups(dst, src, 1, tweak0)
}

// HashGroups sets dst[j] = H(tweak0 + ⌊j/group⌋, src[j]): the blocks of one
// group, such as all messages of one OT, share a tweak. The slices have equal
// length, a multiple of group, and may be the same slice.
func (h *CRH) HashGroups(dst, src []Block, group int, tweak0 uint64) {
	if len(dst) != len(src) || group < 1 || len(src)%group != 0 {
		panic(fmt.Sprintf("kernel: internal error: hash of %d blocks into %d by groups of %d", len(src), len(dst), group))
	}
	for len(src) > 0 {
		// As many groups as this epoch's key may still hash.
		n := int(1<<epochBits-tweak0&(1<<epochBits-1)) * group
		n = min(n, len(src))
		hashEpoch(dst[:n], src[:n], group, tweak0, h.key(tweak0>>epochBits))
		dst, src = dst[n:], src[n:]
		tweak0 += uint64(n / group)
	}
}

// key returns the key of π in an epoch.
func (h *CRH) key(epoch uint64) Block {
	if best > plain {
		b := Block{epoch}
		encryptBlock(&b, &h.schedule)
		return b
	}
	var b [BlockBytes]byte
	binary.LittleEndian.PutUint64(b[:], epoch)
	h.epochs.Encrypt(b[:], b[:])
	return LoadBlock(b[:])
}

// hashEpoch hashes blocks of one epoch, with the key of its π.
func hashEpoch(dst, src []Block, group int, tweak uint64, key Block) {
	lanes := 8
	switch best {
	case plain:
		hashEpochGo(dst, src, group, tweak, newAES(key))
		return
	case avx512:
		lanes = 16
	}
	hash := func(dst, src []Block, n int, s *schedule, offset *[16]Block, tweak, step uint64) {
		if lanes == 16 {
			hash16(&dst[0], &src[0], n, s, offset, tweak, step)
		} else {
			hash8(&dst[0], &src[0], n, s, offset, tweak, step)
		}
	}
	var s schedule
	expandKey(&s, &key)
	var offset [16]Block
	switch {
	case lanes%group == 0: // every batch holds the same number of groups
		for i := range lanes {
			offset[i][0] = uint64(i / group)
		}
		if n := len(src) / lanes; n > 0 {
			step := uint64(lanes / group)
			hash(dst, src, n, &s, &offset, tweak, step)
			dst, src = dst[n*lanes:], src[n*lanes:]
			tweak += uint64(n) * step
		}
	case group%lanes == 0:
		for ; len(src) > 0; tweak++ {
			hash(dst, src, group/lanes, &s, &offset, tweak, 0)
			dst, src = dst[group:], src[group:]
		}
	default:
		at := 0 // the place of src[0] in its group
		for len(src) >= lanes {
			for i := range lanes {
				offset[i][0] = uint64((at + i) / group)
			}
			hash(dst, src, 1, &s, &offset, tweak, 0)
			dst, src = dst[lanes:], src[lanes:]
			tweak += uint64((at + lanes) / group)
			at = (at + lanes) % group
		}
		for i := range lanes {
			offset[i][0] = uint64((at + i) / group)
		}
	}
	if len(src) > 0 {
		var rest [16]Block
		copy(rest[:], src)
		hash(rest[:], rest[:], 1, &s, &offset, tweak, 0)
		copy(dst, rest[:])
	}
}

// hashBatch is the number of blocks whose AES calls are interleaved, so that
// the processor's AES units see independent work.
const hashBatch = 8

func hashEpochGo(dst, src []Block, group int, tweak uint64, pi cipher.Block) {
	var once, twice [hashBatch * BlockBytes]byte
	inGroup := 0
	for len(src) > 0 {
		n := min(len(src), hashBatch)
		for j, x := range src[:n] {
			binary.LittleEndian.PutUint64(once[j*BlockBytes:], x[0])
			binary.LittleEndian.PutUint64(once[j*BlockBytes+8:], x[1])
		}
		encryptEach(once[:n*BlockBytes], once[:n*BlockBytes], pi)
		for j := range n {
			o := j * BlockBytes
			lo := binary.LittleEndian.Uint64(once[o:]) ^ tweak
			binary.LittleEndian.PutUint64(twice[o:], lo)
			copy(twice[o+8:o+16], once[o+8:o+16])
			if inGroup++; inGroup == group {
				inGroup = 0
				tweak++
			}
		}
		encryptEach(twice[:n*BlockBytes], twice[:n*BlockBytes], pi)
		for j := range n {
			o := j * BlockBytes
			dst[j] = Block{
				binary.LittleEndian.Uint64(once[o:]) ^ binary.LittleEndian.Uint64(twice[o:]),
				binary.LittleEndian.Uint64(once[o+8:]) ^ binary.LittleEndian.Uint64(twice[o+8:]),
			}
		}
		dst, src = dst[n:], src[n:]
	}
}

// encryptEach applies pi to each 16 bytes of src.
func encryptEach(dst, src []byte, pi cipher.Block) {
	for len(src) > 0 {
		pi.Encrypt(dst[:BlockBytes:BlockBytes], src[:BlockBytes:BlockBytes])
		dst, src = dst[BlockBytes:], src[BlockBytes:]
	}
}

func newAES(key Block) cipher.Block {
	var b [BlockBytes]byte
	pi, err := aes.NewCipher(key.Append(b[:0]))
	if err != nil {
		panic(fmt.Sprintf("kernel: internal error: %v", err))
	}
	return pi
}
