package fixed

import (
	"fmt"
	"math"

	"nimbus/internal/z2k"
)

// InverseKind is the function of an [Inverse].
type InverseKind uint8

const (
	Recip InverseKind = iota // 1/x
	Rsqrt                    // 1/sqrt(x)
)

// String returns the name in op names, recip or rsqrt.
func (k InverseKind) String() string {
	if k == Rsqrt {
		return "rsqrt"
	}
	return "recip"
}

// Inverse is a reciprocal or a reciprocal square root of a positive value known
// to lie, raw, in [2^Lo, 2^Hi):
//
//	recip:  Out = 1/x        rsqrt:  Out = 1/sqrt(x)
//
// Everything else follows from these fields; see [Inverse.Steps]. Relative
// error at most 2^-10 of the true value plus one ulp of Out, the protocol's
// roundings included. An input in [0, 2^Lo) gives a value between 0 and
// [Inverse.Largest], near the result at 2^Lo; above 2^Hi or below 0 any value.
type Inverse struct {
	Kind   InverseKind
	In     Format
	Lo, Hi int
	Out    Format
	Layout InverseLayout
}

// Fixed layout of the normalised value and of its spline.
const (
	normFrac = 13 // fraction bits of m
	polyFrac = 32 // of the spline's accumulator
	midFrac  = 14 // of y
	midInt   = 5  // bits of y before the point: |y| < 8, with sign and one free
	blurBits = 6  // a segment may reach 2^-6 (relative) above its end
)

// InverseSteps is an Inverse worked out. A value is in segment i, i = 0..S-1,
// when 2^(t_i) <= x < 2^(t_i + sigma), sigma = 1 for recip, 2 for rsqrt:
//
//  1. X = x extended to WidthX; b_i = 1{x >= Cuts[i-1]}, i = 1..S-1, with Drop
//     low bits dropped, Keep kept
//  2. m = X·2^Shift[0] - sum b_i·(2^sigma - 1)·X·2^Shift[i] mod 2^WidthM, in
//     [2^-sigma, 1) at scale 2^(normFrac+ShrinkM); then shrunk by ShrinkM and
//     extended to the spline's input width
//  3. y = Spline(m), 1/m or 1/sqrt(m)
//  4. D = y·2^(S-1) - sum b_i·y·2^(S-1-i) mod 2^WidthD
//  5. Out = D truncated by TruncD bits into OutWidth, shifted left by ShlD
type InverseSteps struct {
	Cuts       []int64
	Keep, Drop int
	Sigma      int
	Segments   int
	Shift      []int // descending by sigma, all >= 0
	WidthX     int
	WidthM     int
	ShrinkM    int
	Spline     Piecewise
	WidthD     int
	TruncD     int
	OutWidth   int
	ShlD       int
	Layout     InverseLayout
}

// Check says whether the inverse can be computed in rings of at most 64 bits.
func (v Inverse) Check() error {
	_, err := v.Steps()
	return err
}

// Steps derives the layout, or says why there is none.
func (v Inverse) Steps() (InverseSteps, error) {
	s, err := v.steps()
	if err != nil {
		return InverseSteps{}, fmt.Errorf("fixed: %v %v on [2^%d, 2^%d) to %v: %w", v.Kind, v.In, v.Lo, v.Hi, v.Out, err)
	}
	return s, nil
}

