package eval

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"nimbus/ir"
	"nimbus/ir/weights"
)

// bert builds a BERT encoder with pooler and classifier: S tokens, D hidden, H
// heads, F feed-forward, L layers, V words.
type bert struct{ S, D, H, F, L, V int }

func (c bert) module() *ir.Module {
	m := ir.NewModule("bert", ir.StageNN)
	f := m.AddFunc("main")
	f32 := ir.F32Elem()
	client := ir.A("owner", ir.Ident(ir.Client))
	ids := f.AddParam("ids", ir.TensorType(ir.IntElem(32), c.S), client)
	types := f.AddParam("types", ir.TensorType(ir.IntElem(32), c.S), client)
	mask := f.AddParam("mask", ir.TensorType(ir.IntElem(1), c.S), client)
	w := func(name string, shape ...int) *ir.Weight {
		return m.AddWeight(name, ir.TensorType(f32, shape...), ir.A("owner", ir.Ident(ir.Server)))
	}
	b := ir.NewBuilder(f)
	norm := func(x *ir.Value, name string) *ir.Value {
		return b.Op1("nn.layernorm", "h", ir.A("eps", 1e-12), x, w(name+".g", c.D), w(name+".b", c.D))
	}
	linear := func(x *ir.Value, name string, in, out int) *ir.Value {
		return b.Op1("nn.linear", "y", nil, x, w(name+".w", in, out), w(name+".b", out))
	}
	x := norm(b.Op1("nn.embed", "x", nil, ids, types, w("word", c.V, c.D), w("type", 2, c.D), w("pos", c.S, c.D)), "ln0")
	heads := ir.A("heads", c.H)
	for l := range c.L {
		n := fmt.Sprintf("l%d.", l)
		b.Tag = ir.A("layer", l)
		q := b.Op1("nn.split_heads", "q", heads, linear(x, n+"q", c.D, c.D))
		k := b.Op1("nn.split_heads", "k", heads, linear(x, n+"k", c.D, c.D))
		v := b.Op1("nn.split_heads", "v", heads, linear(x, n+"v", c.D, c.D))
		kt := b.Op1("nn.transpose", "kt", ir.A("perm", []int{0, 2, 1}), k)
		s := b.Op1("nn.scale", "s", ir.A("by", 1/math.Sqrt(float64(c.D/c.H))), b.Op1("nn.matmul", "s", nil, q, kt))
		p := b.Op1("nn.softmax", "p", ir.A("axis", 2), b.Op1("nn.add_mask", "s", nil, s, mask))
		ctx := b.Op1("nn.merge_heads", "ctx", nil, b.Op1("nn.matmul", "ctx", nil, p, v))
		x = norm(b.Op1("nn.add", "r", nil, x, linear(ctx, n+"o", c.D, c.D)), n+"ln1")
		u := b.Op1("nn.gelu", "u", nil, linear(x, n+"f1", c.D, c.F))
		x = norm(b.Op1("nn.add", "r", nil, x, linear(u, n+"f2", c.F, c.D)), n+"ln2")
	}
	b.Tag = nil
	first := b.Op1("nn.slice", "first", ir.A("axis", 0, "start", 0, "len", 1), x)
	pooled := b.Op1("nn.tanh", "pooled", nil, linear(first, "pool", c.D, c.D))
	b.Return(linear(pooled, "cls", c.D, 2))
	return m
}

