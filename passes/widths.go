package passes

import (
	"errors"
	"fmt"
	"math"
	goruntime "runtime"
	"sync"

	"nimbus/internal/prg"
	"nimbus/ir"
	"nimbus/ir/eval"
)

// ResultsBudget is the name under which an error budget speaks of a module's
// results, as function names speak of fits.
const ResultsBudget = "results"

// DefaultResultsBudget is the error that results may have unless something else
// is asked for: the root of the mean squared difference from real numbers, fits
// and roundings together, over that of the results themselves. Where the default
// formats err more they stay.
const DefaultResultsBudget = 0.006

const (
	widthExamples = 16      // that errors are measured on, at most
	widthTrials   = 16      // runs of each that a search takes, about
	widthWork     = 8 << 30 // products that they may compute; where a budget is asked for, one example is always run
	widthResults  = 16      // numbers that an error is the mean of, at least
	widthSteps    = 3       // bits that a role loses to see what it makes of the results
	widthTries    = 4       // choices that are measured before the default stays
)

// Widths chooses Formats.
var Widths = Pass{
	Name: "widths",
	Doc: `choose the fraction bits of each role, the cheapest under an error budget

Fewer fraction bits make comparisons, squares and products cheaper and results
less exact. The pass quantises the module with one role's bits lowered, runs it
on calibration examples and so learns what a bit of each role does to the
results; such errors add up as their squares. From the default formats it lowers
what saves most for the error it adds while the budget lasts, runs the choice and
steps back where it errs more than was foreseen. A budget below the error of the
default formats raises roles instead. The choice stands in the module, with the
error that was measured and each role's part in it. Without calibration examples
or a price, and by default where runs take long, the formats stay.`,
	In: "nn", Out: "nn",
	Run: func(m *ir.Module, o *Options) error {
		budget, asked := o.ErrorBudget[ResultsBudget]
		if !asked {
			budget = DefaultResultsBudget
		}
		if m.Attrs.Has(formatsAttr) {
			return nil // its author's
		}
		s, err := newSearch(m, o, asked)
		if err != nil || s == nil {
			return err
		}
		fm := DefaultFormats
		switch {
		case s.base <= budget:
			fm = s.lower(budget)
		case asked:
			fm, err = s.raise(budget)
		}
		if err != nil {
			return err
		}
		s.state(fm, budget)
		return nil
	},
}

// A WidthsError says that no formats meet the budget of the results.
type WidthsError struct {
	Budget float64
	Best   float64 // the least error that was reached
	Fits   float64 // of the fitted functions alone
}

func (e *WidthsError) Error() string {
	return fmt.Sprintf("results cannot be within %g of real numbers: the least error reached is %.2g, of which the fits of functions alone make %.2g",
		e.Budget, e.Best, e.Fits)
}

// Least is a budget of the results that can be met.
func (e *WidthsError) Least() float64 { return roundUp(e.Best) }

// A search tries formats on one module.
type search struct {
	m        *ir.Module // as it was
	bounded  *ir.Module // with ranges and clamps proved for the default formats: near enough to price
	o        *Options
	examples []Example
	want     [][]float64 // their results in real numbers
	size     float64     // of these, the sum of squares
	prices   map[Formats]float64
	parts    map[string]float64 // role -> the error that its bits make by default
	outputs  [][]float64        // with the default formats
	base     float64            // their error
	measured map[Formats]float64
}

// newSearch measures the default formats; nil where there is nothing to search by.
func newSearch(m *ir.Module, o *Options, asked bool) (*search, error) {
	if o.Price == nil || o.Stats == nil || len(m.Funcs) != 1 {
		return nil, nil
	}
	s := &search{m: m, o: o, prices: map[Formats]float64{}, parts: map[string]float64{}, measured: map[Formats]float64{}}
	numbers := 0
	each := widthTrials * products(m.Funcs[0])
	for i, e := range o.Examples {
		if i == len(o.Stats.Results) || i == widthExamples || int64(i+1)*each > widthWork && !(asked && i == 0) {
			break
		}
		s.examples = append(s.examples, e)
		s.want = append(s.want, o.Stats.Results[i])
		numbers += len(o.Stats.Results[i])
		for _, x := range o.Stats.Results[i] {
			s.size += x * x
		}
	}
	if asked && s.size == 0 {
		return nil, fmt.Errorf("an error budget of results needs calibration text, and results that are real numbers: there is nothing to measure it on")
	}
	if s.size == 0 || numbers < widthResults && !asked {
		return nil, nil
	}
	s.bounded = m.Clone()
	if err := runAll(s.bounded, o, Bound, Clamp); err != nil {
		return nil, err
	}
	t, err := quantised(s.bounded, o)
	if err != nil {
		return nil, err
	}
	if s.outputs, err = s.run(t); err != nil {
		return nil, err
	}
	s.base = s.distance(s.outputs, s.want)
	s.measured[DefaultFormats] = s.base
	return s, nil
}

