package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// double has the matrix product of doubles.
func double(f *file) {
	doubleTile(f, "doubleTile8x16", 8, f.ZMM)
	doubleTile(f, "doubleTile4x8", 4, f.YMM)
	doubles(f)
}

// doubleTile is for rows rows by two vectors. Products are rounded before they are added.
func doubleTile(f *file, name string, rows int, vector func() reg.VecVirtual) {
	f.function(name)
	dst, stride, a, strideA := f.argument("dst"), f.argument("stride"), f.argument("a"), f.argument("strideA")
	panel, depth := f.argument("panel"), f.argument("depth")
	size := int(vector().Size())

	// Every fourth row of a has a pointer, the others are some strides behind.
	base := []reg.GPVirtual{a}
	stride3 := f.GP64()
	f.LEAQ(operand.Mem{Base: strideA, Index: strideA, Scale: 2}, stride3)
	for len(base) < rows/4 {
		next := f.GP64()
		f.LEAQ(operand.Mem{Base: base[len(base)-1], Index: strideA, Scale: 4}, next)
		base = append(base, next)
	}
	element := func(i int) operand.Mem {
		b := at(base[i/4], 0)
		switch i % 4 {
		case 1, 2:
			return b.Idx(strideA, uint8(i%4))
		case 3:
			return b.Idx(stride3, 1)
		}
		return b
	}

	to := f.GP64()
	f.MOVQ(dst, to)
	left, right := vectors(rows, vector), vectors(rows, vector)
	for i := range left {
		f.VMOVUPD(at(to, 0), left[i])
		f.VMOVUPD(at(to, size), right[i])
		f.ADDQ(stride, to)
	}
	b0, b1 := vector(), vector()
	f.loop("loop", depth, func() {
		f.VMOVUPD(at(panel, 0), b0)
		f.VMOVUPD(at(panel, size), b1)
		for i := range left {
			x, y := vector(), vector()
			f.VBROADCASTSD(element(i), x)
			f.VMULPD(b0, x, y)
			f.VADDPD(y, left[i], left[i])
			f.VMULPD(b1, x, x)
			f.VADDPD(x, right[i], right[i])
		}
		f.ADDQ(operand.U32(2*size), panel)
		for _, r := range base {
			f.ADDQ(operand.Imm(8), r)
		}
	})
	for i := range left {
		f.VMOVUPD(left[i], at(dst, 0))
		f.VMOVUPD(right[i], at(dst, size))
		f.ADDQ(stride, dst)
	}
	f.end()
}

// doubles converts.
func doubles(f *file) {
	f.function("toDoubles")
	dst, src, n := f.argument("dst"), f.argument("x"), f.argument("n")
	shift, x, d, top := f.XMM(), f.ZMM(), f.ZMM(), f.ZMM()
	f.VMOVQ(f.address("shift"), shift)
	f.zero(top)
	f.Label("loop")
	f.VMOVDQU64(at(src, 0), x)
	f.VPSLLQ(shift, x, x)
	f.VPSRAQ(shift, x, x)
	f.VCVTQQ2PD(x, d)
	f.VMOVUPD(d, at(dst, 0))
	f.VPABSQ(x, x)
	f.VPMAXUQ(x, top, top)
	f.ADDQ(operand.Imm(64), src)
	f.ADDQ(operand.Imm(64), dst)
	f.SUBQ(operand.Imm(8), n)
	f.JNZ(operand.LabelRef("loop"))
	f.largest(top)
	f.VCVTUQQ2PD(top.AsX(), top.AsX())
	f.Store(top.AsX(), f.ReturnIndex(0))
	f.end()

	f.function("fromDoubles")
	dst, src, n = f.argument("dst"), f.argument("x"), f.argument("n")
	mask := f.everywhere("mask", f.ZMM())
	f.Label("loop")
	f.VCVTPD2QQ(at(src, 0), x)
	f.VPANDQ(mask, x, x)
	f.VMOVDQU64(x, at(dst, 0))
	f.ADDQ(operand.Imm(64), src)
	f.ADDQ(operand.Imm(64), dst)
	f.SUBQ(operand.Imm(8), n)
	f.JNZ(operand.LabelRef("loop"))
	f.end()
}
