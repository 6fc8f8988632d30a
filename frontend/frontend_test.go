package frontend

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"nimbus/ir"
)

const example = `model small { family = "test", n = n, names = ["a", "b c"], deep = true }
param n    = 4
param half = n / 2
param mode = "tanh"
param eps  = 1e-5
require n % 2 == 0
input ids : i32[3] from client
input a   : f32[3, n] from client
block dense(x, name, out) {
  y = linear(x, weight("{name}.weight", [n, out], transpose = true))
  return y + weight("{name}.bias", [out])
}
block both(x) {
  p, q = split(x, axis = 1)
  return q, p
}
x = a
repeat i in 0..2 {
  tag layer = i, part = "mix"
  h = gelu(dense(x, "layer.{i}", n), form = mode)
  x = x + h * (1 / sqrt(n)) - -h / 2
}
u, v = both(x)
z = reshape(concat(u, v, axis = 1), shape = [1, 3 * n])
output layernorm(slice(z, axis = 1, start = 0, len = half), weight("3/g", [half]), eps = eps), v to both
`

const exampleModule = `module @small attributes {stage = nn, family = test, n = 4, names = ["a", "b c"], deep} {
  weight @layer.0.weight : tensor<4x4xf32> {owner = server, transpose}
  weight @layer.0.bias   : tensor<4xf32> {owner = server}
  weight @layer.1.weight : tensor<4x4xf32> {owner = server, transpose}
  weight @layer.1.bias   : tensor<4xf32> {owner = server}
  weight @__g            : tensor<2xf32> {owner = server, from = ["3/g"]}

  func @main(%ids: tensor<3xi32> {owner = client}, %a: tensor<3x4xf32> {owner = client}) -> tensor<1x2xf32>, tensor<3x2xf32> attributes {reveal = both} {
    %y         = nn.linear %a, @layer.0.weight {layer = 0, part = mix} : tensor<3x4xf32>
    %add       = nn.add %y, @layer.0.bias {layer = 0, part = mix} : tensor<3x4xf32>
    %h         = nn.gelu %add {form = tanh, layer = 0, part = mix} : tensor<3x4xf32>
    %scale     = nn.scale %h {by = 0.5, layer = 0, part = mix} : tensor<3x4xf32>
    %add_1     = nn.add %a, %scale {layer = 0, part = mix} : tensor<3x4xf32>
    %scale_1   = nn.scale %h {by = -1, layer = 0, part = mix} : tensor<3x4xf32>
    %scale_2   = nn.scale %scale_1 {by = 0.5, layer = 0, part = mix} : tensor<3x4xf32>
    %x         = nn.sub %add_1, %scale_2 {layer = 0, part = mix} : tensor<3x4xf32>
    %y_1       = nn.linear %x, @layer.1.weight {layer = 1, part = mix} : tensor<3x4xf32>
    %add_2     = nn.add %y_1, @layer.1.bias {layer = 1, part = mix} : tensor<3x4xf32>
    %h_1       = nn.gelu %add_2 {form = tanh, layer = 1, part = mix} : tensor<3x4xf32>
    %scale_3   = nn.scale %h_1 {by = 0.5, layer = 1, part = mix} : tensor<3x4xf32>
    %add_3     = nn.add %x, %scale_3 {layer = 1, part = mix} : tensor<3x4xf32>
    %scale_4   = nn.scale %h_1 {by = -1, layer = 1, part = mix} : tensor<3x4xf32>
    %scale_5   = nn.scale %scale_4 {by = 0.5, layer = 1, part = mix} : tensor<3x4xf32>
    %x_1       = nn.sub %add_3, %scale_5 {layer = 1, part = mix} : tensor<3x4xf32>
    %p, %q     = nn.split %x_1 {axis = 1} : tensor<3x2xf32>, tensor<3x2xf32>
    %concat    = nn.concat %q, %p {axis = 1} : tensor<3x4xf32>
    %z         = nn.reshape %concat : tensor<1x12xf32>
    %slice     = nn.slice %z {axis = 1, start = 0, len = 2} : tensor<1x2xf32>
    %layernorm = nn.layernorm %slice, @__g {eps = 1e-05} : tensor<1x2xf32>
    return %layernorm, %p
  }
}
`