func (v Inverse) steps() (InverseSteps, error) {
	var s InverseSteps
	if err := v.In.Check(); err != nil {
		return s, err
	}
	if err := v.Out.Check(); err != nil {
		return s, err
	}
	if v.Kind > Rsqrt {
		return s, fmt.Errorf("unknown kind %d", v.Kind)
	}
	if v.Lo < 0 || v.Hi <= v.Lo || v.Hi > 60 || v.Hi > v.In.Width-1 {
		return s, fmt.Errorf("want 0 <= lo < hi <= min(60, width-1)")
	}
	s.Sigma = 1
	first := v.Lo
	if v.Kind == Rsqrt {
		s.Sigma = 2
		if (v.Lo-v.In.Frac)%2 != 0 {
			first-- // the exponent of a segment must be even
		}
	}
	last := first
	for last+s.Sigma < v.Hi {
		last += s.Sigma
		s.Cuts = append(s.Cuts, 1<<last)
	}
	s.Segments = len(s.Cuts) + 1
	if len(s.Cuts) > MaxCuts {
		return s, fmt.Errorf("%d cuts: at most %d", len(s.Cuts), MaxCuts)
	}
	if len(s.Cuts) > 0 {
		s.Drop = max(0, first+s.Sigma-blurBits)
		s.Keep = v.Hi + 1 - s.Drop
	}

	top := max(last+s.Sigma, normFrac) // m has scale 2^top
	s.ShrinkM = top - normFrac
	for i := range s.Segments {
		s.Shift = append(s.Shift, top-first-s.Sigma*(i+1))
	}

	// The scale of D: segment i has the exponent g_i, m·2^(sigma·g_i) = x, and
	// the result is y·2^-g_i.
	g := (last + s.Sigma - v.In.Frac) / s.Sigma // exact; the last segment's
	shift := midFrac - v.Out.Frac + g
	s.TruncD, s.ShlD = max(0, shift), max(0, -shift)
	s.OutWidth = v.Out.Width - s.ShlD
	y := 3 // bits of y before the point, sign included, down to m = 0
	if v.Kind == Recip {
		y = 4
	}
	if need := midFrac + y + s.Segments - 1 - shift; v.Out.Width < need {
		return s, fmt.Errorf("the result needs %d bits; drop fraction bits of it or raise lo", need)
	}

	// Wide enough that nothing needs a message to be extended, if there is room.
	narrow := midFrac + midInt + s.Segments - 1
	s.WidthD = narrow
	if free := v.Out.Width + shift; free > narrow && free <= narrow+16 && free+polyFrac-midFrac+s.ShrinkM <= 64 {
		s.WidthD = free
	}
	acc := s.WidthD + polyFrac - midFrac
	if acc+s.ShrinkM > 64 {
		acc = midFrac + midInt + polyFrac - midFrac
	}
	s.WidthM = min(64, acc+s.ShrinkM)
	s.WidthX = s.WidthM - s.Shift[len(s.Shift)-1]
	if s.WidthD > 64 || s.WidthM-s.ShrinkM < normFrac+3 {
		return s, fmt.Errorf("a range of %d bits at %d needs more than 64 bits; shrink the input first or narrow the range", v.Hi-v.Lo, v.Hi)
	}
	if s.WidthX > v.In.Width && v.Hi > v.In.Width-2 {
		return s, fmt.Errorf("the input must be extended to %d bits and so needs hi <= width-2", s.WidthX)
	}
	if err := CheckTrunc(s.WidthD, s.TruncD, s.OutWidth); err != nil {
		return s, err
	}
	s.Spline = spline(v.Kind, acc, s.WidthD)
	s.Spline.Layout, s.Layout = v.Layout.Spline, v.Layout
	if err := s.Spline.Check(); err != nil {
		return s, err
	}
	return s, v.Layout.check(s)
}

// EndsLocally says whether the spline's value needs no message to get into its
// ring of WidthD bits.
func (s *InverseSteps) EndsLocally() bool {
	w, shl := s.Spline.QuadExtend()
	return shl == 0 && w <= s.Spline.WidthMid()
}

// Minimax quadratics, by relative error, for 1/m on [1/2, 1] and 1/sqrt(m) on
// [1/4, 1]. Every piece is fitted up to 2^-5 above its end, because comparisons
// drop 8 bits, and the last up to 1 + 2^-6. {C0, C1, C2} at scales 2^32, 2^19
// and 2^6. Relative errors 2^-11.7 and 2^-11.3.
var (
	recipCuts   = []int64{4798, 5668, 6741}
	recipPieces = [][3]int64{
		{23210730697, -5089715, 371},
		{19791453179, -3700556, 230},
		{16773269281, -2657911, 140},
		{14090358602, -1875692, 83},
	}
	rsqrtCuts   = []int64{2600, 3374, 4454, 5961}
	rsqrtPieces = [][3]int64{
		{14832869358, -4073727, 500},
		{13151960667, -2839709, 274},
		{11547808834, -1922265, 143},
		{10039779005, -1263066, 71},
		{8666056092, -812152, 34},
	}
)

