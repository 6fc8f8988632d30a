package he

import (
	"fmt"
	"math/big"
	"math/bits"
	"sync"

	"github.com/tuneinsight/lattigo/v5/ring"

	"nimbus/internal/kernel"
	"nimbus/internal/rlweparams"
)

// params is a parameter set with everything that can be computed ahead. It is immutable and shared.
type params struct {
	rlweparams.Set
	n     int
	limbs []limb
	full  [2]modulus // over the response limbs, over all limbs
	spare *sync.Pool // polynomials that were given back
	accs  *sync.Pool // *kernel.Residues, likewise
}

// limb is one prime with its transform and constants.
type limb struct {
	q    uint64
	bits int
	mod  kernel.Modulus
	tr   transform
	// drop[j] multiplies by the inverse of limb j's prime, for j above this limb; Montgomery form.
	drop []uint64
	// lift[j] multiplies by the inverse of limb j's prime, for j below this limb; Montgomery form.
	lift []uint64
	// half[w] is 2^-w in Montgomery form.
	half [65]uint64
}

// modulus is a product of the first count primes and the constants to encode and decode at scale modulus/2^l.
type modulus struct {
	count int
	low   uint64      // product mod 2^64
	max   [3]uint64   // product - 1, low word first
	bits  int         // of the product
	crt   []uint64    // (product/q_i)^-1 mod q_i, Montgomery form
	frac  [][3]uint64 // floor(2^192/q_i), low word first
}

// prepared holds every set, each prepared when it is first needed.
var prepared = func() map[string]func() (*params, error) {
	t := map[string]func() (*params, error){}
	for _, set := range rlweparams.All() {
		t[set.Name] = sync.OnceValues(func() (*params, error) { return newParams(set) })
	}
	return t
}()

// load returns the named set, which must be in the table and pass the security check.
func load(name string) (*params, error) {
	f, ok := prepared[name]
	if !ok {
		_, err := rlweparams.Lookup(name)
		return nil, fmt.Errorf("he: %w", err)
	}
	return f()
}

func newParams(set rlweparams.Set) (*params, error) {
	if err := rlweparams.CheckSecurity(set); err != nil {
		return nil, fmt.Errorf("he: %w", err)
	}
	if set.Resp > 2 {
		return nil, fmt.Errorf("he: set %s: responses of %d limbs are not supported, at most 2 are", set.Name, set.Resp)
	}
	r, err := ring.NewRing(set.N(), set.Q)
	if err != nil {
		return nil, fmt.Errorf("he: set %s: %w", set.Name, err)
	}
	p := &params{Set: set, n: set.N(), spare: new(sync.Pool), accs: new(sync.Pool)}
	for i, q := range set.Q {
		if i > 0 && q >= set.Q[i-1] {
			return nil, fmt.Errorf("he: set %s: primes must descend", set.Name)
		}
		l := limb{q: q, bits: bits.Len64(q), mod: kernel.NewModulus(q), tr: newTransform(r.SubRings[i])}
		for j := i + 1; j < len(set.Q); j++ {
			for len(l.drop) < j {
				l.drop = append(l.drop, 0)
			}
			l.drop = append(l.drop, l.mod.Mont(inverse(set.Q[j], q)))
		}
		for j := range i {
			l.lift = append(l.lift, l.mod.Mont(inverse(set.Q[j]%q, q)))
		}
		l.half[0] = l.mod.Mont(1)
		for w := 1; w < len(l.half); w++ {
			l.half[w] = l.mulMont(l.half[w-1], l.mod.Mont((q+1)/2))
		}
		p.limbs = append(p.limbs, l)
	}
	for k, count := range []int{set.Resp, len(set.Q)} {
		m := modulus{count: count}
		prod := set.Modulus(count)
		words := new(big.Int).And(prod, new(big.Int).SetUint64(^uint64(0)))
		m.low = words.Uint64()
		m.bits = prod.BitLen()
		top := new(big.Int).Sub(prod, big.NewInt(1))
		for j := range m.max {
			m.max[j] = new(big.Int).And(new(big.Int).Rsh(top, uint(64*j)), new(big.Int).SetUint64(^uint64(0))).Uint64()
		}
		for i := range count {
			q := new(big.Int).SetUint64(set.Q[i])
			rest := new(big.Int).Div(prod, q)
			inv := rest.ModInverse(rest.Mod(rest, q), q)
			if count == 1 {
				inv = big.NewInt(1)
			}
			m.crt = append(m.crt, p.limbs[i].mod.Mont(inv.Uint64()))
			f := new(big.Int).Div(new(big.Int).Lsh(big.NewInt(1), 192), q)
			var w [3]uint64
			for j := range w {
				w[j] = new(big.Int).And(f, new(big.Int).SetUint64(^uint64(0))).Uint64()
				f.Rsh(f, 64)
			}
			m.frac = append(m.frac, w)
		}
		p.full[k] = m
	}
	return p, nil
}

