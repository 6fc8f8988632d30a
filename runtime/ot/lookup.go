package ot

import (
	"nimbus/internal/kernel"
	"nimbus/internal/z2k"
)

// lookups is a set of n 1-of-2^b OTs whose index both parties share: unit j adds
// to the parties' dst[j] shares of
//
//	F(s_j)·c_j        s_j = receiver's bits[j] ⊕ sender's bits[j], b bits
//
// by addition mod 2^width, or by XOR. F is public, bit s of truth for the index
// s, so b is at most 6. The sender has c. dst is not reduced here.
//
// Keys are those of [leaves]:
//
//	Receiver x, S_a, a random              Sender y, c, S_0, Δ
//	d = a ⊕ x                       ──▶    k_v = H(S_0 ⊕ (v ⊕ d)(α)·Δ)
//	                                ◀──    t_v = F(v⊕y)·c − F(y)·c + k_0 − k_v
//	out = H(S_a) + t_x (t_0 = 0)           out = F(y)·c − k_0
type lookups struct {
	n, b, width int
	truth       uint64
	xor         bool

	bits []uint64 // [n] this party's half of the index, secret
	c    []uint64 // sender, [n], secret; bits above width are ignored
	dst  []uint64 // [n]
}

func (l *lookups) size() (units, cots int) { return l.n, l.b }
func (l *lookups) chunk() int              { return 1 << 13 }
func (l *lookups) tweaks() int             { return 1 }
func (l *lookups) payload(units int) int   { return z2k.PackedLen(units*(1<<l.b-1), l.width) }

func (l *lookups) choose(s *scratch, h hasher, lo, hi int, choice []uint8, keys []kernel.Block, tweak uint64) {
	m := z2k.Mask(l.width)
	for lo < hi {
		n := min(batch, hi-lo)
		b := chooseIndex(s, h, l.b, l.bits[lo:lo+n], 0, choice, keys, tweak)
		if dst := l.dst[lo : lo+n]; l.xor {
			for j := range dst {
				dst[j] ^= b[j][0] & m
			}
		} else {
			for j := range dst {
				dst[j] += b[j][0] & m
			}
		}
		choice, keys = choice[n*l.b:], keys[n*l.b:]
		lo, tweak = lo+n, tweak+uint64(n)
	}
}

func (l *lookups) send(s *scratch, h hasher, lo, hi int, correction []uint8, k0 []kernel.Block, delta kernel.Block, tweak uint64, out []byte) []byte {
	size, m := 1<<l.b, z2k.Mask(l.width)
	multiples := make([]kernel.Block, size)
	kernel.Multiples(multiples, delta)
	step := indexStep(l.b)
	t := grow(&s.vals, step*(size-1))
	s.vals = t
	for lo < hi {
		n := min(step, hi-lo)
		hashes := sendIndex(s, h, l.b, correction, k0[:n*l.b], multiples, tweak)
		for j := range n {
			own, c := l.bits[lo+j]&uint64(size-1), l.c[lo+j]
			keys, t := hashes[j*size:(j+1)*size], t[j*(size-1):(j+1)*(size-1)]
			r := keys[0][0]
			base := c & -(l.truth >> own & 1)
			for v := range t {
				f := c & -(l.truth >> ((uint64(v) + 1) ^ own) & 1)
				if k := keys[v+1][0]; l.xor {
					t[v] = (f ^ base ^ r ^ k) & m
				} else {
					t[v] = (f - base + r - k) & m
				}
			}
			if l.xor {
				l.dst[lo+j] ^= (base ^ r) & m
			} else {
				l.dst[lo+j] += base - r
			}
		}
		out = z2k.Pack(out, t[:n*(size-1)], l.width)
		correction, k0 = correction[n*l.b:], k0[n*l.b:]
		lo, tweak = lo+n, tweak+uint64(n)
	}
	return out
}

func (l *lookups) receive(s *scratch, lo, hi int, payload []byte) error {
	others := 1<<l.b - 1
	t := grow(&s.vals, (hi-lo)*others)
	s.vals = t
	if err := z2k.Unpack(t, payload, l.width); err != nil {
		return err
	}
	for j := lo; j < hi; j++ {
		got := pick(t[(j-lo)*others:(j-lo+1)*others], l.bits[j]&uint64(others))
		if l.xor {
			l.dst[j] ^= got
		} else {
			l.dst[j] += got
		}
	}
	return nil
}

// pick returns word x-1, or 0 for x = 0. All words are read: x is secret and
// must not become an address.
func pick(words []uint64, x uint64) (got uint64) {
	for v, word := range words {
		got |= word & -(((x ^ uint64(v+1)) - 1) >> 63)
	}
	return got
}

// chooseIndex turns the random choices of at most a batch of units, b COTs each,
// into corrections for the digits of x at shift, and returns the hashes of the
// keys of the random indices.
func chooseIndex(s *scratch, h hasher, b int, x []uint64, shift int, choice []uint8, keys []kernel.Block, tweak uint64) []kernel.Block {
	hashes := grow(&s.blocks, batch)
	s.blocks = hashes
	hashes = hashes[:len(x)]
	kernel.Combine(hashes, keys[:len(x)*b], b)
	h.HashBlocks(hashes, hashes, tweak)
	for j, v := range x {
		d := v >> (shift & 63)
		bits := choice[j*b : (j+1)*b]
		for i := range bits {
			bits[i] ^= uint8(d>>(i&63)) & 1
		}
	}
	return hashes
}

// indexBlocks is the number of hashes of a sender worked on at a time, to stay
// in the cache.
const indexBlocks = 2 * batch

// indexStep is the number of 1-of-2^b OTs that sendIndex is called for, a
// multiple of 64.
func indexStep(b int) int { return max(indexBlocks>>b, 64) }

// sendIndex returns the hashes of the keys of all indices, 2^b for each unit.
// multiples are those of Δ by the indices.
func sendIndex(s *scratch, h hasher, b int, correction []uint8, k0, multiples []kernel.Block, tweak uint64) []kernel.Block {
	size, n := 1<<b, len(k0)/b
	blocks := grow(&s.blocks, indexStep(b)*(size+1))
	s.blocks = blocks
	base := blocks[indexStep(b)*size:][:n]
	kernel.Combine(base, k0, b)
	digits := grow(&s.bytes, n)
	s.bytes = digits
	for j := range digits {
		var d uint8
		for i, bit := range correction[j*b : (j+1)*b] {
			d |= bit << i
		}
		digits[j] = d
	}
	kernel.IndexKeys(blocks[:n*size], base, digits, multiples)
	h.HashGroups(blocks[:n*size], blocks[:n*size], size, tweak)
	return blocks[:n*size]
}
