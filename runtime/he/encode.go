package he

import "math/bits"

// encode sets limb i of out to round(M·m/2^width) mod q_i for each m of Z_2^width, where M is the modulus: with
// r = (m·M + 2^(width-1)) mod 2^width it is (2^(width-1) - r)/2^width mod q_i, since q_i divides M. Exact, and the same
// time for every m, which is the server's secret.
func (p *params) encode(out poly, m []uint64, mod *modulus, width int) {
	half := uint64(1) << (width - 1)
	mask := ^uint64(0) >> (64 - width)
	for i := range mod.count {
		l := &p.limbs[i]
		inv := l.half[width]
		dst := out[i][:len(m)]
		for j, v := range m {
			r := (v*mod.low + half) & mask
			d, neg := bits.Sub64(half, r, 0) // negative if r > half
			d = (d ^ -neg) + neg             // |half - r|
			y := l.mulMont(d, inv)
			dst[j] = y ^ (y^l.minus(0, y))&-neg
		}
	}
}

// decode sets out[j] to round(2^width·u/M) mod 2^width, u the number whose residues are x[i][j]. The fractional parts
// y_i/q_i of the Chinese remainders are summed to 127 bits, so with one limb the rounding is exact; with two it could
// differ for a u within 2^-60 ulp of a tie.
func (p *params) decode(out []uint64, x poly, mod *modulus, width int) {
	round := uint64(1) << 63 >> width // 0 for width 64
	for j := range out {
		var hi, mid uint64
		for i := range mod.count {
			y := p.limbs[i].mulMont(x[i][j], mod.crt[i])
			f := &mod.frac[i]
			h0, _ := bits.Mul64(y, f[0])
			h1, l1 := bits.Mul64(y, f[1])
			m, c := bits.Add64(h0, l1, 0)
			h, _ := bits.Add64(h1, y*f[2], c)
			mid, c = bits.Add64(mid, m, 0)
			hi, _ = bits.Add64(hi, h, c)
		}
		if width == 64 {
			out[j] = hi + mid>>63
		} else {
			out[j] = (hi + round) >> (64 - width)
		}
	}
}

// wide returns the number in [0, M) with the given residues, as two words, for a modulus of one or two limbs.
func (p *params) wide(x poly, j int, mod *modulus) (hi, lo uint64) {
	if mod.count == 1 {
		return 0, x[0][j]
	}
	// u = x0 + q0·((x1 - x0)/q0 mod q1); primes descend, so x0 may exceed q1.
	l1 := &p.limbs[1]
	x0 := l1.mod.Reduce(0, l1.mod.Mont(x[0][j]))
	v := l1.mulMont(l1.minus(x[1][j], x0), l1.lift[0])
	hi, lo = bits.Mul64(v, p.limbs[0].q)
	var c uint64
	lo, c = bits.Add64(lo, x[0][j], 0)
	return hi + c, lo
}

// narrow sets the residues of hi·2^64 + lo, which must be below M.
func (p *params) narrow(x poly, j int, hi, lo uint64, mod *modulus) {
	for i := range mod.count {
		m := &p.limbs[i].mod
		x[i][j] = m.Mont(m.Reduce(hi, lo))
	}
}
