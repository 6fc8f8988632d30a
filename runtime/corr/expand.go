package corr

import (
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"math/bits"

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

// rowBytes is the distance of rows in memory. It is not a multiple of a page,
// for then all rows would compete for the same few cache lines.
const rowBytes = blockColumns/8 + 64

// foldBuffers is the working memory of one block of COTs.
type foldBuffers struct {
	rows []byte // 128 rows, rowBytes apart
	sum  []byte // u_i
}

func (b *foldBuffers) init() {
	if b.rows != nil {
		return
	}
	b.rows = make([]byte, kappa*rowBytes)
	b.sum = make([]byte, blockColumns/8)
}

// row returns the first n bytes of row r.
func (b *foldBuffers) row(r, n int) []byte {
	return b.rows[r*rowBytes:][:n]
}

// Delta implements [Sender].
func (s *softSender) Delta() Block { return s.delta }

// Extend implements [Receiver]: it expands, sends the corrections, and needs
// nothing from the sender.
func (r *softReceiver) Extend(keys []Block, choice []byte) error {
	if len(keys)%Granule != 0 || len(choice)*8 != len(keys) {
		panic(fmt.Sprintf("corr: internal error: extend to %d keys and %d bytes of choice bits", len(keys), len(choice)))
	}
	r.buf.init()
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
	kernel.Transpose128(keys, r.buf.rows, rowBytes)
	return msg
}

// Extend implements [Sender].
func (s *softSender) Extend(k0 []Block) error {
	if len(k0)%Granule != 0 {
		panic(fmt.Sprintf("corr: internal error: extend to %d keys", len(k0)))
	}
	s.buf.init()
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
	kernel.Transpose128(k0, s.buf.rows, rowBytes)
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
// The streams are added up in the order of the Gray code, x = g(i) = i ⊕ i/2:
// S_i = r_{g(0)} ⊕ .. ⊕ r_{g(i)}, where adding a stream to a buffer costs
// nothing beyond making it. Bit b of g(i) is set for i in runs from 2^b to
// 3·2^b - 1 with period 4·2^b, so row b is the sum of the S_i just before a run
// and at its end, which are those with i = 2^b - 1 mod 2^{b+1}: each S_i goes
// into one row. (The run of the top bit ends with the last stream.) That is one
// XOR per stream instead of k/2. A nil stream is all zero.
func (b *foldBuffers) fold(u []byte, first, k int, streams []*kernel.Stream) {
	n := len(u)
	clear(u)
	for i := range streams {
		if s := streams[i^i>>1]; s != nil {
			s.XOR(u, u)
		}
		level := bits.TrailingZeros(uint(i + 1))
		if level == k {
			break // the last stream
		}
		row := b.row(first+level, n)
		if i+1 == 1<<level {
			copy(row, u)
		} else {
			subtle.XORBytes(row, row, u)
		}
	}
	top := b.row(first+k-1, n)
	subtle.XORBytes(top, top, u)
}
