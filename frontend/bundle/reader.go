package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"nimbus/frontend/picture"
	"nimbus/frontend/tokenizer"
	"nimbus/frontend/values"
	"nimbus/ir"
	"nimbus/ir/eval"
)

// clientFiles are what a client needs of a model beside its plan, where the model
// has them: vocabulary, settings of tokenizer and images.
var clientFiles = []string{"tokenizer.json", "vocab.txt", "vocab.json", "merges.txt", "tokenizer_config.json", "preprocessor_config.json"}

// A Reader turns what a person has, a text, an image or numbers, into the
// inputs of a model or of its plan, and results into an answer.
type Reader struct {
	main   *ir.Func
	attrs  ir.Attrs
	seq    int
	labels []string
	tok    *tokenizer.Tokenizer
	images *picture.Processor
	own    []*ir.Value // parameters that are this party's
}

// An Input is what a reader has read.
type Input struct {
	Values map[string]eval.Value
	Tokens int // of a text, else 0

	enc *tokenizer.Encoding
}

// textParams are the parameters that a text gives.
var textParams = []string{"ids", "types", "mask", "pool"}

// NewReader makes the reader of a plan for a party, or of any module for both
// parties' inputs if party is "". dir has what [Bundle.Files] reads.
func NewReader(m *ir.Module, dir fs.FS, labels []string, party string) (*Reader, error) {
	tok, err := openTokenizer(dir)
	if err != nil {
		return nil, err
	}
	return newReader(m, tok, dir, labels, party)
}

func newReader(m *ir.Module, tok *tokenizer.Tokenizer, dir fs.FS, labels []string, party string) (*Reader, error) {
	main := m.Func("main")
	if main == nil {
		return nil, fmt.Errorf("module @%s has no function @main", m.Name)
	}
	r := &Reader{main: main, attrs: m.Attrs, labels: labels, tok: tok}
	for _, p := range main.Params {
		if party == "" || Owner(p) == party {
			r.own = append(r.own, p)
		}
		if p.Name == "ids" {
			r.seq = p.Type.NumElems()
		}
	}
	var err error
	if main.Param("patches") != nil && m.Attrs.Has("image") {
		r.images, err = picture.Load(dir, m.Attrs.Int("image", 0), m.Attrs.Int("patch", 0), m.Attrs.Int("channels", 0))
	}
	return r, err
}

// Owner is the party whose input a parameter is.
func Owner(p *ir.Value) string {
	if p.Type.Kind == ir.Private {
		return p.Type.Party
	}
	return p.Attrs.Ident("owner", ir.Client)
}

// IsText reports whether a text gives all inputs.
func (r *Reader) IsText() bool {
	return len(r.own) > 0 && !slices.ContainsFunc(r.own, func(p *ir.Value) bool { return !slices.Contains(textParams, p.Name) })
}

// Text tokenizes a text to the model's length. A model without vocabulary takes
// token ids instead of words.
func (r *Reader) Text(text string, truncate bool) (*Input, error) {
	return r.texts([]string{text}, truncate)
}

// Pair is Text for two texts that the model judges together.
func (r *Reader) Pair(first, second string, truncate bool) (*Input, error) {
	return r.texts([]string{first, second}, truncate)
}

func (r *Reader) texts(texts []string, truncate bool) (*Input, error) {
	if err := r.takes(texts); err != nil {
		return nil, err
	}
	enc, err := r.encode(texts, truncate)
	if err != nil {
		return nil, err
	}
	return r.input(enc)
}

// Words is Text for a text that is cut into words already; first is where each
// word's first token stands, -1 of a word that was cut off.
func (r *Reader) Words(words []string, truncate bool) (in *Input, first []int, err error) {
	if err := r.takes(words); err != nil {
		return nil, nil, err
	}
	var enc tokenizer.Encoding
	if r.tok != nil {
		enc, first, err = r.tok.EncodeWords(words, r.seq, truncate)
	} else if enc, err = r.encode([]string{strings.Join(words, " ")}, truncate); err == nil {
		for i := range words { // each is a token
			if i >= enc.Len {
				i = -1
			}
			first = append(first, i)
		}
	}
	if err != nil {
		return nil, nil, err
	}
	in, err = r.input(enc)
	return in, first, err
}

// takes says why the texts are none for this model.
func (r *Reader) takes(texts []string) error {
	switch {
	case slices.ContainsFunc(texts, func(text string) bool { return strings.TrimSpace(text) == "" }):
		return errors.New("the text is empty")
	case r.images != nil:
		return errors.New("the model takes images and no text: give a PNG with -input FILE.png")
	case !r.IsText():
		return fmt.Errorf("the program takes %s and no text: give them with -input", r.wants())
	}
	return nil
}

