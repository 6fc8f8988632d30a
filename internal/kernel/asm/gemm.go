package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// cpu asks the processor what it is.
func cpu(f *file) {
	f.function("cpuid")
	f.Load(f.Param("leaf"), reg.EAX)
	f.Load(f.Param("sub"), reg.ECX)
	f.CPUID()
	f.Store(reg.EAX, f.Return("a"))
	f.Store(reg.EBX, f.Return("b"))
	f.Store(reg.ECX, f.Return("c"))
	f.Store(reg.EDX, f.Return("d"))
	f.RET()

	f.function("xgetbv")
	f.XORL(reg.ECX, reg.ECX)
	f.XGETBV()
	f.Store(reg.EAX, f.ReturnIndex(0))
	f.RET()
}

// gemm has the modular matrix product.
func gemm(f *file) {
	mulAdd8x8(f)
	sums4x4(f)
}

func mulAdd8x8(f *file) {
	f.function("mulAdd8x8")
	dst, stride, x, c, k := f.argument("dst"), f.argument("stride"), f.argument("x"), f.argument("c"), f.argument("k")
	q := f.everywhere("q", f.ZMM())
	inv := f.everywhere("inv", f.ZMM())
	zero := f.ZMM()
	f.zero(zero)
	// The sums of a row are lo + hi·2^52.
	lo, hi, row := vectors(8, f.ZMM), vectors(8, f.ZMM), f.ZMM()
	for i := range lo {
		f.VMOVDQA64(zero, lo[i])
		f.VMOVDQA64(zero, hi[i])
	}
	f.TESTQ(k, k)
	f.JZ(operand.LabelRef("end"))
	f.loop("loop", k, func() {
		f.VMOVDQU64(at(c, 0), row)
		for i := range lo {
			f.VPMADD52LUQ_BCST(at(x, 8*i), row, lo[i])
			f.VPMADD52HUQ_BCST(at(x, 8*i), row, hi[i])
		}
		f.ADDQ(operand.Imm(64), x)
		f.ADDQ(operand.Imm(64), c)
	})
	f.Label("end")
	t, u := f.ZMM(), f.ZMM()
	for i := range lo {
		// (hi·2^52 + lo)·2^-104 mod q in two Montgomery steps of 52 bits.
		lo, hi := lo[i], hi[i]
		f.VPSRLQ(operand.Imm(52), lo, t)
		f.VPADDQ(t, hi, hi)
		step := func(from reg.VecVirtual) {
			f.VMOVDQA64(zero, t)
			f.VPMADD52LUQ(inv, from, t)
			f.VMOVDQA64(zero, u)
			f.VPMADD52HUQ(q, t, u)
		}
		step(lo)
		f.VPSUBQ(u, hi, hi)
		f.VPADDQ(q, hi, hi)
		step(hi)
		f.VPSRLQ(operand.Imm(52), hi, hi)
		f.VPSUBQ(u, hi, hi)
		f.VPADDQ(q, hi, u)
		f.VPMINUQ(u, hi, hi)
		f.VPADDQ(at(dst, 0), hi, hi)
		f.VPSUBQ(q, hi, u)
		f.VPMINUQ(u, hi, hi)
		f.VMOVDQU64(hi, at(dst, 0))
		f.ADDQ(stride, dst)
	}
	f.end()
}

