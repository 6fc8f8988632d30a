package models_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"nimbus/backend"
	"nimbus/frontend"
	"nimbus/ir"
	"nimbus/ir/eval"
	"nimbus/passes"
	"nimbus/tests/modeltest"
)

// families are small models, one of every family and of every head.
var families = []struct {
	name  string
	head  string  // where the description has several
	worst float64 // how far an output may be from its real value
}{
	{"bert/tiny", "sequence", 0.1},
	{"bert/tiny", "tokens", 0.1},
	{"bert/tiny", "words", 0.2},
	{"distilbert/tiny", "", 0.1},
	{"electra/tiny", "", 0.1},
	{"roberta/tiny", "", 0.1},
	{"albert/tiny", "", 0.1},
	{"sentence/tiny", "", 0.05},
	{"vit/tiny", "", 0.1},
}

// TestFamilies compiles a small model of every family and holds the plan's twin
// against real numbers, and its layers in parts against whole ones, on inputs that calibration did not see.
func TestFamilies(t *testing.T) {
	for _, c := range families {
		t.Run(c.name+" "+c.head, func(t *testing.T) {
			t.Parallel()
			set := frontend.Set{}
			if c.head != "" {
				set["head"] = c.head
			}
			m := modeltest.Open(t, c.name, set)
			rng := rand.New(rand.NewPCG(1, 2))
			var examples []passes.Example
			for range 24 {
				examples = append(examples, modeltest.Input(rng, m.Module))
			}
			plan := m.Module.Clone()
			var whole *ir.Module // before its layers were cut
			job := backend.Job{Source: m.Source, Examples: examples, Passes: passes.Options{Parts: 2}}
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
			float := m.Program(t, m.Module, eval.Options{})
			twin := m.Program(t, plan, eval.Options{Exceeded: func(_ *ir.Func, op *ir.Op, n int) {
				t.Errorf("%s of %%%s: %d elements are outside what it assumes", op.Name, op.Results[0].Name, n)
			}})
			worst, spread := 0.0, 0.0
			for range 8 {
				e := modeltest.Input(rng, m.Module)
				x, err := float.Run("main", e.Inputs)
				if err != nil {
					t.Fatal(err)
				}
				y, err := twin.Run("main", e.Inputs)
				if err != nil {
					t.Fatal(err)
				}
				z, err := eval.Run(whole, "main", e.Inputs, m.Source)
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

// TestRanges compiles small models of long inputs on each kind of range: attention is
// spread thin there, and no share of it may be near one.
func TestRanges(t *testing.T) {
	for _, name := range []string{"bert/tiny", "sentence/tiny"} {
		for _, mode := range []passes.Range{passes.Proved, passes.Clamped, passes.Calibrated} {
			t.Run(name+" "+string(mode), func(t *testing.T) {
				t.Parallel()
				m := modeltest.Open(t, name, frontend.Set{"seq": int64(128), "positions": int64(128)})
				rng := rand.New(rand.NewPCG(1, 2))
				examples := []passes.Example{modeltest.Input(rng, m.Module), modeltest.Input(rng, m.Module)}
				plan := m.Compile(t, examples, passes.Options{Range: mode, Parts: 2})
				if mode != passes.Calibrated {
					checkDomains(t, plan)
				}
			})
		}
	}
}
