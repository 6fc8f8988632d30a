//go:build amd64 && !purego

#include "textflag.h"

// One element into x: the address is bits 4.. of the four bytes from at on.
#define ELEMENT(at, r, x) \
	MOVL at(SI), r \
	ANDL DX, r \
	VPXOR (BX)(r*1), x, x

// func gather10(dst *Block, n int, secret *Block, mask uint32, rows *byte)
TEXT ·gather10(SB), NOSPLIT, $0-40
	MOVQ dst+0(FP), DI
	MOVQ n+8(FP), CX
	MOVQ secret+16(FP), BX
	MOVL mask+24(FP), DX
	MOVQ rows+32(FP), SI

	// The loads of several rows are in flight at once: nothing but the two sums
	// of a row depends on them.
loop:
	VMOVDQU (DI), X0
	VPXOR X1, X1, X1
	ELEMENT(0, R8, X0)
	ELEMENT(3, R9, X1)
	ELEMENT(6, R10, X0)
	ELEMENT(9, R11, X1)
	ELEMENT(12, R12, X0)
	ELEMENT(15, R13, X1)
	ELEMENT(18, R8, X0)
	ELEMENT(21, R9, X1)
	ELEMENT(24, R10, X0)
	ELEMENT(27, R11, X1)
	VPXOR X1, X0, X0
	VMOVDQU X0, (DI)
	ADDQ $32, SI
	ADDQ $16, DI
	DECQ CX
	JNZ  loop
	RET
