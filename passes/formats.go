package passes

import (
	"fmt"
	"slices"
	"strings"

	"nimbus/ir"
)

// Formats are the quantiser's targets. Widths that depend on a range are
// computed; these are the choices that remain.
type Formats struct {
	Act    int // fraction bits of what enters a linear layer
	Weight int // fraction bits of its weights
	Linear int // ring width of linear layers
	Attn   int // ring width of products of two shared matrices
	Embed  int // significant bits of embedding rows, below their largest magnitude
	Score  int // fraction bits of scores that enter softmax
	Norm   int // significant bits of deviations from the mean
	Scalar int // fraction bits of what enters a scalar function
	Prob   int // fraction bits of exponentials and reciprocals
	Inv    int // significant bits of reciprocal roots
	Gain   int // fraction bits of layernorm's gain
	Out    int // fraction bits of the module's results
}

// DefaultFormats fit the parameter sets n4096 (linear layers up to 44 bits) and
// n2048 (attention up to 25): 38 = 25 + 13 bits, so that the shrink after a
// linear layer lands in the attention ring.
var DefaultFormats = Formats{Act: 10, Weight: 11, Linear: 38, Attn: 25, Embed: 16, Score: 7, Norm: 11, Scalar: 7, Prob: 12, Inv: 11, Gain: 8, Out: 12}

// A Role is one of Formats: a number of bits that many values share.
type Role struct {
	Name, Doc   string
	of          func(*Formats) *int
	least, most int // what widths tries
}

// Roles is the table of Formats, in the order in which texts list them. A score
// or an argument of a function keeps the bits of cutGrid, a softmax weight
// leastShare. Results keep theirs: they cost nothing.
var Roles = []Role{
	{"act", "fraction bits of what enters a linear layer", func(f *Formats) *int { return &f.Act }, leastAct, 14},
	{"weight", "fraction bits of weights", func(f *Formats) *int { return &f.Weight }, 8, 16},
	{"linear", "ring of linear layers", func(f *Formats) *int { return &f.Linear }, 32, 44},
	{"attention", "ring of products of two shared matrices", func(f *Formats) *int { return &f.Attn }, 20, 28},
	{"embedding", "significant bits of embedding rows", func(f *Formats) *int { return &f.Embed }, 12, 20},
	{"score", "fraction bits of scores", func(f *Formats) *int { return &f.Score }, 5, 10},
	{"deviation", "significant bits of deviations from the mean", func(f *Formats) *int { return &f.Norm }, 8, 15},
	{"scalar", "fraction bits of what enters a scalar function", func(f *Formats) *int { return &f.Scalar }, 5, 10},
	{"probability", "fraction bits of exponentials and reciprocals", func(f *Formats) *int { return &f.Prob }, leastShare, 16},
	{"root", "significant bits of reciprocal roots", func(f *Formats) *int { return &f.Inv }, 7, 15},
	{"gain", "fraction bits of LayerNorm's gain", func(f *Formats) *int { return &f.Gain }, 4, 12},
	{"result", "fraction bits of results", func(f *Formats) *int { return &f.Out }, 12, 16},
}

// Attributes of a module: what widths chose, and why.
const (
	formatsAttr = "formats"      // in the order of Roles, where they are not the default
	errorAttr   = "error"        // of the results, as measured
	budgetAttr  = "error_budget" // that it was to meet
	partsAttr   = "error_parts"  // of which each role makes so much, in the order of Roles
)

// FormatsOf are the formats that a module is, or was, quantised with.
func FormatsOf(m *ir.Module) (Formats, error) {
	fm := DefaultFormats
	if !m.Attrs.Has(formatsAttr) {
		return fm, nil
	}
	list := m.Attrs.Ints(formatsAttr)
	if len(list) != len(Roles) {
		var names []string
		for _, r := range Roles {
			names = append(names, r.Name)
		}
		return fm, fmt.Errorf("module attribute %s: want %d whole numbers, those of %s", formatsAttr, len(Roles), strings.Join(names, ", "))
	}
	for i, r := range Roles {
		if list[i] < 1 || list[i] > 64 {
			return fm, fmt.Errorf("module attribute %s: %s = %d, want 1 to 64", formatsAttr, r.Name, list[i])
		}
		*r.of(&fm) = list[i]
	}
	return fm, nil
}

// list is fm in the order of Roles.
func (fm Formats) list() []int {
	var out []int
	for _, r := range Roles {
		out = append(out, *r.of(&fm))
	}
	return out
}

// set has m quantised with fm.
func (fm Formats) set(m *ir.Module) {
	if m.Attrs.Del(formatsAttr); fm != DefaultFormats {
		m.Attrs.Set(formatsAttr, fm.list())
	}
}

// with is fm with steps added to the roles of the given names.
func (fm Formats) with(steps int, names ...string) Formats {
	for _, r := range Roles {
		if slices.Contains(names, r.Name) {
			*r.of(&fm) += steps
		}
	}
	return fm
}

// tried tells whether every role is within what widths tries.
func (fm Formats) tried() bool {
	for _, r := range Roles {
		if n := *r.of(&fm); n < r.least || n > r.most {
			return false
		}
	}
	return true
}
