package models_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"nimbus/frontend"
	"nimbus/ir"
	"nimbus/ir/eval"
	"nimbus/passes"
	"nimbus/tests/modeltest"
)

// TestPadding runs one text in a short and in a long plan of every family that
// takes text: the answer is the same, so a text may run in the shortest of a few
// plans, and the server learns which plan that is and nothing else. The mask is
// the client's secret and no message carries it.
func TestPadding(t *testing.T) {
	const short, long = 32, 128
	for _, c := range families {
		if c.name == "vit/tiny" {
			continue // it takes images
		}
		t.Run(c.name+" "+c.head, func(t *testing.T) {
			t.Parallel()
			set := frontend.Set{"seq": short, "positions": long + 2, "layers": 1}
			if c.head != "" {
				set["head"] = c.head
			}
			model := modeltest.Open(t, c.name, set)
			rng := rand.New(rand.NewPCG(3, 4))
			var texts [][]int
			for range 6 {
				text := make([]int, 4+rng.IntN(short-4))
				for i := range text {
					text[i] = 2 + rng.IntN(60)
				}
				texts = append(texts, text)
			}
			float, twin := map[int][][]float64{}, map[int][][]float64{}
			for _, seq := range []int{short, long} {
				set["seq"] = seq
				model = model.With(t, set)
				var examples []passes.Example
				for _, text := range texts {
					examples = append(examples, padded(model.Module, text))
				}
				plan := model.Compile(t, examples, passes.Options{})
				checkMask(t, plan)
				for _, text := range texts {
					for m, out := range map[*ir.Module]map[int][][]float64{model.Module: float, plan: twin} {
						y, err := eval.Run(m, "main", padded(m, text).Inputs, model.Source)
						if err != nil {
							t.Fatal(err)
						}
						x := y[0].Reals()
						if c.head == "tokens" || c.head == "words" { // a row for each token
							x = x[:len(text)*len(x)/seq]
						}
						out[seq] = append(out[seq], x)
					}
				}
			}
			for i := range texts {
				if d := apart(float[short][i], float[long][i]); d > 1e-9 {
					t.Errorf("text %d: padding moves real numbers by %g", i, d)
				}
				for _, seq := range []int{short, long} {
					if d := apart(float[seq][i], twin[seq][i]); d > c.worst {
						t.Errorf("text %d at %d tokens: fixed point is off by %g, want at most %g", i, seq, d, c.worst)
					}
				}
			}
		})
	}
}

// padded makes the inputs of m of a text.
func padded(m *ir.Module, text []int) passes.Example {
	e := passes.Example{Inputs: map[string]eval.Value{}, Tokens: len(text)}
	for _, p := range m.Func("main").Params {
		n, mean := make([]int, p.Type.NumElems()), make([]float64, p.Type.NumElems())
		for i := range n {
			switch {
			case i >= len(text) && p.Name == "ids":
				n[i] = 1 // whatever stands there
			case i >= len(text):
			case p.Name == "ids":
				n[i] = text[i]
			case p.Name == "mask":
				n[i] = 1
			case p.Name == "pool":
				mean[i] = 1 / float64(len(text))
			}
		}
		e.Inputs[p.Name] = eval.Ints(n)
		if p.Name == "pool" {
			e.Inputs[p.Name] = eval.Floats(mean)
		}
	}
	return e
}

// checkMask wants the mask to be the client's and read by nothing but ops
// without messages.
func checkMask(t *testing.T, plan *ir.Module) {
	t.Helper()
	main := plan.Func("main")
	mask := main.Param("mask")
	if mask == nil || mask.Type.Kind != ir.Private || mask.Type.Party != ir.Client {
		t.Fatalf("the mask is %v, want it private to the client", mask)
	}
	read := 0
	for _, op := range main.Body {
		for _, a := range op.Args {
			if a.Value == mask {
				if read++; op.Name != "ss.add_mask" {
					t.Errorf("%s reads the mask", op.Name)
				}
			}
		}
	}
	if read == 0 {
		t.Error("nothing reads the mask")
	}
}

func apart(a, b []float64) float64 {
	worst := 0.0
	for i := range a {
		worst = max(worst, math.Abs(a[i]-b[i]))
	}
	return worst
}
