package backend

import (
	"cmp"
	"fmt"
	"slices"

	"nimbus/backend/cost"
	"nimbus/backend/params"
	"nimbus/internal/otparams"
	"nimbus/ir"
)

// An Objective is what a plan should cost least of. The zero value is bytes: what
// is sent with every run, and a run's share of the setup.
type Objective struct {
	Profile *cost.Profile // of both machines; set: seconds count, over Link
	Link    cost.Link
	All     bool // what goes ahead of the input counts like what follows
}

// Minimising is the objective that what names: fewest bytes, or seconds over link
// by p, online or all of them.
func Minimising(what string, p *cost.Profile, link cost.Link) (Objective, error) {
	switch what {
	case "bytes":
		return Objective{}, nil
	case "online", "all":
		return Objective{Profile: p, Link: link, All: what == "all"}, nil
	}
	return Objective{}, fmt.Errorf("bytes, online or all can be minimised, got %q", what)
}

// Prices says for people what the prices of choices count.
func (o Objective) Prices() string {
	if o.Profile == nil {
		return fmt.Sprintf("bytes of a run and its share of the setup; where choices differ in time, %.0f ns count as a byte and a round trip as %.0f kB",
			byteSeconds*1e9, assumed.RTT.Seconds()/byteSeconds/1e3)
	}
	return fmt.Sprintf("seconds of a run over %s and its share of the setup", &o.Link)
}

// A Choice is one way to run an op that has several.
type Choice struct {
	Attrs ir.Attrs // what says so in the plan
	Name  string   // for people: "tile 3"
	Cost  cost.Cost
	// Price is what counts under the objective, for one run: seconds, or weighed
	// bytes.
	Price float64
}

// price is what a choice costs under an objective: bytes is that without a
// profile. The setup pays off over reuse runs.
func (o Options) price(c cost.Cost, bytes, reuse float64) float64 {
	if o.Profile == nil {
		return bytes
	}
	t := o.Profile.TimeOf(c, o.Link, otparams.Smallest()) // these ops use no correlations
	s := t.Online() + t.Setup/reuse
	if o.All {
		s += t.Ahead
	}
	return s
}

// cheapest is the first of the choices with the least price.
func cheapest(all []Choice) Choice {
	return slices.MinFunc(all, func(a, b Choice) int { return cmp.Compare(a.Price, b.Price) })
}

// choices lists what a plan op may need beyond its fx twin: parameter set, tile,
// response compression. An op is of fx or of a plan.
var choices = map[string]func(op *ir.Op, u use, o Options) ([]Choice, error){
	"he.select":    selectChoices,
	"he.matmul":    matmulChoices,
	"he.matmul_ss": matmulSSChoices,
}

// A chooser lists choices for the ops of one module under one objective.
type chooser struct {
	Options // seen: layers of a model ask the same
	uses    map[*ir.Op]use
	abreast map[*ir.Op]int
}

func newChooser(m *ir.Module, o Options) *chooser {
	if o.seen == nil {
		o.seen = map[string][]Choice{}
	}
	return &chooser{Options: o, uses: usesOf(m), abreast: abreast(m)}
}

// list is what op has to choose from as the plan op called name; nil if nothing.
func (c *chooser) list(name string, op *ir.Op) ([]Choice, error) {
	list, key := choices[name], fmt.Sprint(name, c.uses[op])
	if cut := layouts[name]; cut != nil && name == op.Name {
		list = func(op *ir.Op, _ use, _ Options) ([]Choice, error) {
			price, err := c.pricing(c.abreast[op])
			if err != nil {
				return nil, err
			}
			return cut(op, price)
		}
		attrs := op.Attrs.Clone()
		attrs.Del("cots")
		for _, remark := range ir.CommonAttrs() {
			attrs.Del(remark.Name)
		}
		key = fmt.Sprint(name, c.Extension, c.abreast[op], attrs, op.Result().Type)
	}
	if list == nil {
		return nil, nil
	}
	for _, a := range op.Args {
		key += fmt.Sprint(" ", a.Type().Shape, a.Type().Elem, a.Weight != nil)
	}
	if all, ok := c.seen[key]; ok {
		return all, nil
	}
	all, err := list(op, c.uses[op], c.Options)
	if err != nil {
		return nil, fmt.Errorf("%s of %%%s: %w", name, op.Result().Name, err)
	}
	c.seen[key] = all
	return all, nil
}

