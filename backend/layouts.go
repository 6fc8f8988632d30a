package backend

import (
	"fmt"
	"strings"
	"time"

	"nimbus/backend/cost"
	"nimbus/internal/fixed"
	"nimbus/internal/otparams"
	"nimbus/ir"
	"nimbus/ir/plan"
)

// Comparisons can be cut in many ways: large digits have many messages, small ones
// many joins, a tree of joins many round trips. What that is worth depends on the
// link and on what makes a correlated OT.

// layouts lists for an op of a plan how it can be cut.
var layouts = map[string]func(op *ir.Op, price pricing) ([]Choice, error){
	"ot.cmp":       cmpLayouts,
	"ot.piecewise": piecewiseLayouts,
	"ot.max":       maxLayouts,
	"ot.recip":     inverseLayouts,
	"ot.rsqrt":     inverseLayouts,
}

// assumed is the link that layouts are chosen for where bytes are the objective: a
// byte counts byteSeconds, and a round trip as much as half a million of them.
// Otherwise the fewest bytes would be taken, however many rounds that is.
var assumed = cost.Link{Rate: 8 / byteSeconds, RTT: 40 * time.Millisecond}

// A pricing is what a step over OT costs under an objective.
type pricing func(cost.Cost) float64

// pricing counts seconds, or as many bytes as take as long, the making of
// correlations by o.Extension included, of one of n ops that wait side by side.
func (o Options) pricing(n int) (pricing, error) {
	e, err := otparams.Find(o.Extension)
	if err != nil {
		return nil, err
	}
	profile, link, unit := o.Profile, o.Link, 1.0
	if profile == nil {
		profile, link, unit = cost.DefaultProfile(), assumed, byteSeconds
		link.RTT /= time.Duration(n) // bytes of all of them, but one wait
	}
	each := profile.PerCOT(link, e)
	return func(c cost.Cost) float64 {
		return (profile.TimeOf(c, link, e).Online() + float64(c.COTs())*each) / unit
	}, nil
}

// abreast counts for every op those that wait side by side with it, itself
// included: the same steps on values of the same form in one part of a layer, as
// interleave makes of one op.
func abreast(m *ir.Module) map[*ir.Op]int {
	out, groups := map[*ir.Op]int{}, map[string][]*ir.Op{}
	for _, f := range m.Funcs {
		for _, op := range f.Body {
			if layouts[op.Name] == nil {
				continue
			}
			attrs := op.Attrs.Clone()
			attrs.Del("layout")
			attrs.Del("cots")
			key := fmt.Sprint(f.Name, op.Name, attrs, op.X(0).Type)
			if !attrs.Has("layer") {
				key = fmt.Sprintf("%p", op)
			}
			groups[key] = append(groups[key], op)
		}
	}
	for _, ops := range groups {
		for _, op := range ops {
			out[op] = len(ops)
		}
	}
	return out
}

// layout is the choice of a layout, in a plan's numbers.
func (price pricing) layout(stated []int, name fmt.Stringer, c cost.Cost) Choice {
	return Choice{Attrs: ir.A("layout", stated), Name: name.String(), Cost: c, Price: price(c)}
}

// comparisons are the choices for comparisons of keep bits that cost as c says.
func (price pricing) comparisons(keep int, c func(fixed.CmpLayout) cost.Cost) (all []Choice) {
	for _, l := range fixed.CmpLayouts(keep, false) {
		all = append(all, price.layout(l.Ints(), l, c(l)))
	}
	return all
}

func cmpLayouts(op *ir.Op, price pricing) ([]Choice, error) {
	opts, err := plan.Comparison(op)
	if err != nil {
		return nil, err
	}
	n, cuts := op.X(0).Type.NumElems(), op.NumCuts()
	return price.comparisons(opts.Keep, func(l fixed.CmpLayout) cost.Cost { return cost.CmpCost(n, opts.Keep, cuts, l) }), nil
}

func piecewiseLayouts(op *ir.Op, price pricing) ([]Choice, error) {
	p, err := plan.Piecewise(op)
	if err != nil || len(p.Cuts) == 0 {
		return nil, err
	}
	n := op.X(0).Type.NumElems()
	return price.comparisons(p.Keep, func(l fixed.CmpLayout) cost.Cost {
		p.Layout = l
		return cost.PiecewiseCost(n, p)
	}), nil
}

