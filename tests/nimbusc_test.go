package tests

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"nimbus/internal/golden"
	"nimbus/internal/prg"
	"nimbus/ir"
	"nimbus/ir/plan"
	"nimbus/passes"
)

// TestNimbusc builds the program, holds its help against the tables, and runs
// the scripts of testdata/nimbusc. Besides testscript's commands they have:
//
//	bert DIR       writes a tiny random BERT as Hugging Face would save it
//	albert DIR     the same of an ALBERT with a SentencePiece tokenizer
//	spoil DIR HOW  breaks its weights: nan, inf, missing, shape, truncated, header, offsets or dtype
//	hex FILE HEX   writes the bytes that the digits stand for
//
// and the environment variable LATIN1, a text that is not UTF-8.
func TestNimbusc(t *testing.T) {
	bin := t.TempDir()
	nimbusc := filepath.Join(bin, "nimbusc")
	if out, err := exec.Command("go", "build", "-o", nimbusc, "nimbus/cmd/nimbusc").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	t.Run("help", func(t *testing.T) { testHelp(t, nimbusc) })
	t.Run("plans", func(t *testing.T) { testEmbeddedPlans(t, nimbusc) })
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "nimbusc"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       golden.Updating(),
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", bin+string(os.PathListSeparator)+env.Getenv("PATH"))
			env.Setenv("LATIN1", "un caf\xe9")
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"albert": albertCmd,
			"bert":   bertCmd,
			"spoil":  spoilCmd,
			"hex":    hexCmd,
		},
	})
}

// testEmbeddedPlans makes sure that the plans in models are what the compiler
// makes of the models today. With -short it leaves out the long ones.
func testEmbeddedPlans(t *testing.T, nimbusc string) {
	files, err := filepath.Glob(filepath.Join("..", "models", "*", "*.plan"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no embedded plan: %v", err)
	}
	for _, file := range files {
		model := filepath.Base(filepath.Dir(file))
		t.Run(model+"/"+filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			m, err := plan.Parse(file, string(want))
			if err != nil {
				t.Fatal(err)
			}
			seq := m.Attrs.Int("seq", 0)
			if testing.Short() && seq > 32 {
				t.Skip("long")
			}
			cmd := exec.Command(nimbusc, "compile", "-seq", strconv.Itoa(seq), "-o", "-", model)
			got, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("the compiler makes another plan now: go run ./cmd/nimbusc compile -seq %d -o models/%s/%s %s", seq, model, filepath.Base(file), model)
			}
		})
	}
}

// testHelp makes sure that help cannot be stale.
func testHelp(t *testing.T, nimbusc string) {
	help := func(topic string) string {
		out, err := exec.Command(nimbusc, "help", topic).CombinedOutput()
		if err != nil {
			t.Fatalf("help %s: %v\n%s", topic, err, out)
		}
		return string(out)
	}
	ops, passTable := help("ops"), help("passes")
	for _, r := range ir.Rows() {
		if !strings.Contains(ops, "  "+r.Name+" ") || !strings.Contains(ops, r.Title()) {
			t.Errorf("help ops does not list %s", r.Name)
		}
	}
	for _, name := range []string{"nn.softmax", "fx.trunc", "ot.cmp"} {
		text := help(name)
		for _, a := range ir.Lookup(name).Attrs {
			if !strings.Contains(text, a.Name) {
				t.Errorf("help %s does not mention the attribute %s", name, a.Name)
			}
		}
	}
	for _, p := range passes.All() {
		title, _, _ := strings.Cut(p.Doc, "\n")
		if !strings.Contains(passTable, "  "+p.Name+" ") || !strings.Contains(passTable, title) {
			t.Errorf("help passes does not list %s", p.Name)
		}
	}
}

func hexCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: hex FILE DIGITS")
	}
	data, err := hex.DecodeString(args[1])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), data, 0o666))
}

// bertConfig is the model that bert writes: one layer, one screen.
const bertConfig = `{
  "architectures": ["BertForSequenceClassification"],
  "model_type": "bert",
  "hidden_act": "gelu",
  "hidden_size": 16,
  "intermediate_size": 32,
  "max_position_embeddings": 16,
  "num_attention_heads": 2,
  "num_hidden_layers": 1,
  "type_vocab_size": 2,
  "vocab_size": 12,
  "id2label": {"0": "bad", "1": "good"}
}
`

