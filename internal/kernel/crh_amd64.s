//go:build amd64 && !purego

#include "textflag.h"

// The instructions are those of Intel's white paper on AES-NI (Gueron, 2010):
// AESENC is one round, so independent blocks are interleaved to fill the
// latency of three or four cycles.

// One step of the key schedule: X0 from one round key to the next.
#define NEXT(rcon, at) \
	AESKEYGENASSIST $rcon, X0, X1 \
	PSHUFD $0xff, X1, X1 \
	MOVO   X0, X2 \
	PSLLO  $4, X2 \
	PXOR   X2, X0 \
	PSLLO  $4, X2 \
	PXOR   X2, X0 \
	PSLLO  $4, X2 \
	PXOR   X2, X0 \
	PXOR   X1, X0 \
	MOVOU  X0, at(DI)

// func expandKey(s *schedule, key *Block)
TEXT ·expandKey(SB), NOSPLIT, $0-16
	MOVQ  s+0(FP), DI
	MOVQ  key+8(FP), SI
	MOVOU (SI), X0
	MOVOU X0, (DI)
	NEXT(0x01, 16)
	NEXT(0x02, 32)
	NEXT(0x04, 48)
	NEXT(0x08, 64)
	NEXT(0x10, 80)
	NEXT(0x20, 96)
	NEXT(0x40, 112)
	NEXT(0x80, 128)
	NEXT(0x1b, 144)
	NEXT(0x36, 160)
	RET

#define ROUND1(at, OP) \
	MOVOU at(AX), X1 \
	OP X1, X0

// func encryptBlock(b *Block, s *schedule)
TEXT ·encryptBlock(SB), NOSPLIT, $0-16
	MOVQ  b+0(FP), DI
	MOVQ  s+8(FP), AX
	MOVOU (DI), X0
	ROUND1(0, PXOR)
	ROUND1(16, AESENC)
	ROUND1(32, AESENC)
	ROUND1(48, AESENC)
	ROUND1(64, AESENC)
	ROUND1(80, AESENC)
	ROUND1(96, AESENC)
	ROUND1(112, AESENC)
	ROUND1(128, AESENC)
	ROUND1(144, AESENC)
	ROUND1(160, AESENCLAST)
	MOVOU X0, (DI)
	RET

// One round of X0..X7 with the round key at(AX).
#define ROUND8(at, OP) \
	MOVOU at(AX), X8 \
	OP X8, X0 \
	OP X8, X1 \
	OP X8, X2 \
	OP X8, X3 \
	OP X8, X4 \
	OP X8, X5 \
	OP X8, X6 \
	OP X8, X7

#define ENCRYPT8 \
	ROUND8(0, PXOR) \
	ROUND8(16, AESENC) \
	ROUND8(32, AESENC) \
	ROUND8(48, AESENC) \
	ROUND8(64, AESENC) \
	ROUND8(80, AESENC) \
	ROUND8(96, AESENC) \
	ROUND8(112, AESENC) \
	ROUND8(128, AESENC) \
	ROUND8(144, AESENC) \
	ROUND8(160, AESENCLAST)

// Keeps x = π(x) at at(SP) and adds the tweak, X10 plus the lane's offset.
#define TWEAK(at, x) \
	MOVOU x, at(SP) \
	MOVOU at(BX), X9 \
	PADDQ X10, X9 \
	PXOR  X9, x

#define FINISH(at, x) \
	MOVOU at(SP), X9 \
	PXOR  X9, x \
	MOVOU x, at(DI)

// func hash8(dst, src *Block, n int, s *schedule, offset *[16]Block, tweak, step uint64)
TEXT ·hash8(SB), NOSPLIT, $128-56
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
	MOVQ s+24(FP), AX
	MOVQ offset+32(FP), BX
	MOVQ tweak+40(FP), X10
	MOVQ step+48(FP), X11

