//go:build amd64 && !purego

#include "textflag.h"

// One row of the tile: x times a row of the panel, Z16 and Z17. Products are rounded before they are added.
#define ROW(x, lo, hi) \
	VBROADCASTSD x, Z18 \
	VMULPD Z16, Z18, Z19 \
	VADDPD Z19, lo, lo \
	VMULPD Z17, Z18, Z20 \
	VADDPD Z20, hi, hi

// func doubleTile(dst *float64, stride int, a *float64, strideA int, panel *float64, depth int)
TEXT ·doubleTile(SB), NOSPLIT, $0-48
	MOVQ dst+0(FP), DI
	MOVQ stride+8(FP), DX
	MOVQ a+16(FP), SI
	MOVQ strideA+24(FP), R8
	MOVQ panel+32(FP), BX
	MOVQ depth+40(FP), CX
	LEAQ (SI)(R8*2), R9 // three rows on
	ADDQ R8, R9
	LEAQ (R9)(R8*2), R10 // six
	ADDQ R8, R10
	MOVQ DI, R11
	VMOVUPD (R11), Z0
	VMOVUPD 64(R11), Z1
	ADDQ DX, R11
	VMOVUPD (R11), Z2
	VMOVUPD 64(R11), Z3
	ADDQ DX, R11
	VMOVUPD (R11), Z4
	VMOVUPD 64(R11), Z5
	ADDQ DX, R11
	VMOVUPD (R11), Z6
	VMOVUPD 64(R11), Z7
	ADDQ DX, R11
	VMOVUPD (R11), Z8
	VMOVUPD 64(R11), Z9
	ADDQ DX, R11
	VMOVUPD (R11), Z10
	VMOVUPD 64(R11), Z11
	ADDQ DX, R11
	VMOVUPD (R11), Z12
	VMOVUPD 64(R11), Z13
	ADDQ DX, R11
	VMOVUPD (R11), Z14
	VMOVUPD 64(R11), Z15
	ADDQ DX, R11

loop:
	VMOVUPD (BX), Z16
	VMOVUPD 64(BX), Z17
	ROW((SI), Z0, Z1)
	ROW((SI)(R8*1), Z2, Z3)
	ROW((SI)(R8*2), Z4, Z5)
	ROW((R9), Z6, Z7)
	ROW((SI)(R8*4), Z8, Z9)
	ROW((R9)(R8*2), Z10, Z11)
	ROW((R10), Z12, Z13)
	ROW((R9)(R8*4), Z14, Z15)
	ADDQ $128, BX
	ADDQ $8, SI
	ADDQ $8, R9
	ADDQ $8, R10
	DECQ CX
	JNZ  loop

	VMOVUPD Z0, (DI)
	VMOVUPD Z1, 64(DI)
	ADDQ DX, DI
	VMOVUPD Z2, (DI)
	VMOVUPD Z3, 64(DI)
	ADDQ DX, DI
	VMOVUPD Z4, (DI)
	VMOVUPD Z5, 64(DI)
	ADDQ DX, DI
	VMOVUPD Z6, (DI)
	VMOVUPD Z7, 64(DI)
	ADDQ DX, DI
	VMOVUPD Z8, (DI)
	VMOVUPD Z9, 64(DI)
	ADDQ DX, DI
	VMOVUPD Z10, (DI)
	VMOVUPD Z11, 64(DI)
	ADDQ DX, DI
	VMOVUPD Z12, (DI)
	VMOVUPD Z13, 64(DI)
	ADDQ DX, DI
	VMOVUPD Z14, (DI)
	VMOVUPD Z15, 64(DI)
	ADDQ DX, DI
	VZEROUPPER
	RET

// func toDoubles(dst *float64, x *uint64, n int, shift uint64) float64
TEXT ·toDoubles(SB), NOSPLIT, $0-40
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ n+16(FP), CX
	VMOVQ shift+24(FP), X1
	VPXORQ Z2, Z2, Z2 // the largest so far

convert:
	VMOVDQU64 (SI), Z0
	VPSLLQ X1, Z0, Z0
	VPSRAQ X1, Z0, Z0
	VCVTQQ2PD Z0, Z3
	VMOVUPD Z3, (DI)
	VPABSQ Z0, Z0
	VPMAXUQ Z0, Z2, Z2
	ADDQ $64, SI
	ADDQ $64, DI
	SUBQ $8, CX
	JNZ  convert

	VEXTRACTI64X4 $1, Z2, Y0
	VPMAXUQ Y0, Y2, Y2
	VEXTRACTI128 $1, Y2, X0
	VPMAXUQ X0, X2, X2
	VPSRLDQ $8, X2, X0
	VPMAXUQ X0, X2, X2
	VCVTUQQ2PD X2, X2
	VMOVSD X2, ret+32(FP)
	VZEROUPPER
	RET

// func fromDoubles(dst *uint64, x *float64, n int, mask uint64)
TEXT ·fromDoubles(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ n+16(FP), CX
	VPBROADCASTQ mask+24(FP), Z1

back:
	VCVTPD2QQ (SI), Z0
	VPANDQ Z1, Z0, Z0
	VMOVDQU64 Z0, (DI)
	ADDQ $64, SI
	ADDQ $64, DI
	SUBQ $8, CX
	JNZ  back

	VZEROUPPER
	RET
