package kernel

import (
	"crypto/cipher"
	"crypto/subtle"
	"fmt"
	"math/bits"
)

// Streams are the 2^k key streams r_x of one digit of subspace VOLE (Roy,
// CRYPTO 2022), all AES-128-CTR from the same counter on: stream x is
// [NewStream](keys[x], iv). They only move forward, together, and are only ever
// used as sums. Not safe for concurrent use.
type Streams struct {
	k     int
	first int // 1 if stream 0 is unknown, which then counts as zero

	// streams or keys are used. Both are in the order of the Gray code, without the
	// unknown one.
	streams  []cipher.Stream
	keys     []schedule
	position Block // counter of keys, big-endian words: high, low
}

// NewStreams starts len(keys) = 2^k streams, k >= 1. If punctured is set,
// stream 0 is zero, whatever keys[0].
func NewStreams(keys []Block, iv Block, punctured bool) *Streams {
	k := bits.Len(uint(len(keys))) - 1
	if k < 1 || len(keys) != 1<<k {
		panic(fmt.Sprintf("kernel: internal error: %d streams, not a power of two", len(keys)))
	}
	s := &Streams{k: k}
	if punctured {
		s.first = 1
	}
	s.position = Block{bits.ReverseBytes64(iv[0]), bits.ReverseBytes64(iv[1])}
	for i := s.first; i < len(keys); i++ {
		key := &keys[i^i>>1]
		if best == plain {
			s.streams = append(s.streams, NewStream(*key, iv).ctr)
			continue
		}
		s.keys = append(s.keys, schedule{})
		expandKey(&s.keys[len(s.keys)-1], key)
	}
	return s
}

// FoldChunk is what the lengths of the buffers of [Streams.Fold] are rounded up
// to.
const FoldChunk = 512

// Fold computes, over the next n bytes of each stream,
//
//	u = ⊕_x r_x      row b = ⊕_{x: bit b of x set} r_x,  b < k
//
// Row b is rows[b·stride : b·stride+n]. n is a multiple of 16, but u and all
// rows must have room for n rounded up to a multiple of [FoldChunk]; what is
// there behind n bytes is overwritten.
//
// The streams are added up in the order of the Gray code, x = g(i) = i ⊕ i/2:
// S_i = r_{g(0)} ⊕ .. ⊕ r_{g(i)}, where adding a stream to a buffer costs
// nothing beyond making it. Bit b of g(i) is set for i in runs from 2^b to
// 3·2^b - 1 with period 4·2^b, so row b is the sum of the S_i just before a run
// and at its end, which are those with i = 2^b - 1 mod 2^{b+1}: each S_i goes
// into one row. (The run of the top bit ends with the last stream.) That is one
// XOR per stream instead of k/2.
func (s *Streams) Fold(u, rows []byte, stride, n int) {
	room := (n + FoldChunk - 1) / FoldChunk * FoldChunk
	if n%BlockBytes != 0 || len(u) < room || stride < room || len(rows) < (s.k-1)*stride+room {
		panic(fmt.Sprintf("kernel: internal error: fold of %d bytes into %d and %d bytes with stride %d", n, len(u), len(rows), stride))
	}
	for b := range s.k {
		clear(rows[b*stride:][:room])
	}
	if s.keys != nil {
		var counters [FoldChunk / BlockBytes]Block
		for at := 0; at < n; at += FoldChunk {
			s.counters(&counters)
			fold512(&u[at], &rows[at], stride, &s.keys[0], s.first, len(s.keys), s.k-1, &counters)
			s.advance(min(FoldChunk, n-at) / BlockBytes)
		}
		return
	}
	u = u[:n]
	clear(u)
	for j, stream := range s.streams {
		stream.XORKeyStream(u, u)
		level := min(bits.TrailingZeros(uint(j+s.first+1)), s.k-1)
		row := rows[level*stride:][:n]
		subtle.XORBytes(row, row, u)
	}
}

// fold512 sets the 512 bytes at u to the sum of n streams, n > 0, and adds the partial sums to the rows: stream j's goes
// to the row of the trailing zeros of first+j+1, at most row top.
func fold512(u, rows *byte, stride int, keys *schedule, first, n, top int, counters *[FoldChunk / BlockBytes]Block) {
	if best >= avx512 {
		foldWide(u, rows, stride, keys, first, n, top, counters)
	} else {
		foldNarrow(u, rows, stride, keys, first, n, top, counters)
	}
}

// counters sets dst to the counter blocks from the position on.
func (s *Streams) counters(dst *[FoldChunk / BlockBytes]Block) {
	hi, lo := s.position[0], s.position[1]
	be := bits.ReverseBytes64(hi)
	for i := range dst {
		if i > 0 && lo+uint64(i) == 0 {
			be = bits.ReverseBytes64(hi + 1)
		}
		dst[i] = Block{be, bits.ReverseBytes64(lo + uint64(i))}
	}
}

// advance moves the position by n blocks.
func (s *Streams) advance(n int) {
	var carry uint64
	s.position[1], carry = bits.Add64(s.position[1], uint64(n), 0)
	s.position[0] += carry
}
