package corr

import (
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"slices"

	"nimbus/internal/kernel"
	"nimbus/runtime/transport"
)

// softSender is the sender of [SoftSpoken].
type softSender struct {
	conn    transport.Conn
	ext     SoftSpoken
	delta   Block
	streams []*kernel.Streams // m digits of 2^K leaves in relative order (leaf y ⊕ Δ_i at y), punctured at 0
	buf     foldBuffers
}

// softReceiver is the receiver of [SoftSpoken].
type softReceiver struct {
	conn    transport.Conn
	ext     SoftSpoken
	streams []*kernel.Streams // m digits of 2^K leaves
	buf     foldBuffers
	msg     []byte // corrections, reused from message to message
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
	for len(keys) > 0 {
		want := min(len(keys), messageColumns) / 8 * (r.ext.digits() - 1)
		msg := slices.Grow(r.msg[:0], want)
		r.msg = msg
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

// block makes len(keys) COTs and appends their corrections d_1..d_{m-1} to msg,
// which has room for them.
func (r *softReceiver) block(keys []Block, choice, msg []byte) []byte {
	n := len(keys) / 8
	for i, streams := range r.streams {
		u := r.buf.fold(i*r.ext.K, n, streams)
		if i == 0 {
			copy(choice, u)
			continue
		}
		at := len(msg)
		msg = msg[:at+n]
		subtle.XORBytes(msg[at:], u, choice)
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
		s.buf.fold(i*k, n, streams)
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
	for len(dst) >= 32 && len(src) >= 32 {
		d, s := dst[:32], src[:32]
		d0 := binary.LittleEndian.Uint64(d) ^ mask&binary.LittleEndian.Uint64(s)
		d1 := binary.LittleEndian.Uint64(d[8:]) ^ mask&binary.LittleEndian.Uint64(s[8:])
		d2 := binary.LittleEndian.Uint64(d[16:]) ^ mask&binary.LittleEndian.Uint64(s[16:])
		d3 := binary.LittleEndian.Uint64(d[24:]) ^ mask&binary.LittleEndian.Uint64(s[24:])
		binary.LittleEndian.PutUint64(d, d0)
		binary.LittleEndian.PutUint64(d[8:], d1)
		binary.LittleEndian.PutUint64(d[16:], d2)
		binary.LittleEndian.PutUint64(d[24:], d3)
		dst, src = dst[32:], src[32:]
	}
	for len(dst) >= 8 && len(src) >= 8 {
		binary.LittleEndian.PutUint64(dst, binary.LittleEndian.Uint64(dst)^mask&binary.LittleEndian.Uint64(src))
		dst, src = dst[8:], src[8:]
	}
}

// fold reads n bytes of each stream of a digit: it returns their sum, which is
// valid until the next call, and sets the k rows from first on. See
// [kernel.Streams.Fold].
func (b *foldBuffers) fold(first, n int, streams *kernel.Streams) []byte {
	streams.Fold(b.sum, b.rows[first*rowBytes:], rowBytes, n)
	return b.sum[:n]
}
