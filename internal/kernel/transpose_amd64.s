//go:build amd64 && !purego

#include "textflag.h"

// Byte r' of quadword c is 8·(7-r') + c: the rows of an 8×8 byte matrix become
// its columns, last first.
DATA transposeColumns<>+0(SB)/8, $0x0008101820283038
DATA transposeColumns<>+8(SB)/8, $0x0109111921293139
DATA transposeColumns<>+16(SB)/8, $0x020a121a222a323a
DATA transposeColumns<>+24(SB)/8, $0x030b131b232b333b
DATA transposeColumns<>+32(SB)/8, $0x040c141c242c343c
DATA transposeColumns<>+40(SB)/8, $0x050d151d252d353d
DATA transposeColumns<>+48(SB)/8, $0x060e161e262e363e
DATA transposeColumns<>+56(SB)/8, $0x070f171f272f373f
GLOBL transposeColumns<>(SB), RODATA|NOPTR, $64

// Byte p of 128-bit lane L is 4·p + L.
DATA transposeLanes<>+0(SB)/8, $0x1c1814100c080400
DATA transposeLanes<>+8(SB)/8, $0x3c3834302c282420
DATA transposeLanes<>+16(SB)/8, $0x1d1915110d090501
DATA transposeLanes<>+24(SB)/8, $0x3d3935312d292521
DATA transposeLanes<>+32(SB)/8, $0x1e1a16120e0a0602
DATA transposeLanes<>+40(SB)/8, $0x3e3a36322e2a2622
DATA transposeLanes<>+48(SB)/8, $0x1f1b17130f0b0703
DATA transposeLanes<>+56(SB)/8, $0x3f3b37332f2b2723
GLOBL transposeLanes<>(SB), RODATA|NOPTR, $64

// Byte i is 1 << i: an affine map of it by the matrix A gives A transposed.
DATA transposeUnit<>+0(SB)/8, $0x8040201008040201
GLOBL transposeUnit<>(SB), RODATA|NOPTR, $8

// Loads 64 columns of the eight rows from SI on into z, and transposes each 8×8
// bits: byte j of z is then the eight bits of column j. The bytes are stored
// so that lane L holds columns L, L+4, .., L+60. Moves SI behind the rows.
#define ROWS(z) \
	VPBROADCASTQ (SI), z \
	VPBROADCASTQ (SI)(R8*1), K1, z \
	VPBROADCASTQ (SI)(R8*2), K2, z \
	VPBROADCASTQ (SI)(R9*1), K3, z \
	VPBROADCASTQ (SI)(R8*4), K4, z \
	VPBROADCASTQ (SI)(R10*1), K5, z \
	VPBROADCASTQ (SI)(R9*2), K6, z \
	VPBROADCASTQ (SI)(R11*1), K7, z \
	LEAQ (SI)(R8*8), SI \
	VPERMB z, Z16, z \
	VGF2P8AFFINEQB $0, z, Z18, z \
	VPERMB z, Z17, z

#define BYTES(a, b, lo, hi) \
	VPUNPCKLBW b, a, lo \
	VPUNPCKHBW b, a, hi

#define WORDS(a, b, lo, hi) \
	VPUNPCKLWD b, a, lo \
	VPUNPCKHWD b, a, hi

#define DOUBLES(a, b, lo, hi) \
	VPUNPCKLDQ b, a, lo \
	VPUNPCKHDQ b, a, hi

#define QUADS(a, b, lo, hi) \
	VPUNPCKLQDQ b, a, lo \
	VPUNPCKHQDQ b, a, hi

// func transposeTiles(dst *Block, src *byte, stride, tiles int)
TEXT ·transposeTiles(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), BX
	MOVQ stride+16(FP), R8
	MOVQ tiles+24(FP), CX
	LEAQ (R8)(R8*2), R9   // 3, 5 and 7 rows
	LEAQ (R8)(R8*4), R10
	LEAQ (R9)(R8*4), R11
	MOVL $0x02, AX
	KMOVW AX, K1
	MOVL $0x04, AX
	KMOVW AX, K2
	MOVL $0x08, AX
	KMOVW AX, K3
	MOVL $0x10, AX
	KMOVW AX, K4
	MOVL $0x20, AX
	KMOVW AX, K5
	MOVL $0x40, AX
	KMOVW AX, K6
	MOVL $0x80, AX
	KMOVW AX, K7

