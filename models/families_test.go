package models_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"nimbus/backend"
	"nimbus/frontend"
	"nimbus/frontend/bundle"
	"nimbus/ir"
	"nimbus/ir/eval"
	"nimbus/passes"
)

// TestFamilies compiles a small model of every family and holds the plan's twin
// against real numbers, and its layers in parts against whole ones, on inputs that calibration did not see.
func TestFamilies(t *testing.T) {
	for _, c := range []struct {
		name  string
		head  string  // where the description has several
		worst float64 // how far an output may be from its real value
	}{
		{"bert/tiny", "tokens", 0.1},
		{"bert/tiny", "words", 0.2},
		{"distilbert/tiny", "", 0.1},
		{"electra/tiny", "", 0.1},
		{"roberta/tiny", "", 0.1},
		{"albert/tiny", "", 0.1},
		{"sentence/tiny", "", 0.05},
		{"vit/tiny", "", 0.1},
	} {
		t.Run(c.name+" "+c.head, func(t *testing.T) {
			t.Parallel()
			b, err := bundle.Open(c.name)
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			set := frontend.Set{}
			if c.head != "" {
				set["head"] = c.head
			}
			m, err := b.Module(set)
			if err != nil {
				t.Fatal(err)
			}
			src, err := b.Weights(set)
			if err != nil {
				t.Fatal(err)
			}
			rng := rand.New(rand.NewPCG(1, 2))
			var examples []passes.Example
			for range 24 {
				examples = append(examples, modelInput(rng, m))
			}
			plan := m.Clone()
			var whole *ir.Module // before its layers were cut
			job := backend.Job{Source: src, Examples: examples, Passes: passes.Options{Parts: 2}}
			for _, p := range passes.Default() {
				if p.Name == passes.Interleave.Name {
					run := p.Run
					p.Run = func(m *ir.Module, o *passes.Options) error { whole = m.Clone(); return run(m, o) }
				}
				job.Pipeline = append(job.Pipeline, p)
			}
			if err := backend.Compile(plan, job); err != nil {
				t.Fatal(err)
			}
			checkDomains(t, plan)
			float, err := eval.New(m, src, eval.Options{})
			if err != nil {
				t.Fatal(err)
			}
			twin, err := eval.New(plan, src, eval.Options{Exceeded: func(_ *ir.Func, op *ir.Op, n int) {
				t.Errorf("%s of %%%s: %d elements are outside what it assumes", op.Name, op.Results[0].Name, n)
			}})
			if err != nil {
				t.Fatal(err)
			}
			worst, spread := 0.0, 0.0
			for range 8 {
				e := modelInput(rng, m)
				x, err := float.Run("main", e.Inputs)
				if err != nil {
					t.Fatal(err)
				}
				y, err := twin.Run("main", e.Inputs)
				if err != nil {
					t.Fatal(err)
				}
				z, err := eval.Run(whole, "main", e.Inputs, src)
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(y[0].Ring, z[0].Ring) {
					t.Error("layers in parts give another result than whole ones")
				}
				for i, v := range x[0].Reals() {
					worst = max(worst, math.Abs(v-y[0].Reals()[i]))
					spread = max(spread, math.Abs(v))
				}
			}
			t.Logf("outputs up to %.2f, off by at most %.4f; tolerance %d", spread, worst, plan.Attrs.Int("tolerance", 0))
			if worst > c.worst {
				t.Errorf("off by %g, want at most %g", worst, c.worst)
			}
		})
	}
}

// modelInput makes up an input for m: token numbers, a mask of a prefix, the
// mean over what it masks, reals in their stated range.
func modelInput(rng *rand.Rand, m *ir.Module) passes.Example {
	seq := m.Attrs.Int("seq", 0)
	e := passes.Example{Inputs: map[string]eval.Value{}, Tokens: seq}
	main := m.Func("main")
	if main.Param("mask") != nil {
		e.Tokens = 1 + rng.IntN(seq)
	}
	for _, p := range main.Params {
		v := make([]float64, p.Type.NumElems())
		r := p.Attrs.Floats("range")
		for i := range v {
			switch p.Name {
			case "ids":
				v[i] = float64(rng.IntN(m.Attrs.Int("vocab", 2)))
			case "types":
				v[i] = float64(rng.IntN(2))
			case "mask":
				if i < e.Tokens {
					v[i] = 1
				}
			case "pool":
				if i < e.Tokens {
					v[i] = 1 / float64(e.Tokens)
				}
			default:
				v[i] = min(max(rng.NormFloat64(), r[0]), r[1])
			}
		}
		if p.Type.Elem.Kind == ir.F32 {
			e.Inputs[p.Name] = eval.Floats(v)
			continue
		}
		n := make([]int, len(v))
		for i, x := range v {
			n[i] = int(x)
		}
		e.Inputs[p.Name] = eval.Ints(n)
	}
	return e
}
