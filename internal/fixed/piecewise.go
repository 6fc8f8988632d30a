package fixed

import (
	"fmt"
	"math"
	"math/big"

	"nimbus/internal/z2k"
)

// PolyKind says how a piece is evaluated.
type PolyKind uint8

const (
	Zero      PolyKind = iota // identically 0, costs nothing
	Linear                    // C1·x + C0 in the linear group
	Quadratic                 // C2·x² + C1·x + C0 in the quadratic group, and Slope·x in the linear one
)

// Poly is one piece. C[i] multiplies x^i; x is the raw input, at scale 2^f_in.
//
// Linear: C[1] is a small integer slope (0 and 1 are usual), C[0] has scale
// 2^f_in. Quadratic: C[2], C[1] and C[0] have scales 2^(FracAcc-2·f_in),
// 2^(FracAcc-f_in) and 2^FracAcc. Slope, a small integer as well, leaves to the
// linear group what would make the quadratic one's values large: of GELU the
// identity for positive arguments.
type Poly struct {
	Kind  PolyKind
	C     [3]int64
	Slope int64
}

// Part returns what the piece is in a group, Linear or Quadratic: a piece of that
// kind without Slope, or the zero piece.
func (q Poly) Part(group PolyKind) Poly {
	switch {
	case group == Linear && q.Kind == Quadratic && q.Slope != 0:
		return Poly{Kind: Linear, C: [3]int64{0, q.Slope, 0}}
	case q.Kind != group:
		return Poly{}
	}
	q.Slope = 0
	return q
}

// Piecewise is a function of one variable, a polynomial of degree at most two
// per interval: GELU, exp, tanh and so on after fitting. Piece p applies for
// Cuts[p-1] <= x < Cuts[p], the first and the last are open.
//
// The quadratic pieces are evaluated in Z_2^WidthAcc on x reduced, shrunk to
// MidFrac fraction bits, selected and summed; the sum is extended to Out.Width
// and shifted left to Out.Frac. The linear pieces are evaluated in
// Z_2^WidthLin, selected, summed, and truncated to Out. The result is the sum
// of the two groups. A field of an empty group must be 0.
//
// Comparisons drop Drop low bits and keep Keep: the input must lie in
// [Domain.lo, Domain.hi], and within 2^Drop above a cut the lower piece may be
// taken.
type Piecewise struct {
	In     Format
	Cuts   []int64 // ascending, raw signed input
	Keep   int     // kept bits of x - cut, sign included
	Drop   int     // dropped low bits
	Pieces []Poly  // len(Cuts)+1
	Out    Format

	FracAcc  int // fraction bits of the quadratic accumulator, >= 2·In.Frac
	WidthAcc int // its width, <= In.Width
	MidFrac  int // fraction bits after the shrink, <= FracAcc and <= Out.Frac
	WidthLin int // width of the linear group, <= In.Width

	// NonPositive promises that the input is at most 0, as a value minus the
	// largest of its row is: the open last piece then ends there.
	NonPositive bool

	Layout CmpLayout // of the comparisons
}

// HasQuadratic says whether any piece is quadratic.
func (p Piecewise) HasQuadratic() bool { return p.has(Quadratic) }

// HasLinear says whether any piece is linear.
func (p Piecewise) HasLinear() bool { return p.has(Linear) }

func (p Piecewise) has(group PolyKind) bool {
	for _, q := range p.Pieces {
		if q.Part(group).Kind == group {
			return true
		}
	}
	return false
}

// WidthMid returns the width of the quadratic group after its shrink.
func (p Piecewise) WidthMid() int { return p.WidthAcc - (p.FracAcc - p.MidFrac) }

// QuadExtend returns the width that the sum of the quadratic group is extended
// to, and the left shift that follows.
func (p Piecewise) QuadExtend() (width, shl int) {
	shl = p.Out.Frac - p.MidFrac
	return p.Out.Width - shl, shl
}

// LinTrunc returns the bits that the sum of the linear group is truncated by,
// the width it gets, and the left shift that follows; one of the two shifts is 0.
func (p Piecewise) LinTrunc() (bits, width, shl int) {
	if d := p.In.Frac - p.Out.Frac; d >= 0 {
		return d, p.Out.Width, 0
	}
	shl = p.Out.Frac - p.In.Frac
	return 0, p.Out.Width - shl, shl
}