// direct computes the same model with loops over plain slices, sharing no code
// with the package.
func (c bert) direct(w weights.Map, ids, types, mask []int) []float64 {
	at := func(name string, i int) float64 { return float64(w[name].Data[i]) }
	linear := func(x [][]float64, name string, out int) [][]float64 {
		var y [][]float64
		for _, row := range x {
			r := make([]float64, out)
			for j := range r {
				r[j] = at(name+".b", j)
				for i, v := range row {
					r[j] += v * at(name+".w", i*out+j)
				}
			}
			y = append(y, r)
		}
		return y
	}
	norm := func(x [][]float64, name string) [][]float64 {
		var y [][]float64
		for _, row := range x {
			var sum, sq float64
			for _, v := range row {
				sum += v
				sq += v * v
			}
			mean := sum / float64(c.D)
			dev := math.Sqrt(sq/float64(c.D) - mean*mean)
			r := make([]float64, c.D)
			for j, v := range row {
				r[j] = (v-mean)/dev*at(name+".g", j) + at(name+".b", j)
			}
			y = append(y, r)
		}
		return y
	}
	plus := func(a, b [][]float64) [][]float64 {
		var y [][]float64
		for i := range a {
			r := make([]float64, c.D)
			for j := range r {
				r[j] = a[i][j] + b[i][j]
			}
			y = append(y, r)
		}
		return y
	}
	var x [][]float64
	for t := range c.S {
		r := make([]float64, c.D)
		for j := range r {
			r[j] = at("word", ids[t]*c.D+j) + at("type", types[t]*c.D+j) + at("pos", t*c.D+j)
		}
		x = append(x, r)
	}
	x = norm(x, "ln0")
	for l := range c.L {
		n := fmt.Sprintf("l%d.", l)
		q, k, v := linear(x, n+"q", c.D), linear(x, n+"k", c.D), linear(x, n+"v", c.D)
		ctx := make([][]float64, c.S)
		size := c.D / c.H
		for i := range c.S {
			ctx[i] = make([]float64, c.D)
			for h := range c.H {
				e, total := make([]float64, c.S), 0.0
				for j := range c.S {
					if mask[j] == 0 {
						continue
					}
					dot := 0.0
					for d := h * size; d < (h+1)*size; d++ {
						dot += q[i][d] * k[j][d]
					}
					e[j] = math.Exp(dot / math.Sqrt(float64(size)))
					total += e[j]
				}
				for d := h * size; d < (h+1)*size; d++ {
					for j := range c.S {
						ctx[i][d] += e[j] / total * v[j][d]
					}
				}
			}
		}
		x = norm(plus(x, linear(ctx, n+"o", c.D)), n+"ln1")
		u := linear(x, n+"f1", c.F)
		for _, row := range u {
			for j, v := range row {
				row[j] = v * (1 - 0.5*math.Erfc(v/math.Sqrt2))
			}
		}
		x = norm(plus(x, linear(u, n+"f2", c.D)), n+"ln2")
	}
	pooled := linear(x[:1], "pool", c.D)
	for j, v := range pooled[0] {
		pooled[0][j] = math.Tanh(v)
	}
	return linear(pooled, "cls", 2)[0]
}

func TestBERT(t *testing.T) {
	c := bert{S: 7, D: 12, H: 3, F: 20, L: 2, V: 11}
	m := c.module()
	if err := m.Verify(); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(5, 6))
	src := randomWeights(rng, m, 0.8)
	p, err := New(m, src, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		ids, types, mask := make([]int, c.S), make([]int, c.S), make([]int, c.S)
		for i := range ids {
			ids[i], types[i] = rng.IntN(c.V), rng.IntN(2)
			if i < 2 || rng.IntN(3) > 0 {
				mask[i] = 1
			}
		}
		out, err := p.Run("main", map[string]Value{"ids": Ints(ids), "types": Ints(types), "mask": Ints(mask)})
		if err != nil {
			t.Fatal(err)
		}
		want := c.direct(src, ids, types, mask)
		for i, got := range out[0].Reals() {
			if math.Abs(got-want[i]) > 1e-9 {
				t.Errorf("logit %d: %v, want %v", i, got, want[i])
			}
		}
	}
	if _, err := p.Run("main", map[string]Value{"ids": Ints([]int{99, 0, 0, 0, 0, 0, 0}), "types": Ints(make([]int, 7)), "mask": Ints(make([]int, 7))}); err == nil {
		t.Error("a word outside the table was accepted")
	}
}

