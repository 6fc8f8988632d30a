package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// A butterfly turns x and y into those of the next level, with the pair of roots w.
type butterfly func(x, y reg.VecVirtual, w [2]reg.VecVirtual)

// field is arithmetic modulo q in 64-bit lanes of 512 bits. Products are Montgomery products by
// 2^52: with w' = w/q mod 2^52, y·w·2^-52 = hi(y·w) - hi(lo(y·w')·q), in (-q, q); a negative
// number is large as an unsigned one, so that the smaller of t and t+q is t mod q.
type field struct {
	*file
	q reg.VecVirtual
}

func newField(f *file) *field { return &field{f, f.everywhere("q", f.ZMM())} }

// mul sets y to y·w mod q.
func (f *field) mul(y reg.VecVirtual, w [2]reg.VecVirtual) {
	t, u := f.ZMM(), f.ZMM()
	f.zero(t)
	f.zero(u)
	f.VPMADD52LUQ(w[1], y, t)
	f.VPMADD52HUQ(w[0], y, u)
	f.zero(y)
	f.VPMADD52HUQ(f.q, t, y)
	f.VPSUBQ(y, u, y)
	f.positive(y)
}

// positive adds q to what is negative.
func (f *field) positive(y reg.VecVirtual) {
	t := f.ZMM()
	f.VPADDQ(f.q, y, t)
	f.VPMINUQ(t, y, y)
}

// below takes q from what is at least q.
func (f *field) below(x, to reg.VecVirtual) {
	t := f.ZMM()
	f.VPSUBQ(f.q, x, t)
	f.VPMINUQ(t, x, to)
}

// forward sets x, y to x + y·w, x - y·w.
func (f *field) forward(x, y reg.VecVirtual, w [2]reg.VecVirtual) {
	f.mul(y, w)
	f.sums(x, y)
}

// backward sets x, y to x + y, (x - y)·w.
func (f *field) backward(x, y reg.VecVirtual, w [2]reg.VecVirtual) {
	f.sums(x, y)
	f.mul(y, w)
}

// sums sets x, y to x + y, x - y.
func (f *field) sums(x, y reg.VecVirtual) {
	t := f.ZMM()
	f.VPADDQ(y, x, t)
	f.VPSUBQ(y, x, y)
	f.positive(y)
	f.below(t, x)
}

// ntt has the number-theoretic transforms.
func ntt(f *file) {
	levels(f, "nttLevel", (*field).forward)
	levels(f, "inttLevel", (*field).backward)
	blocks(f, "nttLast", func(f *field, a []reg.VecVirtual, root func(int) [2]reg.VecVirtual) {
		f.transpose(a)
		for distance, first := 4, 0; distance > 0; distance, first = distance/2, 2*first+1 {
			f.level(a, distance, first, root, f.forward)
		}
	})
	blocks(f, "inttFirst", func(f *field, a []reg.VecVirtual, root func(int) [2]reg.VecVirtual) {
		for distance, first := 1, 3; distance < 8; distance, first = 2*distance, first/2 {
			f.level(a, distance, first, root, f.backward)
		}
		f.transpose(a)
	})
	scale(f)
	products(f, "nttMul", false)
	products(f, "nttMulAdd", true)
}

// levels does one level whose distance is a multiple of a vector.
func levels(f *file, name string, step func(*field, reg.VecVirtual, reg.VecVirtual, [2]reg.VecVirtual)) {
	f.function(name)
	a, w, groups, half := f.argument("a"), f.argument("w"), f.argument("groups"), f.argument("half")
	m := newField(f)
	distance, b, n := f.GP64(), f.GP64(), f.GP64()
	f.MOVQ(half, distance)
	f.SHLQ(operand.Imm(6), distance)
	root := [2]reg.VecVirtual{f.ZMM(), f.ZMM()}
	x, y := f.ZMM(), f.ZMM()
	f.loop("group", groups, func() {
		f.VPBROADCASTQ(at(w, 0), root[0])
		f.VPBROADCASTQ(at(w, 8), root[1])
		f.ADDQ(operand.Imm(16), w)
		f.LEAQ(at(a, 0).Idx(distance, 1), b)
		f.MOVQ(half, n)
		f.loop("vector", n, func() {
			f.VMOVDQU64(at(a, 0), x)
			f.VMOVDQU64(at(b, 0), y)
			step(m, x, y, root)
			f.VMOVDQU64(x, at(a, 0))
			f.VMOVDQU64(y, at(b, 0))
			f.ADDQ(operand.Imm(64), a)
			f.ADDQ(operand.Imm(64), b)
		})
		f.MOVQ(b, a)
	})
	f.end()
}

