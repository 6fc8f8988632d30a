package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// halftree has the levels of half-trees.
func halftree(f *file) {
	grow(f, "growNarrow", f.YMM)
	grow(f, "growWide", f.ZMM)
	patch(f, "patchNarrow", f.YMM)
	patch(f, "patchWide", f.ZMM)
}

// grow goes from the last nodes of a level to the first, as children take the places of nodes.
func grow(f *file, name string, vector func() reg.VecVirtual) {
	size := int(vector().Size())
	wide, blocks := size == 64, size/block
	// The numbers of a vector's nodes less the number of nodes, and how they change.
	places := f.words(name+"Places", func(i int) int { return i/2 - blocks })
	back := f.words(name+"Back", func(int) int { return -blocks })
	// Where the blocks of two vectors in turn come from.
	low := f.words(name+"Low", func(i int) int { return i&1 + i>>2<<1 + i>>1&1*8 })
	high := f.words(name+"High", func(i int) int { return 4 + i&1 + i>>2<<1 + i>>1&1*8 })

	f.function(name)
	nodes, hashes, n := f.argument("nodes"), f.argument("hashes"), f.argument("n")
	number, path, step, keep := f.everywhere("n", vector()), f.everywhere("path", vector()), vector(), vector()
	f.VPADDQ(places, number, number)
	f.move(back, step)
	mask := f.argument("keep")
	var order [2]reg.VecVirtual
	if wide {
		f.VBROADCASTI32X4(at(mask, 0), keep)
		order = [2]reg.VecVirtual{f.ZMM(), f.ZMM()}
		f.move(low, order[0])
		f.move(high, order[1])
	} else {
		f.VBROADCASTI128(at(mask, 0), keep)
	}
	left, right := vector(), vector()
	f.zero(left)
	f.zero(right)
	bytes := f.GP64()
	f.MOVQ(n, bytes)
	f.SHLQ(operand.Imm(4), bytes)
	f.ADDQ(bytes, hashes)
	f.LEAQ(at(nodes, 0).Idx(bytes, 2), bytes) // behind the children
	children := bytes
	f.SHLQ(operand.Imm(4), n)
	f.ADDQ(n, nodes)
	f.SHRQ(operand.Imm(uint64(map[bool]int{false: 5, true: 6}[wide])), n)
	f.loop("loop", n, func() {
		for _, p := range []reg.GPVirtual{nodes, hashes} {
			f.SUBQ(operand.Imm(uint64(size)), p)
		}
		f.SUBQ(operand.U32(2*size), children)
		// The hash of the path's node counts as 0.
		a, b, lo, hi := vector(), vector(), vector(), vector()
		if wide {
			known := f.K()
			f.VPCMPUQ(operand.Imm(4), path, number, known)
			f.VMOVDQU64_Z(at(hashes, 0), known, a)
			f.VPXORQ(at(nodes, 0), a, b)
			f.VPANDQ(keep, a, a)
			f.VPANDQ(keep, b, b)
			f.VPXORQ(a, left, left)
			f.VPXORQ(b, right, right)
			f.VMOVDQA64(a, lo)
			f.VPERMT2Q(b, order[0], lo)
			f.VMOVDQA64(a, hi)
			f.VPERMT2Q(b, order[1], hi)
		} else {
			f.VPCMPEQQ(path, number, a)
			f.VPANDN(at(hashes, 0), a, a)
			f.VPXOR(at(nodes, 0), a, b)
			f.VPAND(keep, a, a)
			f.VPAND(keep, b, b)
			f.VPXOR(a, left, left)
			f.VPXOR(b, right, right)
			f.VPERM2I128(operand.Imm(0x20), b, a, lo)
			f.VPERM2I128(operand.Imm(0x31), b, a, hi)
		}
		f.move(lo, at(children, 0))
		f.move(hi, at(children, size))
		f.VPADDQ(step, number, number)
	})
	sums := f.argument("sums")
	f.move(left, at(sums, 0))
	f.move(right, at(sums, 64))
	f.end()
}

// patch reads and writes all pairs.
func patch(f *file, name string, vector func() reg.VecVirtual) {
	size := int(vector().Size())
	wide := size == 64
	places := f.words(name+"Places", func(i int) int { return i / 4 })
	next := f.words(name+"Next", func(int) int { return size / 32 })

	f.function(name)
	nodes, n, values := f.argument("nodes"), f.argument("n"), f.argument("values")
	pair, number, step, sum, x := f.everywhere("pair", vector()), vector(), vector(), vector(), vector()
	f.move(places, number)
	f.move(next, step)
	if wide {
		f.VBROADCASTI64X4(at(values, 0), sum)
	} else {
		f.VMOVDQU(at(values, 0), sum)
	}
	f.loop("loop", n, func() {
		if wide {
			this := f.K()
			f.VPCMPEQQ(pair, number, this)
			f.VMOVDQU64(at(nodes, 0), x)
			f.VPXORQ(sum, x, this, x)
		} else {
			f.VPCMPEQQ(pair, number, x)
			f.VPAND(sum, x, x)
			f.VPXOR(at(nodes, 0), x, x)
		}
		f.move(x, at(nodes, 0))
		f.VPADDQ(step, number, number)
		f.ADDQ(operand.Imm(uint64(size)), nodes)
	})
	f.end()
}
