package hf

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Config describes a model as its config.json does, checked. ParseConfig makes it.
type Config struct {
	Family       string // folder of its description among the models: "bert"
	Architecture string // "BertForSequenceClassification"
	Hidden       int
	Embedding    int // width of the embeddings, Hidden where they have none of their own
	Layers       int
	Heads        int
	Intermediate int    // width of the feed-forward part
	Activation   string // "erf" or "tanh", which GELU, or "relu"
	Eps          float64
	Vocab        int
	Positions    int      // rows of the position table
	First        int      // row of the first token's position
	TokenTypes   int      // kinds of segment
	Labels       []string // one per logit, in order; nil for a sentence encoder or a masked language model
	Pad          int      // token id of padding
	Groups       int      // sets of weights that layers share, if they do
	Inner        int      // layers in each
	Normalize    bool     // a sentence encoder's embedding has length one
	Image        int      // pixels of a side
	Patch        int
	Channels     int
	Head         string // of a BERT: what it classifies, "sequence", "tokens" or "words"
}

// Seq is the longest sequence.
func (c *Config) Seq() int {
	if c.Family == "vit" {
		n := c.Image / c.Patch
		return n*n + 1
	}
	return c.Positions - c.First
}

// activations maps what Hugging Face calls them to the form of nn.gelu, or to
// another function.
var activations = map[string]string{
	"gelu": "erf", "gelu_python": "erf",
	"gelu_new": "tanh", "gelu_pytorch_tanh": "tanh", "gelu_fast": "tanh",
	"relu": "relu",
}

const (
	maxSize   = 1 << 24 // of any one number in the configuration
	maxLabels = 1 << 16
)

// config is config.json as it stands. Other families have other names for the same keys.
type config struct {
	Architectures []string          `json:"architectures"`
	ModelType     string            `json:"model_type"`
	Hidden        int               `json:"hidden_size"`
	Embedding     int               `json:"embedding_size"`
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
	Groups        int               `json:"num_hidden_groups"`
	Inner         int               `json:"inner_group_num"`
	Image         int               `json:"image_size"`
	Patch         int               `json:"patch_size"`
	Channels      int               `json:"num_channels"`
	QKVBias       *bool             `json:"qkv_bias"`
}

// A family is one row of the table of what is understood.
type family struct {
	kind, arch string            // model_type and architecture in config.json
	name       string            // folder and file of the description
	keys       map[string]string // the family's name of a key -> the usual one
	defaults   config            // for what a file may leave out
	head       string            // the description's parameter head, if it has one
	sizes      []string          // further numbers that must be 1 or more, by their usual names
}

var bertDefaults = config{Hidden: 768, Layers: 12, Heads: 12, Intermediate: 3072, Activation: "gelu", Eps: 1e-12,
	Vocab: 30522, Positions: 512, TokenTypes: 2, PositionType: "absolute"}

// with changes a copy of the defaults.
func (r config) with(change func(*config)) config { change(&r); return r }

