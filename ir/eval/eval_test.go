package eval

import (
	"math/rand/v2"
	"strings"
	"testing"

	"nimbus/internal/prg"
	"nimbus/ir"
	"nimbus/ir/parser"
	"nimbus/ir/weights"
)

// randomInputs fills every parameter of f: small reals, bits, and indices below two.
func randomInputs(rng *rand.Rand, f *ir.Func) map[string]Value {
	in := map[string]Value{}
	for _, p := range f.Params {
		n := p.Type.NumElems()
		if p.Type.Elem.Kind == ir.Int {
			v := make([]int, n)
			for i := range v {
				v[i] = rng.IntN(2)
			}
			in[p.Name] = Ints(v)
			continue
		}
		v := make([]float64, n)
		for i := range v {
			v[i] = rng.Float64() + 0.5
		}
		in[p.Name] = Floats(v)
	}
	return in
}

// randomWeights has a tensor for every weight without a recipe.
func randomWeights(rng *rand.Rand, m *ir.Module, size float64) weights.Map {
	src := weights.Map{}
	for _, w := range m.Weights {
		t := weights.Tensor{Shape: w.Type.Shape, Data: make([]float32, w.Type.NumElems())}
		for i := range t.Data {
			t.Data[i] = float32((rng.Float64()*2 - 1) * size)
		}
		src[w.Name] = t
	}
	return src
}

// TestEveryOp runs the example of every row: exactly, and perturbed.
func TestEveryOp(t *testing.T) {
	for _, r := range ir.Rows() {
		t.Run(r.Name, func(t *testing.T) {
			m, err := parser.Parse("example.ir", r.Example)
			if err != nil {
				t.Fatal(err)
			}
			rng := rand.New(rand.NewPCG(1, 1))
			src := randomWeights(rng, m, 1)
			in := randomInputs(rng, m.Funcs[0])
			seen := 0
			for _, opt := range []Options{
				{Observe: func(_ *ir.Func, op *ir.Op, out []Value) { seen += len(out) }},
				{Perturb: prg.New(prg.Seed{1}), Exceeded: func(*ir.Func, *ir.Op, int) {}},
			} {
				p, err := New(m, src, opt)
				if err != nil {
					t.Fatal(err)
				}
				out, err := p.Run("f", in)
				if err == nil && len(out) != len(m.Funcs[0].Results) {
					t.Errorf("%d results", len(out))
				}
				if err != nil {
					t.Fatal(err)
				}
				for i, v := range out {
					want := m.Funcs[0].Results[i]
					if !v.Type.Equal(want) || len(v.Reals()) != want.NumElems() {
						t.Errorf("result %d is %s with %d elements, want %s", i, v.Type, len(v.Reals()), want)
					}
				}
			}
			if seen == 0 {
				t.Error("nothing was observed")
			}
		})
	}
	for name := range table {
		if ir.Lookup(name) == nil {
			t.Errorf("eval has %s, the op tables do not", name)
		}
	}
}

func TestInputErrors(t *testing.T) {
	m, err := parser.Parse("f.ir", `module @m attributes {stage = fx} {
  weight @w : tensor<4x3xfx30.10>

  func @f(%x: tensor<2x4xfx30.8>, %ids: tensor<2xi32>) -> tensor<2x3xfx30.18> {
    %y = fx.matmul %x, @w : tensor<2x3xfx30.18>
    return %y
  }
}`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(m, nil, Options{}); err == nil || !strings.Contains(err.Error(), "no source of weights") {
		t.Errorf("no source: %v", err)
	}
	if _, err := New(m, weights.Map{}, Options{}); err == nil || !strings.Contains(err.Error(), `weight @w: tensor "w": there is no tensor "w"`) {
		t.Errorf("no weight: %v", err)
	}
	src := randomWeights(rand.New(rand.NewPCG(1, 1)), m, 1)
	x, ids := Floats(make([]float64, 8)), Ints([]int{0, 1})
	for _, c := range []struct {
		name, fn string
		in       map[string]Value
		want     string
	}{
		{"function", "g", nil, "no function @g"},
		{"missing", "f", map[string]Value{"x": x}, "no input %ids"},
		{"length", "f", map[string]Value{"x": Floats(nil), "ids": ids}, "input %x: 0 elements for tensor<2x4xfx30.8>"},
		{"kind", "f", map[string]Value{"x": x, "ids": Floats([]float64{1, 2})}, "input %ids: tensor<2xi32> wants integers"},
		{"unknown", "f", map[string]Value{"x": x, "ids": ids, "z": x}, "no parameter %z"},
		{"overflow", "f", map[string]Value{"x": Floats([]float64{0, 0, 0, 1e9, 0, 0, 0, 0}), "ids": ids}, "input %x: element 3 does not fit"},
	} {
		if _, err := Run(m, c.fn, c.in, src); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
}
