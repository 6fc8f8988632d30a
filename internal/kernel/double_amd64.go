//go:build amd64 && !purego

package kernel

// vectorDouble says whether there is AVX-512 with conversions of 64-bit integers.
var vectorDouble = vectorKernel && hasDQ()

func hasDQ() bool {
	_, b, _, _ := cpuid(7, 0)
	return b>>17&1 == 1
}

// doubleTile adds to a tile of dst the product of eight rows of a and a panel of depth rows; strides are in bytes.
//
//go:noescape
func doubleTile(dst *float64, stride int, a *float64, strideA int, panel *float64, depth int)

// toDoubles is Doubles for n elements, a multiple of eight.
//
//go:noescape
func toDoubles(dst *float64, x *uint64, n int, shift uint64) float64

// fromDoubles is FromDoubles for n elements, a multiple of eight.
//
//go:noescape
func fromDoubles(dst *uint64, x *float64, n int, mask uint64)