// families is the table: a new family is a row here, a description among the
// models, and parameters in Set if it has some of its own.
var families = []family{
	{kind: "albert", arch: "AlbertForSequenceClassification", name: "albert",
		defaults: bertDefaults.with(func(r *config) {
			r.Embedding, r.Hidden, r.Heads, r.Intermediate, r.Vocab = 128, 4096, 64, 16384, 30000
			r.Activation, r.Groups, r.Inner = "gelu_new", 1, 1
		}), sizes: []string{"embedding_size", "num_hidden_groups", "inner_group_num"}},
	{kind: "bert", arch: "BertForMaskedLM", name: "bert", head: "words", defaults: bertDefaults},
	{kind: "bert", arch: "BertForSequenceClassification", name: "bert", head: "sequence", defaults: bertDefaults},
	{kind: "bert", arch: "BertForTokenClassification", name: "bert", head: "tokens", defaults: bertDefaults},
	{kind: "bert", arch: "BertModel", name: "sentence", defaults: bertDefaults},
	{kind: "distilbert", arch: "DistilBertForSequenceClassification", name: "distilbert",
		keys: map[string]string{"dim": "hidden_size", "n_layers": "num_hidden_layers", "n_heads": "num_attention_heads",
			"hidden_dim": "intermediate_size", "activation": "hidden_act"},
		defaults: bertDefaults.with(func(r *config) { r.Layers = 6 })},
	{kind: "electra", arch: "ElectraForSequenceClassification", name: "electra",
		defaults: bertDefaults.with(func(r *config) { r.Embedding, r.Hidden, r.Heads, r.Intermediate = 128, 256, 4, 1024 }),
		sizes:    []string{"embedding_size"}},
	{kind: "roberta", arch: "RobertaForSequenceClassification", name: "roberta",
		defaults: bertDefaults.with(func(r *config) { r.Vocab, r.Pad = 50265, new(int); *r.Pad = 1 })},
	{kind: "vit", arch: "ViTForImageClassification", name: "vit",
		defaults: bertDefaults.with(func(r *config) { r.Image, r.Patch, r.Channels = 224, 16, 3 }),
		sizes:    []string{"image_size", "patch_size", "num_channels"}},
}

// find picks the row of a model_type and architectures.
func find(kind string, archs []string) (*family, error) {
	var kinds, known []string
	for i := range families {
		f := &families[i]
		if f.kind == kind && slices.Contains(archs, f.arch) {
			return f, nil
		}
		kinds = append(kinds, strconv.Quote(f.kind))
		if f.kind == kind {
			known = append(known, strconv.Quote(f.arch))
		}
	}
	if known == nil {
		return nil, fmt.Errorf("model_type %q is not supported; supported %s", kind, listed(slices.Compact(kinds)))
	}
	return nil, fmt.Errorf("architectures %q are not supported; supported %s", archs, listed(known))
}

func listed(names []string) string {
	if len(names) == 1 {
		return "is " + names[0]
	}
	return "are " + strings.Join(names, ", ")
}

