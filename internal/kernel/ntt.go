package kernel

import (
	"math"
	"math/bits"
)

// NTT multiplies polynomials modulo X^n + 1 and a prime, a vector of coefficients at a time. The order of transformed
// coefficients is its own, and so are they: transforms may be multiplied with each other, added up by that, beginning
// with zeros, and turned back, nothing else.
//
// It is the iterative transform of Seiler ("Faster AVX2 optimized NTT multiplication for Ring-LWE lattice cryptography",
// 2018); the last levels, of distances below a vector, work on transposed blocks. At level avx512 it has 52-bit
// Montgomery products of residues. At level avx2 a transform is of doubles, which stand for their classes modulo q, and
// a product's quotient by q is estimated in doubles as well.
type NTT struct {
	levels
	n, lanes int      // coefficients, those of a vector
	inv      uint64   // 1/q mod 2^64
	fwdLast  []uint64 // per block of lanes^2 coefficients: vectors of roots, one for distance lanes/2, two for lanes/4, ..
	bwdLast  []uint64
	scale    []uint64 // 1/n
	form     []uint64 // of residues: 2^52, twice in Montgomery form, brings a transform into Montgomery form
}

// NewNTT prepares the transform, or returns nil where there is none: on a machine without vector kernels, for a prime of
// 52 bits or more, or of 50 without AVX-512, below 64 coefficients. q must be 1 mod 2n.
func NewNTT(q uint64, n int) *NTT {
	if q >= 1<<52 || n < 64 || q%uint64(2*n) != 1 {
		return nil
	}
	mod := NewModulus(q)
	level := mod.transformLevel()
	if level == plain {
		return nil
	}
	t := &NTT{n: n, lanes: 4, inv: mod.inv}
	if level == avx512 {
		t.lanes = 8
	}
	f, b := roots(q, n)
	root := func(w uint64) []uint64 { return rootOf(w, mod, level) }
	t.levels = newLevels(mod, level, f, b, n/(2*t.lanes))
	last := func(roots []uint64) []uint64 {
		var out []uint64
		for base := 0; base < n/t.lanes; base += t.lanes {
			for d := 1; d < t.lanes; d *= 2 {
				for j := range d {
					for part := range len(root(0)) {
						for r := range t.lanes {
							out = append(out, root(roots[(n/t.lanes+base+r)*d+j])[part])
						}
					}
				}
			}
		}
		return out
	}
	t.fwdLast, t.bwdLast = last(f), last(b)
	t.scale = root(powMod(uint64(n), q-2, q))
	t.form = root(1 << 52 % q)
	return t
}

// Forward transforms a, n residues in [0, q), in place.
func (t *NTT) Forward(a []uint64) { t.ForwardShort(a, t.n) }

// ForwardShort is Forward for a whose coefficients from used on are zero. A level whose distance is at least used adds
// zeros to what it has: it copies the half that is not zero over the other.
func (t *NTT) ForwardShort(a []uint64, used int) {
	a = a[:t.n]
	have := t.lanes // coefficients of a block that is not a copy
	for have < used {
		have *= 2
	}
	for i := have; i < t.n; i *= 2 {
		copy(a[i:2*i], a[:i])
	}
	first := t.n / have // groups of the first level with something to do
	p := &a[0]
	if t.lanes == 8 {
		t.forward(a, first)
		nttLast(p, &t.fwdLast[0], t.n/64, t.q)
		return
	}
	nttLoadDoubles(p, t.n/4)
	t.forward(a, first)
	nttLastDoubles(p, &t.fwdLast[0], t.n/16, t.qf, t.qinv)
}

// Inverse turns a transform back, in place.
func (t *NTT) Inverse(a []uint64) {
	a = a[:t.n]
	p := &a[0]
	if t.lanes == 8 {
		inttFirst(p, &t.bwdLast[0], t.n/64, t.q)
		t.backward(a)
		nttScale(p, t.n/8, t.q, t.scale[0], t.scale[1])
		return
	}
	inttFirstDoubles(p, &t.bwdLast[0], t.n/16, t.qf, t.qinv)
	t.backward(a)
	nttStoreDoubles(p, t.n/4, t.qf, t.qinv, math.Float64frombits(t.scale[0]))
}

// Form brings a transform into the form that Mul and MulAdd want of their second factor.
func (t *NTT) Form(a []uint64) {
	if t.lanes == 8 {
		nttScale(&a[:t.n][0], t.n/8, t.q, t.form[0], t.form[1])
	}
}

// Mul sets dst to the product of two transforms, b in Form. dst may be a.
func (t *NTT) Mul(dst, a, b []uint64) {
	d, x, y := &dst[:t.n][0], &a[:t.n][0], &b[:t.n][0]
	if t.lanes == 8 {
		nttMul(d, x, y, t.n/8, t.q, t.inv)
	} else {
		nttMulDoubles(d, x, y, t.n/4, t.qf, t.qinv)
	}
}

// MulAdd adds the product of two transforms, b in Form, to dst.
func (t *NTT) MulAdd(dst, a, b []uint64) {
	d, x, y := &dst[:t.n][0], &a[:t.n][0], &b[:t.n][0]
	if t.lanes == 8 {
		nttMulAdd(d, x, y, t.n/8, t.q, t.inv)
	} else {
		nttMulAddDoubles(d, x, y, t.n/4, t.qf, t.qinv)
	}
}

