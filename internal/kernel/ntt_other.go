//go:build !amd64 || purego

package kernel

// NewNTT returns nil on these machines, so none of the following is reached.

const noNTT = "kernel: internal error: no vector kernel"

func nttLevel(a, w *uint64, groups, half int, q uint64)  { panic(noNTT) }
func inttLevel(a, w *uint64, groups, half int, q uint64) { panic(noNTT) }
func nttLast(a, w *uint64, blocks int, q uint64)         { panic(noNTT) }
func inttFirst(a, w *uint64, blocks int, q uint64)       { panic(noNTT) }
func nttScale(a *uint64, n int, q, w, wq uint64)         { panic(noNTT) }
func nttMul(dst, a, b *uint64, n int, q, inv uint64)     { panic(noNTT) }
func nttMulAdd(dst, a, b *uint64, n int, q, inv uint64)  { panic(noNTT) }