loop:
	MOVOU (SI), X0
	MOVOU 16(SI), X1
	MOVOU 32(SI), X2
	MOVOU 48(SI), X3
	MOVOU 64(SI), X4
	MOVOU 80(SI), X5
	MOVOU 96(SI), X6
	MOVOU 112(SI), X7
	ENCRYPT8
	TWEAK(0, X0)
	TWEAK(16, X1)
	TWEAK(32, X2)
	TWEAK(48, X3)
	TWEAK(64, X4)
	TWEAK(80, X5)
	TWEAK(96, X6)
	TWEAK(112, X7)
	ENCRYPT8
	FINISH(0, X0)
	FINISH(16, X1)
	FINISH(32, X2)
	FINISH(48, X3)
	FINISH(64, X4)
	FINISH(80, X5)
	FINISH(96, X6)
	FINISH(112, X7)
	PADDQ X11, X10
	ADDQ  $128, SI
	ADDQ  $128, DI
	DECQ  CX
	JNZ   loop

	// The stack held π(x) of secret blocks.
	PXOR  X0, X0
	MOVOU X0, 0(SP)
	MOVOU X0, 16(SP)
	MOVOU X0, 32(SP)
	MOVOU X0, 48(SP)
	MOVOU X0, 64(SP)
	MOVOU X0, 80(SP)
	MOVOU X0, 96(SP)
	MOVOU X0, 112(SP)
	RET

// One round of the sixteen blocks in Z0..Z3.
#define ROUND16(key) \
	VAESENC key, Z0, Z0 \
	VAESENC key, Z1, Z1 \
	VAESENC key, Z2, Z2 \
	VAESENC key, Z3, Z3

// All rounds but the addition of the first key, Z16; Z17..Z26 are the others.
#define ENCRYPT16 \
	ROUND16(Z17) \
	ROUND16(Z18) \
	ROUND16(Z19) \
	ROUND16(Z20) \
	ROUND16(Z21) \
	ROUND16(Z22) \
	ROUND16(Z23) \
	ROUND16(Z24) \
	ROUND16(Z25) \
	VAESENCLAST Z26, Z0, Z0 \
	VAESENCLAST Z26, Z1, Z1 \
	VAESENCLAST Z26, Z2, Z2 \
	VAESENCLAST Z26, Z3, Z3

// func hash16(dst, src *Block, n int, s *schedule, offset *[16]Block, tweak, step uint64)
TEXT ·hash16(SB), NOSPLIT, $0-56
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
	MOVQ s+24(FP), AX
	MOVQ offset+32(FP), BX
	VBROADCASTI32X4 (AX), Z16
	VBROADCASTI32X4 16(AX), Z17
	VBROADCASTI32X4 32(AX), Z18
	VBROADCASTI32X4 48(AX), Z19
	VBROADCASTI32X4 64(AX), Z20
	VBROADCASTI32X4 80(AX), Z21
	VBROADCASTI32X4 96(AX), Z22
	VBROADCASTI32X4 112(AX), Z23
	VBROADCASTI32X4 128(AX), Z24
	VBROADCASTI32X4 144(AX), Z25
	VBROADCASTI32X4 160(AX), Z26

	// Tweaks: the low half of each block, the high half is 0.
	VMOVQ tweak+40(FP), X12
	VSHUFI32X4 $0, Z12, Z12, Z12
	VMOVQ step+48(FP), X13
	VSHUFI32X4 $0, Z13, Z13, Z13
	VPADDQ (BX), Z12, Z8
	VPADDQ 64(BX), Z12, Z9
	VPADDQ 128(BX), Z12, Z10
	VPADDQ 192(BX), Z12, Z11

loop:
	VPXORQ (SI), Z16, Z0
	VPXORQ 64(SI), Z16, Z1
	VPXORQ 128(SI), Z16, Z2
	VPXORQ 192(SI), Z16, Z3
	ENCRYPT16
	VMOVDQA64 Z0, Z4
	VMOVDQA64 Z1, Z5
	VMOVDQA64 Z2, Z6
	VMOVDQA64 Z3, Z7
	VPTERNLOGQ $0x96, Z16, Z8, Z0
	VPTERNLOGQ $0x96, Z16, Z9, Z1
	VPTERNLOGQ $0x96, Z16, Z10, Z2
	VPTERNLOGQ $0x96, Z16, Z11, Z3
	ENCRYPT16
	VPXORQ Z4, Z0, Z0
	VPXORQ Z5, Z1, Z1
	VPXORQ Z6, Z2, Z2
	VPXORQ Z7, Z3, Z3
	VMOVDQU64 Z0, (DI)
	VMOVDQU64 Z1, 64(DI)
	VMOVDQU64 Z2, 128(DI)
	VMOVDQU64 Z3, 192(DI)
	VPADDQ Z13, Z8, Z8
	VPADDQ Z13, Z9, Z9
	VPADDQ Z13, Z10, Z10
	VPADDQ Z13, Z11, Z11
	ADDQ $256, SI
	ADDQ $256, DI
	DECQ CX
	JNZ  loop
	VZEROUPPER
	RET
