package ot

import (
	"fmt"
	"slices"

	"nimbus/internal/fixed"
	"nimbus/internal/tensor"
	"nimbus/internal/z2k"
	"nimbus/runtime/share"
)

// halved is this party's half of a value within a bound, cut to bound.Bits bits:
//
//	x0 + x1 = x + w·2^bits      x0 the client's, in [0, 2^bits)
//
// the server's half being moved so that the sum's top bit is set. Then the halves
// wrap exactly if both have theirs set, w = t0·t1. Without a bound halves stay as
// they are and there is no w.
type halved struct {
	choices []uint64 // whose low bits choose
	v       []uint64 // the half itself: the server's is its choices less what it was moved by
	top     []uint64 // t
}

func (p *Protocol) halve(x []uint64, bound fixed.Bound) halved {
	if bound.Bits == 0 {
		return halved{x, x, make([]uint64, len(x))}
	}
	h := halved{make([]uint64, len(x)), make([]uint64, len(x)), make([]uint64, len(x))}
	var move uint64
	if p.server() {
		move = bound.Move()
	}
	for i, v := range x {
		y := (v + move) & z2k.Mask(bound.Bits)
		h.choices[i], h.v[i], h.top[i] = y, y-move, y>>(bound.Bits-1)
	}
	return h
}

// squaring is a Square under way: its OTs can share a round with others.
type squaring struct {
	p     *Protocol
	x     halved
	width int
	bits  int      // of the halves if x is bounded, otherwise 0
	cross []uint64 // shares of x0·x1, less the server's part of the wrap, mod 2^(width-1)
	wrap  []uint64 // shares of the client's part
}

// startSquare prepares the square of x mod 2^width. If x is bounded,
//
//	x² = (x0 + x1)² − 2^(bits+1)·w·(x0 + x1 − 2^(bits−1))
//
// and the last product is t0·(t1·x1') + t1·(t0·x0). The first part of it goes with
// the top bit of x0, which is t0, the second is one COT in the other direction.
func (p *Protocol) startSquare(x []uint64, width int, bound fixed.Bound) *squaring {
	return &squaring{p: p, x: p.halve(x, bound), width: width, bits: bound.Bits, cross: make([]uint64, len(x)), wrap: make([]uint64, len(x))}
}

// ots returns the OTs that the server sends.
func (s *squaring) ots() []ots {
	var all []ots
	choices := s.width - 1
	if s.bits > 0 {
		choices = min(choices, s.bits)
	}
	for i := 0; i < choices && len(s.cross) > 0; i++ {
		c := &cots{n: len(s.cross), cols: 1, width: s.width - 1 - i, shift: i, dst: s.cross}
		if s.p.server() {
			c.c = s.x.v
			if i == s.bits-1 {
				c.c = make([]uint64, len(s.cross))
				for j, v := range s.x.v {
					c.c[j] = v - 2*s.x.top[j]*(v-1<<(s.bits-1))
				}
			}
		} else {
			c.bits, c.bit = s.x.choices, i
		}
		all = append(all, c)
	}
	return all
}

// clientOTs returns those that the client sends.
func (s *squaring) clientOTs() []ots {
	w := s.width - s.bits - 1
	if s.bits == 0 || w <= 0 || len(s.cross) == 0 {
		return nil
	}
	c := &cots{n: len(s.cross), cols: 1, width: w, dst: s.wrap}
	if s.p.server() {
		c.bits = s.x.top
		return []ots{c}
	}
	c.c = make([]uint64, len(s.cross))
	for i, v := range s.x.v {
		c.c[i] = s.x.top[i] * v
	}
	return []ots{c}
}

