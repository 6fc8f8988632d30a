package rlweparams

import (
	"math"
	"sort"
)

// Sigma is the standard deviation of fresh errors: a centred binomial of 21 pairs of bits, variance 10.5.
var Sigma = math.Sqrt(10.5)

const (
	secretVariance = 2.0 / 3            // uniform ternary
	uniform        = 0.2886751345948129 // standard deviation of a uniform variable of width 1
)

// Noise is the error of one output of a product, measured in ulp: units of 2^-l of the modulus, that is 1 in the output's
// ring. Std is the standard deviation of the part that is a sum of many independent terms; Hard bounds the rest.
type Noise struct{ Std, Hard float64 }

// Bound returns e such that every one of outputs outputs has |error| ≤ e but for a probability below 2^-40, before the
// two parties round their shares.
func (n Noise) Bound(outputs int) float64 {
	// Gaussian tail: P(|X| > z·σ) ≤ 2·exp(-z²/2).
	z := math.Sqrt(2 * math.Ln2 * (41 + math.Log2(float64(max(outputs, 1)))))
	return z*n.Std + n.Hard
}

// MaxUlp is the largest difference between the shares' sum and the exact product, in ulp, with the probability of
// [Noise.Bound]. The two parties round independently, which adds up to one more.
func (n Noise) MaxUlp(outputs int) int {
	b := n.Bound(outputs)
	if b >= 1<<62 {
		return math.MaxInt
	}
	return int(b) + 1
}

// ZeroFirst says whether the fresh encryption of zero is added before the limbs are dropped: needed where its noise would
// be felt in a product of this width, at the price of its transforms on every limb.
func (s Set) ZeroFirst(width int) bool {
	return len(s.Q) > s.Resp && s.zeroStd()*math.Exp2(float64(width)-s.logQ(s.Resp)) > 0.25
}

// zeroStd is the noise of a fresh public-key encryption of zero: u·e + e0 + e1·s.
func (s Set) zeroStd() float64 {
	return Sigma * math.Sqrt(1+2*float64(s.N())*secretVariance)
}

// response turns the noise std over the full modulus, in units of 1 mod Q, into that of an opened response of the given
// width: dropping limbs, adding zero, dropping low bits.
func (s Set) response(std float64, width, dropC0, dropC1 int) Noise {
	down := math.Exp2(s.logQ(s.Resp) - s.logQ(len(s.Q)))
	zero := s.zeroStd()
	if s.ZeroFirst(width) {
		zero *= down
	}
	v := sq(std*down) + sq(zero)
	round := uniform * math.Sqrt(float64(s.N())*secretVariance) // std of (uniform rounding)·s
	if len(s.Q) > s.Resp {
		v += sq(round) + sq(uniform)
	}
	hard := 0.0
	if dropC1 > 0 {
		v += sq(round * math.Exp2(float64(dropC1)))
	}
	if dropC0 > 0 {
		hard = math.Exp2(float64(dropC0 - 1))
	}
	ulp := math.Exp2(float64(width) - s.logQ(s.Resp))
	return Noise{Std: math.Sqrt(v) * ulp, Hard: hard * ulp}
}

// fresh is the standard deviation of a fresh seeded encryption, the rounding of its encoding included.
func fresh() float64 { return math.Sqrt(sq(Sigma) + sq(uniform)) }

// fresh is the same of one of whose coefficients d.Stored low bits are left out.
func (d Drops) fresh() float64 {
	if d.Stored == 0 {
		return fresh()
	}
	return math.Hypot(fresh(), uniform*math.Exp2(float64(d.Stored)))
}

// MatMulNoise is the noise of a linear layer of inner dimension k with t rows packed into a response. The client's
// shares are uniform, hence centred scalars of variance 2^(2·width)/12. They multiply the fresh errors, and what leaving
// low bits out of the stored coefficients adds to them: a uniform error of 2^d.Stored.
func (s Set) MatMulNoise(k, t, width int, d Drops) Noise {
	x := math.Exp2(float64(width)) * uniform
	return s.response(d.fresh()*x*math.Sqrt(float64(k)*float64(t)), width, d.C0, d.C1)
}