var bertVocab = []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "film", "dull", "fine", "very", ".", "##s"}

// bertShapes are the tensors of that model, as Hugging Face names them.
func bertShapes() map[string][]int {
	shapes := map[string][]int{
		"bert.embeddings.word_embeddings.weight":       {12, 16},
		"bert.embeddings.token_type_embeddings.weight": {2, 16},
		"bert.embeddings.position_embeddings.weight":   {16, 16},
	}
	dense := func(name string, in, out int) {
		shapes[name+".weight"], shapes[name+".bias"] = []int{out, in}, []int{out}
	}
	norm := func(name string) { shapes[name+".weight"], shapes[name+".bias"] = []int{16}, []int{16} }
	norm("bert.embeddings.LayerNorm")
	const layer = "bert.encoder.layer.0."
	for _, part := range []string{"query", "key", "value"} {
		dense(layer+"attention.self."+part, 16, 16)
	}
	dense(layer+"attention.output.dense", 16, 16)
	norm(layer + "attention.output.LayerNorm")
	dense(layer+"intermediate.dense", 16, 32)
	dense(layer+"output.dense", 32, 16)
	norm(layer + "output.LayerNorm")
	dense("bert.pooler.dense", 16, 16)
	dense("classifier", 16, 2)
	return shapes
}

func bertCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: bert DIR")
	}
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o777))
	ts.Check(os.WriteFile(filepath.Join(dir, "config.json"), []byte(bertConfig), 0o666))
	ts.Check(os.WriteFile(filepath.Join(dir, "vocab.txt"), []byte(strings.Join(bertVocab, "\n")+"\n"), 0o666))
	ts.Check(os.WriteFile(filepath.Join(dir, weightsFile), safetensors(bertShapes(), nil), 0o666))
}

const weightsFile = "model.safetensors"

// safetensors writes random tensors of the given shapes; change may alter the
// numbers of one.
func safetensors(shapes map[string][]int, change func(name string, data []float32)) []byte {
	type entry struct {
		DType   string `json:"dtype"`
		Shape   []int  `json:"shape"`
		Offsets [2]int `json:"data_offsets"`
	}
	rng := prg.New(prg.Seed{7})
	header, body := map[string]entry{}, []byte{}
	for _, name := range slices.Sorted(maps.Keys(shapes)) {
		n := 1
		for _, d := range shapes[name] {
			n *= d
		}
		data := make([]float32, n)
		for i := range data {
			data[i] = float32(rng.Uint64()>>40)/(1<<24) - 0.5
			if strings.HasSuffix(name, "LayerNorm.weight") {
				data[i] += 1
			}
		}
		if change != nil {
			change(name, data)
		}
		start := len(body)
		for _, x := range data {
			body = binary.LittleEndian.AppendUint32(body, math.Float32bits(x))
		}
		header[name] = entry{"F32", shapes[name], [2]int{start, len(body)}}
	}
	head, err := json.Marshal(header)
	if err != nil {
		panic(err)
	}
	return append(append(binary.LittleEndian.AppendUint64(nil, uint64(len(head))), head...), body...)
}

func spoilCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: spoil DIR HOW")
	}
	file := filepath.Join(ts.MkAbs(args[0]), weightsFile)
	const victim = "bert.encoder.layer.0.intermediate.dense.weight"
	shapes := bertShapes()
	data := safetensors(shapes, nil)
	poison := func(x float64) []byte {
		return safetensors(shapes, func(name string, data []float32) {
			if name == victim {
				data[3] = float32(x)
			}
		})
	}
	switch args[1] {
	case "nan":
		data = poison(math.NaN())
	case "inf":
		data = poison(math.Inf(1))
	case "missing":
		delete(shapes, victim)
		data = safetensors(shapes, nil)
	case "shape":
		shapes[victim] = []int{32, 15}
		data = safetensors(shapes, nil)
	case "truncated":
		data = data[:len(data)-100]
	case "header":
		data = bytes.Replace(data, []byte(`"dtype"`), []byte(`"dtype;`), 1)
	case "offsets":
		data = bytes.Replace(data, []byte(`"data_offsets":[0,`), []byte(`"data_offsets":[4,`), 1)
	case "dtype":
		data = bytes.Replace(data, []byte(`"F32"`), []byte(`"I32"`), 1)
	default:
		ts.Fatalf("spoil: unknown damage %q", args[1])
	}
	ts.Check(os.WriteFile(file, data, 0o666))
}
