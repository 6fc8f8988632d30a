package he

import (
	"math"
	"math/big"
	"testing"

	"nimbus/internal/prg"
	"nimbus/internal/rlweparams"
)

// roundDiv is round(a/b) for positive b, ties up.
func roundDiv(a, b *big.Int) *big.Int {
	n := new(big.Int).Lsh(a, 1)
	n.Add(n, b)
	return n.Div(n, new(big.Int).Lsh(b, 1))
}

func crt(p *params, x poly, j, limbs int) *big.Int {
	m := p.Modulus(limbs)
	u := new(big.Int)
	for i := range limbs {
		q := new(big.Int).SetUint64(p.limbs[i].q)
		rest := new(big.Int).Div(m, q)
		inv := new(big.Int).ModInverse(rest, q)
		if inv == nil || limbs == 1 {
			inv = big.NewInt(1)
		}
		term := new(big.Int).SetUint64(x[i][j])
		term.Mul(term, rest).Mul(term, inv)
		u.Add(u, term)
	}
	return u.Mod(u, m)
}

// everyModulus calls f with the moduli of every set: of responses, and all of it.
func everyModulus(t *testing.T, f func(name string, p *params, mod *modulus)) {
	t.Helper()
	for _, name := range rlweparams.Names() {
		p, err := load(name)
		if err != nil {
			t.Fatal(err)
		}
		f(name, p, p.resp())
		f(name, p, p.all())
	}
}

func TestEncodeAgainstBig(t *testing.T) {
	rng := seeded(1)
	everyModulus(t, func(name string, p *params, mod *modulus) {
		q := p.Modulus(mod.count)
		for _, width := range []int{1, 2, 8, 25, 37, 44, 63, 64} {
			m := append(random(rng, 40, width), 0, 1, 1<<(width-1), 1<<(width-1)-1, ^uint64(0)>>(64-width))
			out := newPoly(mod.count, len(m))
			p.encode(out, m, mod, width)
			back := make([]uint64, len(m))
			if q.BitLen() > width+1 {
				p.decode(back, out, mod, width)
			} else {
				copy(back, m)
			}
			for j, v := range m {
				want := roundDiv(new(big.Int).Mul(new(big.Int).SetUint64(v), q), new(big.Int).Lsh(big.NewInt(1), uint(width)))
				for i := range mod.count {
					r := new(big.Int).Mod(want, new(big.Int).SetUint64(p.limbs[i].q))
					if out[i][j] != r.Uint64() {
						t.Fatalf("%s limbs %d width %d: encode %d: limb %d is %d, want %v", name, mod.count, width, v, i, out[i][j], r)
					}
				}
				if back[j] != v {
					t.Fatalf("%s limbs %d width %d: %d decodes to %d", name, mod.count, width, v, back[j])
				}
			}
		}
	})
}

func TestDecodeAgainstBig(t *testing.T) {
	rng := seeded(2)
	everyModulus(t, func(name string, p *params, mod *modulus) {
		q := p.Modulus(mod.count)
		for _, width := range []int{1, 7, 25, 44, 63, 64} {
			x := newPoly(mod.count, 60)
			for i := range x {
				uniform(rng, x[i], &p.limbs[i])
				x[i][0], x[i][1], x[i][2] = 0, p.limbs[i].q-1, 1
			}
			out := make([]uint64, 60)
			p.decode(out, x, mod, width)
			for j, got := range out {
				u := crt(p, x, j, mod.count)
				want := roundDiv(new(big.Int).Lsh(u, uint(width)), q)
				want.Mod(want, new(big.Int).Lsh(big.NewInt(1), uint(width)))
				if want.Uint64() != got {
					t.Fatalf("%s limbs %d width %d: %v decodes to %d, want %v", name, mod.count, width, u, got, want)
				}
			}
			if mod.count > 2 {
				continue
			}
			y := newPoly(mod.count, 1)
			for j := range out {
				hi, lo := p.wide(x, j, mod)
				u := new(big.Int).SetUint64(hi)
				u.Lsh(u, 64).Add(u, new(big.Int).SetUint64(lo))
				if u.Cmp(crt(p, x, j, mod.count)) != 0 {
					t.Fatalf("%s: residues of %v read as %v", name, crt(p, x, j, mod.count), u)
				}
				p.narrow(y, 0, hi, lo, mod)
				for i := range y {
					if y[i][0] != x[i][j] {
						t.Fatalf("%s: %v has residue %d, want %d", name, u, y[i][0], x[i][j])
					}
				}
			}
		}
	})
}

func TestDropLastAgainstBig(t *testing.T) {
	rng := seeded(3)
	for _, name := range []string{"n4096", "n8192"} {
		p, _ := load(name)
		full := len(p.limbs)
		x := newPoly(full, 50)
		for i := range x {
			uniform(rng, x[i], &p.limbs[i])
		}
		var want []*big.Int
		last := new(big.Int).SetUint64(p.limbs[full-1].q)
		for j := range 50 {
			want = append(want, new(big.Int).Mod(roundDiv(crt(p, x, j, full), last), p.Modulus(full-1)))
		}
		y := p.dropLast(x)
		for j, w := range want {
			if got := crt(p, y, j, full-1); got.Cmp(w) != 0 {
				t.Fatalf("%s: coefficient %d: got %v, want %v", name, j, got, w)
			}
		}
	}
}

func moments(v []int8) (mean, variance float64) {
	for _, x := range v {
		mean += float64(x)
		variance += float64(x) * float64(x)
	}
	n := float64(len(v))
	mean /= n
	return mean, variance/n - mean*mean
}

func TestSamplers(t *testing.T) {
	v := make([]int8, 1<<16)
	binomial(seeded(4), v)
	if m, s := moments(v); math.Abs(m) > 0.06 || math.Abs(s-10.5) > 0.3 {
		t.Errorf("binomial: mean %f, variance %f", m, s)
	}
	for _, x := range v {
		if x < -21 || x > 21 {
			t.Fatalf("binomial: %d", x)
		}
	}
	ternary(seeded(4), v)
	if m, s := moments(v); math.Abs(m) > 0.015 || math.Abs(s-2.0/3) > 0.015 {
		t.Errorf("ternary: mean %f, variance %f", m, s)
	}
	p, _ := load("n4096")
	u := make([]uint64, 1<<14)
	uniform(seeded(4), u, &p.limbs[0])
	if x := chi(u, p.limbs[0].q); x > 60 {
		t.Errorf("uniform: chi square %f over 15 degrees of freedom", x)
	}
	small := limb{q: 5 << 40, bits: 43}
	uniform(seeded(4), u, &small)
	for _, x := range u {
		if x >= small.q {
			t.Fatal("uniform: a value is not below the modulus")
		}
	}
	if x := chi(u, small.q); x > 60 {
		t.Errorf("uniform with many redraws: chi square %f", x)
	}
	a, b := make([]uint64, 10), make([]uint64, 10)
	expand([32]byte{1}, a, &p.limbs[0])
	uniform(prg.New(prg.Seed{1}), b, &p.limbs[0])
	for i := range a {
		if a[i] != b[i] {
			t.Fatal("expand is not uniform of the seed's generator")
		}
	}
}

// chi is the chi square statistic of values of [0, q) over 16 equal ranges.
func chi(v []uint64, q uint64) float64 {
	var count [16]float64
	for _, x := range v {
		count[min(15, uint64(float64(x)/float64(q)*16))]++
	}
	want := float64(len(v)) / 16
	sum := 0.0
	for _, c := range count {
		sum += (c - want) * (c - want) / want
	}
	return sum
}