// Domain returns the smallest and the largest input for which the comparisons
// are right: lo <= x <= hi, within the signed range of In.
func (p Piecewise) Domain() (lo, hi int64) {
	lo, hi = minSigned(p.In.Width), maxSigned(p.In.Width)
	if len(p.Cuts) == 0 || p.Keep+p.Drop > 63 {
		return lo, hi
	}
	r := int64(1) << (p.Keep + p.Drop - 1)
	e := int64(0)
	if p.Drop > 0 {
		e = 1 << p.Drop
	}
	lo = max(lo, addSat(p.Cuts[len(p.Cuts)-1], e-r))
	hi = min(hi, addSat(p.Cuts[0], r-1))
	if p.NonPositive {
		hi = min(hi, 0)
	}
	return lo, hi
}

// Term is one selection of a Piecewise: bit · (piece P - piece Q), summed into
// the group of its kind. The bit is 1{x >= Cuts[Hi-1]} alone when Lo is 0, and
// that of interval Lo, 1{Cuts[Lo-1] <= x < Cuts[Hi-1]}, otherwise; the cuts
// "before the first" and "after the last" (Lo or Hi one past) are always and
// never reached. Q < 0 means that nothing is subtracted.
type Term struct {
	Lo, Hi int // bit = b_Lo xor b_Hi, b_0 = 1, b_{K+1} = 0
	P, Q   int
}

// Terms returns the piece of a group that is added unconditionally (-1 if
// none) and the selections of the group, as few as possible: either one for
// each of its pieces, or one for each cut at which the group changes.
func (p Piecewise) Terms(kind PolyKind) (base int, terms []Term) {
	k := len(p.Cuts)
	in := func(i int) bool { return p.Pieces[i].Part(kind).Kind == kind }
	same := func(i, j int) bool { return p.Pieces[i].Part(kind) == p.Pieces[j].Part(kind) }
	// By pieces, runs of equal ones taken together.
	var own []Term
	for i := 0; i <= k; {
		j := i + 1
		for j <= k && same(i, j) {
			j++
		}
		if in(i) {
			own = append(own, Term{Lo: i, Hi: j, P: i, Q: -1})
		}
		i = j
	}
	// By changes.
	base = -1
	if in(0) {
		base = 0
	}
	var change []Term
	for i := 1; i <= k; i++ {
		if same(i-1, i) {
			continue
		}
		t := Term{Lo: i, Hi: k + 1, P: -1, Q: -1}
		if in(i) {
			t.P = i
		}
		if in(i - 1) {
			t.Q = i - 1
		}
		change = append(change, t)
	}
	if len(change) < len(own) || len(own) == 0 {
		return base, change
	}
	return -1, own
}

// Check validates p: shapes, widths, ascending cuts with room for the dropped
// bits, and that the values that can be selected have room in their group's ring:
// all of them in half of it where they go through a truncation that is not local.
// The compiler, the plan verifier and the runtime call it.
func (p Piecewise) Check() error {
	if err := p.check(); err != nil {
		return fmt.Errorf("fixed: piecewise %v to %v: %w", p.In, p.Out, err)
	}
	return nil
}

