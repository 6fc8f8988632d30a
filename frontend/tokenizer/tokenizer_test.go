package tokenizer

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	"nimbus/tests/shared"
)

// small is a vocabulary for tests; ids are positions.
func small(t testing.TB, change func(*Config)) *Tokenizer {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Vocab = strings.Fields("[PAD] [UNK] [CLS] [SEP] [MASK] the cafe un ##aff ##able , . ! $ 中 国 i ##s naive ##ly a ##a é str ##asse σ ß")
	if change != nil {
		change(&cfg)
	}
	tok, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func (t *Tokenizer) pretty(ids []int) string {
	var s []string
	for _, id := range ids {
		s = append(s, t.Token(id))
	}
	return strings.Join(s, " ")
}

func TestTokens(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"case", "The CAFE", "the cafe"},
		{"accents are stripped", "Café cafe\u0301 naïvely", "cafe cafe naive ##ly"},
		{"greedy longest match", "unaffable", "un ##aff ##able"},
		{"no piece for the rest", "unaffablex", "[UNK]"},
		{"punctuation is split", "the,cafe.!", "the , cafe . !"},
		{"ascii symbols are punctuation", "$the$", "$ the $"},
		{"unicode punctuation", "the\u2014cafe\u00a1", "the [UNK] cafe [UNK]"},
		{"cjk is spaced", "the中国cafe", "the 中 国 cafe"},
		{"control characters vanish", "un\x00af\u00ad\u200dfable\x7f \ufffd", "un ##aff ##able"},
		{"white space", "the\tcafe\u00a0\u2003the\u2028cafe\r\nthe", "the cafe the cafe the"},
		{"special tokens in raw text", "the [MASK][SEP]cafe [mask]", "the [MASK] [SEP] cafe [UNK] [UNK] [UNK]"},
		{"dotted capital I", "\u0130s", "i ##s"},
		{"sigma", "\u03a3", "σ"},
		{"sharp s is no ss", "ß", "ß"},
		{"99 + 1 characters", strings.Repeat("a", 100), "a" + strings.Repeat(" ##a", 99)},
		{"101 characters", strings.Repeat("a", 101), "[UNK]"},
		{"unassigned stays", "the \u0378", "the [UNK]"},
		{"combining mark alone", "the \u0301 cafe", "the cafe"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tok := small(t, nil)
			e, err := tok.Encode(c.text, 0, false)
			if err != nil {
				t.Fatal(err)
			}
			if got := tok.pretty(e.IDs); got != "[CLS] "+c.want+" [SEP]" {
				t.Errorf("got %s\nwant [CLS] %s [SEP]", got, c.want)
			}
		})
	}
}

func TestCased(t *testing.T) {
	tok := small(t, func(c *Config) { c.Lowercase, c.StripAccents = false, false })
	e, err := tok.Encode("The é", 0, false)
	if err != nil {
		t.Fatal(err)
	}
	if got := tok.pretty(e.IDs); got != "[CLS] [UNK] é [SEP]" {
		t.Error(got)
	}
	tok = small(t, func(c *Config) { c.StripAccents = false })
	if e, err = tok.Encode("É \u0130", 0, false); err != nil {
		t.Fatal(err)
	}
	if got := tok.pretty(e.IDs); got != "[CLS] é [UNK] [SEP]" {
		t.Error(got)
	}
	tok = small(t, func(c *Config) { c.SplitCJK = false })
	if e, err = tok.Encode("中国", 0, false); err != nil {
		t.Fatal(err)
	}
	if got := tok.pretty(e.IDs); got != "[CLS] [UNK] [SEP]" {
		t.Error(got)
	}
}

