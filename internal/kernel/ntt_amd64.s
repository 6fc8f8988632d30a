//go:build amd64 && !purego

#include "textflag.h"

// Z31 = q throughout. Products are Montgomery products by 2^52: with w' = w/q mod 2^52,
// y·w·2^-52 = hi(y·w) - hi(lo(y·w')·q), in (-q, q); a negative number is large as an unsigned one, so that the smaller of
// t and t+q is t mod q.

// y ← y·w mod q in [0, q)
#define MULW(y, w, wq, t0, t1) \
	VPXORQ t0, t0, t0 \
	VPXORQ t1, t1, t1 \
	VPMADD52LUQ wq, y, t0 \
	VPMADD52HUQ w, y, t1 \
	VPXORQ y, y, y \
	VPMADD52HUQ Z31, t0, y \
	VPSUBQ y, t1, y \
	VPADDQ Z31, y, t0 \
	VPMINUQ t0, y, y

// x, y ← x + y·w, x - y·w
#define CT(x, y, w, wq, t0, t1) \
	MULW(y, w, wq, t0, t1) \
	VPADDQ y, x, t0 \
	VPSUBQ y, x, y \
	VPADDQ Z31, y, t1 \
	VPMINUQ t1, y, y \
	VPSUBQ Z31, t0, t1 \
	VPMINUQ t1, t0, x

// x, y ← x + y, (x - y)·w
#define GS(x, y, w, wq, t0, t1) \
	VPADDQ y, x, t0 \
	VPSUBQ y, x, y \
	VPADDQ Z31, y, t1 \
	VPMINUQ t1, y, y \
	VPSUBQ Z31, t0, t1 \
	VPMINUQ t1, t0, x \
	MULW(y, w, wq, t0, t1)

// func nttLevel(a, w *uint64, groups, half int, q uint64)
TEXT ·nttLevel(SB), NOSPLIT, $0-40
	MOVQ a+0(FP), DI
	MOVQ w+8(FP), SI
	MOVQ groups+16(FP), CX
	MOVQ half+24(FP), DX
	VPBROADCASTQ q+32(FP), Z31
	MOVQ DX, R8
	SHLQ $6, R8

group:
	VPBROADCASTQ (SI), Z29
	VPBROADCASTQ 8(SI), Z30
	ADDQ $16, SI
	LEAQ (DI)(R8*1), R9
	MOVQ DX, BX

vec:
	VMOVDQU64 (DI), Z0
	VMOVDQU64 (R9), Z1
	CT(Z0, Z1, Z29, Z30, Z2, Z3)
	VMOVDQU64 Z0, (DI)
	VMOVDQU64 Z1, (R9)
	ADDQ $64, DI
	ADDQ $64, R9
	DECQ BX
	JNZ  vec
	MOVQ R9, DI
	DECQ CX
	JNZ  group
	VZEROUPPER
	RET

// func inttLevel(a, w *uint64, groups, half int, q uint64)
TEXT ·inttLevel(SB), NOSPLIT, $0-40
	MOVQ a+0(FP), DI
	MOVQ w+8(FP), SI
	MOVQ groups+16(FP), CX
	MOVQ half+24(FP), DX
	VPBROADCASTQ q+32(FP), Z31
	MOVQ DX, R8
	SHLQ $6, R8

group:
	VPBROADCASTQ (SI), Z29
	VPBROADCASTQ 8(SI), Z30
	ADDQ $16, SI
	LEAQ (DI)(R8*1), R9
	MOVQ DX, BX

vec:
	VMOVDQU64 (DI), Z0
	VMOVDQU64 (R9), Z1
	GS(Z0, Z1, Z29, Z30, Z2, Z3)
	VMOVDQU64 Z0, (DI)
	VMOVDQU64 Z1, (R9)
	ADDQ $64, DI
	ADDQ $64, R9
	DECQ BX
	JNZ  vec
	MOVQ R9, DI
	DECQ CX
	JNZ  group
	VZEROUPPER
	RET

#define LOAD8 \
	VMOVDQU64 (DI), Z0 \
	VMOVDQU64 64(DI), Z1 \
	VMOVDQU64 128(DI), Z2 \
	VMOVDQU64 192(DI), Z3 \
	VMOVDQU64 256(DI), Z4 \
	VMOVDQU64 320(DI), Z5 \
	VMOVDQU64 384(DI), Z6 \
	VMOVDQU64 448(DI), Z7

