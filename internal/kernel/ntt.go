package kernel

import "math/bits"

// NTT multiplies polynomials modulo X^n + 1 and a prime below 2^52, eight coefficients at a time. The order of transformed
// coefficients is its own: transforms may be multiplied with each other and turned back, nothing else.
//
// It is the iterative transform of Seiler ("Faster AVX2 optimized NTT multiplication for Ring-LWE lattice cryptography",
// 2018) with 52-bit Montgomery products; the last three levels of each group of 64 coefficients work on its transpose.
type NTT struct {
	n       int
	q, inv  uint64   // inv = 1/q mod 2^64
	fwd     []uint64 // per group of the levels of distance n/2..8: root and root/q mod 2^52
	fwdLast []uint64 // per 64 coefficients: 7 pairs of vectors for distances 4, 2, 2, 1, 1, 1, 1
	bwd     []uint64 // likewise for the inverse, levels in order of use
	bwdLast []uint64
	scale   [2]uint64 // 1/n
	form    [2]uint64 // 2^52, twice in Montgomery form: brings a transform into Montgomery form
}

// NewNTT prepares the transform, or returns nil where there is none: on a machine without the vector kernel, for a prime of
// 52 bits or more, below 64 coefficients. q must be 1 mod 2n.
func NewNTT(q uint64, n int) *NTT {
	if best < avx512 || q >= 1<<52 || n < 64 || q%uint64(2*n) != 1 {
		return nil
	}
	t := &NTT{n: n, q: q, inv: NewModulus(q).inv}
	mul := func(a, b uint64) uint64 {
		hi, lo := bits.Mul64(a, b)
		_, r := bits.Div64(hi, lo, q)
		return r
	}
	pow := func(a, e uint64) uint64 {
		r := uint64(1)
		for ; e > 0; e >>= 1 {
			if e&1 == 1 {
				r = mul(r, a)
			}
			a = mul(a, a)
		}
		return r
	}
	psi := uint64(0)
	for g := uint64(2); psi == 0; g++ {
		if c := pow(g, (q-1)/uint64(2*n)); pow(c, uint64(n)) == q-1 {
			psi = c
		}
	}
	back := pow(psi, q-2)
	logn := bits.Len(uint(n)) - 1
	// roots[i] is a root to the power of i's bits in reverse.
	roots := func(r uint64) []uint64 {
		out := make([]uint64, n)
		p := uint64(1)
		for i := range n {
			out[bits.Reverse32(uint32(i))>>(32-logn)] = p
			p = mul(p, r)
		}
		return out
	}
	r52 := uint64(1<<52) % q
	pair := func(w uint64) [2]uint64 {
		m := mul(w, r52)
		return [2]uint64{m, m * t.inv & (1<<52 - 1)}
	}
	f, b := roots(psi), roots(back)
	for m := 1; m <= n/16; m *= 2 {
		for i := range m {
			p := pair(f[m+i])
			t.fwd = append(t.fwd, p[:]...)
		}
	}
	for m := n / 16; m >= 1; m /= 2 {
		for i := range m {
			p := pair(b[m+i])
			t.bwd = append(t.bwd, p[:]...)
		}
	}
	last := func(roots []uint64) []uint64 {
		var out []uint64
		for base := 0; base < n/8; base += 8 {
			for _, lv := range [][3]int{{n / 8, 1, 0}, {n / 4, 2, 0}, {n / 4, 2, 1}, {n / 2, 4, 0}, {n / 2, 4, 1}, {n / 2, 4, 2}, {n / 2, 4, 3}} {
				for k := range 2 {
					for r := range 8 {
						out = append(out, pair(roots[lv[0]+lv[1]*(base+r)+lv[2]])[k])
					}
				}
			}
		}
		return out
	}
	t.fwdLast, t.bwdLast = last(f), last(b)
	t.scale = pair(pow(uint64(n), q-2))
	t.form = pair(r52)
	return t
}

// Forward transforms a, n residues in [0, q), in place.
func (t *NTT) Forward(a []uint64) {
	a = a[:t.n]
	w := t.fwd
	for m := 1; m <= t.n/16; m *= 2 {
		nttLevel(&a[0], &w[0], m, t.n/(2*m)/lanes, t.q)
		w = w[2*m:]
	}
	nttLast(&a[0], &t.fwdLast[0], t.n/64, t.q)
}

// Inverse turns a transform back, in place.
func (t *NTT) Inverse(a []uint64) {
	a = a[:t.n]
	inttFirst(&a[0], &t.bwdLast[0], t.n/64, t.q)
	w := t.bwd
	for m := t.n / 16; m >= 1; m /= 2 {
		inttLevel(&a[0], &w[0], m, t.n/(2*m)/lanes, t.q)
		w = w[2*m:]
	}
	nttScale(&a[0], t.n/lanes, t.q, t.scale[0], t.scale[1])
}

// Form brings a transform into the form that Mul and MulAdd want of their second factor.
func (t *NTT) Form(a []uint64) {
	a = a[:t.n]
	nttScale(&a[0], t.n/lanes, t.q, t.form[0], t.form[1])
}

// Mul sets dst to the product of two transforms, b in Form. dst may be a.
func (t *NTT) Mul(dst, a, b []uint64) {
	nttMul(&dst[:t.n][0], &a[:t.n][0], &b[:t.n][0], t.n/lanes, t.q, t.inv)
}

// MulAdd adds the product of two transforms, b in Form, to dst.
func (t *NTT) MulAdd(dst, a, b []uint64) {
	nttMulAdd(&dst[:t.n][0], &a[:t.n][0], &b[:t.n][0], t.n/lanes, t.q, t.inv)
}
