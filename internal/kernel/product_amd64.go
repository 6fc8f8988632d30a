//go:build amd64 && !purego

package kernel

//go:noescape
func addProduct8x8(dst *uint64, stride int, a, b *uint64, k int)
