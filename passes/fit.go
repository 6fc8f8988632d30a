package passes

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"sort"
	"strconv"
)

// A Shape says what a fitted function looks like outside the fitted pieces.
type Shape struct {
	Name string
	F    func(float64) float64
	// Left and Right are the exact tails c0 + c1·x, or nil where the function
	// is fitted up to the end of the interval. Where nothing is fitted between
	// them a tail may have a third coefficient, of x².
	Left, Right []float64
	Lo, Hi      float64 // interval of the fit
	// Budget is the expected error that a fit may have when nothing else is
	// asked for: what decides how many quadratic pieces there are between the
	// tails. 0 means that the tails are the function and nothing is fitted.
	Budget float64
	Grid   int // quadratic coefficients are multiples of 2^-Grid
}

// shapes is the table of scalar functions that `approximate` knows: a new
// function is a row here.
var shapes = map[string]Shape{
	"gelu":      {F: geluErf, Left: []float64{0, 0}, Right: []float64{0, 1}, Lo: -5, Hi: 5, Budget: 0.018, Grid: 6},
	"gelu_tanh": {F: geluTanh, Left: []float64{0, 0}, Right: []float64{0, 1}, Lo: -5, Hi: 5, Budget: 0.018, Grid: 6},
	"exp":       {F: math.Exp, Left: []float64{0, 0}, Lo: -8, Hi: 0, Budget: 0.0036, Grid: 8},
	"tanh":      {F: math.Tanh, Left: []float64{-1, 0}, Right: []float64{1, 0}, Lo: -5, Hi: 5, Budget: 0.0045, Grid: 6},
	"sigmoid":   {F: sigmoid, Left: []float64{0, 0}, Right: []float64{1, 0}, Lo: -8, Hi: 8, Budget: 0.0028, Grid: 7},
	"silu":      {F: func(x float64) float64 { return x * sigmoid(x) }, Left: []float64{0, 0}, Right: []float64{0, 1}, Lo: -8, Hi: 8, Budget: 0.007, Grid: 7},
	"relu":      {F: func(x float64) float64 { return max(x, 0) }, Left: []float64{0, 0}, Right: []float64{0, 1}, Lo: -5, Hi: 5},
	"relu2":     {F: func(x float64) float64 { return max(x, 0) * max(x, 0) }, Left: []float64{0, 0}, Right: []float64{0, 0, 1}, Lo: -5, Hi: 5},
}

// Function returns the scalar function that a piecewise op or fit calls name.
func Function(name string) (Shape, bool) {
	s, ok := shapes[name]
	s.Name = name
	return s, ok
}

// Functions returns the names of all scalar functions, sorted.
func Functions() []string { return slices.Sorted(maps.Keys(shapes)) }

func geluErf(x float64) float64 { return 0.5 * x * (1 + math.Erf(x/math.Sqrt2)) }

