package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// transpose has the transposes of bit matrices of 128 rows.
func transpose(f *file) {
	transposeTiles(f)
	transposeWide(f)
}

func transposeTiles(f *file) {
	// Byte r' of quadword c is 8·(7-r') + c: the rows of an 8×8 byte matrix become its columns,
	// last first.
	columns := f.bytes("transposeColumns", func(i int) int { return 8*(7-i%8) + i/8 })
	// Byte p of 128-bit lane L is 4·p + L.
	lanes := f.bytes("transposeLanes", func(i int) int { return 4*(i%16) + i/16 })
	// Byte i is 1 << i: an affine map of it by the matrix A gives A transposed.
	unit := f.bytes("transposeUnit", func(i int) int { return 1 << (i % 8) })

	f.function("transposeTiles")
	dst, src, stride, tiles := f.argument("dst"), f.argument("src"), f.argument("stride"), f.argument("tiles")
	// The rows from src on: multiples of the stride that an address can have, or a register.
	times := map[int]reg.GPVirtual{1: stride, 3: f.GP64(), 5: f.GP64(), 7: f.GP64()}
	f.LEAQ(at(stride, 0).Idx(stride, 2), times[3])
	f.LEAQ(at(stride, 0).Idx(stride, 4), times[5])
	f.LEAQ(at(times[3], 0).Idx(stride, 4), times[7])
	masks := make([]reg.OpmaskVirtual, 8)
	for i := 1; i < 8; i++ {
		masks[i] = f.K()
		bit := f.GP32()
		f.MOVL(operand.U32(1<<i), bit)
		f.KMOVW(bit, masks[i])
	}

	f.loop("loop", tiles, func() {
		row := f.GP64()
		f.MOVQ(src, row)
		z, t := make([]reg.VecVirtual, 16), vectors(3, f.ZMM)
		for i, c := range []operand.Mem{columns, lanes, unit} {
			f.VMOVDQU64(c, t[i])
		}
		// Register q has 64 columns of eight rows. Each 8×8 bits are transposed: byte j is then
		// the eight bits of column j. The bytes are stored so that lane L holds columns L, L+4, ..,
		// L+60.
		for q := range z {
			z[q] = f.ZMM()
			f.VPBROADCASTQ(at(row, 0), z[q])
			for i := 1; i < 8; i++ {
				odd, scale := i, 1
				for odd%2 == 0 {
					odd, scale = odd/2, 2*scale
				}
				f.VPBROADCASTQ(at(row, 0).Idx(times[odd], uint8(scale)), masks[i], z[q])
			}
			f.LEAQ(at(row, 0).Idx(stride, 8), row)
			f.VPERMB(z[q], t[0], z[q])
			f.VGF2P8AFFINEQB(operand.Imm(0), z[q], t[2], z[q])
			f.VPERMB(z[q], t[1], z[q])
		}
		// Register q has, in each lane, byte q of sixteen blocks; a 16×16 byte transpose makes it
		// one block per lane.
		for distance, unpack := range [][2]func(...operand.Op){
			{f.VPUNPCKLBW, f.VPUNPCKHBW}, {f.VPUNPCKLWD, f.VPUNPCKHWD}, {f.VPUNPCKLDQ, f.VPUNPCKHDQ}, {f.VPUNPCKLQDQ, f.VPUNPCKHQDQ},
		} {
			distance = 1 << distance
			next := make([]reg.VecVirtual, 16)
			for q := range z {
				if q&distance == 0 {
					lo, hi := f.ZMM(), f.ZMM()
					unpack[0](z[q+distance], z[q], lo)
					unpack[1](z[q+distance], z[q], hi)
					// Vectors of one group of 2·distance are in the order of their columns.
					at := q&^(2*distance-1) + 2*(q&(distance-1))
					next[at], next[at+1] = lo, hi
				}
			}
			z = next
		}
		for q, v := range z {
			f.VMOVDQU64(v, at(dst, 64*q))
		}
		f.ADDQ(operand.U32(64*block), dst)
		f.ADDQ(operand.Imm(8), src)
	})
	f.end()
}

