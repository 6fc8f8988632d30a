package eval

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"nimbus/internal/fixed"
	"nimbus/internal/prg"
	"nimbus/internal/z2k"
	"nimbus/ir"
	"nimbus/ir/parser"
	"nimbus/ir/weights"
)

// body parses a one-op fx function of %x (and %y, %m where given) and runs it.
func body(t *testing.T, stage, params, decl, op, typ string, in map[string]Value, src weights.Source, opt Options) Value {
	t.Helper()
	m, err := parser.Parse("t.ir", "module @t attributes {stage = "+stage+"} {\n"+decl+"\nfunc @f("+params+") -> "+typ+" {\n%r = "+op+" : "+typ+"\nreturn %r\n}\n}")
	if err != nil {
		t.Fatal(err)
	}
	p, err := New(m, src, opt)
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.Run("f", in)
	if err != nil {
		t.Fatal(err)
	}
	return out[0]
}

func raw(v Value) []int64 {
	var out []int64
	for _, x := range v.Ring {
		out = append(out, z2k.Signed(x, v.Type.Elem.Width))
	}
	return out
}

// TestFxMeaning checks small cases worked out by hand.
func TestFxMeaning(t *testing.T) {
	x := map[string]Value{"x": Ints([]int{5, -6, 7, -128})}
	bits := map[string]Value{"x": Ints([]int{5, -6, 7, -128}), "b": Ints([]int{1, 0, 0, 1})}
	pair := map[string]Value{"x": Ints([]int{5, -6, 7, -128}), "y": Ints([]int{1, 2})}
	for _, c := range []struct {
		params, decl, op, typ string
		in                    map[string]Value
		src                   weights.Map
		want                  []int64
	}{
		{"%x: tensor<4xfx8.2>", "", "fx.shrink %x {bits = 1}", "tensor<4xfx7.1>", x, nil, []int64{3, -3, 4, -64}},
		{"%x: tensor<4xfx8.2>", "", "fx.trunc %x {bits = 2}", "tensor<4xfx12.0>", x, nil, []int64{1, -1, 2, -32}},
		{"%x: tensor<4xfx8.2>", "", "fx.extend %x", "tensor<4xfx12.2>", x, nil, []int64{5, -6, 7, -128}},
		{"%x: tensor<4xfx8.2>", "", "fx.reduce %x", "tensor<4xfx4.2>", x, nil, []int64{5, -6, 7, 0}},
		{"%x: tensor<4xfx8.2>", "", "fx.cast %x", "tensor<4xfx12.4>", x, nil, []int64{20, -24, 28, -512}},
		{"%x: tensor<4xfx8.2>", "", "fx.cast %x", "tensor<4xfx12.1>", x, nil, []int64{3, -3, 4, -64}},
		{"%x: tensor<4xfx8.2>", "", "fx.shl %x {bits = 1}", "tensor<4xfx8.3>", x, nil, []int64{10, -12, 14, 0}},
		{"%x: tensor<4xfx8.2>", "", "fx.add %x, %x", "tensor<4xfx8.2>", x, nil, []int64{10, -12, 14, 0}},
		{"%x: tensor<4xfx8.2>", "", "fx.add_const %x {value = -0.5}", "tensor<4xfx8.2>", x, nil, []int64{3, -8, 5, 126}},
		{"%x: tensor<4xfx8.2>", "", "fx.mul_const %x {value = 0.75, frac = 2}", "tensor<4xfx8.4>", x, nil, []int64{15, -18, 21, -128}},
		{"%x: tensor<2x2xfx8.2>", "", "fx.number %x {bits = 2}", "tensor<2x2xfx8.4>", x, nil, []int64{21, -24, 29, 0}},
		{"%x: tensor<4xfx8.2>", "", "fx.low %x {bits = 3}", "tensor<4xfx3.0>", x, nil, []int64{-3, 2, -1, 0}},
		{"%x: tensor<2x2xfx8.2>", "", "fx.sum %x", "tensor<2x1xfx8.2>", x, nil, []int64{-1, -121}},
		{"%x: tensor<2x2xfx8.2>, %y: tensor<2x1xfx8.2>", "", "fx.sub %x, %y", "tensor<2x2xfx8.2>", pair, nil, []int64{4, -7, 5, 126}},
		{"%x: tensor<2x2xfx8.2>, %y: tensor<2x1xfx8.1>", "", "fx.mul %x, %y", "tensor<2x2xfx8.3>", pair, nil, []int64{5, -6, 14, 0}},
		{"%x: tensor<2x2xfx8.2>", "weight @g : tensor<2xfx4.0>", "fx.mul %x, @g", "tensor<2x2xfx8.2>", x, weights.Map{"g": {Shape: []int{2}, Data: []float32{-1, 3}}}, []int64{-5, -18, -7, -128}},
		{"%x: tensor<2x2xfx8.2>", "weight @g : tensor<2xfx8.2>", "fx.add_bias %x, @g", "tensor<2x2xfx8.2>", x, weights.Map{"g": {Shape: []int{2}, Data: []float32{-1, 3}}}, []int64{1, 6, 3, -116}},
		{"%x: tensor<2x2xfx8.2>", "weight @w : tensor<2x1xfx8.1>", "fx.matmul %x, @w", "tensor<2x1xfx8.3>", x, weights.Map{"w": {Shape: []int{2, 1}, Data: []float32{1, 0.5}}}, []int64{4, -114}},
		{"%x: tensor<1x2x2xfx8.2>", "", "fx.matmul %x, %x", "tensor<1x2x2xfx8.4>", x, nil, []int64{25 - 42, (-30 + 768) - 768, 35 - 896 + 768, -42 + 16384 - 16384}},
		{"%x: tensor<4xfx8.2>", "", "fx.square %x", "tensor<4xfx7.4>", x, nil, []int64{25, 36, 49, 0}},
		{"%x: tensor<1x4xfx9.2>", "", "fx.max %x {keep = 9}", "tensor<1x1xfx9.2>", x, nil, []int64{7}},
		{"%x: tensor<4xfx8.2>", "", "fx.cmp %x {cuts = [-6, 7], keep = 8}", "tensor<4x2xi1>", x, nil, []int64{-1, 0, -1, 0, -1, -1, 0, 0}},
		{"%x: tensor<4xfx8.2>, %b: tensor<4xi1>", "", "fx.mux %b, %x", "tensor<4xfx8.2>", bits, nil, []int64{5, 0, 0, -128}},
		{"%x: tensor<2x2xfx8.2>, %y: tensor<2xi1>", "", "fx.add_mask %x, %y {value = -8.0}", "tensor<2x2xfx8.2>",
			map[string]Value{"x": Ints([]int{5, -6, 7, -100}), "y": Ints([]int{1, 0})}, nil, []int64{5, -38, 7, 124}},
	} {
		got := body(t, "fx", c.params, c.decl, c.op, c.typ, c.in, c.src, Options{})
		if !slices.Equal(raw(got), c.want) {
			t.Errorf("%s: got %v, want %v", c.op, raw(got), c.want)
		}
	}
}

