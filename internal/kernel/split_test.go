package kernel

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// checkSplit multiplies random polynomials by random factors in Y, in classes and term by term, at every level.
func checkSplit(t *testing.T, r *rand.Rand, q uint64, classes, size, terms, stack, step, m, k int) {
	t.Helper()
	n := classes * size
	mod := NewModulus(q)
	x := make([]int64, m*(k+1))
	for i := range x {
		x[i] = int64(r.Uint64())
		if r.IntN(4) == 0 {
			x[i] = -1
		}
	}
	c := make([][]uint64, (k+stack-1)/stack)
	for b := range c {
		c[b] = make([]uint64, n)
		for j := range c[b] {
			c[b][j] = r.Uint64N(q)
			if r.IntN(4) == 0 {
				c[b][j] = q - 1
			}
		}
	}
	groups := (m + terms - 1) / terms
	want := make([][]uint64, groups)
	for g := range want {
		want[g] = make([]uint64, n)
		for b := range c {
			factor := make([]uint64, n)
			for i := range min(terms, m-g*terms) {
				for j := range min(stack, k-b*stack) {
					v := mod.Reduce(0, mod.MontSigned(x[(g*terms+i)*(k+1)+b*stack+j]))
					power := (i*stack - j) * step * size
					if power < 0 {
						power, v = power+n, mod.add(0, q-v)
					}
					factor[power] = v
				}
			}
			for j, v := range schoolbook(factor, c[b], q) {
				want[g][j] = mod.add(want[g][j], v)
			}
		}
	}
	eachLevel(func(l level) {
		s := NewSplit(mod, classes, terms, stack, step)
		scalars := s.Scalars(x, m, k, k+1)
		acc := NewResidues(groups, n)
		// In two parts of each class, as far as there are two.
		for _, part := range [][2]int{{0, size / 16 * 8}, {size / 16 * 8, size}} {
			width := part[1] - part[0]
			if width == 0 {
				continue
			}
			p := NewPanels(len(c), classes*width)
			for b := range c {
				for j := range classes {
					p.SetRow(b, j*width, c[b][j*size+part[0]:j*size+part[1]])
				}
			}
			s.Forward(p)
			for j, x := range scalars {
				MulAdd(acc.Columns(j*size+part[0], width), x, p.Columns(j*width, width), mod)
			}
		}
		for g := range want {
			s.Inverse(acc.Row(g))
			if !slices.Equal(acc.Row(g), want[g]) {
				t.Fatalf("%v q=%#x, %d classes of %d, %d×%d terms %d apart, %d×%d: product %d is another than term by term", l, q, classes, size, terms, stack, step, m, k, g)
			}
		}
	})
}

// Of every kind of modulus, for each number of classes, with full and partial groups of rows.
func TestSplit(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	for _, q := range []uint64{12289, 0x3ffffffffc001, 0x3fffffffcc001, 0xffffffffff001, 0xffffffff00001, 0xfffffffffffc001} {
		for classes := 2; classes <= 32; classes *= 2 {
			most := min(classes, NewModulus(q).MaxInner())
			checkSplit(t, r, q, classes, 8, 2, 1, 1, 5, 3)
			checkSplit(t, r, q, classes, 8, 1, 2, 1, 5, 3)
			terms := 1 + r.IntN(most)
			checkSplit(t, r, q, classes, 24-classes/2&8, terms, 1+r.IntN(most/terms), 1, 1+r.IntN(20), 1+r.IntN(9))
		}
		checkSplit(t, r, q, 16, 16, 5, 1, 3, 50, 2)
		checkSplit(t, r, q, 16, 16, 2, 2, 3, 9, 7)
	}
}

func FuzzSplit(f *testing.F) {
	f.Add(uint64(1), uint8(2), uint8(3), uint8(1), uint8(4), uint8(5))
	f.Fuzz(func(t *testing.T, seed uint64, log, terms, stack, m, k uint8) {
		classes := 2 << (log % 5)
		q := []uint64{0x3ffffffffc001, 0xffffffffff001}[seed%2]
		i := int(terms)%classes + 1
		checkSplit(t, rand.New(rand.NewPCG(seed, 3)), q, classes, 16, i, int(stack)%(classes/i)+1, 1, int(m%30)+1, int(k%10)+1)
	})
}

// BenchmarkSplit brings 64 polynomials of 2,048 coefficients into 32 classes; ns are per coefficient and level.
func BenchmarkSplit(b *testing.B) {
	benchLevels(b, func(b *testing.B) {
		mod := NewModulus(0x3ffffffffc001)
		s := NewSplit(mod, 32, 10, 1, 3)
		p := NewPanels(64, 2048)
		for i := range p.data {
			p.data[i] = uint64(i) * 0x9e3779b97f4a7c15 % mod.Q
		}
		for b.Loop() {
			s.Forward(p)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(64*2048*5), "ns/level")
	})
}
