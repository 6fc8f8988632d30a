package fixed

import (
	"slices"

	"nimbus/internal/z2k"
)

// The functions of this file are those of single elements over slices, with what
// does not depend on the element worked out once. dst and x have equal lengths
// and may be the same.

// Shrinks sets dst to Shrink of every element of x.
func Shrinks(dst, x []uint64, l, d int) {
	Shrink(0, l, d) // checks
	Truncs(dst, x, l, d, l-d)
}

// Truncs sets dst to Trunc of every element of x.
func Truncs(dst, x []uint64, l, s, l2 int) {
	if len(x) == 0 {
		return
	}
	dst = dst[:len(x)]
	dst[0] = Trunc(x[0], l, s, l2) // checks
	up, mask := uint(64-l), z2k.Mask(l2)
	if s == 0 {
		for i, v := range x[1:] {
			dst[i+1] = uint64(int64(v<<up)>>up) & mask
		}
		return
	}
	half, down := uint(s-1), uint(s)
	for i, v := range x[1:] {
		r := int64(v<<up) >> up
		dst[i+1] = uint64(r>>down+r>>half&1) & mask
	}
}

// Evals sets dst to Eval of every element of x.
func (p *Piecewise) Evals(dst, x []uint64) {
	dst = dst[:len(x)]
	lin, linWidth, linShl := p.LinTrunc()
	quadWidth, quadShl := p.QuadExtend()
	lines := make([]Poly, len(p.Pieces))
	for i, q := range p.Pieces {
		lines[i] = q.Part(Linear)
	}
	out := z2k.Mask(p.Out.Width)
	var blur int64
	if p.Drop > 0 {
		blur = 1 << (p.Drop - 1)
	}
	cuts := slices.Clone(p.Cuts) // where the twin takes them to be
	for i := range cuts {
		if cuts[i]+blur < cuts[i] { // beyond 2^63: no x reaches it
			cuts = cuts[:i]
			break
		}
		cuts[i] += blur
	}
	up := uint(64 - p.In.Width)
	for i, v := range x {
		s, k := int64(v<<up)>>up, 0
		for k < len(cuts) && s >= cuts[k] {
			k++
		}
		var y uint64
		if q := &lines[k]; q.Kind == Linear {
			v := uint64(q.C[1])*v + uint64(q.C[0])
			y = uint64(round(z2k.Signed(v, p.WidthLin), lin)) & z2k.Mask(linWidth) << linShl
		}
		if q := &p.Pieces[k]; q.Kind == Quadratic {
			v := (uint64(q.C[2])*v+uint64(q.C[1]))*v + uint64(q.C[0])
			mid := uint64(round(z2k.Signed(v, p.WidthAcc), p.FracAcc-p.MidFrac))
			y += uint64(z2k.Signed(mid, p.WidthMid())) & z2k.Mask(quadWidth) << quadShl
		}
		dst[i] = y & out
	}
}