// TestTwins: a whole ring through the ops that internal/fixed defines.
func TestTwins(t *testing.T) {
	all := make([]int, 1<<12)
	for i := range all {
		all[i] = i - 1<<11
	}
	in := map[string]Value{"x": Ints(all)}
	got := body(t, "fx", "%x: tensor<4096xfx12.4>", "", "fx.recip %x {lo = 3, hi = 9}", "tensor<4096xfx16.10>", in, nil, Options{})
	inv := fixed.Inverse{Kind: fixed.Recip, In: fixed.Format{Width: 12, Frac: 4}, Lo: 3, Hi: 9, Out: fixed.Format{Width: 16, Frac: 10}}
	for i, x := range all {
		if want := inv.Eval(z2k.FromInt(int64(x), 12)); got.Ring[i] != want {
			t.Fatalf("recip of %d: %d, want %d", x, got.Ring[i], want)
		}
		if r := float64(x) / 16; x >= 8 && x < 512 && math.Abs(got.Reals()[i]-1/r) > 0.002/r+0.002 {
			t.Fatalf("recip of %v is %v", r, got.Reals()[i])
		}
	}
}

// TestPerturbShrink: the perturbed result is the floor or the ceiling, exact
// where nothing is lost, and right on average.
func TestPerturbShrink(t *testing.T) {
	const n = 4096
	x := make([]int, n)
	for i := range x {
		x[i] = i*7 - 9000
	}
	in := map[string]Value{"x": Ints(x)}
	for _, op := range []struct{ text, typ string }{
		{"fx.shrink %x {bits = 4}", "tensor<4096xfx20.4>"}, {"fx.trunc %x {bits = 4}", "tensor<4096xfx30.4>"},
	} {
		sum := 0.0
		for round := range 20 {
			got := raw(body(t, "fx", "%x: tensor<4096xfx24.8>", "", op.text, op.typ, in, nil, Options{Perturb: prg.New(prg.Seed{byte(round)})}))
			for i, r := range got {
				e := float64(r) - float64(x[i])/16
				if e <= -1 || e >= 1 || x[i]%16 == 0 && e != 0 {
					t.Fatalf("%s of %d gives %d", op.text, x[i], r)
				}
				sum += e
			}
		}
		if mean := sum / (20 * n); math.Abs(mean) > 0.01 {
			t.Errorf("%s: biased by %v", op.text, mean)
		}
	}
}

