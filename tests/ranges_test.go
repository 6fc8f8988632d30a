package tests

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"nimbus/frontend"
	"nimbus/internal/prg"
	"nimbus/ir"
	"nimbus/ir/eval"
	"nimbus/passes"
	"nimbus/tests/modeltest"
	"nimbus/tests/shared"
)

// farSeq is the length that texts far outside the calibration are run at.
const farSeq = 16

// TestFarOutside runs what no calibration text is like through plans of both
// trained models: tokens at random, one token over and over, nothing but one
// token or none unmasked. In plans whose ranges are proved no value may leave
// what its op assumes, with the protocols' errors or without, and the answer
// must stay near that of real numbers. Of the calibrated plan the same inputs
// leave ranges, if it has no margin: that is what this test would find.
func TestFarOutside(t *testing.T) {
	for _, m := range []struct {
		name  string
		open  func(t *testing.T) string
		worst float64 // how far a logit may be from its real value
	}{
		{"nimbus-sst2-tiny", func(*testing.T) string { return "nimbus-sst2-tiny" }, 0.4},
		{"bert-tiny-sst2", func(t *testing.T) string { return shared.Path(t, "models", "bert-tiny-sst2") }, 0.4},
	} {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			model := modeltest.Open(t, m.open(t), frontend.Set{"seq": farSeq})
			float := model.Program(t, model.Module, eval.Options{})
			inputs, examples := farInputs(model.Module), model.Calibration(t)
			for _, mode := range passes.Ranges() {
				o := passes.Options{Range: mode}
				switch mode {
				case passes.Clamped: // widths are chosen as for a user
					o.Examples = examples
				case passes.Calibrated:
					o.Margin = 1
				}
				plan := model.Compile(t, examples, o)
				if mode == passes.Proved { // that it compiles is what there is to see
					continue
				}
				left := map[string]int{}
				exceeded := func(_ *ir.Func, op *ir.Op, n int) { left[op.Name+" of %"+op.Results[0].Name] += n }
				twin := model.Program(t, plan, eval.Options{Exceeded: exceeded})
				noisy := model.Program(t, plan, eval.Options{Exceeded: exceeded, Perturb: prg.New(prg.Seed{7})})
				worst, where := 0.0, ""
				for _, in := range inputs {
					want := run(t, float, in.values)
					for _, p := range []*eval.Program{twin, noisy} {
						got := run(t, p, in.values)
						for i, x := range want {
							if d := math.Abs(x - got[i]); d > worst {
								worst, where = d, in.name
							}
						}
					}
				}
				t.Logf("%s: logits off by at most %.3f, at %s; %d ops left their range", mode, worst, where, len(left))
				if mode == passes.Calibrated {
					if len(left) == 0 {
						t.Error("calibrated ranges hold everywhere: the inputs are not far outside")
					}
					continue
				}
				for op, n := range left {
					t.Errorf("%s: %s: %d elements are outside what it assumes", mode, op, n)
				}
				if worst > m.worst {
					t.Errorf("%s: a logit is off by %.3f at %s, want at most %g", mode, worst, where, m.worst)
				}
			}
		})
	}
}

type farInput struct {
	name   string
	values map[string]eval.Value
}

// farInputs makes up inputs for a model of text.
func farInputs(m *ir.Module) []farInput {
	rng := rand.New(rand.NewPCG(11, 12))
	vocab := m.Attrs.Int("vocab", 0)
	var out []farInput
	add := func(name string, unmasked int, id func(i int) int, kind func(i int) int) {
		ids, types, mask := make([]int, farSeq), make([]int, farSeq), make([]int, farSeq)
		for i := range ids {
			ids[i], types[i] = id(i), kind(i)
			if i < unmasked {
				mask[i] = 1
			}
		}
		out = append(out, farInput{name, map[string]eval.Value{"ids": eval.Ints(ids), "types": eval.Ints(types), "mask": eval.Ints(mask)}})
	}
	zero := func(int) int { return 0 }
	random := func(int) int { return rng.IntN(vocab) }
	for range 6 {
		add("random tokens", farSeq, random, zero)
		add("random tokens and segments", 1+rng.IntN(farSeq), random, func(int) int { return rng.IntN(2) })
	}
	for range 6 {
		a, b := rng.IntN(vocab), rng.IntN(vocab)
		add(fmt.Sprintf("token %d throughout", a), farSeq, func(int) int { return a }, zero)
		add(fmt.Sprintf("tokens %d and %d in turn", a, b), farSeq, func(i int) int { return []int{a, b}[i%2] }, zero)
		add(fmt.Sprintf("token %d alone", a), 1, func(int) int { return a }, zero)
	}
	add("padding throughout", farSeq, zero, zero)
	add("no token at all", 0, random, zero)
	return out
}

func run(t *testing.T, p *eval.Program, in map[string]eval.Value) []float64 {
	t.Helper()
	out, err := p.Run("main", in)
	if err != nil {
		t.Fatal(err)
	}
	return out[0].Reals()
}
