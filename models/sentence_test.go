package models_test

import (
	"encoding/csv"
	"math"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"

	"nimbus/frontend"
	"nimbus/ir/eval"
	"nimbus/passes"
	"nimbus/tests/modeltest"
	"nimbus/tests/shared"
)

// TestSimilarity holds the twin of all-MiniLM-L6-v2 against real numbers on
// pairs of STS-B: 25 of them, all 1500 with NIMBUS_ALL=1. NIMBUS_MINILM names
// the model's folder, which is in no shared place.
func TestSimilarity(t *testing.T) {
	dir := os.Getenv("NIMBUS_MINILM")
	if dir == "" {
		t.Skip("NIMBUS_MINILM names no folder of all-MiniLM-L6-v2")
	}
	f, err := os.Open(shared.Path(t, "data", "stsb", "stsb-en-dev.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	pairs, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	m := modeltest.Open(t, dir, frontend.Set{"seq": 32})
	var examples []passes.Example // from the end of the file
	for i := range 24 {
		e, err := m.Text(pairs[len(pairs)-1-7*i][i%2])
		if err != nil {
			t.Fatal(err)
		}
		examples = append(examples, e)
	}
	if os.Getenv("NIMBUS_ALL") == "" {
		pairs = pairs[:1200]
		for i := range 25 {
			pairs[i] = pairs[i*48]
		}
		pairs = pairs[:25]
	}
	programs := []*eval.Program{m.Program(t, m.Module, eval.Options{}), m.Program(t, m.Compile(t, examples, passes.Options{}), eval.Options{})}
	gold, real, fixed := make([]float64, len(pairs)), make([]float64, len(pairs)), make([]float64, len(pairs))
	worst := 0.0
	var mu sync.Mutex
	modeltest.Each(t, len(pairs), func(i int) error {
		var vectors [2][2][]float64
		for side := range 2 {
			in, err := m.Text(pairs[i][side])
			if err != nil {
				return err
			}
			for k, p := range programs {
				out, err := p.Run("main", in.Inputs)
				if err != nil {
					return err
				}
				vectors[k][side] = out[0].Reals()
			}
		}
		mu.Lock()
		defer mu.Unlock()
		gold[i], _ = strconv.ParseFloat(pairs[i][2], 64)
		real[i], fixed[i] = dot(vectors[0]), dot(vectors[1])
		worst = max(worst, math.Abs(real[i]-fixed[i]))
		return nil
	})
	a, c := spearman(gold, real), spearman(gold, fixed)
	t.Logf("%d pairs: float %.4f, fixed point %.4f; similarities differ by at most %.4f", len(pairs), a, c, worst)
	if worst > 0.05 {
		t.Errorf("a similarity is off by %.4f", worst)
	}
	if len(pairs) == 1500 && math.Abs(a-c) > 0.002 {
		t.Errorf("Spearman %.4f and %.4f differ by more than 0.002", a, c)
	}
}

func dot(v [2][]float64) float64 {
	s, a, b := 0.0, 0.0, 0.0
	for i, x := range v[0] {
		y := v[1][i]
		s, a, b = s+x*y, a+x*x, b+y*y
	}
	return s / math.Sqrt(a*b)
}

// spearman is the correlation of ranks; ties share the mean of theirs.
func spearman(x, y []float64) float64 {
	a, b := ranks(x), ranks(y)
	mean := float64(len(x)-1) / 2
	ab, aa, bb := 0.0, 0.0, 0.0
	for i := range a {
		ab += (a[i] - mean) * (b[i] - mean)
		aa += (a[i] - mean) * (a[i] - mean)
		bb += (b[i] - mean) * (b[i] - mean)
	}
	return ab / math.Sqrt(aa*bb)
}

func ranks(x []float64) []float64 {
	order := make([]int, len(x))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int {
		if x[i] < x[j] {
			return -1
		}
		if x[i] > x[j] {
			return 1
		}
		return 0
	})
	out := make([]float64, len(x))
	for i := 0; i < len(order); {
		j := i
		for j < len(order) && x[order[j]] == x[order[i]] {
			j++
		}
		for k := i; k < j; k++ {
			out[order[k]] = float64(i+j-1) / 2
		}
		i = j
	}
	return out
}
