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
	m := z2k.Mask(l.width())
	for lo < hi {
		n := min(batch, hi-lo)
		b, dst := chooseIndex(s, h, l.b, l.x[lo:lo+n], l.shift, choice, keys, tweak), l.dst[lo:lo+n]
		for j := range dst {
			dst[j] ^= b[j][0] & m
		}
		choice, keys = choice[n*l.b:], keys[n*l.b:]
		lo, tweak = lo+n, tweak+uint64(n)
	}
}

// packed says whether all words of one element, v = 0 included, fit 64 bits;
// then they are made and chosen in one piece, word v at bit v·width.
func (l *leaves) packed() bool { return l.width()<<l.b <= 64 }

func (l *leaves) send(s *scratch, h hasher, lo, hi int, correction []uint8, k0 []kernel.Block, delta kernel.Block, tweak uint64, out []byte) []byte {
	size := 1 << l.b
	multiples := make([]kernel.Block, size)
	kernel.Multiples(multiples, delta)
	step := indexStep(l.b)
	t := grow(&s.vals, step*(size-1))
	s.vals = t
	for lo < hi {
		n := min(step, hi-lo)
		b := sendIndex(s, h, l.b, correction, k0[:n*l.b], multiples, tweak)
		if l.packed() {
			l.packWords(t[:n], b, lo)
			out = z2k.Pack(out, t[:n], (size-1)*l.width())
		} else {
			l.listWords(t, b, lo, n)
			out = z2k.Pack(out, t[:n*(size-1)], l.width())
		}
		correction, k0 = correction[n*l.b:], k0[n*l.b:]
		lo, tweak = lo+n, tweak+uint64(n)
	}
	return out
}

// listWords sets t to the words t_v of n elements from lo on, from the hashes.
func (l *leaves) listWords(t []uint64, hashes []kernel.Block, lo, n int) {
	size := 1 << l.b
	m := z2k.Mask(l.width())
	for j := range n {
		cut := l.cut[(lo+j)*l.cuts : (lo+j+1)*l.cuts]
		keys := hashes[j*size : (j+1)*size]
		w := keys[0][0] ^ l.word(cut, 0)
		for v := 1; v < size; v++ {
			t[j*(size-1)+v-1] = (keys[v][0] ^ l.word(cut, uint64(v)) ^ w) & m
		}
		l.dst[lo+j] ^= w & m
	}
}

// packWords is listWords with all words of an element in one.
func (l *leaves) packWords(t []uint64, hashes []kernel.Block, lo int) {
	size, width := 1<<l.b, l.width()
	m := z2k.Mask(width)
	ones := z2k.Mask(width<<l.b) / m // bit 0 of each word
	kernel.PackLow(t, hashes, size, width)
	for j, words := range t {
		for i, c := range l.cut[(lo+j)*l.cuts : (lo+j+1)*l.cuts] {
			// The bit of v = d, and of all v > d.
			at := int(c>>(l.shift&63)&(1<<l.b-1)) * width & 63
			words ^= ones << at << (width & 63) << (i & 63)
			if l.equal {
				words ^= 1 << at << ((l.cuts + i) & 63)
			}
		}
		w := words & m
		l.dst[lo+j] ^= w
		t[j] = (words ^ w*ones) >> (width & 63)
	}
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
	if l.packed() {
		return l.receivePacked(s, lo, hi, payload)
	}
	others := 1<<l.b - 1
	t := grow(&s.vals, (hi-lo)*others)
	s.vals = t
	if err := z2k.Unpack(t, payload, l.width()); err != nil {
		return err
	}
	for j := lo; j < hi; j++ {
		l.dst[j] ^= pick(t[(j-lo)*others:(j-lo+1)*others], l.digit(j))
	}
	return nil
}

// receivePacked is receive with all words of an element in one.
func (l *leaves) receivePacked(s *scratch, lo, hi int, payload []byte) error {
	width := l.width()
	m := z2k.Mask(width)
	t := grow(&s.vals, hi-lo)
	s.vals = t
	if err := z2k.Unpack(t, payload, width<<l.b-width); err != nil {
		return err
	}
	x, dst := l.x[lo:hi], l.dst[lo:hi]
	for j, words := range t {
		// Word 0 is zero. A shift by a secret takes a constant time.
		d := int(x[j] >> (l.shift & 63) & (1<<l.b - 1))
		dst[j] ^= words << (width & 63) >> (d * width & 63) & m
	}
	return nil
}
