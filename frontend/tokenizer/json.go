package tokenizer

import (
	"encoding/json"
	"fmt"
	"strings"
)

// parseTokenizer reads tokenizer.json, accepting what BERT's WordPiece,
// RoBERTa's BPE and ALBERT's unigram tokenizers use and refusing everything else by name.
func parseTokenizer(data []byte) (Config, error) {
	cfg := DefaultConfig()
	var f struct {
		AddedTokens []struct {
			ID         int    `json:"id"`
			Content    string `json:"content"`
			SingleWord bool   `json:"single_word"`
			Normalized bool   `json:"normalized"`
			Special    bool   `json:"special"`
		} `json:"added_tokens"`
		Normalizer *struct {
			Type      string `json:"type"`
			CleanText *bool  `json:"clean_text"`
			CJK       *bool  `json:"handle_chinese_chars"`
			Accents   *bool  `json:"strip_accents"`
			Lowercase *bool  `json:"lowercase"`
		} `json:"normalizer"`
		PreTokenizer *struct {
			Type string `json:"type"`
		} `json:"pre_tokenizer"`
		PostProcessor *postProcessor `json:"post_processor"`
		Model         struct {
			Type     string         `json:"type"`
			Unknown  string         `json:"unk_token"`
			Prefix   *string        `json:"continuing_subword_prefix"`
			MaxChars *int           `json:"max_input_chars_per_word"`
			Vocab    map[string]int `json:"vocab"`
		} `json:"model"`
	}
	// The model's type decides what its vocabulary looks like: ask first.
	var kind struct {
		Model struct {
			Type string `json:"type"`
		} `json:"model"`
	}
	if err := json.Unmarshal(data, &kind); err != nil {
		return cfg, describe(err)
	}
	switch kind.Model.Type {
	case "WordPiece", "":
	case "BPE":
		return parseBPE(data)
	case "Unigram":
		return parseUnigram(data)
	default:
		return cfg, fmt.Errorf("model type %q is not supported; supported are WordPiece, BPE and Unigram", kind.Model.Type)
	}
	if err := json.Unmarshal(data, &f); err != nil {
		return cfg, describe(err)
	}

	n := f.Normalizer
	switch {
	case n == nil:
		return cfg, fmt.Errorf("there is no normalizer; supported is BertNormalizer")
	case n.Type != "BertNormalizer":
		return cfg, fmt.Errorf("normalizer %q is not supported; supported is BertNormalizer", n.Type)
	}
	set(&cfg.CleanText, n.CleanText)
	set(&cfg.SplitCJK, n.CJK)
	set(&cfg.Lowercase, n.Lowercase)
	cfg.StripAccents = cfg.Lowercase // null means: as the case
	set(&cfg.StripAccents, n.Accents)
	if f.PreTokenizer == nil || f.PreTokenizer.Type != "BertPreTokenizer" {
		return cfg, fmt.Errorf("the pre_tokenizer is not supported; supported is BertPreTokenizer")
	}

	// Without holes an id is less than the number of entries; checked before a
	// table of that size is made.
	size, limit := 0, len(f.Model.Vocab)+len(f.AddedTokens)
	grow := func(id int, what string) error {
		if id < 0 || id >= limit {
			return fmt.Errorf("the id %d of %s is out of range; %d entries have the ids 0 to %d", id, what, limit, limit-1)
		}
		size = max(size, id+1)
		return nil
	}
	for _, id := range f.Model.Vocab {
		if err := grow(id, "a vocabulary entry"); err != nil {
			return cfg, err
		}
	}
	for _, a := range f.AddedTokens {
		if err := grow(a.ID, "an added token"); err != nil {
			return cfg, err
		}
	}
	cfg.Vocab = make([]string, size)
	used := make([]bool, size)
	put := func(id int, text string) error {
		if used[id] && cfg.Vocab[id] != text {
			return fmt.Errorf("the id %d has two tokens, %q and %q", id, cfg.Vocab[id], text)
		}
		cfg.Vocab[id], used[id] = text, true
		return nil
	}
	for text, id := range f.Model.Vocab {
		if err := put(id, text); err != nil {
			return cfg, err
		}
	}
	for _, a := range f.AddedTokens {
		switch {
		case a.Content == "":
			return cfg, fmt.Errorf("the added token %d is empty", a.ID)
		case a.SingleWord:
			return cfg, fmt.Errorf("the added token %q has single_word, which is not supported", a.Content)
		case a.Normalized && !a.Special:
			return cfg, fmt.Errorf("the added token %q is matched in normalized text, which is not supported", a.Content)
		}
		if id, ok := f.Model.Vocab[a.Content]; ok && id != a.ID {
			return cfg, fmt.Errorf("the added token %q has the ids %d and %d", a.Content, id, a.ID)
		}
		if err := put(a.ID, a.Content); err != nil {
			return cfg, err
		}
		cfg.Special = append(cfg.Special, a.Content)
	}
	for id, ok := range used {
		if !ok {
			return cfg, fmt.Errorf("no token has the id %d, but there are larger ids up to %d", id, size-1)
		}
	}

	if f.Model.Unknown != "" {
		cfg.Unknown = f.Model.Unknown
	}
	if f.Model.Prefix != nil {
		cfg.Prefix = *f.Model.Prefix
	}
	if f.Model.MaxChars != nil {
		cfg.MaxWordChars = *f.Model.MaxChars
	}
	if f.PostProcessor == nil {
		return cfg, fmt.Errorf("there is no post_processor; supported are TemplateProcessing and BertProcessing")
	}
	if err := f.PostProcessor.apply(&cfg); err != nil {
		return cfg, err
	}
	return cfg, nil
}

