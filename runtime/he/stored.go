package he

import (
	"errors"
	"fmt"
	"math/bits"

	"nimbus/internal/z2k"
)

// What a section stores of the first polynomial of a ciphertext. With drop = 0 that is for each limb its residues,
// bit-packed. Otherwise the low drop bits of each coefficient, taken as an integer below the modulus, are left out, which
// anyone could do to a ciphertext; the client reads the middle of what they could have been. The integers are bit-packed
// 64 bits at a time: first the low words of all, then the rest.

// wide192 is an integer below 2^192, low word first.
type wide192 [3]uint64

func (w wide192) shr(k int) wide192 {
	for ; k >= 64; k -= 64 {
		w[0], w[1], w[2] = w[1], w[2], 0
	}
	// Go shifts by 64 to 0.
	return wide192{w[0]>>k | w[1]<<(64-k), w[1]>>k | w[2]<<(64-k), w[2] >> k}
}

func (w wide192) shl(k int) wide192 {
	for ; k >= 64; k -= 64 {
		w[0], w[1], w[2] = 0, w[0], w[1]
	}
	return wide192{w[0] << k, w[1]<<k | w[0]>>(64-k), w[2]<<k | w[1]>>(64-k)}
}

func (w wide192) add(v wide192) wide192 {
	var c uint64
	w[0], c = bits.Add64(w[0], v[0], 0)
	w[1], c = bits.Add64(w[1], v[1], c)
	w[2], _ = bits.Add64(w[2], v[2], c)
	return w
}

// less is w < v as 0 or 1.
func (w wide192) less(v wide192) uint64 {
	_, b := bits.Sub64(w[0], v[0], 0)
	_, b = bits.Sub64(w[1], v[1], b)
	_, b = bits.Sub64(w[2], v[2], b)
	return b
}

// addMul is w + a·b.
func (w wide192) addMul(a wide192, b uint64) wide192 {
	h0, l0 := bits.Mul64(a[0], b)
	h1, l1 := bits.Mul64(a[1], b)
	var c uint64
	h0, c = bits.Add64(h0, l1, 0)
	return w.add(wide192{l0, h0, h1 + c + a[2]*b})
}

// integer returns the number below the modulus with the residues x[i][j], i < mod.count: with mixed radix digits v,
// v0 + q0·(v1 + q1·v2).
func (p *params) integer(x poly, j int, mod *modulus) wide192 {
	var v wide192
	for i := range mod.count {
		l := &p.limbs[i]
		d := x[i][j]
		for k := range i {
			r := l.mod.Reduce(0, l.mod.Mont(v[k])) // primes descend, so a digit may exceed this limb's
			d = l.mulMont(l.minus(d, r), l.lift[k])
		}
		v[i] = d
	}
	w, radix := wide192{v[0]}, wide192{1}
	for i := 1; i < mod.count; i++ {
		radix = wide192{}.addMul(radix, p.limbs[i-1].q)
		w = w.addMul(radix, v[i])
	}
	return w
}

// checkStored refuses numbers of bits that cannot be left out.
func (p *params) checkStored(mod *modulus, drop int) error {
	if err := p.CheckStored(mod.count, drop); err != nil {
		return fmt.Errorf("he: %w", err)
	}
	return nil
}

// packStored appends the coefficients of x, which has the limbs of mod.
func (p *params) packStored(dst []byte, x poly, mod *modulus, drop int) []byte {
	if drop == 0 {
		for i := range mod.count {
			dst = z2k.Pack(dst, x[i], p.limbs[i].bits)
		}
		return dst
	}
	var plane [3][]uint64
	for i := range plane {
		plane[i] = make([]uint64, len(x[0]))
	}
	for j := range x[0] {
		if mod.count <= 2 {
			hi, lo := p.wide(x, j, mod)
			plane[0][j], plane[1][j] = shr(hi, lo, drop)
			continue
		}
		w := p.integer(x, j, mod).shr(drop)
		plane[0][j], plane[1][j], plane[2][j] = w[0], w[1], w[2]
	}
	width := mod.bits - drop
	for i := 0; width > 0; i++ {
		dst = z2k.Pack(dst, plane[i], min(width, 64))
		width -= 64
	}
	return dst
}

