package bristol

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nimbus/ir"
	"nimbus/ir/eval"
	"nimbus/ir/weights"
)

func adder(t testing.TB) (*Circuit, string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "adder4.txt"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return c, string(text)
}

func bits(x, n int) (v []uint8) {
	for i := range n {
		v = append(v, uint8(x>>i)&1)
	}
	return v
}

// TestAdder: all sums of four bits, gate by gate and as a module that computes
// them all at once.
func TestAdder(t *testing.T) {
	c, _ := adder(t)
	if c.Ands() != 4 || c.Depth() != 4 {
		t.Errorf("%d ANDs, %d deep", c.Ands(), c.Depth())
	}
	const blocks = 256
	m, err := c.Module(Options{Name: "adder", Blocks: blocks})
	if err != nil {
		t.Fatal(err)
	}
	a, b := make([]uint8, 4*blocks), make([]uint8, 4*blocks)
	for k := range blocks {
		x, y := bits(k&15, 4), bits(k>>4, 4)
		out, err := c.Eval(x, y)
		if err != nil {
			t.Fatal(err)
		}
		if want := bits(k&15+k>>4, 5); !slices.Equal(out[0], want) {
			t.Fatalf("%d + %d: %v, want %v", k&15, k>>4, out[0], want)
		}
		for w := range 4 {
			a[w*blocks+k], b[w*blocks+k] = x[w], y[w]
		}
	}
	out, err := eval.Run(m, "main", map[string]eval.Value{"in1": eval.Ints(a), "in2": eval.Ints(b)}, weights.Map{})
	if err != nil {
		t.Fatal(err)
	}
	for k := range blocks {
		for w, want := range bits(k&15+k>>4, 5) {
			if got := out[0].Ring[w*blocks+k]; got != uint64(want) {
				t.Fatalf("%d + %d: bit %d is %d", k&15, k>>4, w, got)
			}
		}
	}
	ands := 0
	for _, op := range m.Func("main").Body {
		if op.Name == "fx.and" {
			ands++
		}
	}
	if ands != c.Depth() {
		t.Errorf("%d ops of ANDs, the circuit is %d deep", ands, c.Depth())
	}
}

// TestModuleCorners: outputs that are inputs, constants, copies and repeats.
func TestModuleCorners(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []uint64 // for the inputs 1, 0
	}{
		{"nothing to do", "0 2\n1 2\n1 2\n", []uint64{1, 0}},
		{"the second input only", "0 2\n1 2\n1 1\n", []uint64{0}},
		{"constants", "2 4\n1 2\n1 2\n1 1 1 3 EQ\n1 1 0 2 EQ\n", []uint64{0, 1}},
		{"copies of copies", "3 5\n1 2\n1 2\n1 1 0 2 EQW\n1 1 2 3 EQW\n1 1 3 4 EQW\n", []uint64{1, 1}},
		{"a wire with itself", "3 5\n1 2\n1 3\n2 1 0 0 2 XOR\n2 1 0 0 3 AND\n1 1 1 4 INV\n", []uint64{0, 1, 1}},
	} {
		circuit, err := Parse([]byte(c.text))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		m, err := circuit.Module(Options{Name: "corner"})
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		out, err := eval.Run(m, "main", map[string]eval.Value{"in1": eval.Ints([]int{1, 0})}, weights.Map{})
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if !slices.Equal(out[0].Ring, c.want) {
			t.Errorf("%s: %v, want %v", c.name, out[0].Ring, c.want)
		}
	}
}

