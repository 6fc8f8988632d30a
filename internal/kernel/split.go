package kernel

import (
	"fmt"
	"math"
	"math/bits"
)

// Split multiplies polynomials modulo X^n + 1 and a prime by polynomials in Y = X^size alone, n = classes·size. In
//
//	Z_q[X]/(X^n + 1) = Π_j Z_q[X]/(X^size - z_j)        z_j the roots of Y^classes + 1
//
// such a factor is the number that it takes at Y = z_j, the same for all size coefficients of class j: a product of
// matrices of polynomials is one of numbers in each class. The classes of a polynomial are what the first levels of a
// number-theoretic transform leave, class j at coefficients j·size and on.
type Split struct {
	classes, t, s int
	q             Modulus
	level         level
	fwd, bwd      []uint64 // per group of each level: its root
	scale         []uint64 // 1/classes
	powers        *Scalars // of each class and term its power of z_j, in the form of the scalars that they give
}

// NewSplit prepares the classes, at least two, for factors that are made of t×s numbers; see [Split.Scalars]. q must be
// 1 mod 2·classes.
func NewSplit(q Modulus, classes, t, s, step int) *Split {
	if classes < 2 || classes&(classes-1) != 0 || q.Q%uint64(2*classes) != 1 {
		panic(fmt.Sprintf("kernel: internal error: %d classes modulo %#x", classes, q.Q))
	}
	r := &Split{classes: classes, t: t, s: s, q: q, level: q.level()}
	if r.level == avx2 && q.Q >= 1<<50 {
		r.level = plain
	}
	f, b := roots(q.Q, classes)
	root := func(w uint64) []uint64 { return rootOf(w, q.Q, r.level) }
	for m := 1; m < classes; m *= 2 {
		for i := range m {
			r.fwd = append(r.fwd, root(f[m+i])...)
		}
	}
	for m := classes / 2; m >= 1; m /= 2 {
		for i := range m {
			r.bwd = append(r.bwd, root(b[m+i])...)
		}
	}
	r.scale = root(powMod(uint64(classes), q.Q-2, q.Q))
	// The sums of Scalars are of numbers times 2^64.
	form := uint64(1)
	if q.level() == avx512 {
		form = 1 << 40 % q.Q
	}
	powers := make([]int64, 0, classes*t*s)
	for j := range classes {
		z := f[classes/2+j/2]
		if j%2 == 1 {
			z = q.Q - z
		}
		z = powMod(z, uint64(step), q.Q)
		inverse, first := powMod(z, q.Q-2, q.Q), form
		next := powMod(z, uint64(s), q.Q)
		for range t {
			p := first
			for range s {
				powers = append(powers, int64(p))
				p = mulMod(p, inverse, q.Q)
			}
			first = mulMod(first, next, q.Q)
		}
	}
	r.powers = NewScalars(powers, classes, t*s, t*s, q)
	return r
}

// Scalars returns the matrices of factors in each class: of row g and column b
//
//	Σ x[g·t+i][b·s+j]·Y^((i·s-j)·step)        i < t, j < s
//
// for x[m][k], whose rows are stride apart and hold signed numbers. The last row and column may have fewer terms.
func (s *Split) Scalars(x []int64, m, k, stride int) []*Scalars {
	groups, count, terms := (m+s.t-1)/s.t, (k+s.s-1)/s.s, s.t*s.s
	size := padded(groups) * count
	numbers := NewPanels(terms, size) // columns in the order of a Scalars' elements
	for i := range m {
		g := i / s.t
		d := numbers.data[((g/lanes*count)*terms+i%s.t*s.s)*lanes+g%lanes:]
		for b, v := range x[i*stride : i*stride+k] {
			d[(b/s.s*terms+b%s.s)*lanes] = s.q.MontSigned(v)
		}
	}
	values := NewResidues(s.classes, size)
	MulAdd(values, s.powers, numbers, s.q)
	out := make([]*Scalars, s.classes)
	for j := range out {
		c := &Scalars{M: groups, K: count, data: values.Row(j), level: s.q.level(), sums: make([]int64, padded(groups))}
		if c.level == avx2 {
			for i, v := range c.data {
				d := s.q.centred(v)
				c.data[i] = math.Float64bits(float64(d))
				c.sums[i/(lanes*count)*lanes+i%lanes] += d
			}
		}
		out[j] = c
	}
	return out
}

