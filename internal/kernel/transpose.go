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
	var low, high [64]uint64
	for col := 0; col < len(dst); col += 64 {
		at := src[col/8:]
		for r := range 64 {
			low[r] = binary.LittleEndian.Uint64(at[r*stride:])
			high[r] = binary.LittleEndian.Uint64(at[(r+64)*stride:])
		}
		transpose64(&low)
		transpose64(&high)
		out := dst[col : col+64 : col+64]
		for j := range 64 {
			out[j] = Block{low[j], high[j]}
		}
	}
}

// transpose64 transposes a 64×64 bit matrix in place by exchanging the
// off-diagonal blocks of 32, 16, 8, 4, 2 and 1 bits (Warren, Hacker's Delight,
// section 7-3).
func transpose64(a *[64]uint64) {
	swapBlocks(a, 32, 0x00000000ffffffff)
	swapBlocks(a, 16, 0x0000ffff0000ffff)
	swapBlocks(a, 8, 0x00ff00ff00ff00ff)
	swapBlocks(a, 4, 0x0f0f0f0f0f0f0f0f)
	swapBlocks(a, 2, 0x3333333333333333)
	swapBlocks(a, 1, 0x5555555555555555)
}

// swapBlocks exchanges, in every 2s×2s block, the high columns of the upper
// rows with the low columns of the lower rows; mask selects the low columns.
func swapBlocks(a *[64]uint64, s uint, mask uint64) {
	for i := uint(0); i < 64; i += 2 * s {
		for j := i; j < i+s; j++ {
			x, y := a[j&63], a[(j+s)&63]
			t := (x>>s ^ y) & mask
			a[j&63], a[(j+s)&63] = x^t<<s, y^t
		}
	}
}
