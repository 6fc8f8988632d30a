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
	Quadratic                 // C2·x² + C1·x + C0 in the quadratic group
)

// Poly is one piece. C[i] multiplies x^i; x is the raw input, at scale 2^f_in.
//
// Linear: C[1] is a small integer slope (0 and 1 are usual), C[0] has scale
// 2^f_in. Quadratic: C[2], C[1] and C[0] have scales 2^(FracAcc-2·f_in),
// 2^(FracAcc-f_in) and 2^FracAcc.
type Poly struct {
	Kind PolyKind
	C    [3]int64
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
}

// HasQuadratic says whether any piece is quadratic.
func (p Piecewise) HasQuadratic() bool { return p.has(Quadratic) }

// HasLinear says whether any piece is linear.
func (p Piecewise) HasLinear() bool { return p.has(Linear) }

func (p Piecewise) has(k PolyKind) bool {
	for _, q := range p.Pieces {
		if q.Kind == k {
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
	in := func(i int) bool { return p.Pieces[i].Kind == kind }
	same := func(i, j int) bool {
		if !in(i) || !in(j) {
			return !in(i) && !in(j)
		}
		return p.Pieces[i] == p.Pieces[j]
	}
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
// bits, and that every selected value keeps two free bits in its ring over the
// domain where they go through a truncation that is not local (one free bit, the
// sign, otherwise). The compiler, the plan verifier and the runtime call it.
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
		if err := p.checkPiece(i, q, lo, hi); err != nil {
			return fmt.Errorf("piece %d: %w", i, err)
		}
	}
	return nil
}

// MaxCuts is the most cuts that one comparison may have: a greater and an equal
// bit for each must fit a word.
const MaxCuts = 32

// checkPiece bounds the value of piece i where it can be selected, the zone
// above its upper cut included.
func (p Piecewise) checkPiece(i int, q Poly, lo, hi int64) error {
	if i > 0 {
		lo = p.Cuts[i-1]
	}
	if i < len(p.Cuts) {
		hi = min(hi, addSat(p.Cuts[i], int64(1)<<p.Drop-1))
	}
	if lo > hi {
		lo = hi
	}
	var bound *big.Int // on |value|, exclusive
	switch q.Kind {
	case Zero:
		if q.C != [3]int64{} {
			return fmt.Errorf("a zero piece has coefficients %v", q.C)
		}
		return nil
	case Linear:
		if q.C[2] != 0 {
			return fmt.Errorf("a linear piece has the quadratic coefficient %d", q.C[2])
		}
		bits, w, _ := p.LinTrunc()
		bound = ringBound(p.WidthLin, bits, w)
	case Quadratic:
		w, _ := p.QuadExtend()
		bound = ringBound(p.WidthMid(), 0, w)
		bound.Sub(bound, big.NewInt(1)) // the shrink's own rounding
		bound.Lsh(bound, uint(p.FracAcc-p.MidFrac))
	default:
		return fmt.Errorf("unknown kind %d", q.Kind)
	}
	for _, x := range q.extremes(lo, hi) {
		if y := q.at(x); y.CmpAbs(bound) >= 0 {
			return fmt.Errorf("value %v at %d reaches the bound %v of its ring: widen it or keep fewer bits of the input", y, x, bound)
		}
	}
	return nil
}

// ringBound returns what |x| in Z_2^l must stay below so that it can be
// truncated by s bits into width to: see CheckTrunc. A local truncation needs
// no free bit.
func ringBound(l, s, to int) *big.Int {
	if to <= l-s {
		return new(big.Int).Lsh(big.NewInt(1), uint(l-1))
	}
	b := new(big.Int).Lsh(big.NewInt(1), uint(l-2))
	return b.Sub(b, new(big.Int).SetUint64(1<<s-1)) // the client adds 2^s - 1
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

// Value returns the contribution of piece i at x, in the ring of its group
// before selection: shrunk to WidthMid bits, or linear in WidthLin bits.
func (p Piecewise) Value(i int, x uint64) uint64 {
	q := p.Pieces[i]
	c0, c1, c2 := uint64(q.C[0]), uint64(q.C[1]), uint64(q.C[2])
	switch q.Kind {
	case Linear:
		return (c1*x + c0) & z2k.Mask(p.WidthLin)
	case Quadratic:
		return Shrink(((c2*x+c1)*x+c0)&z2k.Mask(p.WidthAcc), p.WidthAcc, p.FracAcc-p.MidFrac)
	}
	return 0
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
	i := p.Piece(x)
	switch p.Pieces[i].Kind {
	case Linear:
		bits, w, shl := p.LinTrunc()
		return Trunc(p.Value(i, x), p.WidthLin, bits, w) << shl & z2k.Mask(p.Out.Width)
	case Quadratic:
		w, shl := p.QuadExtend()
		return Trunc(p.Value(i, x), p.WidthMid(), 0, w) << shl & z2k.Mask(p.Out.Width)
	}
	return 0
}

// Real returns the function that p encodes, at a real and without rounding or
// ring: the piece by exact cuts, the coefficients at their scales.
func (p Piecewise) Real(x float64) float64 {
	raw := math.Ldexp(x, p.In.Frac)
	i := 0
	for i < len(p.Cuts) && raw >= float64(p.Cuts[i]) {
		i++
	}
	q := p.Pieces[i]
	switch q.Kind {
	case Linear:
		return math.Ldexp(float64(q.C[1])*raw+float64(q.C[0]), -p.In.Frac)
	case Quadratic:
		return math.Ldexp((float64(q.C[2])*raw+float64(q.C[1]))*raw+float64(q.C[0]), -p.FracAcc)
	}
	return 0
}

// MaxUlp bounds |protocol - twin| in units of the last bit of Out, for inputs
// of the domain that are not within 2^Drop above a cut.
func (p Piecewise) MaxUlp() int {
	ulp := 0
	if p.HasQuadratic() && p.FracAcc > p.MidFrac {
		_, shl := p.QuadExtend()
		ulp = 1 << min(shl, 31)
	}
	if p.HasLinear() {
		if bits, _, _ := p.LinTrunc(); bits > 0 {
			ulp = max(ulp, 1)
		}
	}
	return ulp
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
