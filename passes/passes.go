package passes

import (
	"fmt"
	"slices"
	"strings"

	"nimbus/ir"
	"nimbus/ir/weights"
)

// A Pass rewrites one module in place.
type Pass struct {
	// Name is kebab-case. It is also the pass's file name, its testdata folder
	// and what `nimbusc opt -passes` takes.
	Name string

	// Doc is one line without capital or full stop, then, after a blank line,
	// why the pass exists and what it needs to be true.
	Doc string

	// In is the stage the pass accepts, Out the one it leaves behind; a pass
	// that works on any stage, and keeps it, says nothing.
	In, Out ir.Stage

	// Run does the rewrite.
	Run func(*ir.Module, *Options) error
}

// Options is what passes need besides the module. The zero value works: it
// means the default formats and no calibration.
type Options struct {
	// Stats is the record of a calibration run, or nil: then the fits use the
	// default interval of each function and ranges come from attributes alone.
	Stats *Stats

	// Observe runs the module in the clear on calibration text; calibrate calls
	// it once when there are no Stats yet.
	Observe func(*ir.Module) (*Stats, error)

	// Source gives bound the owner's weights; nil: it proves what needs none.
	Source weights.Source

	// Range says what a width may rest on; "" means Clamped.
	Range Range

	// ErrorBudget is the expected error that the fit of a function may have, per
	// function name; the name "" stands for all that are not named. A function
	// without either has the budget of its row in shapes.
	ErrorBudget map[string]float64

	// Fitted, if any, is told of every fit.
	Fitted func(FitReport)

	// Margin multiplies every calibrated range before a width is chosen; 0
	// means DefaultMargin.
	Margin float64

	// Parts is how many parts interleave makes of a layer; 0 leaves it to the
	// pass.
	Parts int

	// Hidden is told of every weight that hide-coefficients declares, and of its
	// values. Only the owner may see them.
	Hidden func(w *ir.Weight, values []float64)

	// Examples are calibration inputs, Price what a module of fx costs with every
	// run, in any unit: what widths and clamp decide by. Without Price neither
	// does; without examples widths keeps the default formats.
	Examples []Example
	Price    func(*ir.Module) (float64, error)
}

// DefaultMargin is the head room over the largest calibrated magnitude.
const DefaultMargin = 2.0

func (o *Options) margin() float64 {
	if o.Margin == 0 {
		return DefaultMargin
	}
	return o.Margin
}

// All is the table of passes, in the order in which a pipeline would have them;
// `nimbusc help passes` prints it.
func All() []Pass {
	return []Pass{SliceEarly, FoldGain, Expand, FuseQKV, FoldScale, GainFirst, DivideLate, Calibrate, Approximate, Widths, Bound, Clamp, Quantize, HideCoefficients, InsertTrunc, Interleave, CSE, DCE, Tidy, ForgetRanges}
}

// Default is the pipeline of `nimbusc compile`, from nn to fx.
func Default() []Pass {
	return []Pass{SliceEarly, FoldGain, Expand, FuseQKV, FoldScale, GainFirst, CSE, DCE, Calibrate, Approximate, Widths, Bound, Clamp, Quantize, InsertTrunc, CSE, DCE, Interleave, CSE, Tidy}
}