// blocks does the three levels within blocks of 64 coefficients, with seven pairs of vectors of
// roots each: one for distance 4, two for 2, four for 1.
func blocks(f *file, name string, do func(f *field, a []reg.VecVirtual, root func(int) [2]reg.VecVirtual)) {
	f.function(name)
	p, w, n := f.argument("a"), f.argument("w"), f.argument("blocks")
	m := newField(f)
	a := vectors(8, f.ZMM)
	f.loop("block", n, func() {
		for i, v := range a {
			f.VMOVDQU64(at(p, 64*i), v)
		}
		do(m, a, func(i int) [2]reg.VecVirtual {
			r := [2]reg.VecVirtual{f.ZMM(), f.ZMM()}
			f.VMOVDQU64(at(w, 128*i), r[0])
			f.VMOVDQU64(at(w, 128*i+64), r[1])
			return r
		})
		for i, v := range a {
			f.VMOVDQU64(v, at(p, 64*i))
		}
		f.ADDQ(operand.U32(512), p)
		f.ADDQ(operand.U32(7*128), w)
	})
	f.end()
}

// level does the level of a distance over eight vectors, with the roots from number first on.
func (f *field) level(a []reg.VecVirtual, distance, first int, root func(int) [2]reg.VecVirtual, step butterfly) {
	for g := 0; g < 4/distance; g++ {
		w := root(first + g)
		for i := range distance {
			at := 2*distance*g + i
			step(a[at], a[at+distance], w)
		}
	}
}

// transpose transposes 8×8 numbers.
func (f *field) transpose(a []reg.VecVirtual) {
	b, c := vectors(8, f.ZMM), vectors(8, f.ZMM)
	for i := 0; i < 8; i += 2 {
		f.VPUNPCKLQDQ(a[i+1], a[i], b[i])
		f.VPUNPCKHQDQ(a[i+1], a[i], b[i+1])
	}
	for i := range 8 { // lanes 0 and 2, or 1 and 3, of two vectors two apart
		at := i&^3 | i&1
		f.VSHUFI64X2(operand.Imm(0x88+uint64(i>>1&1)*0x55), b[at+2], b[at], c[i])
	}
	for i := range 8 {
		at := i & 3
		f.VSHUFI64X2(operand.Imm(0x88+uint64(i>>2)*0x55), c[at+4], c[at], a[i])
	}
}

func scale(f *file) {
	f.function("nttScale")
	a, n := f.argument("a"), f.argument("n")
	m := newField(f)
	w := [2]reg.VecVirtual{f.everywhere("w", f.ZMM()), f.everywhere("wq", f.ZMM())}
	x := f.ZMM()
	f.loop("loop", n, func() {
		f.VMOVDQU64(at(a, 0), x)
		m.mul(x, w)
		f.VMOVDQU64(x, at(a, 0))
		f.ADDQ(operand.Imm(64), a)
	})
	f.end()
}

// products multiplies two transforms, and adds to what is there or not.
func products(f *file, name string, add bool) {
	f.function(name)
	dst, a, b, n := f.argument("dst"), f.argument("a"), f.argument("b"), f.argument("n")
	m := newField(f)
	inv := f.everywhere("inv", f.ZMM())
	f.loop("loop", n, func() {
		x, y, lo, hi, t := f.ZMM(), f.ZMM(), f.ZMM(), f.ZMM(), f.ZMM()
		f.VMOVDQU64(at(a, 0), x)
		f.VMOVDQU64(at(b, 0), y)
		f.zero(lo)
		f.zero(hi)
		f.VPMADD52LUQ(y, x, lo)
		f.VPMADD52HUQ(y, x, hi)
		f.zero(t)
		f.VPMADD52LUQ(inv, lo, t)
		f.zero(x)
		f.VPMADD52HUQ(m.q, t, x)
		f.VPSUBQ(x, hi, x)
		m.positive(x)
		if add {
			f.VPADDQ(at(dst, 0), x, x)
			m.below(x, x)
		}
		f.VMOVDQU64(x, at(dst, 0))
		f.ADDQ(operand.Imm(64), dst)
		f.ADDQ(operand.Imm(64), a)
		f.ADDQ(operand.Imm(64), b)
	})
	f.end()
}
