package passes

import (
	"math"
	"slices"
	"sort"
)

// A Curve is a function made of polynomials of any degree, which need not meet.
// It is what a fit is compared with; a plan has a Fit.
type Curve struct {
	Cuts  []float64   // ascending; piece p applies for Cuts[p-1] <= x < Cuts[p]
	Coef  [][]float64 // c0, c1, … of each of the len(Cuts)+1 pieces
	RMS   float64     // root of the expected squared error under the density
	Worst float64     // largest error at any bin of the density
}

// Eval evaluates the curve at x.
func (c *Curve) Eval(x float64) float64 {
	y := 0.0
	for _, k := range slices.Backward(c.Coef[pieceAt(c.Cuts, x)]) {
		y = y*x + k
	}
	return y
}

// pieceAt returns the piece that applies at x.
func pieceAt(cuts []float64, x float64) int {
	return sort.Search(len(cuts), func(i int) bool { return x < cuts[i] })
}

// A Preset is a choice of approximations that somebody else made, to compare
// one's own with.
type Preset struct {
	Name string
	Doc  string // one line

	// Fit makes the choice for a function and the density of its inputs; nil
	// where the preset has nothing for the function.
	Fit func(s Shape, d *Density) *Curve
}

// Presets is the table of presets.
func Presets() []Preset { return []Preset{paper, paperExample} }

// PresetNamed finds a preset.
func PresetNamed(name string) (Preset, bool) {
	i := slices.IndexFunc(Presets(), func(p Preset) bool { return p.Name == name })
	if i < 0 {
		return Preset{}, false
	}
	return Presets()[i], true
}

// paper follows Nimbus (NeurIPS 2024), equations 3 to 5 and appendix C.2:
// coefficients by least squares under the density, breakpoints by search around
// the values given there, no condition that pieces meet.
var paper = Preset{
	Name: "paper",
	Doc:  "as Nimbus does: GELU with one quadratic between 0 and x, exp with one cubic; breakpoints searched around -2.1, 0.2 and -4",
	Fit: func(s Shape, d *Density) *Curve {
		ys := d.values(s.F)
		switch s.Name {
		case "gelu", "gelu_tanh":
			return d.search(ys, -2.1, 0.2, 2, s)
		case "exp":
			return d.search(ys, -4, math.Inf(1), 3, s)
		}
		return nil
	},
}

// paperExample has the coefficients that the authors published with their code
// (secretflow/spu, branch nimbus, examples/python/ml/Nimbus/nonlinear.py), which
// they call examples.
var paperExample = Preset{
	Name: "paper-example",
	Doc:  "the example coefficients published with Nimbus, the same for every layer",
	Fit: func(s Shape, d *Density) *Curve {
		var c *Curve
		switch s.Name {
		case "gelu", "gelu_tanh":
			c = &Curve{Cuts: []float64{-1.8, 0.5}, Coef: [][]float64{{0}, {-0.006946478426716862, 0.32421075145645123, 0.17025471961795552}, {0, 1}}}
		case "exp":
			c = &Curve{Cuts: []float64{-3.9}, Coef: [][]float64{{0}, {0.9708981428645548, 0.8318065569430768, 0.26332572942924737, 0.0291786417536755}}}
		default:
			return nil
		}
		c.RMS, c.Worst = d.Errors(s.F, c.Eval)
		return c
	},
}

// A preset looks at breakpoints up to searchSteps of 1/searchGrid on either side
// of the initial ones; the paper leaves both open.
const (
	searchGrid  = 10
	searchSteps = 25
)

// search returns the best curve of one polynomial of the given degree between
// two breakpoints near left and right, with the tails of s outside; an infinite
// right stays.
func (d *Density) search(ys []float64, left, right float64, degree int, s Shape) *Curve {
	around := func(x float64) []float64 {
		if math.IsInf(x, 0) {
			return []float64{x}
		}
		var out []float64
		for i := -searchSteps; i <= searchSteps; i++ {
			out = append(out, (math.Round(x*searchGrid)+float64(i))/searchGrid)
		}
		return out
	}
	tail := func(c []float64, x float64) float64 { return c[0] + c[1]*x }
	best, least := &Curve{}, math.Inf(1)
	for _, a := range around(left) {
		for _, b := range around(right) {
			if b-a < 4.0/searchGrid || a <= d.Lo {
				continue
			}
			poly := d.polynomial(ys, a, b, degree)
			if poly == nil {
				continue
			}
			c := &Curve{Cuts: []float64{a}, Coef: [][]float64{s.Left, poly}}
			if !math.IsInf(b, 0) {
				c.Cuts, c.Coef = append(c.Cuts, b), append(c.Coef, s.Right)
			}
			loss := 0.0
			for i, w := range d.W {
				x, y := d.At(i), 0.0
				switch {
				case x < a:
					y = tail(s.Left, x)
				case x >= b:
					y = tail(s.Right, x)
				default:
					for _, k := range slices.Backward(poly) {
						y = y*x + k
					}
				}
				loss += w * (y - ys[i]) * (y - ys[i])
			}
			if loss < least {
				best, least = c, loss
			}
		}
	}
	best.RMS, best.Worst = d.Errors(s.F, best.Eval)
	return best
}

// polynomial fits ys on [lo, hi) by weighted least squares.
func (d *Density) polynomial(ys []float64, lo, hi float64, degree int) []float64 {
	n := degree + 1
	ata := make([][]float64, n)
	for i := range ata {
		ata[i] = make([]float64, n+1)
	}
	powers := make([]float64, n)
	for i, w := range d.W {
		x := d.At(i)
		if x < lo || x >= hi {
			continue
		}
		p := 1.0
		for k := range powers {
			powers[k], p = p, p*x
		}
		for r := range n {
			for c := range n {
				ata[r][c] += w * powers[r] * powers[c]
			}
			ata[r][n] += w * powers[r] * ys[i]
		}
	}
	return gauss(ata)
}

// values evaluates f at every bin.
func (d *Density) values(f func(float64) float64) []float64 {
	ys := make([]float64, len(d.W))
	for i := range ys {
		ys[i] = f(d.At(i))
	}
	return ys
}
