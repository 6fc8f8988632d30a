//go:build amd64 && !purego

package kernel

// nttLevel does one level of butterflies: groups groups of 2·half vectors of eight.
//
//go:noescape
func nttLevel(a, w *uint64, groups, half int, q uint64)

//go:noescape
func inttLevel(a, w *uint64, groups, half int, q uint64)

// nttLast does the levels of distance 4, 2 and 1 of blocks blocks of 64 and leaves each transposed; inttFirst undoes it.
//
//go:noescape
func nttLast(a, w *uint64, blocks int, q uint64)

//go:noescape
func inttFirst(a, w *uint64, blocks int, q uint64)

// nttScale multiplies n vectors by a constant.
//
//go:noescape
func nttScale(a *uint64, n int, q, w, wq uint64)

//go:noescape
func nttMul(dst, a, b *uint64, n int, q, inv uint64)

//go:noescape
func nttMulAdd(dst, a, b *uint64, n int, q, inv uint64)
