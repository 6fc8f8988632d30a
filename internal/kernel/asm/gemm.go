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
	f.function("mulAdd8x8")
	dst, stride, x, c, k := f.argument("dst"), f.argument("stride"), f.argument("x"), f.argument("c"), f.argument("k")
	q := f.everywhere("q", f.ZMM())
	inv := f.everywhere("inv", f.ZMM())
	zero := f.ZMM()
	f.VPXORQ(zero, zero, zero)
	// The sums of a row are lo + hi·2^52.
	lo, hi, column := vectors(8, f.ZMM), vectors(8, f.ZMM), f.ZMM()
	for i := range lo {
		f.VMOVDQA64(zero, lo[i])
		f.VMOVDQA64(zero, hi[i])
	}
	f.TESTQ(k, k)
	f.JZ(operand.LabelRef("end"))
	f.loop("loop", k, func() {
		f.VMOVDQU64(at(c, 0), column)
		for i := range lo {
			f.VPMADD52LUQ_BCST(at(x, 8*i), column, lo[i])
			f.VPMADD52HUQ_BCST(at(x, 8*i), column, hi[i])
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
