package he

import (
	"errors"
	"fmt"
	goruntime "runtime"
	"sync"

	"nimbus/internal/prg"
	"nimbus/internal/z2k"
)

// responder is the half of a protocol's end that holds no key.
type responder struct {
	p     *params
	pk    *PublicKey
	width int
	drop0 int
	drop1 int
	draw  draws
}

// draws is where a response's randomness comes from. Everything but tests that break it on purpose uses fresh.
type draws interface {
	// zero returns an encryption of zero over the first limbs limbs, by coefficients.
	zero(pk *PublicKey, limbs int, rng *prg.PRG) (z0, z1 poly)
	// mask fills the first response limbs of r with uniform residues.
	mask(p *params, r poly, rng *prg.PRG)
}

type fresh struct{}

// zero is u·(b, a) + (e0, e1) with u, e0 and e1 drawn here and forgotten.
func (fresh) zero(pk *PublicKey, limbs int, rng *prg.PRG) (z0, z1 poly) {
	p := pk.p
	z0, z1 = newPoly(limbs, p.n), newPoly(limbs, p.n)
	u, e0, e1 := make([]int8, p.n), make([]int8, p.n), make([]int8, p.n)
	ternary(rng, u)
	binomial(rng, e0)
	binomial(rng, e1)
	for i := range limbs {
		l := &p.limbs[i]
		un := z1[i]
		for j, v := range u {
			un[j] = l.small(v)
		}
		l.tr.Forward(un)
		l.tr.Mul(z0[i], un, pk.bn[i])
		l.tr.Mul(z1[i], un, pk.an[i])
		l.tr.Inverse(z0[i])
		l.tr.Inverse(z1[i])
		for j := range p.n {
			z0[i][j] = l.add(z0[i][j], l.small(e0[j]))
			z1[i][j] = l.add(z1[i][j], l.small(e1[j]))
		}
	}
	clear(u)
	clear(e0)
	clear(e1)
	return z0, z1
}

func (fresh) mask(p *params, r poly, rng *prg.PRG) {
	for i := range p.Resp {
		uniform(rng, r[i], &p.limbs[i])
	}
}

// bytes is the length of a response that carries sent coefficients of the first polynomial.
func (r *responder) bytes(sent int) int { return r.p.ResponseBytes(sent, r.drop0, r.drop1) }

// finish turns an accumulated ciphertext into a response, appended to dst, and this party's share of it. acc1 is the
// whole second polynomial; acc0 holds of the first only the coefficients at positions pos. Both have all limbs of the
// stored ciphertexts and are overwritten. t is for this response alone.
//
//  1. Add an encryption of zero, before the limbs are dropped where its noise would be felt, else after.
//  2. Drop limbs, with rounding, down to the response modulus q.
//  3. Subtract R, uniform mod q, from every coefficient of acc0; the share is round(2^l·R/q).
//  4. Leave out low bits: post-processing of what the peer may see anyway.
func (r *responder) finish(dst []byte, out []uint64, acc0, acc1 poly, pos []int, t ticket) []byte {
	p := r.p
	before := p.zeroLimbs(len(acc1), r.width) > p.Resp
	add := func() {
		var z0, z1 poly
		if t.zero != nil {
			z0, z1 = t.zero.z0, t.zero.z1
		} else {
			z0, z1 = r.draw.zero(r.pk, len(acc1), t.rng.Child("zero"))
		}
		for i := range acc1 {
			l := &p.limbs[i]
			for j, k := range pos {
				acc0[i][j] = l.add(acc0[i][j], z0[i][k])
			}
			l.addTo(acc1[i], z1[i])
		}
	}
	if before {
		add()
	}
	for len(acc1) > p.Resp {
		acc0, acc1 = p.dropLast(acc0), p.dropLast(acc1)
	}
	if !before {
		add()
	}
	mask := newPoly(p.Resp, len(pos))
	r.draw.mask(p, mask, t.rng.Child("mask"))
	p.decode(out, mask, p.resp(), r.width)
	for i := range acc0 {
		l := &p.limbs[i]
		for j := range pos {
			acc0[i][j] = l.minus(acc0[i][j], mask[i][j])
		}
	}
	dst = p.packResponse(dst, acc1, r.drop1)
	return p.packResponse(dst, acc0, r.drop0)
}

// packResponse appends the coefficients of x, a polynomial mod the response modulus, without their low drop bits. It
// overwrites x.
func (p *params) packResponse(dst []byte, x poly, drop int) []byte {
	m := p.resp()
	width := m.bits - drop
	if m.count == 1 {
		for j, v := range x[0] {
			x[0][j] = v >> drop
		}
		return z2k.Pack(dst, x[0], width)
	}
	work := p.borrow(1)
	defer p.give(work)
	lo := work[0][:len(x[0])]
	var hi []uint64
	if width > 64 {
		hi = make([]uint64, len(lo))
	}
	for j := range lo {
		h, l := p.wide(x, j, m)
		lo[j] = l>>drop | h<<(64-drop) // shifts by 64 or more give 0
		if drop >= 64 {
			lo[j] = h >> (drop - 64)
		}
		if hi != nil {
			hi[j] = h >> drop
		}
	}
	dst = z2k.Pack(dst, lo, min(width, 64))
	if hi != nil {
		dst = z2k.Pack(dst, hi, width-64)
	}
	return dst
}