func (p Piecewise) check() error {
	if err := p.In.Check(); err != nil {
		return err
	}
	if err := p.Out.Check(); err != nil {
		return err
	}
	k := len(p.Cuts)
	if len(p.Pieces) != k+1 {
		return fmt.Errorf("%d pieces for %d cuts: want one more than cuts", len(p.Pieces), k)
	}
	if k > MaxCuts {
		return fmt.Errorf("%d cuts: at most %d", k, MaxCuts)
	}
	if k > 0 {
		if p.Keep < 1 || p.Keep > 64 || p.Drop < 0 || p.Drop > 62 || p.Keep+p.Drop > p.In.Width {
			return fmt.Errorf("keep %d and drop %d: want keep >= 1, drop >= 0 and a sum of at most the input's %d bits", p.Keep, p.Drop, p.In.Width)
		}
	} else if p.Keep != 0 || p.Drop != 0 {
		return fmt.Errorf("keep %d and drop %d without any cut: want 0", p.Keep, p.Drop)
	}
	keep := 0
	if k > 0 {
		keep = p.Keep
	}
	if err := p.Layout.check(keep, false); err != nil {
		return err
	}
	lo, hi := p.Domain()
	for i, c := range p.Cuts {
		if c < lo || c > hi {
			return fmt.Errorf("cut %d is outside the domain [%d, %d]: keep more bits", c, lo, hi)
		}
		if i > 0 && new(big.Int).Sub(big.NewInt(c), big.NewInt(p.Cuts[i-1])).Cmp(big.NewInt(1<<p.Drop)) < 0 {
			return fmt.Errorf("cuts %d and %d are closer than the %d that dropping %d bits needs", p.Cuts[i-1], c, int64(1)<<p.Drop, p.Drop)
		}
	}
	if p.HasQuadratic() {
		if p.WidthAcc < 2 || p.WidthAcc > p.In.Width {
			return fmt.Errorf("accumulator width %d: want 2..%d, the input's", p.WidthAcc, p.In.Width)
		}
		if p.FracAcc < 2*p.In.Frac || p.FracAcc > 62 {
			return fmt.Errorf("accumulator fraction %d: want %d..62", p.FracAcc, 2*p.In.Frac)
		}
		if p.MidFrac < 0 || p.MidFrac > p.FracAcc || p.MidFrac > p.Out.Frac {
			return fmt.Errorf("middle fraction %d: want 0..min(%d, %d)", p.MidFrac, p.FracAcc, p.Out.Frac)
		}
		if p.WidthMid() < 3 {
			return fmt.Errorf("middle width %d: want at least 3; widen the accumulator", p.WidthMid())
		}
		w, _ := p.QuadExtend()
		if w < 1 {
			return fmt.Errorf("output of %d bits cannot take a left shift of %d", p.Out.Width, p.Out.Frac-p.MidFrac)
		}
		if err := CheckTrunc(p.WidthMid(), 0, w); err != nil {
			return err
		}
	} else if p.FracAcc != 0 || p.WidthAcc != 0 || p.MidFrac != 0 {
		return fmt.Errorf("accumulator fields without a quadratic piece: want 0")
	}
	if p.HasLinear() {
		if p.WidthLin < 3 || p.WidthLin > p.In.Width {
			return fmt.Errorf("linear width %d: want 3..%d, the input's", p.WidthLin, p.In.Width)
		}
		bits, w, shl := p.LinTrunc()
		if w < 1 {
			return fmt.Errorf("output of %d bits cannot take a left shift of %d", p.Out.Width, shl)
		}
		if err := CheckTrunc(p.WidthLin, bits, w); err != nil {
			return err
		}
	} else if p.WidthLin != 0 {
		return fmt.Errorf("linear width %d without a linear piece: want 0", p.WidthLin)
	}
	for i, q := range p.Pieces {
		if err := q.check(); err != nil {
			return fmt.Errorf("piece %d: %w", i, err)
		}
	}
	for _, group := range []PolyKind{Linear, Quadratic} {
		if err := p.checkReach(group); err != nil {
			return err
		}
	}
	return nil
}

// MaxCuts is the most cuts that one comparison may have: a greater and an equal
// bit for each must fit a word.
const MaxCuts = 32

// check says whether the fields suit the kind.
func (q Poly) check() error {
	switch {
	case q.Kind == Zero && q.C != [3]int64{}:
		return fmt.Errorf("a zero piece has coefficients %v", q.C)
	case q.Kind == Linear && q.C[2] != 0:
		return fmt.Errorf("a linear piece has the quadratic coefficient %d", q.C[2])
	case q.Kind != Quadratic && q.Slope != 0:
		return fmt.Errorf("a piece that is not quadratic has the slope %d", q.Slope)
	case q.Kind > Quadratic:
		return fmt.Errorf("unknown kind %d", q.Kind)
	}
	return nil
}

