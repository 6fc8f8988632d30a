package kernel

import (
	"fmt"
	"math"
)

// Split multiplies polynomials modulo X^n + 1 and a prime by polynomials in Y = X^size alone, n = classes·size. In
//
//	Z_q[X]/(X^n + 1) = Π_j Z_q[X]/(X^size - z_j)        z_j the roots of Y^classes + 1
//
// such a factor is the number that it takes at Y = z_j, the same for all size coefficients of class j: a product of
// matrices of polynomials is one of numbers in each class. The classes of a polynomial are what the first levels of a
// number-theoretic transform leave, class j at coefficients j·size and on.
type Split struct {
	levels
	classes, t, s int
	scale         []uint64 // 1/classes
	powers        *Scalars // of each class and term its power of z_j, in the form of the scalars that they give
}

// NewSplit prepares the classes, at least two, for factors that are made of t×s numbers; see [Split.Scalars]. q must be
// 1 mod 2·classes.
func NewSplit(q Modulus, classes, t, s, step int) *Split {
	if classes < 2 || classes&(classes-1) != 0 || q.Q%uint64(2*classes) != 1 {
		panic(fmt.Sprintf("kernel: internal error: %d classes modulo %#x", classes, q.Q))
	}
	f, b := roots(q.Q, classes)
	r := &Split{classes: classes, t: t, s: s, levels: newLevels(q, q.transformLevel(), f, b, classes/2)}
	r.scale = rootOf(powMod(uint64(classes), q.Q-2, q.Q), q, r.level)
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
			d[(b/s.s*terms+b%s.s)*lanes] = s.mod.MontSigned(v)
		}
	}
	values := NewResidues(s.classes, size)
	MulAdd(values, s.powers, numbers, s.mod)
	out := make([]*Scalars, s.classes)
	for j := range out {
		c := &Scalars{M: groups, K: count, data: values.Row(j), level: s.mod.level(), sums: make([]int64, padded(groups))}
		if c.level == avx2 {
			for i, v := range c.data {
				d := s.mod.centred(v)
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
	s.check(a)
	if s.level != avx2 {
		s.forward(a, 1)
		return
	}
	nttLoadDoubles(&a[0], len(a)/4)
	s.forward(a, 1)
	nttStoreDoubles(&a[0], len(a)/4, s.qf, s.qinv, 1)
}

// Inverse brings classes, one after the other in a, back into a polynomial.
func (s *Split) Inverse(a []uint64) {
	s.check(a)
	switch s.level {
	case avx512:
		s.backward(a)
		nttScale(&a[0], len(a)/8, s.q, s.scale[0], s.scale[1])
	case avx2:
		nttLoadDoubles(&a[0], len(a)/4)
		s.backward(a)
		nttStoreDoubles(&a[0], len(a)/4, s.qf, s.qinv, math.Float64frombits(s.scale[0]))
	default:
		s.backward(a)
		for i, v := range a {
			a[i] = s.times(v, s.scale[0])
		}
	}
}

// check panics unless a holds vectors of each class.
func (s *Split) check(a []uint64) {
	if len(a) == 0 || len(a)%(s.classes*lanes) != 0 {
		panic(fmt.Sprintf("kernel: internal error: %d residues in %d classes", len(a), s.classes))
	}
}
