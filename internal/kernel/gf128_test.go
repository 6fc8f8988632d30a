package kernel

import (
	"math/big"
	"testing"
)

func toBig(b Block) *big.Int {
	x := new(big.Int).SetUint64(b[1])
	return x.Or(x.Lsh(x, 64), new(big.Int).SetUint64(b[0]))
}

// mulBig multiplies in F_2[α] and reduces by α^128 + α^7 + α^2 + α + 1.
func mulBig(a, b Block) Block {
	x, y, p := toBig(a), toBig(b), new(big.Int)
	for i := range 128 {
		if y.Bit(i) == 1 {
			p.Xor(p, new(big.Int).Lsh(x, uint(i)))
		}
	}
	modulus := new(big.Int).Lsh(big.NewInt(1), 128)
	modulus.Or(modulus, big.NewInt(0x87))
	for i := p.BitLen() - 1; i >= 128; i-- {
		if p.Bit(i) == 1 {
			p.Xor(p, new(big.Int).Lsh(modulus, uint(i-128)))
		}
	}
	lo := new(big.Int).And(p, new(big.Int).SetUint64(^uint64(0))).Uint64()
	return Block{lo, p.Rsh(p, 64).Uint64()}
}

func TestMulAlpha(t *testing.T) {
	for i, b := range append(randomBlocks(8, 200), Block{}, Block{1}, Block{0, 1 << 63}, Block{1 << 63}, Block{^uint64(0), ^uint64(0)}) {
		if got, want := MulAlpha(b), mulBig(b, Block{2}); got != want {
			t.Errorf("case %d differs from math/big", i)
		}
	}
}

func TestMultiples(t *testing.T) {
	delta := randomBlocks(9, 1)[0]
	for _, n := range []int{1, 2, 16, 256} {
		dst := make([]Block, n)
		Multiples(dst, delta)
		seen := make(map[Block]bool)
		for v, got := range dst {
			if got != mulBig(delta, Block{uint64(v)}) {
				t.Fatalf("multiple %d of %d differs from math/big", v, n)
			}
			if seen[got] {
				t.Fatalf("multiple %d of %d repeats", v, n)
			}
			seen[got] = true
		}
	}
}

// TestOneOfN makes 1-of-2^width OT keys from COTs for every choice.
func TestOneOfN(t *testing.T) {
	delta := randomBlocks(10, 1)[0]
	for width := 1; width <= 8; width++ {
		n := 1 << width
		k0 := randomBlocks(uint64(width), n*width)
		keys := make([]Block, n*width)
		for v := range n { // OT number v has choice v
			for i := range width {
				keys[v*width+i] = k0[v*width+i]
				if v>>i&1 == 1 {
					keys[v*width+i] = keys[v*width+i].Xor(delta)
				}
			}
		}
		sender, receiver, offsets := make([]Block, n), make([]Block, n), make([]Block, n)
		Combine(sender, k0, width)
		Combine(receiver, keys, width)
		Multiples(offsets, delta)
		for v := range n {
			for other := range n {
				if equal := sender[v].Xor(offsets[other]) == receiver[v]; equal != (other == v) {
					t.Fatalf("width %d: choice %d, message %d: equal %v", width, v, other, equal)
				}
			}
		}
	}
}

// TestCombine compares with the sum by its definition, short widths and long.
func TestCombine(t *testing.T) {
	for width := 1; width <= 128; width++ {
		src := randomBlocks(uint64(width), 3*width)
		dst := make([]Block, 3)
		Combine(dst, src, width)
		for j, got := range dst {
			var want Block
			for i, power := 0, (Block{1}); i < width; i, power = i+1, MulAlpha(power) {
				want = want.Xor(mulBig(src[width*j+i], power))
			}
			if got != want {
				t.Fatalf("width %d: sum %d differs from math/big", width, j)
			}
		}
	}
}
