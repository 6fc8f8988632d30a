//go:build !amd64 || purego

package kernel

const vectorKernel = false

func tileVector(d []uint64, stride int, x, c []uint64, q Modulus) {
	panic("kernel: internal error: no vector kernel")
}
