package main

import (
	"math/bits"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// arithmetic is that modulo q in the 64-bit lanes of vectors.
type arithmetic interface {
	vector() reg.VecVirtual
	transpose(a []reg.VecVirtual)             // as many vectors as one has lanes
	parts() int                               // vectors that a root of unity has
	mul(y reg.VecVirtual, w []reg.VecVirtual) // y ← y·w
	sums(x, y reg.VecVirtual)                 // x, y ← x + y, x - y
	tidy(x reg.VecVirtual)                    // makes x small
}

// ntt has the number-theoretic transforms.
func ntt(f *file) {
	transforms(f, "", func() arithmetic { return newResidues(f) })
	scale(f)
	pointwise(f, "nttMul", false)
	pointwise(f, "nttMulAdd", true)
}

// nttDoubles has those in doubles.
func nttDoubles(f *file) {
	transforms(f, "Doubles", func() arithmetic { return newDoubles(f) })
	convert(f)
	pointwiseDoubles(f, "nttMulDoubles", false)
	pointwiseDoubles(f, "nttMulAddDoubles", true)
}

// transforms has the levels of one arithmetic.
func transforms(f *file, suffix string, begin func() arithmetic) {
	// x + y·w and x - y·w, or x + y and (x - y)·w.
	forward := func(m arithmetic, x, y reg.VecVirtual, w []reg.VecVirtual) {
		m.mul(y, w)
		m.tidy(x)
		m.sums(x, y)
	}
	backward := func(m arithmetic, x, y reg.VecVirtual, w []reg.VecVirtual) {
		m.sums(x, y)
		m.tidy(x)
		m.mul(y, w)
	}
	levels(f, "nttLevel"+suffix, begin, forward)
	levels(f, "inttLevel"+suffix, begin, backward)
	blocks(f, "nttLast"+suffix, begin, func(m arithmetic, a []reg.VecVirtual, root func(int) []reg.VecVirtual) {
		m.transpose(a)
		for distance := len(a) / 2; distance > 0; distance /= 2 {
			level(m, a, distance, root, forward)
		}
	})
	blocks(f, "inttFirst"+suffix, begin, func(m arithmetic, a []reg.VecVirtual, root func(int) []reg.VecVirtual) {
		for distance := 1; distance < len(a); distance *= 2 {
			level(m, a, distance, root, backward)
		}
		m.transpose(a)
	})
}

// A butterfly turns x and y into those of the next level, with the root w.
type butterfly func(m arithmetic, x, y reg.VecVirtual, w []reg.VecVirtual)

// levels does one level whose distance is a multiple of a vector.
func levels(f *file, name string, begin func() arithmetic, step butterfly) {
	f.function(name)
	a, w, groups, half := f.argument("a"), f.argument("w"), f.argument("groups"), f.argument("half")
	m := begin()
	size := int(m.vector().Size())
	distance, b, n := f.GP64(), f.GP64(), f.GP64()
	f.MOVQ(half, distance)
	f.SHLQ(operand.Imm(uint64(bits.TrailingZeros(uint(size)))), distance)
	root, x, y := vectors(m.parts(), m.vector), m.vector(), m.vector()
	f.loop("group", groups, func() {
		for i, r := range root {
			f.VPBROADCASTQ(at(w, 8*i), r)
		}
		f.ADDQ(operand.Imm(uint64(8*len(root))), w)
		f.LEAQ(at(a, 0).Idx(distance, 1), b)
		f.MOVQ(half, n)
		f.loop("vector", n, func() {
			f.move(at(a, 0), x)
			f.move(at(b, 0), y)
			step(m, x, y, root)
			f.move(x, at(a, 0))
			f.move(y, at(b, 0))
			f.ADDQ(operand.Imm(uint64(size)), a)
			f.ADDQ(operand.Imm(uint64(size)), b)
		})
		f.MOVQ(b, a)
	})
	f.end()
}

// blocks does the levels within blocks of as many vectors as one has lanes, with roots that are
// vectors: one for the largest distance, two for half of it, and so on.
func blocks(f *file, name string, begin func() arithmetic, do func(m arithmetic, a []reg.VecVirtual, root func(int) []reg.VecVirtual)) {
	f.function(name)
	p, w, n := f.argument("a"), f.argument("w"), f.argument("blocks")
	m := begin()
	size, parts := int(m.vector().Size()), m.parts()
	lanes := size / 8
	a := vectors(lanes, m.vector)
	f.loop("block", n, func() {
		for i, v := range a {
			f.move(at(p, size*i), v)
		}
		do(m, a, func(i int) []reg.VecVirtual {
			r := vectors(parts, m.vector)
			for j, r := range r {
				f.move(at(w, size*(parts*i+j)), r)
			}
			return r
		})
		for i, v := range a {
			f.move(v, at(p, size*i))
		}
		f.ADDQ(operand.U32(size*lanes), p)
		f.ADDQ(operand.U32(size*parts*(lanes-1)), w)
	})
	f.end()
}

// level does the level of a distance over the vectors of a block.
func level(m arithmetic, a []reg.VecVirtual, distance int, root func(int) []reg.VecVirtual, step butterfly) {
	groups := len(a) / 2 / distance
	for g := range groups {
		w := root(groups - 1 + g)
		for i := range distance {
			at := 2*distance*g + i
			step(m, a[at], a[at+distance], w)
		}
	}
}

// residues are numbers in [0, q), multiplied by 52 bits. A root is w and w' = w/q mod 2^52, of the
// Montgomery form of 2^52: y·w·2^-52 = hi(y·w) - hi(lo(y·w')·q), in (-q, q); a negative number is
// large as an unsigned one, so that the smaller of t and t+q is t mod q.
type residues struct {
	*file
	q reg.VecVirtual
}

func newResidues(f *file) *residues { return &residues{f, f.everywhere("q", f.ZMM())} }

func (f *residues) vector() reg.VecVirtual { return f.ZMM() }
func (f *residues) parts() int             { return 2 }
func (f *residues) tidy(reg.VecVirtual)    {}

func (f *residues) mul(y reg.VecVirtual, w []reg.VecVirtual) {
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
func (f *residues) positive(y reg.VecVirtual) {
	t := f.ZMM()
	f.VPADDQ(f.q, y, t)
	f.VPMINUQ(t, y, y)
}

// below takes q from what is at least q.
func (f *residues) below(x, to reg.VecVirtual) {
	t := f.ZMM()
	f.VPSUBQ(f.q, x, t)
	f.VPMINUQ(t, x, to)
}

func (f *residues) sums(x, y reg.VecVirtual) {
	t := f.ZMM()
	f.VPADDQ(y, x, t)
	f.VPSUBQ(y, x, y)
	f.positive(y)
	f.below(t, x)
}

func (f *residues) transpose(a []reg.VecVirtual) {
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
	m := newResidues(f)
	w := []reg.VecVirtual{f.everywhere("w", f.ZMM()), f.everywhere("wq", f.ZMM())}
	x := f.ZMM()
	f.loop("loop", n, func() {
		f.move(at(a, 0), x)
		m.mul(x, w)
		f.move(x, at(a, 0))
		f.ADDQ(operand.Imm(64), a)
	})
	f.end()
}

// pointwise multiplies two transforms, and adds to what is there or not.
func pointwise(f *file, name string, add bool) {
	f.function(name)
	dst, a, b, n := f.argument("dst"), f.argument("a"), f.argument("b"), f.argument("n")
	m := newResidues(f)
	inv := f.everywhere("inv", f.ZMM())
	f.loop("loop", n, func() {
		x, y, lo, hi, t := f.ZMM(), f.ZMM(), f.ZMM(), f.ZMM(), f.ZMM()
		f.move(at(a, 0), x)
		f.move(at(b, 0), y)
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
		f.move(x, at(dst, 0))
		for _, p := range []reg.GPVirtual{dst, a, b} {
			f.ADDQ(operand.Imm(64), p)
		}
	})
	f.end()
}