#define STORE8 \
	VMOVDQU64 Z0, (DI) \
	VMOVDQU64 Z1, 64(DI) \
	VMOVDQU64 Z2, 128(DI) \
	VMOVDQU64 Z3, 192(DI) \
	VMOVDQU64 Z4, 256(DI) \
	VMOVDQU64 Z5, 320(DI) \
	VMOVDQU64 Z6, 384(DI) \
	VMOVDQU64 Z7, 448(DI)

// The 8×8 transpose of Z0..Z7, through Z8..Z15.
#define TRANSPOSE \
	VPUNPCKLQDQ Z1, Z0, Z8 \
	VPUNPCKHQDQ Z1, Z0, Z9 \
	VPUNPCKLQDQ Z3, Z2, Z10 \
	VPUNPCKHQDQ Z3, Z2, Z11 \
	VPUNPCKLQDQ Z5, Z4, Z12 \
	VPUNPCKHQDQ Z5, Z4, Z13 \
	VPUNPCKLQDQ Z7, Z6, Z14 \
	VPUNPCKHQDQ Z7, Z6, Z15 \
	VSHUFI64X2 $0x88, Z10, Z8, Z0 \
	VSHUFI64X2 $0xdd, Z10, Z8, Z2 \
	VSHUFI64X2 $0x88, Z11, Z9, Z1 \
	VSHUFI64X2 $0xdd, Z11, Z9, Z3 \
	VSHUFI64X2 $0x88, Z14, Z12, Z4 \
	VSHUFI64X2 $0xdd, Z14, Z12, Z6 \
	VSHUFI64X2 $0x88, Z15, Z13, Z5 \
	VSHUFI64X2 $0xdd, Z15, Z13, Z7 \
	VSHUFI64X2 $0x88, Z4, Z0, Z8 \
	VSHUFI64X2 $0xdd, Z4, Z0, Z12 \
	VSHUFI64X2 $0x88, Z5, Z1, Z9 \
	VSHUFI64X2 $0xdd, Z5, Z1, Z13 \
	VSHUFI64X2 $0x88, Z6, Z2, Z10 \
	VSHUFI64X2 $0xdd, Z6, Z2, Z14 \
	VSHUFI64X2 $0x88, Z7, Z3, Z11 \
	VSHUFI64X2 $0xdd, Z7, Z3, Z15 \
	VMOVDQA64 Z8, Z0 \
	VMOVDQA64 Z9, Z1 \
	VMOVDQA64 Z10, Z2 \
	VMOVDQA64 Z11, Z3 \
	VMOVDQA64 Z12, Z4 \
	VMOVDQA64 Z13, Z5 \
	VMOVDQA64 Z14, Z6 \
	VMOVDQA64 Z15, Z7

// The pair of root vectors at offset o.
#define ROOT(o) \
	VMOVDQU64 o(SI), Z29 \
	VMOVDQU64 (o+64)(SI), Z30

// func nttLast(a, w *uint64, blocks int, q uint64)
TEXT ·nttLast(SB), NOSPLIT, $0-32
	MOVQ a+0(FP), DI
	MOVQ w+8(FP), SI
	MOVQ blocks+16(FP), CX
	VPBROADCASTQ q+24(FP), Z31

block:
	LOAD8
	TRANSPOSE
	ROOT(0)
	CT(Z0, Z4, Z29, Z30, Z16, Z17)
	CT(Z1, Z5, Z29, Z30, Z18, Z19)
	CT(Z2, Z6, Z29, Z30, Z20, Z21)
	CT(Z3, Z7, Z29, Z30, Z22, Z23)
	ROOT(128)
	CT(Z0, Z2, Z29, Z30, Z16, Z17)
	CT(Z1, Z3, Z29, Z30, Z18, Z19)
	ROOT(256)
	CT(Z4, Z6, Z29, Z30, Z20, Z21)
	CT(Z5, Z7, Z29, Z30, Z22, Z23)
	ROOT(384)
	CT(Z0, Z1, Z29, Z30, Z16, Z17)
	ROOT(512)
	CT(Z2, Z3, Z29, Z30, Z18, Z19)
	ROOT(640)
	CT(Z4, Z5, Z29, Z30, Z20, Z21)
	ROOT(768)
	CT(Z6, Z7, Z29, Z30, Z22, Z23)
	STORE8
	ADDQ $512, DI
	ADDQ $896, SI
	DECQ CX
	JNZ  block
	VZEROUPPER
	RET

