package ot

import (
	"nimbus/internal/kernel"
	"nimbus/internal/z2k"
)

// leaves is a set of n 1-of-2^b OTs, the leaves of comparisons: element j's
// digit is the choice, and for each value v of the digit the sender has a word
//
//	f_j(v) = greater bits 1{v > d_jk} | equal bits 1{v = d_jk} << K,  k < K
//
// d_jk being the same digit of its cut k. The parties' dst[j] get XOR shares of
// f_j(digit). The lowest digit leaves out the equal bits.
//
// b COTs make one OT: with keys K_i, K_i ⊕ a_i·Δ the sums S = Σ α^i·K_i differ
// by a(α)·Δ in GF(2^128), so the receiver knows the key of index a, and no two
// indices share one.
//
//	Receiver x, S_a, a random              Sender f, S_0, Δ
//	d = a ⊕ x                       ──▶    k_v = H(S_0 ⊕ (v ⊕ d)(α)·Δ)
//	                                ◀──    t_v = k_v ⊕ f(v) ⊕ w, v > 0
//	out = H(S_a) ⊕ t_x (t_0 = 0)           out = w = k_0 ⊕ f(0)
type leaves struct {
	n, b  int
	shift int // of the digit in the values
	cuts  int
	equal bool // not the lowest digit

	x   []uint64 // receiver, [n]: secret
	cut []uint64 // sender, [n, cuts]: secret
	dst []uint64 // [n]
}

func (l *leaves) size() (units, cots int) { return l.n, l.b }
func (l *leaves) chunk() int              { return 1 << 13 }
func (l *leaves) tweaks() int             { return 1 }

func (l *leaves) width() int {
	if l.equal {
		return 2 * l.cuts
	}
	return l.cuts
}

func (l *leaves) payload(units int) int {
	return z2k.PackedLen(units*(1<<l.b-1), l.width())
}

// digit returns the receiver's digit of element j.
func (l *leaves) digit(j int) uint64 { return l.x[j] >> l.shift & (1<<l.b - 1) }

func (l *leaves) choose(s *scratch, h hasher, lo, hi int, choice []uint8, keys []kernel.Block, tweak uint64) {
	b := grow(&s.blocks, hi-lo)
	s.blocks = b
	kernel.Combine(b, keys, l.b)
	h.HashBlocks(b, b, tweak)
	m := z2k.Mask(l.width())
	for j, k := range b {
		l.dst[lo+j] ^= k[0] & m
		d := l.digit(lo + j)
		for i := range l.b {
			choice[j*l.b+i] ^= uint8(d>>i) & 1
		}
	}
}

func (l *leaves) send(s *scratch, h hasher, lo, hi int, correction []uint8, k0 []kernel.Block, delta kernel.Block, tweak uint64, out []byte) []byte {
	n, size := hi-lo, 1<<l.b
	b := grow(&s.blocks, n*size)
	s.blocks = b
	base := make([]kernel.Block, n)
	kernel.Combine(base, k0, l.b)
	multiples := make([]kernel.Block, size)
	kernel.Multiples(multiples, delta)
	for j, k := range base {
		d := 0
		for i := range l.b {
			d |= int(correction[j*l.b+i]) << i
		}
		for v := range size {
			b[j*size+v] = k.Xor(multiples[v^d])
		}
	}
	h.HashGroups(b, b, size, tweak)
	m := z2k.Mask(l.width())
	t := grow(&s.vals, n*(size-1))
	s.vals = t
	for j := range n {
		cut := l.cut[(lo+j)*l.cuts : (lo+j+1)*l.cuts]
		keys := b[j*size : (j+1)*size]
		w := keys[0][0] ^ l.word(cut, 0)
		for v := 1; v < size; v++ {
			t[j*(size-1)+v-1] = (keys[v][0] ^ l.word(cut, uint64(v)) ^ w) & m
		}
		l.dst[lo+j] ^= w & m
	}
	return z2k.Pack(out, t, l.width())
}

// word returns f(v) for one element, in constant time.
func (l *leaves) word(cut []uint64, v uint64) uint64 {
	var g, e uint64
	for k, c := range cut {
		d := c >> l.shift & (1<<l.b - 1)
		g |= (d - v) >> 63 << k
		e |= ((d ^ v) - 1) >> 63 << k
	}
	return g | e<<l.cuts // masked by the caller where equality is not needed
}

func (l *leaves) receive(s *scratch, lo, hi int, payload []byte) error {
	others := 1<<l.b - 1
	t := grow(&s.vals, (hi-lo)*others)
	s.vals = t
	if err := z2k.Unpack(t, payload, l.width()); err != nil {
		return err
	}
	for j := lo; j < hi; j++ {
		x := l.digit(j)
		var got uint64
		for v, word := range t[(j-lo)*others : (j-lo+1)*others] {
			// All words are read: the digit must not become an address.
			got |= word & -(((x ^ uint64(v+1)) - 1) >> 63)
		}
		l.dst[j] ^= got
	}
	return nil
}