func TestCompile(t *testing.T) {
	m, err := CompileText("x.model", example, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := m.String(); got != exampleModule {
		t.Errorf("got:\n%s", got)
	}
	if m, err = CompileText("x.model", example, Set{"n": 6, "mode": "erf", "eps": 1}); err != nil {
		t.Fatal(err)
	}
	w := m.Weight("__g")
	if got := fmt.Sprint(w.Type, w.Pos); got != "tensor<3xf32> x.model:25:61" {
		t.Error(got)
	}
	if got := m.Funcs[0].Body[0].Pos.String(); got != "x.model:10:7" {
		t.Error(got)
	}
}

func TestErrors(t *testing.T) {
	head := "model m\nparam n = 4\ninput a : f32[2, n] from client\n"
	for _, c := range []struct{ src, want string }{
		// syntax
		{"model", `x:1:6: unexpected token "<EOF>" (expected <name> ("uses" <string>)? ("{" (named ("," named)*)? "}")? item*)`},
		{"modl m", `x:1:1: unexpected token "modl" (expected "model" <name>)`},
		{"model m\nrepeet i in 0..2 { }", `x:2:8: unexpected token "i" (expected "=" expr)`},
		{"model m\n= 3", `x:2:1: unexpected token "=" (expected param, require, input, block, repeat, tag, return, output or <name> =)`},
		{"model m\nparam = 4", `x:2:7: unexpected token "=" (expected <name> ("=" expr)?)`},
		{"model m\ninput a : f32[2] from peer", `x:2:23: unexpected token "peer" (expected ("client" | "server"))`},
		{"model m\nx = (1 + 2", `x:2:11: unexpected token "<EOF>" (expected ")")`},
		{"model m\nx = 1 $", `x:2:7: invalid input text "$"`},
		{"model m\nx = \"a\nb\"", `x:2:5: invalid input text "\"a\nb\""`},
		// parameters
		{"model m\nparam n", "x:2:1: parameter n has no default and must be set"},
		{"model m\nparam n = 1\nparam n = 2", "x:3:1: n is declared twice"},
		{"model m\nparam n = m + 1\nparam k = n * 2", "x:2:11: unknown name m (if a word is meant, write \"m\")"},
		{"model m\nparam n = 5\nrequire n < 3\nrequire n", "x:3:1: n < 3 is required, but n = 5\nx:4:9: require wants a comparison, not an integer"},
		{"model m\nparam n = 1 / 0", "x:2:13: division of 1 by zero"},
		{"model m\nparam n = 1.5 % 2", "x:2:15: % is defined for integers only"},
		{"model m\nparam n = 9999999999 * 9999999999", "x:2:22: 9999999999 * 9999999999 is out of range"},
		{"model m\nparam true = 1", "x:2:1: true is built in and cannot be declared"},
		{"model m\nparam n = \"{k}\"", "x:2:11: unknown name k in a string"},
		{"model m\nparam k = [1]\nparam n = \"{k}\"", "x:3:11: k cannot be part of a string: it is a list"},
		{"model m\nparam n = \"{\"", "x:2:11: a brace in a string must enclose a name, as in \"layer.{i}\""},
		{"model m\nparam n = sqrt(0 - 1)", "x:2:11: sqrt takes a number that is not negative"},
		{"model m\nparam n = if(1, 2, 3)", "x:2:14: if wants a comparison, not 1"},
		{"model m\nparam n = if(1 < 2, 3)", "x:2:11: if takes a condition and two expressions, and gives one value"},
		{"model m\nparam n = [1] + 2 * [3]", "x:2:19: * is not defined for an integer and a list"},
		{"model m\nparam n = [1] * 9999", "x:2:15: a list of 1 cannot be repeated 9999 times: want at most 4096 elements"},
		{"model m\nparam n = relu(1)", "x:2:11: relu: argument 1 is an integer, want a value or a weight; it takes %x"},
		// inputs and blocks
		{"model m\ninput a : f16[2] from client", "x:2:1: an input's element is f32, i32 or i1, not f16"},
		{"model m\ninput a : f32[0] from client", "x:2:15: a length must be an integer of 1 or more, not 0"},
		{"model m\ninput a : f32[2] in [1, 0] from client", "x:2:1: only an f32 input has a range, and it ascends; got 1 to 0"},
		{"model m\ninput a : f32[2] norm 3 from client", "x:2:23: the norm of an input's rows is a positive number beside its range; got 3"},
		{"model m\ninput a : f32[2] in [0, 1] norm 0 from client", "x:2:33: the norm of an input's rows is a positive number beside its range; got 0"},
		{"model m\ninput a : i1[2] in [0, 1] from client", "x:2:1: only an f32 input has a range, and it ascends; got 0 to 1"},
		{"model m\ninput a : f32[2] in [\"0\", 1] from client", "x:2:22: the range of an input is of numbers, not \"0\""},
		{"model m\nblock relu(x) { return x }", "x:2:1: relu is an op and cannot be a block"},
		{"model m\nblock b(x) { y = x }", "x:2:1: block b must end in return"},
		{head + "block b(x) { return b(x) }\noutput b(a) to client", "x:4:21: blocks are nested more than 32 deep; does b call itself?"},
		{head + "block b(x) { return x }\noutput b(a, a) to client", "x:5:8: block b takes 1 arguments (x), not 2"},
		{head + "block b(x) { x = a return x }\noutput b(a) to client", "x:4:14: x is a parameter, an input or an argument and cannot be assigned"},
		{head + "block b(x) { return y }\ny = a\noutput b(y) to client", `x:4:21: unknown name y (if a word is meant, write "y")`},
		// ops
		{head + "x = foo(a)\ny = relu(x)\noutput y to client", "x:4:5: unknown op or block foo; ops are embed, linear, matmul, scale, add, sub, mul, add_mask, softmax, gelu, relu, relu2, tanh, sigmoid, silu, exp, recip, rsqrt, square, max, argmax, sum, layernorm, split_heads, merge_heads, transpose, split, slice, reshape, concat, piecewise"},
		{head + "x = matmul(a, a)\nz = bar\noutput x to client", "x:4:5: matmul: tensor<2x4xf32> times tensor<2x4xf32>: leading axes and inner sizes must agree\nx:5:5: unknown name bar"},
		{head + "x = linear(a, weight(\"w\", [3, 3]))\noutput x to client", "x:4:5: linear:"},
		{head + "x = softmax(a, axes = 1)\noutput x to client", "x:4:16: softmax has no attribute axes; it has layer, part, range, bound, modular, proved, proof, wraps, axis"},
		{head + "x = softmax(a, axis = 0.5)\noutput x to client", "x:4:5: softmax: attribute axis must be an integer"},
		{head + "x = gelu(a, form = \"erff\")\noutput x to client", "x:4:5: gelu: attribute form must be one of erf, tanh"},
		{head + "x = reshape(a)\noutput x to client", "x:4:5: reshape wants the attribute shape, as in shape = [1, hidden]"},
		{head + "x = reshape(a, shape = [3])\noutput x to client", "x:4:5: reshape:"},
		{head + "x = a + 1\noutput x to client", "x:4:7: + is not defined for a tensor<2x4xf32> and an integer"},
		{head + "x, y = a\noutput x to client", "x:4:8: only a call gives 2 values"},
		{head + "x, y = relu(a)\noutput x to client", "x:4:8: relu gives one value, 2 are wanted"},
		{head + "x, y, z = split(a, axis = 1)\noutput x to client", "x:4:11: split:"},
		{head + "x = relu(axis = 1, a)\noutput x to client", "x:4:20: arguments come before attributes"},
		// weights
		{head + "x = linear(a, weight(\"w\", [n]))\noutput x to client", "x:4:5: linear:"},
		{head + "x = weight(\"w\")\noutput a to client", `x:4:5: weight takes a name and a shape, as in weight("classifier.bias", [labels])`},
		{head + "x = weight(\"w\", [n / 3, 1])\noutput a to client", "x:4:5: the shape of weight w must be of integers of 1 or more, not [1.3333333333333333, 1]"},
		{head + "x = linear(linear(a, weight(\"w\", [n, n])), weight(\"w\", [n, 2]))\noutput x to client",
			"x:4:44: weight w is used as tensor<4x2xf32> {owner = server} and, at x:4:22, as tensor<4x4xf32> {owner = server}"},
		{head + "x = linear(linear(a, weight(\"w 1\", [n, n])), weight(\"w/1\", [n, 2]))\noutput x to client", "x:4:46: the weights w/1 and, at x:4:22, another would both be @w_1"},
		// statements
		{head + "repeat i in 0..2 { x = relu(b) }\noutput a to client", `x:4:29: unknown name b (if a word is meant, write "b")`},
		{head + "repeat i in 2..0 { x = a }\noutput a * 1 to client", "x:4:13: repeat wants integers 0 <= from <= to <= from + 4096, not 2 .. 0"},
		{head + "repeat n in 0..2 { x = a }\noutput a * 1 to client", "x:4:1: n is a name already; the counter needs one of its own"},
		{head + "repeat i in 0..2 { i = 3 }\noutput a * 1 to client", "x:4:20: i is a parameter, an input or an argument and cannot be assigned"},
		{head + "n = 5\noutput a * 1 to client", "x:4:1: n is a parameter, an input or an argument and cannot be assigned"},
		{head + "tag color = 1\noutput a * 1 to client", "x:4:5: color is no tag; tags are layer, part, range, bound"},
		{head + "return a", "x:4:1: return ends a block; a description ends in output"},
		{head, "x:1:1: the description has no output"},
		{head + "output a to client", "x:4:8: output wants a computed value, not a tensor<2x4xf32>"},
		{head + "output a * 1 to client\ny = a * 2", "x:5:1: nothing may follow output"},
		{head + "repeat i in 0..2 { output a * 1 to client }", "x:4:20: output belongs at file level, as the last statement"},
		{"model m {stage = 1}\ninput a : f32[2] from client\noutput a * 1 to client", "x:1:10: attribute stage is given already"},
		{"model m uses \"y\"", `x:1:1: "y" cannot be used from a text that is no file`},
	} {
		_, err := CompileText("x", c.src, nil)
		got := fmt.Sprint(err)
		if !strings.HasPrefix(got, c.want) || err != nil && strings.Contains(err.Error(), "poison") {
			t.Errorf("%s\ngot:  %s\nwant: %s", c.src, got, c.want)
		}
	}
}

func TestSet(t *testing.T) {
	src := "model m {k = k}\nparam n = 4\nparam e = 0.5\nparam s = \"x\"\nparam l = [1]\nparam k\ninput a : f32[n] from client\noutput a * e to client"
	for _, c := range []struct {
		set  Set
		want string
	}{
		{Set{"k": uint8(1)}, "m: parameter k is set to 1: want a number, a string or a list, not a uint8"},
		{Set{"k": 1, "e": 2, "l": []string{"a"}}, "{stage = nn, k = 1}"},
		{Set{"k": "two words"}, `{stage = nn, k = "two words"}`},
		{Set{"k": 1, "n": "5"}, "m: parameter n is set to 5: want an integer, as the default 4 is"},
		{Set{"k": 1, "n": 2.5}, "m: parameter n is set to 2.5: want an integer, as the default 4 is"},
		{Set{"k": 1, "n": -1}, "m: a length must be an integer of 1 or more, not -1"},
		{Set{"k": 1, "z": 1, "y": 1}, "m: there is no parameter y to set; there are n, e, s, l, k\nm:1:1: there is no parameter z to set; there are n, e, s, l, k"},
		{nil, "m: parameter k has no default and must be set"},
	} {
		m, err := CompileText("m", src, c.set)
		got := ""
		if err == nil {
			got = m.Attrs.String()
		} else {
			place, msg, _ := strings.Cut(err.Error(), ": ")
			got = strings.SplitN(place, ":", 2)[0] + ": " + msg
		}
		if got != c.want {
			t.Errorf("%v:\ngot  %s\nwant %s", c.set, got, c.want)
		}
	}
}

func TestParseSetting(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"seq=32", "seq int64 32"},
		{" eps = 1e-6 ", "eps float64 1e-06"},
		{"n=-2", "n int64 -2"},
		{"act=tanh", "act string tanh"},
		{`act="tanh"`, "act string tanh"},
		{`labels=["a", "b"]`, "labels []interface {} [a b]"},
		{"deep=true", "deep bool true"},
		{"seq", `frontend: "seq": want name=value, for example seq=32`},
		{"seq=", `frontend: "seq=": want name=value, for example seq=32`},
		{"seq=3 4", `frontend: the value "3 4" of seq is not a number, a string or a list: seq:1:3: unexpected token "4"`},
		{"seq=[n]", `frontend: the value "[n]" of seq is not a number, a string or a list: seq:1:2: unknown name n (if a word is meant, write "n")`},
	} {
		name, v, err := ParseSetting(c.text)
		got := fmt.Sprintf("%s %T %v", name, v, v)
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.text, got, c.want)
		}
	}
}