// inverseLayouts have the spline's comparison chosen first, on which nothing else
// depends.
func inverseLayouts(op *ir.Op, price pricing) ([]Choice, error) {
	v, err := plan.Inverse(op)
	if err != nil {
		return nil, err
	}
	v.Layout = fixed.InverseLayout{}
	s, err := v.Steps()
	if err != nil {
		return nil, err
	}
	n := op.X(0).Type.NumElems()
	splines := price.comparisons(s.Spline.Keep, func(l fixed.CmpLayout) cost.Cost {
		return cost.CmpCost(n, s.Spline.Keep, len(s.Spline.Cuts), l)
	})
	if len(splines) > 0 {
		if v.Layout.Spline, err = fixed.CmpLayoutOf(cheapest(splines).Attrs.Ints("layout")); err != nil {
			return nil, err
		}
	}
	first := []fixed.CmpLayout{{}}
	if len(s.Cuts) > 0 {
		first = fixed.CmpLayouts(s.Keep, true)
	}
	var all []Choice
	for _, v.Layout.Cmp = range first {
		for _, v.Layout.Joint = range []bool{false, true} {
			c, err := cost.InverseCost(n, v)
			if err != nil && v.Layout.Joint {
				continue // it does not end locally
			}
			if err != nil {
				return nil, err
			}
			all = append(all, price.layout(v.Layout.Ints(), v.Layout, c))
		}
	}
	return all, nil
}

// levels is the layout of a tournament: what its levels state.
type levels []fixed.MaxLevel

func (l levels) ints() (stated []int) {
	for _, v := range l {
		stated = append(stated, v.Ints()...)
	}
	return stated
}

// String is the layout for people: the groups of each level.
func (l levels) String() string {
	var groups []string
	for _, v := range l {
		groups = append(groups, fmt.Sprintf("%d (%v)", v.Group, v.Cmp))
	}
	return "groups of " + strings.Join(groups, ", ")
}

// maxLayouts are, for each first level, the best tournament that begins with it.
func maxLayouts(op *ir.Op, price pricing) ([]Choice, error) {
	opts, _, err := plan.Tournament(op)
	if err != nil {
		return nil, err
	}
	x := op.X(0).Type
	t := tournament{price: price, rows: x.NumElems() / x.Last(), width: x.Elem.Width, cmp: opts, best: map[int]played{1: {}}}
	var all []Choice
	for _, l := range t.first(fixed.MaxLevels(x.Last(), opts)) {
		c, err := cost.MaxCost(t.rows, x.Last(), t.width, opts, l.levels.ints())
		if err != nil {
			return nil, err
		}
		all = append(all, price.layout(l.levels.ints(), l.levels, c))
	}
	return all, nil
}

// A tournament searches for the cheapest levels by the number of columns left.
type tournament struct {
	price       pricing
	rows, width int
	cmp         fixed.CmpOpts
	best        map[int]played
}

type played struct {
	levels levels
	price  float64
}

// first lists for each of the levels the cheapest tournament that begins with it.
func (t *tournament) first(all []fixed.MaxLevel) []played {
	var out []played
	for _, l := range all {
		width, extend := fixed.MaxWidth(t.width, t.cmp), 0
		if l.Winners() == 1 {
			extend = t.width
		}
		price := t.price(cost.MaxLevelCost(t.rows, t.cmp.Keep, l, width, extend))
		rest := t.from(l.Winners())
		out = append(out, played{append(levels{l}, rest.levels...), price + rest.price})
	}
	return out
}

// from is the cheapest tournament of cols columns.
func (t *tournament) from(cols int) played {
	if p, ok := t.best[cols]; ok {
		return p
	}
	var best played
	for i, p := range t.first(fixed.MaxLevels(cols, t.cmp)) {
		if i == 0 || p.price < best.price {
			best = p
		}
	}
	t.best[cols] = best
	return best
}

// lay states in every op of a plan that has several layouts, and states none, the
// cheapest.
func lay(m *ir.Module, o Options) error {
	c := newChooser(m, o)
	for _, f := range m.Funcs {
		for _, op := range f.Body {
			if layouts[op.Name] == nil {
				continue
			}
			if _, stated := op.Attrs.Get("layout"); stated {
				continue
			}
			all, err := c.list(op.Name, op)
			if err != nil {
				return err
			}
			if len(all) == 0 {
				continue
			}
			for _, a := range cheapest(all).Attrs {
				op.Attrs.Set(a.Name, a.Value)
			}
		}
	}
	return nil
}
