package tokenizer

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// normalize is Hugging Face's BertNormalizer: clean, space CJK ideographs,
// strip accents, lower-case, in this order.
func (c *Config) normalize(text string) string {
	var b strings.Builder
	b.Grow(len(text))
	for _, r := range text {
		if c.CleanText {
			if r == 0 || r == 0xfffd || isControl(r) {
				continue
			}
			if unicode.IsSpace(r) {
				r = ' '
			}
		}
		if c.SplitCJK && isCJK(r) {
			b.WriteByte(' ')
			b.WriteRune(r)
			b.WriteByte(' ')
			continue
		}
		b.WriteRune(r)
	}
	text = b.String()
	if c.StripAccents {
		text = strings.Map(func(r rune) rune {
			if unicode.Is(unicode.Mn, r) {
				return -1
			}
			return r
		}, norm.NFD.String(text))
	}
	if c.Lowercase {
		text = lower(text)
	}
	return text
}

// lower maps every character by itself, so a final sigma stays σ. U+0130 is the
// one character whose lower case has two.
func lower(text string) string {
	return strings.ReplaceAll(strings.Map(func(r rune) rune {
		if r == 0x130 {
			return r
		}
		return unicode.ToLower(r)
	}, text), "\u0130", "i\u0307")
}

// isControl reports Cc, Cf and Co save the three that count as white space.
// Unassigned characters are no controls: they stay and make a word unknown.
func isControl(r rune) bool {
	return r != '\t' && r != '\n' && r != '\r' && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co)
}

// isCJK lists the blocks that BertNormalizer spaces out. Its extension E starts
// at 2B920, where the Python tokenizer has 2B820; the fast one is followed.
func isCJK(r rune) bool {
	switch {
	case r < 0x3400:
		return false
	case r <= 0x4dbf, 0x4e00 <= r && r <= 0x9fff, 0xf900 <= r && r <= 0xfaff,
		0x20000 <= r && r <= 0x2a6df, 0x2a700 <= r && r <= 0x2b73f, 0x2b740 <= r && r <= 0x2b81f,
		0x2b920 <= r && r <= 0x2ceaf, 0x2f800 <= r && r <= 0x2fa1f:
		return true
	}
	return false
}

// isPunct counts every ASCII character that is neither letter, digit, blank nor
// control, and Unicode's category P.
func isPunct(r rune) bool {
	switch {
	case 33 <= r && r <= 47, 58 <= r && r <= 64, 91 <= r && r <= 96, 123 <= r && r <= 126:
		return true
	}
	return r > 127 && unicode.IsPunct(r)
}
