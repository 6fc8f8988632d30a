package tests

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"nimbus/backend"
	"nimbus/frontend"
	"nimbus/internal/z2k"
	"nimbus/ir"
	"nimbus/ir/eval"
	"nimbus/ir/parser"
	"nimbus/ir/plan"
	"nimbus/ir/weights"
	"nimbus/passes"
	"nimbus/tests/modeltest"
)

// A randomNN builds a random module of the nn stage: the composite ops and the
// shapes that passes look for, next to ops that are in their way.
type randomNN struct {
	rng  *rand.Rand
	m    *ir.Module
	b    *ir.Builder
	s, d int
	mask *ir.Value
	src  weights.Map
	pool []*ir.Value // of shape [s, d]
}

func newRandomNN(rng *rand.Rand, ops int) *randomNN {
	g := &randomNN{rng: rng, m: ir.NewModule("random", ir.StageNN), s: 2 + rng.IntN(4), d: 4 << rng.IntN(2), src: weights.Map{}}
	g.m.Attrs.Set("seq", g.s)
	f := g.m.AddFunc("main")
	client := ir.A("owner", ir.Ident(ir.Client))
	g.mask = f.AddParam("mask", ir.TensorType(ir.IntElem(1), g.s), client)
	x := f.AddParam("x", ir.TensorType(ir.F32Elem(), g.s, g.d), client)
	g.b = ir.NewBuilder(f)
	g.pool = []*ir.Value{x}
	for range ops {
		g.op()
	}
	// Some of the last values are results; what nobody reads is for dce.
	out := slices.Clone(g.pool[max(0, len(g.pool)-1-rng.IntN(3)):])
	g.b.Return(out...)
	return g
}

func (g *randomNN) weight(shape ...int) *ir.Weight {
	attrs := ir.A("owner", ir.Ident(ir.Server))
	name := fmt.Sprintf("w%d", len(g.src))
	if g.rng.IntN(3) == 0 {
		attrs.Set("from", []string{name})
		attrs.Set("mul", []float64{0.5 + g.rng.Float64()})
	}
	file := slices.Clone(shape)
	if len(shape) == 2 && g.rng.IntN(2) == 0 {
		attrs.Set("transpose", true)
		slices.Reverse(file)
	}
	data := make([]float32, ir.TensorType(ir.F32Elem(), shape...).NumElems())
	for i := range data {
		data[i] = float32(g.rng.NormFloat64() / math.Sqrt(float64(g.d)))
	}
	g.src[name] = weights.Tensor{Shape: file, Data: data}
	return g.m.AddWeight(name, ir.TensorType(ir.F32Elem(), shape...), attrs)
}

func (g *randomNN) pick() *ir.Value { return g.pool[g.rng.IntN(len(g.pool))] }

func (g *randomNN) linear(x *ir.Value, out int) *ir.Value {
	args := []ir.Operand{x, g.weight(x.Type.Last(), out)}
	if g.rng.IntN(3) > 0 {
		args = append(args, g.weight(out))
	}
	return g.b.Op1("nn.linear", "y", nil, args...)
}

