package bundle

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"nimbus/frontend/values"
	"nimbus/ir"
	"nimbus/ir/eval"
)

// An Answer is what a program says of one input: one of its parts.
type Answer struct {
	*Classes              // a classifier's
	PerToken []TokenLabel `json:"per_token,omitempty"` // a token classifier's, one per token of the text
	Words    []Blank      `json:"words,omitempty"`     // a masked language model's, one per blank of the text
	Vector   []float64    `json:"embedding,omitempty"` // a sentence encoder's
	Results  []Result     `json:"results,omitempty"`   // any other program's
}

// Classes is what a classifier says.
type Classes struct {
	Label         string    `json:"label"`
	Class         int       `json:"class"`
	Probabilities []float64 `json:"probabilities"`
	Logits        []float64 `json:"logits"`
	Labels        []string  `json:"labels"`
}

// A TokenLabel is the likeliest class of one token.
type TokenLabel struct {
	Token       string  `json:"token"`
	Label       string  `json:"label"`
	Probability float64 `json:"probability"`
}

// A Blank is a masked position of a text, counted from 0 with [CLS], and the
// likeliest tokens for it.
type Blank struct {
	Position int          `json:"position"`
	Guesses  []TokenGuess `json:"guesses"`
}

// A TokenGuess is one token for a blank.
type TokenGuess struct {
	Token       string  `json:"token"`
	Probability float64 `json:"probability"`
}

// A Result is one result of a program, decoded.
type Result struct {
	Name   string    `json:"name"`
	Type   string    `json:"type"`
	Shape  []int     `json:"shape"`
	Values []float64 `json:"values"`
	Labels []string  `json:"labels,omitempty"` // of values that are numbers of classes
	Hex    []string  `json:"hex,omitempty"`    // of bits that are blocks of bytes
	Ring   []uint64  `json:"ring,omitempty"`
}

// guesses is how many tokens a Blank lists.
const guesses = 5

// ClassesOf reads logits, one per class. Classes beyond the labels are named by
// their number.
func ClassesOf(logits []float64, labels []string) (*Classes, error) {
	if len(logits) == 0 {
		return nil, errors.New("the model's first result is empty")
	}
	a := &Classes{Logits: logits, Probabilities: softmax(logits)}
	for i, p := range a.Probabilities {
		if p > a.Probabilities[a.Class] {
			a.Class = i
		}
		name := fmt.Sprintf("class %d", i)
		if i < len(labels) {
			name = labels[i]
		}
		a.Labels = append(a.Labels, name)
	}
	a.Label = a.Labels[a.Class]
	return a, nil
}

// String is "positive (negative 0.0139, positive 0.9861)".
func (a *Classes) String() string {
	parts := make([]string, len(a.Labels))
	for i, name := range a.Labels {
		parts[i] = fmt.Sprintf("%s %.4f", name, a.Probabilities[i])
	}
	return fmt.Sprintf("%s (%s)", a.Label, strings.Join(parts, ", "))
}

// shownNumbers is how many numbers of a vector String prints.
const shownNumbers = 8

// String is the answer for people. Classes, a vector and a single number take
// one line.
func (a *Answer) String() string {
	switch {
	case a.Classes != nil:
		return a.Classes.String()
	case a.PerToken != nil:
		lines := make([]string, len(a.PerToken))
		for i, t := range a.PerToken {
			lines[i] = fmt.Sprintf("%-16s %s %.4f", t.Token, t.Label, t.Probability)
		}
		return strings.Join(lines, "\n")
	case a.Words != nil:
		lines := make([]string, len(a.Words))
		for i, w := range a.Words {
			parts := make([]string, len(w.Guesses))
			for j, g := range w.Guesses {
				parts[j] = fmt.Sprintf("%s %.4f", g.Token, g.Probability)
			}
			lines[i] = fmt.Sprintf("token %d: %s", w.Position, strings.Join(parts, ", "))
		}
		return strings.Join(lines, "\n")
	case a.Vector != nil:
		parts := make([]string, min(len(a.Vector), shownNumbers))
		for i := range parts {
			parts[i] = fmt.Sprintf("%.4f", a.Vector[i])
		}
		more := ""
		if len(a.Vector) > shownNumbers {
			more = " … (-json prints all)"
		}
		return fmt.Sprintf("embedding of %d numbers: %s%s", len(a.Vector), strings.Join(parts, " "), more)
	}
	if len(a.Results) == 0 {
		return "no result for this party"
	}
	lines := make([]string, len(a.Results))
	for i := range a.Results {
		lines[i] = a.Results[i].String()
	}
	return strings.Join(lines, "\n")
}