func TestPadAndTruncate(t *testing.T) {
	tok := small(t, nil)
	for _, c := range []struct {
		a, b     string
		pair     bool
		length   int
		truncate bool
		want     string // ids/types/mask
	}{
		{"the cafe", "", false, 6, false, "[2 5 6 3 0 0]/[0 0 0 0 0 0]/[1 1 1 1 0 0]/4"},
		{"the cafe", "", false, 4, false, "[2 5 6 3]/[0 0 0 0]/[1 1 1 1]/4"},
		{"the cafe", "", false, 3, true, "[2 5 3]/[0 0 0]/[1 1 1]/3"},
		{"the cafe", "", false, 3, false, "tokenizer: the text has 4 tokens with its special tokens, but the length is 3; shorten it, allow truncation, or compile for a longer sequence"},
		{"the cafe", "", false, 2, true, "tokenizer: a length of 2 tokens leaves no room beside the 2 special tokens"},
		{"the", ". !", true, 7, false, "[2 5 3 11 12 3 0]/[0 0 0 1 1 1 0]/[1 1 1 1 1 1 0]/6"},
		{"the", ". ! .", true, 6, true, "[2 5 3 11 12 3]/[0 0 0 1 1 1]/[1 1 1 1 1 1]/6"},
		{"the the the the", ". ! .", true, 8, true, "[2 5 5 5 3 11 12 3]/[0 0 0 0 0 1 1 1]/[1 1 1 1 1 1 1 1]/8"},
		{"the the the", ". ! . !", true, 8, true, "[2 5 5 3 11 12 11 3]/[0 0 0 0 1 1 1 1]/[1 1 1 1 1 1 1 1]/8"},
		{"the the", "", true, 8, true, "second text: tokenizer: the text has no tokens: it is empty, or white space and control characters only"},
		{" \t\u00ad", "", false, 8, true, "tokenizer: the text has no tokens: it is empty, or white space and control characters only"},
		{"", "", false, 8, true, "tokenizer: the text has no tokens: it is empty, or white space and control characters only"},
		{"the\xffcafe", "", false, 8, true, "tokenizer: the text is not valid UTF-8 at byte 3"},
		{"the \ufffd\xc3(", "", false, 8, true, "tokenizer: the text is not valid UTF-8 at byte 7"},
	} {
		var e Encoding
		var err error
		if c.pair {
			e, err = tok.EncodePair(c.a, c.b, c.length, c.truncate)
		} else {
			e, err = tok.Encode(c.a, c.length, c.truncate)
		}
		got := fmt.Sprintf("%v/%v/%v/%d", e.IDs, e.Types, e.Mask, e.Len)
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%q %q %d:\ngot  %s\nwant %s", c.a, c.b, c.length, got, c.want)
		}
	}
}

func TestPool(t *testing.T) {
	e, err := small(t, nil).Encode("the cafe", 6, false)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(e.Pool()); got != "[0.25 0.25 0.25 0.25 0 0]" {
		t.Error(got)
	}
}

func TestDigest(t *testing.T) {
	a := small(t, nil).Digest()
	if b := small(t, func(c *Config) { c.MaxLength = 7 }).Digest(); a != b || len(a) != 64 {
		t.Errorf("%s and %s should be equal", a, b)
	}
	if b := small(t, func(c *Config) { c.Vocab[9] = "x" }).Digest(); a == b {
		t.Error("another vocabulary has the same digest")
	}
	if b := small(t, func(c *Config) { c.Lowercase = false }).Digest(); a == b {
		t.Error("other settings have the same digest")
	}
}