// interval returns where piece i can be selected, the zone above its upper cut
// included.
func (p Piecewise) interval(i int) (lo, hi int64) {
	lo, hi = p.Domain()
	if i > 0 {
		lo = p.Cuts[i-1]
	}
	if i < len(p.Cuts) {
		hi = min(hi, addSat(p.Cuts[i], int64(1)<<p.Drop-1))
	}
	return min(lo, hi), hi
}

// Curved returns the interval outside of which no quadratic piece is selected.
// Where the square is needed only there, it may be anything elsewhere: what a
// piece that is not selected adds, another selection takes away.
func (p Piecewise) Curved() (lo, hi int64) {
	lo, hi = math.MaxInt64, math.MinInt64
	for i, q := range p.Pieces {
		if q.Kind == Quadratic {
			from, to := p.interval(i)
			lo, hi = min(lo, from), max(hi, to)
		}
	}
	return lo, hi
}

// reach returns the least and the largest sum of a group, as it enters its
// truncation and with the rounding of the shrink; 0 is always between them.
func (p Piecewise) reach(group PolyKind) (lo, hi *big.Int) {
	lo, hi = new(big.Int), new(big.Int)
	for i, q := range p.Pieces {
		if q = q.Part(group); q.Kind != group {
			continue
		}
		for _, x := range q.extremes(p.interval(i)) {
			floor := q.at(x)
			ceil := new(big.Int).Set(floor)
			if group == Quadratic {
				d := uint(p.FracAcc - p.MidFrac)
				floor.Rsh(floor, d) // rounds down
				ceil.Neg(ceil.Rsh(ceil.Neg(ceil), d))
			}
			if floor.Cmp(lo) < 0 {
				lo = floor
			}
			if ceil.Cmp(hi) > 0 {
				hi = ceil
			}
		}
	}
	return lo, hi
}

// end returns the truncation of a group's sum: from width l by s bits to a width.
func (p Piecewise) end(group PolyKind) (l, s, to int) {
	if group == Quadratic {
		to, _ = p.QuadExtend()
		return p.WidthMid(), 0, to
	}
	s, to, _ = p.LinTrunc()
	return p.WidthLin, s, to
}

// Least is a bound from below of a group's sums, a multiple of what its
// truncation drops: with 2^(l-1) - Least added they fill the upper half of their
// ring.
func (p Piecewise) Least(group PolyKind) int64 {
	_, s, _ := p.end(group)
	lo, _ := p.reach(group)
	return lo.Int64() >> s << s
}

// checkReach says whether a group's sums fit its ring: its signed half, and half
// of the ring, wherever that lies, where the truncation is not local.
func (p Piecewise) checkReach(group PolyKind) error {
	if !p.has(group) {
		return nil
	}
	l, s, to := p.end(group)
	lo, hi := p.reach(group)
	half := new(big.Int).Lsh(big.NewInt(1), uint(l-1))
	span := new(big.Int).Set(hi)
	if to > l-s {
		least := new(big.Int).Rsh(lo, uint(s))
		span.Sub(span, least.Lsh(least, uint(s)))
		span.Add(span, new(big.Int).SetUint64(1<<s-1)) // the client adds 2^s - 1
	}
	if lo.CmpAbs(half) > 0 || hi.Cmp(half) >= 0 || span.Cmp(half) >= 0 {
		return fmt.Errorf("values of the %s pieces lie in [%v, %v], too far apart for a ring of %d bits: widen it or keep fewer bits of the input", [...]string{Linear: "linear", Quadratic: "quadratic"}[group], lo, hi, l)
	}
	return nil
}

// extremes returns the points of [lo, hi] at which |q| can be largest.
func (q Poly) extremes(lo, hi int64) []int64 {
	pts := []int64{lo, hi}
	if q.C[2] != 0 {
		v := -float64(q.C[1]) / (2 * float64(q.C[2]))
		for _, d := range []float64{-1, 0, 1} {
			if x := math.Round(v) + d; x > float64(lo) && x < float64(hi) {
				pts = append(pts, int64(x))
			}
		}
	}
	return pts
}

// at returns C2·x² + C1·x + C0 over the integers.
func (q Poly) at(x int64) *big.Int {
	bx := big.NewInt(x)
	y := new(big.Int).Mul(big.NewInt(q.C[2]), bx)
	y.Add(y, big.NewInt(q.C[1]))
	y.Mul(y, bx)
	return y.Add(y, big.NewInt(q.C[0]))
}

