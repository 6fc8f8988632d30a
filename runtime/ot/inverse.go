package ot

import (
	"fmt"

	"nimbus/internal/fixed"
	"nimbus/internal/z2k"
	"nimbus/runtime/share"
)

// Recip returns 1/x for x, raw, in [2^Lo, 2^Hi); see [Protocol.Rsqrt], which is
// the same protocol. v.Kind must be fixed.Recip.
func (p *Protocol) Recip(x share.Arith, v fixed.Inverse) (share.Arith, error) {
	return p.inverse(x, v, fixed.Recip)
}

// Rsqrt returns 1/sqrt(x), element by element.
//
//	[1/sqrt(x)]_A, format Out ← Rsqrt([x]_A, format In)     relative error 2^-10
//
// within v.MaxUlp() of v.Eval. The steps are those of fixed.InverseSteps:
//
//  1. segment bits b_i by comparing with powers of two, x extended beside it
//  2. m = x normalised to [1/4, 1) (Recip: [1/2, 1)): a selection of −(2^σ−1)·x
//     by each b_i, shifted. Merged: by the unjoined digits of the comparison,
//     which are joined in the same round trip.
//  3. y = spline(m), a Piecewise
//  4. D = y shifted back: a selection of y by each b_i. Joint: with pieces P_j,
//     ΔP_j = P_j − P_(j−1) and bits q_j of the spline's cuts, s_i the shifts,
//     D = 2^(s_0)·(P_0 + Σ q_j·ΔP_j) − Σ_i 2^(s_i)·(b_i·P_0 + Σ_j b_i·q_j·ΔP_j),
//     the products of bits being two-bit indices, instead of two selections in
//     turn.
//  5. truncation into Out
//
// v.Layout says what is merged and joint. Cost: cost.InverseCost.
func (p *Protocol) Rsqrt(x share.Arith, v fixed.Inverse) (share.Arith, error) {
	return p.inverse(x, v, fixed.Rsqrt)
}

func (p *Protocol) inverse(x share.Arith, v fixed.Inverse, kind fixed.InverseKind) (share.Arith, error) {
	if err := check(kind.String(), x); err != nil {
		return share.Arith{}, err
	}
	if v.Kind != kind {
		return share.Arith{}, fmt.Errorf("%v: specification of a %v", kind, v.Kind)
	}
	s, err := v.Steps()
	if err != nil {
		return share.Arith{}, fmt.Errorf("%v: %w", kind, err)
	}
	if x.Width != v.In.Width {
		return share.Arith{}, fmt.Errorf("%v: %v for an input of %v: want equal widths", kind, x, v.In)
	}
	out, err := p.inverseSteps(x.V, x.Width, s)
	if err != nil {
		return share.Arith{}, fmt.Errorf("%v: %w", kind, err)
	}
	return like(x, v.Out.Width, out), nil
}

func (p *Protocol) inverseSteps(x []uint64, width int, s fixed.InverseSteps) ([]uint64, error) {
	k := len(s.Cuts)

	// 1.
	var cuts []int64
	if p.server() {
		cuts = s.Cuts
	}
	ext := p.startTrunc(x, width, 0, s.WidthX)
	var first []ots
	var cmp *comparison
	if k > 0 {
		cmp = p.startCmp(x, width, cuts, k, CmpOpts{Keep: s.Keep, Drop: s.Drop, Layout: s.Layout.Cmp})
		first = append(first, cmp.ots()...)
	}
	first = append(first, ext.ots()...)
	if len(first) > 0 {
		if err := p.exchange(p.serverSends(first...)); err != nil {
			return nil, err
		}
	}

	// 2.
	m, bits, err := p.normalise(ext.result(), cmp, s)
	if err != nil {
		return nil, err
	}
	var round uint64
	if !p.server() {
		round = 1<<s.ShrinkM - 1
	}
	for e := range m {
		m[e] = (m[e] + round) & z2k.Mask(s.WidthM) >> s.ShrinkM
	}
	wide := p.startTrunc(m, s.WidthM-s.ShrinkM, 0, s.Spline.In.Width)
	if err := p.truncAll(wide); err != nil {
		return nil, err
	}

	// 3 and 4.
	var d []uint64
	if s.Layout.Joint {
		d, err = p.splineShifted(wide.result(), bits, s)
	} else {
		var y []uint64
		if y, err = p.piecewise(wide.result(), s.Spline); err == nil {
			d, err = p.shiftBack(y, bits, s)
		}
	}
	if err != nil {
		return nil, err
	}
	reduce(d, s.WidthD)

	// 5.
	end := p.startTrunc(d, s.WidthD, s.TruncD, s.OutWidth)
	if err := p.truncAll(end); err != nil {
		return nil, err
	}
	out := end.result()
	for e := range out {
		out[e] <<= s.ShlD
	}
	return out, nil
}