// TestPerturbCmp: never 1 below the cut, never 0 from cut + 2^drop on.
func TestPerturbCmp(t *testing.T) {
	x := make([]int, 64)
	for i := range x {
		x[i] = i - 32
	}
	ones := make([]int, len(x))
	for round := range 50 {
		got := body(t, "fx", "%x: tensor<64xfx12.4>", "", "fx.cmp %x {cuts = [0], keep = 8, drop = 4}", "tensor<64x1xi1>",
			map[string]Value{"x": Ints(x)}, nil, Options{Perturb: prg.New(prg.Seed{byte(round)})})
		for i, b := range got.Ring {
			ones[i] += int(b)
		}
	}
	for i, v := range x {
		switch {
		case v < 0 && ones[i] != 0, v >= 15 && ones[i] != 50, v == 7 && (ones[i] < 10 || ones[i] > 40):
			t.Errorf("x = %d: %d of 50 are ones", v, ones[i])
		}
	}
}

// TestPerturbPiecewise holds perturbed functions within MaxUlp of the twin
// away from the cuts, and within Inverse.MaxUlp for inverses.
func TestPerturbFunctions(t *testing.T) {
	x := make([]int, 2048)
	for i := range x {
		x[i] = i + 16
	}
	in := map[string]Value{"x": Ints(x)}
	for _, c := range []struct {
		op, typ string
		ulp     int
	}{
		{"fx.recip %x {lo = 4, hi = 12}", "tensor<2048xfx30.12>",
			fixed.Inverse{Kind: fixed.Recip, In: fixed.Format{Width: 30, Frac: 8}, Lo: 4, Hi: 12, Out: fixed.Format{Width: 30, Frac: 12}}.MaxUlp()},
		{"fx.rsqrt %x {lo = 4, hi = 12}", "tensor<2048xfx30.12>",
			fixed.Inverse{Kind: fixed.Rsqrt, In: fixed.Format{Width: 30, Frac: 8}, Lo: 4, Hi: 12, Out: fixed.Format{Width: 30, Frac: 12}}.MaxUlp()},
		{"fx.piecewise %x {cuts = [100, 1600], pieces = [[0], [3, 128, 1000], [1, 5]], keep = 12, width_acc = 30, frac_acc = 16, mid_frac = 10, width_lin = 30}",
			"tensor<2048xfx30.12>", 4},
	} {
		params := "%x: tensor<2048xfx30.8>"
		exact := raw(body(t, "fx", params, "", c.op, c.typ, in, nil, Options{}))
		differ := 0
		for round := range 5 {
			got := raw(body(t, "fx", params, "", c.op, c.typ, in, nil, Options{Perturb: prg.New(prg.Seed{byte(round)})}))
			for i := range got {
				e := got[i] - exact[i]
				if e < -int64(c.ulp) || e > int64(c.ulp) {
					t.Fatalf("%s of %d: %d, exactly %d, allowed %d ulp", c.op, x[i], got[i], exact[i], c.ulp)
				}
				if e != 0 {
					differ++
				}
			}
		}
		if differ == 0 {
			t.Errorf("%s: perturbed runs never differ", c.op)
		}
	}
}