func TestUses(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	dir := fstest.MapFS{
		"d/base.model":  file("model base {n = n, k = k}\nparam n = 4\nparam k = 1\ninput a : f32[n] from client\noutput a * 2 to client"),
		"d/one.model":   file("model one uses \"base.model\" { n = 6, k = 2 }"),
		"d/two.model":   file("model two uses \"one.model\" { n = 8 }"),
		"d/bad.model":   file("model bad uses \"base.model\" { m = 8 }"),
		"d/none.model":  file("model none uses \"nothing.model\" { m = 8 }"),
		"d/self.model":  file("model self uses \"self.model\""),
		"d/items.model": file("model items uses \"base.model\"\nparam x = 1"),
	}
	for _, c := range []struct {
		file string
		set  Set
		want string
	}{
		{"d/base.model", nil, "base {stage = nn, n = 4, k = 1}"},
		{"d/one.model", Set{"k": 9}, "one {stage = nn, n = 6, k = 9}"},
		{"d/two.model", nil, "two {stage = nn, n = 8, k = 2}"},
		{"d/bad.model", nil, "d/base.model:1:1: there is no parameter m to set; there are n, k"},
		{"d/none.model", nil, `d/none.model:1:1: there is no file "nothing.model" to use`},
		{"d/self.model", nil, "d/self.model:1:1: more than 32 descriptions use each other"},
		{"d/items.model", nil, "d/items.model:1:1: a description that uses another has nothing but settings in braces"},
		{"d/x.model", nil, "frontend: open d/x.model: file does not exist"},
	} {
		m, err := Compile(dir, c.file, c.set)
		got := fmt.Sprint(err)
		if err == nil {
			got = m.Name + " " + m.Attrs.String()
		}
		if got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.file, got, c.want)
		}
	}
}

