package kernel

import (
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
)

// schoolbook multiplies modulo X^n + 1 and q, term by term.
func schoolbook(a, b []uint64, q uint64) []uint64 {
	n := len(a)
	sums := make([]*big.Int, n)
	for i := range sums {
		sums[i] = new(big.Int)
	}
	t := new(big.Int)
	for i, x := range a {
		for j, y := range b {
			t.Mul(new(big.Int).SetUint64(x), new(big.Int).SetUint64(y))
			if i+j < n {
				sums[i+j].Add(sums[i+j], t)
			} else {
				sums[i+j-n].Sub(sums[i+j-n], t)
			}
		}
	}
	out := make([]uint64, n)
	for i, s := range sums {
		out[i] = s.Mod(s, new(big.Int).SetUint64(q)).Uint64()
	}
	return out
}

func TestNTT(t *testing.T) { runLevels(t, testNTT) }

func testNTT(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	if best == plain {
		if NewNTT(0x3ffffffffc001, 128) != nil {
			t.Error("a transform without vector kernels")
		}
		return
	}
	for _, q := range []uint64{12289, 0x3ffffffffc001, 0x3fffffffcc001, 0xffffffffff001, 0xffffffff00001} {
		for _, n := range []int{64, 128, 256} {
			tr := NewNTT(q, n)
			if have := best == avx512 || q < 1<<50; have != (tr != nil) {
				t.Fatalf("q=%#x n=%d: is there a transform? %v, want %v", q, n, tr != nil, have)
			}
			if tr == nil {
				continue
			}
			for range 3 {
				a, b, c := make([]uint64, n), make([]uint64, n), make([]uint64, n)
				for i := range a {
					a[i], b[i], c[i] = r.Uint64N(q), r.Uint64N(q), r.Uint64N(q)
					if r.IntN(3) == 0 {
						a[i], b[i] = q-1, q-1
					}
				}
				want := schoolbook(a, b, q)
				sum := append([]uint64(nil), c...)
				back := append([]uint64(nil), a...)
				tr.Forward(back)
				tr.Inverse(back)
				for i := range a {
					if back[i] != a[i] {
						t.Fatalf("q=%#x n=%d: coefficient %d comes back as %d, was %d", q, n, i, back[i], a[i])
					}
				}
				for used := range n + 1 {
					short, long := slices.Concat(a[:used], make([]uint64, n-used)), slices.Concat(a[:used], make([]uint64, n-used))
					tr.ForwardShort(short, used)
					tr.Forward(long)
					tr.Inverse(short)
					tr.Inverse(long)
					if !slices.Equal(short, long) {
						t.Fatalf("q=%#x n=%d: the transform of %d coefficients is another than that of all", q, n, used)
					}
				}
				tr.Forward(a)
				tr.Forward(b)
				tr.Form(b)
				prod := make([]uint64, n)
				tr.Mul(prod, a, b)
				tr.Inverse(prod)
				tr.Forward(sum)
				tr.MulAdd(sum, a, b)
				tr.Inverse(sum)
				for i := range want {
					if prod[i] != want[i] {
						t.Fatalf("q=%#x n=%d: coefficient %d of the product is %d, want %d", q, n, i, prod[i], want[i])
					}
					if w := (want[i] + c[i]) % q; sum[i] != w {
						t.Fatalf("q=%#x n=%d: coefficient %d of the sum is %d, want %d", q, n, i, sum[i], w)
					}
				}
			}
		}
	}
	if NewNTT(0xfffffffffffc001, 64) != nil || NewNTT(0x3ffffffffc001, 32) != nil || NewNTT(0x3ffffffffc001, 1<<20) != nil {
		t.Error("a transform for what it cannot do")
	}
}

// TestNTTLevels: the same products at every level, also of largest numbers and of many products in one sum.
func TestNTTLevels(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 8))
	for i := range 20 {
		checkLevelsNTT(t, r, 1<<(6+i%7), i%4)
	}
}

func FuzzNTT(f *testing.F) {
	f.Add(uint64(1), uint8(0), uint8(3))
	f.Fuzz(func(t *testing.T, seed uint64, logn, kind uint8) {
		checkLevelsNTT(t, rand.New(rand.NewPCG(seed, 2)), 64<<(logn%7), int(kind%4))
	})
}

func checkLevelsNTT(t *testing.T, r *rand.Rand, n, kind int) {
	t.Helper()
	const q, terms = 0x3ffffffffc001, 5
	number := func() uint64 {
		switch kind {
		case 0:
			return q - 1
		case 1:
			return (q-1)/2 + r.Uint64N(2)
		case 2:
			return (q - 1) * r.Uint64N(2)
		}
		return r.Uint64N(q)
	}
	factors := make([][]uint64, 2*terms)
	for i := range factors {
		factors[i] = make([]uint64, n)
		for j := range factors[i] {
			factors[i][j] = number()
		}
	}
	var want []uint64
	eachLevel(func(l level) {
		tr := NewNTT(q, n)
		if tr == nil {
			return
		}
		sum := make([]uint64, n)
		for i := 0; i < len(factors); i += 2 {
			a, b := slices.Clone(factors[i]), slices.Clone(factors[i+1])
			tr.Forward(a)
			tr.Forward(b)
			tr.Form(b)
			tr.MulAdd(sum, a, b)
		}
		tr.Inverse(sum)
		if want == nil {
			want = sum
		}
		if !slices.Equal(sum, want) {
			t.Fatalf("%v, n=%d, kind %d: another product than that of the level below", l, n, kind)
		}
	})
}

func BenchmarkNTT(b *testing.B) {
	benchLevels(b, func(b *testing.B) {
		tr := NewNTT(0x3ffffffffc001, 4096)
		if tr == nil {
			b.Skip("no vector kernel")
		}
		a := make([]uint64, 4096)
		for b.Loop() {
			for i := range a {
				a[i] = uint64(i) * 12345
			}
			tr.Forward(a)
		}
	})
}