// Choices lists for the ops of a plan what could have been chosen under o, the
// cheapest first.
func Choices(m *ir.Module, o Options) (map[*ir.Op][]Choice, error) {
	out := map[*ir.Op][]Choice{}
	if o.Extension == "" {
		o.Extension = m.Attrs.Ident("extension", otparams.DefaultExtension)
	}
	c := newChooser(m, o)
	for _, f := range m.Funcs {
		for _, op := range f.Body {
			all, err := c.list(op.Name, op)
			if err != nil {
				return nil, err
			}
			if all != nil {
				out[op] = slices.SortedStableFunc(slices.Values(all), func(a, b Choice) int { return cmp.Compare(a.Price, b.Price) })
			}
		}
	}
	return out, nil
}

// Of tells whether a plan's op is what the choice says.
func (c Choice) Of(op *ir.Op) bool {
	for _, a := range c.Attrs {
		if v, ok := op.Attrs.Get(a.Name); !ok || fmt.Sprint(v) != fmt.Sprint(a.Value) {
			return false
		}
	}
	return true
}

// OfPlan tells whether a plan is what the choice of an extension says.
func (c Choice) OfPlan(m *ir.Module) bool {
	for _, a := range c.Attrs {
		if v, ok := m.Attrs.Get(a.Name); !ok || fmt.Sprint(v) != fmt.Sprint(a.Value) {
			return false
		}
	}
	return true
}

func selectChoices(op *ir.Op, u use, o Options) ([]Choice, error) {
	t := op.Result().Type
	set, err := params.Select(t.Elem.Width)
	if err != nil {
		return nil, err
	}
	types := 0
	if len(op.Args) == 4 {
		types = op.W(3).Type.Shape[0]
	}
	rows, reuse := op.W(len(op.Args) / 2).Type.Shape[0], o.reuse()*float64(u.times)
	d := params.SelectDrops(set, u.rows, rows, types, t.Shape[1], t.Elem.Width, u.drop, reuse)
	c, err := cost.SelectCost(set.Name, u.rows, rows, types, t.Shape[1], d)
	if err != nil {
		return nil, err
	}
	return []Choice{{
		Attrs: ir.A("set", ir.Ident(set.Name), "drop_stored", d.Stored, "drop_c0", d.C0, "drop_c1", d.C1),
		Name:  "set " + set.Name, Cost: c, Price: o.price(c, float64(c.C2S)+float64(c.Setup)/reuse, reuse),
	}}, nil
}

// matmulChoices are the numbers of rows in a response.
func matmulChoices(op *ir.Op, u use, o Options) ([]Choice, error) {
	x, w := op.X(0).Type, op.W(1).Type
	l, k, n, m := x.Elem.Width, w.Shape[0], w.Shape[1], u.rows
	reuse := o.reuse() * float64(u.times)
	set, err := params.MatMul(l)
	if err != nil {
		return nil, err
	}
	var all []Choice
	for t := 1; t <= m && t*n <= set.N() || t == 1; t++ {
		d := params.MatMulDrops(set, m, k, n, t, l, u.drop, reuse)
		c, err := cost.MatMulCost(set.Name, m, k, n, t, l, d)
		if err != nil {
			return nil, err
		}
		all = append(all, Choice{
			Attrs: ir.A("set", ir.Ident(set.Name), "tile", t, "drop_stored", d.Stored, "drop_c0", d.C0, "drop_c1", d.C1),
			Name:  fmt.Sprintf("tile %d", t), Cost: c, Price: o.price(c, float64(c.C2S)+float64(c.Setup)/reuse, reuse),
		})
	}
	return all, nil
}