// String prints a result's name and type, then one line per row of its last
// axis, or per block.
func (r *Result) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s : %s", r.Name, r.Type)
	for _, h := range r.Hex {
		fmt.Fprintf(&b, "\n  %s", h)
	}
	if r.Hex != nil {
		return b.String()
	}
	row := 1
	if len(r.Shape) > 0 {
		row = r.Shape[len(r.Shape)-1]
	}
	for i, x := range r.Values {
		sep := " "
		if i%row == 0 {
			sep = "\n  "
		}
		fmt.Fprintf(&b, "%s%.8g", sep, x)
		if r.Labels != nil {
			fmt.Fprintf(&b, " (%s)", r.Labels[i])
		}
	}
	return b.String()
}

// ResultsOf lists what a function returned; a value that this party does not
// learn has neither reals nor ring elements and is left out. A result of one
// whole number a row, such as an argmax, is named by labels.
func ResultsOf(f *ir.Func, out []eval.Value, labels []string) []Result {
	var results []Result
	for i, v := range out {
		if v.Real == nil && v.Ring == nil {
			continue
		}
		r := Result{Name: fmt.Sprintf("result %d", i), Type: f.Results[i].String(), Shape: f.Results[i].Shape, Values: v.Reals(), Ring: v.Ring}
		if a := f.Return().Args[i]; a.Value != nil {
			r.Name = "%" + a.Value.Name
		}
		if v.Ring != nil {
			r.Hex = values.Hex(f.Results[i], v.Ring)
		}
		if r.Shape == nil {
			r.Shape = []int{}
		}
		if f.Results[i].Last() == 1 {
			r.Labels = named(r.Values, labels)
		}
		results = append(results, r)
	}
	return results
}

// named gives every value its label, or nothing if one is no number of a label.
func named(values []float64, labels []string) []string {
	var out []string
	for _, x := range values {
		if x != math.Trunc(x) || x < 0 || x >= float64(len(labels)) {
			return nil
		}
		out = append(out, labels[int(x)])
	}
	return out
}

// Answer reads the results of m's main function for an input.
func (r *Reader) Answer(in *Input, out []eval.Value) (*Answer, error) {
	all := ResultsOf(r.main, out, r.labels)
	if len(all) != 1 || out[0].Real == nil && out[0].Ring == nil {
		return &Answer{Results: all}, nil
	}
	t := r.main.Results[0]
	x := out[0].Reals()
	rows := t.NumElems() / t.Last()
	switch vocab := r.attrs.Int("vocab", 0); {
	case r.attrs.Ident("family", "") == "sentence":
		return &Answer{Vector: x}, nil
	case rows > 1 && rows == r.seq && in.enc != nil && t.Last() == vocab && len(r.labels) != vocab:
		return r.blanks(in, x, t.Last())
	case rows > 1 && rows == r.seq && in.enc != nil && t.Last() == len(r.labels):
		return r.perToken(in, x, t.Last())
	case len(r.labels) > 0 && len(x) == len(r.labels), r.IsText() && rows == 1 && len(x) > 1:
		c, err := ClassesOf(x, r.labels)
		return &Answer{Classes: c}, err
	}
	return &Answer{Results: all}, nil
}

func (r *Reader) perToken(in *Input, logits []float64, n int) (*Answer, error) {
	a := &Answer{}
	for i := range in.enc.Len {
		c, err := ClassesOf(logits[i*n:(i+1)*n], r.labels)
		if err != nil {
			return nil, err
		}
		a.PerToken = append(a.PerToken, TokenLabel{r.token(in.enc.IDs[i]), c.Label, c.Probabilities[c.Class]})
	}
	return a, nil
}

// blanks lists the likeliest tokens of every masked position, or of every
// position where the text has no mask.
func (r *Reader) blanks(in *Input, logits []float64, n int) (*Answer, error) {
	var at []int
	for i := range in.enc.Len {
		if r.tok != nil && r.tok.Token(in.enc.IDs[i]) == r.tok.Config().Mask {
			at = append(at, i)
		}
	}
	if at == nil {
		for i := range in.enc.Len {
			at = append(at, i)
		}
	}
	a := &Answer{}
	for _, i := range at {
		p := softmax(logits[i*n : (i+1)*n])
		ids := make([]int, n)
		for j := range ids {
			ids[j] = j
		}
		slices.SortStableFunc(ids, func(a, b int) int { return cmp.Compare(p[b], p[a]) })
		b := Blank{Position: i}
		for _, id := range ids[:min(guesses, n)] {
			b.Guesses = append(b.Guesses, TokenGuess{r.token(id), p[id]})
		}
		a.Words = append(a.Words, b)
	}
	return a, nil
}

// token is a token's text, or its number for a model without vocabulary.
func (r *Reader) token(id int) string {
	if r.tok == nil {
		return fmt.Sprint(id)
	}
	return r.tok.Token(id)
}

func softmax(logits []float64) []float64 {
	top := math.Inf(-1)
	for _, x := range logits {
		top = max(top, x)
	}
	out, sum := make([]float64, len(logits)), 0.0
	for i, x := range logits {
		out[i] = math.Exp(x - top)
		sum += out[i]
	}
	for i := range out {
		out[i] /= sum
	}
	return out
}