// Forward brings polynomials into classes. The columns of p are as many of each class, at the same places in all, class
// after class, a multiple of 8 of them.
func (s *Split) Forward(p *Panels) {
	a := p.data
	size := s.size(len(a))
	w := s.fwd
	switch s.level {
	case avx512:
		for m := 1; m < s.classes; m *= 2 {
			nttLevel(&a[0], &w[0], m, s.classes/(2*m)*size/8, s.q.Q)
			w = w[2*m:]
		}
	case avx2:
		qf, inv := float64(s.q.Q), 1/float64(s.q.Q)
		nttLoadDoubles(&a[0], len(a)/4)
		for m := 1; m < s.classes; m *= 2 {
			nttLevelDoubles(&a[0], &w[0], m, s.classes/(2*m)*size/4, qf, inv)
			w = w[m:]
		}
		nttStoreDoubles(&a[0], len(a)/4, qf, inv, 1)
	default:
		for m := 1; m < s.classes; m *= 2 {
			s.butterflies(a, w[:m], func(x, y, w uint64) (uint64, uint64) {
				y = s.times(y, w)
				return s.q.add(x, y), s.q.add(x, s.q.Q-y)
			})
			w = w[m:]
		}
	}
}

// Inverse brings classes, one after the other in a, back into a polynomial.
func (s *Split) Inverse(a []uint64) {
	size := s.size(len(a))
	w := s.bwd
	switch s.level {
	case avx512:
		for m := s.classes / 2; m >= 1; m /= 2 {
			inttLevel(&a[0], &w[0], m, s.classes/(2*m)*size/8, s.q.Q)
			w = w[2*m:]
		}
		nttScale(&a[0], len(a)/8, s.q.Q, s.scale[0], s.scale[1])
	case avx2:
		qf, inv := float64(s.q.Q), 1/float64(s.q.Q)
		nttLoadDoubles(&a[0], len(a)/4)
		for m := s.classes / 2; m >= 1; m /= 2 {
			inttLevelDoubles(&a[0], &w[0], m, s.classes/(2*m)*size/4, qf, inv)
			w = w[m:]
		}
		nttStoreDoubles(&a[0], len(a)/4, qf, inv, math.Float64frombits(s.scale[0]))
	default:
		for m := s.classes / 2; m >= 1; m /= 2 {
			s.butterflies(a, w[:m], func(x, y, w uint64) (uint64, uint64) {
				return s.q.add(x, y), s.times(s.q.add(x, s.q.Q-y), w)
			})
			w = w[m:]
		}
		for i, v := range a {
			a[i] = s.times(v, s.scale[0])
		}
	}
}

// size is that of a class of n residues.
func (s *Split) size(n int) int {
	if n == 0 || n%(s.classes*lanes) != 0 {
		panic(fmt.Sprintf("kernel: internal error: %d residues in %d classes", n, s.classes))
	}
	return n / s.classes
}

// butterflies does a level, of as many groups as there are roots: x and y become what step makes of them and the root.
func (s *Split) butterflies(a, roots []uint64, step func(x, y, w uint64) (uint64, uint64)) {
	half := len(a) / (2 * len(roots))
	for _, w := range roots {
		x, y := a[:half], a[half:2*half]
		for i := range x {
			x[i], y[i] = step(x[i], y[i], w)
		}
		a = a[2*half:]
	}
}

// times is y·w mod q for a root of the plain level.
func (s *Split) times(y, w uint64) uint64 {
	hi, lo := bits.Mul64(y, w)
	return s.q.Reduce(hi, lo)
}
