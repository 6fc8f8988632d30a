package kernel

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"math/bits"
)

// Words is the AES-256-CTR key stream of a public key, from counter 0 on, as little-endian words of 64 bits.
type Words struct {
	keys  [15]Block    // the round keys, where there are 512-bit AES instructions
	block cipher.Block // elsewhere
}

// wordsBatch is how many words are made at a time.
const wordsBatch = 64

// Set makes w the stream of key.
func (w *Words) Set(key *[32]byte) {
	if best >= avx512 {
		expandKey256(&w.keys, key)
		return
	}
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(fmt.Sprintf("kernel: internal error: %v", err))
	}
	w.block = block
}

// SetStream writes a part of row k: to column col, a multiple of 8, and on, words from, from+1, ... of w, cut to the
// length of q in bits; n, their number, and from are multiples of 64. It reports whether all of them are below q; if
// not, the caller must write the row in another way.
func (p *Panels) SetStream(k, col, n int, w *Words, from int, q Modulus) bool {
	groups := p.part(k, col, n)
	if n == 0 || n%wordsBatch != 0 || from < 0 || from%wordsBatch != 0 {
		panic(fmt.Sprintf("kernel: internal error: %d words of a stream from word %d", n, from))
	}
	if best >= avx512 {
		at := p.data[(col/lanes*p.K+k)*lanes:]
		_ = at[(groups-1)*p.K*lanes+lanes-1]
		mask := ^uint64(0) >> bits.LeadingZeros64(q.Q)
		return panelStream(&at[0], p.K*64, &w.keys, uint64(from)/2, n/wordsBatch, mask, q.Q) == 0
	}
	var src [8 * wordsBatch]byte
	var iv [BlockBytes]byte
	below := true
	for at := 0; at < n; at += wordsBatch {
		binary.BigEndian.PutUint64(iv[8:], uint64(from+at)/2)
		clear(src[:])
		cipher.NewCTR(w.block, iv[:]).XORKeyStream(src[:], src[:])
		below = p.setWords(k, col+at, src[:], q) && below
	}
	return below
}
