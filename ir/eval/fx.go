package eval

import (
	"nimbus/internal/fixed"
	"nimbus/internal/tensor"
	"nimbus/internal/z2k"
)

// fxOps is exact arithmetic in Z_2^l; see the rows in ir for what each means.
var fxOps = map[string]func(*step) error{
	"fx.select":    fxSelect,
	"fx.matmul":    fxMatmul,
	"fx.add_bias":  fxAddBias,
	"fx.add":       fxAdd,
	"fx.sub":       fxSub,
	"fx.add_const": fxAddConst,
	"fx.mul_const": fxMulConst,
	"fx.shl":       fxShl,
	"fx.sum":       fxSum,
	"fx.number":    fxNumber,
	"fx.low":       fxLow,
	"fx.shrink":    fxShrink,
	"fx.reduce":    fxReduce,
	"fx.trunc":     fxTrunc,
	"fx.extend":    fxTrunc,
	"fx.cast":      fxCast,
	"fx.add_mask":  fxAddMask,
	"fx.max":       fxMax,
	"fx.cmp":       fxCmp,
	"fx.mux":       fxMux,
	"fx.xor":       fxXor,
	"fx.and":       fxAnd,
	"fx.not":       fxNot,
	"fx.square":    fxSquare,
	"fx.mul":       fxMul,
	"fx.piecewise": fxPiecewise,
	"fx.recip":     fxInverse,
	"fx.rsqrt":     fxInverse,
}

// x is argument i with its width.
func (s *step) x(i int) ([]uint64, int) { return s.in[i].Ring, s.in[i].Type.Elem.Width }

func fxSelect(s *step) error {
	d, width := s.op.Results[0].Type.Last(), s.elem().Width
	word := s.in[len(s.in)-1]
	types := len(s.in) == 4
	if types {
		word = s.in[2]
	}
	out := make([]uint64, len(s.in[0].Ring)*d)
	for t, id := range s.in[0].Ring {
		row, err := word.row(id)
		if err != nil {
			return err
		}
		copy(out[t*d:], row.Ring)
		if types {
			seg, err := s.in[3].row(s.in[1].Ring[t])
			if err != nil {
				return err
			}
			z2k.Add(out[t*d:(t+1)*d], out[t*d:(t+1)*d], seg.Ring, width)
		}
	}
	s.noise(out, width)
	s.ring(out)
	return nil
}

func fxMatmul(s *step) error {
	a, l := s.x(0)
	var batch, m, k, n int
	if shape := s.shape(1); s.op.W(1) != nil {
		batch, m, k, n = 1, len(a)/shape[0], shape[0], shape[1]
	} else {
		batch, m, k, n = batched(s.shape(0), shape)
	}
	out := make([]uint64, batch*m*n)
	var wide []float64 // the product without a ring, where somebody wants to know
	if s.p.opt.Exceeded != nil {
		wide = make([]float64, len(out))
	}
	lost := s.in[0].exact != nil || s.in[1].exact != nil
	for i := range batch {
		b := s.in[1]
		if batch > 1 {
			b = b.part(i*k*n, (i+1)*k*n)
		}
		var w []float64
		if wide != nil && !lost {
			w = wide[i*m*n : (i+1)*m*n]
		}
		matMul(out[i*m*n:(i+1)*m*n], w, a[i*m*k:(i+1)*m*k], b, m, k, n, l)
	}
	s.wraps(func() []float64 {
		if lost {
			ra, rb := s.raw(0), s.raw(1)
			for i := range batch {
				realMatMul(wide[i*m*n:(i+1)*m*n], ra[i*m*k:(i+1)*m*k], rb[i*k*n:(i+1)*k*n], m, k, n)
			}
		}
		return wide
	})
	s.noise(out, l)
	s.ring(out)
	return nil
}

func fxAddBias(s *step) error {
	x, l := s.x(0)
	b, _ := s.x(1)
	out := make([]uint64, len(x))
	mask := z2k.Mask(l)
	for i, v := range x {
		out[i] = (v + b[i%len(b)]) & mask
	}
	s.wrapsEach(func(i int, ra, rb []float64) float64 { return ra[i] + rb[i%len(b)] })
	s.ring(out)
	return nil
}

