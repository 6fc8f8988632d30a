package eval

import (
	"math"
	"slices"

	"nimbus/internal/fixed"
	"nimbus/internal/z2k"
	"nimbus/ir"
)

// What a ring cannot hold. With Options.Exceeded every op of fx and of a plan is
// checked against the integers: each result is computed anew without a ring and
// must fit the one that the op has. A conversion marked modular need not fit: its
// reader wants it modulo that ring alone. What it meant then travels beside it,
// to that reader, whose own result must fit again.

// narrow puts the results of a conversion, as integers, into the op's ring.
func (s *step) narrow(meant []int64) {
	w := s.elem().Width
	out := make([]uint64, len(meant))
	lost := 0
	for i, v := range meant {
		out[i] = z2k.FromInt(v, w)
		if z2k.Signed(out[i], w) != v {
			lost++
		}
	}
	v := Value{Ring: out}
	switch {
	case lost == 0 || s.p.opt.Exceeded == nil:
	case s.op.Attrs.Bool("modular"):
		v.exact = meant
	default:
		s.exceeded += lost
	}
	s.out = append(s.out, v)
}

// meant is argument i as the integers it stands for.
func (s *step) meant(i int) []int64 {
	v := s.in[i].wide()
	if v.exact != nil {
		return v.exact
	}
	out := make([]int64, len(v.Ring))
	shift := 64 - v.Type.Elem.Width
	for j, x := range v.Ring {
		out[j] = int64(x<<shift) >> shift
	}
	return out
}

// readers are the ops that may read a value modulo its ring: their results are
// computed from what the value means, and checked.
var readers = map[string]bool{
	"fx.reduce": true, "fx.shrink": true, "fx.matmul": true, "fx.mul": true, "fx.square": true,
	"fx.add": true, "fx.sub": true, "fx.add_bias": true, "fx.add_const": true, "fx.mul_const": true, "fx.shl": true, "fx.sum": true,
}

// carry gives what an op that only moves elements moves, the integers that they
// stand for too, where the ring has lost them.
func (s *step) carry() {
	if shapeOps[meaning(s.op)] == nil || !slices.ContainsFunc(s.in, func(v Value) bool { return v.exact != nil }) {
		return
	}
	whole := &step{p: s.p, op: s.op, in: slices.Clone(s.in)}
	for i, v := range s.in {
		whole.in[i].Ring = make([]uint64, len(v.Ring))
		for j, x := range s.meant(i) {
			whole.in[i].Ring[j] = uint64(x)
		}
	}
	if shapeOps[meaning(s.op)](whole) != nil {
		return
	}
	for i, v := range whole.out {
		s.out[i].exact = make([]int64, len(v.Ring))
		for j, x := range v.Ring {
			s.out[i].exact[j] = int64(x)
		}
	}
}

// misread counts the elements that an op of another kind reads, which the ring
// has lost.
func (s *step) misread() {
	if readers[meaning(s.op)] || shapeOps[meaning(s.op)] != nil {
		return
	}
	for _, v := range s.in {
		for i, x := range v.exact {
			s.count(z2k.Signed(v.Ring[i], v.Type.Elem.Width) != x)
		}
	}
}

// decode is the real numbers that v means.
func (v Value) decode() []float64 {
	if v.exact == nil {
		return v.Reals()
	}
	out := make([]float64, len(v.exact))
	for i, x := range v.exact {
		out[i] = fixed.Decode(z2k.FromInt(x, 64), 64, v.Type.Elem.Frac)
	}
	return out
}

// outside counts what leaves the op's range attribute.
func (s *step) outside(op *ir.Op) {
	r := op.Attrs.Floats("range")
	if len(r) != 2 {
		return
	}
	for _, v := range s.out {
		if v.exact == nil && v.Real == nil && v.Type.Elem.Kind == ir.Fx {
			lo, hi := math.Ldexp(r[0], v.Type.Elem.Frac), math.Ldexp(r[1], v.Type.Elem.Frac)
			shift := 64 - v.Type.Elem.Width
			for _, x := range v.Ring {
				y := float64(int64(x<<shift) >> shift)
				s.count(y < lo || y > hi)
			}
			continue
		}
		for _, x := range v.decode() {
			s.count(x < r[0] || x > r[1])
		}
	}
}

// bound is what the op promises of its last argument.
func (s *step) bound() fixed.Bound {
	if r := s.op.Attrs.Int64s("within"); len(r) == 2 {
		return fixed.Within(r[0], r[1])
	}
	return fixed.Bound{}
}

// within counts the elements of argument i that leave the op's within attribute.
func (s *step) within(i int) {
	r := s.op.Attrs.Int64s("within")
	if len(r) != 2 || s.p.opt.Exceeded == nil {
		return
	}
	for _, x := range s.meant(i) {
		s.count(x < r[0] || x > r[1])
	}
}
