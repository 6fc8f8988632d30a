package passes

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"nimbus/internal/prg"
	"nimbus/ir"
	"nimbus/ir/eval"
	"nimbus/ir/weights"
)

const mlp = `module @mlp attributes {stage = nn} {
  weight @w1 : tensor<8x16xf32> {owner = server}
  weight @w2 : tensor<16x4xf32> {owner = server}

  func @main(%x: tensor<2x8xf32> {range = [-3.0, 3.0]}) -> tensor<2x4xf32> {
    %h = nn.linear %x, @w1 : tensor<2x16xf32>
    %g = nn.gelu %h : tensor<2x16xf32>
    %y = nn.linear %g, @w2 : tensor<2x4xf32>
    return %y
  }
}
`

// bitsOfAll prices a module by the bits of all its values.
func bitsOfAll(m *ir.Module) (float64, error) {
	n := 0
	for _, f := range m.Funcs {
		for _, op := range f.Body {
			for _, r := range op.Results {
				n += r.Type.NumElems() * r.Type.Elem.Width
			}
		}
	}
	return float64(n), nil
}

// tryWidths takes mlp to fx under a budget of the results, 0 for the default, and returns it
// with its price and with the error of a run on each example, perturbed anew.
func tryWidths(t *testing.T, budget float64, change func(*Options)) (m *ir.Module, price, measured float64, err error) {
	t.Helper()
	m = parse(t, "mlp.ir", mlp)
	rng := rand.New(rand.NewPCG(1, 2))
	src := weights.Map{}
	for _, w := range m.Weights {
		v := weights.Tensor{Shape: w.Type.Shape, Data: make([]float32, w.Type.NumElems())}
		for i := range v.Data {
			v.Data[i] = float32(rng.NormFloat64()) * 0.4
		}
		src[w.Name] = v
	}
	var examples []Example
	for range 12 {
		x := make([]float64, 16)
		for i := range x {
			x[i] = max(min(rng.NormFloat64(), 3), -3)
		}
		examples = append(examples, Example{Inputs: map[string]eval.Value{"x": eval.Floats(x)}})
	}
	o := &Options{Source: src, Examples: examples, Price: bitsOfAll, ErrorBudget: map[string]float64{"gelu": 0.001},
		Observe: func(m *ir.Module) (*Stats, error) { return Record(m, src, examples) }}
	if budget > 0 {
		o.ErrorBudget[ResultsBudget] = budget
	}
	if change != nil {
		change(o)
	}
	real := m.Clone()
	if err := Run(m, Default(), o, nil); err != nil {
		return nil, 0, 0, err
	}
	noisy, err := eval.New(m, src, eval.Options{Perturb: prg.New(prg.Seed{9})})
	if err != nil {
		t.Fatal(err)
	}
	sum, size := 0.0, 0.0
	for _, e := range examples {
		x, err := eval.Run(real, "main", e.Inputs, src)
		if err != nil {
			t.Fatal(err)
		}
		y, err := noisy.Run("main", e.Inputs)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range x[0].Reals() {
			d := y[0].Reals()[i] - v
			sum, size = sum+d*d, size+v*v
		}
	}
	price, err = bitsOfAll(m)
	return m, price, math.Sqrt(sum / size), err
}

// TestWidths: what a budget allows is used, and no more; a wider budget makes a
// cheaper module, a tighter one a dearer, and the same input the same text.
func TestWidths(t *testing.T) {
	_, without, _, err := tryWidths(t, 0, func(o *Options) { o.Price = nil })
	if err != nil {
		t.Fatal(err)
	}
	const tight = 0.0013 // less than the error of the default formats
	last, text := math.Inf(1), ""
	for _, budget := range []float64{tight, 0.005, 0.05} {
		m, price, measured, err := tryWidths(t, budget, nil)
		if err != nil {
			t.Fatalf("budget %g: %v", budget, err)
		}
		all, stated, asked, err := WidthsOf(m)
		if err != nil || len(all) != len(Roles) {
			t.Fatalf("budget %g: %d widths stand in the module: %v", budget, len(all), err)
		}
		t.Logf("budget %g: price %.0f of %.0f, error %.4g, stated %g", budget, price, without, measured, stated)
		if stated > budget || asked != budget {
			t.Errorf("budget %g: the module states %g within %g", budget, stated, asked)
		}
		// Other random roundings than those that the search saw.
		if measured > 1.5*budget || measured < stated/1.5 {
			t.Errorf("budget %g: error %g, and the module states %g", budget, measured, stated)
		}
		if price >= last {
			t.Errorf("budget %g: price %g, and %g under a tighter budget", budget, price, last)
		}
		if last = price; budget == tight && !slices.ContainsFunc(all, func(w Width) bool { return w.Bits > w.Default }) {
			t.Errorf("budget %g: no role has more bits than by default", budget)
		}
		text = m.String()
	}
	again, _, _, err := tryWidths(t, 0.05, nil)
	if err != nil || again.String() != text {
		t.Errorf("a second run gives another module (%v)", err)
	}
	if last >= without {
		t.Errorf("the widest budget has price %g, the default formats %g", last, without)
	}
}

// TestWidthsErrors: a budget that cannot be met, and one that nothing is measured for.
func TestWidthsErrors(t *testing.T) {
	_, _, _, err := tryWidths(t, 1e-5, nil)
	var unmet *WidthsError
	if !errors.As(err, &unmet) || unmet.Best <= 1e-5 || unmet.Fits > unmet.Best {
		t.Fatalf("an impossible budget: %v", err)
	}
	if _, _, _, err := tryWidths(t, unmet.Least(), nil); err != nil {
		t.Errorf("the budget that the error names: %v", err)
	}
	_, _, _, err = tryWidths(t, 0.01, func(o *Options) { o.Examples = nil })
	if err == nil || !strings.Contains(err.Error(), "needs calibration text") {
		t.Errorf("a budget without examples: %v", err)
	}
	if m, _, _, err := tryWidths(t, 0, func(o *Options) { o.Examples = nil }); err != nil || m.Attrs.Has(budgetAttr) {
		t.Errorf("no budget and no examples: %v", err)
	}
}