func fxAdd(s *step) error {
	a, l := s.x(0)
	b, _ := s.x(1)
	out := make([]uint64, len(a))
	z2k.Add(out, a, b, l)
	s.wrapsEach(func(i int, ra, rb []float64) float64 { return ra[i] + rb[i] })
	s.ring(out)
	return nil
}

// per is how many elements of argument 0 share one of argument 1, whose last
// axis may be one.
func (s *step) per() int { return len(s.in[0].Ring) / len(s.in[1].Ring) }

func fxSub(s *step) error {
	a, l := s.x(0)
	b, _ := s.x(1)
	out, per, mask := make([]uint64, len(a)), s.per(), z2k.Mask(l)
	for i, v := range a {
		out[i] = (v - b[i/per]) & mask
	}
	s.wrapsEach(func(i int, ra, rb []float64) float64 { return ra[i] - rb[i/per] })
	s.ring(out)
	return nil
}

func fxMul(s *step) error {
	a, l := s.x(0)
	b, lb := s.x(1)
	out, mask := make([]uint64, len(a)), z2k.Mask(l)
	other := func(i int) int { return i % len(b) } // a weight along the last axis
	if s.op.W(1) == nil {
		per := s.per()
		other = func(i int) int { return i / per }
	}
	wide := make([]uint64, len(b)) // a weight may be narrower
	for i, v := range b {
		wide[i] = uint64(z2k.Signed(v, lb))
	}
	for i, v := range a {
		out[i] = v * wide[other(i)] & mask
	}
	s.perturbProducts(out, a, wide, other)
	s.wrapsEach(func(i int, ra, rb []float64) float64 { return ra[i] * rb[other(i)] })
	s.within(1)
	s.ring(out)
	return nil
}

func fxSquare(s *step) error {
	x, _ := s.x(0)
	out, w := make([]uint64, len(x)), s.elem().Width
	for i, v := range x {
		out[i] = fixed.Square(v, w)
	}
	s.wrapsEach(func(i int, ra, _ []float64) float64 { return ra[i] * ra[i] })
	s.within(0)
	s.ring(out)
	return nil
}

func fxAddConst(s *step) error {
	x, l := s.x(0)
	c, err := fixed.Encode(s.op.Attrs.Float("value", 0), l, s.elem().Frac)
	if err != nil {
		return err
	}
	out, mask := make([]uint64, len(x)), z2k.Mask(l)
	for i, v := range x {
		out[i] = (v + c) & mask
	}
	s.wrapsEach(func(i int, ra, _ []float64) float64 { return ra[i] + float64(z2k.Signed(c, l)) })
	s.ring(out)
	return nil
}

func fxMulConst(s *step) error {
	x, l := s.x(0)
	c, err := fixed.Encode(s.op.Attrs.Float("value", 0), l, s.op.Attrs.Int("frac", 0))
	if err != nil {
		return err
	}
	out := make([]uint64, len(x))
	z2k.MulConst(out, x, c, l)
	s.wrapsEach(func(i int, ra, _ []float64) float64 { return ra[i] * float64(z2k.Signed(c, l)) })
	s.ring(out)
	return nil
}

func fxShl(s *step) error {
	x, l := s.x(0)
	out, c := make([]uint64, len(x)), uint64(1)<<s.op.Attrs.Int("bits", 0)
	z2k.MulConst(out, x, c, l)
	s.wrapsEach(func(i int, ra, _ []float64) float64 { return ra[i] * float64(c) })
	s.ring(out)
	return nil
}

func fxSum(s *step) error {
	x, l := s.x(0)
	rows, n := tensor.Last(s.shape(0))
	out, mask := make([]uint64, rows), z2k.Mask(l)
	for i, v := range x {
		out[i/n] = (out[i/n] + v) & mask
	}
	s.wraps(func() []float64 {
		r := make([]float64, rows)
		for i, v := range s.raw(0) {
			r[i/n] += v
		}
		return r
	})
	s.ring(out)
	return nil
}

