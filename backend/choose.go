package backend

import (
	"cmp"
	"fmt"
	"slices"

	"nimbus/backend/cost"
	"nimbus/backend/params"
	"nimbus/ir"
)

// An Objective is what a plan should cost least of. The zero value is bytes: what
// is sent with every run, and a run's share of the setup.
type Objective struct {
	Profile *cost.Profile // of both machines; set: seconds count, over Link
	Link    cost.Link
	All     bool // what goes ahead of the input counts like what follows
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
	t := o.Profile.TimeOf(c, o.Link, 8) // these ops use no correlations
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

// Choices lists for the ops of a plan what could have been chosen under o, the
// cheapest first.
func Choices(m *ir.Module, o Options) (map[*ir.Op][]Choice, error) {
	out := map[*ir.Op][]Choice{}
	uses := usesOf(m)
	for _, f := range m.Funcs {
		for _, op := range f.Body {
			list := choices[op.Name]
			if list == nil {
				continue
			}
			all, err := list(op, uses[op], o)
			if err != nil {
				return nil, fmt.Errorf("%s of %%%s: %w", op.Name, op.Result().Name, err)
			}
			slices.SortStableFunc(all, func(a, b Choice) int { return cmp.Compare(a.Price, b.Price) })
			out[op] = all
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
			Attrs: ir.A("set", ir.Ident(f.Set.Name), "tile", tile, "drop_c0", f.Choice.DropC0, "drop_c1", f.Choice.DropC1),
			Name:  fmt.Sprintf("%s, tile %v", f.Set.Name, tile), Cost: c, Price: o.price(c, f.Weight, 1),
		})
	}
	return all, nil
}

// extensions are the parameters of SoftSpoken.
var extensions = []int{2, 4, 8}

// extension is the parameter of the OT extension that makes the correlations of
// a run soonest, unless it is given.
func (o Options) extension(total cost.Cost) int {
	switch {
	case o.SoftSpoken != 0:
		return o.SoftSpoken
	case o.Profile == nil:
		return 8 // fewest bytes
	}
	return slices.MinFunc(extensions, func(a, b int) int {
		return cmp.Compare(o.ahead(total, a), o.ahead(total, b))
	})
}

// ahead is how long making the correlations of a run takes.
func (o Options) ahead(total cost.Cost, k int) float64 {
	c := cost.Cost{COTClientSends: total.COTClientSends, COTServerSends: total.COTServerSends}
	return o.Profile.TimeOf(c, o.Link, k).Ahead
}

// Extensions lists the OT extensions that a plan could use, the cheapest first:
// by time under o, or by bytes.
func Extensions(total cost.Cost, o Options) []Choice {
	var out []Choice
	for _, k := range extensions {
		c := Choice{Attrs: ir.A("softspoken", k), Name: fmt.Sprintf("softspoken %d", k)}
		c.Price = float64(cost.COTBytes(total.COTServerSends, k) + cost.COTBytes(total.COTClientSends, k))
		if o.Profile != nil {
			c.Price = o.ahead(total, k)
		}
		out = append(out, c)
	}
	slices.SortStableFunc(out, func(a, b Choice) int { return cmp.Compare(a.Price, b.Price) })
	return out
}
