package plan

import (
	"errors"
	"strings"
	"testing"

	"nimbus/internal/fixed"
	"nimbus/ir"
)

const tiny = `module @tiny attributes {stage = plan, version = 2} {
  weight @w : private<server, 4x3xfx30.10>

  func @main(%in: private<client, 2x4xfx30.8>) -> private<client, 2x3xfx20.8> {
    %x   = io.share %in : ashare<2x4xfx30.8>
    %p   = he.matmul %x, @w {set = n4096} : ashare<2x3xfx30.18>
    %y   = ss.shrink %p {bits = 10} : ashare<2x3xfx20.8>
    %out = io.reveal %y {to = client} : private<client, 2x3xfx20.8>
    return %out
  }
}
`

func TestParse(t *testing.T) {
	m, err := Parse("tiny.plan", "// a comment does not count\n"+tiny)
	if err != nil {
		t.Fatal(err)
	}
	if m.String() != tiny {
		t.Errorf("printed\n%s", m)
	}
	a, b := DigestOf(m), DigestOf(m.Clone())
	if a != b || len(a.String()) != 64 {
		t.Errorf("digests %s and %s", a, b)
	}
	m.Weights[0].Attrs.Set("from", []string{"other"})
	if DigestOf(m) == a {
		t.Error("the digest does not cover recipes")
	}
}

func TestRefusals(t *testing.T) {
	edit := func(old, new string) string {
		if !strings.Contains(tiny, old) {
			t.Fatalf("no %q in the plan", old)
		}
		return strings.ReplaceAll(tiny, old, new)
	}
	for _, c := range []struct{ name, src, want string }{
		{"version", edit("version = 2", "version = 1"), "plan from another version: plan @tiny has version 1, this release executes version 2; compile the model again with this release"},
		{"unknown op of a newer version", edit("version = 2", "version = 7"), "plan from another version"},
		{"no version", edit(", version = 2", ""), "plan @tiny has no version"},
		{"stage", edit("stage = plan", "stage = fx"), `is not a plan: its stage is "fx"`},
		{"no main", edit("@main", "@other"), "a plan needs a function @main"},
		{"not revealed", strings.NewReplacer("return %out", "return %y", "-> private<client, 2x3xfx20.8>", "-> ashare<2x3xfx20.8>").Replace(tiny), "a result must be revealed"},
		{"shared input", edit("%in: private<client, 2x4xfx30.8>", "%in: ashare<2x4xfx30.8>"), "parameter %in must be private or public"},
		{"fx op", edit("ss.shrink", "fx.shrink"), "ops of fx do not belong in stage plan"},
		{"tensor type", edit("private<server, 4x3xfx30.10>", "tensor<4x3xfx30.10>"), "does not belong in stage plan"},
		{"opened otherwise", edit("io.reveal %y {to = client}", "ss.add %y, %y"), "tiny.plan:8:5: @main: ss.add: %out is ashare<2x3xfx20.8>, stated as private<client, 2x3xfx20.8>"},
		{"no set", edit(" {set = n4096}", ""), "he.matmul: attribute set (a word) is missing"},
		{"constant", edit("ss.shrink %p {bits = 10}", "ss.shrink %p {bits = 10} : ashare<2x3xfx20.8>\n    %z = ss.add_const %y {value = 5000.0}"), "ss.add_const: fixed: 5000 does not fit"},
		{"empty bound", edit("io.reveal %y", "io.reveal %y {to = client} : private<client, 2x3xfx20.8>\n    %z = ot.square %y {within = [3, 2]} : ashare<2x3xfx20.16>\n    %o2 = io.reveal %y"), "within = [3 2]: want [lo, hi]"},
		{"wide bound", edit("io.reveal %y", "io.reveal %y {to = client} : private<client, 2x3xfx20.8>\n    %z = ot.mul_ss %y, %y {within = [0, 262144]} : ashare<2x3xfx20.16>\n    %o2 = io.reveal %y"), "does not fit a ring of 20 bits four times"},
		{"nothing left of a product", edit("io.reveal %y", "io.reveal %y {to = client} : private<client, 2x3xfx20.8>\n    %z = ot.mul_ss %y, %y {within = [0, 7], drop = 4} : ashare<2x3xfx20.16>\n    %o2 = io.reveal %y"), "drop = 4 of a product with 4 choices"},
		{"syntax", "module", "tiny.plan:1:"},
	} {
		_, err := Parse("tiny.plan", c.src)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
		if strings.Contains(c.want, "another version") != errors.Is(err, ErrVersion) {
			t.Errorf("%s: ErrVersion: %v", c.name, err)
		}
	}
}

