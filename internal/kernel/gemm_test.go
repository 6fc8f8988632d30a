package kernel

import (
	"math/big"
	"math/rand/v2"
	"testing"
)

var gemmModuli = []uint64{3, 17, 0x3ffffffffc001, 0x3fffffffcc001, 0x7ffffffffffff, 0x8000000000001, 1<<52 - 1, 0xffffffffff001, 0xffffffff00001, 1<<60 - 1}

// mulAddTwin is MulAdd, one product at a time.
func mulAddTwin(dst []uint64, stride int, x []int64, m, k, xstride int, c [][]uint64, q uint64) {
	bq := new(big.Int).SetUint64(q)
	for i := range m {
		for j := range c[0] {
			sum := new(big.Int).SetUint64(dst[i*stride+j])
			for b := range k {
				p := new(big.Int).SetUint64(c[b][j])
				sum.Add(sum, p.Mul(p, big.NewInt(x[i*xstride+b])))
			}
			dst[i*stride+j] = sum.Mod(sum, bq).Uint64()
		}
	}
}

func TestModulus(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, q := range gemmModuli {
		m := NewModulus(q)
		bq := new(big.Int).SetUint64(q)
		for _, x := range []int64{0, 1, -1, 2, 1<<63 - 1, -1 << 63, int64(q), -int64(q), r.Int64(), -r.Int64()} {
			want := new(big.Int).Lsh(big.NewInt(x), 64)
			want.Mod(want, bq)
			got := m.MontSigned(x)
			if got != want.Uint64() {
				t.Fatalf("q=%#x x=%d: got %#x want %#x", q, x, got, want)
			}
			if back := m.Reduce(0, got); back != new(big.Int).Mod(big.NewInt(x), bq).Uint64() {
				t.Fatalf("q=%#x x=%d: reduce gives %d", q, x, back)
			}
		}
	}
}

// compare runs every kernel and the twin on one product and reports the first difference.
func compare(t *testing.T, r *rand.Rand, q uint64, m, k, cols int, extreme bool) {
	t.Helper()
	mod := NewModulus(q)
	if k > mod.MaxInner() {
		return
	}
	x := make([]int64, m*(k+3))
	for i := range x {
		x[i] = int64(r.Uint64())
		if extreme {
			x[i] = -1
		}
	}
	c := make([][]uint64, k)
	p := NewPanels(k, cols)
	for b := range c {
		c[b] = make([]uint64, cols)
		for j := range c[b] {
			c[b][j] = r.Uint64N(q)
			if extreme || r.IntN(4) == 0 {
				c[b][j] = q - 1
			}
		}
		p.SetRow(b, 0, c[b])
	}
	start := make([]uint64, m*cols)
	for i := range start {
		start[i] = r.Uint64N(q)
	}
	want := append([]uint64(nil), start...)
	mulAddTwin(want, cols, x, m, k, k+3, c, q)
	eachLevel(func(l level) {
		got := NewResidues(m, cols)
		for i := range m {
			copy(got.Row(i), start[i*cols:])
		}
		xs := NewScalars(x, m, k, k+3, mod)
		half := p.Count() / 2 * lanes
		MulAdd(got.Columns(0, half), xs, p.Columns(0, half), mod)
		MulAdd(got.Columns(half, cols-half), xs, p.Columns(half, cols-half), mod)
		for i := range m {
			for j, v := range got.Row(i) {
				if v != want[i*cols+j] {
					t.Fatalf("%v q=%#x %d×%d×%d: element %d,%d is %d, twin has %d", l, q, m, k, cols, i, j, v, want[i*cols+j])
				}
			}
		}
	})
}

func TestMulAddAgainstTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, q := range gemmModuli {
		for _, s := range []struct{ m, k, cols int }{{1, 1, 1}, {1, 2, 3}, {2, 3, 2}, {3, 5, 7}, {5, 8, 10}, {8, 15, 9}, {9, 4, 16}, {17, 3, 25}} {
			compare(t, r, q, s.m, s.k, s.cols, false)
		}
	}
}

// The largest sums: every factor q-1, the longest inner dimension.
func TestMulAddExtremes(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, q := range gemmModuli {
		compare(t, r, q, 3, min(NewModulus(q).MaxInner(), 2048), 9, true)
	}
	if NewModulus(0xffffffffff001).MaxInner() < 1024 {
		t.Error("52-bit moduli need a thousand rows")
	}
}

func FuzzMulAdd(f *testing.F) {
	f.Add(uint64(1), uint8(3), uint8(4), uint8(5))
	f.Fuzz(func(t *testing.T, seed uint64, m8, k8, c8 uint8) {
		r := rand.New(rand.NewPCG(seed, 9))
		compare(t, r, gemmModuli[seed%uint64(len(gemmModuli))], int(m8%19)+1, int(k8%40)+1, int(c8%19)+1, seed%3 == 0)
	})
}

func BenchmarkMulAdd(b *testing.B) {
	mod := NewModulus(0x3ffffffffc001)
	const m, k, cols = 32, 128, 4608
	x := make([]int64, m*k)
	for i := range x {
		x[i] = int64(i) * 0x1234567 & (1<<37 - 1)
	}
	p := NewPanels(k, cols)
	for i := range p.data {
		p.data[i] = uint64(i) * 0x9e3779b97f4a7c15 % mod.Q
	}
	benchLevels(b, func(b *testing.B) {
		xs := NewScalars(x, m, k, k, mod)
		dst := NewResidues(m, cols)
		for b.Loop() {
			MulAdd(dst, xs, p, mod)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(m*k*cols), "ns/mac")
	})
}
