package bundle

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"nimbus/frontend"
	"nimbus/frontend/tokenizer"
	"nimbus/ir"
	"nimbus/ir/eval"
	"nimbus/tests/shared"
)

type reference struct {
	Text     string    `json:"text"`
	Sentence string    `json:"sentence,omitempty"` // another name of text
	Pair     string    `json:"pair,omitempty"`
	IDs      []int     `json:"input_ids"`
	Logits   []float64 `json:"logits"`
}

func readReference(t testing.TB, path string) []reference {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []reference
	for sc := bufio.NewScanner(f); sc.Scan(); {
		var r reference
		if err := json.Unmarshal(sc.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		r.Text += r.Sentence
		all = append(all, r)
	}
	return all
}

// A runner computes logits of one model with ir/eval. It keeps the program of
// the last length alone: ask for equal lengths together.
type runner struct {
	t       testing.TB
	b       *Bundle
	src     Source
	length  int
	program *eval.Program
}

func newRunner(t testing.TB, name string) *runner {
	t.Helper()
	b, err := Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	src, err := b.Weights(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &runner{t: t, b: b, src: src}
}

// encode pads to length, 0 meaning not at all.
func (r *runner) encode(text, pair string, length int) tokenizer.Encoding {
	r.t.Helper()
	e, err := r.b.Tokenizer.Encode(text, length, false)
	if pair != "" {
		e, err = r.b.Tokenizer.EncodePair(text, pair, length, false)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return e
}

func (r *runner) module(seq int) *ir.Module {
	r.t.Helper()
	m, err := r.b.Module(frontend.Set{"seq": seq})
	if err != nil {
		r.t.Fatal(err)
	}
	return m
}

func (r *runner) logits(e tokenizer.Encoding) []float64 {
	r.t.Helper()
	if n := len(e.IDs); r.length != n {
		p, err := eval.New(r.module(n), r.src, eval.Options{})
		if err != nil {
			r.t.Fatal(err)
		}
		r.length, r.program = n, p
	}
	out, err := r.program.Run("main", map[string]eval.Value{
		"ids": eval.Ints(e.IDs), "types": eval.Ints(e.Types), "mask": eval.Ints(e.Mask),
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return out[0].Reals()
}

func distance(a, b []float64) float64 {
	if len(a) != len(b) {
		return math.Inf(1)
	}
	d := 0.0
	for i := range a {
		d = max(d, math.Abs(a[i]-b[i]))
	}
	return d
}

// TestReference computes the recorded logits of two models from their modules:
// every sixteenth sentence, all 872 with NIMBUS_ALL=1.
func TestReference(t *testing.T) {
	step := 16
	if os.Getenv("NIMBUS_ALL") != "" {
		step = 1
	}
	for _, model := range []string{"nimbus-sst2-tiny", "bert-tiny-sst2"} {
		t.Run(model, func(t *testing.T) {
			path := shared.Path(t, "models", model, "dev_reference.jsonl")
			r := newRunner(t, filepath.Dir(path))
			all := readReference(t, path)
			if len(all) != 872 {
				t.Fatalf("%d references, want 872", len(all))
			}
			const long = 80 // tokens; no sentence has as many
			groups := map[int][]int{}
			encoded := make([]tokenizer.Encoding, len(all))
			for i := 0; i < len(all); i += step {
				encoded[i] = r.encode(all[i].Text, "", 0)
				groups[encoded[i].Len] = append(groups[encoded[i].Len], i)
				if i%(8*step) == 0 {
					groups[long] = append(groups[long], i)
				}
			}
			worst := 0.0
			for n, lines := range groups {
				for _, i := range lines {
					e := encoded[i]
					if n == long {
						e = r.encode(all[i].Text, "", long)
					}
					d := distance(r.logits(e), all[i].Logits)
					if d > 1e-3 {
						t.Errorf("line %d at length %d: off by %g", i+1, n, d)
					}
					worst = max(worst, d)
				}
			}
			t.Logf("largest difference %.2g", worst)
		})
	}
}

// TestEval compares ir/eval with the forward pass of this package.
func TestEval(t *testing.T) {
	r := newRunner(t, "nimbus-sst2-tiny")
	e := r.encode("a small test of both, in two parts", "and a second part", 24)
	f := &forward{t, r.src, map[string][]float64{}}
	want := f.run(r.module(24), map[string][]float64{"ids": floats(e.IDs), "types": floats(e.Types), "mask": floats(e.Mask)})
	if d := distance(r.logits(e), want); d > 1e-9 {
		t.Errorf("off by %g", d)
	}
}

// TestSentences computes the reference file that is part of the embedded model:
// sentences made up for it, single and in pairs. UPDATE=1 writes it anew, with
// the logits that this test computes.
func TestSentences(t *testing.T) {
	path := filepath.FromSlash("../../models/nimbus-sst2-tiny/reference.jsonl")
	r := newRunner(t, "nimbus-sst2-tiny")
	all := readReference(t, path)
	for i := range all {
		ref := &all[i]
		e := r.encode(ref.Text, ref.Pair, 0)
		logits := r.logits(e)
		if os.Getenv("UPDATE") != "" {
			ref.IDs, ref.Logits = e.IDs, nil
			for _, x := range logits {
				ref.Logits = append(ref.Logits, math.Round(x*1e7)/1e7)
			}
			continue
		}
		if !slices.Equal(e.IDs, ref.IDs) {
			t.Errorf("%q: ids %v, want %v", ref.Text, e.IDs, ref.IDs)
		}
		if d := distance(logits, ref.Logits); d > 1e-6 {
			t.Errorf("%q: off by %g", ref.Text, d)
		}
	}
	if os.Getenv("UPDATE") != "" {
		var out []byte
		for _, ref := range all {
			line, err := json.Marshal(ref)
			if err != nil {
				t.Fatal(err)
			}
			out = append(append(out, line...), '\n')
		}
		if err := os.WriteFile(path, out, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOpen(t *testing.T) {
	root := t.TempDir()
	write := func(name, text string) {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("one/x.model", "model x\ninput a : f32[2, 3] from client\noutput linear(a, weight(\"w\", [3, 4]), weight(\"b\", [4])) to client")
	write("two/two.model", "model x\ninput a : f32[2] from client\noutput a * 2 to client")
	write("bad/config.json", "{")
	write("bin/config.json", `{"model_type": "bert", "architectures": ["BertForSequenceClassification"]}`)
	write("bin/pytorch_model.bin", "")
	write("empty/readme", "")
	t.Chdir(root)

	for _, c := range []struct{ name, want string }{
		{"nimbus-sst2-tiny", "module bert, 41 weights, tokenizer 8192"},
		{"bert/tiny", "module tiny, 41 weights, synthetic"},
		{"bert/tiny.model", "module tiny, 41 weights, synthetic"},
		{"bert", "module bert, 201 weights, synthetic"},
		{"one/x.model", "module x, 2 weights, synthetic"},
		{"two", "module x, 0 weights, synthetic"},
		{"", "bundle: no model is named"},
		{"nosuch", "bundle: there is no file or folder nosuch, nor an embedded model of that name; embedded are albert, bert, distilbert, electra, nimbus-sst2-tiny, roberta, sentence, vit"},
		{"bert/huge", "bundle: the embedded bert has no description huge.model"},
		{"empty", "bundle: the folder empty has neither config.json nor empty.model"},
		{"empty/readme", "bundle: empty/readme is neither a folder nor a .model description"},
		{"bad", "bundle: bad: hf: config.json: not valid JSON at byte 1: unexpected end of JSON input"},
		{"bin", "bundle: bin: hf: the folder has pytorch_model.bin but no model.safetensors; save the model again with safe_serialization=True"},
	} {
		got := describe(c.name)
		if got != c.want {
			t.Errorf("%q:\ngot  %s\nwant %s", c.name, got, c.want)
		}
	}
}

func describe(name string) string {
	b, err := Open(name)
	if err != nil {
		return err.Error()
	}
	defer b.Close()
	m, err := b.Module(nil)
	if err != nil {
		return err.Error()
	}
	src, err := b.Weights(nil)
	if err != nil {
		return err.Error()
	}
	for _, w := range m.Weights {
		if w.Type.NumElems() > 1<<20 {
			continue
		}
		if _, _, err := src.Tensor(w.Name); err != nil {
			return err.Error()
		}
	}
	s := fmt.Sprintf("module %s, %d weights", m.Name, len(m.Weights))
	if b.Synthetic {
		s += ", synthetic"
	}
	if b.Tokenizer != nil {
		s += fmt.Sprintf(", tokenizer %d", b.Tokenizer.Size())
	}
	return s
}

// TestSynthetic computes a model without files: the numbers must be tame and
// depend on the input, so that tests with it mean something.
func TestSynthetic(t *testing.T) {
	b, err := Open("bert/tiny")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	src, err := b.Weights(nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := b.Module(nil)
	if err != nil {
		t.Fatal(err)
	}
	f := &forward{t, src, map[string][]float64{}}
	in := map[string][]float64{"ids": {2, 9, 10, 3, 0, 0, 0, 0}, "types": make([]float64, 8), "mask": {1, 1, 1, 1, 0, 0, 0, 0}}
	one := f.run(m, in)
	in["ids"][1] = 40
	two := f.run(m, in)
	in["ids"][7] = 40 // behind the mask
	three := f.run(m, in)
	if d := distance(one, two); d < 1e-3 || d > 10 {
		t.Errorf("another word moves the logits by %g", d)
	}
	if d := distance(two, three); d > 1e-9 {
		t.Errorf("a masked word moves the logits by %g", d)
	}
}