var errNotBelow = errors.New("a response coefficient is not below the modulus")

// unpackResponse reads n coefficients that packResponse wrote, each in the middle of the range that its bits leave. The
// bytes come from the peer.
func (p *params) unpackResponse(x poly, data []byte, drop int) error {
	m := p.resp()
	n, width := len(x[0]), m.bits-drop
	if m.count == 1 {
		if err := z2k.Unpack(x[0], data, width); err != nil {
			return err
		}
		top, half := m.max[0]>>drop, uint64(1)<<drop>>1
		for j, v := range x[0] {
			if v > top {
				return errNotBelow
			}
			x[0][j] = min(v<<drop+half, m.max[0])
		}
		return nil
	}
	work := p.borrow(1)
	defer p.give(work)
	lo := work[0][:n]
	var hi []uint64
	first := z2k.PackedLen(n, min(width, 64))
	if len(data) < first {
		return fmt.Errorf("response polynomial has %d bytes, expected more", len(data))
	}
	if err := z2k.Unpack(lo, data[:first], min(width, 64)); err != nil {
		return err
	}
	if data = data[first:]; width > 64 {
		hi = make([]uint64, n)
		if err := z2k.Unpack(hi, data, width-64); err != nil {
			return err
		}
	} else if len(data) > 0 {
		return errors.New("bytes after the response polynomial")
	}
	topLo, topHi := shr(m.max[1], m.max[0], drop)
	for j, l := range lo {
		var h uint64
		if hi != nil {
			h = hi[j]
		}
		if h > topHi || h == topHi && l > topLo {
			return errNotBelow
		}
		if drop > 0 {
			h, l = shl(h, l, drop)
			h, l = p.middle(h, l, drop, m)
		}
		p.narrow(x, j, h, l, m)
	}
	return nil
}

// middle adds half of what drop bits can hold, unless that reaches the modulus.
func (p *params) middle(h, l uint64, drop int, m *modulus) (uint64, uint64) {
	hh, hl := shl(0, 1, drop-1)
	sl := l + hl
	sh := h + hh
	if sl < l {
		sh++
	}
	if sh > m.max[1] || sh == m.max[1] && sl > m.max[0] {
		return m.max[1], m.max[0]
	}
	return sh, sl
}

func shr(h, l uint64, k int) (lo, hi uint64) {
	if k >= 64 {
		return h >> (k - 64), 0
	}
	return l>>k | h<<(64-k), h >> k
}

func shl(h, l uint64, k int) (hi, lo uint64) {
	if k >= 64 {
		return l << (k - 64), 0
	}
	return h<<k | l>>(64-k), l << k
}

// open decrypts a response into the key holder's share of its coefficients at pos. The bytes come from the peer.
func (k *SecretKey) open(out []uint64, msg []byte, pos []int, width, drop0, drop1 int) error {
	p := k.p
	split := p.ResponsePolyBytes(p.n, drop1)
	if want := p.ResponseBytes(len(pos), drop0, drop1); len(msg) != want {
		return fmt.Errorf("response has %d bytes, expected %d", len(msg), want)
	}
	c1, c0 := p.borrow(p.Resp), newPoly(p.Resp, len(pos))
	defer p.give(c1)
	if err := p.unpackResponse(c1, msg[:split], drop1); err != nil {
		return err
	}
	if err := p.unpackResponse(c0, msg[split:], drop0); err != nil {
		return err
	}
	for i := range c1 {
		l := &p.limbs[i]
		k.timesSecret(c1[i], i)
		for j, at := range pos {
			c0[i][j] = l.add(c0[i][j], c1[i][at])
		}
	}
	p.decode(out, c0, p.resp(), width)
	return nil
}

// parallel runs f(0), ..., f(n-1) on all processors and returns the first error.
func parallel(n int, f func(i int) error) error {
	workers := min(goruntime.GOMAXPROCS(0), n)
	if workers <= 1 {
		for i := range n {
			if err := f(i); err != nil {
				return err
			}
		}
		return nil
	}
	var mu sync.Mutex
	var first error
	next := 0
	take := func() int {
		mu.Lock()
		defer mu.Unlock()
		if first != nil || next == n {
			return -1
		}
		next++
		return next - 1
	}
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := take(); i >= 0; i = take() {
				if err := f(i); err != nil {
					mu.Lock()
					if first == nil {
						first = err
					}
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return first
}
