package hf

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"math"
	"slices"
	"strings"
)

// Config describes a model as its config.json does, checked. ParseConfig makes it.
type Config struct {
	Family       string // "bert"
	Architecture string // "BertForSequenceClassification"
	Hidden       int
	Layers       int
	Heads        int
	Intermediate int    // width of the feed-forward part
	Activation   string // "erf" or "tanh": which GELU
	Eps          float64
	Vocab        int
	Positions    int      // longest sequence
	TokenTypes   int      // kinds of segment
	Labels       []string // one per logit, in order
	Pad          int      // token id of padding
}

// activations maps what Hugging Face calls them to the form of nn.gelu.
var activations = map[string]string{
	"gelu": "erf", "gelu_python": "erf",
	"gelu_new": "tanh", "gelu_pytorch_tanh": "tanh", "gelu_fast": "tanh",
}

const (
	supportedType = "bert"
	supportedArch = "BertForSequenceClassification"
	maxSize       = 1 << 24 // of any one number in the configuration
	maxLabels     = 1 << 16
)

// ParseConfig reads config.json. Whatever would change the computation and is
// not known here is an error that says what is supported.
func ParseConfig(data []byte) (*Config, error) {
	// BertConfig's defaults, for what a file may leave out.
	c := struct {
		Architectures []string          `json:"architectures"`
		ModelType     string            `json:"model_type"`
		Hidden        int               `json:"hidden_size"`
		Layers        int               `json:"num_hidden_layers"`
		Heads         int               `json:"num_attention_heads"`
		Intermediate  int               `json:"intermediate_size"`
		Activation    string            `json:"hidden_act"`
		Eps           float64           `json:"layer_norm_eps"`
		Vocab         int               `json:"vocab_size"`
		Positions     int               `json:"max_position_embeddings"`
		TokenTypes    int               `json:"type_vocab_size"`
		PositionType  string            `json:"position_embedding_type"`
		Pad           *int              `json:"pad_token_id"`
		ID2Label      map[string]string `json:"id2label"`
		NumLabels     *int              `json:"num_labels"`
		Decoder       bool              `json:"is_decoder"`
		Cross         bool              `json:"add_cross_attention"`
		Pruned        map[string][]int  `json:"pruned_heads"`
		Quantization  json.RawMessage   `json:"quantization_config"`
	}{
		Hidden: 768, Layers: 12, Heads: 12, Intermediate: 3072, Activation: "gelu", Eps: 1e-12,
		Vocab: 30522, Positions: 512, TokenTypes: 2, PositionType: "absolute",
	}
	if err := json.Unmarshal(data, &c); err != nil {
		return nil, describe(err)
	}

	if c.ModelType != supportedType {
		return nil, fmt.Errorf("model_type %q is not supported; supported is %q", c.ModelType, supportedType)
	}
	if !slices.Contains(c.Architectures, supportedArch) {
		return nil, fmt.Errorf("architectures %q are not supported; supported is %q", c.Architectures, supportedArch)
	}
	if c.PositionType != "absolute" {
		return nil, fmt.Errorf("position_embedding_type %q is not supported; supported is \"absolute\"", c.PositionType)
	}
	form, ok := activations[c.Activation]
	if !ok {
		return nil, fmt.Errorf("hidden_act %q is not supported; supported are %s", c.Activation, keys(activations))
	}
	switch {
	case c.Decoder || c.Cross:
		return nil, fmt.Errorf("is_decoder and add_cross_attention are not supported; supported are encoders")
	case len(c.Pruned) > 0:
		return nil, fmt.Errorf("pruned_heads are not supported; save the model with all its heads")
	case len(c.Quantization) > 0 && string(c.Quantization) != "null":
		return nil, fmt.Errorf("quantization_config is not supported; supported are F32, F16 and BF16 weights")
	}

	for _, n := range []struct {
		name  string
		value int
	}{
		{"hidden_size", c.Hidden}, {"num_hidden_layers", c.Layers}, {"num_attention_heads", c.Heads},
		{"intermediate_size", c.Intermediate}, {"vocab_size", c.Vocab},
		{"max_position_embeddings", c.Positions}, {"type_vocab_size", c.TokenTypes},
	} {
		if n.value < 1 || n.value > maxSize {
			return nil, fmt.Errorf("%s is %d, want 1 to %d", n.name, n.value, maxSize)
		}
	}
	if c.Hidden%c.Heads != 0 {
		return nil, fmt.Errorf("hidden_size %d is not a multiple of num_attention_heads %d", c.Hidden, c.Heads)
	}
	if !(c.Eps > 0) || math.IsInf(c.Eps, 0) || c.Eps > 1 {
		return nil, fmt.Errorf("layer_norm_eps is %g, want more than 0 and at most 1", c.Eps)
	}
	pad := 0
	if c.Pad != nil {
		pad = *c.Pad
	}
	if pad < 0 || pad >= c.Vocab {
		return nil, fmt.Errorf("pad_token_id %d is not below vocab_size %d", pad, c.Vocab)
	}
	labels, err := labelNames(c.ID2Label, c.NumLabels)
	if err != nil {
		return nil, err
	}
	return &Config{
		Family: supportedType, Architecture: supportedArch,
		Hidden: c.Hidden, Layers: c.Layers, Heads: c.Heads, Intermediate: c.Intermediate,
		Activation: form, Eps: c.Eps, Vocab: c.Vocab, Positions: c.Positions, TokenTypes: c.TokenTypes,
		Labels: labels, Pad: pad,
	}, nil
}

// labelNames orders id2label by id. Without it there are num_labels (2 if that
// is absent too) labels with Hugging Face's default names.
func labelNames(byID map[string]string, count *int) ([]string, error) {
	n := 2
	if count != nil {
		n = *count
	}
	if byID != nil {
		n = len(byID)
	}
	if n < 1 || n > maxLabels {
		return nil, fmt.Errorf("there are %d labels, want 1 to %d", n, maxLabels)
	}
	if byID != nil && count != nil && *count != n {
		return nil, fmt.Errorf("num_labels is %d, but id2label has %d entries", *count, n)
	}
	labels := make([]string, n)
	for i := range labels {
		labels[i] = fmt.Sprintf("LABEL_%d", i)
		if byID != nil {
			name, ok := byID[fmt.Sprint(i)]
			if !ok {
				return nil, fmt.Errorf("id2label has %d entries but none for %d", n, i)
			}
			labels[i] = name
		}
	}
	return labels, nil
}

func keys(m map[string]string) string {
	var names []string
	for k := range m {
		names = append(names, fmt.Sprintf("%q", k))
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

func readFile(dir fs.FS, name string) ([]byte, error) {
	f, err := dir.Open(name)
	if err != nil {
		return nil, fmt.Errorf("hf: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxJSON+1))
	if err != nil {
		return nil, fmt.Errorf("hf: read %s: %w", name, err)
	}
	if len(data) > maxJSON {
		return nil, fmt.Errorf("hf: %s has more than %d bytes", name, maxJSON)
	}
	return data, nil
}
