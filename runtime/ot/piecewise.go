package ot

import (
	"fmt"

	"nimbus/internal/fixed"
	"nimbus/internal/z2k"
	"nimbus/runtime/share"
)

// Piecewise evaluates a function of one variable, element by element: a
// polynomial of degree at most two per interval.
//
//	[f(x)]_A, format Out ← Piecewise([x]_A, format In)
//
// within f.MaxUlp() of f.Eval away from the cuts; within 2^Drop above a cut the
// lower piece may be taken. x must lie in f.Domain().
//
//  1. b_j = 1{x >= Cuts[j-1]} for all cuts, and x² beside it, right where a
//     quadratic piece applies
//  2. the pieces, locally: quadratic ones shrunk to MidFrac fraction bits
//  3. one round trip of selections by b_i ⊕ b_j, summed per group
//  4. one round trip of truncations into Out.Width, if either is not local
//
// Reference: the two-cut form is GELU in Nimbus (Li et al., NeurIPS 2024,
// section 4). Cost: cost.PiecewiseCost.
func (p *Protocol) Piecewise(x share.Arith, f fixed.Piecewise) (share.Arith, error) {
	if err := check("piecewise", x); err != nil {
		return share.Arith{}, err
	}
	if err := f.Check(); err != nil {
		return share.Arith{}, fmt.Errorf("piecewise: %w", err)
	}
	if x.Width != f.In.Width {
		return share.Arith{}, fmt.Errorf("piecewise: %v for a function of %v: want equal widths", x, f.In)
	}
	out, err := p.piecewise(x.V, f)
	if err != nil {
		return share.Arith{}, fmt.Errorf("piecewise: %w", err)
	}
	return like(x, f.Out.Width, out), nil
}

func (p *Protocol) piecewise(x []uint64, f fixed.Piecewise) ([]uint64, error) {
	n := len(x)

	// 1.
	x2, bits, err := p.cutsAndSquare(x, f)
	if err != nil {
		return nil, err
	}

	// 2 and 3.
	var sel []selection
	quad, quadSel := p.group(f, fixed.Quadratic, x, x2, bits, f.WidthMid())
	lin, linSel := p.group(f, fixed.Linear, x, nil, bits, f.WidthLin)
	sel = append(append(sel, quadSel...), linSel...)
	if len(sel) > 0 {
		chosen, err := p.mux(sel)
		if err != nil {
			return nil, err
		}
		for i, v := range chosen {
			sum := quad
			if i >= len(quadSel) {
				sum = lin
			}
			for e := range v {
				sum[e] += v[e]
			}
		}
	}

	// 4.
	out := make([]uint64, n)
	var ends []*truncation
	var shifts []int
	if f.HasQuadratic() {
		w, shl := f.QuadExtend()
		reduce(quad, f.WidthMid())
		ends, shifts = append(ends, p.startTruncFrom(quad, f.WidthMid(), 0, w, f.Least(fixed.Quadratic))), append(shifts, shl)
	}
	if f.HasLinear() {
		drop, w, shl := f.LinTrunc()
		reduce(lin, f.WidthLin)
		ends, shifts = append(ends, p.startTruncFrom(lin, f.WidthLin, drop, w, f.Least(fixed.Linear))), append(shifts, shl)
	}
	if err := p.truncAll(ends...); err != nil {
		return nil, err
	}
	for i, t := range ends {
		for e, v := range t.result() {
			out[e] += v << shifts[i]
		}
	}
	reduce(out, f.Out.Width)
	return out, nil
}

// cutsAndSquare compares x with all cuts, [n, cuts], and squares it mod
// 2^SquareWidth beside it if there is a quadratic piece, right where one applies.
func (p *Protocol) cutsAndSquare(x []uint64, f fixed.Piecewise) (x2 []uint64, bits []uint8, err error) {
	n, k := len(x), len(f.Cuts)
	var cuts []int64
	if p.server() {
		cuts = f.Cuts
	}
	var first, back []ots // sent by the server, by the client
	var cmp *comparison
	if k > 0 {
		cmp = p.startCmp(x, f.In.Width, cuts, k, CmpOpts{Keep: f.Keep, Drop: f.Drop, Layout: f.Layout})
		first = append(first, cmp.ots()...)
	}
	var sq *squaring
	if f.HasQuadratic() {
		reduced, w := make([]uint64, n), f.SquareWidth()
		z2k.Reduce(reduced, x, w)
		sq = p.startSquare(reduced, w, f.SquareBound())
		first, back = append(first, sq.ots()...), sq.clientOTs()
	}
	if len(first) > 0 {
		recv, send := p.serverSends(first...)
		answered, answering := p.serverSends(back...)
		if err := p.exchange(append(recv, answering...), append(send, answered...)); err != nil {
			return nil, nil, err
		}
	}
	if sq != nil {
		x2 = sq.result()
	}
	if cmp != nil {
		bits, err = cmp.result()
	}
	return x2, bits, err
}

// group returns this party's half of what a group adds unconditionally, and
// the group's selections.
func (p *Protocol) group(f fixed.Piecewise, kind fixed.PolyKind, x, x2 []uint64, bits []uint8, width int) (sum []uint64, sel []selection) {
	n, k := len(x), len(f.Cuts)
	sum = make([]uint64, n)
	base, terms := f.Terms(kind)
	if base >= 0 {
		p.piece(sum, f, kind, base, x, x2)
	}
	for _, t := range terms {
		s := selection{b: make([]uint8, n), x: make([]uint64, n), width: width}
		if t.P >= 0 {
			p.piece(s.x, f, kind, t.P, x, x2)
		}
		if t.Q >= 0 {
			q := make([]uint64, n)
			p.piece(q, f, kind, t.Q, x, x2)
			z2k.Sub(s.x, s.x, q, width)
		}
		for e := range s.b {
			switch {
			case t.Lo > 0:
				s.b[e] = bits[e*k+t.Lo-1]
			case p.server():
				s.b[e] = 1
			}
			if t.Hi <= k {
				s.b[e] ^= bits[e*k+t.Hi-1]
			}
		}
		sel = append(sel, s)
	}
	return sum, sel
}

// piece sets dst to this party's half of what piece i is in a group, before
// selection.
func (p *Protocol) piece(dst []uint64, f fixed.Piecewise, group fixed.PolyKind, i int, x, x2 []uint64) {
	q := f.Pieces[i].Part(group)
	c0, c1, c2 := uint64(q.C[0]), uint64(q.C[1]), uint64(q.C[2])
	if group == fixed.Linear {
		if !p.server() {
			c0 = 0
		}
		for e, v := range x {
			dst[e] = (c1*v + c0) & z2k.Mask(f.WidthLin)
		}
		return
	}
	drop := f.FracAcc - f.MidFrac
	if !p.server() {
		c0 = 1<<drop - 1 // rounding, as in share.Shrink
	}
	for e, v := range x {
		dst[e] = (c2*x2[e] + c1*v + c0) & z2k.Mask(f.WidthAcc) >> drop
	}
}