// fx is an fx module with the products and functions of c's layers, to time.
func (c bert) fx() *ir.Module {
	m := ir.NewModule("bert", ir.StageFx)
	f := m.AddFunc("main")
	wide, narrow := ir.FxElem(41, 8), ir.FxElem(25, 8)
	x := f.AddParam("x", ir.TensorType(wide, c.S, c.D), nil)
	b := ir.NewBuilder(f)
	linear := func(x *ir.Value, name string, out int) *ir.Value {
		w := m.AddWeight(name, ir.TensorType(ir.FxElem(41, 16), x.Type.Last(), out), nil)
		return b.Op1("fx.shrink", "y", ir.A("bits", 16), b.Op1("fx.matmul", "p", nil, x, w))
	}
	up := func(x *ir.Value) *ir.Value { return b.Op1T("fx.extend", "x", nil, x.Type.WithElem(wide), x) }
	for l := range c.L {
		n := fmt.Sprintf("l%d.", l)
		qkv := b.Op("fx.split", []string{"q", "k", "v"}, ir.A("axis", 1), linear(x, n+"qkv", 3*c.D))
		for i := range qkv {
			qkv[i] = b.Op1("fx.split_heads", "h", ir.A("heads", c.H), qkv[i])
		}
		s := b.Op1("fx.matmul", "s", nil, qkv[0], b.Op1("fx.transpose", "kt", ir.A("perm", []int{0, 2, 1}), qkv[1]))
		s = b.Op1T("fx.trunc", "s", ir.A("bits", 8), s.Type.WithElem(narrow), s)
		z := b.Op1("fx.sub", "z", nil, s, b.Op1("fx.max", "max", ir.A("keep", 25), s))
		e := b.Op1T("fx.piecewise", "e", ir.A("cuts", []int{-512, -256, 1}, "pieces", [][]int{{0}, {1, 256, 0}, {3, 256, 1 << 16}, {0}}, "keep", 15,
			"width_acc", 25, "frac_acc", 16, "mid_frac", 8), z.Type, z)
		ctx := b.Op1("fx.matmul", "c", nil, e, qkv[2])
		ctx = b.Op1T("fx.trunc", "c", ir.A("bits", 8), ctx.Type.WithElem(wide), ctx)
		x = up(linear(b.Op1("fx.merge_heads", "ctx", nil, ctx), n+"o", c.D))
		u := linear(x, n+"f1", c.F)
		g := b.Op1T("fx.piecewise", "g", ir.A("cuts", []int{-512, 0, 512}, "pieces", [][]int{{0}, {1, 256, 0}, {1, 256, 0}, {1, 0}}, "keep", 12, "drop", 4,
			"width_acc", 25, "frac_acc", 16, "mid_frac", 8, "width_lin", 25), u.Type, u)
		sq := b.Op1T("fx.square", "sq", nil, x.Type.WithElem(ir.FxElem(41, 16)), x)
		sum := b.Op1("fx.add_const", "sum", ir.A("value", 1.0), b.Op1("fx.sum", "sum", nil, sq))
		inv := b.Op1T("fx.rsqrt", "inv", ir.A("lo", 16, "hi", 30), sum.Type.WithElem(wide), sum)
		x = b.Op1("fx.mul", "x", nil, up(linear(up(g), n+"f2", c.D)), inv)
		x = up(b.Op1("fx.shrink", "x", ir.A("bits", 8), x))
	}
	b.Return(x)
	return m
}

// BenchmarkFx times a hidden-128 two-layer model on 32 tokens: the accuracy
// tests run hundreds of these.
func BenchmarkFx(b *testing.B) {
	c := bert{S: 32, D: 128, H: 2, F: 512, L: 2}
	m := c.fx()
	rng := rand.New(rand.NewPCG(5, 6))
	p, err := New(m, randomWeights(rng, m, 0.05), Options{})
	if err != nil {
		b.Fatal(err)
	}
	in := randomInputs(rng, m.Func("main"))
	for b.Loop() {
		if _, err := p.Run("main", in); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkNN is the same model's size at the nn stage.
func BenchmarkNN(b *testing.B) {
	c := bert{S: 32, D: 128, H: 2, F: 512, L: 2, V: 64}
	m := c.module()
	rng := rand.New(rand.NewPCG(5, 6))
	p, err := New(m, randomWeights(rng, m, 0.05), Options{})
	if err != nil {
		b.Fatal(err)
	}
	in := randomInputs(rng, m.Func("main"))
	for b.Loop() {
		if _, err := p.Run("main", in); err != nil {
			b.Fatal(err)
		}
	}
}
