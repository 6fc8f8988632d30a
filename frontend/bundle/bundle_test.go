package bundle

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"nimbus/frontend"
	"nimbus/ir"
	"nimbus/tests/shared"
)

type reference struct {
	Text, Sentence string
	Pair           string
	IDs            []int `json:"input_ids"`
	Types          []int `json:"token_type_ids"`
	Logits         []float64
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

// runner computes logits at any sequence length of one model.
type runner struct {
	b       *Bundle
	f       *forward
	modules map[int]*ir.Module
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
	return &runner{b, &forward{t, src, map[string][]float64{}}, map[int]*ir.Module{}}
}

func (r *runner) logits(text, pair string, length int) []float64 {
	r.f.t.Helper()
	e, err := r.b.Tokenizer.Encode(text, length, false)
	if pair != "" {
		e, err = r.b.Tokenizer.EncodePair(text, pair, length, false)
	}
	if err != nil {
		r.f.t.Fatal(err)
	}
	n := len(e.IDs)
	if r.modules[n] == nil {
		if r.modules[n], err = r.b.Module(frontend.Set{"seq": n}); err != nil {
			r.f.t.Fatal(err)
		}
	}
	return r.f.run(r.modules[n], map[string][]float64{"ids": floats(e.IDs), "types": floats(e.Types), "mask": floats(e.Mask)})
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
// every eighth sentence, all 872 with NIMBUS_ALL=1.
func TestReference(t *testing.T) {
	step := 8
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
			worst, padded := 0.0, 0.0
			for i := 0; i < len(all); i += step {
				d := distance(r.logits(all[i].Text, "", 0), all[i].Logits)
				if d > 1e-3 {
					t.Errorf("line %d: off by %g", i+1, d)
				}
				worst = max(worst, d)
				if i%(8*step) == 0 {
					d := distance(r.logits(all[i].Text, "", 80), all[i].Logits)
					if d > 1e-3 {
						t.Errorf("line %d, padded: off by %g", i+1, d)
					}
					padded = max(padded, d)
				}
			}
			t.Logf("largest difference %.2g, padded %.2g", worst, padded)
		})
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
		{"nosuch", "bundle: there is no file or folder nosuch, nor an embedded model of that name; embedded are bert, nimbus-sst2-tiny"},
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
