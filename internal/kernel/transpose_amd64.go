//go:build amd64 && !purego

package kernel

// bitVectors says whether the processor and the operating system have AVX-512
// with byte permutations (VBMI) and bit-matrix products (GFNI).
var bitVectors = hasBitVectors()

func hasBitVectors() bool {
	top, _, _, _ := cpuid(0, 0)
	_, _, c, _ := cpuid(1, 0)
	if top < 7 || c>>27&1 == 0 || xgetbv()&0xe6 != 0xe6 { // OSXSAVE; SSE, AVX and all AVX-512 state
		return false
	}
	_, b, c, _ := cpuid(7, 0)
	const f, bw = 1 << 16, 1 << 30
	const vbmi, gfni = 1 << 1, 1 << 8
	return b&f != 0 && b&bw != 0 && c&vbmi != 0 && c&gfni != 0
}

// transposeTiles transposes tiles times 128 rows of 64 columns, tiles > 0.
//
//go:noescape
func transposeTiles(dst *Block, src *byte, stride, tiles int)

func transposeVector(dst []Block, src []byte, stride int) {
	if len(dst) > 0 {
		transposeTiles(&dst[0], &src[0], stride, len(dst)/64)
	}
}