// func inttFirst(a, w *uint64, blocks int, q uint64)
TEXT ·inttFirst(SB), NOSPLIT, $0-32
	MOVQ a+0(FP), DI
	MOVQ w+8(FP), SI
	MOVQ blocks+16(FP), CX
	VPBROADCASTQ q+24(FP), Z31

block:
	LOAD8
	ROOT(384)
	GS(Z0, Z1, Z29, Z30, Z16, Z17)
	ROOT(512)
	GS(Z2, Z3, Z29, Z30, Z18, Z19)
	ROOT(640)
	GS(Z4, Z5, Z29, Z30, Z20, Z21)
	ROOT(768)
	GS(Z6, Z7, Z29, Z30, Z22, Z23)
	ROOT(128)
	GS(Z0, Z2, Z29, Z30, Z16, Z17)
	GS(Z1, Z3, Z29, Z30, Z18, Z19)
	ROOT(256)
	GS(Z4, Z6, Z29, Z30, Z20, Z21)
	GS(Z5, Z7, Z29, Z30, Z22, Z23)
	ROOT(0)
	GS(Z0, Z4, Z29, Z30, Z16, Z17)
	GS(Z1, Z5, Z29, Z30, Z18, Z19)
	GS(Z2, Z6, Z29, Z30, Z20, Z21)
	GS(Z3, Z7, Z29, Z30, Z22, Z23)
	TRANSPOSE
	STORE8
	ADDQ $512, DI
	ADDQ $896, SI
	DECQ CX
	JNZ  block
	VZEROUPPER
	RET

// func nttScale(a *uint64, n int, q, w, wq uint64)
TEXT ·nttScale(SB), NOSPLIT, $0-40
	MOVQ a+0(FP), DI
	MOVQ n+8(FP), CX
	VPBROADCASTQ q+16(FP), Z31
	VPBROADCASTQ w+24(FP), Z29
	VPBROADCASTQ wq+32(FP), Z30

vec:
	VMOVDQU64 (DI), Z0
	MULW(Z0, Z29, Z30, Z1, Z2)
	VMOVDQU64 Z0, (DI)
	ADDQ $64, DI
	DECQ CX
	JNZ  vec
	VZEROUPPER
	RET

// Z0 ← Z0·Z1·2^-52 mod q; Z30 = 1/q mod 2^52.
#define MULMONT \
	VPXORQ Z2, Z2, Z2 \
	VPXORQ Z3, Z3, Z3 \
	VPMADD52LUQ Z1, Z0, Z2 \
	VPMADD52HUQ Z1, Z0, Z3 \
	VPXORQ Z4, Z4, Z4 \
	VPMADD52LUQ Z30, Z2, Z4 \
	VPXORQ Z5, Z5, Z5 \
	VPMADD52HUQ Z31, Z4, Z5 \
	VPSUBQ Z5, Z3, Z0 \
	VPADDQ Z31, Z0, Z1 \
	VPMINUQ Z1, Z0, Z0

// func nttMul(dst, a, b *uint64, n int, q, inv uint64)
TEXT ·nttMul(SB), NOSPLIT, $0-48
	MOVQ dst+0(FP), DI
	MOVQ a+8(FP), SI
	MOVQ b+16(FP), BX
	MOVQ n+24(FP), CX
	VPBROADCASTQ q+32(FP), Z31
	VPBROADCASTQ inv+40(FP), Z30

vec:
	VMOVDQU64 (SI), Z0
	VMOVDQU64 (BX), Z1
	MULMONT
	VMOVDQU64 Z0, (DI)
	ADDQ $64, DI
	ADDQ $64, SI
	ADDQ $64, BX
	DECQ CX
	JNZ  vec
	VZEROUPPER
	RET

// func nttMulAdd(dst, a, b *uint64, n int, q, inv uint64)
TEXT ·nttMulAdd(SB), NOSPLIT, $0-48
	MOVQ dst+0(FP), DI
	MOVQ a+8(FP), SI
	MOVQ b+16(FP), BX
	MOVQ n+24(FP), CX
	VPBROADCASTQ q+32(FP), Z31
	VPBROADCASTQ inv+40(FP), Z30

vec:
	VMOVDQU64 (SI), Z0
	VMOVDQU64 (BX), Z1
	MULMONT
	VPADDQ (DI), Z0, Z0
	VPSUBQ Z31, Z0, Z1
	VPMINUQ Z1, Z0, Z0
	VMOVDQU64 Z0, (DI)
	ADDQ $64, DI
	ADDQ $64, SI
	ADDQ $64, BX
	DECQ CX
	JNZ  vec
	VZEROUPPER
	RET