// ParseConfig reads config.json. Whatever would change the computation and is
// not known here is an error that says what is supported.
func ParseConfig(data []byte) (*Config, error) {
	var kind struct {
		Architectures []string `json:"architectures"`
		ModelType     string   `json:"model_type"`
	}
	if err := json.Unmarshal(data, &kind); err != nil {
		return nil, describe(err)
	}
	f, err := find(kind.ModelType, kind.Architectures)
	if err != nil {
		return nil, err
	}
	c := f.defaults
	if data, err = f.rename(data); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, &c); err != nil {
		return nil, describe(err)
	}

	if c.PositionType != "absolute" {
		return nil, fmt.Errorf("position_embedding_type %q is not supported; supported is \"absolute\"", c.PositionType)
	}
	form, ok := activations[c.Activation]
	if !ok {
		return nil, fmt.Errorf("%s %q is not supported; supported are %s", f.called("hidden_act"), c.Activation, keys(activations))
	}
	switch {
	case c.Decoder || c.Cross:
		return nil, fmt.Errorf("is_decoder and add_cross_attention are not supported; supported are encoders")
	case len(c.Pruned) > 0:
		return nil, fmt.Errorf("pruned_heads are not supported; save the model with all its heads")
	case len(c.Quantization) > 0 && string(c.Quantization) != "null":
		return nil, fmt.Errorf("quantization_config is not supported; supported are F32, F16 and BF16 weights")
	case f.name == "vit" && c.QKVBias != nil && !*c.QKVBias:
		return nil, fmt.Errorf("qkv_bias = false is not supported; supported is true")
	}

	sizes := []string{"hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"}
	if f.name != "vit" {
		sizes = append(sizes, "vocab_size", "max_position_embeddings", "type_vocab_size")
	}
	for _, name := range append(sizes, f.sizes...) {
		if n := c.size(name); n < 1 || n > maxSize {
			return nil, fmt.Errorf("%s is %d, want 1 to %d", f.called(name), n, maxSize)
		}
	}
	switch {
	case c.Hidden%c.Heads != 0:
		return nil, fmt.Errorf("%s %d is not a multiple of %s %d", f.called("hidden_size"), c.Hidden, f.called("num_attention_heads"), c.Heads)
	case !(c.Eps > 0) || math.IsInf(c.Eps, 0) || c.Eps > 1:
		return nil, fmt.Errorf("layer_norm_eps is %g, want more than 0 and at most 1", c.Eps)
	case f.name == "albert" && c.Layers%c.Groups != 0:
		return nil, fmt.Errorf("num_hidden_layers %d is not a multiple of num_hidden_groups %d", c.Layers, c.Groups)
	case f.name == "vit" && (c.Image%c.Patch != 0 || c.Image/c.Patch > 1<<8):
		return nil, fmt.Errorf("image_size %d is not a multiple of patch_size %d, or more than %d of them", c.Image, c.Patch, 1<<8)
	case f.name == "roberta" && c.TokenTypes != 1:
		return nil, fmt.Errorf("type_vocab_size is %d; a %s has 1", c.TokenTypes, f.kind)
	}
	pad := 0
	if c.Pad != nil {
		pad = *c.Pad
	}
	if f.name != "vit" && (pad < 0 || pad >= c.Vocab) {
		return nil, fmt.Errorf("pad_token_id %d is not below vocab_size %d", pad, c.Vocab)
	}
	out := &Config{
		Family: f.name, Architecture: f.arch,
		Hidden: c.Hidden, Embedding: c.Embedding, Layers: c.Layers, Heads: c.Heads, Intermediate: c.Intermediate,
		Activation: form, Eps: c.Eps, Vocab: c.Vocab, Positions: c.Positions, TokenTypes: c.TokenTypes, Pad: pad,
		Groups: c.Groups, Inner: c.Inner, Image: c.Image, Patch: c.Patch, Channels: c.Channels, Head: f.head,
	}
	if out.Embedding == 0 {
		out.Embedding = out.Hidden
	}
	if f.name == "roberta" {
		if out.First = pad + 1; out.First >= c.Positions {
			return nil, fmt.Errorf("max_position_embeddings is %d, but positions begin at %d, after pad_token_id", c.Positions, out.First)
		}
	}
	if f.name == "sentence" {
		out.Normalize = true
		return out, nil
	}
	if f.head == "words" {
		return out, nil
	}
	out.Labels, err = labelNames(c.ID2Label, c.NumLabels)
	return out, err
}

// rename gives the keys of the family's config.json their usual names.
func (f *family) rename(data []byte) ([]byte, error) {
	if len(f.keys) == 0 {
		return data, nil
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, describe(err)
	}
	for from, to := range f.keys {
		if v, ok := all[from]; ok {
			all[to] = v
		}
	}
	return json.Marshal(all)
}

// called is what the family calls a key of config.
func (f *family) called(key string) string {
	for from, to := range f.keys {
		if to == key {
			return from
		}
	}
	return key
}

func (r *config) size(name string) int {
	switch name {
	case "hidden_size":
		return r.Hidden
	case "embedding_size":
		return r.Embedding
	case "num_hidden_layers":
		return r.Layers
	case "num_attention_heads":
		return r.Heads
	case "intermediate_size":
		return r.Intermediate
	case "vocab_size":
		return r.Vocab
	case "max_position_embeddings":
		return r.Positions
	case "type_vocab_size":
		return r.TokenTypes
	case "num_hidden_groups":
		return r.Groups
	case "inner_group_num":
		return r.Inner
	case "image_size":
		return r.Image
	case "patch_size":
		return r.Patch
	case "num_channels":
		return r.Channels
	}
	return 0
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
