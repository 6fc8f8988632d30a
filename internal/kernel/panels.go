package kernel

import (
	"encoding/binary"
	"math/bits"
)

// Resize returns p as a matrix of k×cols in the same memory, which must hold it. Elements are those of before.
func (p *Panels) Resize(k, cols int) *Panels {
	return &Panels{K: k, Cols: cols, data: p.data[:padded(cols)*k]}
}

// Columns returns the columns from, from+1, ..., from+cols-1 of p, in the same memory; from is a multiple of 8.
func (p *Panels) Columns(from, cols int) *Panels {
	p.part(0, from, padded(cols))
	return &Panels{K: p.K, Cols: cols, data: p.data[from*p.K:][:padded(cols)*p.K]}
}

// Clear writes zeros to a part of row k: to column col, a multiple of 8, and on, n, a multiple of 8.
func (p *Panels) Clear(k, col, n int) {
	for g := range p.part(k, col, n) {
		clear(p.data[((col/lanes+g)*p.K+k)*lanes:][:lanes])
	}
}

// Columns returns the columns from, from+1, ..., from+cols-1 of r, in the same memory; from is a multiple of 8.
func (r *Residues) Columns(from, cols int) *Residues {
	if from%lanes != 0 || from < 0 || cols < 0 || from+padded(cols) > r.stride {
		panic("kernel: internal error: columns outside a matrix")
	}
	return &Residues{M: r.M, Cols: cols, stride: r.stride, data: r.data[from:]}
}

// setWords is [Panels.SetStream] for the words in src, which holds a multiple of 64 bytes.
func (p *Panels) setWords(k, col int, src []byte, q Modulus) bool {
	groups := p.part(k, col, len(src)/8)
	mask := ^uint64(0) >> bits.LeadingZeros64(q.Q)
	var bad uint64
	for g := range groups {
		d := p.data[((col/lanes+g)*p.K+k)*lanes:][:lanes]
		for j := range d {
			v := binary.LittleEndian.Uint64(src[64*g+8*j:]) & mask
			_, below := bits.Sub64(v, q.Q, 0)
			bad |= 1 - below
			d[j] = v
		}
	}
	return bad == 0
}

// A Stored is how numbers below a modulus of two primes of equal length are stored without their low bits: 64 bits each
// in one place, all in turn, and the rest, of High bits each, in another.
type Stored struct {
	Drop, High int // bits left out, bits above the first 64 that are kept
	half       uint64
	length     int      // of a prime in bits
	top        uint64   // numbers from top·2^length on are left to others
	fold       []uint64 // 2^length mod each prime
	constants  []storedConstants
}

// NewStored describes numbers up to limitHi·2^64 + limitLo, which is one less than the product of the primes qs, without
// their low drop bits. ok is false where this form does not serve: other than two primes, or not just below one power of
// two, or too few or too many bits left out.
func NewStored(qs []Modulus, limitLo, limitHi uint64, drop int) (s *Stored, ok bool) {
	if len(qs) != 2 {
		return nil, false
	}
	b := bits.Len64(qs[0].Q)
	s = &Stored{Drop: drop, High: 2*b - drop - 64, length: b, half: uint64(1) << drop >> 1, top: limitLo>>b | limitHi<<(64-b)}
	for _, q := range qs {
		c := uint64(1)<<b - q.Q
		if b < 40 || b > 51 || bits.Len64(q.Q) != b || c >= 1<<18 {
			return nil, false
		}
		s.fold = append(s.fold, c)
	}
	if drop < 1 || drop >= b || s.High < 1 || s.High > b-14-1 {
		return nil, false
	}
	for i, q := range qs {
		s.constants = append(s.constants, s.constantsOf(q.Q, s.fold[i]))
	}
	return s, true
}

// SetStored writes a part of row k: to column col, a multiple of 8, and on, n numbers, a multiple of 8, modulo prime i
// of s, their missing bits taken as half of what they can hold. lo has the first 64 bits of each, high the rest, from a
// byte's border on. It reports whether all are below the top of s; if not, the caller must write the row in another way.
func (p *Panels) SetStored(k, col, n int, lo, high []byte, s *Stored, i int) bool {
	groups := p.part(k, col, n)
	if groups == 0 {
		return true
	}
	at := p.data[(col/lanes*p.K+k)*lanes:]
	_, _, _ = at[(groups-1)*p.K*lanes+lanes-1], lo[64*groups-1], high[s.High*groups-1]
	q, c, b := uint64(1)<<s.length-s.fold[i], s.fold[i], s.length
	if best >= avx512 {
		return panelStored(&at[0], p.K*64, &lo[0], &high[0], groups, s.High, &s.constants[i]) < s.top
	}
	var most uint64
	for g := range groups {
		d := (*[lanes]uint64)(at[g*p.K*lanes:])
		for j := range d {
			v := binary.LittleEndian.Uint64(lo[64*g+8*j:])
			h := field(high[s.High*g:], j*s.High, s.High)
			a1 := v>>(b-s.Drop) | h<<(64+s.Drop-b)
			a0 := (v<<s.Drop | s.half) & (1<<b - 1)
			most = max(most, a1)
			hi, l := bits.Mul64(a1, c)
			// a1·c < 2^(b+18): fold what is above b bits once more, then the rest is below 2^b + 2^37.
			t := (hi<<(64-b)|l>>b)*c + l&(1<<b-1) + a0
			t = t>>b*c + t&(1<<b-1)
			u, borrow := bits.Sub64(t, q, 0)
			d[j] = u + q&-borrow
		}
	}
	return most < s.top
}

// part checks that n elements from column col on are inside row k, and returns their number of groups of eight.
func (p *Panels) part(k, col, n int) int {
	if k < 0 || k >= p.K && p.K > 0 || col%lanes != 0 || n%lanes != 0 || col < 0 || n < 0 || col+n > padded(p.Cols) {
		panic("kernel: internal error: part of a row outside the panels")
	}
	return n / lanes
}

// field is the number of width bits, up to 57, at bit at of b.
func field(b []byte, at, width int) uint64 {
	var v uint64
	for j := range min(8, len(b)-at/8) {
		v |= uint64(b[at/8+j]) << (8 * j)
	}
	return v >> (at % 8) & (1<<width - 1)
}

// storedConstants is what panelStored reads, in this order.
type storedConstants struct {
	high   uint64 // 0: mask of the high part
	down   uint64 // 8: shift of the low part to the upper half
	up     uint64 // 16: shift of the high part to the upper half
	drop   uint64 // 24
	half   uint64 // 32
	mask   uint64 // 40: of the lower half
	fold   uint64 // 48: 2^length mod q
	fold52 uint64 // 56: 2^52 mod q
	length uint64 // 64
	q      uint64 // 72
	bytes  uint64 // 80: mask of the bytes of eight high parts
	shift  [8]uint64
	index  [64]byte
}

func (s *Stored) constantsOf(q, fold uint64) storedConstants {
	b := s.length
	f := storedConstants{
		high: uint64(1)<<s.High - 1, down: uint64(b - s.Drop), up: uint64(64 + s.Drop - b), drop: uint64(s.Drop), half: s.half,
		mask: uint64(1)<<b - 1, fold: fold, fold52: fold << (52 - b), length: uint64(b), q: q, bytes: uint64(1)<<s.High - 1,
	}
	for lane := range lanes {
		bit := lane * s.High
		for j := range 8 {
			f.index[8*lane+j] = byte(min(bit/8+j, 63))
		}
		f.shift[lane] = uint64(bit % 8)
	}
	return f
}