loop:
	MOVQ BX, SI
	VMOVDQU64 transposeColumns<>(SB), Z16
	VMOVDQU64 transposeLanes<>(SB), Z17
	VPBROADCASTQ transposeUnit<>(SB), Z18
	ROWS(Z0)
	ROWS(Z1)
	ROWS(Z2)
	ROWS(Z3)
	ROWS(Z4)
	ROWS(Z5)
	ROWS(Z6)
	ROWS(Z7)
	ROWS(Z8)
	ROWS(Z9)
	ROWS(Z10)
	ROWS(Z11)
	ROWS(Z12)
	ROWS(Z13)
	ROWS(Z14)
	ROWS(Z15)

	// Register q has, in each lane, byte q of sixteen blocks; a 16×16 byte
	// transpose makes it one block per lane.
	BYTES(Z0, Z1, Z16, Z17)
	BYTES(Z2, Z3, Z18, Z19)
	BYTES(Z4, Z5, Z20, Z21)
	BYTES(Z6, Z7, Z22, Z23)
	BYTES(Z8, Z9, Z24, Z25)
	BYTES(Z10, Z11, Z26, Z27)
	BYTES(Z12, Z13, Z28, Z29)
	BYTES(Z14, Z15, Z30, Z31)
	WORDS(Z16, Z18, Z0, Z1)
	WORDS(Z17, Z19, Z2, Z3)
	WORDS(Z20, Z22, Z4, Z5)
	WORDS(Z21, Z23, Z6, Z7)
	WORDS(Z24, Z26, Z8, Z9)
	WORDS(Z25, Z27, Z10, Z11)
	WORDS(Z28, Z30, Z12, Z13)
	WORDS(Z29, Z31, Z14, Z15)
	DOUBLES(Z0, Z4, Z16, Z17)
	DOUBLES(Z1, Z5, Z18, Z19)
	DOUBLES(Z2, Z6, Z20, Z21)
	DOUBLES(Z3, Z7, Z22, Z23)
	DOUBLES(Z8, Z12, Z24, Z25)
	DOUBLES(Z9, Z13, Z26, Z27)
	DOUBLES(Z10, Z14, Z28, Z29)
	DOUBLES(Z11, Z15, Z30, Z31)
	QUADS(Z16, Z24, Z0, Z1)
	QUADS(Z17, Z25, Z2, Z3)
	QUADS(Z18, Z26, Z4, Z5)
	QUADS(Z19, Z27, Z6, Z7)
	QUADS(Z20, Z28, Z8, Z9)
	QUADS(Z21, Z29, Z10, Z11)
	QUADS(Z22, Z30, Z12, Z13)
	QUADS(Z23, Z31, Z14, Z15)
	VMOVDQU64 Z0, 0(DI)
	VMOVDQU64 Z1, 64(DI)
	VMOVDQU64 Z2, 128(DI)
	VMOVDQU64 Z3, 192(DI)
	VMOVDQU64 Z4, 256(DI)
	VMOVDQU64 Z5, 320(DI)
	VMOVDQU64 Z6, 384(DI)
	VMOVDQU64 Z7, 448(DI)
	VMOVDQU64 Z8, 512(DI)
	VMOVDQU64 Z9, 576(DI)
	VMOVDQU64 Z10, 640(DI)
	VMOVDQU64 Z11, 704(DI)
	VMOVDQU64 Z12, 768(DI)
	VMOVDQU64 Z13, 832(DI)
	VMOVDQU64 Z14, 896(DI)
	VMOVDQU64 Z15, 960(DI)
	ADDQ $1024, DI
	ADDQ $8, BX
	DECQ CX
	JNZ  loop
	VZEROUPPER
	RET
