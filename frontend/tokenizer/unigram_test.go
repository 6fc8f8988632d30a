package tokenizer

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// unigramFile is testdata/unigram/tokenizer.json with changes.
func unigramFile(t testing.TB, change func(file map[string]any)) *fstest.MapFile {
	t.Helper()
	data, err := os.ReadFile("testdata/unigram/tokenizer.json")
	if err != nil {
		t.Fatal(err)
	}
	var file map[string]any
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	change(file)
	if data, err = json.Marshal(file); err != nil {
		t.Fatal(err)
	}
	return &fstest.MapFile{Data: data}
}

// precompiled is the file's step of that name.
func precompiled(file map[string]any) any {
	return file["normalizer"].(map[string]any)["normalizers"].([]any)[5]
}

// variants are ALBERT's file and two others; see testdata/unigram/README.
var variants = map[string]func(file map[string]any){
	"albert": func(map[string]any) {},
	"first": func(f map[string]any) {
		f["normalizer"] = map[string]any{"type": "Sequence", "normalizers": []any{precompiled(f), map[string]any{"type": "NFKC"}}}
		f["pre_tokenizer"] = map[string]any{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": false}
	},
	"bytes": func(f map[string]any) {
		f["normalizer"] = precompiled(f)
		f["pre_tokenizer"] = map[string]any{"type": "Metaspace", "replacement": "▁", "add_prefix_space": true}
		m := f["model"].(map[string]any)
		m["byte_fallback"] = true
		for b := range 256 {
			m["vocab"] = append(m["vocab"].([]any), []any{fmt.Sprintf("<0x%02X>", b), 0.0})
		}
	},
}

// TestUnigram compares with the ids that the reference gives.
func TestUnigram(t *testing.T) {
	toks := map[string]*Tokenizer{}
	for name, change := range variants {
		tok, err := Load(fstest.MapFS{
			"tokenizer.json":        unigramFile(t, change),
			"tokenizer_config.json": {Data: []byte(`{"tokenizer_class": "AlbertTokenizer", "do_lower_case": true, "model_max_length": 512}`)},
		})
		if err != nil {
			t.Fatal(err)
		}
		toks[name] = tok
	}
	data, err := os.ReadFile("testdata/unigram/reference.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Variant, Text string
		IDs           []int
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) != 75 {
		t.Fatalf("%d cases, want 75", len(cases))
	}
	for _, c := range cases {
		tok := toks[c.Variant]
		got, err := tok.Encode(c.Text, 0, false)
		if err != nil {
			t.Errorf("%s %q: %v", c.Variant, c.Text, err)
			continue
		}
		if !slices.Equal(got.IDs, c.IDs) {
			t.Errorf("%s %q:\n got %v %s\nwant %v %s", c.Variant, c.Text, got.IDs, tok.tokensOf(got.IDs), c.IDs, tok.tokensOf(c.IDs))
		}
	}
	if toks["albert"].Digest() == toks["first"].Digest() {
		t.Error("two different tokenizers have one digest")
	}
}

// TestUnigramErrors: what is not supported is refused by name.
func TestUnigramErrors(t *testing.T) {
	model := func(f map[string]any) map[string]any { return f["model"].(map[string]any) }
	for name, c := range map[string]struct {
		change func(f map[string]any)
		want   string
	}{
		"normalizer": {func(f map[string]any) { f["normalizer"] = map[string]any{"type": "Nmt"} }, `normalizer Nmt: "Nmt" is not supported`},
		"expression": {func(f map[string]any) {
			f["normalizer"] = map[string]any{"type": "Replace", "pattern": map[string]any{"Regex": `\w+`}, "content": ""}
		}, `the expression "\\w+" is not supported; supported is " {2,}"`},
		"charsmap": {func(f map[string]any) {
			f["normalizer"] = map[string]any{"type": "Precompiled", "precompiled_charsmap": "/////w=="}
		}, "the precompiled map says that its trie has 4294967295 bytes of 0"},
		"pre-tokenizer": {func(f map[string]any) { f["pre_tokenizer"] = map[string]any{"type": "Whitespace"} }, "supported is Metaspace"},
		"scheme": {func(f map[string]any) {
			f["pre_tokenizer"] = map[string]any{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "maybe"}
		}, `goes before a text "maybe"`},
		"unknown":  {func(f map[string]any) { model(f)["unk_id"] = nil }, "unk_id names none of the 260 pieces"},
		"twice":    {func(f map[string]any) { model(f)["vocab"] = append(model(f)["vocab"].([]any), []any{"▁", -1}) }, `the piece "▁" is there twice`},
		"added":    {func(f map[string]any) { f["added_tokens"].([]any)[2].(map[string]any)["id"] = 7 }, `the added token "[CLS]" with the id 7 is not that piece`},
		"post":     {func(f map[string]any) { f["post_processor"] = nil }, "there is no post_processor"},
		"no score": {func(f map[string]any) { model(f)["vocab"] = []any{[]any{"a", "b"}} }, "unexpected JSON"},
	} {
		_, err := Load(fstest.MapFS{"tokenizer.json": unigramFile(t, c.change)})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want an error with %q", name, err, c.want)
		}
	}
}

// FuzzCharMap: whatever the table says, it is read within its bounds.
func FuzzCharMap(f *testing.F) {
	f.Add([]byte("\x04\x00\x00\x00\x00\x00\x00\x00a\x00"), "a\u0301b")
	f.Fuzz(func(t *testing.T, data []byte, text string) {
		if m, err := parseCharMap(data); err == nil {
			m.apply(text)
		}
	})
}
