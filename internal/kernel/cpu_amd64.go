//go:build amd64 && !purego

package kernel

// detect returns the level that the processor has and whose registers the operating system
// saves.
func detect() level {
	top, _, _, _ := cpuid(0, 0)
	_, _, c, _ := cpuid(1, 0)
	has := func(have, want uint32) bool { return have&want == want }
	const fma, aes, osxsave, avx = 1 << 12, 1 << 25, 1 << 27, 1 << 28
	if top < 7 || !has(c, fma|aes|osxsave|avx) {
		return plain
	}
	state := xgetbv()
	_, b, c, _ := cpuid(7, 0)
	const avx2Bit, f, dq, ifma, bw, vl = 1 << 5, 1 << 16, 1 << 17, 1 << 21, 1 << 30, 1 << 31
	const vbmi, gfni, vaes = 1 << 1, 1 << 8, 1 << 9
	const sse, ymm, zmm = 1 << 1, 1 << 2, 7 << 5
	switch {
	case !has(state, sse|ymm) || !has(b, avx2Bit):
		return plain
	case has(state, zmm) && has(b, f|dq|ifma|bw|vl) && has(c, vbmi|gfni|vaes):
		return avx512
	}
	return avx2
}
