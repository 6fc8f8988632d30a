//go:build !amd64 || purego

package kernel

var vectorPanels = false // a variable, as tests switch it where it can be true

func panelWords(dst *uint64, stride int, src *byte, groups int, mask, q uint64) uint64 {
	panic("kernel: internal error: no vector kernel")
}

func panelStored(dst *uint64, stride int, lo, high *byte, groups, step int, f *storedConstants) uint64 {
	panic("kernel: internal error: no vector kernel")
}
