package passes

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
)

func normal(n int, mean, std float64) []float64 {
	r := rand.New(rand.NewPCG(1, 2))
	xs := make([]float64, n)
	for i := range xs {
		xs[i] = mean + std*r.NormFloat64()
	}
	return xs
}

func TestFitShapes(t *testing.T) {
	for _, c := range []struct {
		name      string
		pieces    int
		mean, std float64
		rms       float64
	}{
		{"gelu", 1, -0.2, 1, 0.05},
		{"gelu", 2, -0.2, 1, 0.02},
		{"gelu", 3, -0.2, 1, 0.012},
		{"exp", 1, -2, 1.2, 0.06},
		{"exp", 2, -2, 1.2, 0.02},
		{"exp", 3, -2, 1.2, 0.01},
		{"tanh", 4, 0, 1.2, 0.02},
		{"sigmoid", 4, 0, 2, 0.02},
		{"silu", 4, 0, 2, 0.05},
	} {
		s, _ := Function(c.name)
		f, err := FitShape(s, c.pieces, NewDensity(normal(4000, c.mean, c.std), s.Lo, s.Hi))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		t.Logf("%s/%d: rms %.4f worst %.4f cuts %v coef %v", c.name, c.pieces, f.RMS, f.Worst, f.Cuts, f.Coef)
		if f.RMS > c.rms {
			t.Errorf("%s with %d pieces: rms %.4f, want at most %.4f", c.name, c.pieces, f.RMS, c.rms)
		}
		for i, x := range f.Cuts {
			l, r := f.Coef[i], f.Coef[i+1]
			if gap := math.Abs(l[0] - r[0] + x*(l[1]-r[1]) + x*x*(l[2]-r[2])); gap > 1e-9 {
				t.Errorf("%s: pieces %d and %d are %g apart at the cut %g", c.name, i, i+1, gap, x)
			}
		}
	}
}

// TestFitWithin holds the search for a budget: the fewest pieces that meet it,
// as many as the table's budgets are made for, and an error where none does.
func TestFitWithin(t *testing.T) {
	xs := normal(4000, -0.5, 1.2)
	for _, c := range []struct {
		name   string
		budget float64 // 0 means the function's own
		pieces int
	}{
		{"gelu", 0, 2}, {"gelu", 0.05, 1}, {"gelu", 0.0035, 4},
		{"exp", 0, 3}, {"tanh", 0, 4}, {"relu", 0, 0}, {"relu2", 0, 1}, {"relu", 1e-9, 0},
	} {
		s, _ := Function(c.name)
		if c.budget == 0 {
			c.budget = s.Budget
		}
		f, err := FitWithin(s, c.budget, NewDensity(xs, s.Lo, s.Hi))
		if err != nil {
			t.Errorf("%s within %g: %v", c.name, c.budget, err)
			continue
		}
		if n := f.Quadratics(); n != c.pieces || f.RMS > c.budget {
			t.Errorf("%s within %g: %d pieces with an error of %g, want %d", c.name, c.budget, n, f.RMS, c.pieces)
		}
	}
	s, _ := Function("tanh")
	d := NewDensity(xs, s.Lo, s.Hi)
	_, err := FitWithin(s, 1e-6, d)
	var unmet *BudgetError
	if !errors.As(err, &unmet) {
		t.Fatalf("a budget that nothing meets: %v", err)
	}
	if _, err := FitWithin(s, unmet.Least(), d); err != nil {
		t.Errorf("the budget that the error asks for: %v", err)
	}
}

func TestDensity(t *testing.T) {
	d := NewDensity([]float64{-3, -0.5, 0.5, 2}, -1, 1)
	if d.Samples != 4 || d.Outside != 0.5 {
		t.Errorf("%d samples, %g outside; want 4, 0.5", d.Samples, d.Outside)
	}
	sum := 0.0
	for _, w := range d.W {
		sum += w
	}
	if math.Abs(sum-1) > 1e-9 {
		t.Errorf("the weights sum to %g", sum)
	}
}

// TestPresets holds the paper's choice against what its authors say of it and
// against ours.
func TestPresets(t *testing.T) {
	preset, ok := PresetNamed("paper")
	if !ok {
		t.Fatal("no preset paper")
	}
	gelu, _ := Function("gelu")
	exp, _ := Function("exp")
	tanh, _ := Function("tanh")
	for _, c := range []struct {
		s         Shape
		mean, std float64
		cuts      [][2]float64 // bounds
		degree    int
		rms       float64
	}{
		{gelu, -2.3, 1.4, [][2]float64{{-2.3, -1.3}, {1.4, 2.4}}, 2, 0.03},
		{exp, -2, 1.5, [][2]float64{{-4.4, -3.6}}, 3, 0.01},
	} {
		d := NewDensity(normal(20000, c.mean, c.std), c.s.Lo, c.s.Hi)
		got := preset.Fit(c.s, d)
		t.Logf("%s: cuts %v coef %v rms %.4f worst %.4f", c.s.Name, got.Cuts, got.Coef, got.RMS, got.Worst)
		if len(got.Cuts) != len(c.cuts) || len(got.Coef[1]) != c.degree+1 {
			t.Fatalf("%s: cuts %v, coefficients %v", c.s.Name, got.Cuts, got.Coef)
		}
		for i, b := range c.cuts {
			if got.Cuts[i] < b[0] || got.Cuts[i] > b[1] {
				t.Errorf("%s: cut %g, want it in %v", c.s.Name, got.Cuts[i], b)
			}
		}
		if got.RMS > c.rms {
			t.Errorf("%s: rms %g, want at most %g", c.s.Name, got.RMS, c.rms)
		}
		ours, err := FitWithin(c.s, c.s.Budget, d)
		if err != nil || ours.RMS >= got.RMS {
			t.Errorf("%s: ours %v, %v; the paper's error is %g", c.s.Name, ours, err, got.RMS)
		}
		example, _ := PresetNamed("paper-example")
		if e := example.Fit(c.s, d); e.RMS < got.RMS {
			t.Errorf("%s: the example's error %g is below the fit's %g", c.s.Name, e.RMS, got.RMS)
		}
	}
	if c := preset.Fit(tanh, NewDensity(nil, tanh.Lo, tanh.Hi)); c != nil {
		t.Errorf("the paper has nothing for tanh, the preset %v", c)
	}
}