func fxShrink(s *step) error {
	if d := s.op.Attrs.Int("bits", 0); s.exact() {
		x, l := s.x(0)
		out := make([]uint64, len(x))
		fixed.Shrinks(out, x, l, d)
		s.ring(out)
		return nil
	}
	d := s.op.Attrs.Int("bits", 0)
	x := s.meant(0)
	meant := make([]int64, len(x))
	for i, v := range x {
		meant[i] = s.round(v, d)
	}
	s.narrow(meant)
	return nil
}

func fxNumber(s *step) error {
	x, l := s.x(0)
	n, bits := s.op.X(0).Type.Last(), s.op.Attrs.Int("bits", 0)
	out, mask := make([]uint64, len(x)), z2k.Mask(l)
	for i, v := range x {
		out[i] = (v<<bits + uint64(n-1-i%n)) & mask
		s.count(z2k.Signed(out[i], l)>>bits != z2k.Signed(v, l))
	}
	s.ring(out)
	return nil
}

func fxLow(s *step) error {
	x, _ := s.x(0)
	out := make([]uint64, len(x))
	z2k.Reduce(out, x, s.elem().Width)
	s.ring(out)
	return nil
}

func fxReduce(s *step) error {
	if x, _ := s.x(0); s.exact() {
		out := make([]uint64, len(x))
		z2k.Reduce(out, x, s.elem().Width)
		s.ring(out)
		return nil
	}
	s.narrow(s.meant(0))
	return nil
}

// fxTrunc is also extend, which has no bits to drop.
func fxTrunc(s *step) error {
	x, l := s.x(0)
	if s.exact() {
		out := make([]uint64, len(x))
		fixed.Truncs(out, x, l, s.op.Attrs.Int("bits", 0), s.elem().Width)
		s.ring(out)
		return nil
	}
	d, w := s.op.Attrs.Int("bits", 0), s.elem().Width
	meant := make([]int64, len(x))
	for i, v := range x {
		e := z2k.Signed(v, l)
		meant[i] = s.round(e, d)
		s.count(w > l-d && fixed.BitLen(e) > l-1)
	}
	s.narrow(meant)
	return nil
}

// fxCast moves to any format, rounding where fraction bits go.
func fxCast(s *step) error {
	x, l := s.x(0)
	from, to := s.in[0].Type.Elem, s.elem()
	meant := make([]int64, len(x))
	for i, v := range x {
		e := z2k.Signed(v, l)
		if d := from.Frac - to.Frac; d >= 0 {
			meant[i] = s.round(e, d)
		} else {
			meant[i] = e << -d
		}
	}
	s.narrow(meant)
	return nil
}

func fxAddMask(s *step) error {
	x, l := s.x(0)
	c, err := fixed.Encode(s.op.Attrs.Float("value", 0), l, s.elem().Frac)
	if err != nil {
		return err
	}
	keep := s.in[1].Ring
	out, mask := make([]uint64, len(x)), z2k.Mask(l)
	for i, v := range x {
		out[i] = v
		if keep[i%len(keep)] == 0 {
			out[i] = (v + c) & mask
			s.count((z2k.Signed(v, l) >= 0) == (z2k.Signed(c, l) >= 0) && (z2k.Signed(out[i], l) >= 0) != (z2k.Signed(c, l) >= 0))
		}
	}
	s.ring(out)
	return nil
}

func fxMax(s *step) error {
	x, l := s.x(0)
	rows, n := tensor.Last(s.shape(0))
	drop := s.op.Attrs.Int("drop", 0)
	reach := float64(uint64(1) << (s.op.Attrs.Int("keep", l) + drop - 1))
	out := make([]uint64, rows)
	for r := range out {
		row := x[r*n : (r+1)*n]
		out[r] = s.max(row, l, drop)
		if s.p.opt.Exceeded != nil {
			lo, hi := z2k.Signed(row[0], l), z2k.Signed(row[0], l)
			for _, v := range row {
				lo, hi = min(lo, z2k.Signed(v, l)), max(hi, z2k.Signed(v, l))
			}
			s.count(float64(hi)-float64(lo) >= reach)
		}
	}
	s.ring(out)
	return nil
}