// op adds one value of shape [s, d] to the pool, and whatever leads to it.
func (g *randomNN) op() {
	b, x := g.b, g.pick()
	var y *ir.Value
	switch g.rng.IntN(13) {
	case 0:
		y = g.linear(x, g.d)
	case 1: // siblings, of which some may be joined
		for range 2 {
			g.pool = append(g.pool, g.linear(x, g.d))
		}
		y = b.Op1("nn.scale", "y", ir.A("by", g.rng.NormFloat64()), g.linear(x, g.d))
	case 2:
		heads := ir.A("heads", 1<<g.rng.IntN(3))
		q := b.Op1("nn.split_heads", "q", heads.Clone(), g.linear(x, g.d))
		k := b.Op1("nn.split_heads", "k", heads.Clone(), g.linear(x, g.d))
		v := b.Op1("nn.split_heads", "v", heads.Clone(), g.linear(x, g.d))
		if g.rng.IntN(2) == 0 {
			q = b.Op1("nn.scale", "q", ir.A("by", 0.5), q)
		}
		kt := b.Op1("nn.transpose", "kt", ir.A("perm", []int{0, 2, 1}), k)
		s := b.Op1("nn.scale", "s", ir.A("by", 0.25), b.Op1("nn.matmul", "s", nil, q, kt))
		if g.rng.IntN(2) == 0 {
			s = b.Op1("nn.add_mask", "s", nil, s, g.mask)
		}
		p := b.Op1("nn.softmax", "p", ir.A("axis", []int{2, -1}[g.rng.IntN(2)]), s)
		y = b.Op1("nn.merge_heads", "y", nil, b.Op1("nn.matmul", "c", nil, p, v))
	case 3:
		// Of a linear layer of the input, whose variance makes eps negligible: expand drops it.
		args := []ir.Operand{g.linear(g.pool[0], g.d)}
		for range g.rng.IntN(3) {
			args = append(args, g.weight(g.d))
		}
		y = b.Op1("nn.layernorm", "y", ir.A("eps", 1e-15), args...)
	case 4:
		y = b.Op1("nn."+[]string{"gelu", "tanh", "relu", "relu2", "sigmoid", "silu"}[g.rng.IntN(6)], "y", nil, x)
	case 5:
		y = b.Op1("nn."+[]string{"add", "sub", "mul"}[g.rng.IntN(3)], "y", nil, x, g.pick())
	case 6: // the same twice, which cse sees
		y = b.Op1("nn.add", "y", nil, b.Op1("nn.tanh", "t", nil, x), b.Op1("nn.tanh", "t", nil, x))
	case 12: // almost the same twice
		y = b.Op1("nn.sub", "y", nil, b.Op1("nn.scale", "t", ir.A("by", 2.0), x), b.Op1("nn.scale", "t", ir.A("by", 0.5), x))
	case 7:
		y = b.Op1("nn.sub", "y", nil, x, b.Op1("nn."+[]string{"max", "sum"}[g.rng.IntN(2)], "m", ir.A("axis", 1), x))
	case 8: // a scale whose origin somebody else reads too
		l := g.linear(x, g.d)
		g.pool = append(g.pool, l)
		y = b.Op1("nn.scale", "y", ir.A("by", 3.0), l)
	case 9: // a wide layer cut in parts, one of which is scaled
		parts := b.Op("nn.split", []string{"a", "b"}, ir.A("axis", 1), g.linear(x, 2*g.d))
		g.pool = append(g.pool, parts[1])
		y = b.Op1("nn.scale", "y", ir.A("by", -0.5), parts[0])
	case 10: // a scale before shapes change
		t := b.Op1("nn.transpose", "t", ir.A("perm", []int{1, 0}), b.Op1("nn.scale", "t", ir.A("by", 1.5), g.linear(x, g.d)))
		y = b.Op1("nn.transpose", "y", ir.A("perm", []int{1, 0}), t)
	case 11: // one weight with two readers
		w := g.weight(g.d, g.d)
		g.pool = append(g.pool, b.Op1("nn.linear", "y", nil, g.pick(), w))
		y = b.Op1("nn.scale", "y", ir.A("by", 2.0), b.Op1("nn.linear", "y", nil, x, w))
	}
	// Keep numbers tame, so that the comparison means something.
	g.pool = append(g.pool, b.Op1("nn.tanh", "v", nil, y))
}

// results runs main.
func results(t *testing.T, m *ir.Module, in map[string]eval.Value, src weights.Source) []eval.Value {
	t.Helper()
	out, err := eval.Run(m, "main", in, src)
	if err != nil {
		t.Fatalf("%v\n%s", err, m)
	}
	return out
}

