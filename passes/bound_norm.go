package passes

import (
	"math"

	"nimbus/ir"
)

// sum is over the last axis; of squares the norm knows it, of exponentials that
// the largest is at 0.
func (p *prover) sum(op *ir.Op) (*reach, error) {
	x := p.x(op, 0)
	t := op.X(0).Type
	if a := op.Attrs.Int("axis", -1); a != -1 && a != t.Rank()-1 || x.swapped {
		n := float64(t.NumElems() / op.Result().Type.NumElems())
		lo, hi := x.hull()
		return within(n*min(lo, 0), n*max(hi, 0), "sum"), nil
	}
	n := t.Last()
	switch x.kind {
	case squares:
		s := x.norm * x.norm
		out := within(0, s, "norm")
		out.kind, out.of, out.by = sumSquare, x.of, 1
		return out, nil
	case positive:
		// norm is how far the row's largest is from the greatest value of the fit.
		out := within(x.hi[0]-x.norm+float64(n-1)*min(x.lo[0], 0), float64(n)*x.hi[0], "fit")
		out.kind, out.of = rowSum, op.X(0)
		return out, nil
	}
	lo, hi := 0.0, 0.0
	for j := range n {
		lo, hi = lo+x.lo[min(j, len(x.lo)-1)], hi+x.hi[min(j, len(x.lo)-1)]
	}
	s := x.rowSum(n)
	if s < max(-lo, hi) {
		return within(max(lo, -s), min(hi, s), "norm"), nil
	}
	return within(lo, hi, "sum"), nil
}

// square's norm is that of its argument, roundings included.
func (p *prover) square(op *ir.Op) (*reach, error) {
	x := p.x(op, 0)
	n := op.X(0).Type.Last()
	_, coarse := squareFracs(p.fm, p.typical(op.X(0)), leastRoot(p.uses, op))
	u := math.Ldexp(2, -coarse)
	most := x.magnitude() + u
	out := within(0, most*most, x.proof)
	out.kind, out.of = squares, op.X(0)
	out.norm = x.norm2(n) + u*math.Sqrt(float64(n))
	return out, nil
}

// typical is the largest magnitude of v on text, margin included.
func (p *prover) typical(v *ir.Value) float64 {
	if v.Def != nil {
		if r := v.Def.Attrs.Floats("range"); len(r) == 2 {
			return p.margin * max(math.Abs(r[0]), math.Abs(r[1]))
		}
	}
	return p.reach[v].magnitude()
}

// Splines of the reciprocal and the reciprocal root grow below the smallest
// input they are made for by these factors at most (internal/fixed, Inverse).
const (
	recipGrowth = 2.75
	rsqrtGrowth = 1.75
	inverseErr  = 1.0 / 256 // relative, the protocol's included
)

// rsqrt is as large as its smallest calibrated input makes it, and for smaller
// ones a little larger: the first segment's spline goes on to 0.
func (p *prover) rsqrt(op *ir.Op) (*reach, error) {
	x := p.x(op, 0)
	lo, _, ok := inverseRange(op, p.margin)
	if !ok || x.lo[0] < 0 {
		return nil, nil
	}
	e := math.Floor(math.Log2(lo))
	if math.Mod(e, 2) != 0 {
		e--
	}
	out := within(0, rsqrtGrowth*math.Exp2(-e/2), "spline")
	if x.kind == sumSquare {
		out.kind, out.of, out.by = rootInv, x.of, x.by
		frac := invFrac(p.fm, op, p.margin)
		out.norm = math.Sqrt(x.hi[0]) * math.Ldexp(1, -frac) // relative error of the smallest results
	}
	return out, nil
}

func (p *prover) recip(op *ir.Op) (*reach, error) {
	x := p.x(op, 0)
	most := math.Inf(1)
	if x.lo[0] > 0 {
		most = (1+inverseErr)/x.lo[0] + math.Ldexp(1, -p.fm.Act)
	}
	if lo, _, ok := inverseRange(op, p.margin); ok && x.lo[0] >= 0 {
		most = min(most, recipGrowth*math.Exp2(-math.Floor(math.Log2(lo))))
	}
	if math.IsInf(most, 0) {
		return nil, nil
	}
	out := within(0, most, x.proof)
	if x.kind == rowSum {
		out.kind, out.of = sumInv, x.of
	}
	return out, nil
}