// TestOpened: which values may be opened, in a function and through calls.
func TestOpened(t *testing.T) {
	const text = `module @opened attributes {stage = plan, version = 2} {
  weight @w : private<server, 4x4xfx30.4>

  func @f(%a: ashare<4x4xfx30.8>) -> ashare<4x4xfx30.8> {
    %b = ss.transpose %a {perm = [1, 0]} : ashare<4x4xfx30.8>
    return %b
  }

  func @main(%in: private<client, 4x4xfx30.4>) -> private<client, 4x4xfxOUT> {
    %x = io.share %in : ashare<4x4xfx30.4>
    %p = he.matmul %x, @w {set = n4096} : ashare<4x4xfx30.8>
    %v = OP
    %o = io.reveal %v {to = clientMORE} : private<client, 4x4xfxOUT>
    return %o
  }
}
`
	for _, c := range []struct {
		op, out, more string
		ok            bool
	}{
		{"ss.shrink %p {bits = 4} : ashare<4x4xfx26.4>", "26.4", "", true},
		{"ss.shrink %p {bits = 0} : ashare<4x4xfx30.8>", "30.8", "", false},
		{"ss.reduce %p : ashare<4x4xfx20.8>", "20.8", "", false},
		{"ot.trunc %p {bits = 4} : ashare<4x4xfx20.4>", "20.4", "", true},
		{"ot.extend %p : ashare<4x4xfx36.8>", "36.8", "", false},
		{"ss.add %p, %p : ashare<4x4xfx30.8>", "30.8", "", false},
		{"ss.add %p, %p : ashare<4x4xfx30.8>", "30.8", ", undropped", true},
		{"ss.add %x, %x : ashare<4x4xfx30.4>", "30.4", "", true},
		{"call @f(%p) : ashare<4x4xfx30.8>", "30.8", "", false},
		{"ot.mul_ss %p, %p : ashare<4x4xfx30.16>", "30.16", "", false},
		{"ot.square %p : ashare<4x4xfx30.16>", "30.16", "", false},
		{"ot.square %x : ashare<4x4xfx30.8>", "30.8", "", true},
		{"ot.mul_ss %x, %x : ashare<4x4xfx30.8>", "30.8", "", true},
		{"ot.mul_ss %x, %x {drop = 2} : ashare<4x4xfx30.8>", "30.8", "", false},
	} {
		src := strings.NewReplacer("OP", c.op, "OUT", c.out, "MORE", c.more).Replace(text)
		_, err := Parse("opened", src)
		if refused := err != nil && strings.Contains(err.Error(), "no bits were dropped"); refused == c.ok || c.ok && err != nil {
			t.Errorf("%s%s: got error %v", c.op, c.more, err)
		}
	}
}