func sums4x4(f *file) {
	f.function("sums4x4")
	sums, x, c, k := f.argument("sums"), f.argument("x"), f.argument("c"), f.argument("k")
	constant := func(name string, v float64) reg.VecVirtual {
		r := f.YMM()
		f.VBROADCASTSD(f.ConstData(name, operand.F64(v)), r)
		return r
	}
	big := constant("sumsBig", 3<<102)
	both := constant("sumsBoth", 3<<102+3<<51)
	whole := constant("sumsWhole", 1<<52) // its bits, and a number in the lower ones, are 2^52 and the number
	less := constant("sumsLess", 1<<52+1<<51)
	highs, lows, row := vectors(4, f.YMM), vectors(4, f.YMM), f.YMM()
	for i := range highs {
		f.zero(highs[i])
		f.zero(lows[i])
	}
	f.loop("loop", k, func() {
		f.VPOR(at(c, 0), whole, row)
		f.VSUBPD(less, row, row)
		for i := range highs {
			a, high := f.YMM(), f.YMM()
			f.VBROADCASTSD(at(x, 8*i), a)
			f.VMOVAPD(big, high)
			f.VFMADD231PD(row, a, high)
			f.VPADDQ(high, highs[i], highs[i])
			f.VSUBPD(high, both, high)
			f.VFMADD231PD(row, a, high)
			f.VPADDQ(high, lows[i], lows[i])
		}
		f.ADDQ(operand.Imm(64), x)
		f.ADDQ(operand.Imm(64), c)
	})
	for i := range highs {
		f.VMOVDQU(highs[i], at(sums, 64*i))
		f.VMOVDQU(lows[i], at(sums, 64*i+32))
	}
	f.end()
}

// product has the matrix products modulo powers of two.
func product(f *file) {
	product8x8(f, "product52", func(x operand.Mem, row, sum reg.VecVirtual) {
		f.VPMADD52LUQ_BCST(x, row, sum)
	})
	product8x8(f, "product64", func(x operand.Mem, row, sum reg.VecVirtual) {
		t := f.ZMM()
		f.VPMULLQ_BCST(x, row, t)
		f.VPADDQ(t, sum, sum)
	})
	product4x4(f)
}

// product8x8 adds products of a row of b by numbers to eight sums.
func product8x8(f *file, name string, add func(x operand.Mem, row, sum reg.VecVirtual)) {
	f.function(name)
	dst, stride, a, b, k := f.argument("dst"), f.argument("stride"), f.argument("a"), f.argument("b"), f.argument("k")
	sums, row := vectors(8, f.ZMM), f.ZMM()
	for _, s := range sums {
		f.zero(s)
	}
	f.loop("loop", k, func() {
		f.VMOVDQU64(at(b, 0), row)
		for i, s := range sums {
			add(at(a, 8*i), row, s)
		}
		f.ADDQ(operand.Imm(64), a)
		f.ADDQ(operand.Imm(64), b)
	})
	for _, s := range sums {
		f.VPADDQ(at(dst, 0), s, s)
		f.VMOVDQU64(s, at(dst, 0))
		f.ADDQ(stride, dst)
	}
	f.end()
}

// product4x4 multiplies halves of 32 bits; of the upper ones only the products with a lower one count.
func product4x4(f *file) {
	f.function("product4x4")
	dst, stride, a, b, k := f.argument("dst"), f.argument("stride"), f.argument("a"), f.argument("b"), f.argument("k")
	low, middle, row, upper := vectors(4, f.YMM), vectors(4, f.YMM), f.YMM(), f.YMM()
	for i := range low {
		f.zero(low[i])
		f.zero(middle[i])
	}
	f.loop("loop", k, func() {
		f.VMOVDQU(at(b, 0), row)
		f.VPSRLQ(operand.Imm(32), row, upper)
		for i := range low {
			x, y, t := f.YMM(), f.YMM(), f.YMM()
			f.VPBROADCASTD(at(a, 8*i), x)
			f.VPBROADCASTD(at(a, 8*i+4), y)
			f.VPMULUDQ(row, x, t)
			f.VPADDQ(t, low[i], low[i])
			f.VPMULUDQ(upper, x, x)
			f.VPADDQ(x, middle[i], middle[i])
			f.VPMULUDQ(row, y, y)
			f.VPADDQ(y, middle[i], middle[i])
		}
		f.ADDQ(operand.Imm(64), a)
		f.ADDQ(operand.Imm(64), b)
	})
	for i, s := range low {
		f.VPSLLQ(operand.Imm(32), middle[i], middle[i])
		f.VPADDQ(middle[i], s, s)
		f.VPADDQ(at(dst, 0), s, s)
		f.VMOVDQU(s, at(dst, 0))
		f.ADDQ(stride, dst)
	}
	f.end()
}