func inverse(a, q uint64) uint64 {
	b := new(big.Int).SetUint64(q)
	return new(big.Int).ModInverse(new(big.Int).SetUint64(a), b).Uint64()
}

// all and resp are the moduli of stored ciphertexts and of responses.
func (p *params) all() *modulus  { return &p.full[1] }
func (p *params) resp() *modulus { return &p.full[0] }

// poly is a polynomial in residues, one slice of coefficients per limb.
type poly [][]uint64

func newPoly(limbs, n int) poly {
	p := make(poly, limbs)
	slab := make([]uint64, limbs*n)
	for i := range p {
		p[i] = slab[i*n : (i+1)*n : (i+1)*n]
	}
	return p
}

// borrow is newPoly(limbs, p.n) in memory that give takes back: products make and drop thousands.
func (p *params) borrow(limbs int) poly {
	x, ok := p.spare.Get().(*poly)
	if !ok {
		return newPoly(len(p.limbs), p.n)[:limbs]
	}
	for i := range limbs {
		clear((*x)[i])
	}
	return (*x)[:limbs]
}

// give takes back what borrow lent, or a part of it. Nobody may use it any longer.
func (p *params) give(xs ...poly) {
	for _, x := range xs {
		x = x[:len(p.limbs)]
		for i := range x {
			x[i] = x[i][:p.n]
		}
		p.spare.Put(&x)
	}
}

// release keeps the memory of accumulators for others.
func (p *params) release(acc []*kernel.Residues) {
	for _, a := range acc {
		p.accs.Put(a)
	}
}

// mulMont returns a·b·2^-64 mod q for a of any size and b in [0, q).
func (l *limb) mulMont(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return l.mod.Reduce(hi, lo)
}

// add returns a + b mod q, sub a - b mod q, for a, b in [0, q).
func (l *limb) add(a, b uint64) uint64 {
	t, borrow := bits.Sub64(a+b, l.q, 0)
	return t + l.q&-borrow
}

func (l *limb) minus(a, b uint64) uint64 {
	t, borrow := bits.Sub64(a, b, 0)
	return t + l.q&-borrow
}

// addTo adds b to dst, subFrom subtracts it, for any length. (lattigo's vector operations leave out what remains after
// the last multiple of eight.)
func (l *limb) addTo(dst, b []uint64) {
	b = b[:len(dst)]
	for i, v := range dst {
		dst[i] = l.add(v, b[i])
	}
}

func (l *limb) subFrom(dst, b []uint64) {
	b = b[:len(dst)]
	for i, v := range dst {
		dst[i] = l.minus(v, b[i])
	}
}

// small is the residue of a small signed number, in constant time.
func (l *limb) small(e int8) uint64 { return uint64(int64(e)) + l.q&uint64(int64(e)>>63) }

// dropLast divides x by the last limb's prime with rounding and returns the remaining limbs. It overwrites x.
func (p *params) dropLast(x poly) poly {
	last := len(x) - 1
	q := p.limbs[last].q
	half := q >> 1
	ll := &p.limbs[last]
	for j, v := range x[last] {
		x[last][j] = ll.add(v, half)
	}
	for i := range last {
		l := &p.limbs[i]
		inv := l.drop[last]
		xi := x[i]
		for j, t := range x[last] {
			xi[j] = l.mulMont(l.minus(l.add(xi[j], half), t), inv)
		}
	}
	return x[:last]
}