func TestModuleRefusals(t *testing.T) {
	c, _ := adder(t)
	for want, o := range map[string]Options{
		"2 inputs, expected one each": {Owners: []string{ir.Client}},
		`owner of input 2 is "both"`:  {Owners: []string{ir.Client, "both"}},
		"-1 blocks":                   {Blocks: -1},
		"99999999999 blocks of":       {Blocks: 99999999999},
	} {
		o.Name = "adder"
		if _, err := c.Module(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

func TestParseRefusals(t *testing.T) {
	_, text := adder(t)
	edit := func(old, new string) string {
		if !strings.Contains(text, old) {
			t.Fatalf("no %q in the circuit", old)
		}
		return strings.Replace(text, old, new, 1)
	}
	head, gates, _ := strings.Cut(text, "\n\n")
	lines := strings.SplitAfter(strings.TrimSpace(gates), "\n")
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", "line 1: expected the numbers of gates and wires"},
		{"prose", "Lorem ipsum dolor\n", "line 1: expected the numbers of gates and wires"},
		{"not a number", "x 3\n", `line 1: the number of gates is "x"`},
		{"huge", "99999999999999999999 3\n", "line 1: the number of gates"},
		{"more gates than bytes", "60000000 60000008\n2 4 4\n1 5\n", "line 1: 60000000 gates are announced, which is more than the file can hold"},
		{"more inputs than bytes", "0 90000000\n1 90000000\n1 1\n", "more than a file of"},
		{"no inputs", "0 0\n0\n0\n", "line 2: 0 input values"},
		{"header ends", "0 4\n", "line 2: expected the number of input values"},
		{"too few sizes", edit("2 4 4\n", "2 4\n"), "line 2: 2 input values are announced and the wires of 1 given"},
		{"zero wires", edit("2 4 4\n", "2 8 0\n"), "line 2: the input values have 8 wires so far and one has 0"},
		{"wires do not add up", edit("2 4 4\n", "2 4 5\n"), "line 2: 9 input wires and"},
		{"too many outputs", edit("1 5\n", "1 50\n"), "line 3: the number of wires"},
		{"unknown gate", edit(" AND\n", " NAND\n"), `"NAND" is no gate`},
		{"arity", edit("2 1 0 ", "1 1 0 "), `expected "2 1", 2 input and one output wire before XOR`},
		{"missing wire", edit("2 1 0 ", "2 1 "), `expected "2 1", 2 input`},
		{"two outputs", edit("2 1 0 ", "2 2 0 "), `expected "2 1"`},
		{"wire out of range", edit("2 1 0 ", "2 1 500 "), `line 6: a wire is "500"`},
		{"negative wire", edit("2 1 0 ", "2 1 -1 "), `line 6: a wire is "-1"`},
		{"read before set", edit("2 1 0 ", "2 1 20 "), "line 6: wire 20 is read before it is set"},
		{"set twice", head + "\n\n" + lines[0] + lines[0] + strings.Join(lines[2:], ""), "line 6: wire 8 is set a second time"},
		{"sets an input", strings.Replace(text, "1 1 0 8 EQ", "1 1 0 3 EQ", 1), "line 5: wire 3 is set a second time"},
		{"constant", edit("1 1 0 8 EQ", "1 1 2 8 EQ"), `line 5: the constant is "2"`},
		{"one gate too few", strings.TrimSuffix(strings.TrimSpace(text), lines[len(lines)-1]), "the file ends after"},
		{"one gate too many", text + lines[0], "gates are announced, and here is another"},
	} {
		_, err := Parse([]byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) || !errors.As(err, new(*Error)) {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.want)
		}
	}
}

func TestBytes(t *testing.T) {
	in := [][]byte{{0x80, 0x01}, {0x12, 0x34}}
	v, err := Unpack(in)
	if err != nil {
		t.Fatal(err)
	}
	if v[0] != 1 || v[15*2] != 1 || v[2*2+1] != 1 {
		t.Errorf("bits %v", v)
	}
	out, err := Pack(v, 2)
	if err != nil || !bytes.Equal(out[0], in[0]) || !bytes.Equal(out[1], in[1]) {
		t.Errorf("%x, %v", out, err)
	}
	for _, bad := range [][][]byte{nil, {{1}, {1, 2}}} {
		if _, err := Unpack(bad); err == nil {
			t.Errorf("%x passes", bad)
		}
	}
	if _, err := Pack(v, 3); err == nil {
		t.Error("bits of half a byte pass")
	}
}

// FuzzParse: what is accepted can be evaluated and, if small, built.
func FuzzParse(f *testing.F) {
	_, text := adder(f)
	f.Add([]byte(text))
	f.Add([]byte("0 2\n1 2\n1 1\n"))
	f.Add([]byte("1 3\n1 2\n1 1\n2 1 0 1 2 AND\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := Parse(text)
		if err != nil {
			if !errors.As(err, new(*Error)) {
				t.Fatalf("an error without a line: %v", err)
			}
			return
		}
		if c.Wires > 1<<12 {
			return
		}
		var in [][]uint8
		clear := map[string]eval.Value{}
		for i, n := range c.Inputs {
			v := make([]uint8, n)
			for j := range v {
				v[j] = uint8(j*j>>1) & 1
			}
			in = append(in, v)
			clear[("in" + string(rune('1'+i)))] = eval.Ints(v)
		}
		want, err := c.Eval(in...)
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Inputs) > 9 {
			return
		}
		m, err := c.Module(Options{Name: "fuzz"})
		if err != nil {
			t.Fatal(err)
		}
		got, err := eval.Run(m, "main", clear, weights.Map{})
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range want {
			for i, b := range v {
				if got[k].Ring[i] != uint64(b) {
					t.Fatalf("output %d bit %d differs", k, i)
				}
			}
		}
	})
}
