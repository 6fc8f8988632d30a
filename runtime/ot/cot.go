package ot

import (
	"encoding/binary"

	"nimbus/internal/kernel"
	"nimbus/internal/z2k"
)

// cots is a set of n correlated OTs, each with cols values of width bits as its
// correction. Unit j of it adds to the two parties' dst[j·cols : (j+1)·cols]
// shares of
//
//	b_j · c_j · 2^shift      b_j = bit `bit` of bits[j], c_j mod 2^width
//
// by addition, mod 2^(width+shift), or by XOR if xor is set (one column).
// The receiver sets bits, the sender c; dst has n·cols elements and is not
// reduced here.
//
//	Receiver b, K_a, a random              Sender c, K_0, K_1 = K_0 ⊕ Δ
//	d = a ⊕ b                       ──▶
//	                                ◀──    t = H(K_d) + c − H(K_{1⊕d})
//	out = H(K_a) + b·t                     out = −H(K_d)
type cots struct {
	n, cols, width, shift int
	xor                   bool

	bits []uint64 // receiver, secret
	bit  int
	c    []uint64 // sender, [n, cols], secret; bits above width are ignored
	dst  []uint64
}

// longRow is the number of hash blocks of one row above which the row is
// expanded from one hash instead.
const longRow = 8

// lanes returns how the values of one COT lie in hash output: per word, words,
// and hash blocks of it.
func (c *cots) lanes() (per, words, blocks int) {
	if c.cols == 1 {
		return 1, 1, 1 // the first word of one block
	}
	per = 64 / c.width
	words = (c.cols + per - 1) / per
	return per, words, (words + 1) / 2
}

func (c *cots) size() (units, cots int)    { return c.n, 1 }
func (c *cots) payload(units int) int      { return z2k.PackedLen(units*c.cols, c.width) }
func (c *cots) chunk() int                 { return max(64, 1<<15/c.cols/64*64) }
func (c *cots) wanted(j int) uint8         { return uint8(c.bits[j]>>c.bit) & 1 }
func (c *cots) result(lo, hi int) []uint64 { return c.dst[lo*c.cols : hi*c.cols] }

func (c *cots) tweaks() int {
	if _, _, blocks := c.lanes(); blocks <= longRow {
		return blocks
	}
	return 1
}

// pads sets dst, [len(keys), cols], cols > 1, to the hashes of keys cut to width
// bits.
func (c *cots) pads(dst []uint64, s *scratch, h hasher, keys []kernel.Block, tweak uint64) {
	m := z2k.Mask(c.width)
	per, words, blocks := c.lanes()
	if blocks > longRow {
		b := grow(&s.blocks, len(keys))
		s.blocks = b
		h.HashBlocks(b, keys, tweak)
		row := grow(&s.bytes, words*8)
		s.bytes = row
		for j := range keys {
			kernel.Expand(row, b[j])
			out := dst[j*c.cols : (j+1)*c.cols]
			for i := 0; len(out) > 0; i += 8 {
				out = c.cut(out, binary.LittleEndian.Uint64(row[i:]), per, m)
			}
		}
		return
	}
	b := grow(&s.blocks, len(keys)*blocks)
	s.blocks = b
	for j, k := range keys {
		for i := range blocks {
			b[j*blocks+i] = k
		}
	}
	h.HashBlocks(b, b, tweak)
	for j := range keys {
		out := dst[j*c.cols : (j+1)*c.cols]
		for i := 0; len(out) > 0; i++ {
			out = c.cut(out, b[j*blocks+i/2][i%2], per, m)
		}
	}
}

// cut sets the first per elements of dst to the lanes of w and returns the rest.
func (c *cots) cut(dst []uint64, w uint64, per int, m uint64) []uint64 {
	if s := c.width; per <= 4 && len(dst) >= 4 {
		// Lanes that w does not have are overwritten by the next word.
		dst[0], dst[1], dst[2], dst[3] = w&m, w>>(s&63)&m, w>>(2*s&63)&m, w>>(3*s&63)&m
		return dst[per:]
	}
	now := dst[:min(per, len(dst))]
	for k := range now {
		now[k] = w & m
		w >>= c.width & 63
	}
	return dst[len(now):]
}

