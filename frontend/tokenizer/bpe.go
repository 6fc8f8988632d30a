package tokenizer

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// byteRunes gives every byte a printable character, which vocabularies of
// byte-level BPE are written in: itself where it is one, else one from U+0100 on.
var byteRunes = func() (table [256]rune) {
	next := rune(256)
	for b := range table {
		r := rune(b)
		if '!' <= r && r <= '~' || '¡' <= r && r <= '¬' || '®' <= r && r <= 'ÿ' {
			table[b] = r
			continue
		}
		table[b] = next
		next++
	}
	return table
}()

// A pair of neighbours that may be merged.
type pair struct{ left, right string }

// ranks reads merges, of which the earlier ones win.
func ranks(merges []string) (map[pair]int, error) {
	out := make(map[pair]int, len(merges))
	for i, m := range merges {
		left, right, ok := strings.Cut(m, " ")
		if !ok || left == "" || right == "" || strings.Contains(right, " ") {
			return nil, fmt.Errorf("tokenizer: merge %d is not two tokens with a blank between", i+1)
		}
		if _, ok := out[pair{left, right}]; !ok {
			out[pair{left, right}] = i
		}
	}
	return out, nil
}

// byteWords splits text as GPT-2 does and appends the pieces of each part.
func (t *Tokenizer) byteWords(ids []int, text string) []int {
	if text == "" {
		return ids
	}
	if first, _ := utf8.DecodeRuneInString(text); t.cfg.PrefixSpace && !unicode.IsSpace(first) {
		text = " " + text
	}
	for text != "" {
		n := partLength(text)
		ids = t.merge(ids, text[:n])
		text = text[n:]
	}
	return ids
}

// contractions are parts of their own wherever they begin.
var contractions = []string{"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"}

// partLength is the length of the first match of GPT-2's expression in text,
// which is not empty:
//
//	's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
func partLength(text string) int {
	for _, c := range contractions {
		if strings.HasPrefix(text, c) {
			return len(c)
		}
	}
	at := 0
	if text[0] == ' ' {
		at = 1
	}
	if n := run(text[at:]); n > 0 {
		return at + n
	}
	// White space; its last character belongs to the word that follows, unless
	// it is alone or the text ends.
	n, last := 0, 0
	for n < len(text) {
		r, size := utf8.DecodeRuneInString(text[n:])
		if !unicode.IsSpace(r) {
			break
		}
		last = n
		n += size
	}
	if n < len(text) && last > 0 {
		return last
	}
	return n
}

// run is the length of the letters, the numbers, or the other characters but
// white space that text begins with.
func run(text string) int {
	class := func(r rune) int {
		switch {
		case unicode.IsLetter(r):
			return 1
		case unicode.IsNumber(r):
			return 2
		case unicode.IsSpace(r):
			return 0
		}
		return 3
	}
	first, _ := utf8.DecodeRuneInString(text)
	if text == "" || class(first) == 0 {
		return 0
	}
	for i, r := range text {
		if class(r) != class(first) {
			return i
		}
	}
	return len(text)
}

// merge appends the pieces of one part: its bytes, and as long as neighbours
// have a merge the earliest of all, everywhere at once.
func (t *Tokenizer) merge(ids []int, part string) []int {
	symbols := make([]string, len(part))
	for i := range len(part) {
		symbols[i] = string(byteRunes[part[i]])
	}
	for len(symbols) > 1 {
		best, rank := pair{}, -1
		for i := 1; i < len(symbols); i++ {
			p := pair{symbols[i-1], symbols[i]}
			if r, ok := t.ranks[p]; ok && (rank < 0 || r < rank) {
				best, rank = p, r
			}
		}
		if rank < 0 {
			break
		}
		out := symbols[:0]
		for i := 0; i < len(symbols); i++ {
			if i+1 < len(symbols) && symbols[i] == best.left && symbols[i+1] == best.right {
				out = append(out, best.left+best.right)
				i++
				continue
			}
			out = append(out, symbols[i])
		}
		symbols = out
	}
	for _, s := range symbols {
		id, ok := t.ids[s]
		if !ok {
			id = t.unknown
		}
		ids = append(ids, id)
	}
	return ids
}
