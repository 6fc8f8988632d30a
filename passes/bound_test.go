package passes

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"nimbus/internal/fixed"
	"nimbus/internal/golden"
	"nimbus/ir"
	"nimbus/ir/eval"
	"nimbus/ir/weights"
)

// A block of an encoder, small: everything that has a proof of its own.
const encoder = `module @m attributes {stage = nn, seq = 6} {
  weight @g  : tensor<16xf32>    {owner = server}
  weight @b  : tensor<16xf32>    {owner = server}
  weight @wq : tensor<16x16xf32> {owner = server}
  weight @wk : tensor<16x16xf32> {owner = server}
  weight @wv : tensor<16x16xf32> {owner = server}
  weight @wo : tensor<16x16xf32> {owner = server}
  weight @w1 : tensor<16x32xf32> {owner = server}
  weight @w2 : tensor<32x16xf32> {owner = server}
  weight @c  : tensor<16xf32>    {owner = server}

  func @main(%x: tensor<6x16xf32> {range = [-8.0, 8.0]}) -> tensor<6x16xf32> {
    %n  = nn.layernorm %x, @g, @b : tensor<6x16xf32>
    %q  = nn.linear %n, @wq, @c : tensor<6x16xf32>
    %k  = nn.linear %n, @wk, @c : tensor<6x16xf32>
    %v  = nn.linear %n, @wv, @c : tensor<6x16xf32>
    %qh = nn.split_heads %q {heads = 2} : tensor<2x6x8xf32>
    %kh = nn.split_heads %k {heads = 2} : tensor<2x6x8xf32>
    %vh = nn.split_heads %v {heads = 2} : tensor<2x6x8xf32>
    %kt = nn.transpose %kh {perm = [0, 2, 1]} : tensor<2x8x6xf32>
    %s  = nn.matmul %qh, %kt : tensor<2x6x6xf32>
    %t  = nn.scale %s {by = 0.35355339} : tensor<2x6x6xf32>
    %p  = nn.softmax %t {axis = 2} : tensor<2x6x6xf32>
    %ch = nn.matmul %p, %vh : tensor<2x6x8xf32>
    %cm = nn.merge_heads %ch : tensor<6x16xf32>
    %a  = nn.linear %cm, @wo, @c : tensor<6x16xf32>
    %r  = nn.add %n, %a : tensor<6x16xf32>
    %h  = nn.layernorm %r, @g, @b : tensor<6x16xf32>
    %u  = nn.linear %h, @w1 : tensor<6x32xf32>
    %f  = nn.gelu %u : tensor<6x32xf32>
    %o  = nn.linear %f, @w2, @c : tensor<6x16xf32>
    %y  = nn.add %h, %o : tensor<6x16xf32>
    %z  = nn.layernorm %y, @g, @b : tensor<6x16xf32>
    return %z
  }
}
`

