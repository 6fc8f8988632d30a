package ir

import (
	"strings"
	"testing"
)

func tinyFx() *Module {
	m := NewModule("m", StageFx)
	w := m.AddWeight("w", TensorType(FxElem(30, 10), 4, 3), A("owner", Ident(Server), "from", []string{"dense.weight"}, "transpose", true))
	f := m.AddFunc("main")
	x := f.AddParam("x", TensorType(FxElem(30, 8), 2, 4), A("owner", Ident(Client)))
	b := NewBuilder(f)
	p := b.Op1("fx.matmul", "p", A("layer", 0, "part", Ident("dense")), x, w)
	y := b.Op1("fx.shrink", "p", A("bits", 10), p)
	z := b.Op1T("fx.extend", "z", nil, y.Type.WithElem(FxElem(30, 8)), y)
	b.Return(z)
	return m
}

const tinyText = `module @m attributes {stage = fx} {
  weight @w : tensor<4x3xfx30.10> {owner = server, from = ["dense.weight"], transpose}

  func @main(%x: tensor<2x4xfx30.8> {owner = client}) -> tensor<2x3xfx30.8> {
    %p   = fx.matmul %x, @w {layer = 0, part = dense} : tensor<2x3xfx30.18>
    %p_1 = fx.shrink %p {bits = 10} : tensor<2x3xfx20.8>
    %z   = fx.extend %p_1 : tensor<2x3xfx30.8>
    return %z
  }
}
`

func TestBuild(t *testing.T) {
	m := tinyFx()
	if err := m.Verify(); err != nil {
		t.Fatal(err)
	}
	if got := m.String(); got != tinyText {
		t.Errorf("got\n%s\nwant\n%s", got, tinyText)
	}
}

func TestCloneIsDeep(t *testing.T) {
	m := tinyFx()
	c := m.Clone()
	if c.String() != tinyText {
		t.Fatalf("clone differs:\n%s", c)
	}
	c.Weights[0].Attrs.Set("mul", []float64{2})
	c.Funcs[0].Body[0].Results[0].Name = "other"
	c.Funcs[0].Params[0].Type.Shape[0] = 9
	if m.String() != tinyText {
		t.Errorf("changing the clone changed the original:\n%s", m)
	}
}

// TestRewrite replaces the extend by a shift and checks that uses, tags, names
// and result types follow.
func TestRewrite(t *testing.T) {
	m := tinyFx()
	f := m.Func("main")
	f.Rewrite(func(b *Builder, op *Op) []*Value {
		switch op.Name {
		case "fx.matmul":
			y := b.Op1(op.Name, "p", op.Attrs, op.Args[0], op.Args[1])
			return []*Value{b.Op1("fx.add", "twice", nil, y, y)}
		case "fx.extend":
			return []*Value{op.X(0)}
		}
		return nil
	})
	if err := m.Verify(); err != nil {
		t.Fatal(err)
	}
	want := `  func @main(%x: tensor<2x4xfx30.8> {owner = client}) -> tensor<2x3xfx20.8> {
    %p_2   = fx.matmul %x, @w {layer = 0, part = dense} : tensor<2x3xfx30.18>
    %twice = fx.add %p_2, %p_2 {layer = 0, part = dense} : tensor<2x3xfx30.18>
    %p_1   = fx.shrink %twice {bits = 10} : tensor<2x3xfx20.8>
    return %p_1
  }
`
	if got := f.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestBuilderPlaces(t *testing.T) {
	m := tinyFx()
	f := m.Func("main")
	shrink := f.Body[1]
	NewBuilder(f).At(shrink).Op1("fx.add", "before", nil, f.Body[0].Result(), f.Body[0].Result())
	NewBuilder(f).After(shrink).Op1("fx.add", "after", nil, shrink.Result(), shrink.Result())
	var names []string
	for _, op := range f.Body {
		for _, r := range op.Results {
			names = append(names, r.Name)
		}
	}
	if got := strings.Join(names, " "); got != "p before p_1 after z" {
		t.Errorf("order: %s", got)
	}
	if n := f.RemoveDead(); n != 2 || m.String() != tinyText {
		t.Errorf("RemoveDead took %d:\n%s", n, m)
	}
}

func TestBuilderErrors(t *testing.T) {
	m := tinyFx()
	f := m.Func("main")
	x := f.Param("x")
	for _, c := range []struct {
		name string
		do   func(b *Builder)
		want string
	}{
		{"unknown op", func(b *Builder) { b.Op1("fx.nothing", "y", nil, x) }, "unknown op"},
		{"unknown attribute", func(b *Builder) { b.Op1("fx.shrink", "y", A("bits", 1, "speed", 9), x) }, "unknown attribute speed"},
		{"missing attribute", func(b *Builder) { b.Op1("fx.shrink", "y", nil, x) }, "attribute bits (an integer) is missing"},
		{"type must be stated", func(b *Builder) { b.Op1("fx.reduce", "y", nil, x) }, "the result type must be stated"},
		{"wrong stated type", func(b *Builder) { b.Op1T("fx.shrink", "y", A("bits", 1), x.Type, x) }, "result is tensor<2x4xfx29.7>, not tensor<2x4xfx30.8>"},
		{"nil weight", func(b *Builder) { b.Op1("fx.add_bias", "y", nil, x, m.Weight("none")) }, "argument 1 is nil"},
	} {
		err := Catch(func() { c.do(NewBuilder(f)) })
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
	if m.String() != tinyText {
		t.Error("a refused op changed the function")
	}
}

func TestAttrs(t *testing.T) {
	a := A("n", 3, "f", float32(0.5), "big", 1e6, "tiny", 1e-12, "one", 1.0, "on", true, "off", false,
		"word", Ident("erf"), "sym", Symbol("l0.w"), "s", "a\"b", "list", [][]float64{{1, 2}, {0.5}}, "none", []int{})
	want := `{n = 3, f = 0.5, big = 1e+06, tiny = 1e-12, one = 1.0, on, word = erf, sym = @l0.w, s = "a\"b", list = [[1.0, 2.0], [0.5]], none = []}`
	if got := a.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if a.Int("n", 0) != 3 || a.Float("n", 0) != 3 || !a.Bool("on") || a.Has("off") || a.Ident("word", "") != "erf" {
		t.Error("accessors")
	}
	if l := a.FloatLists("list"); len(l) != 2 || l[1][0] != 0.5 {
		t.Errorf("FloatLists: %v", l)
	}
	if l := a.Ints("none"); l == nil || len(l) != 0 {
		t.Errorf("Ints of an empty list: %v", l)
	}
}
