package kernel

import (
	"math/big"
	"math/rand/v2"
	"testing"
)

var gemmModuli = []uint64{3, 17, 0x3ffffffffc001, 0x3fffffffcc001, 0xffffffffff001, 0xffffffff00001, 1<<60 - 1}

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

func TestMulAddAgainstTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, q := range gemmModuli {
		mod := NewModulus(q)
		for _, s := range []struct{ m, k, cols int }{{1, 1, 1}, {1, 2, 3}, {2, 3, 2}, {3, 5, 7}, {5, 8, 10}, {4, 15, 9}} {
			if s.k > mod.MaxInner() {
				continue
			}
			x := make([]int64, s.m*(s.k+3))
			for i := range x {
				x[i] = int64(r.Uint64())
			}
			c := make([][]uint64, s.k)
			p := NewPanels(s.k, s.cols)
			for b := range c {
				c[b] = make([]uint64, s.cols)
				for j := range c[b] {
					c[b][j] = r.Uint64N(q)
					if r.IntN(4) == 0 {
						c[b][j] = q - 1
					}
				}
			}
			b := 0
			for ; b+4 <= s.k; b += 4 {
				p.SetRows4(b, 0, c[b], c[b+1], c[b+2], c[b+3])
			}
			for ; b < s.k; b++ {
				p.SetRow(b, 0, c[b])
			}
			got := make([]uint64, s.m*(s.cols+2))
			for i := range got {
				got[i] = r.Uint64N(q)
			}
			want := append([]uint64(nil), got...)
			mulAddTwin(want, s.cols+2, x, s.m, s.k, s.k+3, c, q)
			xs := NewScalars(x, s.m, s.k, s.k+3, mod)
			half := (s.cols + 1) / 4
			MulAdd(got, s.cols+2, xs, p, 0, half, mod)
			MulAdd(got, s.cols+2, xs, p, half, (s.cols+1)/2, mod)
			for i := range got {
				if got[i] != want[i] {
					t.Fatalf("q=%#x %+v: element %d is %d, twin has %d", q, s, i, got[i], want[i])
				}
			}
		}
	}
}

// The largest sums: every factor q-1, the longest inner dimension a caller uses.
func TestMulAddExtremes(t *testing.T) {
	q := uint64(0xffffffffff001)
	mod := NewModulus(q)
	const k = 4096
	if mod.MaxInner() < k {
		t.Fatalf("inner dimension limited to %d", mod.MaxInner())
	}
	x := make([]int64, k)
	row := []uint64{q - 1, q - 1}
	p := NewPanels(k, 2)
	for b := range k {
		x[b] = -1
		p.SetRow(b, 0, row)
	}
	dst := make([]uint64, 2)
	MulAdd(dst, 2, NewScalars(x, 1, k, k, mod), p, 0, 1, mod)
	if dst[0] != k || dst[1] != k {
		t.Errorf("got %v, want %d", dst, k)
	}
}

func FuzzMulAdd(f *testing.F) {
	f.Add(uint64(1), uint8(3), uint8(4), uint8(5))
	f.Fuzz(func(t *testing.T, seed uint64, m8, k8, c8 uint8) {
		m, k, cols := int(m8%7)+1, int(k8%40)+1, int(c8%9)+1
		r := rand.New(rand.NewPCG(seed, 9))
		q := gemmModuli[2+seed%4]
		mod := NewModulus(q)
		x := make([]int64, m*k)
		for i := range x {
			x[i] = int64(r.Uint64())
		}
		c := make([][]uint64, k)
		p := NewPanels(k, cols)
		for b := range c {
			c[b] = make([]uint64, cols)
			for j := range c[b] {
				c[b][j] = r.Uint64N(q)
			}
			p.SetRow(b, 0, c[b])
		}
		got, want := make([]uint64, m*cols), make([]uint64, m*cols)
		mulAddTwin(want, cols, x, m, k, k, c, q)
		MulAdd(got, cols, NewScalars(x, m, k, k, mod), p, 0, (cols+1)/2, mod)
		for i := range got {
			if got[i] != want[i] {
				t.Fatalf("element %d: got %d want %d", i, got[i], want[i])
			}
		}
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
	xs := NewScalars(x, m, k, k, mod)
	dst := make([]uint64, m*cols)
	for b.Loop() {
		MulAdd(dst, cols, xs, p, 0, cols/2, mod)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(m*k*cols), "ns/mac")
}