func geluTanh(x float64) float64 {
	return 0.5 * x * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// A Fit is a continuous function made of the tails of a Shape and quadratic
// pieces between them.
type Fit struct {
	Cuts  []float64    // ascending; piece p applies for Cuts[p-1] <= x < Cuts[p]
	Coef  [][3]float64 // one row c0, c1, c2 per piece, len(Cuts)+1 of them
	RMS   float64      // root of the expected squared error under the density
	Worst float64      // largest error at any bin of the density
}

// Eval evaluates the fit at x.
func (f *Fit) Eval(x float64) float64 {
	c := f.Coef[pieceAt(f.Cuts, x)]
	return c[0] + x*(c[1]+x*c[2])
}

// Quadratics counts the pieces that are no straight line: what a plan has to
// square for.
func (f *Fit) Quadratics() int {
	n := 0
	for _, c := range f.Coef {
		if c[2] != 0 {
			n++
		}
	}
	return n
}

// cutGrid is the spacing of the cuts: a multiple of every input format's ulp
// that the quantiser may choose (five fraction bits or more), so that rounding
// never moves a cut and never opens a gap between two pieces.
const cutGrid = 1.0 / 32

// MaxPieces is the most quadratic pieces that a search for a fit within a budget
// tries: beyond, the grid of the coefficients and the ulp of the input are what
// limits a fit.
const MaxPieces = 8

// A BudgetError says that no fit of at most MaxPieces pieces is good enough.
type BudgetError struct {
	Function string
	Budget   float64 // the expected error that was allowed
	Best     float64 // the least that was found
}

func (e *BudgetError) Error() string {
	return fmt.Sprintf("no fit of %s with at most %d quadratic pieces has an expected error of %g or less; the best has %.2g: allow at least that much",
		e.Function, MaxPieces, e.Budget, roundUp(e.Best))
}

// Least is a budget for the function that can be met.
func (e *BudgetError) Least() float64 { return roundUp(e.Best) }

// roundUp keeps two significant digits and never gets smaller.
func roundUp(x float64) float64 {
	if x <= 0 {
		return 0
	}
	s := math.Pow(10, math.Floor(math.Log10(x))-1)
	up := math.Ceil(x/s) * s
	up, _ = strconv.ParseFloat(strconv.FormatFloat(up, 'g', 2, 64), 64)
	return up
}

// FitWithin returns the fit of s that has the fewest pieces, and so the fewest
// cuts to compare with, among those whose expected error is within the budget;
// a *BudgetError if there is none.
func FitWithin(s Shape, budget float64, d *Density) (*Fit, error) {
	if s.Budget == 0 {
		return FitShape(s, 0, d)
	}
	best := math.Inf(1)
	for n := 1; n <= MaxPieces; n++ {
		f, err := FitShape(s, n, d)
		if err != nil {
			return nil, err
		}
		if f.RMS <= budget {
			return f, nil
		}
		best = min(best, f.RMS)
	}
	return nil, &BudgetError{s.Name, budget, best}
}

// FitShape fits s with the given number of quadratic pieces to the density by
// weighted least squares inside a search over the cuts (Nimbus, equation 3 and
// appendix C.2; unlike the paper the pieces meet at the cuts, which lets
// comparisons be coarse).
func FitShape(s Shape, pieces int, d *Density) (*Fit, error) {
	if pieces == 0 { // nothing to fit: the tails meet at zero
		f := &Fit{Cuts: []float64{0}, Coef: make([][3]float64, 2)}
		copy(f.Coef[0][:], s.Left)
		copy(f.Coef[1][:], s.Right)
		f.measure(s, d)
		return f, nil
	}
	if s.Left == nil {
		return nil, fmt.Errorf("fit %s: a left tail is needed", s.Name)
	}
	n := pieces + 1 // knots; without a right tail the last one is the fixed end d.Hi
	free := n
	if s.Right == nil {
		free = n - 1
	}
	var best *Fit
	try := func(k []float64) bool {
		f := s.solve(k, d)
		if f == nil || (best != nil && f.RMS >= best.RMS) {
			return false
		}
		best = f
		return true
	}
	for _, spread := range []float64{0.35, 0.6, 0.85, 1} {
		knots := make([]float64, n)
		mid, half := (d.Lo+d.Hi)/2, (d.Hi-d.Lo)/2*spread
		for i := range knots {
			if s.Right == nil {
				knots[i] = snap(d.Hi - (d.Hi-d.Lo)*spread*float64(n-1-i)/float64(n-1))
			} else {
				knots[i] = snap(mid - half + 2*half*float64(i)/float64(n-1))
			}
		}
		try(knots)
		// Coordinate descent with a shrinking step.
		cur := s.solve(knots, d)
		for step := 0.5; step >= cutGrid && cur != nil; step /= 2 {
			for moved := true; moved; {
				moved = false
				for i := 0; i < free; i++ {
					for _, dir := range []float64{-step, step} {
						k := slices.Clone(knots)
						k[i] = snap(k[i] + dir)
						if f := s.solve(k, d); f != nil && f.RMS < cur.RMS-1e-9 {
							knots, cur, moved = k, f, true
						}
					}
				}
			}
		}
		try(knots)
	}
	if best == nil {
		return nil, fmt.Errorf("fit %s: no placement of %d cuts on [%g, %g] works", s.Name, n, d.Lo, d.Hi)
	}
	return best, nil
}

func snap(x float64) float64 { return math.Round(x/cutGrid) * cutGrid }

// solve fits the best quadratics for given knots, rounds their curvatures to
// the grid and fits the values at the knots again, so that the rounding is
// compensated and the pieces still meet. It returns nil where the knots are not
// ascending.
func (s Shape) solve(knots []float64, d *Density) *Fit {
	for i := 1; i < len(knots); i++ {
		if knots[i]-knots[i-1] < 4*cutGrid {
			return nil
		}
	}
	curv, _ := s.leastSquares(knots, d, nil)
	if curv == nil {
		return nil
	}
	scale := math.Ldexp(1, s.Grid)
	for i := range curv {
		curv[i] = math.Round(curv[i]*scale) / scale
	}
	_, vals := s.leastSquares(knots, d, curv)
	if vals == nil {
		return nil
	}
	f := &Fit{Cuts: slices.Clone(knots)}
	f.Coef = append(f.Coef, [3]float64{s.Left[0], s.Left[1], 0})
	for p := range curv {
		a, b := knots[p], knots[p+1]
		slope := (vals[p+1] - vals[p]) / (b - a)
		f.Coef = append(f.Coef, [3]float64{vals[p] - slope*a + curv[p]*a*b, slope - curv[p]*(a+b), curv[p]})
	}
	if s.Right != nil {
		f.Coef = append(f.Coef, [3]float64{s.Right[0], s.Right[1], 0})
	} else {
		f.Cuts = f.Cuts[:len(f.Cuts)-1]
	}
	f.measure(s, d)
	return f
}

// leastSquares minimises the weighted squared error of the continuous spline
// whose piece p is the chord between its end values plus curv[p]·(x-a)(x-b).
// With curv given only the free end values are fitted. It returns curvatures
// and all end values.
func (s Shape) leastSquares(knots []float64, d *Density, curv []float64) (c, vals []float64) {
	n, m := len(knots), len(knots)-1
	vals = make([]float64, n)
	vals[0] = s.Left[0] + s.Left[1]*knots[0]
	last := n - 1 // values 1..last-1 are unknown; the last too without a right tail
	if s.Right != nil {
		vals[n-1] = s.Right[0] + s.Right[1]*knots[n-1]
	} else {
		last = n
	}
	nv := last - 1
	dim := nv
	if curv == nil {
		dim += m
	}
	ata := make([][]float64, dim)
	for i := range ata {
		ata[i] = make([]float64, dim+1)
	}
	row := make([]float64, dim)
	for i, w := range d.W {
		x := d.At(i)
		if x < knots[0] || x >= knots[n-1] {
			continue
		}
		p := min(sort.SearchFloat64s(knots, x), n-1)
		if knots[p] > x || p == n-1 {
			p--
		}
		p = max(p, 0)
		a, b := knots[p], knots[p+1]
		t := (x - a) / (b - a)
		y := s.F(x)
		clear(row)
		add := func(knot int, g float64) {
			if knot >= 1 && knot < last {
				row[knot-1] += g
			} else {
				y -= g * vals[knot]
			}
		}
		add(p, 1-t)
		add(p+1, t)
		if bump := (x - a) * (x - b); curv == nil {
			row[nv+p] = bump
		} else {
			y -= curv[p] * bump
		}
		for r := range row {
			if row[r] == 0 {
				continue
			}
			for q := range row {
				ata[r][q] += w * row[r] * row[q]
			}
			ata[r][dim] += w * row[r] * y
		}
	}
	x := gauss(ata)
	if x == nil {
		return nil, nil
	}
	copy(vals[1:last], x[:nv])
	if curv == nil {
		curv = x[nv:]
	}
	return curv, vals
}

// gauss solves the augmented symmetric system in place with pivoting; a tiny
// ridge keeps empty pieces solvable. It returns nil for a singular system.
func gauss(a [][]float64) []float64 {
	n := len(a)
	for i := range n {
		a[i][i] += 1e-12
	}
	for i := range n {
		p := i
		for r := i + 1; r < n; r++ {
			if math.Abs(a[r][i]) > math.Abs(a[p][i]) {
				p = r
			}
		}
		a[i], a[p] = a[p], a[i]
		if math.Abs(a[i][i]) < 1e-18 {
			return nil
		}
		for r := range n {
			if r == i {
				continue
			}
			f := a[r][i] / a[i][i]
			for c := i; c <= n; c++ {
				a[r][c] -= f * a[i][c]
			}
		}
	}
	x := make([]float64, n)
	for i := range x {
		x[i] = a[i][n] / a[i][i]
	}
	return x
}

func (f *Fit) measure(s Shape, d *Density) { f.RMS, f.Worst = d.Errors(s.F, f.Eval) }