// input gives the parameters what they take of an encoding.
func (r *Reader) input(enc tokenizer.Encoding) (*Input, error) {
	all := map[string]eval.Value{"ids": eval.Ints(enc.IDs), "types": eval.Ints(enc.Types), "mask": eval.Ints(enc.Mask), "pool": eval.Floats(enc.Pool())}
	in := &Input{Values: map[string]eval.Value{}, Tokens: enc.Len, enc: &enc}
	for _, p := range r.own {
		var err error
		if in.Values[p.Name], err = fit(p, all[p.Name]); err != nil {
			return nil, err
		}
	}
	return in, nil
}

// wants lists the parameters and their types.
func (r *Reader) wants() string {
	if len(r.own) == 0 {
		return "no input of this party"
	}
	parts := make([]string, len(r.own))
	for i, p := range r.own {
		parts[i] = "%" + p.Name + ": " + p.Type.String()
	}
	return strings.Join(parts, ", ")
}

func (r *Reader) encode(texts []string, truncate bool) (tokenizer.Encoding, error) {
	if r.tok != nil {
		if len(texts) == 2 {
			return r.tok.EncodePair(texts[0], texts[1], r.seq, truncate)
		}
		return r.tok.Encode(texts[0], r.seq, truncate)
	}
	vocab, pad := r.attrs.Int("vocab", 0), r.attrs.Int("pad", 0)
	enc := tokenizer.Encoding{Types: make([]int, r.seq), Mask: make([]int, r.seq)}
	for kind, text := range texts {
		for _, word := range strings.Fields(text) {
			id, err := strconv.Atoi(word)
			if err != nil || id < 0 || vocab > 0 && id >= vocab {
				return enc, fmt.Errorf("the model has no vocabulary, so its text is token ids below %d, not words", vocab)
			}
			if enc.Len < r.seq {
				enc.IDs, enc.Types[enc.Len], enc.Mask[enc.Len] = append(enc.IDs, id), kind, 1
			}
			enc.Len++
		}
	}
	if enc.Len > r.seq {
		if !truncate {
			return enc, fmt.Errorf("the text has %d tokens, the model is built for at most %d", enc.Len, r.seq)
		}
		enc.Len = r.seq
	}
	for len(enc.IDs) < r.seq {
		enc.IDs = append(enc.IDs, pad)
	}
	return enc, nil
}

// fit makes v an input of p: encoded where p is in fixed point.
func fit(p *ir.Value, v eval.Value) (eval.Value, error) {
	n := len(v.Ring) + len(v.Real)
	if n != p.Type.NumElems() {
		return v, fmt.Errorf("%%%s is %s, the text has %d", p.Name, p.Type, n)
	}
	if v.Real == nil {
		return v, nil
	}
	return values.Value(p, values.List{Reals: v.Real})
}

// Read takes args for what the model takes: one text, or what -input flags give.
func (r *Reader) Read(what string, args []string, truncate bool, open func(string) ([]byte, error)) (*Input, error) {
	if !r.IsText() {
		return r.Values(what, args, open)
	}
	if len(args) != 1 {
		return nil, fmt.Errorf("%s: %d inputs for a model that takes one text", what, len(args))
	}
	return r.Text(args[0], truncate)
}

// Seq is the length of a text in tokens, 0 where no text is taken.
func (r *Reader) Seq() int { return r.seq }

// Values reads what -input flags give: an image, or numbers.
func (r *Reader) Values(what string, args []string, open func(string) ([]byte, error)) (*Input, error) {
	if r.images != nil {
		return r.image(what, args, open)
	}
	lists, err := values.Flags(what, args, open)
	if err != nil {
		return nil, err
	}
	in, err := values.Bind(what, r.own, lists)
	if err != nil {
		return nil, err
	}
	return &Input{Values: in}, nil
}

// image reads one PNG, the patches' only source.
func (r *Reader) image(what string, args []string, open func(string) ([]byte, error)) (*Input, error) {
	if len(args) != 1 {
		return nil, fmt.Errorf("%s: %d files for a model that takes one image", what, len(args))
	}
	data, err := open(args[0])
	if err != nil {
		return nil, err
	}
	patches, err := r.images.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", args[0], err)
	}
	p := r.main.Param("patches")
	v, err := values.Value(p, values.List{Reals: patches})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", args[0], err)
	}
	return &Input{Values: map[string]eval.Value{p.Name: v}}, nil
}