// mul knows the products that make LayerNorm's rows and softmax's.
func (p *prover) mul(op *ir.Op) (*reach, error) {
	x := p.x(op, 0)
	d := op.Result().Type.Last()
	if w := op.W(1); w != nil {
		return p.gain(op, x, w, d)
	}
	y := p.x(op, 1)
	switch {
	case y.kind == rootInv && y.of == op.X(0):
		r := p.radius(y, d) + math.Sqrt(float64(d))*math.Ldexp(1, -p.fm.Act)
		out := within(-r, r, "norm")
		out.norm, out.ball = r, &ball{radius: r}
		return out, nil
	case y.kind == rootInv && x.kind == gained && y.of == x.of:
		return p.gainedNorm(op.X(0), x, y, d), nil
	case y.kind == sumInv && y.of == op.X(0):
		out := within(min(x.lo[0], 0)*y.hi[0], 1+2*inverseErr+float64(d)*max(0, -x.lo[0]), "share")
		out.kind = share
		return out, nil
	}
	a, b := x.hull()
	c, e := y.hull()
	return within(min(a*c, a*e, b*c, b*e), max(a*c, a*e, b*c, b*e), "interval"), nil
}

// radius bounds the norm of a row of n deviations times their reciprocal root y,
// by what squares are too coarse to see of the deviations more than the root of n.
func (p *prover) radius(y *reach, n int) float64 {
	_, coarse := squareFracs(p.fm, p.typical(y.of), p.leastOf(y.of))
	return (1+inverseErr+y.norm)/math.Sqrt(y.by) + math.Sqrt(float64(n))*math.Ldexp(y.hi[0], -coarse)
}

// gainedNorm bounds v, deviations times a gain, times the deviations' reciprocal
// root y: gain∘n + e with ∥n∥₂ <= r, where |e_j| <= s is what rounding after the
// gain makes, before the root and after it. Such rows lie in the ball of radius r
// whose gain is √((1+t)·gain² + (1+1/t)·c²), c = s·√n/r, for any t > 0: for every
// direction w, r·∥gain∘w∥ + s·∥w∥₁ is at most r times the norm of that gain∘w.
func (p *prover) gainedNorm(v *ir.Value, x, y *reach, n int) *reach {
	frac, _ := squareFracs(p.fm, p.typical(v), p.leastOf(y.of))
	r := p.radius(y, n)
	s := math.Ldexp(y.hi[0], -frac) + math.Ldexp(1, -p.fm.Act)
	c := s * math.Sqrt(float64(n)) / r
	t := c*math.Sqrt(float64(n))/length(x.gain) + 1e-9
	out := &reach{lo: make([]float64, n), hi: make([]float64, n), proof: "norm"}
	b := &ball{radius: r, gain: make([]float64, n)}
	most := 0.0
	for j, g := range x.gain {
		out.hi[j] = g*r + s
		out.lo[j] = -out.hi[j]
		b.gain[j] = math.Sqrt((1+t)*g*g + (1+1/t)*c*c)
		most = max(most, g)
	}
	out.norm, out.ball = most*r+s*math.Sqrt(float64(n)), b
	return out
}

// leastOf is the least root mean square of v's rows, as the square that reads it
// knows it.
func (p *prover) leastOf(v *ir.Value) float64 {
	for _, u := range p.uses[v] {
		if u.Op.Name == "nn.square" {
			return leastRoot(p.uses, u.Op)
		}
	}
	return 0
}

