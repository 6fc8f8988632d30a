package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// doublesModQ are doubles of magnitude up to 2q that are whole, q below 2^50, each standing for its
// class modulo q. A product y·w is h + l, h its double and l, which is a double as well, what
// rounding has taken; h - bq for b = h/q, rounded, is small, so that one fused multiply-add has it
// exactly. Of magnitudes |y| up to 4q and |w| up to q/2, or both up to 1.6q, the quotient is up to
// 2.6q < 2^51.4, known with an error of 3·2^-53 of it, less than 1: the result is below 1.5q.
type doublesModQ struct {
	*file
	q, inv reg.VecVirtual
}

func newDoubles(f *file) *doublesModQ {
	return &doublesModQ{f, f.everywhere("q", f.YMM()), f.everywhere("inv", f.YMM())}
}

func (f *doublesModQ) vector() reg.VecVirtual { return f.YMM() }
func (f *doublesModQ) parts() int             { return 1 }

// tidy brings a number to a magnitude of q/2.
func (f *doublesModQ) tidy(x reg.VecVirtual) {
	b := f.YMM()
	f.VMULPD(f.inv, x, b)
	f.VROUNDPD(operand.Imm(8), b, b) // to the nearest
	f.VFNMADD231PD(f.q, b, x)
}

func (f *doublesModQ) mul(y reg.VecVirtual, w []reg.VecVirtual) {
	h := f.YMM()
	f.VMULPD(w[0], y, h)
	f.VFMSUB213PD(h, w[0], y)
	f.tidy(h)
	f.VADDPD(h, y, y)
}

func (f *doublesModQ) sums(x, y reg.VecVirtual) {
	t := f.YMM()
	f.VADDPD(y, x, t)
	f.VSUBPD(y, x, y)
	f.VMOVAPD(t, x)
}

func (f *doublesModQ) transpose(a []reg.VecVirtual) {
	b := vectors(4, f.YMM)
	for i := 0; i < 4; i += 2 {
		f.VPUNPCKLQDQ(a[i+1], a[i], b[i])
		f.VPUNPCKHQDQ(a[i+1], a[i], b[i+1])
	}
	for i := range 2 {
		f.VPERM2I128(operand.Imm(0x20), b[i+2], b[i], a[i])
		f.VPERM2I128(operand.Imm(0x31), b[i+2], b[i], a[i+2])
	}
}

// convert has the ways from numbers in [0, q) to doubles and back.
func convert(f *file) {
	// Its bits, and a number in the lower ones, are 2^52 and the number.
	whole := f.ConstData("nttWhole", operand.F64(1<<52))

	f.function("nttLoadDoubles")
	a, n, magic, x := f.argument("a"), f.argument("n"), f.YMM(), f.YMM()
	f.VPBROADCASTQ(whole, magic)
	f.loop("loop", n, func() {
		f.VPOR(at(a, 0), magic, x)
		f.VSUBPD(magic, x, x)
		f.move(x, at(a, 0))
		f.ADDQ(operand.Imm(32), a)
	})
	f.end()

	f.function("nttStoreDoubles")
	a, n, magic = f.argument("a"), f.argument("n"), f.YMM()
	m := newDoubles(f)
	factor := []reg.VecVirtual{f.everywhere("scale", f.YMM())}
	f.VPBROADCASTQ(whole, magic)
	f.loop("loop", n, func() {
		x, t := f.YMM(), f.YMM()
		f.move(at(a, 0), x)
		m.mul(x, factor)
		m.tidy(x)
		f.VADDPD(m.q, x, t)
		f.VBLENDVPD(x, t, x, x) // where x is negative
		f.VADDPD(magic, x, x)
		f.VPXOR(magic, x, x)
		f.move(x, at(a, 0))
		f.ADDQ(operand.Imm(32), a)
	})
	f.end()
}

// pointwiseDoubles is pointwise.
func pointwiseDoubles(f *file, name string, add bool) {
	f.function(name)
	dst, a, b, n := f.argument("dst"), f.argument("a"), f.argument("b"), f.argument("n")
	m := newDoubles(f)
	f.loop("loop", n, func() {
		x, y := f.YMM(), f.YMM()
		f.move(at(a, 0), x)
		f.move(at(b, 0), y)
		m.mul(x, []reg.VecVirtual{y})
		if add {
			f.move(at(dst, 0), y)
			m.tidy(y)
			f.VADDPD(y, x, x)
		}
		f.move(x, at(dst, 0))
		for _, p := range []reg.GPVirtual{dst, a, b} {
			f.ADDQ(operand.Imm(32), p)
		}
	})
	f.end()
}