// products counts the multiplications in a function's matrix products.
func products(f *ir.Func) (n int64) {
	for _, op := range f.Body {
		if op.Name == "nn.linear" || op.Name == "nn.matmul" {
			n += int64(op.Result().Type.NumElems()) * int64(op.X(0).Type.Last())
		}
	}
	return n
}

// runAll runs passes one after the other.
func runAll(m *ir.Module, o *Options, ps ...Pass) error {
	for _, p := range ps {
		if err := p.Run(m, o); err != nil {
			return err
		}
		if p.Out != "" {
			m.SetStage(p.Out)
		}
	}
	return nil
}

// quantised is a bounded module in fixed point.
func quantised(bounded *ir.Module, o *Options) (*ir.Module, error) {
	t := bounded.Clone()
	return t, runAll(t, o, Quantize, InsertTrunc, CSE, DCE)
}

// priceOf is what a bounded module costs, infinite where it does not fit.
func priceOf(bounded *ir.Module, o *Options) float64 {
	if t, err := quantised(bounded, o); err == nil {
		if p, err := o.Price(t); err == nil {
			return p
		}
	}
	return math.Inf(1)
}

// with is the bounded module with formats.
func (s *search) with(fm Formats) *ir.Module {
	t := s.bounded.Clone()
	fm.set(t)
	return t
}

// run computes the examples' results, with the roundings that the protocols
// make: they err up or down, by chance, where the twin rounds to the nearest.
func (s *search) run(t *ir.Module) (out [][]float64, err error) {
	p, err := eval.New(t, s.o.Source, eval.Options{})
	if err != nil {
		return nil, err
	}
	out = make([][]float64, len(s.examples))
	errs := make([]error, len(out))
	var wg sync.WaitGroup
	for w := range goruntime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := w; i < len(out); i += goruntime.GOMAXPROCS(0) {
				v, err := p.With(eval.Options{Perturb: prg.New(prg.Seed{1, byte(i)})}).Run("main", s.examples[i].Inputs)
				out[i], errs[i] = reals(v), err
			}
		})
	}
	wg.Wait()
	return out, errors.Join(errs...)
}

// reals are a run's results that are real numbers, in a row.
func reals(results []eval.Value) (out []float64) {
	for _, v := range results {
		if k := v.Type.Elem.Kind; k == ir.F32 || k == ir.Fx {
			out = append(out, v.Reals()...)
		}
	}
	return out
}

// distance is the error between two runs.
func (s *search) distance(x, y [][]float64) float64 {
	sum := 0.0
	for i := range x {
		for j := range x[i] {
			d := x[i][j] - y[i][j]
			sum += d * d
		}
	}
	return math.Sqrt(sum / s.size)
}

// price is what formats cost, infinite where they do not fit.
func (s *search) price(fm Formats) float64 {
	if p, ok := s.prices[fm]; ok {
		return p
	}
	p := math.Inf(1)
	if fm.tried() {
		p = priceOf(s.with(fm), s.o)
	}
	s.prices[fm] = p
	return p
}

// unknown is the error of a role that cannot be lowered.
const unknown = 1.0

// part is the error that a role's bits make of the results by default: what
// fewer of them make, halved for each.
func (s *search) part(r Role) float64 {
	if e, ok := s.parts[r.Name]; ok {
		return e
	}
	e := unknown
	for k := widthSteps; k > 0; k-- {
		t, err := quantised(s.with(DefaultFormats.with(-k, r.Name)), s.o)
		if err != nil {
			continue
		}
		if out, err := s.run(t); err == nil {
			e = math.Ldexp(s.distance(out, s.outputs), -k)
			break
		}
	}
	s.parts[r.Name] = e
	return e
}

// added is the square of the error that fm adds to that of the default formats.
func (s *search) added(fm Formats) float64 {
	sum := 0.0
	for i, n := range fm.list() {
		if d := DefaultFormats.list()[i] - n; d != 0 {
			e := s.part(Roles[i])
			sum += e * e * (math.Ldexp(1, 2*d) - 1)
		}
	}
	return sum
}

// check quantises m with formats as the pipeline will, with proofs of their own,
// and measures the error.
func (s *search) check(fm Formats) (float64, error) {
	if e, ok := s.measured[fm]; ok {
		return e, nil
	}
	t := s.m.Clone()
	fm.set(t)
	err := runAll(t, s.o, Bound, Clamp)
	if err == nil {
		t, err = quantised(t, s.o)
	}
	if err != nil {
		return math.Inf(1), err
	}
	out, err := s.run(t)
	if err != nil {
		return math.Inf(1), err
	}
	s.measured[fm] = s.distance(out, s.want)
	return s.measured[fm], nil
}

