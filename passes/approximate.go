package passes

import (
	"fmt"
	"math"

	"nimbus/ir"
)

// Approximate replaces scalar functions by fitted piecewise quadratics.
var Approximate = Pass{
	Name: "approximate",
	Doc: `replace scalar functions by piecewise quadratics fitted to their inputs

Each op gets its own fit, weighted by the distribution of its inputs on the
calibration text (Nimbus, section 4.2). The pieces meet at the cuts, so a
comparison may drop low bits: near a cut both neighbours are right. Only squares
are needed, which cost half a product. There are as few pieces as the function's
error budget allows, since each costs a comparison. The cuts, coefficients,
expected and worst error stand in the op.`,
	In: "nn", Out: "nn",
	Run: func(m *ir.Module, o *Options) error {
		var err error
		e := ir.Catch(func() {
			for _, f := range m.Funcs {
				f.Rewrite(func(b *ir.Builder, op *ir.Op) []*ir.Value {
					if err != nil {
						return nil
					}
					name, ok := functionOf(op)
					if !ok {
						return nil
					}
					var r FitReport
					if r, err = fitOp(op, name, o); err != nil {
						err = fmt.Errorf("%s of %%%s: %w", op.Name, op.X(0).Name, err)
						return nil
					}
					if o.Fitted != nil {
						o.Fitted(r)
					}
					var coef []any
					for _, c := range r.Fit.Coef {
						coef = append(coef, []any{c[0], c[1], c[2]})
					}
					attrs := ir.A("fn", ir.Ident(name), "cuts", r.Fit.Cuts, "coef", coef, "lo", r.Density.Lo, "hi", r.Density.Hi,
						"rms", round3(r.Fit.RMS), "worst", round3(r.Fit.Worst))
					for _, name := range []string{"range", "bound"} {
						if r, ok := op.Attrs.Get(name); ok {
							attrs.Set(name, r)
						}
					}
					return []*ir.Value{b.Op1("nn.piecewise", op.Result().Name, attrs, op.X(0))}
				})
			}
		})
		if err == nil {
			err = e
		}
		return err
	},
}

// functionOf maps an op to its row in shapes.
func functionOf(op *ir.Op) (string, bool) {
	switch op.Name {
	case "nn.gelu":
		if op.Attrs.Ident("form", "erf") == "tanh" {
			return "gelu_tanh", true
		}
		return "gelu", true
	case "nn.exp", "nn.tanh", "nn.sigmoid", "nn.silu", "nn.relu", "nn.relu2":
		return op.Name[len("nn."):], true
	}
	return "", false
}

// A FitReport says what was fitted to one op, and to which inputs.
type FitReport struct {
	Op      *ir.Op // before it was replaced
	Shape   Shape
	Density *Density
	Budget  float64
	Fit     *Fit
}

// fitOp fits one op to the inputs that calibration saw, over the function's
// interval.
func fitOp(op *ir.Op, name string, o *Options) (FitReport, error) {
	s, _ := Function(name)
	r := FitReport{Op: op, Shape: s, Budget: s.Budget}
	if b, ok := o.ErrorBudget[name]; ok {
		r.Budget = b
	} else if b, ok := o.ErrorBudget[""]; ok {
		r.Budget = b
	}
	var xs []float64
	if o.Stats != nil {
		if xs = o.Stats.Samples[op.X(0).Name]; len(xs) == 0 {
			return r, fmt.Errorf("the calibration run saw no input; give more text")
		}
	}
	if d := op.X(0).Def; name == "exp" && d != nil && d.Name == "nn.sub" && d.W(1) == nil && d.X(1).Def != nil && d.X(1).Def.Name == "nn.max" {
		xs = shifted(xs)
	}
	r.Density = NewDensity(xs, s.Lo, s.Hi)
	var err error
	r.Fit, err = FitWithin(s, r.Budget, r.Density)
	return r, err
}

// shifted is where the exponential's inputs lie once the largest score of their
// row is rounded up, by a unit of maxFrac on average.
func shifted(xs []float64) []float64 {
	out := make([]float64, len(xs))
	for i, x := range xs {
		out[i] = x - maxSlack*[...]float64{0.25, 0.5, 0.75, 0.5}[i%4]
	}
	return out
}

// round3 keeps three significant digits: enough for a report, and stable text.
func round3(x float64) float64 {
	if x == 0 {
		return 0
	}
	s := math.Pow(10, 2-math.Floor(math.Log10(math.Abs(x))))
	return math.Round(x*s) / s
}
