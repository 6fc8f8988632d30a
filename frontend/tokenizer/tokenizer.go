package tokenizer

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Config is everything that defines a Tokenizer; New checks it.
type Config struct {
	Vocab []string // token of each id; of equal tokens the last one counts, as in Hugging Face

	Lowercase    bool
	StripAccents bool
	SplitCJK     bool // a CJK ideograph is a word of its own
	CleanText    bool // drop control characters, make every white space a blank

	Prefix       string // of a piece that continues a word, usually "##"
	MaxWordChars int    // a longer word becomes Unknown; usually 100

	Unknown, Start, Separator, Pad, Mask string // the special tokens; Mask may be ""

	// Special lists tokens that are recognised verbatim in the raw text besides
	// the five above.
	Special []string

	MaxLength int // the model's own limit on tokens, 0 if it states none

	// Merges make it a byte-level BPE tokenizer: "left right", the earliest wins.
	// Then nothing above from Lowercase to MaxWordChars counts.
	Merges      []string `json:",omitempty"`
	PrefixSpace bool     `json:",omitempty"` // a text begins as if after a blank
	TwoBetween  bool     `json:",omitempty"` // two separators between two texts, and one token type

	// Unigram makes it a SentencePiece tokenizer; then nothing above from
	// Lowercase to MaxWordChars counts either.
	Unigram *Unigram `json:",omitempty"`
}

// DefaultConfig returns the settings of BERT uncased without a vocabulary.
func DefaultConfig() Config {
	return Config{
		Lowercase: true, StripAccents: true, SplitCJK: true, CleanText: true,
		Prefix: "##", MaxWordChars: 100,
		Unknown: "[UNK]", Start: "[CLS]", Separator: "[SEP]", Pad: "[PAD]", Mask: "[MASK]",
	}
}

// DefaultBPEConfig returns the settings of RoBERTa without vocabulary and merges.
func DefaultBPEConfig() Config {
	return Config{Unknown: "<unk>", Start: "<s>", Separator: "</s>", Pad: "<pad>", Mask: "<mask>", TwoBetween: true}
}

// A Tokenizer is immutable and safe for concurrent use.
type Tokenizer struct {
	cfg                      Config
	ids                      map[string]int
	unknown, start, sep, pad int
	special                  []specialToken // longest first
	longest                  int            // bytes of the longest vocabulary entry
	ranks                    map[pair]int   // of BPE
	worst                    float64        // score of a Unigram
}

type specialToken struct {
	text string
	id   int
}

// Encoding is one model input. The three slices have equal length: the padded
// length, or the number of tokens when no length was asked for.
type Encoding struct {
	IDs   []int // token ids
	Types []int // 0 for the first text with its [CLS] and [SEP], 1 for the second
	Mask  []int // 1 for a token, 0 for padding
	Len   int   // tokens before padding
}

// Pool is the mask over the number of tokens: a product with it is the mean over
// the text. Sentence encoders take it as an input.
func (e Encoding) Pool() []float64 {
	out := make([]float64, len(e.Mask))
	for i, m := range e.Mask {
		out[i] = float64(m) / float64(e.Len)
	}
	return out
}

// New checks cfg and returns its tokenizer.
func New(cfg Config) (*Tokenizer, error) {
	if len(cfg.Vocab) == 0 {
		return nil, fmt.Errorf("tokenizer: the vocabulary is empty")
	}
	if cfg.MaxWordChars < 1 && len(cfg.Merges) == 0 && cfg.Unigram == nil {
		return nil, fmt.Errorf("tokenizer: the longest word has %d characters; want 1 or more", cfg.MaxWordChars)
	}
	t := &Tokenizer{cfg: cfg, ids: make(map[string]int, len(cfg.Vocab))}
	if len(cfg.Merges) > 0 {
		var err error
		if t.ranks, err = ranks(cfg.Merges); err != nil {
			return nil, err
		}
	}
	for id, token := range cfg.Vocab {
		t.ids[token] = id
		t.longest = max(t.longest, len(token))
	}
	if cfg.Unigram != nil {
		if err := t.checkUnigram(); err != nil {
			return nil, err
		}
	}
	for _, s := range []struct {
		what, token string
		id          *int
	}{
		{"unknown", cfg.Unknown, &t.unknown},
		{"start", cfg.Start, &t.start},
		{"separator", cfg.Separator, &t.sep},
		{"padding", cfg.Pad, &t.pad},
	} {
		id, ok := t.ids[s.token]
		if !ok {
			return nil, fmt.Errorf("tokenizer: the %s token %q is not in the vocabulary of %d tokens", s.what, s.token, len(cfg.Vocab))
		}
		*s.id = id
		t.addSpecial(s.token, id)
	}
	if id, ok := t.ids[cfg.Mask]; ok && cfg.Mask != "" {
		t.addSpecial(cfg.Mask, id)
	}
	for _, token := range cfg.Special {
		id, ok := t.ids[token]
		if !ok || token == "" {
			return nil, fmt.Errorf("tokenizer: the special token %q is not in the vocabulary of %d tokens", token, len(cfg.Vocab))
		}
		t.addSpecial(token, id)
	}
	return t, nil
}

