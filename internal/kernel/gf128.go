package kernel

import "fmt"

// MulAlpha returns α·b in GF(2^128) = F_2[α]/(α^128 + α^7 + α^2 + α + 1), bit i
// of b being the coefficient of α^i. Constant time.
func MulAlpha(b Block) Block {
	return Block{b[0]<<1 ^ 0x87&-(b[1]>>63), b[1]<<1 | b[0]>>63}
}

// Combine sets dst[j] = Σ_i α^i · src[width·j + i] for i < width: it merges
// the keys of width correlated OTs into one key of a 1-of-2^width OT. The keys
// share Δ, so their plain XOR would give all choices of equal parity the same
// key; with the powers of α the choice v moves the sum by v(α)·Δ, and these
// differ for all v < 2^width, width <= 128. len(src) = width·len(dst).
func Combine(dst, src []Block, width int) {
	if width < 1 || width > 128 || len(src) != width*len(dst) {
		panic(fmt.Sprintf("kernel: internal error: combine %d blocks into %d by groups of %d", len(src), len(dst), width))
	}
	if width <= maxShort {
		combineShort(dst, src, width)
		return
	}
	for j := range dst {
		g := src[width*j : width*j+width]
		var sum Block // Horner
		for i := width - 1; i >= 0; i-- {
			sum = MulAlpha(sum).Xor(g[i])
		}
		dst[j] = sum
	}
}

// maxShort bounds the widths for which what is above α^127, times α^7, fits a
// word.
const maxShort = 32

// combineShort is Combine with one reduction at the end.
func combineShort(dst, src []Block, width int) {
	for j := range dst {
		g := src[width*j : width*j+width]
		lo, hi := g[0][0], g[0][1]
		var over uint64
		for i := 1; i < len(g); i++ {
			s := uint(i & 63)
			lo ^= g[i][0] << s
			hi ^= g[i][1]<<s | g[i][0]>>((64-s)&63)
			over ^= g[i][1] >> ((64 - s) & 63)
		}
		dst[j] = Block{lo ^ over ^ over<<1 ^ over<<2 ^ over<<7, hi}
	}
}

// Multiples sets dst[v] = v(α)·delta, bit i of v being the coefficient of α^i.
// len(dst) is a power of two. A sender's key for choice v is the combined key
// ⊕ dst[v].
func Multiples(dst []Block, delta Block) {
	if len(dst) == 0 || len(dst)&(len(dst)-1) != 0 {
		panic(fmt.Sprintf("kernel: internal error: %d multiples, not a power of two", len(dst)))
	}
	dst[0] = Block{}
	for n := 1; n < len(dst); n *= 2 {
		for v := range n {
			dst[n+v] = dst[v].Xor(delta)
		}
		delta = MulAlpha(delta)
	}
}
