package rlweparams

import (
	"fmt"
	"math"
	"math/big"
	"math/bits"
	"strings"
)

// Set is one row of the parameter table. A message m of Z_2^l is encrypted as round(Q·m/2^l), so no plaintext modulus
// appears. Values come from [Lookup] and are not changed.
type Set struct {
	Name string
	LogN int
	// Q are the primes, all 1 mod 2N, distinct. Response limbs come first: dropping a limb drops the last one.
	Q []uint64
	// Resp is the number of limbs of a response ciphertext.
	Resp int
	// The largest ring width served by each protocol; 0 means the set is not offered for it.
	MaxMatMul, MaxMatMulSS, MaxSelect int
}

// Primes are pinned: the largest ones below a power of two that are 1 mod 2N. TestPrimes regenerates them. All but the
// 60-bit one, which no matrix kernel ever sees, are below 2^52, the word of AVX-512 IFMA.
var sets = []Set{
	{Name: "n2048", LogN: 11, Q: []uint64{0xffffffffff001}, Resp: 1, MaxMatMulSS: 25, MaxSelect: 44},
	{Name: "n4096s", LogN: 12, Q: []uint64{0xfffffffffffc001}, Resp: 1, MaxMatMulSS: 30, MaxSelect: 52},
	{Name: "n4096", LogN: 12, Q: []uint64{0x3ffffffffc001, 0x3fffffffcc001}, Resp: 1, MaxMatMul: 44, MaxMatMulSS: 44, MaxSelect: 42},
	{Name: "n8192", LogN: 13, Q: []uint64{0xffffffffc4001, 0xffffffff58001, 0xffffffff00001}, Resp: 2, MaxMatMul: 64, MaxMatMulSS: 64, MaxSelect: 64},
}

// limits holds the largest log2 Q for 128-bit classical security with a ternary secret: the 2018 standard and the
// stricter 2024 guidelines, by log2 N.
var limits = map[int][2]int{
	10: {27, 26},
	11: {54, 53},
	12: {109, 106},
	13: {218, 214},
	14: {438, 430},
}

// Names lists the sets in the table, least traffic first.
func Names() []string {
	out := make([]string, len(sets))
	for i, s := range sets {
		out[i] = s.Name
	}
	return out
}

// All returns a copy of the table, least traffic first.
func All() []Set {
	out := make([]Set, len(sets))
	for i, s := range sets {
		s.Q = append([]uint64(nil), s.Q...)
		out[i] = s
	}
	return out
}

// Lookup returns the named set. A name outside the table is an error: there is no other way to obtain a usable set.
func Lookup(name string) (Set, error) {
	for _, s := range sets {
		if s.Name == name {
			s.Q = append([]uint64(nil), s.Q...)
			return s, nil
		}
	}
	return Set{}, fmt.Errorf("rlweparams: unknown parameter set %q, expected one of %s", name, strings.Join(Names(), ", "))
}

// CheckSecurity refuses a set whose modulus is too large for its ring degree under either table of limits, or whose
// primes do not fit the ring. It is applied to every row of the table by a test and by the runtime to every set it is
// handed.
func CheckSecurity(s Set) error {
	lim, ok := limits[s.LogN]
	if !ok {
		return fmt.Errorf("rlweparams: set %s: no security limit known for ring degree 2^%d", s.Name, s.LogN)
	}
	if len(s.Q) == 0 || s.Resp < 1 || s.Resp > len(s.Q) {
		return fmt.Errorf("rlweparams: set %s: %d primes and %d response limbs", s.Name, len(s.Q), s.Resp)
	}
	seen := map[uint64]bool{}
	for _, q := range s.Q {
		if q%(2<<s.LogN) != 1 || !new(big.Int).SetUint64(q).ProbablyPrime(20) || seen[q] || bits.Len64(q) > 60 {
			return fmt.Errorf("rlweparams: set %s: %#x is not a fresh prime of at most 60 bits that is 1 mod 2N", s.Name, q)
		}
		seen[q] = true
	}
	logQ := s.Modulus(len(s.Q)).BitLen()
	for i, year := range []int{2018, 2024} {
		if logQ > lim[i] {
			return fmt.Errorf("rlweparams: set %s: modulus has %d bits, the %d limit for 128-bit security at degree 2^%d is %d",
				s.Name, logQ, year, s.LogN, lim[i])
		}
	}
	return nil
}

// N is the ring degree.
func (s Set) N() int { return 1 << s.LogN }

// Limbs is the number of primes.
func (s Set) Limbs() int { return len(s.Q) }

// Modulus returns the product of the first limbs primes.
func (s Set) Modulus(limbs int) *big.Int {
	m := big.NewInt(1)
	for _, q := range s.Q[:limbs] {
		m.Mul(m, new(big.Int).SetUint64(q))
	}
	return m
}

// logQ is log2 of the product of the first limbs primes, as a real.
func (s Set) logQ(limbs int) float64 {
	l := 0.0
	for _, q := range s.Q[:limbs] {
		l += math.Log2(float64(q))
	}
	return l
}

// ResponseBits is the number of bits of one response coefficient before compression.
func (s Set) ResponseBits() int { return s.Modulus(s.Resp).BitLen() }

// packed is the length of n values of width bits, bit-packed; a value of more than 64 bits travels as two vectors.
func packed(n, width int) int {
	if width > 64 {
		return packed(n, 64) + packed(n, width-64)
	}
	return (n*width + 7) / 8
}

// FullPolyBytes is the size of n coefficients over the first limbs primes, each limb bit-packed on its own.
func (s Set) FullPolyBytes(n, limbs int) int {
	b := 0
	for _, q := range s.Q[:limbs] {
		b += packed(n, bits.Len64(q))
	}
	return b
}

// StoredPolyBytes is the size of n coefficients over the first limbs primes as a section stores them: drop low bits are
// left out of each, taken as an integer below the product of the primes.
func (s Set) StoredPolyBytes(n, limbs, drop int) int {
	if drop == 0 {
		return s.FullPolyBytes(n, limbs)
	}
	return packed(n, s.Modulus(limbs).BitLen()-drop)
}

// CheckStored reports a number of bits that cannot be left out of stored coefficients over the first limbs primes.
func (s Set) CheckStored(limbs, drop int) error {
	if most := s.Modulus(limbs).BitLen() - 8; drop < 0 || drop > most {
		return fmt.Errorf("rlweparams: set %s: %d bits left out of stored coefficients, expected 0 to %d", s.Name, drop, most)
	}
	return nil
}

// ResponsePolyBytes is the size of n response coefficients with the low drop bits left out.
func (s Set) ResponsePolyBytes(n, drop int) int { return packed(n, s.ResponseBits()-drop) }

// ResponseBytes is the size of one response ciphertext: the whole second polynomial with dropC1 low bits left out, and
// sent coefficients of the first with dropC0.
func (s Set) ResponseBytes(sent, dropC0, dropC1 int) int {
	return s.ResponsePolyBytes(s.N(), dropC1) + s.ResponsePolyBytes(sent, dropC0)
}

// PublicKeyBytes is the size of a public key on the wire: a seed and one polynomial over all limbs.
func (s Set) PublicKeyBytes() int { return 32 + s.FullPolyBytes(s.N(), len(s.Q)) }
