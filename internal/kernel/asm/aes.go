package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The instructions are those of Intel's white paper on AES-NI (Gueron, 2010): AESENC is one
// round, so independent blocks are interleaved to fill the latency of three or four cycles.

const (
	rounds    = 10 // of AES-128
	rounds256 = 14
	block     = 16
)

// aes has the AES kernels.
func aes(f *file) {
	expandKey(f)
	expandKey256(f)
	encryptBlock(f)
	hash8(f)
	hash16(f)
	fold(f, "foldNarrow", f.XMM)
	fold(f, "foldWide", f.ZMM)
	stream(f, "streamNarrow", f.XMM)
	stream(f, "streamWide", f.ZMM)
}

func expandKey(f *file) {
	f.function("expandKey")
	s, key := f.argument("s"), f.argument("key")
	k := f.XMM()
	f.VMOVDQU(at(key, 0), k)
	f.VMOVDQU(k, at(s, 0))
	for i, rcon := range []uint64{0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x1b, 0x36} {
		f.nextKey(k, k, rcon, 0xff)
		f.VMOVDQU(k, at(s, block*(i+1)))
	}
	f.RET()
}

// nextKey makes round key k the next one of its kind, from a word of the key before it.
func (f *file) nextKey(k, before reg.VecVirtual, rcon, word uint64) {
	t, u := f.XMM(), f.XMM()
	f.VAESKEYGENASSIST(operand.Imm(rcon), before, t)
	f.VPSHUFD(operand.Imm(word), t, t)
	f.VMOVDQA(k, u)
	for range 3 {
		f.VPSLLDQ(operand.Imm(4), u, u)
		f.VPXOR(u, k, k)
	}
	f.VPXOR(t, k, k)
}

func expandKey256(f *file) {
	f.function("expandKey256")
	s, key := f.argument("s"), f.argument("key")
	k := vectors(2, f.XMM)
	for i := range rounds256 + 1 {
		switch {
		case i < 2:
			f.VMOVDQU(at(key, block*i), k[i])
		case i%2 == 0:
			f.nextKey(k[0], k[1], 1<<(i/2-1), 0xff)
		default:
			f.nextKey(k[1], k[0], 0, 0xaa)
		}
		f.VMOVDQU(k[i%2], at(s, block*i))
	}
	f.RET()
}

func encryptBlock(f *file) {
	f.function("encryptBlock")
	b, s, x := f.argument("b"), f.argument("s"), f.XMM()
	f.VMOVDQU(at(b, 0), x)
	f.encrypt([]reg.VecVirtual{x}, rounds, func(round int) operand.Op { return at(s, block*round) })
	f.VMOVDQU(x, at(b, 0))
	f.RET()
}

// encrypt applies AES of so many rounds to vectors of blocks.
func (f *file) encrypt(x []reg.VecVirtual, rounds int, key func(round int) operand.Op) {
	k := key(0)
	for _, x := range x {
		f.xor(k, x, x)
	}
	f.middle(x, rounds, key)
	k = key(rounds)
	for _, x := range x {
		f.VAESENCLAST(k, x, x)
	}
}

// middle does all rounds but the first and the last.
func (f *file) middle(x []reg.VecVirtual, rounds int, key func(round int) operand.Op) {
	for i := 1; i < rounds; i++ {
		k := key(i)
		for _, x := range x {
			f.VAESENC(k, x, x)
		}
	}
}

func hash8(f *file) {
	f.function("hash8")
	dst, src, n, s := f.argument("dst"), f.argument("src"), f.argument("n"), f.argument("s")
	offset := f.argument("offset")
	tweak, step, t, k := f.XMM(), f.XMM(), f.XMM(), f.XMM()
	f.VMOVQ(f.address("tweak"), tweak)
	f.VMOVQ(f.address("step"), step)
	once := f.AllocLocal(8 * block) // π(x)
	key := func(round int) operand.Op {
		f.VMOVDQU(at(s, block*round), k)
		return k
	}
	x := vectors(8, f.XMM)
	f.loop("loop", n, func() {
		for i, x := range x {
			f.VMOVDQU(at(src, block*i), x)
		}
		f.encrypt(x, rounds, key)
		for i, x := range x {
			f.VMOVDQU(x, once.Offset(block*i))
			f.VPADDQ(at(offset, block*i), tweak, t)
			f.VPXOR(t, x, x)
		}
		f.encrypt(x, rounds, key)
		for i, x := range x {
			f.VPXOR(once.Offset(block*i), x, x)
			f.VMOVDQU(x, at(dst, block*i))
		}
		f.VPADDQ(step, tweak, tweak)
		f.ADDQ(operand.U32(8*block), src)
		f.ADDQ(operand.U32(8*block), dst)
	})
	f.zero(t) // the stack held π(x) of secret blocks
	for i := range x {
		f.VMOVDQU(t, once.Offset(block*i))
	}
	f.RET()
}

