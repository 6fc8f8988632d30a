package kernel

import "fmt"

// IndexKeys sets dst[size·j + v] = base[j] ⊕ multiples[digits[j] ⊕ v], the keys of a sender for all values v of an index:
// size is len(multiples), a power of two up to 256, and those are by Multiples, so that multiples[d ⊕ v] is the sum of two. Digits,
// below size, are what the peer sent, and may decide what is read.
func IndexKeys(dst, base []Block, digits []uint8, multiples []Block) {
	n, size := len(base), len(multiples)
	if size == 0 || size > 256 || size&(size-1) != 0 || len(digits) != n || len(dst) != n*size {
		panic(fmt.Sprintf("kernel: internal error: %d keys of %d blocks with %d digits below %d", len(dst), n, len(digits), size))
	}
	if best >= avx512 && n > 0 {
		switch {
		case size >= 4:
			indexKeysWide(&dst[0], &base[0], &digits[0], n, &multiples[0], size/4)
			return
		case size == 2 && n >= 2:
			even := n &^ 1
			pairKeysWide(&dst[0], &base[0], &digits[0], even/2, &multiples[0])
			dst, base, digits = dst[2*even:], base[even:], digits[even:]
		}
	}
	for j, k := range base {
		k = k.Xor(multiples[digits[j]&uint8(size-1)])
		keys := dst[j*size:][:size]
		for v, m := range multiples {
			keys[v] = Block{k[0] ^ m[0], k[1] ^ m[1]}
		}
	}
}

// PackLow sets dst[j] to the low width bits of size blocks side by side: those of blocks[size·j + v] at bit v·width.
// size·width is at most 64, len(blocks) size·len(dst).
func PackLow(dst []uint64, blocks []Block, size, width int) {
	if size < 1 || width < 1 || size*width > 64 || len(blocks) != size*len(dst) {
		panic(fmt.Sprintf("kernel: internal error: %d bits each of %d blocks in %d words of %d", width, len(blocks), len(dst), size))
	}
	mask := ^uint64(0) >> (64 - width)
	if best >= avx512 && size%4 == 0 && len(dst) > 0 {
		packLowWide(&dst[0], len(dst), &blocks[0], size/4, mask, uint64(width))
		return
	}
	for j := range dst {
		var w uint64
		for v, b := range blocks[size*j:][:size] {
			w |= b[0] & mask << (v * width & 63)
		}
		dst[j] = w
	}
}