func TestNoise(t *testing.T) {
	x := make([]int, 4096)
	in := map[string]Value{"x": Ints(x)}
	src := weights.Map{"w": {Shape: []int{1, 1}, Data: []float32{0}}}
	opt := Options{Perturb: prg.New(prg.Seed{9}), Noise: func(op *ir.Op) float64 { return 10 }}
	got := raw(body(t, "plan", "%x: ashare<4096x1xfx30.8>", "weight @w : private<server, 1x1xfx30.8>", "he.matmul %x, @w {set = n4096}", "ashare<4096x1xfx30.16>", in, src, opt))
	sum, sq := 0.0, 0.0
	for _, e := range got {
		sum += float64(e)
		sq += float64(e) * float64(e)
	}
	if dev := math.Sqrt(sq / 4096); dev < 9 || dev > 11 || math.Abs(sum/4096) > 1 {
		t.Errorf("deviation %v, mean %v", dev, sum/4096)
	}
}

func TestExceeded(t *testing.T) {
	x := []int{100, -128, 1, 126}
	in := map[string]Value{"x": Ints(x)}
	for _, c := range []struct {
		op, typ string
		want    int
	}{
		{"fx.add %x, %x", "tensor<4xfx8.2>", 3},
		{"fx.square %x", "tensor<4xfx8.4>", 3},
		{"fx.extend %x", "tensor<4xfx9.2>", 3},
		{"fx.reduce %x", "tensor<4xfx4.2>", 3},
		{"fx.cmp %x {cuts = [0], keep = 4, drop = 2}", "tensor<4x1xi1>", 3},
		{"fx.add_const %x {value = 1.0}", "tensor<4xfx8.2>", 1},
		{"fx.shrink %x {bits = 1, range = [-20.0, 20.0]}", "tensor<4xfx7.1>", 3},
		{"fx.shrink %x {bits = 1, range = [-32.0, 32.0]}", "tensor<4xfx7.1>", 0},
	} {
		n := 0
		body(t, "fx", "%x: tensor<4xfx8.2>", "", c.op, c.typ, in, nil, Options{Exceeded: func(_ *ir.Func, _ *ir.Op, k int) { n += k }})
		if n != c.want {
			t.Errorf("%s: %d, want %d", c.op, n, c.want)
		}
	}
}

// TestPlanIsItsTwin runs a module at fx and, renamed, as a plan.
func TestPlanIsItsTwin(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, r := range ir.Rows() {
		if r.Twin == "" {
			continue
		}
		m, err := parser.Parse("p.ir", r.Example)
		if err != nil {
			t.Fatal(err)
		}
		fx := m.Clone()
		fx.SetStage(ir.StageFx)
		clear := func(ty *ir.Type) { *ty = ty.WithKind(ir.Tensor, "") }
		for _, w := range fx.Weights {
			clear(&w.Type)
		}
		f := fx.Funcs[0]
		for _, p := range f.Params {
			clear(&p.Type)
		}
		op := f.Body[0]
		op.Name = r.Twin
		for _, name := range []string{"set", "tile", "drop_c0", "drop_c1"} {
			op.Attrs.Del(name)
		}
		for i, v := range op.Results {
			clear(&v.Type)
			clear(&f.Results[i])
		}
		src, in := randomWeights(rng, m, 1), randomInputs(rng, m.Funcs[0])
		a, err := Run(m, "f", in, src)
		if err != nil {
			t.Fatal(err)
		}
		b, err := Run(fx, "f", in, src)
		if err != nil {
			t.Fatal(err)
		}
		for i := range a {
			if !slices.Equal(a[i].Ring, b[i].Ring) {
				t.Errorf("%s differs from %s", r.Name, r.Twin)
			}
		}
	}
}
