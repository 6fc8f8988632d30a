//go:build amd64 && !purego

#include "textflag.h"

// func panelWords(dst *uint64, stride int, src *byte, groups int, mask, q uint64) uint64
TEXT ·panelWords(SB), NOSPLIT, $0-56
	MOVQ dst+0(FP), DI
	MOVQ stride+8(FP), DX
	MOVQ src+16(FP), SI
	MOVQ groups+24(FP), CX
	VPBROADCASTQ mask+32(FP), Z1
	VPBROADCASTQ q+40(FP), Z2
	VPXORQ Z3, Z3, Z3

words:
	VPANDQ (SI), Z1, Z0
	VPMAXUQ Z0, Z3, Z3
	VMOVDQU64 Z0, (DI)
	ADDQ $64, SI
	ADDQ DX, DI
	DECQ CX
	JNZ  words

	VPCMPUQ $5, Z2, Z3, K1 // largest >= q
	KMOVB K1, AX
	MOVBQZX AX, AX
	MOVQ AX, ret+48(FP)
	VZEROUPPER
	RET

// func panelStored(dst *uint64, stride int, lo, high *byte, groups, step int, f *storedConstants) uint64
//
// Eight numbers x = h·2^64 + v at a time, as a1·2^b + a0 with b the length of q: a1·2^b + a0 = a1·c + a0 modulo
// q = 2^b - c, twice.
TEXT ·panelStored(SB), NOSPLIT, $0-64
	MOVQ dst+0(FP), DI
	MOVQ stride+8(FP), DX
	MOVQ lo+16(FP), SI
	MOVQ high+24(FP), BX
	MOVQ groups+32(FP), CX
	MOVQ step+40(FP), R8
	MOVQ f+48(FP), R9
	VPBROADCASTQ 0(R9), Z16
	VPBROADCASTQ 8(R9), Z17
	VPBROADCASTQ 16(R9), Z18
	VPBROADCASTQ 24(R9), Z19
	VPBROADCASTQ 32(R9), Z20
	VPBROADCASTQ 40(R9), Z21
	VPBROADCASTQ 48(R9), Z22
	VPBROADCASTQ 56(R9), Z23
	VPBROADCASTQ 64(R9), Z24
	VPBROADCASTQ 72(R9), Z25
	KMOVQ 80(R9), K1
	VMOVDQU64 88(R9), Z26  // shifts of the lanes
	VMOVDQU64 152(R9), Z27 // bytes of the lanes
	VPXORQ Z28, Z28, Z28   // largest a1

stored:
	VMOVDQU64 (SI), Z0       // v
	VMOVDQU8.Z (BX), K1, Z1  // no byte beyond the group's
	VPERMB Z1, Z27, Z1
	VPSRLVQ Z26, Z1, Z1
	VPANDQ Z16, Z1, Z1       // h
	VPSRLVQ Z17, Z0, Z2
	VPSLLVQ Z18, Z1, Z1
	VPORQ Z1, Z2, Z2         // a1
	VPMAXUQ Z2, Z28, Z28
	VPSLLVQ Z19, Z0, Z0
	VPORQ Z20, Z0, Z0
	VPANDQ Z21, Z0, Z0       // a0
	VPXORQ Z3, Z3, Z3
	VPMADD52LUQ Z22, Z2, Z0  // + low part of a1·c
	VPMADD52HUQ Z22, Z2, Z3  // its high part
	VPMADD52LUQ Z23, Z3, Z0  // times 2^52
	VPSRLVQ Z24, Z0, Z4
	VPANDQ Z21, Z0, Z0
	VPMADD52LUQ Z22, Z4, Z0
	VPSUBQ Z25, Z0, Z4
	VPMINUQ Z4, Z0, Z0
	VMOVDQU64 Z0, (DI)
	ADDQ $64, SI
	ADDQ R8, BX
	ADDQ DX, DI
	DECQ CX
	JNZ  stored

	VEXTRACTI64X4 $1, Z28, Y0
	VPMAXUQ Z28, Z0, Z0
	VEXTRACTI64X2 $1, Y0, X1
	VPMAXUQ Z0, Z1, Z0
	VPSRLDQ $8, X0, X1
	VPMAXUQ Z0, Z1, Z0
	VMOVQ X0, AX
	MOVQ AX, ret+56(FP)
	VZEROUPPER
	RET