type postProcessor struct {
	Type   string          `json:"type"`
	Single []templateItem  `json:"single"`
	Pair   []templateItem  `json:"pair"`
	Sep    json.RawMessage `json:"sep"` // BertProcessing: [token, id]
	Cls    json.RawMessage `json:"cls"`
}

type templateItem struct {
	Special *templateRef `json:"SpecialToken"`
	Text    *templateRef `json:"Sequence"`
}

type templateRef struct {
	ID   string `json:"id"`
	Type int    `json:"type_id"`
}

func (p *postProcessor) apply(cfg *Config) error {
	switch p.Type {
	case "BertProcessing":
		for _, o := range []struct {
			raw json.RawMessage
			to  *string
		}{{p.Sep, &cfg.Separator}, {p.Cls, &cfg.Start}} {
			var pair []any
			if err := json.Unmarshal(o.raw, &pair); err != nil || len(pair) != 2 {
				return fmt.Errorf("post_processor: want a token and its id, got %.40q", o.raw)
			}
			text, ok := pair[0].(string)
			if !ok {
				return fmt.Errorf("post_processor: want a token and its id, got %.40q", o.raw)
			}
			*o.to = text
		}
		return nil
	case "TemplateProcessing":
		single, pair := template(p.Single), template(p.Pair)
		fields := strings.Fields(single)
		if len(fields) != 3 || fields[1] != "$A:0" || !strings.HasSuffix(fields[0], ":0") || !strings.HasSuffix(fields[2], ":0") {
			return fmt.Errorf("post_processor: the template %q is not supported; supported is \"[CLS]:0 $A:0 [SEP]:0\"", single)
		}
		start, sep := strings.TrimSuffix(fields[0], ":0"), strings.TrimSuffix(fields[2], ":0")
		if want := single + " $B:1 " + sep + ":1"; pair != want {
			return fmt.Errorf("post_processor: the pair template %q is not supported; supported is %q", pair, want)
		}
		cfg.Start, cfg.Separator = start, sep
		return nil
	}
	return fmt.Errorf("post_processor %q is not supported; supported are TemplateProcessing and BertProcessing", p.Type)
}

// template prints items as Hugging Face writes templates: "[CLS]:0 $A:0 [SEP]:0".
func template(items []templateItem) string {
	var parts []string
	for _, it := range items {
		switch {
		case it.Special != nil:
			parts = append(parts, fmt.Sprintf("%s:%d", it.Special.ID, it.Special.Type))
		case it.Text != nil:
			parts = append(parts, fmt.Sprintf("$%s:%d", it.Text.ID, it.Text.Type))
		default:
			parts = append(parts, "?")
		}
	}
	return strings.Join(parts, " ")
}
