package tokenizer

import (
	"unicode"
	"unicode/utf8"
)

// words normalizes text, splits it at white space and around punctuation, and
// appends the pieces of each word.
func (t *Tokenizer) words(ids []int, text string) []int {
	text = t.cfg.normalize(text)
	begin := -1 // of the current word
	for i, r := range text {
		space, punct := unicode.IsSpace(r), isPunct(r)
		if !space && !punct {
			if begin < 0 {
				begin = i
			}
			continue
		}
		if begin >= 0 {
			ids = t.pieces(ids, text[begin:i])
			begin = -1
		}
		if punct {
			ids = t.pieces(ids, text[i:i+utf8.RuneLen(r)])
		}
	}
	if begin >= 0 {
		ids = t.pieces(ids, text[begin:])
	}
	return ids
}

// pieces appends the greedy longest-match-first pieces of one word, or the
// unknown token when some part of it has none.
func (t *Tokenizer) pieces(ids []int, word string) []int {
	if utf8.RuneCountInString(word) > t.cfg.MaxWordChars {
		return append(ids, t.unknown)
	}
	n := len(ids)
	prefix := ""
	for word != "" {
		end := min(len(word), t.longest)
		for end < len(word) && !utf8.RuneStart(word[end]) {
			end--
		}
		for end > 0 {
			if id, ok := t.ids[prefix+word[:end]]; ok {
				ids = append(ids, id)
				break
			}
			_, size := utf8.DecodeLastRuneInString(word[:end])
			end -= size
		}
		if end == 0 {
			return append(ids[:n], t.unknown)
		}
		word, prefix = word[end:], t.cfg.Prefix
	}
	return ids
}
