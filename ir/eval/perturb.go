package eval

import (
	"math"
	"strings"

	"nimbus/internal/fixed"
	"nimbus/internal/z2k"
)

// The steps that round. Without Perturb they are internal/fixed's twins. With
// it they err as the protocols do, by the ideal functionality with the error
// inside: both parties shift their own share, so the low bits' carry, which
// depends on a uniform share, decides whether the result is rounded up or down.

// exact says that the op computes what the twin does and nobody asks how far its
// arguments go, so all elements may be done at once.
func (s *step) exact() bool { return s.p.opt.Perturb == nil && s.p.opt.Exceeded == nil }

// low is a uniform number of d bits: the low bits of a random share.
func (s *step) low(d int) uint64 {
	if s.p.opt.Perturb == nil || d == 0 {
		return 0
	}
	return s.p.opt.Perturb.Uint64() & z2k.Mask(d)
}

// drop is x/2^d rounded up with probability equal to the fraction dropped:
// what (x0 + 2^d - 1)>>d + x1>>d is for uniform x0 and x1 = x - x0.
func (s *step) drop(x int64, d int) int64 {
	r := x >> d
	if d > 0 && s.low(d) < uint64(x)&z2k.Mask(d) {
		r++
	}
	return r
}

// round drops d bits of an integer, in whatever ring it lies.
func (s *step) round(x int64, d int) int64 {
	if s.p.opt.Perturb == nil {
		return z2k.Signed(fixed.Trunc(uint64(x), 64, d, 64), 64)
	}
	return s.drop(x, d)
}

// Shrink and Trunc are those of fixed.Arithmetic.
func (s *step) Shrink(x uint64, l, d int) uint64 {
	if s.p.opt.Perturb == nil {
		return fixed.Shrink(x, l, d)
	}
	return z2k.FromInt(s.drop(z2k.Signed(x, l), d), l-d)
}

func (s *step) Trunc(x uint64, l, d, to int) uint64 {
	if s.p.opt.Perturb == nil {
		return fixed.Trunc(x, l, d, to)
	}
	return z2k.FromInt(s.drop(z2k.Signed(x, l), d), to)
}

// cmp is 1{x >= t}; with d low bits dropped it is 1{x >= t + u}, u the low bits
// of a share of x, which all cuts of one x share.
func (s *step) cmp(x uint64, l int, t int64, d int, u uint64) uint8 {
	if s.p.opt.Perturb == nil {
		return fixed.Cmp(x, l, t, d)
	}
	moved := t + int64(u)
	if moved < t {
		return 0
	}
	return fixed.Cmp(x, l, moved, 0)
}

// max is fixed.Max's tournament.
func (s *step) max(row []uint64, l, drop int) uint64 {
	if s.p.opt.Perturb == nil || drop == 0 {
		return fixed.Max(row, l, drop)
	}
	cur := append([]uint64(nil), row...)
	for len(cur) > 1 {
		var next []uint64
		for i := 0; i+1 < len(cur); i += 2 {
			d := (cur[i] - cur[i+1]) & z2k.Mask(l)
			if s.cmp(d, l, 0, drop, s.low(drop)) == 1 {
				next = append(next, cur[i])
			} else {
				next = append(next, cur[i+1])
			}
		}
		if len(cur)%2 == 1 {
			next = append(next, cur[len(cur)-1])
		}
		cur = next
	}
	return cur[0]
}

// piecewise is Piecewise.Eval.
func (s *step) piecewise(p *fixed.Piecewise, x uint64) uint64 {
	if s.p.opt.Perturb == nil {
		return p.Eval(x)
	}
	i, u := 0, s.low(p.Drop)
	for i < len(p.Cuts) && s.cmp(x, p.In.Width, p.Cuts[i], p.Drop, u) == 1 {
		i++
	}
	return p.At(s, i, x)
}

// inverse is InverseSteps.Eval.
func (s *step) inverse(v *fixed.InverseSteps, width int, x uint64) uint64 {
	if s.p.opt.Perturb == nil {
		return v.Eval(width, x)
	}
	i, u := 0, s.low(v.Drop)
	for i < len(v.Cuts) && s.cmp(x, width, v.Cuts[i], v.Drop, u) == 1 {
		i++
	}
	m := s.Trunc(x, width, 0, v.WidthX) << v.Shift[i] & z2k.Mask(v.WidthM)
	m = s.Trunc(s.Shrink(m, v.WidthM, v.ShrinkM), v.WidthM-v.ShrinkM, 0, v.Spline.In.Width)
	y := s.piecewise(&v.Spline, m)
	d := y << (v.Segments - 1 - i) & z2k.Mask(v.WidthD)
	return s.Trunc(d, v.WidthD, v.TruncD, v.OutWidth) << v.ShlD & z2k.Mask(v.OutWidth+v.ShlD)
}

// noise adds the error of an RLWE product, normal with the deviation that
// Options.Noise gives, to an op of the he dialect.
func (s *step) noise(out []uint64, width int) {
	if s.p.opt.Perturb == nil || s.p.opt.Noise == nil || !strings.HasPrefix(s.op.Name, "he.") {
		return
	}
	dev := s.p.opt.Noise(s.op)
	if dev == 0 {
		return
	}
	for i := range out {
		// Box and Muller; the first uniform is in (0, 1].
		a := (float64(s.p.opt.Perturb.Uint64()>>11) + 1) * 0x1p-53
		b := float64(s.p.opt.Perturb.Uint64()>>11) * 0x1p-53
		e := math.Round(dev * math.Sqrt(-2*math.Log(a)) * math.Cos(2*math.Pi*b))
		out[i] = (out[i] + z2k.FromInt(int64(e), width)) & z2k.Mask(width)
	}
}

// perturbProducts adds the errors of products of shared x and y whose low bits are
// dropped; an element of y may serve a row of x.
func (s *step) perturbProducts(out, x, y []uint64, of func(int) int) {
	o := fixed.ProductOpts{Within: s.bound(), Drop: s.op.Attrs.Int("drop", 0)}
	if s.p.opt.Perturb == nil || o.Drop == 0 {
		return
	}
	y1 := make([]uint64, len(y))
	for j := range y1 {
		y1[j] = s.low(o.Drop)
	}
	for i, v := range x {
		j := of(i)
		out[i] = (out[i] + uint64(o.Error(v, y[j], s.low(o.Drop), y1[j]))) & z2k.Mask(s.elem().Width)
	}
}
