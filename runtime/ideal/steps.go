package ideal

import (
	"nimbus/internal/fixed"
	"nimbus/internal/prg"
	"nimbus/internal/z2k"
)

// steps are the approximate steps, in the clear.
type steps interface {
	fixed.Arithmetic
	cmp(x uint64, l int, cuts []int64, o fixed.CmpOpts) []uint8
	// products sets each x to its product by y mod 2^l.
	products(x []uint64, y uint64, l int, o fixed.ProductOpts)
}

// exact steps are the twins.
type exact struct{ fixed.Twin }

func (exact) products(x []uint64, y uint64, l int, _ fixed.ProductOpts) {
	for i, v := range x {
		x[i] = v * y & z2k.Mask(l)
	}
}

func (exact) cmp(x uint64, l int, cuts []int64, o fixed.CmpOpts) []uint8 {
	out := make([]uint8, len(cuts))
	for j, t := range cuts {
		out[j] = fixed.Cmp(x, l, t, o.Drop)
	}
	return out
}

// noisy steps are the protocols' ideal functionalities. The low bits of the
// client's half are uniform, r; the carry of the low bits of both halves is
// lost, so the result is one less where r exceeds the low bits of the value.
type noisy struct{ rng *prg.PRG }

func (n noisy) low(d int) uint64 {
	if d == 0 {
		return 0
	}
	return n.rng.Uint64() & z2k.Mask(d)
}

func (n noisy) products(x []uint64, y uint64, l int, o fixed.ProductOpts) {
	y1 := n.low(o.Drop)
	for i, v := range x {
		x[i] = (v*y + uint64(o.Error(v, y, n.low(o.Drop), y1))) & z2k.Mask(l)
	}
}

// floor returns floor(y/2^d), or one less.
func (n noisy) floor(y int64, d int) int64 {
	q := y >> d
	if n.low(d) > uint64(y)-uint64(q)<<d {
		q--
	}
	return q
}

func (n noisy) Trunc(x uint64, l, s, to int) uint64 {
	// x + 2^s − 1 does not wrap: the protocol needs x in half of the ring.
	return z2k.FromInt(n.floor(z2k.Signed(x, l)+(1<<s-1), s), to)
}

func (n noisy) Shrink(x uint64, l, d int) uint64 {
	y := (x + 1<<d - 1) & z2k.Mask(l)
	return z2k.FromInt(n.floor(z2k.Signed(y, l), d), l-d)
}

func (n noisy) cmp(x uint64, l int, cuts []int64, o fixed.CmpOpts) []uint8 {
	out := make([]uint8, len(cuts))
	r := n.low(o.Drop) // one half for all cuts
	for j, t := range cuts {
		z := z2k.Signed((x-uint64(t))&z2k.Mask(l), l)
		q := z >> o.Drop
		if r > uint64(z)-uint64(q)<<o.Drop {
			q--
		}
		out[j] = 1 ^ uint8(uint64(q)>>(o.Keep-1)&1)
	}
	return out
}

// piecewise composes the steps as the protocol does; with exact ones it is
// f.Eval.
func piecewise(s steps, f *fixed.Piecewise, x uint64) uint64 {
	i := 0
	for _, b := range s.cmp(x, f.In.Width, f.Cuts, fixed.CmpOpts{Keep: f.Keep, Drop: f.Drop}) {
		i += int(b)
	}
	return f.At(s, i, x)
}

// inverse is the same for reciprocals; with exact steps it is v.Eval.
func inverse(s steps, st *fixed.InverseSteps, width int, x uint64) uint64 {
	i := 0
	for _, b := range s.cmp(x, width, st.Cuts, fixed.CmpOpts{Keep: st.Keep, Drop: st.Drop}) {
		i += int(b)
	}
	m := s.Trunc(x, width, 0, st.WidthX) << st.Shift[i] & z2k.Mask(st.WidthM)
	m = s.Trunc(s.Shrink(m, st.WidthM, st.ShrinkM), st.WidthM-st.ShrinkM, 0, st.Spline.In.Width)
	y := piecewise(s, &st.Spline, m)
	d := y << (st.Segments - 1 - i) & z2k.Mask(st.WidthD)
	return s.Trunc(d, st.WidthD, st.TruncD, st.OutWidth) << st.ShlD & z2k.Mask(st.OutWidth+st.ShlD)
}

// maximum is the tournament.
func maximum(s steps, x []uint64, l int, o fixed.CmpOpts) uint64 {
	cur := append([]uint64(nil), x...)
	for len(cur) > 1 {
		var next []uint64
		for i := 0; i+1 < len(cur); i += 2 {
			d := (cur[i] - cur[i+1]) & z2k.Mask(l)
			b := s.cmp(d, l, []int64{0}, o)[0]
			next = append(next, (cur[i+1]+fixed.Mux(b, d))&z2k.Mask(l))
		}
		if len(cur)%2 == 1 {
			next = append(next, cur[len(cur)-1])
		}
		cur = next
	}
	return cur[0]
}