func hash16(f *file) {
	f.function("hash16")
	dst, src, n, s := f.argument("dst"), f.argument("src"), f.argument("n"), f.argument("s")
	offset := f.argument("offset")
	keys := vectors(rounds+1, f.ZMM)
	for i, k := range keys {
		f.VBROADCASTI32X4(at(s, block*i), k)
	}
	// Tweaks: the low half of each block, the high half is 0.
	low := func(argument string) reg.VecVirtual {
		v := f.ZMM()
		f.VMOVQ(f.address(argument), v.AsX())
		f.VSHUFI32X4(operand.Imm(0), v, v, v)
		return v
	}
	tweak, step, tweaks := low("tweak"), low("step"), vectors(4, f.ZMM)
	for i, t := range tweaks {
		f.VPADDQ(at(offset, 64*i), tweak, t)
	}
	x, once := vectors(4, f.ZMM), vectors(4, f.ZMM)
	encrypt := func() { // all but the addition of the first key
		f.middle(x, rounds, func(round int) operand.Op { return keys[round] })
		for _, x := range x {
			f.VAESENCLAST(keys[rounds], x, x)
		}
	}
	f.loop("loop", n, func() {
		for i, x := range x {
			f.VPXORQ(at(src, 64*i), keys[0], x)
		}
		encrypt()
		for i, x := range x {
			f.VMOVDQA64(x, once[i])
		}
		for i, x := range x {
			f.VPTERNLOGQ(operand.Imm(0x96), keys[0], tweaks[i], x) // the sum of all three
		}
		encrypt()
		for i, x := range x {
			f.VPXORQ(once[i], x, x)
			f.VMOVDQU64(x, at(dst, 64*i))
		}
		for _, t := range tweaks {
			f.VPADDQ(step, t, t)
		}
		f.ADDQ(operand.U32(16*block), src)
		f.ADDQ(operand.U32(16*block), dst)
	})
	f.end()
}

// fold adds up streams, eight vectors of each at a time.
func fold(f *file, name string, vector func() reg.VecVirtual) {
	f.function(name)
	u, rows, stride := f.argument("u"), f.argument("rows"), f.argument("stride")
	first, top, counters := f.argument("first"), f.argument("top"), f.argument("counters")
	size := int(vector().Size())
	wide := size == 64

	parts := f.GP64()
	f.MOVQ(operand.U32(512/(8*size)), parts)
	f.loop("part", parts, func() {
		keys, n, number := f.argument("keys"), f.argument("n"), f.GP64()
		f.MOVQ(first, number)
		x, sums := vectors(8, vector), vectors(8, vector)
		for _, s := range sums {
			f.zero(s)
		}
		count := vectors(8, vector)
		if wide {
			for i, c := range count {
				f.VMOVDQU64(at(counters, size*i), c)
			}
		}
		// A narrow key or counter is read where it is used: the blocks and sums take all registers.
		key := func(round int) operand.Op {
			k := at(keys, block*round)
			if !wide {
				return k
			}
			r := f.ZMM()
			f.VBROADCASTI32X4(k, r)
			return r
		}
		f.loop("stream", n, func() {
			// The row of this stream: trailing zeros of its number, at most top.
			row := f.GP64()
			f.INCQ(number)
			f.BSFQ(number, row)
			f.CMPQ(row, top)
			f.CMOVQGT(top, row)
			f.IMULQ(stride, row)
			f.ADDQ(rows, row)

			k := key(0)
			for i, x := range x {
				if wide {
					f.VPXORQ(count[i], k, x)
				} else {
					f.VMOVDQU(at(counters, size*i), x)
					f.VPXOR(k, x, x)
				}
			}
			f.middle(x, rounds, key)
			k = key(rounds)
			for i, x := range x {
				f.VAESENCLAST(k, x, x)
				f.xor(x, sums[i], sums[i])
				f.xor(at(row, size*i), sums[i], x)
				f.move(x, at(row, size*i))
			}
			f.ADDQ(operand.U32(block*(rounds+1)), keys)
		})
		for i, s := range sums {
			f.move(s, at(u, size*i))
		}
		for _, p := range []reg.GPVirtual{u, rows, counters} {
			f.ADDQ(operand.U32(8*size), p)
		}
	})
	f.end()
}

