package tokenizer

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
)

var smallMerges = []string{"Ġ t", "h e", "Ġt he", "Ġ a", "l l", "' ll", "Ġ Ġ", "Ã ©", "f Ã©", "o n", "Ġ n", "l o", "r e", "' re"}

// smallBPE is the vocabulary of all bytes and smallMerges.
func smallBPE() map[string]int {
	vocab := map[string]int{"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "<mask>": 4}
	for _, r := range byteRunes {
		vocab[string(r)] = len(vocab)
	}
	for _, m := range smallMerges {
		if s := strings.ReplaceAll(m, " ", ""); vocab[s] == 0 {
			vocab[s] = len(vocab)
		}
	}
	return vocab
}

func bpeFiles(t testing.TB, settings string) fstest.MapFS {
	t.Helper()
	vocab, err := json.Marshal(smallBPE())
	if err != nil {
		t.Fatal(err)
	}
	return fstest.MapFS{
		"vocab.json":            {Data: vocab},
		"merges.txt":            {Data: []byte("#version: 0.2\n" + strings.Join(smallMerges, "\n") + "\n")},
		"tokenizer_config.json": {Data: []byte(settings)},
	}
}

func (t *Tokenizer) tokensOf(ids []int) string {
	var out []string
	for _, id := range ids {
		out = append(out, t.Token(id))
	}
	return strings.Join(out, " ")
}

// The expected tokens are those of Hugging Face's tokenizers with this
// vocabulary.
func TestBPE(t *testing.T) {
	for _, prefix := range []bool{false, true} {
		tok, err := Load(bpeFiles(t, fmt.Sprintf(`{"tokenizer_class": "RobertaTokenizer", "add_prefix_space": %t, "model_max_length": 512}`, prefix)))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct{ text, want, prefixed string }{
			{"the then", "<s> t he Ġthe n </s>", "<s> Ġthe Ġthe n </s>"},
			{"they'll we're", "<s> t he y 'll Ġ w e 're </s>", "<s> Ġthe y 'll Ġ w e 're </s>"},
			{"  the  café \n all", "<s> Ġ Ġthe Ġ Ġ c a fÃ© Ġ Ċ Ġa ll </s>", "<s> Ġ Ġthe Ġ Ġ c a fÃ© Ġ Ċ Ġa ll </s>"},
			{"12ab ½", "<s> 1 2 a b Ġ Â ½ </s>", "<s> Ġ 1 2 a b Ġ Â ½ </s>"},
			{"a <mask>the</s>", "<s> a <mask> t he </s> </s>", "<s> Ġa <mask> Ġthe </s> </s>"},
			{"nonlll", "<s> n on ll l </s>", "<s> Ġn on ll l </s>"},
			{"中'", "<s> ä ¸ Ń ' </s>", "<s> Ġ ä ¸ Ń ' </s>"},
		} {
			e, err := tok.Encode(c.text, 0, false)
			if err != nil {
				t.Fatal(err)
			}
			want := c.want
			if prefix {
				want = c.prefixed
			}
			if got := tok.tokensOf(e.IDs); got != want {
				t.Errorf("%q:\ngot  %s\nwant %s", c.text, got, want)
			}
		}
	}
}

func TestBPEPair(t *testing.T) {
	tok, err := Load(bpeFiles(t, "{}"))
	if err != nil {
		t.Fatal(err)
	}
	e, err := tok.EncodePair("the", " all", 10, false)
	if err != nil {
		t.Fatal(err)
	}
	if got := tok.tokensOf(e.IDs); got != "<s> t he </s> </s> Ġa ll </s> <pad> <pad>" || fmt.Sprint(e.Types) != "[0 0 0 0 0 0 0 0 0 0]" || e.Len != 8 {
		t.Errorf("%s, types %v, %d tokens", got, e.Types, e.Len)
	}
	if e, err = tok.EncodePair("the the the", "all all all", 7, true); err != nil || e.Len != 7 {
		t.Errorf("%d tokens, %v", e.Len, err)
	}
}

// TestBPEFull reads the same tokenizer from one file.
func TestBPEFull(t *testing.T) {
	vocab, err := json.Marshal(smallBPE())
	if err != nil {
		t.Fatal(err)
	}
	merges, err := json.Marshal(smallMerges)
	if err != nil {
		t.Fatal(err)
	}
	pairs, err := json.Marshal(strings.Split(smallMerges[0], " "))
	if err != nil {
		t.Fatal(err)
	}
	full := `{"added_tokens": [{"id": 4, "content": "<mask>", "lstrip": true, "special": true}], "normalizer": null,
 "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true},
 "post_processor": {"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0]},
 "model": {"type": "BPE", "dropout": null, "unk_token": null, "vocab": ` + string(vocab) + `, "merges": [` + string(pairs) + "," + string(merges[1:]) + `}}`
	for _, c := range []struct{ old, new, want string }{
		{"", "", "<s> a <mask> t he </s>"},
		{`"normalizer": null`, `"normalizer": {"type": "NFC"}`, "tokenizer.json: a normalizer is not supported beside BPE"},
		{`"ByteLevel"`, `"Whitespace"`, `tokenizer.json: pre_tokenizer "Whitespace" is not supported beside BPE; supported is ByteLevel with its expression`},
		{`"RobertaProcessing"`, `"TemplateProcessing"`, "tokenizer.json: the post_processor is not supported beside BPE; supported is RobertaProcessing"},
		{`"dropout": null`, `"dropout": 0.1`, "tokenizer.json: BPE with continuing_subword_prefix, end_of_word_suffix, byte_fallback, ignore_merges or dropout is not supported"},
		{`"id": 4`, `"id": 5`, `tokenizer.json: the added token "<mask>" has the ids 4 and 5`},
		{`["</s>", 2]`, `["<nothing>", 2]`, `tokenizer: the separator token "<nothing>" is not in the vocabulary of 275 tokens`},
		{`"merges": [`, `"merges": ["a b c", `, "tokenizer: merge 1 is not two tokens with a blank between"},
	} {
		text := strings.Replace(full, c.old, c.new, 1)
		if text == full && c.old != "" {
			t.Fatalf("%q is not in the example", c.old)
		}
		tok, err := Load(fstest.MapFS{"tokenizer.json": {Data: []byte(text)}})
		got := fmt.Sprint(err)
		if err == nil {
			e, err := tok.Encode("a <mask>the", 0, false)
			if err != nil {
				t.Fatal(err)
			}
			got = tok.tokensOf(e.IDs)
		}
		if got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.new, got, c.want)
		}
	}
}

// FuzzBPE: the pieces of a text spell its bytes.
func FuzzBPE(f *testing.F) {
	tok, err := Load(bpeFiles(f, "{}"))
	if err != nil {
		f.Fatal(err)
	}
	back := map[rune]byte{}
	for b, r := range byteRunes {
		back[r] = byte(b)
	}
	for _, s := range []string{"the  then\n\n x", "'ll 12½é \u2003中", " ", "a\u00a0b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "<") {
			return // special tokens
		}
		e, err := tok.Encode(text, 0, false)
		if err != nil {
			return
		}
		var spelt []byte
		for _, id := range e.IDs[1 : e.Len-1] {
			for _, r := range tok.Token(id) {
				spelt = append(spelt, back[r])
			}
		}
		if string(spelt) != text {
			t.Errorf("%q became %q", text, spelt)
		}
	})
}