// matmulSSChoices are the sets and tiles that serve a product. Where bytes count,
// transforms do too: they are most of the time, whatever the machine.
func matmulSSChoices(op *ir.Op, u use, o Options) ([]Choice, error) {
	p, batch := cost.ProductOf(op)
	l := op.X(0).Type.Elem.Width
	found, err := params.MatMulSSChoices(p, batch, l, u.drop)
	if err != nil {
		return nil, err
	}
	var all []Choice
	for _, f := range found {
		t := f.Choice.Tile
		c, err := cost.MatMulSSCost(f.Set.Name, batch, l, p, f.Choice)
		if err != nil {
			return nil, err
		}
		encryptA := 0
		if t.EncryptA {
			encryptA = 1
		}
		tile := []int{t.Rows, t.Inner, t.Cols, encryptA}
		all = append(all, Choice{
			Attrs: ir.A("set", ir.Ident(f.Set.Name), "tile", tile, "drop_in", f.Choice.Drops.Stored, "drop_c0", f.Choice.Drops.C0, "drop_c1", f.Choice.Drops.C1),
			Name:  fmt.Sprintf("%s, tile %v", f.Set.Name, tile), Cost: c, Price: o.price(c, f.Weight, 1),
		})
	}
	return all, nil
}

// AnyFerret asks for the cheapest silent extension.
const AnyFerret = "ferret"

// CheckExtension returns an error for a name that [Options] does not take.
func CheckExtension(name string) error {
	if name == "" || name == AnyFerret {
		return nil
	}
	if _, err := otparams.Find(name); err != nil {
		return fmt.Errorf("%w; or %s, for the set that suits the plan", err, AnyFerret)
	}
	return nil
}

// extension is the OT extension that a plan names.
func (o Options) extension(total cost.Cost) (otparams.Extension, error) {
	if err := CheckExtension(o.Extension); err != nil {
		return otparams.Extension{}, err
	}
	if o.Extension != "" && o.Extension != AnyFerret {
		return otparams.Find(o.Extension)
	}
	base, err := o.base()
	if err != nil {
		return otparams.Extension{}, err
	}
	all := otparams.Extensions()
	if o.Extension == AnyFerret {
		all = slices.DeleteFunc(all, func(e otparams.Extension) bool { return !e.Silent() })
	}
	return slices.MinFunc(all, func(a, b otparams.Extension) int {
		return cmp.Compare(o.ahead(total, a, base), o.ahead(total, b, base))
	}), nil
}

func (o Options) base() (otparams.Base, error) {
	return otparams.FindBase(cmp.Or(o.Base, string(otparams.Ristretto)))
}

// byteSeconds is what a byte counts for against the time to make correlations where bytes
// are the objective: 100 Mbit/s. Otherwise the set with the last percent fewer would be
// taken, however slow.
const byteSeconds = 80e-9

// ahead is the price of making the correlations of a session's first run: seconds, or
// bytes.
func (o Options) ahead(total cost.Cost, e otparams.Extension, b otparams.Base) float64 {
	c := cost.Cost{COTClientSends: total.COTClientSends, COTServerSends: total.COTServerSends}
	if o.Profile == nil {
		start, _ := cost.StartBytes(e, b)
		up, down := cost.MakingBytes(c, e)
		return float64(2*start+up+down) + cost.DefaultProfile().Seconds(cost.Making(c.COTs(), e))/byteSeconds
	}
	return o.Profile.StartTime(o.Link, e, b) + o.Profile.TimeOf(c, o.Link, e).Ahead
}

// Extensions lists the OT extensions that a plan could use, the cheapest first:
// by time under o, or by bytes.
func Extensions(total cost.Cost, o Options) ([]Choice, error) {
	base, err := o.base()
	if err != nil {
		return nil, err
	}
	var out []Choice
	for _, e := range otparams.Extensions() {
		out = append(out, Choice{Attrs: ir.A("extension", ir.Ident(e.Name)), Name: e.Name, Price: o.ahead(total, e, base)})
	}
	slices.SortStableFunc(out, func(a, b Choice) int { return cmp.Compare(a.Price, b.Price) })
	return out, nil
}