// ByName returns the passes of a comma-separated list.
func ByName(list string) ([]Pass, error) {
	var out []Pass
	for name := range strings.SplitSeq(list, ",") {
		name = strings.TrimSpace(name)
		i := slices.IndexFunc(All(), func(p Pass) bool { return p.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("unknown pass %q; `nimbusc help passes` lists them", name)
		}
		out = append(out, All()[i])
	}
	return out, nil
}

// Edit changes a pipeline by a comma-separated list of edits: -name takes every
// run of a pass out, +name adds one where the table of passes has its place.
func Edit(ps []Pass, edits string) ([]Pass, error) {
	place := func(p Pass) int { return slices.IndexFunc(All(), func(q Pass) bool { return q.Name == p.Name }) }
	ps = slices.Clone(ps)
	for e := range strings.SplitSeq(edits, ",") {
		e = strings.TrimSpace(e)
		name, add := strings.CutPrefix(e, "+")
		name, remove := strings.CutPrefix(name, "-")
		if add == remove {
			return nil, fmt.Errorf("edit %q: want +name to add a pass or -name to take one out", e)
		}
		p, err := ByName(name)
		if err != nil {
			return nil, err
		}
		same := func(q Pass) bool { return q.Name == name }
		switch {
		case add:
			at := slices.IndexFunc(ps, func(q Pass) bool { return place(q) > place(p[0]) })
			if at < 0 {
				at = len(ps)
			}
			ps = slices.Insert(ps, at, p[0])
		case !slices.ContainsFunc(ps, same):
			return nil, fmt.Errorf("edit %q: the pipeline has no such pass", e)
		default:
			ps = slices.DeleteFunc(ps, same)
		}
	}
	return ps, nil
}

// Before is a pipeline with p put before the first run of the pass named.
func Before(ps []Pass, name string, p Pass) ([]Pass, error) { return insert(ps, name, p, 0) }

// After is a pipeline with p put after the first run of the pass named.
func After(ps []Pass, name string, p Pass) ([]Pass, error) { return insert(ps, name, p, 1) }

func insert(ps []Pass, name string, p Pass, after int) ([]Pass, error) {
	at := slices.IndexFunc(ps, func(q Pass) bool { return q.Name == name })
	if at < 0 {
		return nil, fmt.Errorf("pass %s cannot be placed: the pipeline has no pass %s", p.Name, name)
	}
	return slices.Insert(slices.Clone(ps), at+after, p), nil
}

// order lists the constraints that a pipeline must meet, each with its reason.
var order = []struct{ before, after, why string }{
	{"slice-early", "expand", "softmax and layer norm are cut as one op each"},
	{"slice-early", "fold-gain", "what reads a norm's first row alone is often a linear layer alone"},
	{"fold-gain", "expand", "a norm is folded as one op"},
	{"fold-gain", "fuse-qkv", "a joined weight takes in one gain for all its parts"},
	{"slice-early", "fuse-qkv", "queries that are cut read another value than keys"},
	{"expand", "approximate", "the exponential appears only when softmax is expanded"},
	{"expand", "fold-scale", "the factor of the attention scores must reach the weights before scores are expanded away"},
	{"expand", "divide-late", "the reciprocal of the row sum appears only when softmax is expanded"},
	{"divide-late", "calibrate", "ranges are those of the values that will be computed"},
	{"expand", "gain-first", "the reciprocal root appears only when layer norm is expanded"},
	{"gain-first", "calibrate", "ranges are those of the values that will be computed"},
	{"fuse-qkv", "quantize", "weights are joined as real matrices, by recipe"},
	{"fold-scale", "quantize", "folding after rounding would lose the low bits"},
	{"approximate", "quantize", "only polynomials have a fixed-point meaning"},
	{"fold-scale", "calibrate", "ranges are those of the values that will be computed"},
	{"calibrate", "approximate", "fits are weighted by what calibration saw"},
	{"approximate", "widths", "formats are tried on the polynomials that will be computed"},
	{"widths", "bound", "proofs count in the roundings that formats make"},
	{"approximate", "bound", "what a fit makes of its inputs is known when it is made"},
	{"bound", "clamp", "a clamp stands where a proof is dear"},
	{"clamp", "quantize", "clamps need a fixed-point meaning like all else"},
	{"bound", "quantize", "widths rest on what is proved"},
	{"quantize", "hide-coefficients", "what is hidden are the integers of the ring"},
	{"hide-coefficients", "insert-trunc", "polynomials that are all computed need a wider argument, which is a conversion"},
	{"quantize", "insert-trunc", "conversions exist only after quantisation"},
	{"insert-trunc", "interleave", "conversions of one value share a step, which parts would each have"},
	{"insert-trunc", "forget-ranges", "a conversion that widens needs its range"},
	{"interleave", "tidy", "parts have the names of their wholes, numbered"},
}

// Validate reports the first flaw of a pipeline that starts at the given stage:
// an undocumented pass, stages that do not meet, or an order that breaks a
// constraint.
func Validate(ps []Pass, stage ir.Stage) error {
	last := map[string]int{}
	first := map[string]int{}
	for i, p := range ps {
		if title, _, _ := strings.Cut(p.Doc, "\n"); title == "" {
			return fmt.Errorf("pass %s: no doc", p.Name)
		}
		if p.In != "" && p.In != stage {
			return fmt.Errorf("pass %s wants stage %s and gets %s", p.Name, p.In, stage)
		}
		if p.Out != "" {
			stage = p.Out
		}
		last[p.Name] = i
		if _, ok := first[p.Name]; !ok {
			first[p.Name] = i
		}
	}
	for _, c := range order {
		b, ok1 := last[c.before]
		a, ok2 := first[c.after]
		if ok1 && ok2 && b > a {
			return fmt.Errorf("pass %s must run before %s: %s", c.before, c.after, c.why)
		}
	}
	return nil
}

// A Dump gets the module's text after the pass number n (from 1) changed it.
type Dump func(n int, pass, text string) error

// Run runs ps over m in order and verifies after each; an error names the
// guilty pass. Whenever a pass changed the module, dump, if any, gets the text.
func Run(m *ir.Module, ps []Pass, o *Options, dump Dump) error {
	if o == nil {
		o = &Options{}
	}
	if err := Validate(ps, m.Stage()); err != nil {
		return err
	}
	if errs := ir.Verify(m); len(errs) > 0 {
		return errs[0]
	}
	last := m.String()
	for i, p := range ps {
		if err := p.Run(m, o); err != nil {
			return fmt.Errorf("pass %s: %w", p.Name, err)
		}
		if p.Out != "" {
			m.SetStage(p.Out)
		}
		if errs := ir.Verify(m); len(errs) > 0 {
			return fmt.Errorf("pass %s broke the module: %w", p.Name, errs[0])
		}
		if text := m.String(); text != last {
			if dump != nil {
				if err := dump(i+1, p.Name, text); err != nil {
					return err
				}
			}
			last = text
		}
	}
	return nil
}