// transposeWide does four matrices of 64 columns at a time, each in one lane of its vectors, by
// the exchanges of transposeGo: those of 32, 16 and 8 columns on rows 8 apart, through scratch,
// and then those of 4, 2 and 1 on rows that are neighbours.
func transposeWide(f *file) {
	masks := map[int]operand.Mem{ // the low columns
		1: f.ConstData("exchange1", operand.U64(0x5555555555555555)),
		2: f.ConstData("exchange2", operand.U64(0x3333333333333333)),
		4: f.ConstData("exchange4", operand.U64(0x0f0f0f0f0f0f0f0f)),
		8: f.ConstData("exchange8", operand.U64(0x00ff00ff00ff00ff)),
	}
	f.function("transposeWide")
	dst, src, stride, tiles, scratch := f.argument("dst"), f.argument("src"), f.argument("stride"), f.argument("tiles"), f.argument("scratch")
	mask := f.YMM()
	// exchange swaps the high columns of x with the low ones of y, s columns apart.
	exchange := func(x, y reg.VecVirtual, s int) {
		t, u := f.YMM(), f.YMM()
		switch s {
		case 32, 16:
			f.VPSLLQ(operand.Imm(uint64(s)), y, t)
			f.VPSRLQ(operand.Imm(uint64(s)), x, u)
			high := operand.Imm(0xaa)
			if s == 32 {
				f.VPBLENDD(high, t, x, x)
				f.VPBLENDD(high, y, u, y)
			} else {
				f.VPBLENDW(high, t, x, x)
				f.VPBLENDW(high, y, u, y)
			}
		default:
			f.VPSRLQ(operand.Imm(uint64(s)), x, t)
			f.VPXOR(y, t, t)
			f.VPAND(mask, t, t)
			f.VPXOR(t, y, y)
			f.VPSLLQ(operand.Imm(uint64(s)), t, t)
			f.VPXOR(t, x, x)
		}
	}
	// three does the exchanges of 4·s, 2·s and s columns on eight rows.
	three := func(x []reg.VecVirtual, s int) {
		for d := 4; d > 0; d /= 2 {
			if m, ok := masks[d*s]; ok {
				f.VPBROADCASTQ(m, mask)
			}
			for i := range x {
				if i&d == 0 {
					exchange(x[i], x[i+d], d*s)
				}
			}
		}
	}
	step := f.GP64() // eight rows
	f.MOVQ(stride, step)
	f.SHLQ(operand.Imm(3), step)
	f.loop("tile", tiles, func() {
		from, to, n := f.GP64(), f.GP64(), f.GP64()
		f.MOVQ(src, from)
		f.MOVQ(scratch, to)
		// Both halves of the rows, of which 64 take 2 KiB of scratch.
		for half := range 2 {
			f.MOVQ(operand.U32(8), n)
			f.loop([]string{"coarse", "coarse2"}[half], n, func() {
				p := f.GP64()
				f.MOVQ(from, p)
				x := vectors(8, f.YMM)
				for i, x := range x {
					f.VMOVDQU(at(p, 0), x)
					if i < 7 {
						f.ADDQ(step, p)
					}
				}
				three(x, 8)
				for i, x := range x {
					f.VMOVDQU(x, at(to, 2048*half+32*8*i))
				}
				f.ADDQ(stride, from)
				f.ADDQ(operand.Imm(32), to)
			})
			if half == 0 { // from is eight rows on
				f.LEAQ(at(from, 0).Idx(step, 4), from)
				f.LEAQ(at(from, 0).Idx(step, 2), from)
				f.ADDQ(step, from)
				f.MOVQ(scratch, to)
			}
		}
		f.MOVQ(scratch, from)
		f.MOVQ(operand.U32(8), n)
		f.loop("fine", n, func() {
			low, high := vectors(8, f.YMM), vectors(8, f.YMM)
			load := func(x []reg.VecVirtual, disp int) {
				for i, x := range x {
					f.VMOVDQU(at(from, disp+32*i), x)
				}
			}
			load(low, 0)
			three(low, 1)
			for i, x := range low {
				f.VMOVDQU(x, at(from, 32*i))
			}
			load(high, 2048)
			three(high, 1)
			for i, x := range high {
				a, b := f.YMM(), f.YMM()
				f.VMOVDQU(at(from, 32*i), a)
				f.VPUNPCKHQDQ(x, a, b)
				f.VPUNPCKLQDQ(x, a, a)
				// Columns i, 64 + i, 128 + i and 192 + i.
				f.VMOVDQU(a.AsX(), at(dst, block*i))
				f.VMOVDQU(b.AsX(), at(dst, block*(64+i)))
				f.VEXTRACTI128(operand.Imm(1), a, at(dst, block*(128+i)))
				f.VEXTRACTI128(operand.Imm(1), b, at(dst, block*(192+i)))
			}
			f.ADDQ(operand.U32(8*32), from)
			f.ADDQ(operand.U32(8*block), dst)
		})
		f.ADDQ(operand.U32((256-64)*block), dst)
		f.ADDQ(operand.Imm(32), src)
	})
	f.end()
}