// unpackStored reads limb i of the coefficients that packStored wrote. The bytes come from the peer. scratch is at least
// twice as long as dst.
func (p *params) unpackStored(dst, scratch []uint64, data []byte, i int, mod *modulus, drop int) error {
	l := &p.limbs[i]
	if drop == 0 {
		before := p.FullPolyBytes(len(dst), i)
		if len(data) < before {
			return errors.New("a stored polynomial is cut short")
		}
		_, err := l.unpack(dst, data[before:])
		return err
	}
	n, width := len(dst), mod.bits-drop
	plane := [3][]uint64{dst, scratch[:n], scratch[n : 2*n]}
	planes := 0
	for ; width > 0; width -= 64 {
		size := z2k.PackedLen(n, min(width, 64))
		if len(data) < size {
			return errors.New("a stored polynomial is cut short")
		}
		if err := z2k.Unpack(plane[planes], data[:size], min(width, 64)); err != nil {
			return err
		}
		data = data[size:]
		planes++
	}
	clear(scratch[(planes-1)*n : 2*n])
	var bad uint64
	switch {
	case mod.bits <= 64:
		bad = l.expandOne(dst, mod.max[0], drop)
	case mod.bits <= 128:
		bad = l.expandTwo(dst, plane[1], mod.max[0], mod.max[1], drop)
	default:
		bad = l.expandThree(dst, plane[1], plane[2], mod.max, drop)
	}
	if bad != 0 {
		return errors.New("a stored coefficient is not below the modulus")
	}
	return nil
}

// expandOne puts drop bits back, at half of what they can hold or at the largest value limit, and reduces to residues. It
// returns 0 unless a number was out of range. expandTwo and expandThree do so for numbers of more words; dst holds the
// low ones.
func (l *limb) expandOne(dst []uint64, limit uint64, drop int) (bad uint64) {
	k := uint(drop) & 63
	top, half := limit>>k, uint64(1)<<k>>1
	for j, v := range dst {
		_, b := bits.Sub64(top, v, 0)
		bad |= b
		dst[j] = min(v<<k+half, limit)
	}
	return bad
}

func (l *limb) expandTwo(dst, hi []uint64, limitLo, limitHi uint64, drop int) (bad uint64) {
	topLo, topHi := shr(limitHi, limitLo, drop)
	halfHi, halfLo := shl(0, 1, drop-1)
	m := l.mod
	hi = hi[:len(dst)]
	long := drop >= 64
	k := uint(drop) & 63
	back := (64 - k) & 63
	in := -min(uint64(k), 1) // all ones unless k is 0
	for j, v := range dst {
		w := hi[j]
		_, b := bits.Sub64(topLo, v, 0)
		_, b = bits.Sub64(topHi, w, b)
		bad |= b
		if long {
			v, w = 0, v
		}
		w = w<<k | v>>back&in
		v, b = bits.Add64(v<<k, halfLo, 0)
		w, _ = bits.Add64(w, halfHi, b)
		_, b = bits.Sub64(limitLo, v, 0)
		_, b = bits.Sub64(limitHi, w, b)
		v ^= (v ^ limitLo) & -b
		w ^= (w ^ limitHi) & -b
		dst[j] = m.Mont(m.Reduce(w, v))
	}
	return bad
}

func (l *limb) expandThree(dst, mid, hi []uint64, limit wide192, drop int) (bad uint64) {
	top, half := limit.shr(drop), wide192{1}.shl(drop-1)
	for j, v := range dst {
		w := wide192{v, mid[j], hi[j]}
		bad |= top.less(w)
		if w = w.shl(drop).add(half); limit.less(w) != 0 {
			w = limit
		}
		r := l.mod.Mont(l.mod.Reduce(w[2], w[1]))
		dst[j] = l.mod.Mont(l.mod.Reduce(r, w[0]))
	}
	return bad
}