// Layouts that are not in the tables are refused, at either party.
func TestLayouts(t *testing.T) {
	x := ir.ShareType(ir.FxElem(20, 8), 2, 5)
	op := func(name string, result ir.Type, attrs ...any) *ir.Op {
		return &ir.Op{Name: name, Args: []ir.Arg{{Value: &ir.Value{Name: "x", Type: x}}}, Results: []*ir.Value{{Name: "y", Type: result}}, Attrs: ir.A(attrs...)}
	}
	for _, c := range []struct {
		op        *ir.Op
		good, bad [][]int
	}{
		{op("ot.cmp", x, "cuts", []int64{3}, "keep", 9), [][]int{{2, 0}, {2, 1}, {8, 0}}, [][]int{{1, 0}, {2, 2}, {9, 0}, {5, 1}, {2}, {2, 3}, {1 << 40, 0}, {-2, 0}}},
		{op("ot.piecewise", x, "cuts", []int64{3}, "pieces", [][]int64{{0}, {1, 0}}, "keep", 9, "width_lin", 11), [][]int{{2, 0}, {3, 1}}, [][]int{{1, 0}, {2, 2}, {9, 0}}},
		{op("ot.max", x.WithShape(2, 1), "keep", 9), [][]int{{4, 2, 0, 2, 2, 2}, {3, 2, 1, 2, 8, 0}}, [][]int{{4, 2, 0}, {5, 2, 0}, {2, 2, 0}, {3, 2, 2, 2, 2, 0}, {4, 2, 0, 2, 2, 2, 2, 2, 0}, {4, 2, 0, 2, 2}}},
		{op("ot.recip", x, "lo", 4, "hi", 9), [][]int{{2, 2, 1, 0, 0}, {2, 0, 2, 1, 0}}, [][]int{{2, 2, 2, 2, 0}, {2, 2}, {2, 2, 1, 0, 2}, {30, 0, 1, 0, 0}, {2, 2, 9, 0, 0}}},
	} {
		if err := CheckOp(c.op); err != nil {
			t.Fatalf("%s: %v", c.op.Name, err)
		}
		for _, l := range c.good {
			c.op.Attrs.Set("layout", l)
			if err := CheckOp(c.op); err != nil {
				t.Errorf("%s %v: %v", c.op.Name, l, err)
			}
		}
		for _, l := range c.bad {
			c.op.Attrs.Set("layout", l)
			if err := CheckOp(c.op); err == nil || !strings.Contains(err.Error(), "layout") {
				t.Errorf("%s %v: error %v", c.op.Name, l, err)
			}
		}
	}
}

func TestPiecewiseRoundTrip(t *testing.T) {
	p := fixed.Piecewise{
		In: fixed.Format{Width: 20, Frac: 8}, Out: fixed.Format{Width: 20, Frac: 10}, Cuts: []int64{-400, 400}, Keep: 12, Drop: 4,
		Pieces:  []fixed.Poly{{}, {Kind: fixed.Quadratic, C: [3]int64{1000, 128, 1}}, {Kind: fixed.Linear, C: [3]int64{0, 1, 0}}},
		FracAcc: 16, WidthAcc: 20, MidFrac: 10, WidthLin: 20,
	}
	if err := p.Check(); err != nil {
		t.Fatal(err)
	}
	op := &ir.Op{
		Name: "fx.piecewise", Args: []ir.Arg{{Value: &ir.Value{Name: "x", Type: ir.TensorType(ir.FxElem(20, 8), 2)}}},
		Results: []*ir.Value{{Name: "y", Type: ir.TensorType(ir.FxElem(20, 10), 2)}},
	}
	SetPiecewise(&op.Attrs, p)
	if _, err := op.Infer(); err != nil {
		t.Fatal(err)
	}
	q, err := Piecewise(op)
	if err != nil {
		t.Fatal(err)
	}
	for x := range uint64(1) << 20 {
		if p.Eval(x) != q.Eval(x) {
			t.Fatalf("differ at %d", x)
		}
	}
	if want := "{cuts = [-400, 400], pieces = [[0], [1, 128, 1000], [1, 0]], keep = 12, drop = 4, width_acc = 20, frac_acc = 16, mid_frac = 10, width_lin = 20}"; op.Attrs.String() != want {
		t.Errorf("got  %s\nwant %s", op.Attrs, want)
	}
}
