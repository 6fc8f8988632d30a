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
	n, lanes int      // coefficients, those of a vector
	q, inv   uint64   // inv = 1/q mod 2^64
	qf, qinv float64  // q, 1/q
	fwd      []uint64 // per group of the levels of distance n/2..lanes: its root
	fwdLast  []uint64 // per block of lanes^2 coefficients: vectors of roots, one for distance lanes/2, two for lanes/4, ..
	bwd      []uint64 // likewise for the inverse, levels in order of use
	bwdLast  []uint64
	scale    []uint64 // 1/n
	form     []uint64 // of residues: 2^52, twice in Montgomery form, brings a transform into Montgomery form
}

// NewNTT prepares the transform, or returns nil where there is none: on a machine without vector kernels, for a prime of
// 52 bits or more, or of 50 without AVX-512, below 64 coefficients. q must be 1 mod 2n.
func NewNTT(q uint64, n int) *NTT {
	if best == plain || q >= 1<<52 || best < avx512 && q >= 1<<50 || n < 64 || q%uint64(2*n) != 1 {
		return nil
	}
	t := &NTT{n: n, lanes: 4, q: q, inv: NewModulus(q).inv, qf: float64(q), qinv: 1 / float64(q)}
	if best >= avx512 {
		t.lanes = 8
	}
	f, b := roots(q, n)
	root := func(w uint64) []uint64 { return rootOf(w, q, best) }
	for m := 1; m <= n/(2*t.lanes); m *= 2 {
		for i := range m {
			t.fwd = append(t.fwd, root(f[m+i])...)
		}
	}
	for m := n / (2 * t.lanes); m >= 1; m /= 2 {
		for i := range m {
			t.bwd = append(t.bwd, root(b[m+i])...)
		}
	}
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
		w := t.fwd[2*(first-1):]
		for m := first; m <= t.n/16; m *= 2 {
			nttLevel(p, &w[0], m, t.n/(16*m), t.q)
			w = w[2*m:]
		}
		nttLast(p, &t.fwdLast[0], t.n/64, t.q)
		return
	}
	nttLoadDoubles(p, t.n/4)
	w := t.fwd[first-1:]
	for m := first; m <= t.n/8; m *= 2 {
		nttLevelDoubles(p, &w[0], m, t.n/(8*m), t.qf, t.qinv)
		w = w[m:]
	}
	nttLastDoubles(p, &t.fwdLast[0], t.n/16, t.qf, t.qinv)
}

// Inverse turns a transform back, in place.
func (t *NTT) Inverse(a []uint64) {
	a = a[:t.n]
	p, w := &a[0], t.bwd
	if t.lanes == 8 {
		inttFirst(p, &t.bwdLast[0], t.n/64, t.q)
		for m := t.n / 16; m >= 1; m /= 2 {
			inttLevel(p, &w[0], m, t.n/(16*m), t.q)
			w = w[2*m:]
		}
		nttScale(p, t.n/8, t.q, t.scale[0], t.scale[1])
		return
	}
	inttFirstDoubles(p, &t.bwdLast[0], t.n/16, t.qf, t.qinv)
	for m := t.n / 8; m >= 1; m /= 2 {
		inttLevelDoubles(p, &w[0], m, t.n/(8*m), t.qf, t.qinv)
		w = w[m:]
	}
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
func rootOf(w, q uint64, l level) []uint64 {
	switch l {
	case avx512:
		m := mulMod(w, 1<<52%q, q)
		return []uint64{m, m * NewModulus(q).inv & (1<<52 - 1)}
	case avx2:
		if w > q/2 {
			return []uint64{math.Float64bits(-float64(q - w))}
		}
		return []uint64{math.Float64bits(float64(w))}
	}
	return []uint64{NewModulus(q).Mont(w)}
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