// MatMulSSNoise is the noise of a product of two shared matrices whose outputs each gather terms products of a fresh
// error with a uniform scalar; d.Stored is what inputs leave out. Both cross terms are counted, and the rounding of the
// second.
func (s Set) MatMulSSNoise(terms, width int, d Drops) Noise {
	x := math.Exp2(float64(width)) * uniform
	n := s.response(d.fresh()*x*math.Sqrt(float64(terms)), width, d.C0, d.C1)
	return Noise{Std: n.Std * math.Sqrt2, Hard: 2 * n.Hard}
}

// SelectNoise is the noise of a selection that adds up terms stored rows (the word's, and perhaps the segment's). Only
// the response limbs are stored, so none is dropped; the low bits left out of each row add to the hard part.
func (s Set) SelectNoise(terms, width int, d Drops) Noise {
	one := s
	one.Q = s.Q[:s.Resp]
	n := one.response(fresh()*math.Sqrt(float64(terms)), width, d.C0, d.C1)
	if d.Stored > 0 {
		n.Hard += float64(terms) * math.Exp2(float64(d.Stored-1+width)-one.logQ(s.Resp))
	}
	return n
}

// Drops is how many low bits are left out: of the coefficients that a section stores, or that the inputs of a product
// have, taken as integers below the whole modulus, and of the two polynomials of a response.
type Drops struct{ Stored, C0, C1 int }

// DropSizes says what the bits of [Drops] are worth: how many coefficients there are of each kind.
type DropSizes struct {
	Limbs     int     // of the stored coefficients
	Stored    float64 // weighed: a stored bit may count for less than one that is sent with every run
	Responses int
	Sent      int // coefficients of the first polynomial in a response
	Outputs   int // results of which none may exceed the error
}

// storedTries is how many bits fewer than the most are tried for stored coefficients: what as many fewer leave of the error
// is not felt any more.
const storedTries = 8

// StoredDrops chooses what to leave out of stored and of sent coefficients together, under one budget for the error: that
// of [Set.Drops]. Without truncation it leaves nothing out.
func (s Set) StoredDrops(noise func(Drops) Noise, size DropSizes, truncBits int) Drops {
	if truncBits == 0 {
		return Drops{}
	}
	var best Drops
	saved := -1.0
	budget := Hidden(truncBits)
	most := sort.Search(s.Modulus(size.Limbs).BitLen()-8, func(d int) bool { return noise(Drops{Stored: d + 1}).Bound(size.Outputs) > budget })
	for stored := max(most-storedTries, 0); stored <= most; stored++ {
		c0, c1 := s.Drops(func(c0, c1 int) Noise { return noise(Drops{stored, c0, c1}) }, size.Sent, size.Outputs, truncBits)
		v := float64(stored)*size.Stored + float64(size.Responses)*(float64(c1)*float64(s.N())+float64(c0)*float64(size.Sent))
		if v > saved {
			best, saved = Drops{stored, c0, c1}, v
		}
	}
	return best
}

// Hidden is the error, in ulp, that dropping truncBits bits next hides: with the rounding of shares, 2 ulp at most, it is
// half a unit of what is left. A truncation rounds up or down, so its result is less than a unit and a half from the exact
// one and, like that of an exact product, at most one unit from the exact one rounded. The bound is one of some nine standard
// deviations, so the error that is usual is a tenth of what the rounding makes.
func Hidden(truncBits int) float64 {
	if truncBits == 0 {
		return 2
	}
	return max(math.Exp2(float64(truncBits-1))-2, 0.25)
}

// Drops chooses how many low bits of the two response polynomials may be left out so that the error stays within
// [Hidden]: the choice that saves most for sent coefficients of the first polynomial and N of the second. Without
// truncation, or where the noise alone exceeds that budget, it drops nothing.
func (s Set) Drops(noise func(dropC0, dropC1 int) Noise, sent, outputs, truncBits int) (dropC0, dropC1 int) {
	if truncBits == 0 {
		return 0, 0
	}
	budget := Hidden(truncBits)
	best := 0
	most := s.ResponseBits() - 8
	for d1 := 0; d1 <= most && noise(0, d1).Bound(outputs) <= budget; d1++ {
		// The largest d0 within the budget; the noise grows with it.
		d0 := sort.Search(most, func(d int) bool { return noise(d+1, d1).Bound(outputs) > budget })
		if saved := d1*s.N() + d0*sent; saved > best {
			best, dropC0, dropC1 = saved, d0, d1
		}
	}
	return dropC0, dropC1
}

func sq(x float64) float64 { return x * x }