// near compares results of real numbers.
func near(t *testing.T, what string, a, b []eval.Value, most float64) {
	t.Helper()
	for k := range a {
		x, y := a[k].Reals(), b[k].Reals()
		if len(x) != len(y) {
			t.Errorf("%s: result %d has %d elements, before %d", what, k, len(y), len(x))
			continue
		}
		for i := range x {
			if !(math.Abs(x[i]-y[i]) <= most*(1+math.Abs(x[i]))) {
				t.Errorf("%s: result %d element %d is %v, before %v", what, k, i, y[i], x[i])
				return
			}
		}
	}
}

// exact compares results in rings.
func exact(t *testing.T, what string, a, b []eval.Value) {
	t.Helper()
	for k := range a {
		if !slices.Equal(a[k].Ring, b[k].Ring) {
			t.Errorf("%s: result %d differs", what, k)
		}
	}
}

// TestNNPasses: the passes of the nn stage that only rewrite change no result,
// each alone and one after the other.
func TestNNPasses(t *testing.T) {
	n := 150
	if testing.Short() {
		n = 20
	}
	rng := newRand(t, 1)
	for i := range n {
		g := newRandomNN(rng, 1+rng.IntN(8))
		in := modeltest.Input(rng, g.m).Inputs
		want := results(t, g.m, in, g.src)
		all := g.m.Clone()
		for _, p := range []passes.Pass{passes.Expand, passes.FuseQKV, passes.FoldScale, passes.CSE, passes.DCE, passes.Tidy} {
			one := g.m.Clone()
			for _, m := range []*ir.Module{one, all} {
				before := m.String()
				if err := passes.Run(m, []passes.Pass{p}, nil, nil); err != nil {
					t.Fatalf("module %d: %v\n%s", i, err, before)
				}
				near(t, p.Name, want, results(t, m, in, g.src), 1e-9)
				// Text is all that the next program sees.
				again, err := parser.Parse("again", m.String())
				if err != nil {
					t.Fatalf("module %d: after %s: %v", i, p.Name, err)
				}
				if again.String() != m.String() {
					t.Errorf("module %d: after %s: printing is not stable", i, p.Name)
				}
				if t.Failed() {
					t.Fatalf("module %d before %s:\n%s\nafter:\n%s", i, p.Name, before, m)
				}
			}
		}
	}
}

// A randomFX builds a random module of the fx stage with formats of all sorts.
type randomFX struct {
	rng  *rand.Rand
	m    *ir.Module
	b    *ir.Builder
	src  weights.Map
	pool []*ir.Value
	mag  map[*ir.Value]float64 // bound of the raw magnitude
}

func newRandomFX(rng *rand.Rand, ops int) *randomFX {
	g := &randomFX{rng: rng, m: ir.NewModule("random", ir.StageFx), src: weights.Map{}, mag: map[*ir.Value]float64{}}
	f := g.m.AddFunc("main")
	s, d := 2+rng.IntN(3), 4<<rng.IntN(2)
	for i := range 2 {
		l := 24 + rng.IntN(20)
		x := f.AddParam(fmt.Sprintf("x%d", i), ir.TensorType(ir.FxElem(l, 4+rng.IntN(8)), s, d), ir.A("owner", ir.Ident(ir.Client)))
		g.add(x, 1<<12)
	}
	f.Attrs.Set("undropped", true) // whatever ends it
	g.b = ir.NewBuilder(f)
	if rng.IntN(2) == 0 {
		g.b.Tag = ir.A("layer", 0)
	}
	for range ops {
		g.op()
	}
	g.b.Return(g.pool[len(g.pool)-1], g.pool[len(g.pool)-2])
	return g
}

// add puts a value into the pool whose raw magnitude is at most mag.
func (g *randomFX) add(v *ir.Value, mag float64) *ir.Value {
	g.mag[v] = mag
	g.pool = append(g.pool, v)
	return v
}