// TestBoundHolds proves ranges of a block with random weights and looks for
// inputs that leave them: rows that point where a column of a weight does, rows
// at the ends of their range, rows without any variance. None may, in real
// numbers or in the rings that rest on the proofs; but some must come near.
func TestBoundHolds(t *testing.T) {
	near := map[string]float64{} // proof -> how far the nearest value went, of the proved range
	for seed := range uint64(3) {
		rng := rand.New(rand.NewPCG(seed, 1))
		m := parse(t, "encoder.ir", encoder)
		src := weights.Map{}
		for _, w := range m.Weights {
			v := weights.Tensor{Shape: w.Type.Shape, Data: make([]float32, w.Type.NumElems())}
			for i := range v.Data {
				v.Data[i] = float32(rng.NormFloat64()) * 0.5
				if w.Name == "g" {
					v.Data[i] += 1
				}
			}
			src[w.Name] = v
		}
		var examples []Example
		for range 12 {
			examples = append(examples, Example{Inputs: row(func(int, int) float64 { return rng.NormFloat64() }), Tokens: 6})
		}
		stats := func(m *ir.Module) (*Stats, error) { return Record(m, src, examples) }
		o := &Options{Source: src, Observe: stats, Range: Proved}
		nn, err := ByName("expand,fuse-qkv,fold-scale,gain-first,calibrate,approximate,bound")
		if err != nil {
			t.Fatal(err)
		}
		real := m.Clone()
		if err := Run(real, nn, o, nil); err != nil {
			t.Fatal(err)
		}
		rings := m.Clone()
		if err := Run(rings, Default(), &Options{Source: src, Observe: stats, Range: Proved}, nil); err != nil {
			t.Fatal(err)
		}
		over := map[string]bool{}
		p, err := eval.New(real, src, eval.Options{Observe: func(_ *ir.Func, op *ir.Op, out []eval.Value) {
			r := op.Attrs.Floats("proved")
			if len(r) != 2 {
				t.Fatalf("%s of %%%s has no proof", op.Name, op.Results[0].Name)
			}
			proof := op.Attrs.Ident("proof", "")
			if proof == "spline" { // of rings alone: a real reciprocal root has no bound
				return
			}
			most := max(math.Abs(r[0]), math.Abs(r[1]))
			for _, v := range out {
				for _, x := range v.Real {
					if math.IsNaN(x) { // a row without variance, in real numbers
						continue
					}
					if x < r[0] || x > r[1] {
						over[fmt.Sprintf("%s of %%%s: %g is outside %v", op.Name, op.Results[0].Name, x, r)] = true
					}
					near[proof] = max(near[proof], math.Abs(x)/most)
				}
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		twin, err := eval.New(rings, src, eval.Options{Exceeded: func(_ *ir.Func, op *ir.Op, n int) {
			over[fmt.Sprintf("%s of %%%s: %d values do not fit", op.Name, op.Results[0].Name, n)] = true
		}})
		if err != nil {
			t.Fatal(err)
		}
		for _, in := range adversarial(rng, src) {
			for _, p := range []*eval.Program{p, twin} {
				if _, err := p.Run("main", in); err != nil {
					t.Fatal(err)
				}
			}
		}
		for s := range over {
			t.Error(s)
		}
	}
	t.Log(near)
	for proof, want := range map[string]float64{"column": 0.75, "norm": 0.7, "mean": 0.6, "bilinear": 0.35, "share": 0.9, "heads": 0.3} {
		if near[proof] < want {
			t.Errorf("proof by %s: no value came nearer than %.2f of it, want %.2f: are the inputs bad, or is the proof loose?", proof, near[proof], want)
		}
	}
}

func row(f func(i, j int) float64) map[string]eval.Value {
	x := make([]float64, 6*16)
	for i := range 6 {
		for j := range 16 {
			x[i*16+j] = min(max(f(i, j), -8), 8)
		}
	}
	return map[string]eval.Value{"x": eval.Floats(x)}
}

// adversarial makes up inputs that take the proofs at their word.
func adversarial(rng *rand.Rand, src weights.Map) []map[string]eval.Value {
	out := []map[string]eval.Value{
		row(func(int, int) float64 { return 0 }),
		row(func(int, int) float64 { return 8 }),
		row(func(_, j int) float64 { return 16*float64(j%2) - 8 }),
		row(func(_, j int) float64 { return 0.01 * float64(j%2) }),
		row(func(i, j int) float64 { return math.Ldexp(float64(j%2), -i) }),
	}
	for j := range 16 { // one large element, whose normalised value is the largest there is
		out = append(out, row(func(i, k int) float64 {
			if j == k {
				return 8
			}
			return -0.5
		}))
	}
	for _, name := range []string{"wq", "wk", "wv"} {
		w, g := src[name], src["g"]
		for range 12 {
			a, b := rng.IntN(16), rng.IntN(16)
			out = append(out, row(func(i, k int) float64 {
				column, sign := a, 1.0
				if i%2 == 1 {
					column, sign = b, -1.0
				}
				return sign * 3 * float64(w.Data[k*16+column]) * float64(g.Data[k])
			}))
		}
	}
	for range 60 {
		scale := math.Exp2(rng.Float64()*12 - 8)
		out = append(out, row(func(int, int) float64 { return scale * rng.NormFloat64() }))
	}
	return out
}

// TestInverseGrowth holds what rsqrt and recip say of inputs below the smallest
// that they are made for: the first segment's spline goes on, and grows by no
// more than the proofs count on.
func TestInverseGrowth(t *testing.T) {
	for _, c := range []struct {
		kind   fixed.InverseKind
		growth float64
	}{{fixed.Recip, recipGrowth}, {fixed.Rsqrt, rsqrtGrowth}} {
		for _, lo := range []int{6, 8, 11} {
			v := fixed.Inverse{Kind: c.kind, In: fixed.Format{Width: 24, Frac: 10}, Lo: lo, Hi: 20, Out: fixed.Format{Width: 34, Frac: 12}}
			s, err := v.Steps()
			if err != nil {
				t.Fatal(err)
			}
			first := lo
			if c.kind == fixed.Rsqrt && (lo-10)%2 != 0 {
				first--
			}
			atLo := v.Real(math.Ldexp(1, first-10))
			worst := 0.0
			for x := range uint64(1) << first {
				worst = max(worst, v.Out.Decode(s.Eval(24, x))/atLo)
			}
			if worst > c.growth || worst < 1 {
				t.Errorf("%v, lo %d: below lo up to %.3f times the value there, proofs count on %.2f", c.kind, lo, worst, c.growth)
			}
			for _, x := range []float64{0.1, 0.3, 0.5, 0.7, 0.9} { // x·inverse(x)^k never exceeds 1 by more than the error
				in := math.Ldexp(x, first-10)
				y := v.Out.Decode(s.Eval(24, uint64(math.Ldexp(in, 10))))
				if y > v.Real(in)*(1+inverseErr) {
					t.Errorf("%v, lo %d: at %g it is %g, more than the function", c.kind, lo, in, y)
				}
			}
		}
	}
}

// TestClampHolds runs a clamped residual far outside what calibration saw: no
// value may leave what its op assumes, and the rings must compute what the
// clamped real numbers are.
func TestClampHolds(t *testing.T) {
	golden.Run(t, "testdata/clamp/residual.txtar", func(t *testing.T, c *golden.Case) {
		m := parse(t, c.Path, c.Text("in.ir"))
		run := func(m *ir.Module, list string) {
			ps, err := ByName(list)
			if err != nil {
				t.Fatal(err)
			}
			if err := Run(m, ps, nil, nil); err != nil {
				t.Fatal(err)
			}
		}
		run(m, "bound,clamp")
		rings := m.Clone()
		run(rings, "quantize,insert-trunc")
		real, err := eval.New(m, nil, eval.Options{})
		if err != nil {
			t.Fatal(err)
		}
		twin, err := eval.New(rings, nil, eval.Options{Exceeded: func(_ *ir.Func, op *ir.Op, n int) {
			t.Errorf("%s of %%%s: %d values do not fit", op.Name, op.Results[0].Name, n)
		}})
		if err != nil {
			t.Fatal(err)
		}
		rng := rand.New(rand.NewPCG(5, 6))
		for _, scale := range []float64{1, 5, 100, 3999} {
			x := make([]float64, 8)
			for i := range x {
				x[i] = math.Round(scale*(2*rng.Float64()-1)*1024) / 1024
			}
			in := map[string]eval.Value{"x": eval.Floats(x)}
			want, err := real.Run("main", in)
			if err != nil {
				t.Fatal(err)
			}
			got, err := twin.Run("main", in)
			if err != nil {
				t.Fatal(err)
			}
			for i, y := range got[0].Reals() {
				if d := math.Abs(y - want[0].Real[i]); d > 0.1 {
					t.Errorf("inputs up to %g: %g, want %g", scale, y, want[0].Real[i])
				}
			}
		}
	})
}

// TestBelowPowerOfTwo quantises a difference whose range is just below what its
// ring holds: the truncation that follows wants two free bits, and a little more.
func TestBelowPowerOfTwo(t *testing.T) {
	ps, err := ByName("quantize,insert-trunc")
	if err != nil {
		t.Fatal(err)
	}
	for _, most := range []float64{1 << 25, 1<<26 - 1e-4, 1 << 26} {
		m := parse(t, "below.ir", fmt.Sprintf(`module @m attributes {stage = nn} {
  func @main(%%x: tensor<2x4xf32> {range = [-9.0, 9.0]}) -> tensor<2x4xf32> {
    %%y = nn.sub %%x, %%x {range = [-%[1]f, %[1]f]} : tensor<2x4xf32>
    return %%y
  }
}
`, most))
		if err := Run(m, ps, &Options{Margin: 1}, nil); err != nil {
			t.Errorf("±%f: %v", most, err)
		}
	}
}
