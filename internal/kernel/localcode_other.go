//go:build !amd64 || purego

package kernel

func gather(dst, secret []Block, rows []byte) { gatherGo(dst, secret, rows) }