func fxCmp(s *step) error {
	x, l := s.x(0)
	cuts, drop := s.op.Attrs.Int64s("cuts"), s.op.Attrs.Int("drop", 0)
	if len(s.in) > 1 {
		for _, c := range s.in[1].Ring {
			cuts = append(cuts, z2k.Signed(c, l))
		}
	}
	reach := float64(uint64(1) << (s.op.Attrs.Int("keep", l) + drop - 1))
	out := make([]uint64, 0, len(x)*len(cuts))
	for _, v := range x {
		u := s.low(drop)
		for _, t := range cuts {
			out = append(out, uint64(s.cmp(v, l, t, drop, u)))
			e := float64(z2k.Signed(v, l)) - float64(t)
			s.count(e >= reach || e < -reach)
		}
	}
	s.ring(out)
	return nil
}

func fxMux(s *step) error {
	b, x := s.in[0].Ring, s.in[1].Ring
	out := make([]uint64, len(x))
	for i, v := range x {
		out[i] = fixed.Mux(uint8(b[i]), v)
	}
	s.ring(out)
	return nil
}

func fxXor(s *step) error {
	out := make([]uint64, len(s.in[0].Ring))
	for i, v := range s.in[0].Ring {
		out[i] = v ^ s.in[1].Ring[i]
	}
	s.ring(out)
	return nil
}

func fxAnd(s *step) error {
	out := make([]uint64, len(s.in[0].Ring))
	for i, v := range s.in[0].Ring {
		out[i] = v & s.in[1].Ring[i]
	}
	s.ring(out)
	return nil
}

func fxNot(s *step) error {
	out := make([]uint64, len(s.in[0].Ring))
	for i, v := range s.in[0].Ring {
		out[i] = v ^ 1
	}
	s.ring(out)
	return nil
}

func fxPiecewise(s *step) error {
	spec := s.p.specs[s.op].(*fixed.Piecewise)
	x, l := s.x(0)
	lo, hi := spec.Domain()
	out := make([]uint64, len(x))
	if s.exact() {
		spec.Evals(out, x)
		s.ring(out)
		return nil
	}
	for i, v := range x {
		out[i] = s.piecewise(spec, v)
		e := z2k.Signed(v, l)
		s.count(e < lo || e > hi)
	}
	s.ring(out)
	return nil
}

func fxInverse(s *step) error {
	steps := s.p.specs[s.op].(*fixed.InverseSteps)
	x, l := s.x(0)
	least, hi := int64(1)<<s.op.Attrs.Int("lo", 0), int64(1)<<s.op.Attrs.Int("hi", 0)
	if s.op.Attrs.Ident("bound", "") == "proved" {
		least = 0 // less than lo gives a result that is bounded, and its range says how
	}
	out := make([]uint64, len(x))
	for i, v := range x {
		out[i] = s.inverse(steps, l, v)
		e := z2k.Signed(v, l)
		s.count(e < least || e >= hi)
	}
	s.ring(out)
	return nil
}

// raw is argument i as the integers it means, unscaled.
func (s *step) raw(i int) []float64 {
	if i >= len(s.in) {
		return nil
	}
	ints := s.meant(i)
	out := make([]float64, len(ints))
	for j, x := range ints {
		out[j] = float64(x)
	}
	return out
}

// wraps counts the elements of a result, computed anew without a ring, that
// the ring cannot hold. It does nothing unless somebody wants to know.
func (s *step) wraps(unreduced func() []float64) {
	if s.p.opt.Exceeded == nil {
		return
	}
	limit := float64(uint64(1) << (s.elem().Width - 1))
	for _, r := range unreduced() {
		s.count(r >= limit || r < -limit)
	}
}

// wrapsEach is wraps for a result computed element by element from the raw
// arguments.
func (s *step) wrapsEach(f func(i int, a, b []float64) float64) {
	s.wraps(func() []float64 {
		a, b := s.raw(0), s.raw(1)
		out := make([]float64, len(a))
		for i := range out {
			out[i] = f(i, a, b)
		}
		return out
	})
}
