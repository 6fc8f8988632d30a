package kernel

import (
	"fmt"
	"math"
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

// lanes is the width of panels, of groups of rows and of the vector kernel's tile.
const lanes = 8

func padded(n int) int { return (n + lanes - 1) / lanes * lanes }

// Scalars holds an m×k matrix of multipliers for [MulAdd]: groups of eight rows interleaved, in Montgomery form of the
// kernel that will read them, the last group filled with zeros.
type Scalars struct {
	M, K  int
	data  []uint64 // [padded(M)/8][K][8]
	level level    // of the kernel that reads it
	sums  []int64  // at level avx2, of the rows
}

// level is that of the kernel which serves q here.
func (m Modulus) level() level {
	if m.Q >= 1<<52 {
		return plain
	}
	return best
}

// NewScalars packs x[m][k], whose rows are stride apart and hold signed numbers, modulo q.
func NewScalars(x []int64, m, k, stride int, q Modulus) *Scalars {
	s := &Scalars{M: m, K: k, data: make([]uint64, padded(m)*k), level: q.level(), sums: make([]int64, padded(m))}
	more := q.Mont(1 << 40) // times 2^40 on top of 2^64
	for i := range m {
		group := s.data[i/lanes*lanes*k+i%lanes:]
		for j, v := range x[i*stride : i*stride+k] {
			r := q.MontSigned(v)
			switch s.level {
			case avx512: // in form of 2^104
				hi, lo := bits.Mul64(r, more)
				r = q.Reduce(hi, lo)
			case avx2:
				c := q.centred(r)
				s.sums[i] += c
				r = math.Float64bits(float64(c))
			}
			group[j*lanes] = r
		}
	}
	return s
}

// centred is the number of magnitude up to q/2 that is r modulo q.
func (m Modulus) centred(r uint64) int64 { return int64(r) - int64(m.Q&-((m.Q/2-r)>>63)) }

// Panels holds a k×cols matrix of residues for [MulAdd]: groups of eight columns, each contiguous over the rows, the last
// filled with zeros.
type Panels struct {
	K, Cols int
	data    []uint64 // [padded(Cols)/8][K][8]
}

// NewPanels returns a zero matrix.
func NewPanels(k, cols int) *Panels {
	return &Panels{K: k, Cols: cols, data: make([]uint64, padded(cols)*k)}
}

// Count is the number of panels.
func (p *Panels) Count() int { return padded(p.Cols) / lanes }

// SetRow writes a part of row k: to column col, a multiple of 8, and on. Calls for different rows may run at the same
// time.
func (p *Panels) SetRow(k, col int, row []uint64) {
	if k >= p.K || col%lanes != 0 || col < 0 || col+len(row) > p.Cols {
		panic(fmt.Sprintf("kernel: internal error: %d elements from column %d of row %d, panels %d×%d", len(row), col, k, p.K, p.Cols))
	}
	at := (col/lanes*p.K + k) * lanes
	for ; len(row) >= lanes; row = row[lanes:] {
		d, v := (*[lanes]uint64)(p.data[at:]), (*[lanes]uint64)(row)
		// Written out, or the compiler calls memmove.
		d[0], d[1], d[2], d[3] = v[0], v[1], v[2], v[3]
		d[4], d[5], d[6], d[7] = v[4], v[5], v[6], v[7]
		at += p.K * lanes
	}
	if len(row) > 0 {
		copy(p.data[at:], row)
	}
}

// Residues holds the m×cols sums of [MulAdd], all in [0, q).
type Residues struct {
	M, Cols int
	stride  int
	data    []uint64 // [padded(M)][padded(Cols)]
}

// NewResidues returns zeros.
func NewResidues(m, cols int) *Residues {
	return &Residues{M: m, Cols: cols, stride: padded(cols), data: make([]uint64, padded(m)*padded(cols))}
}

// Resize returns zeros in the memory of r if they fit; r, which may be nil, is not used any longer.
func (r *Residues) Resize(m, cols int) *Residues {
	n := padded(m) * padded(cols)
	if r == nil || cap(r.data) < n {
		return NewResidues(m, cols)
	}
	data := r.data[:n]
	clear(data)
	return &Residues{M: m, Cols: cols, stride: padded(cols), data: data}
}

// Row returns row i.
func (r *Residues) Row(i int) []uint64 { return r.data[i*r.stride:][:r.Cols:r.Cols] }

// MaxInner is the largest inner dimension one call of [MulAdd] can accumulate without reducing in between.
func (m Modulus) MaxInner() int {
	q, _ := bits.Div64(1, 0, m.Q) // 2^64/q
	if m.Q < 1<<52 {
		return int(min(q/2, 2048)) // the vector kernel's sums of 52-bit halves fit 64 bits
	}
	return int(q)
}

// MulAdd adds x·p mod q to dst[m][cols] ← dst + x[m][k]·p[k][cols]. Calls on disjoint columns may run at the same time.
// x and p must agree on k, at most q.MaxInner(), and x must have been packed for q.
func MulAdd(dst *Residues, x *Scalars, p *Panels, q Modulus) {
	if x.K != p.K || p.K > q.MaxInner() || dst.M != x.M || dst.Cols != p.Cols {
		panic(fmt.Sprintf("kernel: internal error: scalars %d×%d, panels %d×%d, residues %d×%d", x.M, x.K, p.K, p.Cols, dst.M, dst.Cols))
	}
	if p.K == 0 {
		return
	}
	size := p.K * lanes
	for c := range p.Count() {
		panel := p.data[c*size : (c+1)*size]
		for i := 0; i < x.M; i += lanes {
			xs := x.data[i*p.K : i*p.K+size]
			d := dst.data[i*dst.stride+c*lanes:]
			switch x.level {
			case avx512:
				_ = d[(lanes-1)*dst.stride+lanes-1]
				mulAdd8x8(&d[0], dst.stride*8, &xs[0], &panel[0], p.K, q.Q, q.inv)
			case avx2:
				tileDoubles(d, dst.stride, xs, x.sums[i:i+lanes], panel, min(lanes, x.M-i), q)
			default:
				tileGo(d, dst.stride, xs, panel, min(lanes, x.M-i), q)
			}
		}
	}
}

// tileGo is the plain kernel: rows rows of an 8×8 tile, in register tiles of 2×2.
func tileGo(d []uint64, stride int, x, c []uint64, rows int, q Modulus) {
	for r := 0; r < rows; r += 2 {
		for o := 0; o < lanes; o += 2 {
			h00, l00, h01, l01, h10, l10, h11, l11 := mul2x2(x[r:], c[o:])
			e := d[r*stride+o:]
			e[0] = q.add(e[0], q.Reduce(h00, l00))
			e[1] = q.add(e[1], q.Reduce(h01, l01))
			e = e[stride:]
			e[0] = q.add(e[0], q.Reduce(h10, l10))
			e[1] = q.add(e[1], q.Reduce(h11, l11))
		}
	}
}

// tileDoubles is tileGo for q below 2^52 over the doubles of x and the sums of their rows, four rows and columns at a
// time.
//
// A number c of the panel is taken as d = c - 2^51, so that |ad| <= 2^102. Such a product comes apart by two fused
// multiply-adds: 1.5·2^103 + ad, rounded, is 1.5·2^103 + h·2^51, as doubles there lie 2^51 apart, and what is left of ad
// is a number r of magnitude up to 2^50, which a double holds exactly. Both numbers are summed up as the integers that
// their doubles' bits are: those of 1.5·2^103 + h·2^51 are those of 1.5·2^103, plus h; those of 1.5·2^52 + r are those
// of 1.5·2^52, plus r. What is missing to the sum of ac is 2^51 times the sum of a; a multiple of q makes it positive.
func tileDoubles(d []uint64, stride int, x []uint64, totals []int64, c []uint64, rows int, q Modulus) {
	k := uint64(len(c) / lanes)
	highs, lows := k*math.Float64bits(3<<102), k*math.Float64bits(3<<51)
	var sums [4][2][4]uint64
	for r := 0; r < rows; r += 4 {
		for o := 0; o < lanes; o += 4 {
			sums4x4(&sums, &x[r], &c[o], len(c)/lanes)
			for i := range min(4, rows-r) {
				e := (*[4]uint64)(d[(r+i)*stride+o:])
				more := uint64(totals[r+i]) + q.Q*(k+1) // below 2^64, in units of 2^51
				for j := range e {
					h, s := int64(sums[i][0][j]-highs), int64(sums[i][1][j]-lows)
					lo, carry := bits.Add64(uint64(h)<<51, uint64(s), 0)
					hi := uint64(h>>13) + uint64(s>>63) + carry
					lo, carry = bits.Add64(lo, more<<51, 0)
					e[j] = q.add(e[j], q.Reduce(hi+more>>13+carry, lo))
				}
			}
		}
	}
}

// mul2x2 is the register tile: the four 128-bit sums of two rows of x times two columns of c, the first of every eight.
func mul2x2(x, c []uint64) (h00, l00, h01, l01, h10, l10, h11, l11 uint64) {
	n := min(len(x), len(c)) - 1
	for i := 0; i < n; i += lanes {
		x0, x1, c0, c1 := x[i], x[i+1], c[i], c[i+1]
		var hi, lo, carry uint64
		hi, lo = bits.Mul64(x0, c0)
		l00, carry = bits.Add64(l00, lo, 0)
		h00, _ = bits.Add64(h00, hi, carry)
		hi, lo = bits.Mul64(x0, c1)
		l01, carry = bits.Add64(l01, lo, 0)
		h01, _ = bits.Add64(h01, hi, carry)
		hi, lo = bits.Mul64(x1, c0)
		l10, carry = bits.Add64(l10, lo, 0)
		h10, _ = bits.Add64(h10, hi, carry)
		hi, lo = bits.Mul64(x1, c1)
		l11, carry = bits.Add64(l11, lo, 0)
		h11, _ = bits.Add64(h11, hi, carry)
	}
	return
}

func (m Modulus) add(a, b uint64) uint64 {
	t, borrow := bits.Sub64(a+b, m.Q, 0)
	return t + m.Q&-borrow
}