const (
	recipBits = 11.7 // -log2 of the spline's relative error
	rsqrtBits = 11.3
)

// spline returns the table of a kind with an accumulator of acc bits and a
// result of width bits.
func spline(kind InverseKind, acc, width int) Piecewise {
	cuts, pieces := recipCuts, recipPieces
	if kind == Rsqrt {
		cuts, pieces = rsqrtCuts, rsqrtPieces
	}
	p := Piecewise{
		In: Format{acc, normFrac}, Out: Format{width, midFrac},
		Cuts: append([]int64(nil), cuts...), Keep: 6, Drop: 8,
		FracAcc: polyFrac, WidthAcc: acc, MidFrac: midFrac,
	}
	for _, c := range pieces {
		p.Pieces = append(p.Pieces, Poly{Kind: Quadratic, C: c})
	}
	return p
}

// Eval returns the inverse of x, an element of Z_2^In.Width, as an element of
// Z_2^Out.Width: the twin of the protocol, step by step, rounding to nearest.
// v must pass Check.
func (v Inverse) Eval(x uint64) uint64 {
	s, err := v.steps()
	if err != nil {
		panic("fixed: internal error: " + err.Error())
	}
	return s.Eval(v.In.Width, x)
}

// Eval is Inverse.Eval for x of the given width, with the steps worked out once.
func (s *InverseSteps) Eval(width int, x uint64) uint64 {
	i := 0
	for i < len(s.Cuts) && Cmp(x, width, s.Cuts[i], s.Drop) == 1 {
		i++
	}
	m := Trunc(x, width, 0, s.WidthX) << s.Shift[i] & z2k.Mask(s.WidthM)
	m = Trunc(Shrink(m, s.WidthM, s.ShrinkM), s.WidthM-s.ShrinkM, 0, s.Spline.In.Width)
	y := s.Spline.Eval(m)
	d := y << (s.Segments - 1 - i) & z2k.Mask(s.WidthD)
	out := Trunc(d, s.WidthD, s.TruncD, s.OutWidth)
	return out << s.ShlD & z2k.Mask(s.OutWidth+s.ShlD)
}

// Real returns 1/x or 1/sqrt(x).
func (v Inverse) Real(x float64) float64 {
	if v.Kind == Rsqrt {
		return 1 / math.Sqrt(x)
	}
	return 1 / x
}

// Largest bounds the result of any raw input in [0, 2^Hi), the protocol's as
// well as the twin's. Below 2^Lo the first piece of the spline goes on, down to
// m = 0: 2.75 times what is reached at 2^Lo for recip, 1.75 for rsqrt, and where
// the exponent of Lo is odd another root of two.
func (v Inverse) Largest() float64 {
	factor, first := 2.75, v.Lo
	if v.Kind == Rsqrt {
		factor = 1.75
		if (v.Lo-v.In.Frac)%2 != 0 {
			first--
		}
	}
	return factor*v.Real(math.Ldexp(1, first-v.In.Frac)) + math.Ldexp(1, -v.Out.Frac)
}

// MaxUlp bounds |protocol - twin| in units of the last bit of Out, for raw
// inputs in [2^Lo, 2^Hi). The bound is met only for the smallest inputs, whose
// results are the largest; relative to the result it is below 2^-9.5.
func (v Inverse) MaxUlp() int {
	s, err := v.steps()
	if err != nil {
		return math.MaxInt32
	}
	eps := math.Exp2(-recipBits)
	slope := 4.0 // of y, at the smallest m
	if v.Kind == Rsqrt {
		eps = math.Exp2(-rsqrtBits)
	}
	// Both may take either piece or segment in a blurred zone: 2·eps·y, y <= 2.
	// m may be off by one ulp, y by one more.
	y := 4*eps*math.Exp2(midFrac) + (slope+0.1)*math.Exp2(midFrac-normFrac) + 2
	d := math.Ldexp(y, s.Segments-1-s.TruncD+s.ShlD)
	return int(math.Min(math.Ceil(d)+1, math.MaxInt32))
}
