package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"unicode/utf8"
)

// maxFile bounds each tokenizer file; the largest in use are about 20 MB.
const maxFile = 64 << 20

// Load reads a model folder: tokenizer.json if there is one, else vocab.txt, or
// vocab.json and merges.txt for byte-level BPE, each with the settings of tokenizer_config.json if there is one.
func Load(dir fs.FS) (*Tokenizer, error) {
	cfg := DefaultConfig()
	full, err := readFile(dir, "tokenizer.json")
	switch {
	case err == nil:
		if cfg, err = parseTokenizer(full); err != nil {
			return nil, fmt.Errorf("tokenizer.json: %w", err)
		}
	case errors.Is(err, fs.ErrNotExist):
		if cfg, err = loadVocab(dir); err != nil {
			return nil, err
		}
	default:
		return nil, err
	}

	settings, err := readFile(dir, "tokenizer_config.json")
	switch {
	case err == nil:
		if err := applySettings(&cfg, settings); err != nil {
			return nil, fmt.Errorf("tokenizer_config.json: %w", err)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	return New(cfg)
}

// loadVocab reads a vocabulary without tokenizer.json.
func loadVocab(dir fs.FS) (Config, error) {
	cfg := DefaultConfig()
	vocab, err := readFile(dir, "vocab.txt")
	if err == nil {
		if cfg.Vocab, err = ParseVocab(vocab); err != nil {
			return cfg, fmt.Errorf("vocab.txt: %w", err)
		}
		return cfg, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return cfg, err
	}
	cfg = DefaultBPEConfig()
	if vocab, err = readFile(dir, "vocab.json"); errors.Is(err, fs.ErrNotExist) {
		return cfg, fmt.Errorf("tokenizer: the folder has neither tokenizer.json nor vocab.txt nor vocab.json")
	}
	if err != nil {
		return cfg, err
	}
	var ids map[string]int
	if err := json.Unmarshal(vocab, &ids); err != nil {
		return cfg, fmt.Errorf("vocab.json: %w", describe(err))
	}
	if cfg.Vocab, err = table(ids); err != nil {
		return cfg, fmt.Errorf("vocab.json: %w", err)
	}
	merges, err := readFile(dir, "merges.txt")
	if err != nil {
		return cfg, err
	}
	for line := range strings.Lines(string(merges)) {
		line = strings.TrimRight(line, "\r\n")
		if line != "" && !strings.HasPrefix(line, "#version") {
			cfg.Merges = append(cfg.Merges, line)
		}
	}
	if len(cfg.Merges) == 0 {
		return cfg, fmt.Errorf("merges.txt: no merges")
	}
	return cfg, nil
}

// table orders a vocabulary by id. Ids have no holes.
func table(ids map[string]int) ([]string, error) {
	out := make([]string, len(ids))
	used := make([]bool, len(ids))
	for text, id := range ids {
		if id < 0 || id >= len(ids) {
			return nil, fmt.Errorf("the id %d of a token is out of range; %d tokens have the ids 0 to %d", id, len(ids), len(ids)-1)
		}
		if used[id] {
			return nil, fmt.Errorf("the id %d has two tokens", id)
		}
		out[id], used[id] = text, true
	}
	return out, nil
}

func readFile(dir fs.FS, name string) ([]byte, error) {
	f, err := dir.Open(name)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("tokenizer: read %s: %w", name, err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("tokenizer: %s has more than %d bytes", name, maxFile)
	}
	return data, nil
}

// ParseVocab reads vocab.txt: one token a line, the line's number from 0 is its id.
func ParseVocab(data []byte) ([]string, error) {
	if !utf8.Valid(data) {
		return nil, fmt.Errorf("not valid UTF-8")
	}
	text := strings.ReplaceAll(string(data), "\r\n", "\n")
	text = strings.TrimSuffix(text, "\n")
	if text == "" {
		return nil, fmt.Errorf("no tokens")
	}
	return strings.Split(text, "\n"), nil
}

// applySettings overlays tokenizer_config.json: what it does not mention stays.
func applySettings(cfg *Config, data []byte) error {
	var s struct {
		Class        string      `json:"tokenizer_class"`
		Lower        *bool       `json:"do_lower_case"`
		Accents      *bool       `json:"strip_accents"`
		CJK          *bool       `json:"tokenize_chinese_chars"`
		BasicSplit   *bool       `json:"do_basic_tokenize"`
		PrefixSpace  *bool       `json:"add_prefix_space"`
		NeverSplit   []string    `json:"never_split"`
		MaxLength    json.Number `json:"model_max_length"`
		Unknown      token       `json:"unk_token"`
		Start        token       `json:"cls_token"`
		Separator    token       `json:"sep_token"`
		Pad          token       `json:"pad_token"`
		Mask         token       `json:"mask_token"`
		PaddingSide  string      `json:"padding_side"`
		TruncateSide string      `json:"truncation_side"`
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return describe(err)
	}
	switch s.Class {
	case "", "PreTrainedTokenizerFast":
	case "BertTokenizer", "BertTokenizerFast", "DistilBertTokenizer", "DistilBertTokenizerFast", "ElectraTokenizer", "ElectraTokenizerFast":
		if len(cfg.Merges) > 0 {
			return fmt.Errorf("tokenizer_class %q has no merges, but the folder has", s.Class)
		}
	case "AlbertTokenizer", "AlbertTokenizerFast":
		if cfg.Unigram == nil {
			return fmt.Errorf("tokenizer_class %q needs a tokenizer.json of a Unigram model", s.Class)
		}
	case "RobertaTokenizer", "RobertaTokenizerFast":
		if len(cfg.Merges) == 0 {
			return fmt.Errorf("tokenizer_class %q needs vocab.json and merges.txt, or a tokenizer.json with both", s.Class)
		}
	default:
		return fmt.Errorf("tokenizer_class %q is not supported; supported are AlbertTokenizer, BertTokenizer, DistilBertTokenizer, ElectraTokenizer and RobertaTokenizer, and each with Fast", s.Class)
	}
	if s.BasicSplit != nil && !*s.BasicSplit {
		return fmt.Errorf("do_basic_tokenize = false is not supported")
	}
	if len(s.NeverSplit) > 0 {
		return fmt.Errorf("never_split is not supported")
	}
	for _, side := range []string{s.PaddingSide, s.TruncateSide} {
		if side != "" && side != "right" {
			return fmt.Errorf("padding and truncation are supported on the right side only, not %q", side)
		}
	}
	words := len(cfg.Merges) == 0 && cfg.Unigram == nil // the others have no such settings
	if s.Lower != nil && words {
		if s.Accents == nil && *s.Lower != cfg.Lowercase {
			cfg.StripAccents = *s.Lower // accents follow the case unless stated
		}
		cfg.Lowercase = *s.Lower
	}
	if words {
		set(&cfg.StripAccents, s.Accents)
		set(&cfg.SplitCJK, s.CJK)
	}
	if len(cfg.Merges) > 0 {
		set(&cfg.PrefixSpace, s.PrefixSpace)
	}
	for _, o := range []struct {
		to   *string
		from token
	}{
		{&cfg.Unknown, s.Unknown}, {&cfg.Start, s.Start}, {&cfg.Separator, s.Separator},
		{&cfg.Pad, s.Pad}, {&cfg.Mask, s.Mask},
	} {
		if o.from != "" {
			*o.to = string(o.from)
		}
	}
	// Models without a limit say 1e30.
	if n, err := s.MaxLength.Float64(); err == nil && n >= 1 && n < 1e9 {
		cfg.MaxLength = int(n)
	}
	return nil
}

func set(to *bool, from *bool) {
	if from != nil {
		*to = *from
	}
}

// A token is written as a string or as an object with its content.
type token string

func (t *token) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '{' {
		var o struct {
			Content string `json:"content"`
		}
		if err := json.Unmarshal(data, &o); err != nil {
			return err
		}
		*t = token(o.Content)
		return nil
	}
	var s *string // null leaves the token alone
	if err := json.Unmarshal(data, &s); err != nil {
		return err
	}
	if s != nil {
		*t = token(*s)
	}
	return nil
}

func describe(err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("not valid JSON at byte %d: %w", syntax.Offset, err)
	}
	return fmt.Errorf("unexpected JSON: %w", err)
}