// counting returns what sets a vector to the counter blocks that follow, from argument from on. The high word of each
// counts, the low one is 0; in the stream it is big-endian.
func (f *file) counting(name string, vector func() reg.VecVirtual) func(x reg.VecVirtual) {
	counter, step, order := f.everywhere("from", vector()), vector(), vector()
	blocks := int(counter.Size()) / block
	first := f.words(name+"First", func(i int) int { return i & 1 * (i / 2) })
	next := f.words(name+"Next", func(i int) int { return i & 1 * blocks })
	swap := f.bytes(name+"Swap", func(i int) int {
		if i&8 != 0 {
			return 15 - i&7
		}
		return i & 7
	})
	f.VPSLLDQ(operand.Imm(8), counter, counter)
	f.VPADDQ(first, counter, counter)
	f.move(next, step)
	f.move(swap, order)
	return func(x reg.VecVirtual) {
		f.VPSHUFB(order, counter, x)
		f.VPADDQ(step, counter, counter)
	}
}

// broadcast loads the round keys at s, each in all blocks of a vector.
func (f *file) broadcast(s reg.Register, rounds int) func(round int) operand.Op {
	keys := vectors(rounds+1, f.ZMM)
	for i, k := range keys {
		f.VBROADCASTI32X4(at(s, block*i), k)
	}
	return func(round int) operand.Op { return keys[round] }
}

// stream writes a key stream, eight vectors at a time.
func stream(f *file, name string, vector func() reg.VecVirtual) {
	size := int(vector().Size())
	f.function(name)
	dst, chunks, s := f.argument("dst"), f.argument("chunks"), f.argument("s")
	count := f.counting(name, vector)
	key := func(round int) operand.Op { return at(s, block*round) }
	if size == 64 {
		key = f.broadcast(s, rounds)
	} else {
		f.SHLQ(operand.Imm(2), chunks) // of 512 bytes
	}
	x := vectors(8, vector)
	f.loop("loop", chunks, func() {
		for _, x := range x {
			count(x)
		}
		f.encrypt(x, rounds, key)
		for i, x := range x {
			f.move(x, at(dst, size*i))
		}
		f.ADDQ(operand.U32(8*size), dst)
	})
	f.end()
}

// localcode has the sums of the local code.
func localcode(f *file) {
	f.function("gather10")
	dst, n, secret, rows := f.argument("dst"), f.argument("n"), f.argument("secret"), f.argument("rows")
	mask := f.GP32()
	f.Load(f.Param("mask"), mask)
	// The loads of several rows are in flight at once: nothing but the two sums of a row
	// depends on them.
	f.loop("loop", n, func() {
		sums := vectors(2, f.XMM)
		f.VMOVDQU(at(dst, 0), sums[0])
		f.zero(sums[1])
		for i := range 10 { // bits 4.. of the four bytes from 3·i on
			j := f.GP64()
			f.MOVL(at(rows, 3*i), j.As32())
			f.ANDL(mask, j.As32())
			f.VPXOR(at(secret, 0).Idx(j, 1), sums[i%2], sums[i%2])
		}
		f.VPXOR(sums[1], sums[0], sums[0])
		f.VMOVDQU(sums[0], at(dst, 0))
		f.ADDQ(operand.Imm(32), rows)
		f.ADDQ(operand.Imm(block), dst)
	})
	f.RET()
}
