//go:build amd64 && !purego

#include "textflag.h"

// One row of the tile over one row of the panel: x·c in 52-bit halves.
#define MUL(x, lo, hi) \
	VPMADD52LUQ.BCST x(SI), Z16, lo \
	VPMADD52HUQ.BCST x(SI), Z16, hi

// Ends one row: (hi·2^52 + lo)·2^-104 mod q in two Montgomery steps of 52 bits, added to eight elements of dst.
// Z17 = q, Z18 = 1/q mod 2^52, Z19 = 0.
#define END(lo, hi) \
	VPSRLQ $52, lo, Z20 \
	VPADDQ Z20, hi, hi \
	VMOVDQA64 Z19, Z21 \
	VPMADD52LUQ Z18, lo, Z21 \
	VMOVDQA64 Z19, Z22 \
	VPMADD52HUQ Z17, Z21, Z22 \
	VPSUBQ Z22, hi, hi \
	VPADDQ Z17, hi, hi \
	VMOVDQA64 Z19, Z21 \
	VPMADD52LUQ Z18, hi, Z21 \
	VMOVDQA64 Z19, Z22 \
	VPMADD52HUQ Z17, Z21, Z22 \
	VPSRLQ $52, hi, hi \
	VPSUBQ Z22, hi, hi \
	VPADDQ Z17, hi, Z22 \
	VPMINUQ Z22, hi, hi \
	VPADDQ (DI), hi, hi \
	VPSUBQ Z17, hi, Z22 \
	VPMINUQ Z22, hi, hi \
	VMOVDQU64 hi, (DI) \
	ADDQ DX, DI

// func mulAdd8x8(dst *uint64, stride int, x, c *uint64, k int, q, inv uint64)
TEXT ·mulAdd8x8(SB), NOSPLIT, $0-56
	MOVQ dst+0(FP), DI
	MOVQ stride+8(FP), DX
	MOVQ x+16(FP), SI
	MOVQ c+24(FP), BX
	MOVQ k+32(FP), CX
	VPBROADCASTQ q+40(FP), Z17
	VPBROADCASTQ inv+48(FP), Z18
	VPXORQ Z19, Z19, Z19
	VMOVDQA64 Z19, Z0
	VMOVDQA64 Z19, Z1
	VMOVDQA64 Z19, Z2
	VMOVDQA64 Z19, Z3
	VMOVDQA64 Z19, Z4
	VMOVDQA64 Z19, Z5
	VMOVDQA64 Z19, Z6
	VMOVDQA64 Z19, Z7
	VMOVDQA64 Z19, Z8
	VMOVDQA64 Z19, Z9
	VMOVDQA64 Z19, Z10
	VMOVDQA64 Z19, Z11
	VMOVDQA64 Z19, Z12
	VMOVDQA64 Z19, Z13
	VMOVDQA64 Z19, Z14
	VMOVDQA64 Z19, Z15
	TESTQ CX, CX
	JZ    end

loop:
	VMOVDQU64 (BX), Z16
	MUL(0, Z0, Z1)
	MUL(8, Z2, Z3)
	MUL(16, Z4, Z5)
	MUL(24, Z6, Z7)
	MUL(32, Z8, Z9)
	MUL(40, Z10, Z11)
	MUL(48, Z12, Z13)
	MUL(56, Z14, Z15)
	ADDQ $64, SI
	ADDQ $64, BX
	DECQ CX
	JNZ  loop

end:
	END(Z0, Z1)
	END(Z2, Z3)
	END(Z4, Z5)
	END(Z6, Z7)
	END(Z8, Z9)
	END(Z10, Z11)
	END(Z12, Z13)
	END(Z14, Z15)
	VZEROUPPER
	RET

// func cpuid(leaf, sub uint32) (a, b, c, d uint32)
TEXT ·cpuid(SB), NOSPLIT, $0-24
	MOVL leaf+0(FP), AX
	MOVL sub+4(FP), CX
	CPUID
	MOVL AX, a+8(FP)
	MOVL BX, b+12(FP)
	MOVL CX, c+16(FP)
	MOVL DX, d+20(FP)
	RET

// func xgetbv() uint32
TEXT ·xgetbv(SB), NOSPLIT, $0-4
	XORL CX, CX
	XGETBV
	MOVL AX, ret+0(FP)
	RET
