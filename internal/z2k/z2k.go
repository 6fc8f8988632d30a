package z2k

import "fmt"

// Mask returns 2^width - 1, width 1..64.
func Mask(width int) uint64 {
	if width < 1 || width > 64 {
		panic(fmt.Sprintf("z2k: internal error: width %d is not in 1..64", width))
	}
	return ^uint64(0) >> (64 - width)
}

// Signed returns the representative of x in [-2^(width-1), 2^(width-1)).
func Signed(x uint64, width int) int64 {
	Mask(width)
	return int64(x<<(64-width)) >> (64 - width)
}

// FromInt returns x mod 2^width.
func FromInt(x int64, width int) uint64 { return uint64(x) & Mask(width) }

// Add sets dst to a + b, element by element.
func Add(dst, a, b []uint64, width int) {
	same(dst, a)
	same(dst, b)
	m := Mask(width)
	for i := range dst {
		dst[i] = (a[i] + b[i]) & m
	}
}

// Sub sets dst to a - b, element by element.
func Sub(dst, a, b []uint64, width int) {
	same(dst, a)
	same(dst, b)
	m := Mask(width)
	for i := range dst {
		dst[i] = (a[i] - b[i]) & m
	}
}

// MulConst sets dst to c · a. c need not be reduced.
func MulConst(dst, a []uint64, c uint64, width int) {
	same(dst, a)
	m := Mask(width)
	for i := range dst {
		dst[i] = (a[i] * c) & m
	}
}

// Reduce sets dst to the low width bits of a.
func Reduce(dst, a []uint64, width int) {
	same(dst, a)
	m := Mask(width)
	for i := range dst {
		dst[i] = a[i] & m
	}
}

func same(a, b []uint64) {
	if len(a) != len(b) {
		panic(fmt.Sprintf("z2k: internal error: lengths %d and %d differ", len(a), len(b)))
	}
}
