//go:build amd64 && !purego

#include "textflag.h"

// Ends one row: adds the sums to eight elements of dst.
#define ROW(sum) \
	VPADDQ (DI), sum, sum \
	VMOVDQU64 sum, (DI) \
	ADDQ DX, DI

// func addProduct8x8(dst *uint64, stride int, a, b *uint64, k int)
TEXT ·addProduct8x8(SB), NOSPLIT, $0-40
	MOVQ dst+0(FP), DI
	MOVQ stride+8(FP), DX
	MOVQ a+16(FP), SI
	MOVQ b+24(FP), BX
	MOVQ k+32(FP), CX
	VPXORQ Z0, Z0, Z0
	VPXORQ Z1, Z1, Z1
	VPXORQ Z2, Z2, Z2
	VPXORQ Z3, Z3, Z3
	VPXORQ Z4, Z4, Z4
	VPXORQ Z5, Z5, Z5
	VPXORQ Z6, Z6, Z6
	VPXORQ Z7, Z7, Z7

loop:
	VMOVDQU64 (BX), Z8
	VPMADD52LUQ.BCST 0(SI), Z8, Z0
	VPMADD52LUQ.BCST 8(SI), Z8, Z1
	VPMADD52LUQ.BCST 16(SI), Z8, Z2
	VPMADD52LUQ.BCST 24(SI), Z8, Z3
	VPMADD52LUQ.BCST 32(SI), Z8, Z4
	VPMADD52LUQ.BCST 40(SI), Z8, Z5
	VPMADD52LUQ.BCST 48(SI), Z8, Z6
	VPMADD52LUQ.BCST 56(SI), Z8, Z7
	ADDQ $64, SI
	ADDQ $64, BX
	DECQ CX
	JNZ  loop

	ROW(Z0)
	ROW(Z1)
	ROW(Z2)
	ROW(Z3)
	ROW(Z4)
	ROW(Z5)
	ROW(Z6)
	ROW(Z7)
	VZEROUPPER
	RET
