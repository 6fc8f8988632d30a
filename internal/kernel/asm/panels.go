package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// panels spreads rows over panels.
func panels(f *file) {
	panelStream(f)
	panelStored(f)
}

// panelStream keeps what it encrypts below a power of two.
func panelStream(f *file) {
	f.function("panelStream")
	dst, stride, s, batches := f.argument("dst"), f.argument("stride"), f.argument("s"), f.argument("batches")
	count := f.counting("panelStream", f.ZMM)
	mask, q, top := f.everywhere("mask", f.ZMM()), f.everywhere("q", f.ZMM()), f.ZMM()
	f.zero(top)
	key := f.broadcast(s, rounds256)
	x := vectors(8, f.ZMM)
	f.loop("loop", batches, func() {
		for _, x := range x {
			count(x)
		}
		f.encrypt(x, rounds256, key)
		for _, x := range x {
			f.VPANDQ(x, mask, x)
			f.VPMAXUQ(x, top, top)
			f.VMOVDQU64(x, at(dst, 0))
			f.ADDQ(stride, dst)
		}
	})
	large, bad := f.K(), f.GP64()
	f.VPCMPUQ(operand.Imm(5), q, top, large) // top >= q
	f.KMOVB(large, bad.As32())
	f.MOVBQZX(bad.As8(), bad)
	f.Store(bad, f.ReturnIndex(0))
	f.end()
}

// panelStored takes eight numbers x = h·2^64 + v at a time, as a1·2^b + a0 with b the length of q:
// a1·2^b + a0 = a1·c + a0 modulo q = 2^b - c, twice.
func panelStored(f *file) {
	f.function("panelStored")
	dst, stride, lo, high := f.argument("dst"), f.argument("stride"), f.argument("lo"), f.argument("high")
	groups, step, constants := f.argument("groups"), f.argument("step"), f.argument("f")
	// The fields of storedConstants.
	offset := 0
	field := func() reg.VecVirtual {
		r := f.ZMM()
		f.VPBROADCASTQ(at(constants, offset), r)
		offset += 8
		return r
	}
	highMask, down, up, drop, half := field(), field(), field(), field(), field()
	mask, fold, fold52, length, q := field(), field(), field(), field(), field()
	bytes, shift, index := f.K(), f.ZMM(), f.ZMM()
	f.KMOVQ(at(constants, offset), bytes)
	f.VMOVDQU64(at(constants, offset+8), shift)
	f.VMOVDQU64(at(constants, offset+72), index)
	top, a0, a1, h, t := f.ZMM(), f.ZMM(), f.ZMM(), f.ZMM(), f.ZMM()
	f.zero(top)
	f.loop("loop", groups, func() {
		f.VMOVDQU64(at(lo, 0), a0)
		f.VMOVDQU8_Z(at(high, 0), bytes, h) // no byte beyond the group's
		f.VPERMB(h, index, h)
		f.VPSRLVQ(shift, h, h)
		f.VPANDQ(highMask, h, h)
		f.VPSRLVQ(down, a0, a1)
		f.VPSLLVQ(up, h, h)
		f.VPORQ(h, a1, a1)
		f.VPMAXUQ(a1, top, top)
		f.VPSLLVQ(drop, a0, a0)
		f.VPORQ(half, a0, a0)
		f.VPANDQ(mask, a0, a0)
		f.zero(t)
		f.VPMADD52LUQ(fold, a1, a0)  // the low part of a1·c
		f.VPMADD52HUQ(fold, a1, t)   // its high part,
		f.VPMADD52LUQ(fold52, t, a0) // times 2^52
		f.VPSRLVQ(length, a0, t)
		f.VPANDQ(mask, a0, a0)
		f.VPMADD52LUQ(fold, t, a0)
		f.VPSUBQ(q, a0, t)
		f.VPMINUQ(t, a0, a0)
		f.VMOVDQU64(a0, at(dst, 0))
		f.ADDQ(operand.Imm(64), lo)
		f.ADDQ(step, high)
		f.ADDQ(stride, dst)
	})
	f.largest(top)
	most := f.GP64()
	f.VMOVQ(top.AsX(), most)
	f.Store(most, f.ReturnIndex(0))
	f.end()
}

// largest moves the largest of the eight numbers of v into the first.
func (f *file) largest(v reg.VecVirtual) {
	t := f.ZMM()
	f.VEXTRACTI64X4(operand.Imm(1), v, t.AsY())
	f.VPMAXUQ(t, v, v)
	f.VEXTRACTI64X2(operand.Imm(1), v.AsY(), t.AsX())
	f.VPMAXUQ(t, v, v)
	f.VPSRLDQ(operand.Imm(8), v.AsX(), t.AsX())
	f.VPMAXUQ(t, v, v)
}
