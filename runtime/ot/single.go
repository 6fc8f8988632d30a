package ot

import (
	"nimbus/internal/kernel"
	"nimbus/internal/z2k"
)

// batch is the number of COTs whose keys, hashes and values are worked on at a
// time, so that they stay in the first cache. A multiple of 64.
const batch = 512

// chooseSingle is choose for one column.
func (c *cots) chooseSingle(s *scratch, h hasher, lo int, choice []uint8, keys []kernel.Block, tweak uint64) {
	b := grow(&s.blocks, batch)
	s.blocks = b
	m := z2k.Mask(c.width)
	for len(keys) > 0 {
		n := min(batch, len(keys))
		b, dst, bits, choose := b[:n], c.dst[lo:lo+n], c.bits[lo:lo+n], choice[:n]
		h.HashBlocks(b, keys[:n], tweak)
		if c.xor {
			for j := range dst {
				dst[j] ^= b[j][0] & m << (c.shift & 63)
			}
		} else {
			for j := range dst {
				dst[j] += b[j][0] & m << (c.shift & 63)
			}
		}
		for j, x := range bits {
			choose[j] ^= uint8(x>>(c.bit&63)) & 1
		}
		choice, keys = choice[n:], keys[n:]
		lo, tweak = lo+n, tweak+uint64(n)
	}
}

// sendSingle is send for one column.
func (c *cots) sendSingle(s *scratch, h hasher, lo int, correction []uint8, k0 []kernel.Block, delta kernel.Block, tweak uint64, out []byte) []byte {
	b := grow(&s.blocks, 2*batch)
	s.blocks = b
	t := grow(&s.vals, batch)
	s.vals = t
	m := z2k.Mask(c.width)
	for len(k0) > 0 {
		n := min(batch, len(k0))
		b, t, dst, x := b[:2*n], t[:n], c.dst[lo:lo+n], c.c[lo:lo+n]
		// Side by side the keys of the peer's choices 0 and 1, which have one tweak.
		kernel.IndexKeys(b, k0[:n], correction[:n], []kernel.Block{{}, delta})
		h.HashGroups(b, b, 2, tweak)
		if c.xor {
			for j := range t {
				r := b[2*j][0]
				t[j] = (b[2*j+1][0] ^ x[j] ^ r) & m
				dst[j] ^= r & m << (c.shift & 63)
			}
		} else {
			for j := range t {
				r := b[2*j][0]
				t[j] = (r + x[j] - b[2*j+1][0]) & m
				dst[j] -= r & m << (c.shift & 63)
			}
		}
		out = z2k.Pack(out, t, c.width)
		correction, k0 = correction[n:], k0[n:]
		lo, tweak = lo+n, tweak+uint64(n)
	}
	return out
}

// receiveSingle is receive for one column.
func (c *cots) receiveSingle(s *scratch, lo, hi int, payload []byte) error {
	v := grow(&s.vals, batch)
	s.vals = v
	for lo < hi {
		n := min(batch, hi-lo)
		v, dst, bits := v[:n], c.dst[lo:lo+n], c.bits[lo:lo+n]
		cut := len(payload)
		if lo += n; lo < hi {
			cut = min(cut, c.payload(n)) // all bytes there is an n of
		}
		if err := z2k.Unpack(v, payload[:cut], c.width); err != nil {
			return err
		}
		payload = payload[cut:]
		if c.xor {
			for j, x := range v {
				dst[j] ^= x & -(bits[j] >> (c.bit & 63) & 1) << (c.shift & 63)
			}
		} else {
			for j, x := range v {
				dst[j] += x & -(bits[j] >> (c.bit & 63) & 1) << (c.shift & 63)
			}
		}
	}
	return nil
}
