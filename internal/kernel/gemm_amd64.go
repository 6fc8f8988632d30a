//go:build amd64 && !purego

package kernel

// vectorKernel says whether the processor and the operating system have AVX-512 with 52-bit multiply-add.
var vectorKernel = hasIFMA()

func hasIFMA() bool {
	top, _, _, _ := cpuid(0, 0)
	_, _, c, _ := cpuid(1, 0)
	if top < 7 || c>>27&1 == 0 { // OSXSAVE
		return false
	}
	// The system saves SSE, AVX and all AVX-512 state.
	if xgetbv()&0xe6 != 0xe6 {
		return false
	}
	_, b, _, _ := cpuid(7, 0)
	const f, ifma = 1 << 16, 1 << 21
	return b&f != 0 && b&ifma != 0
}

// tileVector is tileGo for eight rows, over x in Montgomery form of 2^104; q is below 2^52.
func tileVector(d []uint64, stride int, x, c []uint64, q Modulus) {
	mulAdd8x8(&d[0], stride*8, &x[0], &c[0], len(c)/lanes, q.Q, q.inv)
}

//go:noescape
func mulAdd8x8(dst *uint64, stride int, x, c *uint64, k int, q, inv uint64)

func cpuid(leaf, sub uint32) (a, b, c, d uint32)

func xgetbv() uint32