func TestNewErrors(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"tokenizer: the vocabulary is empty":                                         func(c *Config) { c.Vocab = nil },
		`tokenizer: the padding token "<pad>" is not in the vocabulary of 27 tokens`: func(c *Config) { c.Pad = "<pad>" },
		`tokenizer: the special token "[NEW]" is not in the vocabulary of 27 tokens`: func(c *Config) { c.Special = []string{"[NEW]"} },
		"tokenizer: the longest word has 0 characters; want 1 or more":               func(c *Config) { c.MaxWordChars = 0 },
	} {
		cfg := small(t, nil).Config()
		change(&cfg)
		if _, err := New(cfg); err == nil || err.Error() != want {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
}

const fullJSON = `{
 "version": "1.0",
 "added_tokens": [
  {"id": 0, "content": "[PAD]", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true},
  {"id": 7, "content": "[E1]", "single_word": false, "normalized": false, "special": true}],
 "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true},
 "pre_tokenizer": {"type": "BertPreTokenizer"},
 "post_processor": {"type": "TemplateProcessing",
  "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
  "pair": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "[SEP]", "type_id": 0}},
   {"Sequence": {"id": "B", "type_id": 1}}, {"SpecialToken": {"id": "[SEP]", "type_id": 1}}]},
 "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
  "vocab": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "the": 4, "cafe": 5, "##s": 6}}
}`

func TestLoad(t *testing.T) {
	edit := func(old, new string) string {
		s := strings.Replace(fullJSON, old, new, 1)
		if s == fullJSON {
			t.Fatalf("%q is not in the example", old)
		}
		return s
	}
	vocab := "[PAD]\n[UNK]\n[CLS]\n[SEP]\nthe\ncafe\n##s\nThe\n"
	for _, c := range []struct {
		name  string
		files map[string]string
		want  string // ids of "The Cafés [E1]", or the error
	}{
		{"vocab.txt", map[string]string{"vocab.txt": vocab}, "[2 4 5 6 1 1 1 3]"},
		{"vocab.txt crlf", map[string]string{"vocab.txt": strings.ReplaceAll(vocab, "\n", "\r\n")}, "[2 4 5 6 1 1 1 3]"},
		{"cased", map[string]string{"vocab.txt": vocab, "tokenizer_config.json": `{"do_lower_case": false, "model_max_length": 1e30}`}, "[2 7 1 1 1 1 3]"},
		{"tokenizer.json", map[string]string{"tokenizer.json": fullJSON}, "[2 4 5 6 7 3]"},
		{"bert processing", map[string]string{"tokenizer.json": edit(`"type": "TemplateProcessing"`, `"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]`)}, "[2 4 5 6 7 3]"},
		{"tokenizer.json with settings", map[string]string{"tokenizer.json": fullJSON,
			"tokenizer_config.json": `{"tokenizer_class": "BertTokenizer", "cls_token": {"content": "[SEP]"}, "mask_token": null, "model_max_length": 512}`}, "[3 4 5 6 7 3]"},
		{"nothing", nil, "tokenizer: the folder has neither tokenizer.json nor vocab.txt nor vocab.json"},
		{"empty vocab", map[string]string{"vocab.txt": "\n"}, "vocab.txt: no tokens"},
		{"binary vocab", map[string]string{"vocab.txt": "a\xff"}, "vocab.txt: not valid UTF-8"},
		{"other class", map[string]string{"vocab.txt": vocab, "tokenizer_config.json": `{"tokenizer_class": "RobertaTokenizer"}`},
			`tokenizer_config.json: tokenizer_class "RobertaTokenizer" needs vocab.json and merges.txt, or a tokenizer.json with both`},
		{"unknown class", map[string]string{"vocab.txt": vocab, "tokenizer_config.json": `{"tokenizer_class": "XLNetTokenizer"}`},
			`tokenizer_config.json: tokenizer_class "XLNetTokenizer" is not supported; supported are AlbertTokenizer, BertTokenizer, DistilBertTokenizer, ElectraTokenizer and RobertaTokenizer, and each with Fast`},
		{"broken settings", map[string]string{"vocab.txt": vocab, "tokenizer_config.json": `{"do_lower_case": tru`},
			"tokenizer_config.json: not valid JSON at byte 21: invalid character ' ' in literal true (expecting 'e')"},
		{"left padding", map[string]string{"vocab.txt": vocab, "tokenizer_config.json": `{"padding_side": "left"}`},
			`tokenizer_config.json: padding and truncation are supported on the right side only, not "left"`},
		{"unigram", map[string]string{"tokenizer.json": edit(`"WordPiece"`, `"Unigram"`)}, `tokenizer.json: unexpected JSON: json: cannot unmarshal object into Go struct field .model.vocab of type []tokenizer.scored`},
		{"other normalizer", map[string]string{"tokenizer.json": edit(`"BertNormalizer"`, `"NFKC"`)}, `tokenizer.json: normalizer "NFKC" is not supported; supported is BertNormalizer`},
		{"other template", map[string]string{"tokenizer.json": edit(`{"Sequence": {"id": "A", "type_id": 0}}`, `{"Sequence": {"id": "A", "type_id": 1}}`)},
			`tokenizer.json: post_processor: the template "[CLS]:0 $A:1 [SEP]:0" is not supported; supported is "[CLS]:0 $A:0 [SEP]:0"`},
		{"hole", map[string]string{"tokenizer.json": edit(`"##s": 6`, `"##s": 8`)}, "tokenizer.json: no token has the id 6, but there are larger ids up to 8"},
		{"two tokens", map[string]string{"tokenizer.json": edit(`"id": 7, "content": "[E1]"`, `"id": 6, "content": "[E1]"`)}, `tokenizer.json: the id 6 has two tokens, "##s" and "[E1]"`},
		{"huge id", map[string]string{"tokenizer.json": edit(`"##s": 6`, `"##s": 600000000`)}, "tokenizer.json: the id 600000000 of a vocabulary entry is out of range; 9 entries have the ids 0 to 8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := fstest.MapFS{}
			for name, data := range c.files {
				dir[name] = &fstest.MapFile{Data: []byte(data)}
			}
			tok, err := Load(dir)
			var got string
			if err != nil {
				got = err.Error()
			} else {
				e, err := tok.Encode("The Cafés [E1]", 0, false)
				if err != nil {
					t.Fatal(err)
				}
				got = fmt.Sprint(e.IDs)
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestReference compares with the ids recorded beside two models, 872 sentences each.
func TestReference(t *testing.T) {
	for _, model := range []string{"nimbus-sst2-tiny", "bert-tiny-sst2"} {
		t.Run(model, func(t *testing.T) {
			dir := filepath.Dir(shared.Path(t, "models", model, "dev_reference.jsonl"))
			tok, err := Load(os.DirFS(dir))
			if err != nil {
				t.Fatal(err)
			}
			f, err := os.Open(filepath.Join(dir, "dev_reference.jsonl"))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			lines := 0
			for sc := bufio.NewScanner(f); sc.Scan(); lines++ {
				var r struct {
					Text, Sentence string
					IDs            []int `json:"input_ids"`
				}
				if err := json.Unmarshal(sc.Bytes(), &r); err != nil {
					t.Fatal(err)
				}
				e, err := tok.Encode(r.Text+r.Sentence, 0, false)
				if err != nil {
					t.Fatal(err)
				}
				if !reflect.DeepEqual(e.IDs, r.IDs) {
					t.Errorf("line %d: got %v want %v", lines+1, e.IDs, r.IDs)
				}
			}
			if lines != 872 {
				t.Errorf("%d lines, want 872", lines)
			}
		})
	}
}

func FuzzEncode(f *testing.F) {
	f.Add("the café", ". !", 8, true)
	f.Add("中国[MASK]\u0130\x00", "a", 0, false)
	tok := small(f, nil)
	f.Fuzz(func(t *testing.T, a, b string, length int, truncate bool) {
		length = max(0, length) % 200
		for pair, encode := range map[bool]func() (Encoding, error){
			false: func() (Encoding, error) { return tok.Encode(a, length, truncate) },
			true:  func() (Encoding, error) { return tok.EncodePair(a, b, length, truncate) },
		} {
			e, err := encode()
			if err != nil {
				continue
			}
			n := len(e.IDs)
			if length > 0 && n != length || len(e.Types) != n || len(e.Mask) != n || e.Len > n {
				t.Fatalf("lengths %d %d %d %d, want %d", n, len(e.Types), len(e.Mask), e.Len, length)
			}
			if e.IDs[0] != tok.start || e.IDs[e.Len-1] != tok.sep {
				t.Fatalf("pair %v: ids %v have no template", pair, e.IDs[:e.Len])
			}
			for i, id := range e.IDs {
				if id < 0 || id >= tok.Size() || e.Mask[i] != min(1, max(0, e.Len-i)) {
					t.Fatalf("position %d: id %d mask %d", i, id, e.Mask[i])
				}
			}
		}
	})
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(fullJSON), []byte(`{"do_lower_case": false}`))
	f.Add([]byte(`{}`), []byte(`{}`))
	f.Fuzz(func(t *testing.T, full, settings []byte) {
		tok, err := Load(fstest.MapFS{"tokenizer.json": {Data: full}, "tokenizer_config.json": {Data: settings}})
		if err == nil {
			_, _ = tok.Encode("The Cafés [E1]", 8, true)
		}
	})
}