func FuzzCompile(f *testing.F) {
	f.Add(example)
	bert, err := os.ReadFile("../models/bert/bert.model")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(strings.Replace(string(bert), "layers    = 12", "layers = 1", 1))
	f.Fuzz(func(t *testing.T, src string) {
		m, err := CompileText("x", src, nil)
		if err != nil {
			return
		}
		if errs := ir.Verify(m); len(errs) > 0 {
			t.Fatal(errs[0])
		}
	})
}

// Only what a condition chooses is evaluated; lists are joined and repeated.
func TestChoice(t *testing.T) {
	const text = `model m { names = ["x"] + ["y", "z"] * 2, none = [1] * 0, one = if(n == 4, "four", nothing) }
param n    = 4
param mode = "relu"
input a : f32[2, n] in [-1, 2.5] from client
output if(mode == "relu", relu(a), linear(a, weight("w", [n, n]))) to client`
	for _, c := range []struct {
		mode, want string
	}{
		{"relu", `%relu = nn.relu %a : tensor<2x4xf32>`},
		{"linear", `%linear = nn.linear %a, @w : tensor<2x4xf32>`},
	} {
		m, err := CompileText("x", text, Set{"mode": c.mode})
		if err != nil {
			t.Fatal(err)
		}
		got := m.String()
		for _, want := range []string{c.want, `names = ["x", "y", "z", "y", "z"], none = [], one = four`, "%a: tensor<2x4xf32> {owner = client, range = [-1.0, 2.5], bound = proved}"} {
			if !strings.Contains(got, want) {
				t.Errorf("%s: no %s in\n%s", c.mode, want, got)
			}
		}
		if strings.Contains(got, "@w") != (c.mode == "linear") {
			t.Errorf("%s: the wrong weights in\n%s", c.mode, got)
		}
	}
}
