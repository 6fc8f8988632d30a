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
//     by each b_i, shifted
//  3. y = spline(m), a Piecewise
//  4. D = y shifted back: a selection of y by each b_i
//  5. truncation into Out
//
// Cost: cost.InverseCost.
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
	n, k := len(x), len(s.Cuts)

	// 1.
	var cuts []int64
	if p.server() {
		cuts = s.Cuts
	}
	ext := p.startTrunc(x, width, 0, s.WidthX)
	var first []ots
	var cmp *comparison
	if k > 0 {
		cmp = p.startCmp(x, width, cuts, k, CmpOpts{Keep: s.Keep, Drop: s.Drop}, fixed.LayoutCmp(n, k, s.Keep))
		first = append(first, cmp.ots()...)
	}
	first = append(first, ext.ots()...)
	if len(first) > 0 {
		if err := p.exchange(p.serverSends(first...)); err != nil {
			return nil, err
		}
	}
	bits := make([][]uint8, s.Segments)
	if cmp != nil {
		all, err := cmp.result()
		if err != nil {
			return nil, err
		}
		for i := 1; i < s.Segments; i++ {
			bits[i] = make([]uint8, n)
			for e := range bits[i] {
				bits[i][e] = all[e*k+i-1]
			}
		}
	}

	// 2.
	X := ext.result()
	m := make([]uint64, n)
	for e, a := range X {
		m[e] = a << s.Shift[0]
	}
	factor := uint64(1)<<s.Sigma - 1
	err := p.shifted(m, bits, func(i int) selection {
		sel := selection{b: bits[i], x: make([]uint64, n), width: s.WidthM - s.Shift[i]}
		for e, a := range X {
			sel.x[e] = -factor * a & z2k.Mask(sel.width)
		}
		return sel
	}, s.Shift)
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

	// 3.
	y, err := p.piecewise(wide.result(), s.Spline)
	if err != nil {
		return nil, err
	}

	// 4.
	shift := make([]int, s.Segments)
	for i := range shift {
		shift[i] = s.Segments - 1 - i
	}
	d := make([]uint64, n)
	for e, a := range y {
		d[e] = a << shift[0]
	}
	err = p.shifted(d, bits, func(i int) selection {
		sel := selection{b: bits[i], x: make([]uint64, n), width: s.WidthD - shift[i]}
		for e, a := range y {
			sel.x[e] = -a & z2k.Mask(sel.width)
		}
		return sel
	}, shift)
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

// shifted adds to sum, for each segment but the first, its selection shifted
// left, all in one round trip.
func (p *Protocol) shifted(sum []uint64, bits [][]uint8, sel func(i int) selection, shift []int) error {
	var all []selection
	for i := 1; i < len(bits); i++ {
		all = append(all, sel(i))
	}
	if len(all) == 0 {
		return nil
	}
	chosen, err := p.mux(all)
	if err != nil {
		return err
	}
	for i, v := range chosen {
		for e := range v {
			sum[e] += v[e] << shift[i+1]
		}
	}
	return nil
}
