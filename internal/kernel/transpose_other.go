//go:build !amd64 || purego

package kernel

const bitVectors = false

func transposeVector([]Block, []byte, int) {}