// addSpecial keeps special ordered by falling length, so that the longest match wins.
func (t *Tokenizer) addSpecial(text string, id int) {
	at := len(t.special)
	for i, s := range t.special {
		if s.text == text {
			return
		}
		if at == len(t.special) && len(s.text) < len(text) {
			at = i
		}
	}
	t.special = append(t.special, specialToken{})
	copy(t.special[at+1:], t.special[at:])
	t.special[at] = specialToken{text, id}
}

// Config returns the settings; the vocabulary in it must not be changed.
func (t *Tokenizer) Config() Config { return t.cfg }

// Size is the number of ids; every id is less.
func (t *Tokenizer) Size() int { return len(t.cfg.Vocab) }

// Digest identifies what the tokenizer computes: the SHA-256, in hex, of its
// vocabulary and settings, MaxLength aside. Two parties whose digests are equal
// get equal ids for every text.
func (t *Tokenizer) Digest() string {
	cfg := t.cfg
	cfg.MaxLength = 0
	text, err := json.Marshal(cfg) // of strings, bools and an int: field order is fixed
	if err != nil {
		panic("tokenizer: internal error: " + err.Error())
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// Token returns the text of id, and the unknown token's for an id out of range.
func (t *Tokenizer) Token(id int) string {
	if id < 0 || id >= len(t.cfg.Vocab) {
		return t.cfg.Unknown
	}
	return t.cfg.Vocab[id]
}

// Encode tokenizes one text as [CLS] text [SEP] and pads it to length. With
// length 0 it neither pads nor limits. A text of more tokens is an error,
// unless truncate is set: then the end of the text is dropped.
func (t *Tokenizer) Encode(text string, length int, truncate bool) (Encoding, error) {
	a, err := t.tokens(text)
	if err != nil {
		return Encoding{}, err
	}
	if length > 0 && len(a)+2 > length {
		if err := t.tooLong(len(a)+2, length, 2, truncate); err != nil {
			return Encoding{}, err
		}
		a = a[:length-2]
	}
	return t.assemble(a, nil, false, length), nil
}

// EncodePair tokenizes two texts as [CLS] first [SEP] second [SEP], with token
// type 1 from the second text on, or, where the configuration says so, with two
// separators between them and no other token type. Truncation shortens the longer one first, as
// Hugging Face's "longest_first".
func (t *Tokenizer) EncodePair(first, second string, length int, truncate bool) (Encoding, error) {
	a, err := t.tokens(first)
	if err != nil {
		return Encoding{}, fmt.Errorf("first text: %w", err)
	}
	b, err := t.tokens(second)
	if err != nil {
		return Encoding{}, fmt.Errorf("second text: %w", err)
	}
	specials := 3
	if t.cfg.TwoBetween {
		specials = 4
	}
	if length > 0 && len(a)+len(b)+specials > length {
		if err := t.tooLong(len(a)+len(b)+specials, length, specials, truncate); err != nil {
			return Encoding{}, err
		}
		n, m := longestFirst(len(a), len(b), length-specials)
		a, b = a[:n], b[:m]
	}
	return t.assemble(a, b, true, length), nil
}

// EncodeWords is Encode for a text that is cut into words already, as those of
// labelled data are; first is where each word's first token stands, -1 where
// truncation left none of it.
func (t *Tokenizer) EncodeWords(words []string, length int, truncate bool) (e Encoding, first []int, err error) {
	var ids []int
	for i, word := range words {
		word = strings.TrimSpace(word)
		if t.ranks != nil && i > 0 && !t.cfg.PrefixSpace {
			word = " " + word // as it stands in a text
		}
		first = append(first, len(ids)+1)
		more, err := t.tokens(word)
		if err != nil {
			return e, nil, fmt.Errorf("word %d: %w", i+1, err)
		}
		ids = append(ids, more...)
	}
	if len(ids) == 0 {
		return e, nil, fmt.Errorf("tokenizer: there are no words")
	}
	if length > 0 && len(ids)+2 > length {
		if err := t.tooLong(len(ids)+2, length, 2, truncate); err != nil {
			return e, nil, err
		}
		ids = ids[:length-2]
	}
	for i := range first {
		if first[i] > len(ids) {
			first[i] = -1
		}
	}
	return t.assemble(ids, nil, false, length), first, nil
}

func (t *Tokenizer) tooLong(have, length, specials int, truncate bool) error {
	switch {
	case length < specials+1:
		return fmt.Errorf("tokenizer: a length of %d tokens leaves no room beside the %d special tokens", length, specials)
	case !truncate:
		return fmt.Errorf("tokenizer: the text has %d tokens with its special tokens, but the length is %d; shorten it, allow truncation, or compile for a longer sequence", have, length)
	}
	return nil
}

// longestFirst returns how many of n and m tokens to keep, room in all: the
// shorter text is cut only once both are down to half. n + m exceeds room.
func longestFirst(n, m, room int) (int, int) {
	small := min(n, m, room/2)
	if n > m {
		return room - small, small
	}
	return small, room - small
}

func (t *Tokenizer) assemble(a, b []int, pair bool, length int) Encoding {
	n := len(a) + 2
	if pair {
		n += len(b) + 1
		if t.cfg.TwoBetween {
			n++
		}
	}
	size := max(n, length)
	e := Encoding{IDs: make([]int, 0, size), Types: make([]int, size), Mask: make([]int, size), Len: n}
	e.IDs = append(e.IDs, t.start)
	e.IDs = append(e.IDs, a...)
	e.IDs = append(e.IDs, t.sep)
	if pair {
		if t.cfg.TwoBetween {
			e.IDs = append(e.IDs, t.sep)
		} else {
			for i := len(e.IDs); i < n; i++ {
				e.Types[i] = 1
			}
		}
		e.IDs = append(e.IDs, b...)
		e.IDs = append(e.IDs, t.sep)
	}
	for i := range e.IDs {
		e.Mask[i] = 1
	}
	for len(e.IDs) < size {
		e.IDs = append(e.IDs, t.pad)
	}
	return e
}

// tokens returns the ids of text without template tokens; at least one.
func (t *Tokenizer) tokens(text string) ([]int, error) {
	if !utf8.ValidString(text) {
		return nil, fmt.Errorf("tokenizer: the text is not valid UTF-8 at byte %d", invalidAt(text))
	}
	var ids []int
	first := true
	for text != "" {
		at, s := t.nextSpecial(text)
		part := text[:at]
		if s != nil && s.text == t.cfg.Mask && (t.ranks != nil || t.cfg.Unigram != nil) { // it takes the white space before it
			part = strings.TrimRightFunc(part, unicode.IsSpace)
		}
		switch {
		case t.cfg.Unigram != nil:
			ids = t.scoredWords(ids, part, first)
		case t.ranks != nil:
			ids = t.byteWords(ids, part)
		default:
			ids = t.words(ids, part)
		}
		first = false
		if s == nil {
			break
		}
		ids = append(ids, s.id)
		text = text[at+len(s.text):]
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("tokenizer: the text has no tokens: it is empty, or white space and control characters only")
	}
	return ids, nil
}

func invalidAt(text string) int {
	for i, r := range text {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(text[i:]); n == 1 {
				return i
			}
		}
	}
	return len(text)
}

// nextSpecial finds the leftmost special token, the longest of several there.
// Without one it returns len(text) and nil.
func (t *Tokenizer) nextSpecial(text string) (int, *specialToken) {
	best, at := -1, len(text)
	for i, s := range t.special {
		if p := strings.Index(text, s.text); p >= 0 && p < at {
			best, at = i, p
		}
	}
	if best < 0 {
		return at, nil
	}
	return at, &t.special[best]
}
