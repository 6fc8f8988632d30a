package ot

import (
	"fmt"
	"slices"

	"nimbus/internal/fixed"
	"nimbus/internal/tensor"
	"nimbus/internal/z2k"
	"nimbus/runtime/share"
)

// squaring is a Square under way: its OTs can share a round with others.
type squaring struct {
	p     *Protocol
	x     []uint64
	width int
	cross []uint64 // shares of x0·x1 mod 2^(width-1)

	bits int      // of the halves if x is bounded, otherwise 0
	top  []uint64 // bounded: this party's half's top bit
	wrap []uint64 // shares of what the wrap of the halves adds
}

// startSquare prepares the square of x mod 2^width. If bound has bits, x lies
// within it, and the halves are reduced so far that few bits choose:
//
//	x0 + x1 = x + w·2^bits      x0 the client's, in [0, 2^bits)
//
// the server's half being moved so that the sum's top bit is set. Then the halves
// wrap exactly if both have theirs set, w = t0·t1, and
//
//	x² = (x0 + x1)² − 2^(bits+1)·w·(x0 + x1 − 2^(bits−1))
//
// The last product is t0·(t1·x1') + t1·(t0·x0): one COT in each direction.
func (p *Protocol) startSquare(x []uint64, width int, bound fixed.SquareBound) *squaring {
	s := &squaring{p: p, x: x, width: width, cross: make([]uint64, len(x)), bits: bound.Bits}
	if s.bits == 0 {
		return s
	}
	s.x, s.top, s.wrap = make([]uint64, len(x)), make([]uint64, len(x)), make([]uint64, len(x))
	var move uint64
	if p.server() {
		move = 1<<(s.bits-1) - uint64(bound.Lo)
	}
	for i, v := range x {
		y := (v + move) & z2k.Mask(s.bits)
		s.top[i] = y >> (s.bits - 1)
		s.x[i] = y - move
	}
	return s
}

// ots returns the OTs that the server sends.
func (s *squaring) ots() []ots {
	var all []ots
	choices := s.width - 1
	if s.bits > 0 {
		choices = min(choices, s.bits)
	}
	for i := 0; i < choices && len(s.x) > 0; i++ {
		c := &cots{n: len(s.x), cols: 1, width: s.width - 1 - i, shift: i, dst: s.cross}
		if s.p.server() {
			c.c = s.x
		} else {
			c.bits, c.bit = s.x, i
		}
		all = append(all, c)
	}
	return append(all, s.wraps(s.p.server(), 1<<s.bits>>1)...)
}

// clientOTs returns those that the client sends.
func (s *squaring) clientOTs() []ots { return s.wraps(!s.p.server(), 0) }

// wraps is the product of the receiver's top bit with the sender's top bit times
// its half, less sub.
func (s *squaring) wraps(sender bool, sub uint64) []ots {
	w := s.width - s.bits - 1
	if s.bits == 0 || w <= 0 || len(s.x) == 0 {
		return nil
	}
	c := &cots{n: len(s.x), cols: 1, width: w, dst: s.wrap}
	if !sender {
		c.bits = s.top
		return []ots{c}
	}
	c.c = make([]uint64, len(s.x))
	for i, v := range s.x {
		c.c[i] = s.top[i] * (v - sub)
	}
	return []ots{c}
}

func (s *squaring) result() []uint64 {
	out := make([]uint64, len(s.x))
	for i, x := range s.x {
		out[i] = x*x + 2*s.cross[i]
		if s.bits > 0 {
			out[i] -= s.wrap[i] << (s.bits + 1)
		}
		out[i] &= z2k.Mask(s.width)
	}
	return out
}

// Square squares, into a ring that may be narrower than x's.
//
//	[x²]_A, width w ← Square([x]_A), w <= l       exact mod 2^w
//
// x² = x0² + x1² + 2·x0·x1, so the one cross term is needed mod 2^(w−1) only:
// bit i of the client's half chooses whether 2^i·x1 is added, w−1−i bits wide.
//
//	Client                              Server
//	bits of x0 as choices        ──▶
//	                             ◀──    x1 as correction, w−1−i bits for bit i
//
// Reference: SIRNN, section on squaring. Cost: cost.SquareCost.
func (p *Protocol) Square(x share.Arith, outWidth int) (share.Arith, error) {
	if err := check("square", x); err != nil {
		return share.Arith{}, err
	}
	if outWidth < 1 || outWidth > x.Width {
		return share.Arith{}, fmt.Errorf("square: result of %d bits from %v: want 1..%d", outWidth, x, x.Width)
	}
	s := p.startSquare(x.V, outWidth, fixed.SquareBound{})
	if all := s.ots(); len(all) > 0 {
		if err := p.exchange(p.serverSends(all...)); err != nil {
			return share.Arith{}, fmt.Errorf("square: %w", err)
		}
	}
	return like(x, outWidth, s.result()), nil
}