func (g *randomFX) weight(e ir.Elem, shape ...int) *ir.Weight {
	name := fmt.Sprintf("w%d", len(g.src))
	t := ir.TensorType(e, shape...)
	data := make([]float32, t.NumElems())
	for i := range data {
		data[i] = float32(math.Ldexp(float64(g.rng.IntN(16)-8), -e.Frac))
	}
	g.src[name] = weights.Tensor{Shape: shape, Data: data}
	return g.m.AddWeight(name, t, ir.A("owner", ir.Ident(ir.Server)))
}

// cast converts x to e, if x leaves the two free bits that protocols want.
func (g *randomFX) cast(x *ir.Value, e ir.Elem) *ir.Value {
	from, mag := x.Type.Elem, g.mag[x]
	if from == e {
		return x
	}
	out := math.Ldexp(mag, e.Frac-from.Frac) + 1
	if mag >= math.Ldexp(1, from.Width-3) || out >= math.Ldexp(1, e.Width-3) {
		return nil
	}
	r := math.Ldexp(mag, -from.Frac)
	return g.add(g.b.Op1T("fx.cast", "c", ir.A("range", []float64{-r, r}), x.Type.WithElem(e), x), out)
}

func (g *randomFX) op() {
	b, rng := g.b, g.rng
	x := g.pool[rng.IntN(len(g.pool))]
	e, mag := x.Type.Elem, g.mag[x]
	fits := func(m float64, width int) bool { return m < math.Ldexp(1, width-1) }
	switch rng.IntN(9) {
	case 0, 1:
		l := 12 + rng.IntN(45)
		g.cast(x, ir.FxElem(l, rng.IntN(min(l-2, 24))))
	case 2:
		if y := g.cast(g.pool[rng.IntN(len(g.pool))], e); y != nil && y.Type.SameShape(x.Type) && fits(mag+g.mag[y], e.Width) {
			g.add(b.Op1("fx."+[]string{"add", "sub"}[rng.IntN(2)], "y", nil, x, y), mag+g.mag[y])
		}
	case 3:
		if fits(mag*mag, e.Width) && 2*e.Frac <= e.Width-2 {
			g.add(b.Op1T("fx.square", "y", nil, x.Type.WithElem(ir.FxElem(e.Width, 2*e.Frac)), x), mag*mag)
		}
	case 4:
		if m := mag * 8 * float64(x.Type.Last()); x.Type.Rank() == 2 && fits(m, e.Width) && e.Frac+2 <= e.Width-2 {
			g.add(b.Op1("fx.matmul", "y", nil, x, g.weight(ir.FxElem(e.Width, 2), x.Type.Last(), 4)), m)
		}
	case 5:
		if m := mag * float64(x.Type.Last()); fits(m, e.Width) {
			g.add(b.Op1("fx.sum", "y", nil, x), m)
		}
	case 6:
		if fits(mag*16, e.Width) && e.Frac+4 <= e.Width-2 {
			g.add(b.Op1("fx.shl", "y", ir.A("bits", 4), x), mag*16)
		}
	case 7:
		if fits(2*mag, e.Width) {
			g.add(b.Op1("fx.max", "y", ir.A("keep", e.Width, "drop", 0), x), mag)
		}
	case 8: // twice the same, or almost
		if fits(mag+2, e.Width) {
			for range 2 {
				c := ir.A("value", math.Ldexp(float64(1+rng.IntN(2)), -e.Frac))
				g.add(b.Op1("fx.add_const", "y", c, x), mag+2)
			}
		}
	}
}

// inputs draws raw inputs within the magnitude of the parameters.
func (g *randomFX) inputs() map[string]eval.Value {
	in := map[string]eval.Value{}
	for _, p := range g.m.Func("main").Params {
		v := make([]uint64, p.Type.NumElems())
		for i := range v {
			v[i] = z2k.FromInt(uniform(g.rng, -1<<12, 1<<12), p.Type.Elem.Width)
		}
		in[p.Name] = eval.Value{Ring: v}
	}
	return in
}