// lower is the cheapest formats that it finds within the budget.
func (s *search) lower(budget float64) Formats {
	for room, try := budget*budget-s.base*s.base, 0; try < widthTries; try, room = try+1, room/2 {
		fm := s.descend(room)
		if e, err := s.check(fm); err == nil && e <= budget {
			return fm
		}
	}
	return DefaultFormats
}

// A move lowers roles together: the ring of a linear layer holds the bits of both
// its operands.
var moves = func() (out [][]string) {
	for _, r := range Roles {
		out = append(out, []string{r.Name})
	}
	return append(out, []string{"act", "linear"}, []string{"weight", "linear"})
}()

// descend takes the move that saves most for the error it adds until none fits
// room. Savings are priced again only for a move about to be taken: they change
// little with the others.
func (s *search) descend(room float64) Formats {
	type candidate struct {
		names []string
		step  int
		saved float64
		fresh bool
	}
	fm := DefaultFormats
	var all []*candidate
	saved := func(c *candidate) float64 { return s.price(fm) - s.price(fm.with(-c.step, c.names...)) }
	for _, names := range moves {
		c := &candidate{names: names, step: 1, fresh: true}
		if c.saved = saved(c); c.saved <= 0 { // one bit may be lost in the grain of what it feeds
			c.step = 2
			c.saved = saved(c)
		}
		all = append(all, c)
	}
	for {
		var best *candidate
		most, now := 0.0, s.added(fm)
		for _, c := range all {
			if c.saved <= 0 {
				continue
			}
			next := s.added(fm.with(-c.step, c.names...))
			if next > room {
				continue
			}
			if value := c.saved / max(next-now, 1e-12); value > most {
				best, most = c, value
			}
		}
		switch {
		case best == nil:
			return fm
		case best.fresh:
			fm = fm.with(-best.step, best.names...)
			for _, c := range all {
				c.fresh = false
			}
		default:
			best.saved, best.fresh = saved(best), true
		}
	}
}

// raise adds bits where they help most for their price, until the budget is met.
func (s *search) raise(budget float64) (Formats, error) {
	fits, err := s.run(s.m)
	if err != nil {
		return DefaultFormats, err
	}
	failure := &WidthsError{Budget: budget, Best: s.base, Fits: s.distance(fits, s.want)}
	fm := DefaultFormats
	for failure.Fits < budget {
		best, most := fm, 0.0
		for _, r := range Roles {
			next := fm.with(1, r.Name)
			if p := s.price(next); !math.IsInf(p, 1) {
				if value := (s.added(fm) - s.added(next)) / max(p-s.price(fm), 1e-12); value > most {
					best, most = next, value
				}
			}
		}
		if best == fm {
			break
		}
		fm = best
		e, err := s.check(fm)
		if err != nil {
			continue
		}
		if e <= budget {
			return fm, nil
		}
		failure.Best = min(failure.Best, e)
	}
	return fm, failure
}

// state writes the choice into the module.
func (s *search) state(fm Formats, budget float64) {
	fm.set(s.m)
	s.m.Attrs.Set(errorAttr, round3(s.measured[fm]))
	s.m.Attrs.Set(budgetAttr, budget)
	var parts []float64
	for i, r := range Roles {
		parts = append(parts, round3(math.Ldexp(s.parts[r.Name], DefaultFormats.list()[i]-fm.list()[i])))
	}
	s.m.Attrs.Set(partsAttr, parts)
}

// A Width is what widths chose for a role.
type Width struct {
	Role    Role
	Bits    int
	Default int
	Part    float64 // of the error of results that it makes; 0 where it was not measured
}

// WidthsOf are the choice of widths that stands in a module, the error of the
// results and the budget; nil if none was made.
func WidthsOf(m *ir.Module) (all []Width, measured, budget float64, err error) {
	if !m.Attrs.Has(budgetAttr) {
		return nil, 0, 0, nil
	}
	fm, err := FormatsOf(m)
	if err != nil {
		return nil, 0, 0, err
	}
	parts := m.Attrs.Floats(partsAttr)
	for i, r := range Roles {
		w := Width{Role: r, Bits: fm.list()[i], Default: DefaultFormats.list()[i]}
		if len(parts) == len(Roles) {
			w.Part = parts[i]
		}
		all = append(all, w)
	}
	return all, m.Attrs.Float(errorAttr, 0), m.Attrs.Float(budgetAttr, 0), nil
}
