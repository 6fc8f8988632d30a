package tests

import (
	"os"
	"path/filepath"
	"slices"

	"github.com/rogpeppe/go-internal/testscript"

	"nimbus/frontend"
	"nimbus/frontend/bundle"
)

// albertConfig is the model that albert writes; its tokenizer has 260 pieces.
const albertConfig = `{
  "architectures": ["AlbertForSequenceClassification"],
  "model_type": "albert",
  "hidden_act": "gelu_new",
  "embedding_size": 8,
  "hidden_size": 16,
  "intermediate_size": 32,
  "max_position_embeddings": 32,
  "num_attention_heads": 2,
  "num_hidden_layers": 2,
  "type_vocab_size": 2,
  "vocab_size": 260,
  "id2label": {"0": "bad", "1": "good"}
}
`

// albertCmd writes a tiny random ALBERT as Hugging Face would save it, with a
// SentencePiece tokenizer.
func albertCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: albert DIR")
	}
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o777))
	tokenizer, err := os.ReadFile(filepath.Join("..", "frontend", "tokenizer", "testdata", "unigram", "tokenizer.json"))
	ts.Check(err)
	b, err := bundle.Open("albert/tiny")
	ts.Check(err)
	m, err := b.Module(frontend.Set{"seq": 32, "embedding": 8, "hidden": 16, "heads": 2, "layers": 2, "ffn": 32, "vocab": 260, "positions": 32})
	ts.Check(err)
	shapes := map[string][]int{} // of the tensors, as the description names them
	for _, w := range m.Weights {
		name, shape := w.Name, slices.Clone(w.Type.Shape)
		if from := w.Attrs.Strs("from"); from != nil {
			name = from[0]
		}
		if w.Attrs.Bool("transpose") {
			slices.Reverse(shape)
		}
		shapes[name] = shape
	}
	for name, data := range map[string][]byte{"config.json": []byte(albertConfig), "tokenizer.json": tokenizer, weightsFile: safetensors(shapes, nil),
		"tokenizer_config.json": []byte(`{"tokenizer_class": "AlbertTokenizer", "do_lower_case": true}`)} {
		ts.Check(os.WriteFile(filepath.Join(dir, name), data, 0o666))
	}
}
