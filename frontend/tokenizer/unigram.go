package tokenizer

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Unigram is what a Config has beside its vocabulary for a SentencePiece
// unigram model, T. Kudo, "Subword Regularization", 2018: a text becomes the
// pieces whose scores have the largest sum.
type Unigram struct {
	Scores       []float64 // of each id, the logarithm of its probability
	Normalizers  []Step    `json:",omitempty"`
	SplitSpace   bool      // white space goes before words are marked
	Space        string    // stands for a blank, usually "▁"
	Prepend      string    // where a text gets Space in front: "always", "first" part or "never"
	Split        bool      // no piece has Space but at its beginning
	ByteFallback bool      // what has no piece becomes bytes, <0x00> to <0xFF>
}

// unknownPenalty is by how much a character without a piece scores less than
// the worst piece, as in SentencePiece.
const unknownPenalty = 10

// checkUnigram completes t for pieces with scores.
func (t *Tokenizer) checkUnigram() error {
	u := t.cfg.Unigram
	if len(u.Scores) != len(t.cfg.Vocab) {
		return fmt.Errorf("tokenizer: %d scores for %d tokens", len(u.Scores), len(t.cfg.Vocab))
	}
	if u.Space == "" || !slices.Contains([]string{"always", "first", "never"}, u.Prepend) {
		return fmt.Errorf("tokenizer: the blank is written %q and goes before a text %q; want a character, and always, first or never", u.Space, u.Prepend)
	}
	t.worst = slices.Min(u.Scores)
	for i := range u.Normalizers {
		if err := u.Normalizers[i].check(); err != nil {
			return fmt.Errorf("tokenizer: normalizer %d: %w", i+1, err)
		}
	}
	return nil
}

// scoredWords normalizes a part of a text, marks its words and appends the
// pieces of each. first says that nothing of the text is before it.
func (t *Tokenizer) scoredWords(ids []int, text string, first bool) []int {
	u := t.cfg.Unigram
	for i := range u.Normalizers {
		text = u.Normalizers[i].apply(text)
	}
	if text == "" {
		return ids
	}
	parts := []string{text}
	if u.SplitSpace {
		parts = strings.Fields(text)
		first = first && strings.TrimLeftFunc(text, unicode.IsSpace) == text
	}
	for i, part := range parts {
		part = strings.ReplaceAll(part, " ", u.Space)
		if !strings.HasPrefix(part, u.Space) && (u.Prepend == "always" || u.Prepend == "first" && first && i == 0) {
			part = u.Space + part
		}
		for part != "" {
			end := len(part)
			if u.Split { // before the next Space
				if next := strings.Index(part[len(u.Space):], u.Space); strings.HasPrefix(part, u.Space) && next >= 0 {
					end = len(u.Space) + next
				} else if next := strings.Index(part, u.Space); next > 0 {
					end = next
				}
			}
			ids = t.best(ids, part[:end])
			part = part[end:]
		}
	}
	return ids
}

// A node is the best way to cut what lies before one place of a word.
type node struct {
	score   float64
	from    int // where its last piece begins, -1 if no way is known
	unknown bool
}

// best appends the pieces of a word whose scores have the largest sum; of equal
// sums the one found first, as the reference does. Unknown neighbours are one
// unknown token, or bytes.
func (t *Tokenizer) best(ids []int, word string) []int {
	nodes := make([]node, len(word)+1)
	for i := range nodes {
		nodes[i].from = -1
	}
	nodes[0].from = 0
	reach := func(end int, n node) {
		if old := &nodes[end]; old.from < 0 || n.score > old.score {
			*old = n
		}
	}
	for at, size := 0, 0; at < len(word); at += size {
		_, size = utf8.DecodeRuneInString(word[at:])
		single := false
		for end := at + size; end <= min(len(word), at+t.longest); {
			if id, ok := t.ids[word[at:end]]; ok {
				reach(end, node{score: nodes[at].score + t.cfg.Unigram.Scores[id], from: at})
				single = single || end == at+size
			}
			if end == len(word) {
				break
			}
			_, next := utf8.DecodeRuneInString(word[end:])
			end += next
		}
		if !single {
			reach(at+size, node{score: nodes[at].score + t.worst - unknownPenalty, from: at, unknown: true})
		}
	}
	var cuts []int // from the end of the word
	for end := len(word); end > 0; end = nodes[end].from {
		if len(cuts) > 0 && nodes[end].unknown && nodes[cuts[len(cuts)-1]].unknown {
			continue // one with the unknown piece behind it
		}
		cuts = append(cuts, end)
	}
	begin := 0
	for _, end := range slices.Backward(cuts) {
		ids = t.piece(ids, word[begin:end])
		begin = end
	}
	return ids
}

// piece appends a piece, or what stands for an unknown one.
func (t *Tokenizer) piece(ids []int, piece string) []int {
	if id, ok := t.ids[piece]; ok {
		return append(ids, id)
	}
	if t.cfg.Unigram.ByteFallback {
		n := len(ids)
		for i := range len(piece) {
			id, ok := t.ids[fmt.Sprintf("<0x%02X>", piece[i])]
			if !ok {
				return append(ids[:n], t.unknown)
			}
			ids = append(ids, id)
		}
		return ids
	}
	return append(ids, t.unknown)
}

// finite reports whether all scores are numbers.
func finite(scores []float64) bool {
	return !slices.ContainsFunc(scores, func(x float64) bool { return math.IsNaN(x) || math.IsInf(x, 0) })
}
