package tokenizer

import (
	"encoding/binary"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// A Step is one normalizer of a sequence.
type Step struct {
	Kind    string // a key of steps
	Pattern string `json:",omitempty"` // of replace, a string, and of pattern, an expression
	To      string `json:",omitempty"`
	Map     []byte `json:",omitempty"` // of precompiled

	expr  *regexp.Regexp
	chars *charMap
}

// steps is what normalizers are understood, by their names in tokenizer.json.
var steps = map[string]func(s *Step, text string) string{
	"NFC":          func(_ *Step, text string) string { return norm.NFC.String(text) },
	"NFD":          func(_ *Step, text string) string { return norm.NFD.String(text) },
	"NFKC":         func(_ *Step, text string) string { return norm.NFKC.String(text) },
	"NFKD":         func(_ *Step, text string) string { return norm.NFKD.String(text) },
	"Lowercase":    func(_ *Step, text string) string { return lower(text) },
	"StripAccents": func(_ *Step, text string) string { return strings.Map(dropMark, text) },
	"Replace":      func(s *Step, text string) string { return strings.ReplaceAll(text, s.Pattern, s.To) },
	"Regex":        func(s *Step, text string) string { return s.expr.ReplaceAllLiteralString(text, s.To) },
	"Precompiled":  func(s *Step, text string) string { return s.chars.apply(text) },
}

// expressions are those that mean the same here and in the reference.
var expressions = []string{" {2,}"}

func (s *Step) check() (err error) {
	switch {
	case steps[s.Kind] == nil:
		return fmt.Errorf("%q is not supported", s.Kind)
	case s.Kind == "Replace" && s.Pattern == "":
		return fmt.Errorf("it replaces nothing")
	case s.Kind == "Regex":
		for _, e := range expressions {
			if s.Pattern == e {
				s.expr = regexp.MustCompile(e)
				return nil
			}
		}
		return fmt.Errorf("the expression %q is not supported; supported is %q", s.Pattern, expressions[0])
	case s.Kind == "Precompiled":
		s.chars, err = parseCharMap(s.Map)
	}
	return err
}

func (s *Step) apply(text string) string { return steps[s.Kind](s, text) }

func dropMark(r rune) rune {
	if unicode.Is(unicode.M, r) {
		return -1
	}
	return r
}

// A charMap is SentencePiece's precompiled table of replacements: a double-array
// trie over the bytes of what is replaced, whose values are places in texts,
// each of which ends with a zero byte. S. Yata's darts-clone has the layout.
type charMap struct {
	units []uint32
	texts string
}

// parseCharMap reads the length of the trie in bytes, the trie, the texts.
func parseCharMap(data []byte) (*charMap, error) {
	if len(data) < 4 {
		return nil, fmt.Errorf("the precompiled map has %d bytes; want at least 4", len(data))
	}
	n := int64(binary.LittleEndian.Uint32(data))
	if n < 4 || n%4 != 0 || n > int64(len(data)-4) {
		return nil, fmt.Errorf("the precompiled map says that its trie has %d bytes of %d", n, len(data)-4)
	}
	m := &charMap{units: make([]uint32, n/4), texts: string(data[4+n:])}
	for i := range m.units {
		m.units[i] = binary.LittleEndian.Uint32(data[4+4*i:])
	}
	if !utf8.ValidString(m.texts) {
		return nil, fmt.Errorf("the texts of the precompiled map are not UTF-8")
	}
	return m, nil
}

// find returns the replacement of the shortest prefix of key that has one, as
// the reference does, which replaces the whole key with it.
func (m *charMap) find(key string) (string, bool) {
	at := uint32(0)
	step := func() (unit uint32, ok bool) {
		if int64(at) >= int64(len(m.units)) {
			return 0, false
		}
		return m.units[at], true
	}
	offset := func(unit uint32) uint32 { return unit >> 10 << (unit & (1 << 9) >> 6) }
	unit, _ := step()
	at ^= offset(unit)
	for i := range len(key) {
		if key[i] == 0 {
			break
		}
		at ^= uint32(key[i])
		unit, ok := step()
		if !ok || unit&(1<<31|0xff) != uint32(key[i]) {
			break
		}
		at ^= offset(unit)
		if unit>>8&1 == 1 {
			leaf, ok := step()
			begin := int64(leaf & (1<<31 - 1))
			if !ok || begin > int64(len(m.texts)) {
				break
			}
			text, _, _ := strings.Cut(m.texts[begin:], "\x00")
			return text, true
		}
	}
	return "", false
}

// clusterBytes is below which length a character with its marks is looked up as
// a whole.
const clusterBytes = 6

// apply replaces character by character, and before that what a reader takes for
// one character, if it is short.
func (m *charMap) apply(text string) string {
	var b strings.Builder
	for text != "" {
		n := cluster(text)
		if n < clusterBytes {
			if to, ok := m.find(text[:n]); ok {
				b.WriteString(to)
				text = text[n:]
				continue
			}
		}
		for _, r := range text[:n] {
			if to, ok := m.find(string(r)); ok {
				b.WriteString(to)
			} else {
				b.WriteRune(r)
			}
		}
		text = text[n:]
	}
	return b.String()
}

// cluster is the length of the grapheme cluster that text begins with, as far as
// those of less than clusterBytes go (Unicode Standard Annex 29): a character
// and the marks and joiners that follow, or CR LF.
func cluster(text string) int {
	if strings.HasPrefix(text, "\r\n") {
		return 2
	}
	first, n := utf8.DecodeRuneInString(text)
	if unicode.Is(unicode.Cc, first) || first == 0x2028 || first == 0x2029 {
		return n
	}
	for n < len(text) {
		r, size := utf8.DecodeRuneInString(text[n:])
		if !unicode.Is(unicode.M, r) && r != 0x200c && r != 0x200d {
			break
		}
		n += size
	}
	return n
}