// An Arithmetic has the two steps that a protocol rounds in, as [Shrink] and
// [Trunc] have them or with other errors.
type Arithmetic interface {
	Shrink(x uint64, l, d int) uint64
	Trunc(x uint64, l, s, to int) uint64
}

// Twin rounds to nearest.
type Twin struct{}

func (Twin) Shrink(x uint64, l, d int) uint64    { return Shrink(x, l, d) }
func (Twin) Trunc(x uint64, l, s, to int) uint64 { return Trunc(x, l, s, to) }

// At returns piece i at x, an element of Z_2^In.Width, as an element of
// Z_2^Out.Width.
func (p *Piecewise) At(a Arithmetic, i int, x uint64) (y uint64) {
	if q := p.Pieces[i].Part(Linear); q.Kind == Linear {
		bits, w, shl := p.LinTrunc()
		v := (uint64(q.C[1])*x + uint64(q.C[0])) & z2k.Mask(p.WidthLin)
		y = a.Trunc(v, p.WidthLin, bits, w) << shl
	}
	if q := p.Pieces[i]; q.Kind == Quadratic {
		w, shl := p.QuadExtend()
		v := ((uint64(q.C[2])*x+uint64(q.C[1]))*x + uint64(q.C[0])) & z2k.Mask(p.WidthAcc)
		y += a.Trunc(a.Shrink(v, p.WidthAcc, p.FracAcc-p.MidFrac), p.WidthMid(), 0, w) << shl
	}
	return y & z2k.Mask(p.Out.Width)
}

// Piece returns the index of the piece that applies at x.
func (p Piecewise) Piece(x uint64) int {
	i := 0
	for i < len(p.Cuts) && Cmp(x, p.In.Width, p.Cuts[i], p.Drop) == 1 {
		i++
	}
	return i
}

// Eval returns the function at x, an element of Z_2^In.Width, as an element of
// Z_2^Out.Width: the twin of the protocol, rounding to nearest. Away from the
// cuts the protocol is within MaxUlp. p must pass Check.
func (p Piecewise) Eval(x uint64) uint64 {
	return p.At(Twin{}, p.Piece(x), x)
}

// Real returns the function that p encodes, at a real and without rounding or
// ring: the piece by exact cuts, the coefficients at their scales.
func (p Piecewise) Real(x float64) float64 {
	raw := math.Ldexp(x, p.In.Frac)
	i := 0
	for i < len(p.Cuts) && raw >= float64(p.Cuts[i]) {
		i++
	}
	q, line := p.Pieces[i].Part(Quadratic), p.Pieces[i].Part(Linear)
	return math.Ldexp((float64(q.C[2])*raw+float64(q.C[1]))*raw+float64(q.C[0]), -p.FracAcc) +
		math.Ldexp(float64(line.C[1])*raw+float64(line.C[0]), -p.In.Frac)
}

// MaxUlp bounds |protocol - twin| in units of the last bit of Out, for inputs
// of the domain that are not within 2^Drop above a cut.
func (p Piecewise) MaxUlp() int {
	quad, lin, most := 0, 0, 0
	if p.HasQuadratic() && p.FracAcc > p.MidFrac {
		_, shl := p.QuadExtend()
		quad = 1 << min(shl, 31)
	}
	if bits, _, _ := p.LinTrunc(); bits > 0 {
		lin = 1
	}
	for _, q := range p.Pieces {
		ulp := 0
		if q.Part(Quadratic).Kind != Zero {
			ulp += quad
		}
		if q.Part(Linear).Kind != Zero {
			ulp += lin
		}
		most = max(most, ulp)
	}
	return most
}

func minSigned(w int) int64 { return -1 << (w - 1) }
func maxSigned(w int) int64 { return int64(z2k.Mask(w) >> 1) }

// addSat returns a+b, clamped to the range of int64.
func addSat(a, b int64) int64 {
	s := a + b
	switch {
	case a > 0 && b > 0 && s < 0:
		return math.MaxInt64
	case a < 0 && b < 0 && s >= 0:
		return math.MinInt64
	}
	return s
}