// gain multiplies by a vector of the server's.
func (p *prover) gain(op *ir.Op, x *reach, w *ir.Weight, d int) (*reach, error) {
	g, err := p.load(w)
	if g == nil {
		return nil, err
	}
	if len(g) != d {
		return nil, nil
	}
	s := x.spread(d)
	out := &reach{lo: make([]float64, d), hi: make([]float64, d), proof: x.proof}
	u := math.Ldexp(0.5, -p.fm.Gain)
	most := 0.0
	gain := make([]float64, d)
	for j, v := range g {
		out.lo[j] = min(s.lo[j]*v, s.hi[j]*v) - u*s.most(j)
		out.hi[j] = max(s.lo[j]*v, s.hi[j]*v) + u*s.most(j)
		gain[j] = math.Abs(v) + u // its rounding included
		most = max(most, gain[j])
	}
	out.norm = x.norm * most
	out.kind, out.of, out.gain = gained, op.X(0), gain
	if b := x.ball; b != nil && b.offset == nil && b.gain == nil {
		out.ball = &ball{radius: b.radius, gain: gain}
	}
	return out, nil
}

// piecewise is the image of a fitted function, piece by piece. A comparison that
// drops bits may take the lower piece a little above a cut, and the upper one below
// if quantize moves the cut.
func (p *prover) piecewise(op *ir.Op) (*reach, error) {
	x := p.x(op, 0)
	cuts, coef := op.Attrs.Floats("cuts"), op.Attrs.FloatLists("coef")
	name := op.Attrs.Ident("fn", "")
	below, above := blur(op)
	err := math.Ldexp(1, 1-p.fm.Act)
	if name == "exp" {
		err = math.Ldexp(1, 1-p.fm.Prob)
	}
	n := len(x.lo)
	out := &reach{lo: make([]float64, n), hi: make([]float64, n), norm: math.Inf(1), proof: "fit", swapped: x.swapped}
	over := 0.0 // by how much more than |x| it may be
	image := func(from, to float64) (lo, hi float64) {
		lo, hi = math.Inf(1), math.Inf(-1)
		for i, row := range coef {
			a, b := from, to
			if i > 0 {
				a = max(a, cuts[i-1]-below)
			}
			if i < len(cuts) {
				b = min(b, cuts[i]+above)
			}
			if a > b {
				continue
			}
			var c [3]float64
			copy(c[:], row)
			u, v := extent(c, a, b)
			lo, hi = min(lo, u), max(hi, v)
			over = max(over, excess(c, a, b))
		}
		return lo - err, hi + err
	}
	for j := range n {
		out.lo[j], out.hi[j] = image(x.lo[j], x.hi[j])
	}
	if name == clampName {
		out.proof = "clamp"
	}
	if name == "exp" {
		out.kind = positive
		least, _ := image(-maxSlack, 0)
		out.norm = out.hi[0] - least
		return out, nil
	}
	d := op.X(0).Type.Last()
	out.norm = x.norm2(d) + math.Sqrt(float64(d))*(over+err)
	return out, nil
}

func at(c []float64, x float64) float64 {
	y := 0.0
	for i := len(c) - 1; i >= 0; i-- {
		y = y*x + c[i]
	}
	return y
}

// extent is the range of c0 + c1·x + c2·x² on [lo, hi].
func extent(c [3]float64, lo, hi float64) (least, most float64) {
	u, v := at(c[:], lo), at(c[:], hi)
	least, most = min(u, v), max(u, v)
	if c[2] != 0 {
		if x := -c[1] / (2 * c[2]); x > lo && x < hi {
			u = at(c[:], x)
			least, most = min(least, u), max(most, u)
		}
	}
	return least, most
}

// excess is the most that |c0 + c1·x + c2·x²| - |x| can be on [lo, hi].
func excess(c [3]float64, lo, hi float64) float64 {
	most := 0.0
	for _, part := range [][2]float64{{lo, min(hi, 0)}, {max(lo, 0), hi}} {
		if part[0] > part[1] {
			continue
		}
		for _, s := range []float64{1, -1} { // |y| - |x| = max(±y) ∓ x, by the sign of x
			side := 1.0
			if part[1] <= 0 {
				side = -1
			}
			_, m := extent([3]float64{s * c[0], s*c[1] - side, s * c[2]}, part[0], part[1])
			most = max(most, m)
		}
	}
	return most
}
