package kernel

import (
	"encoding/binary"
	"fmt"
)

// Transpose128 transposes a bit matrix of 128 rows: bit r of dst[j] = bit j of
// row r. Row r is src[r·stride : r·stride + len(dst)/8], its bits counted from
// the low end of each byte. len(dst) is a multiple of 64.
func Transpose128(dst []Block, src []byte, stride int) {
	if len(dst)%64 != 0 || stride < len(dst)/8 || len(dst) > 0 && len(src) < 127*stride+len(dst)/8 {
		panic(fmt.Sprintf("kernel: internal error: transpose of %d columns from %d bytes with stride %d", len(dst), len(src), stride))
	}
	switch {
	case best >= avx512 && len(dst) > 0:
		transposeTiles(&dst[0], &src[0], stride, len(dst)/64)
		return
	case best >= avx2 && len(dst) >= wideColumns:
		tiles := len(dst) / wideColumns
		var scratch [128][4]uint64
		transposeWide(&dst[0], &src[0], stride, tiles, &scratch)
		dst, src = dst[tiles*wideColumns:], src[tiles*wideColumns/8:]
	}
	transposeGo(dst, src, stride)
}

// wideColumns is the number of columns that transposeWide does at a time.
const wideColumns = 256

func transposeGo(dst []Block, src []byte, stride int) {
	var a [64]uint64
	for col := 0; col < len(dst); col += 64 {
		out := (*[64]Block)(dst[col:])
		for half := range 2 {
			at := src[half*64*stride+col/8:]
			for r := range 8 {
				coarse(&a, at, r, stride)
			}
			for r := 0; r < 64; r += 8 {
				fine(out, &a, r, half&1)
			}
		}
	}
}

// A 64×64 bit matrix is transposed in place by exchanging the off-diagonal
// blocks of 32, 16, 8, 4, 2 and 1 bits (Warren, Hacker's Delight, section 7-3).
// The first three exchanges pair rows 32, 16 and 8 apart, the last three rows 4,
// 2 and 1 apart; so each three are done in registers on eight rows.

// exchange swaps the high columns of x with the low columns of y, s columns
// apart; mask selects the low columns.
func exchange(x, y uint64, s uint, mask uint64) (uint64, uint64) {
	t := (x>>s ^ y) & mask
	return x ^ t<<s, y ^ t
}

// coarse loads the rows r, r+8, .., r+56 of a matrix and does their exchanges
// of 32, 16 and 8 columns.
func coarse(a *[64]uint64, src []byte, r, stride int) {
	const m32, m16, m8 = 0x00000000ffffffff, 0x0000ffff0000ffff, 0x00ff00ff00ff00ff
	step := 8 * stride
	p := r * stride
	x0 := binary.LittleEndian.Uint64(src[p:])
	x1 := binary.LittleEndian.Uint64(src[p+step:])
	x2 := binary.LittleEndian.Uint64(src[p+2*step:])
	x3 := binary.LittleEndian.Uint64(src[p+3*step:])
	x4 := binary.LittleEndian.Uint64(src[p+4*step:])
	x5 := binary.LittleEndian.Uint64(src[p+5*step:])
	x6 := binary.LittleEndian.Uint64(src[p+6*step:])
	x7 := binary.LittleEndian.Uint64(src[p+7*step:])
	x0, x4 = exchange(x0, x4, 32, m32)
	x1, x5 = exchange(x1, x5, 32, m32)
	x2, x6 = exchange(x2, x6, 32, m32)
	x3, x7 = exchange(x3, x7, 32, m32)
	x0, x2 = exchange(x0, x2, 16, m16)
	x1, x3 = exchange(x1, x3, 16, m16)
	x4, x6 = exchange(x4, x6, 16, m16)
	x5, x7 = exchange(x5, x7, 16, m16)
	x0, x1 = exchange(x0, x1, 8, m8)
	x2, x3 = exchange(x2, x3, 8, m8)
	x4, x5 = exchange(x4, x5, 8, m8)
	x6, x7 = exchange(x6, x7, 8, m8)
	r &= 7
	a[r], a[r+8], a[r+16], a[r+24] = x0, x1, x2, x3
	a[r+32], a[r+40], a[r+48], a[r+56] = x4, x5, x6, x7
}

// fine does the exchanges of 4, 2 and 1 columns in the rows r..r+7, and stores
// them as half of the blocks dst[r..r+7].
func fine(dst *[64]Block, a *[64]uint64, r, half int) {
	const m4, m2, m1 = 0x0f0f0f0f0f0f0f0f, 0x3333333333333333, 0x5555555555555555
	in := (*[8]uint64)(a[r:])
	out := (*[8]Block)(dst[r:])
	x0, x1, x2, x3 := in[0], in[1], in[2], in[3]
	x4, x5, x6, x7 := in[4], in[5], in[6], in[7]
	x0, x4 = exchange(x0, x4, 4, m4)
	x1, x5 = exchange(x1, x5, 4, m4)
	x2, x6 = exchange(x2, x6, 4, m4)
	x3, x7 = exchange(x3, x7, 4, m4)
	x0, x2 = exchange(x0, x2, 2, m2)
	x1, x3 = exchange(x1, x3, 2, m2)
	x4, x6 = exchange(x4, x6, 2, m2)
	x5, x7 = exchange(x5, x7, 2, m2)
	x0, x1 = exchange(x0, x1, 1, m1)
	x2, x3 = exchange(x2, x3, 1, m1)
	x4, x5 = exchange(x4, x5, 1, m1)
	x6, x7 = exchange(x6, x7, 1, m1)
	half &= 1
	out[0][half], out[1][half], out[2][half], out[3][half] = x0, x1, x2, x3
	out[4][half], out[5][half], out[6][half], out[7][half] = x4, x5, x6, x7
}