// rowBatch is the number of rows worked on at a time. It is 64 because a payload
// of so many rows is a whole number of bytes.
const rowBatch = 64

func (c *cots) choose(s *scratch, h hasher, lo, hi int, choice []uint8, keys []kernel.Block, tweak uint64) {
	if c.cols == 1 {
		c.chooseSingle(s, h, lo, choice, keys, tweak)
		return
	}
	for ; hi-lo > rowBatch; lo += rowBatch {
		c.choose(s, h, lo, lo+rowBatch, choice[:rowBatch], keys[:rowBatch], tweak)
		choice, keys = choice[rowBatch:], keys[rowBatch:]
		tweak += uint64(rowBatch * c.tweaks())
	}
	vals := grow(&s.vals, (hi-lo)*c.cols)
	s.vals = vals
	c.pads(vals, s, h, keys, tweak)
	dst := c.result(lo, hi)
	if c.xor {
		for i, v := range vals {
			dst[i] ^= v << c.shift
		}
	} else {
		for i, v := range vals {
			dst[i] += v << c.shift
		}
	}
	for j := range choice {
		choice[j] ^= c.wanted(lo + j)
	}
}

func (c *cots) send(s *scratch, h hasher, lo, hi int, correction []uint8, k0 []kernel.Block, delta kernel.Block, tweak uint64, out []byte) []byte {
	if c.cols == 1 {
		return c.sendSingle(s, h, lo, correction, k0, delta, tweak, out)
	}
	for ; hi-lo > rowBatch; lo += rowBatch {
		out = c.send(s, h, lo, lo+rowBatch, correction[:rowBatch], k0[:rowBatch], delta, tweak, out)
		correction, k0 = correction[rowBatch:], k0[rowBatch:]
		tweak += uint64(rowBatch * c.tweaks())
	}
	n := hi - lo
	r := grow(&s.vals, n*c.cols) // masks when the peer's choice is 0
	s.vals = r
	t := grow(&s.other, n*c.cols) // and when it is 1, then the payload
	s.other = t
	keys := make([]kernel.Block, n) // at most a batch
	for j, k := range k0 {
		flip := -uint64(correction[j])
		keys[j] = kernel.Block{k[0] ^ delta[0]&flip, k[1] ^ delta[1]&flip}
	}
	c.pads(r, s, h, keys, tweak)
	for j := range keys {
		keys[j] = keys[j].Xor(delta)
	}
	c.pads(t, s, h, keys, tweak)
	dst := c.result(lo, hi)
	cc := c.c[lo*c.cols : hi*c.cols]
	m := z2k.Mask(c.width)
	if c.xor {
		for i, x := range cc {
			t[i] = (t[i] ^ x ^ r[i]) & m
			dst[i] ^= r[i] << c.shift
		}
	} else {
		for i, x := range cc {
			t[i] = (r[i] + x - t[i]) & m
			dst[i] -= r[i] << c.shift
		}
	}
	return z2k.Pack(out, t, c.width)
}

func (c *cots) receive(s *scratch, lo, hi int, payload []byte) error {
	if c.cols == 1 {
		return c.receiveSingle(s, lo, hi, payload)
	}
	for ; hi-lo > rowBatch; lo += rowBatch {
		n := min(len(payload), c.payload(rowBatch)) // all bytes there is a row of
		if err := c.receive(s, lo, lo+rowBatch, payload[:n]); err != nil {
			return err
		}
		payload = payload[n:]
	}
	vals := grow(&s.vals, (hi-lo)*c.cols)
	s.vals = vals
	if err := z2k.Unpack(vals, payload, c.width); err != nil {
		return err
	}
	dst := c.result(lo, hi)
	for j := lo; j < hi; j++ {
		chosen := -uint64(c.wanted(j))
		row := vals[(j-lo)*c.cols : (j-lo+1)*c.cols]
		out := dst[(j-lo)*c.cols : (j-lo+1)*c.cols]
		if c.xor {
			for i, v := range row {
				out[i] ^= v & chosen << (c.shift & 63)
			}
		} else {
			for i, v := range row {
				out[i] += v & chosen << (c.shift & 63)
			}
		}
	}
	return nil
}
