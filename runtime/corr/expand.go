package corr

import (
	"crypto/subtle"
	"encoding/binary"
	"fmt"

	"nimbus/internal/kernel"
	"nimbus/runtime/transport"
)

// softSender is the sender of [SoftSpoken].
type softSender struct {
	conn    transport.Conn
	ext     SoftSpoken
	delta   Block
	streams [][]*kernel.Stream // m digits × 2^K leaves in relative order (leaf y ⊕ Δ_i at y); [i][0] is nil
	buf     foldBuffers
}

// softReceiver is the receiver of [SoftSpoken].
type softReceiver struct {
	conn    transport.Conn
	ext     SoftSpoken
	streams [][]*kernel.Stream // m digits × 2^K leaves
	buf     foldBuffers
}

// foldBuffers is the working memory of one block of COTs.
type foldBuffers struct {
	rows  []byte   // 128 rows × blockColumns bits
	sum   []byte   // u_i
	zero  []byte   // stays zero
	stack [][]byte // K levels
}

func (b *foldBuffers) init(k int) {
	if b.rows != nil {
		return
	}
	b.rows = make([]byte, kappa*blockColumns/8)
	b.sum = make([]byte, blockColumns/8)
	b.zero = make([]byte, blockColumns/8)
	for range k {
		b.stack = append(b.stack, make([]byte, blockColumns/8))
	}
}

// row returns the first n bytes of row r.
func (b *foldBuffers) row(r, n int) []byte {
	return b.rows[r*blockColumns/8:][:n]
}

// Delta implements [Sender].
func (s *softSender) Delta() Block { return s.delta }

// Extend implements [Receiver]: it expands, sends the corrections, and needs
// nothing from the sender.
func (r *softReceiver) Extend(keys []Block, choice []byte) error {
	if len(keys)%Granule != 0 || len(choice)*8 != len(keys) {
		panic(fmt.Sprintf("corr: internal error: extend to %d keys and %d bytes of choice bits", len(keys), len(choice)))
	}
	r.buf.init(r.ext.K)
	var msg []byte
	for len(keys) > 0 {
		msg = msg[:0]
		for range messageColumns / blockColumns {
			n := min(len(keys), blockColumns)
			msg = r.block(keys[:n], choice[:n/8], msg)
			keys, choice = keys[n:], choice[n/8:]
		}
		if err := r.conn.Send(msg); err != nil {
			return fmt.Errorf("corr: extend as receiver: send corrections: %w", err)
		}
	}
	if err := r.conn.Flush(); err != nil {
		return fmt.Errorf("corr: extend as receiver: send corrections: %w", err)
	}
	return nil
}

// block makes len(keys) COTs and appends their corrections d_1..d_{m-1} to msg.
func (r *softReceiver) block(keys []Block, choice, msg []byte) []byte {
	n := len(keys) / 8
	for i, streams := range r.streams {
		u := choice
		if i > 0 {
			u = r.buf.sum[:n]
		}
		r.buf.fold(u, i*r.ext.K, r.ext.K, streams)
		if i > 0 {
			subtle.XORBytes(u, u, choice)
			msg = append(msg, u...)
		}
	}
	kernel.Transpose128(keys, r.buf.rows, blockColumns/8)
	return msg
}

// Extend implements [Sender].
func (s *softSender) Extend(k0 []Block) error {
	if len(k0)%Granule != 0 {
		panic(fmt.Sprintf("corr: internal error: extend to %d keys", len(k0)))
	}
	s.buf.init(s.ext.K)
	for len(k0) > 0 {
		columns := min(len(k0), messageColumns)
		msg, err := s.conn.Recv(columns / 8 * (s.ext.digits() - 1))
		if err != nil {
			return fmt.Errorf("corr: extend as sender: receive corrections: %w", err)
		}
		for range messageColumns / blockColumns {
			n := min(len(k0), blockColumns)
			msg = s.block(k0[:n], msg)
			k0 = k0[n:]
		}
	}
	return nil
}

// block makes len(k0) COTs with the corrections at the front of msg and returns
// the rest of msg.
func (s *softSender) block(k0 []Block, msg []byte) []byte {
	n := len(k0) / 8
	k := s.ext.K
	for i, streams := range s.streams {
		s.buf.fold(s.buf.sum[:n], i*k, k, streams)
		if i == 0 {
			continue
		}
		for b := range k {
			maskedXOR(s.buf.row(i*k+b, n), msg[:n], deltaBit(s.delta, i*k+b))
		}
		msg = msg[n:]
	}
	kernel.Transpose128(k0, s.buf.rows, blockColumns/8)
	return msg
}

// maskedXOR sets dst ^= bit·src in constant time. The length is a multiple of 8.
func maskedXOR(dst, src []byte, bit uint8) {
	mask := -uint64(bit)
	for len(dst) >= 8 && len(src) >= 8 {
		binary.LittleEndian.PutUint64(dst, binary.LittleEndian.Uint64(dst)^mask&binary.LittleEndian.Uint64(src))
		dst, src = dst[8:], src[8:]
	}
}

// fold computes, over the next len(u) bytes of each stream r_x, x < 2^k,
//
//	u = ⊕_x r_x      row first+b = ⊕_{x: bit b of x set} r_x
//
// by pairwise sums: the odd nodes of a level add up to one row, the two nodes
// of a pair to a node of the next level. So each level costs half of the one
// before, two XORs per leaf in all and not k/2+1. A nil stream is all zero.
func (b *foldBuffers) fold(u []byte, first, k int, streams []*kernel.Stream) {
	n := len(u)
	for r := range k {
		clear(b.row(first+r, n))
	}
	for x := 0; x < len(streams); x += 2 {
		// The pair of leaves x, x+1 becomes node x/2 of level 1, in stack[0].
		node := b.stack[0][:n]
		streams[x+1].XOR(node, b.zero[:n])
		subtle.XORBytes(b.row(first, n), b.row(first, n), node)
		if streams[x] != nil {
			streams[x].XOR(node, node)
		}
		// A node with an odd index meets the even one, kept in stack[level], and
		// makes a node of the next level there; an even one is kept.
		level, at := 1, 0
		for index := x / 2; level < k; index, level = index/2, level+1 {
			if index%2 == 0 {
				b.stack[at], b.stack[level] = b.stack[level], b.stack[at]
				break
			}
			row := b.row(first+level, n)
			subtle.XORBytes(row, row, b.stack[at][:n])
			subtle.XORBytes(b.stack[level][:n], b.stack[level][:n], b.stack[at][:n])
			at = level
		}
		if level == k {
			copy(u, b.stack[at])
		}
	}
}
