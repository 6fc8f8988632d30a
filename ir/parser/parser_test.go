package parser

import (
	"strings"
	"testing"

	"nimbus/ir"
)

// TestEveryOp walks the op tables: each row has a doc, and an example that
// parses, verifies, prints as it is written and uses the op.
func TestEveryOp(t *testing.T) {
	for _, r := range ir.Rows() {
		t.Run(r.Name, func(t *testing.T) {
			if r.Title() == "" {
				t.Error("no doc")
			}
			if r.Example == "" {
				t.Fatal("no example")
			}
			m, err := Parse("example.ir", r.Example)
			if err != nil {
				t.Fatal(err)
			}
			if err := m.Verify(); err != nil {
				t.Fatal(err)
			}
			if got := m.String(); got != r.Example {
				t.Errorf("prints as\n%s\nnot\n%s", got, r.Example)
			}
			if m.Funcs[0].Body[0].Name != r.Name {
				t.Errorf("example shows %s", m.Funcs[0].Body[0].Name)
			}
			if (r.Twin != "") != (r.Dialect() == "ss" || r.Dialect() == "he" || r.Dialect() == "ot") {
				t.Errorf("twin %q of dialect %s", r.Twin, r.Dialect())
			}
			if r.Twin != "" && ir.Lookup(r.Twin) == nil {
				t.Errorf("no twin %s", r.Twin)
			}
		})
	}
}

func TestSyntaxErrors(t *testing.T) {
	for _, c := range []struct{ src, want string }{
		{"", `f.ir:1:1: unexpected token "<EOF>"`},
		{"module @m {\n  func @f(%x tensor<f32>) {\n  }\n}", `f.ir:2:11: unexpected token "%x"`},
		{"module @m {\n  func @f(%x: tensor<2xf32>) {\n    %y = nn.gelu %z : tensor<2xf32>\n    return\n  }\n}",
			"f.ir:3:5: @f: nn.gelu: %z is not defined before its use"},
		{"module @m {\n  func @f() {\n    nn.linear @w\n  }\n}", "f.ir:3:5: @f: nn.linear: weight @w is not declared"},
		{"module @m {\n  weight @w : tensr<2xf32>\n}", "f.ir:2:15: unknown type tensr"},
		{"module @m {\n  weight @w : tensor<2xq32>\n}", "f.ir:2:15: unknown element q32"},
		{"module @m {\n  weight @w : tensor<2xfx70.1>\n}", "width must be 1..64"},
		{"module @m {\n  weight @w : tensor<2xfx20.19>\n}", "fraction bits must be 0..width-2"},
		{"module @m {\n  weight @w : tensor<99999999999999999999xf32>\n}", "axis length 99999999999999999999 is too large"},
		{"module @m {\n  weight @w : tensor<2147483647x2147483647x8xf32>\n}", "more than 2^31 elements"},
		{"module @m {\n  weight @w : private<bob, 2xfx9.1>\n}", "party must be client or server"},
		{"module @m attributes {a, a = 2} {\n}", "f.ir:1:26: attribute a is given twice"},
		{"module @m attributes {a = 99999999999999999999} {\n}", "does not fit 64 bits"},
		{"module @m attributes {a = 1e999} {\n}", "too large for a number"},
		{"module @m attributes {a = \"\\q\"} {\n}", "is not a string"},
		{"module @m attributes {a = " + strings.Repeat("[", 100) + "} {\n}", "nested too deeply"},
		{"module @m {\n  func @f(%x: tensor<2xf32>, %x: tensor<2xf32>) {\n  }\n}", "f.ir:2:30: @f: %x is defined twice"},
		{"module @m {\n  func @f(%x: tensor<2xf32>) {\n    %y = nn.gelu %x\n  }\n}", "@f: nn.gelu: 1 results but 0 types"},
	} {
		_, err := Parse("f.ir", c.src)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q:\n got %v\nwant %s", c.src, err, c.want)
		}
	}
}

// TestCollects wants every unresolved name, not the first alone.
func TestCollects(t *testing.T) {
	_, err := Parse("f.ir", "module @m {\n  func @f() {\n    nn.gelu %a, @b\n    nn.gelu %c\n  }\n}")
	if err == nil || len(strings.Split(err.Error(), "\n")) != 3 {
		t.Errorf("got %v", err)
	}
}

func TestTypes(t *testing.T) {
	src := "module @m {\n  func @f(%a: tensor<f32>, %b: tensor<fx9.2>, %c: private<client, i32>, %d: bshare<2x3xi1>, %e: public<4xfx64.18>) {\n    return\n  }\n}\n"
	m, err := Parse("f.ir", src)
	if err != nil {
		t.Fatal(err)
	}
	if m.String() != src {
		t.Errorf("got\n%s", m)
	}
}

func TestLiterals(t *testing.T) {
	src := "module @m attributes {a = -3, b = -0.5, c = 1e-12, d = [], e = [[1, 2], [3]], f = \"x\\ny\", g = @s.t, h = word, i, j = true, k = false, l = 12345678.0, m = 2E3} {\n}\n"
	m, err := Parse("f.ir", src)
	if err != nil {
		t.Fatal(err)
	}
	want := "module @m attributes {a = -3, b = -0.5, c = 1e-12, d = [], e = [[1, 2], [3]], f = \"x\\ny\", g = @s.t, h = word, i, j, l = 1.2345678e+07, m = 2000.0} {\n}\n"
	if got := m.String(); got != want {
		t.Errorf("got  %swant %s", got, want)
	}
}

// FuzzRoundTrip wants parse(print(parse(x))) to print like parse(x), and
// Verify to survive whatever parses.
func FuzzRoundTrip(f *testing.F) {
	for _, r := range ir.Rows() {
		f.Add(r.Example)
	}
	f.Add("module @m attributes {a = [1.5, -2, \"\\xff\", @b.c, d], e = 1e300} {\n  func @f() -> tensor<f32> {\n    %x, %y = call @f(%x) {q}: tensor<f32>, tensor<i1>\n    return @w\n  }\n weight @w: public<fx5.3>{}\n}")
	f.Fuzz(func(t *testing.T, src string) {
		m, err := Parse("a.ir", src)
		if err != nil {
			return
		}
		ir.Verify(m)
		text := m.String()
		if again := m.Clone().String(); again != text {
			t.Fatalf("clone prints as\n%s\nnot\n%s", again, text)
		}
		m2, err := Parse("b.ir", text)
		if err != nil {
			t.Fatalf("the print does not parse: %v\n%s", err, text)
		}
		if again := m2.String(); again != text {
			t.Fatalf("printed again\n%s\nnot\n%s", again, text)
		}
	})
}
