package tokenizer

import (
	"encoding/json"
	"fmt"
)

// DefaultUnigramConfig returns the settings of ALBERT without vocabulary and scores.
func DefaultUnigramConfig() Config {
	return Config{Unknown: "<unk>", Start: "[CLS]", Separator: "[SEP]", Pad: "<pad>", Mask: "[MASK]", Unigram: &Unigram{}}
}

// A scored is a piece and its score, which are written as a list.
type scored struct {
	piece string
	score float64
}

func (s *scored) UnmarshalJSON(data []byte) error {
	return json.Unmarshal(data, &[]any{&s.piece, &s.score})
}

// A normalizerJSON is one normalizer, or a sequence of them.
type normalizerJSON struct {
	Type    string           `json:"type"`
	All     []normalizerJSON `json:"normalizers"`
	Content string           `json:"content"`
	Map     []byte           `json:"precompiled_charsmap"`
	Pattern struct {
		String *string `json:"String"`
		Regex  *string `json:"Regex"`
	} `json:"pattern"`
}

// steps appends what n does.
func (n *normalizerJSON) steps(to []Step) ([]Step, error) {
	s := Step{Kind: n.Type, To: n.Content, Map: n.Map}
	switch {
	case n.Type == "Sequence":
		var err error
		for i := range n.All {
			if to, err = n.All[i].steps(to); err != nil {
				return nil, err
			}
		}
		return to, nil
	case n.Type == "Replace" && n.Pattern.String != nil:
		s.Pattern = *n.Pattern.String
	case n.Type == "Replace" && n.Pattern.Regex != nil:
		s.Kind, s.Pattern = "Regex", *n.Pattern.Regex
	}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("normalizer %s: %w", n.Type, err)
	}
	return append(to, s), nil
}

// A preTokenizerJSON is one pre-tokenizer, or a sequence of them.
type preTokenizerJSON struct {
	Type        string             `json:"type"`
	All         []preTokenizerJSON `json:"pretokenizers"`
	Replacement string             `json:"replacement"`
	Prefix      *bool              `json:"add_prefix_space"` // older files say this
	Scheme      *string            `json:"prepend_scheme"`
	Split       *bool              `json:"split"`
}

// apply accepts Metaspace, and WhitespaceSplit before it.
func (p *preTokenizerJSON) apply(u *Unigram) error {
	all := []preTokenizerJSON{*p}
	if p.Type == "Sequence" {
		all = p.All
	}
	if len(all) == 2 && all[0].Type == "WhitespaceSplit" {
		u.SplitSpace, all = true, all[1:]
	}
	if len(all) != 1 || all[0].Type != "Metaspace" {
		return fmt.Errorf("the pre_tokenizer is not supported beside Unigram; supported is Metaspace, and WhitespaceSplit before it")
	}
	m := all[0]
	u.Space, u.Prepend, u.Split = m.Replacement, "always", true
	if m.Prefix != nil && !*m.Prefix {
		u.Prepend = "never"
	}
	if m.Scheme != nil {
		u.Prepend = *m.Scheme
	}
	set(&u.Split, m.Split)
	return nil
}

// parseUnigram reads a tokenizer.json of a SentencePiece unigram model.
func parseUnigram(data []byte) (Config, error) {
	cfg := DefaultUnigramConfig()
	var f struct {
		AddedTokens   []addedToken      `json:"added_tokens"`
		Normalizer    *normalizerJSON   `json:"normalizer"`
		PreTokenizer  *preTokenizerJSON `json:"pre_tokenizer"`
		PostProcessor *postProcessor    `json:"post_processor"`
		Model         struct {
			Unknown *int     `json:"unk_id"`
			Vocab   []scored `json:"vocab"`
			Bytes   bool     `json:"byte_fallback"`
		} `json:"model"`
	}
	if err := json.Unmarshal(data, &f); err != nil {
		return cfg, describe(err)
	}
	u := cfg.Unigram
	u.ByteFallback = f.Model.Bytes
	ids := map[string]int{}
	for id, s := range f.Model.Vocab {
		if _, ok := ids[s.piece]; ok {
			return cfg, fmt.Errorf("the piece %q is there twice", s.piece)
		}
		ids[s.piece] = id
		cfg.Vocab, u.Scores = append(cfg.Vocab, s.piece), append(u.Scores, s.score)
	}
	switch n := f.Model.Unknown; {
	case !finite(u.Scores):
		return cfg, fmt.Errorf("a score is no finite number")
	case n == nil || *n < 0 || *n >= len(cfg.Vocab):
		return cfg, fmt.Errorf("unk_id names none of the %d pieces", len(cfg.Vocab))
	default:
		cfg.Unknown = cfg.Vocab[*n]
	}
	for _, a := range f.AddedTokens {
		if err := a.check(cfg.Mask); err != nil {
			return cfg, err
		}
		switch id, ok := ids[a.Content]; {
		case a.Normalized && !a.Special:
			return cfg, fmt.Errorf("the added token %q is matched in normalized text, which is not supported", a.Content)
		case !ok || id != a.ID:
			return cfg, fmt.Errorf("the added token %q with the id %d is not that piece of the vocabulary", a.Content, a.ID)
		}
		cfg.Special = append(cfg.Special, a.Content)
	}
	if f.Normalizer != nil {
		var err error
		if u.Normalizers, err = f.Normalizer.steps(nil); err != nil {
			return cfg, err
		}
	}
	if f.PreTokenizer == nil {
		return cfg, fmt.Errorf("there is no pre_tokenizer; supported is Metaspace, and WhitespaceSplit before it")
	}
	if err := f.PreTokenizer.apply(u); err != nil {
		return cfg, err
	}
	if f.PostProcessor == nil {
		return cfg, fmt.Errorf("there is no post_processor; supported are TemplateProcessing and BertProcessing")
	}
	return cfg, f.PostProcessor.apply(&cfg)
}
