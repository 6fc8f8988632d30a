package kernel

import (
	"fmt"
	"math/bits"
)

// Modulus is an odd modulus q < 2^60 with the constants of its Montgomery reduction by 2^64.
type Modulus struct {
	Q   uint64
	inv uint64 // q^-1 mod 2^64
	r2  uint64 // 2^128 mod q
}

// NewModulus prepares q, which must be odd, greater than 2 and below 2^60.
func NewModulus(q uint64) Modulus {
	if q%2 == 0 || q < 3 || q >= 1<<60 {
		panic(fmt.Sprintf("kernel: internal error: modulus %#x", q))
	}
	inv := q // correct to 3 bits; every step doubles them
	for range 5 {
		inv *= 2 - q*inv
	}
	_, r := bits.Div64(1, 0, q) // 2^64 mod q
	hi, lo := bits.Mul64(r, r)
	_, r2 := bits.Div64(hi%q, lo, q)
	return Modulus{Q: q, inv: inv, r2: r2}
}

// Reduce returns (hi·2^64 + lo)·2^-64 mod q in [0, q). It needs hi < q and takes the same time for every value.
func (m Modulus) Reduce(hi, lo uint64) uint64 {
	h, _ := bits.Mul64(lo*m.inv, m.Q)
	t, borrow := bits.Sub64(hi, h, 0)
	return t + m.Q&-borrow
}

// Mont returns x·2^64 mod q for x of any size.
func (m Modulus) Mont(x uint64) uint64 {
	hi, lo := bits.Mul64(x, m.r2) // r2 < q, so hi < q
	return m.Reduce(hi, lo)
}

// MontSigned is Mont of a signed number.
func (m Modulus) MontSigned(x int64) uint64 {
	neg := uint64(x >> 63)
	y := m.Mont((uint64(x) ^ neg) - neg) // |x|
	// q - y if negative and y != 0.
	nz := (y | -y) >> 63
	return y ^ (y^(m.Q-y))&neg&-nz
}

// Scalars holds an m×k matrix of multipliers for [MulAdd]: pairs of rows interleaved, in Montgomery form, an odd last
// row paired with zeros.
type Scalars struct {
	M, K int
	data []uint64 // [(M+1)/2][K][2]
}

// NewScalars packs x[m][k], whose rows are stride apart and hold signed numbers, modulo q.
func NewScalars(x []int64, m, k, stride int, q Modulus) *Scalars {
	s := &Scalars{M: m, K: k, data: make([]uint64, (m+1)/2*2*k)}
	for i := range m {
		row := s.data[i/2*2*k:]
		for j, v := range x[i*stride : i*stride+k] {
			row[2*j+i%2] = q.MontSigned(v)
		}
	}
	return s
}

// Panels holds a k×cols matrix of residues for [MulAdd]: pairs of columns, each pair contiguous over the rows.
type Panels struct {
	K, Cols int
	data    []uint64 // [(Cols+1)/2][K][2]
}

// NewPanels returns a zero matrix.
func NewPanels(k, cols int) *Panels {
	return &Panels{K: k, Cols: cols, data: make([]uint64, (cols+1)/2*2*k)}
}

// SetRow writes src to row k from column col on.
func (p *Panels) SetRow(k, col int, src []uint64) {
	if k >= p.K || col+len(src) > p.Cols {
		panic("kernel: internal error: row outside the panels")
	}
	for j, v := range src {
		c := col + j
		p.data[(c/2*p.K+k)*2+c%2] = v
	}
}

// SetRows4 writes four rows at once, rows k to k+3, from the even column col on: one cache line per pair of columns.
func (p *Panels) SetRows4(k, col int, r0, r1, r2, r3 []uint64) {
	if k+4 > p.K || col%2 != 0 || col+len(r0) > p.Cols {
		panic("kernel: internal error: rows outside the panels")
	}
	n := len(r0) &^ 1
	r1, r2, r3 = r1[:len(r0)], r2[:len(r0)], r3[:len(r0)]
	for j := 0; j < n; j += 2 {
		d := p.data[((col+j)/2*p.K+k)*2:][:8]
		d[0], d[1] = r0[j], r0[j+1]
		d[2], d[3] = r1[j], r1[j+1]
		d[4], d[5] = r2[j], r2[j+1]
		d[6], d[7] = r3[j], r3[j+1]
	}
	if n < len(r0) {
		d := p.data[((col+n)/2*p.K+k)*2:][:8]
		d[0], d[2], d[4], d[6] = r0[n], r1[n], r2[n], r3[n]
	}
}

// MaxInner is the largest inner dimension one call of [MulAdd] can accumulate without reducing in between.
func (m Modulus) MaxInner() int {
	q, _ := bits.Div64(1, 0, m.Q) // 2^64/q
	return int(min(q, 1<<30))
}

// MulAdd adds x·p mod q to dst for the pairs of columns from..to of p: dst[m][cols] ← dst + x[m][k]·p[k][cols]. Rows of
// dst are stride apart; all its elements are and stay in [0, q). Calls on disjoint ranges of pairs may run at the same
// time. x and p must agree on k, at most q.MaxInner().
func MulAdd(dst []uint64, stride int, x *Scalars, p *Panels, from, to int, q Modulus) {
	if x.K != p.K || p.K > q.MaxInner() || stride < p.Cols || to > (p.Cols+1)/2 {
		panic(fmt.Sprintf("kernel: internal error: scalars %d×%d, panels %d×%d, stride %d", x.M, x.K, p.K, p.Cols, stride))
	}
	k2 := 2 * p.K
	for c := from; c < to; c++ {
		panel := p.data[c*k2 : (c+1)*k2]
		both := 2*c+1 < p.Cols
		for i := 0; i < x.M; i += 2 {
			h00, l00, h01, l01, h10, l10, h11, l11 := mul2x2(x.data[i*p.K:i*p.K+k2], panel)
			d := dst[i*stride+2*c:]
			d[0] = q.add(d[0], q.Reduce(h00, l00))
			if both {
				d[1] = q.add(d[1], q.Reduce(h01, l01))
			}
			if i+1 < x.M {
				d = d[stride:]
				d[0] = q.add(d[0], q.Reduce(h10, l10))
				if both {
					d[1] = q.add(d[1], q.Reduce(h11, l11))
				}
			}
		}
	}
}

// mul2x2 is the register tile: the four 128-bit sums of two rows of x times two columns of c, both interleaved.
func mul2x2(x, c []uint64) (h00, l00, h01, l01, h10, l10, h11, l11 uint64) {
	c = c[:len(x)]
	for i := 0; i < len(x)-1; i += 2 {
		var hi, lo, carry uint64
		hi, lo = bits.Mul64(x[i], c[i])
		l00, carry = bits.Add64(l00, lo, 0)
		h00, _ = bits.Add64(h00, hi, carry)
		hi, lo = bits.Mul64(x[i], c[i+1])
		l01, carry = bits.Add64(l01, lo, 0)
		h01, _ = bits.Add64(h01, hi, carry)
		hi, lo = bits.Mul64(x[i+1], c[i])
		l10, carry = bits.Add64(l10, lo, 0)
		h10, _ = bits.Add64(h10, hi, carry)
		hi, lo = bits.Mul64(x[i+1], c[i+1])
		l11, carry = bits.Add64(l11, lo, 0)
		h11, _ = bits.Add64(h11, hi, carry)
	}
	return
}

func (m Modulus) add(a, b uint64) uint64 {
	t, borrow := bits.Sub64(a+b, m.Q, 0)
	return t + m.Q&-borrow
}