// MulSS multiplies two shared values.
//
//	[x·y]_A ← MulSS([x]_A, [y]_A)       exact mod 2^l
//
// x·y = x0·y0 + x1·y1 + x0·y1 + x1·y0: for each cross term one party's bits of y
// choose multiples 2^i of the other's half of x, l−i bits wide. y has x's shape,
// or its shape with a last axis of 1: then one bit of y chooses a whole row of
// x, and a row costs the choices of one element. Both directions go in the same
// half-rounds. Widths are equal, as is the result's.
//
// Reference: SecureML, section 4.1; SIRNN. Cost: cost.MulSSCost.
func (p *Protocol) MulSS(x, y share.Arith) (share.Arith, error) {
	for _, v := range []share.Arith{x, y} {
		if err := check("mul_ss", v); err != nil {
			return share.Arith{}, err
		}
	}
	rows, cols, err := broadcast(x, y)
	if err != nil {
		return share.Arith{}, err
	}
	l := x.Width
	out := make([]uint64, len(x.V))
	for i := range x.V {
		out[i] = x.V[i] * y.V[i/cols]
	}
	var recv, send []ots
	for i := 0; i < l && len(out) > 0; i++ {
		s := cots{n: rows, cols: cols, width: l - i, shift: i, dst: out}
		r := s
		r.bits, r.bit = y.V, i
		s.c = x.V
		recv, send = append(recv, &r), append(send, &s)
	}
	if err := p.exchange(recv, send); err != nil {
		return share.Arith{}, fmt.Errorf("mul_ss: %w", err)
	}
	return like(x, l, out), nil
}

// broadcast returns x as rows × cols with one element of y for each row.
func broadcast(x, y share.Arith) (rows, cols int, err error) {
	if x.Width != y.Width {
		return 0, 0, fmt.Errorf("mul_ss: %v by %v: want equal widths", x, y)
	}
	if slices.Equal(x.Shape, y.Shape) {
		return len(x.V), 1, nil
	}
	if n := len(x.Shape); n > 0 && len(y.Shape) == n && y.Shape[n-1] == 1 && slices.Equal(x.Shape[:n-1], y.Shape[:n-1]) {
		rows, cols = tensor.Last(x.Shape)
		return rows, max(cols, 1), nil
	}
	return 0, 0, fmt.Errorf("mul_ss: %v by %v: want equal shapes, or a last axis of 1", x, y)
}

// Mul multiplies a shared value with a vector that only the server knows, along
// the last axis.
//
//	[x·v]_A ← Mul([x]_A, v)      exact mod 2^l
//
// v holds signed values of vbits bits, as elements of Z_2^vbits; the client
// passes nil. The server multiplies its own half itself. For the client's, bit
// i of v_j chooses the column j of x0 times 2^i, l−i bits wide, the top bit
// counting −2^(vbits−1).
//
//	Client                              Server
//	                             ◀──    bits of v as choices
//	columns of x0                ──▶
//
// Cost: cost.MulCost.
func (p *Protocol) Mul(x share.Arith, v []uint64, vbits int) (share.Arith, error) {
	if err := check("mul", x); err != nil {
		return share.Arith{}, err
	}
	rows, cols := tensor.Last(x.Shape)
	if vbits < 1 || vbits > 64 {
		return share.Arith{}, fmt.Errorf("mul: values of %d bits: want 1..64", vbits)
	}
	if p.server() && len(v) != cols || !p.server() && v != nil {
		return share.Arith{}, fmt.Errorf("mul: %d private values for %v: want %d at the server, none at the client", len(v), x, cols)
	}
	l := x.Width
	// Columns as rows: [cols, rows].
	xt, neg, out := make([]uint64, len(x.V)), make([]uint64, len(x.V)), make([]uint64, len(x.V))
	for r := range rows {
		for j := range cols {
			a := x.V[r*cols+j]
			xt[j*rows+r], neg[j*rows+r] = a, -a
			if p.server() {
				out[j*rows+r] = a * uint64(z2k.Signed(v[j]&z2k.Mask(vbits), vbits))
			}
		}
	}
	var sets []ots
	for i := 0; i < min(vbits, l) && len(out) > 0; i++ {
		c := &cots{n: cols, cols: rows, width: l - i, shift: i, dst: out}
		if p.server() {
			c.bits, c.bit = v, i
		} else if c.c = xt; i == vbits-1 {
			c.c = neg
		}
		sets = append(sets, c)
	}
	recv, send := p.serverSends(sets...)
	if err := p.exchange(send, recv); err != nil { // the client sends
		return share.Arith{}, fmt.Errorf("mul: %w", err)
	}
	res := make([]uint64, len(out))
	for r := range rows {
		for j := range cols {
			res[r*cols+j] = out[j*rows+r]
		}
	}
	return like(x, l, res), nil
}
