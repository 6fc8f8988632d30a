package tokenizer

import (
	"encoding/json"
	"fmt"
)

// addedToken is a token of tokenizer.json that is matched before the model splits text.
type addedToken struct {
	ID         int    `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	Lstrip     bool   `json:"lstrip"`
	Rstrip     bool   `json:"rstrip"`
	Normalized bool   `json:"normalized"`
	Special    bool   `json:"special"`
}

// check refuses what would be matched otherwise than as it is written; the mask
// token may take the space before it.
func (a addedToken) check(mask string) error {
	switch {
	case a.Content == "":
		return fmt.Errorf("the added token %d is empty", a.ID)
	case a.SingleWord || a.Rstrip:
		return fmt.Errorf("the added token %q has single_word or rstrip, which is not supported", a.Content)
	case a.Lstrip && a.Content != mask:
		return fmt.Errorf("the added token %q has lstrip, which is supported for %s alone", a.Content, mask)
	}
	return nil
}

// parseBPE reads a tokenizer.json of byte-level BPE.
func parseBPE(data []byte) (Config, error) {
	cfg := DefaultBPEConfig()
	var f struct {
		AddedTokens  []addedToken    `json:"added_tokens"`
		Normalizer   json.RawMessage `json:"normalizer"`
		PreTokenizer struct {
			Type        string `json:"type"`
			PrefixSpace bool   `json:"add_prefix_space"`
			Expression  *bool  `json:"use_regex"`
		} `json:"pre_tokenizer"`
		PostProcessor *postProcessor `json:"post_processor"`
		Model         struct {
			Unknown string         `json:"unk_token"`
			Prefix  string         `json:"continuing_subword_prefix"`
			Suffix  string         `json:"end_of_word_suffix"`
			Dropout *float64       `json:"dropout"`
			Bytes   bool           `json:"byte_fallback"`
			Ignore  bool           `json:"ignore_merges"`
			Vocab   map[string]int `json:"vocab"`
			Merges  []merge        `json:"merges"`
		} `json:"model"`
	}
	if err := json.Unmarshal(data, &f); err != nil {
		return cfg, describe(err)
	}
	p := f.PreTokenizer
	switch m := f.Model; {
	case len(f.Normalizer) > 0 && string(f.Normalizer) != "null":
		return cfg, fmt.Errorf("a normalizer is not supported beside BPE")
	case p.Type != "ByteLevel" || p.Expression != nil && !*p.Expression:
		return cfg, fmt.Errorf("pre_tokenizer %q is not supported beside BPE; supported is ByteLevel with its expression", p.Type)
	case m.Prefix != "" || m.Suffix != "" || m.Bytes || m.Ignore || m.Dropout != nil && *m.Dropout != 0:
		return cfg, fmt.Errorf("BPE with continuing_subword_prefix, end_of_word_suffix, byte_fallback, ignore_merges or dropout is not supported")
	case len(m.Merges) == 0:
		return cfg, fmt.Errorf("BPE without merges is not supported")
	}
	cfg.PrefixSpace = p.PrefixSpace
	all := map[string]int{}
	for text, id := range f.Model.Vocab {
		all[text] = id
	}
	for _, a := range f.AddedTokens {
		if err := a.check(cfg.Mask); err != nil {
			return cfg, err
		}
		if old, ok := all[a.Content]; ok && old != a.ID {
			return cfg, fmt.Errorf("the added token %q has the ids %d and %d", a.Content, old, a.ID)
		}
		all[a.Content] = a.ID
		cfg.Special = append(cfg.Special, a.Content)
	}
	var err error
	if cfg.Vocab, err = table(all); err != nil {
		return cfg, err
	}
	for _, m := range f.Model.Merges {
		cfg.Merges = append(cfg.Merges, string(m))
	}
	if f.Model.Unknown != "" {
		cfg.Unknown = f.Model.Unknown
	}
	if f.PostProcessor == nil || f.PostProcessor.Type != "RobertaProcessing" {
		return cfg, fmt.Errorf("the post_processor is not supported beside BPE; supported is RobertaProcessing")
	}
	same := *f.PostProcessor
	same.Type = "BertProcessing" // which says its tokens in the same way
	return cfg, same.apply(&cfg)
}

// A merge is written as "left right" or as a list of the two.
type merge string

func (m *merge) UnmarshalJSON(data []byte) error {
	var two []string
	if json.Unmarshal(data, &two) == nil && len(two) == 2 {
		*m = merge(two[0] + " " + two[1])
		return nil
	}
	var one string
	err := json.Unmarshal(data, &one)
	*m = merge(one)
	return err
}