// normalise returns this party's half of m, not reduced, and of the bits of the
// segments but the first, [segments-1][n].
func (p *Protocol) normalise(x []uint64, cmp *comparison, s fixed.InverseSteps) (m []uint64, bits [][]uint8, err error) {
	n, k := len(x), len(s.Cuts)
	m = make([]uint64, n)
	for e, a := range x {
		m[e] = a << s.Shift[0]
	}
	if k == 0 {
		return m, nil, nil
	}
	var index, whole []uint64
	var all []uint8
	merged := s.Layout.Cmp.Join == fixed.Selection
	if merged {
		index = cmp.index()
		whole = cmp.unjoined(index)
	} else if all, err = cmp.result(); err != nil {
		return nil, nil, err
	}
	factor := uint64(1)<<s.Sigma - 1
	var sel []selection
	for i := range k {
		c := selection{x: make([]uint64, n), width: s.WidthM - s.Shift[i+1]}
		for e, a := range x {
			c.x[e] = -factor * a
		}
		if merged {
			c.index, c.k, c.truth = column(whole, i, k), fixed.TableBits(len(cmp.digits))+1, selects
		} else {
			c.b = column(all, i, k)
		}
		sel = append(sel, c)
	}
	mux := p.startMux(sel)
	recv, send := mux.recv, mux.send
	var join *joining
	if merged && n > 0 {
		join = cmp.join(index)
		r, s := p.serverSends(join.l)
		recv, send = append(recv, r...), append(send, s...)
	}
	if err := p.exchange(recv, send); err != nil {
		return nil, nil, err
	}
	if join != nil {
		all = join.result()
	}
	for i, v := range mux.result() {
		for e := range v {
			m[e] += v[e] << s.Shift[i+1]
		}
		bits = append(bits, column(all, i, k))
	}
	return m, bits, nil
}

// column returns column i of rows of k.
func column[T any](v []T, i, k int) []T {
	out := make([]T, 0, len(v)/k)
	for ; i < len(v); i += k {
		out = append(out, v[i])
	}
	return out
}

// shiftBack returns this party's half of D from that of y, not reduced.
func (p *Protocol) shiftBack(y []uint64, bits [][]uint8, s fixed.InverseSteps) ([]uint64, error) {
	d := newShifted(p, y, s.Segments-1)
	for i, b := range bits {
		d.add(selection{b: b, x: negated(y)}, s.WidthD, s.Segments-2-i)
	}
	return d.result()
}

// splineShifted returns this party's half of D from that of m, not reduced: the
// spline and the shift in one round trip after its comparison.
func (p *Protocol) splineShifted(m []uint64, segment [][]uint8, s fixed.InverseSteps) ([]uint64, error) {
	f := s.Spline
	n, k := len(m), len(f.Cuts)
	m2, bits, err := p.cutsAndSquare(m, f)
	if err != nil {
		return nil, err
	}
	last := make([]uint64, n)
	p.piece(last, f, fixed.Quadratic, 0, m, m2)
	top := s.Segments - 1
	d := newShifted(p, last, top)
	for i, b := range segment {
		d.add(selection{b: b, x: negated(last)}, s.WidthD, top-1-i)
	}
	for j := range k {
		next, delta := make([]uint64, n), make([]uint64, n)
		p.piece(next, f, fixed.Quadratic, j+1, m, m2)
		z2k.Sub(delta, next, last, s.WidthD)
		q := column(bits, j, k)
		d.add(selection{b: q, x: delta}, s.WidthD, top)
		for i, b := range segment {
			index := make([]uint64, n)
			for e := range index {
				index[e] = uint64(b[e]) | uint64(q[e])<<1
			}
			d.add(selection{index: index, k: 2, truth: both(2), x: negated(delta)}, s.WidthD, top-1-i)
		}
		last = next
	}
	return d.result()
}

func negated(x []uint64) []uint64 {
	out := make([]uint64, len(x))
	for i, v := range x {
		out[i] = -v
	}
	return out
}

// shifted is a sum of selections, each shifted left, that share a round trip.
type shifted struct {
	p      *Protocol
	sum    []uint64
	sel    []selection
	shifts []int
}

func newShifted(p *Protocol, x []uint64, shift int) *shifted {
	d := &shifted{p: p, sum: make([]uint64, len(x))}
	for e, v := range x {
		d.sum[e] = v << shift
	}
	return d
}

// add adds a selection of s.x·2^shift mod 2^width.
func (d *shifted) add(s selection, width, shift int) {
	s.width = width - shift
	d.sel, d.shifts = append(d.sel, s), append(d.shifts, shift)
}

func (d *shifted) result() ([]uint64, error) {
	if len(d.sel) == 0 {
		return d.sum, nil
	}
	chosen, err := d.p.mux(d.sel)
	if err != nil {
		return nil, err
	}
	for i, v := range chosen {
		for e := range v {
			d.sum[e] += v[e] << d.shifts[i]
		}
	}
	return d.sum, nil
}
