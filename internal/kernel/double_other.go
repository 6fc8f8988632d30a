//go:build !amd64 || purego

package kernel

const vectorDouble = false

func doubleTile(dst *float64, stride int, a *float64, strideA int, panel *float64, depth int) {
	panic("kernel: internal error: no vector kernel")
}

func toDoubles(dst *float64, x *uint64, n int, shift uint64) float64 {
	panic("kernel: internal error: no vector kernel")
}

func fromDoubles(dst *uint64, x *float64, n int, mask uint64) {
	panic("kernel: internal error: no vector kernel")
}