// levels does the levels of a transform whose groups are whole vectors: each has twice as many groups as the one before,
// and turns the halves x and y of a group into x + y·w and x - y·w. At level avx2 numbers are doubles meanwhile.
type levels struct {
	level    level
	mod      Modulus
	q        uint64
	qf, qinv float64  // q, 1/q
	most     int      // groups of the last level
	fwd      []uint64 // per group of each level: its root
	bwd      []uint64 // likewise for the way back, levels in order of use
}

// transformLevel is that of the butterflies that serve q here.
func (m Modulus) transformLevel() level {
	if l := m.level(); l != avx2 || m.Q < 1<<50 {
		return l
	}
	return plain
}

// newLevels prepares the levels of 1, 2, ..., most groups, f and b being [roots].
func newLevels(mod Modulus, l level, f, b []uint64, most int) levels {
	t := levels{level: l, mod: mod, q: mod.Q, qf: float64(mod.Q), qinv: 1 / float64(mod.Q), most: most}
	for m := 1; m <= most; m *= 2 {
		for i := range m {
			t.fwd = append(t.fwd, rootOf(f[m+i], mod, l)...)
		}
	}
	for m := most; m >= 1; m /= 2 {
		for i := range m {
			t.bwd = append(t.bwd, rootOf(b[m+i], mod, l)...)
		}
	}
	return t
}

// forward does the levels of first groups and more.
func (t *levels) forward(a []uint64, first int) {
	w := t.fwd[len(t.fwd)/(2*t.most-1)*(first-1):]
	for m := first; m <= t.most; m *= 2 {
		switch t.level {
		case avx512:
			nttLevel(&a[0], &w[0], m, len(a)/(16*m), t.q)
			w = w[2*m:]
		case avx2:
			nttLevelDoubles(&a[0], &w[0], m, len(a)/(8*m), t.qf, t.qinv)
			w = w[m:]
		default:
			t.butterflies(a, w[:m], func(x, y, w uint64) (uint64, uint64) {
				y = t.times(y, w)
				return t.mod.add(x, y), t.mod.add(x, t.q-y)
			})
			w = w[m:]
		}
	}
}

// backward does all levels back, but for a factor of two each.
func (t *levels) backward(a []uint64) {
	w := t.bwd
	for m := t.most; m >= 1; m /= 2 {
		switch t.level {
		case avx512:
			inttLevel(&a[0], &w[0], m, len(a)/(16*m), t.q)
			w = w[2*m:]
		case avx2:
			inttLevelDoubles(&a[0], &w[0], m, len(a)/(8*m), t.qf, t.qinv)
			w = w[m:]
		default:
			t.butterflies(a, w[:m], func(x, y, w uint64) (uint64, uint64) {
				return t.mod.add(x, y), t.times(t.mod.add(x, t.q-y), w)
			})
			w = w[m:]
		}
	}
}

// butterflies does a level, of as many groups as there are roots: x and y become what step makes of them and the root.
func (t *levels) butterflies(a, roots []uint64, step func(x, y, w uint64) (uint64, uint64)) {
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
func (t *levels) times(y, w uint64) uint64 {
	hi, lo := bits.Mul64(y, w)
	return t.mod.Reduce(hi, lo)
}

// roots returns a primitive 2n-th root of unity modulo q, which is 1 modulo 2n, to the power of i's bits in reverse, for
// every i below n, and its inverse likewise.
func roots(q uint64, n int) (forward, backward []uint64) {
	psi := uint64(0)
	for g := uint64(2); psi == 0; g++ {
		if c := powMod(g, (q-1)/uint64(2*n), q); powMod(c, uint64(n), q) == q-1 {
			psi = c
		}
	}
	logn := bits.Len(uint(n)) - 1
	powers := func(r uint64) []uint64 {
		out := make([]uint64, n)
		p := uint64(1)
		for i := range n {
			out[bits.Reverse32(uint32(i))>>(32-logn)] = p
			p = mulMod(p, r, q)
		}
		return out
	}
	return powers(psi), powers(powMod(psi, q-2, q))
}

// rootOf is how the butterflies of a level want a root w: in Montgomery form, at level avx512 with its quotient by q mod
// 2^52, or as a double of magnitude up to q/2.
func rootOf(w uint64, mod Modulus, l level) []uint64 {
	q := mod.Q
	switch l {
	case avx512:
		m := mulMod(w, 1<<52%q, q)
		return []uint64{m, m * mod.inv & (1<<52 - 1)}
	case avx2:
		if w > q/2 {
			return []uint64{math.Float64bits(-float64(q - w))}
		}
		return []uint64{math.Float64bits(float64(w))}
	}
	return []uint64{mod.Mont(w)}
}

// mulMod is a·b mod q for public a, b below q.
func mulMod(a, b, q uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	_, r := bits.Div64(hi, lo, q)
	return r
}

// powMod is a^e mod q for public a below q.
func powMod(a, e, q uint64) uint64 {
	r := uint64(1)
	for ; e > 0; e >>= 1 {
		if e&1 == 1 {
			r = mulMod(r, a, q)
		}
		a = mulMod(a, a, q)
	}
	return r
}
