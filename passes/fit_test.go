package passes

import (
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
		s := shapes[c.name]
		s.Name, s.Pieces = c.name, c.pieces
		f, err := FitShape(s, NewDensity(normal(4000, c.mean, c.std), s.Lo, s.Hi))
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