func (s *squaring) result() []uint64 {
	out := make([]uint64, len(s.cross))
	for i, x := range s.x.v {
		out[i] = (x*x + 2*s.cross[i] - s.wrap[i]<<(s.bits+1)) & z2k.Mask(s.width)
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
// Where x lies within a bound, only so many bits choose, and one COT goes the
// other way (startSquare); a value outside has a wrong square.
//
// Reference: SIRNN, section on squaring; of the bound, its known top bit. Cost:
// cost.SquareCost.
func (p *Protocol) Square(x share.Arith, outWidth int, within fixed.Bound) (share.Arith, error) {
	if err := check("square", x); err != nil {
		return share.Arith{}, err
	}
	if outWidth < 1 || outWidth > x.Width {
		return share.Arith{}, fmt.Errorf("square: result of %d bits from %v: want 1..%d", outWidth, x, x.Width)
	}
	if within.Bits > x.Width {
		return share.Arith{}, fmt.Errorf("square: a bound of %d bits on %v", within.Bits, x)
	}
	s := p.startSquare(x.V, outWidth, within.Square(outWidth))
	recv, send := p.serverSends(s.ots()...)
	answered, answering := p.serverSends(s.clientOTs()...)
	if recv, send = append(recv, answering...), append(send, answered...); len(recv)+len(send) > 0 {
		if err := p.exchange(recv, send); err != nil {
			return share.Arith{}, fmt.Errorf("square: %w", err)
		}
	}
	return like(x, outWidth, s.result()), nil
}

// MulSS multiplies two shared values.
//
//	[x·y]_A ← MulSS([x]_A, [y]_A)       exact mod 2^l, but for dropped bits
//
// x·y = x0·y0 + x1·y1 + x0·y1 + x1·y0: for each cross term one party's bits of y
// choose multiples 2^i of the other's half of x, l−i bits wide. y has x's shape,
// or its shape with a last axis of 1: then one bit of y chooses a whole row of
// x, and a row costs the choices of one element. Both directions go in the same
// half-rounds. Widths are equal, as is the result's.
//
// Where y lies within a bound, only so many bits choose: y = y0 + y1 − t0·t1·2^bits
// (halve), and −t0·t1·2^bits·x_p goes with the choice of the top bit of the other
// half, 2^(bits−1)·x_p, whose sign it turns. A row whose y lies outside is wrong.
//
// If low bits of the product are dropped, those multiples are rounded to multiples
// of 2^drop before they are sent, l−drop bits wide, and so is x_p·y_p: halves of the
// result are multiples of 2^drop, fresh above that. Error: fixed.ProductOpts.
//
// Reference: SecureML, section 4.1; SIRNN. Cost: cost.MulSSCost.
func (p *Protocol) MulSS(x, y share.Arith, o fixed.ProductOpts) (share.Arith, error) {
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
	if err := o.Check(l); err != nil {
		return share.Arith{}, fmt.Errorf("mul_ss: %w", err)
	}
	choices := o.Choices(l)
	h := p.halve(y.V, o.Within)
	out := make([]uint64, len(x.V))
	var moved uint64 // by what the other half's choices are more than the half
	if !p.server() {
		moved = o.Within.Move()
	}
	for i, v := range x.V {
		out[i] = fixed.Local(v, h.v[i/cols]-moved, o.Drop)
	}
	var recv, send []ots
	for i := 0; i < choices && len(out) > 0; i++ {
		c := x.V
		if o.Within.Bits > 0 && i == choices-1 {
			c = make([]uint64, len(out))
			for j, v := range x.V {
				c[j] = v * (1 - 2*h.top[j/cols])
			}
		}
		s := multiple(c, rows, cols, l, i, o.Drop, out)
		r := *s
		r.c, r.bits, r.bit = nil, h.choices, i
		recv, send = append(recv, &r), append(send, s)
	}
	if err := p.exchange(recv, send); err != nil {
		return share.Arith{}, fmt.Errorf("mul_ss: %w", err)
	}
	return like(x, l, out), nil
}

// multiple is the set of OTs of 2^i times c mod 2^l, [n, cols], added to dst,
// rounded if it has some of the drop low bits.
func multiple(c []uint64, n, cols, l, i, drop int, dst []uint64) *cots {
	s := &cots{n: n, cols: cols, width: l - i, shift: i, dst: dst, c: c}
	if i >= drop {
		return s
	}
	s.width, s.shift, s.c = l-drop, drop, make([]uint64, len(c))
	for j, v := range c {
		s.c[j] = (v + 1<<(drop-i-1)) >> (drop - i)
	}
	return s
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