// TestFxPasses: interleave, cse, dce and tidy change no bit; insert-trunc rounds where the
// conversion did, and so changes none either; the plan computes what the fx
// module does.
func TestFxPasses(t *testing.T) {
	n := 300
	if testing.Short() {
		n = 40
	}
	rng := newRand(t, 2)
	casts, lowered := 0, 0
	for i := range n {
		g := newRandomFX(rng, 2+rng.IntN(14))
		in := g.inputs()
		want := results(t, g.m, in, g.src)
		m := g.m
		o := &passes.Options{Parts: 1 + rng.IntN(3)}
		for _, p := range []passes.Pass{passes.CSE, passes.InsertTrunc, passes.Interleave, passes.CSE, passes.DCE, passes.Tidy} {
			before := m.String()
			if err := passes.Run(m, []passes.Pass{p}, o, nil); err != nil {
				t.Fatalf("module %d: %v\n%s", i, err, before)
			}
			exact(t, p.Name, want, results(t, m, in, g.src))
			if t.Failed() {
				t.Fatalf("module %d before %s:\n%s\nafter:\n%s", i, p.Name, before, m)
			}
		}
		for _, op := range m.Func("main").Body {
			if op.Name == "fx.trunc" || op.Name == "fx.extend" || op.Name == "fx.shrink" {
				casts++
			}
		}
		before := m.String()
		if err := backend.Lower(m, backend.Options{}); err != nil {
			continue // a product of random widths may have no parameter set
		}
		lowered++
		exact(t, "lower", want, results(t, m, in, g.src))
		again, err := plan.Parse("again", m.String())
		if err != nil {
			t.Fatalf("module %d: the plan does not read back: %v\n%s", i, err, m)
		}
		exact(t, "parse", want, results(t, again, in, g.src))
		if t.Failed() {
			t.Fatalf("module %d before lower:\n%s\nafter:\n%s", i, before, m)
		}
	}
	if casts < n/2 || lowered < n/2 {
		t.Errorf("only %d conversions and %d plans of %d modules", casts, lowered, n)
	}
}

// TestPipeline takes transformers of random sizes from description to plan and
// evaluates between all passes. Each step may cost what it says: rewriting
// nothing, fits and rounding a little, everything from quantize on no bit.
func TestPipeline(t *testing.T) {
	n := 6
	if testing.Short() {
		n = 2
	}
	model := modeltest.Open(t, "bert/tiny", nil)
	rng := newRand(t, 3)
	for i := range n {
		heads := 1 << rng.IntN(3)
		set := frontend.Set{
			"seq": 4 + rng.IntN(6), "hidden": 16 * heads, "heads": heads, "layers": 1 + rng.IntN(2), "ffn": 16 + 8*rng.IntN(5),
			"vocab": 20 + rng.IntN(50), "positions": 16,
		}
		one := model.With(t, set)
		m, src := one.Module, one.Source
		var examples []passes.Example
		for range 16 {
			examples = append(examples, modeltest.Input(rng, m))
		}
		o := &passes.Options{
			Observe: func(m *ir.Module) (*passes.Stats, error) { return passes.Record(m, src, examples) },
			Parts:   1 + i%3,
			Source:  src,
		}
		in := modeltest.Input(rng, m).Inputs
		last := results(t, m, in, src)
		for _, p := range passes.Default() {
			if err := passes.Run(m, []passes.Pass{p}, o, nil); err != nil {
				t.Fatalf("%v: %v", set, err)
			}
			now := results(t, m, in, src)
			switch {
			case p.Name == "approximate":
				near(t, p.Name, last, now, 0.2)
			case p.Name == "quantize":
				near(t, p.Name, last, now, 0.1)
			case m.Stage() == ir.StageNN:
				near(t, p.Name, last, now, 1e-9)
			default:
				exact(t, p.Name, last, now)
			}
			last = now
		}
		if err := backend.Lower(m, backend.Options{}); err != nil {
			t.Fatalf("%v: %v", set, err)
		}
		exact(t, "lower", last, results(t, m, in, src))
		if t.Failed() {
			t.Fatalf("transformer %d: %v", i, set)
		}
	}
}
