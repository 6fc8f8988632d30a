package backend

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"nimbus/backend/rules"
	"nimbus/internal/fixed"
	"nimbus/internal/otparams"
	"nimbus/ir"
	"nimbus/ir/plan"
	"nimbus/passes"
)

// DefaultReuse is the number of inferences over which a setup is assumed to pay
// off.
const DefaultReuse = 16

// Options steer the choices that cost decides.
type Options struct {
	// Reuse is the number of inferences over which a client is expected to use
	// one setup; it weighs setup bytes against online bytes. 0 means
	// DefaultReuse.
	Reuse int

	// PublicEmbedding publishes the tables that fx.select reads: the client
	// downloads them in the clear and looks its rows up by itself.
	PublicEmbedding bool

	// Ahead has matrix products run on masks before the input is known.
	Ahead bool

	// Extension names the OT extension, one of package otparams, or [AnyFerret].
	// Empty means the one that makes a run's correlations soonest under the
	// objective, or with fewest bytes if those are what counts.
	Extension string
	// Base names the base OT, of package otparams. Empty means ristretto.
	Base string

	// Objective is what choices minimise.
	Objective

	seen map[string][]Choice // of modules lowered before with these options: see Pricer
}

func (o Options) reuse() float64 {
	if o.Reuse <= 0 {
		return DefaultReuse
	}
	return float64(o.Reuse)
}

// Lower turns an fx module into a plan, in place.
func Lower(m *ir.Module, o Options) error {
	if m.Stage() != ir.StageFx {
		return fmt.Errorf("lower: module @%s is at stage %s; want fx", m.Name, m.Stage())
	}
	var err error
	caught := ir.Catch(func() {
		for _, w := range m.Weights {
			w.Type = w.Type.WithKind(ir.Private, ir.Server)
			w.Attrs.Del("owner")
		}
		if o.PublicEmbedding {
			publishTables(m)
		}
		c := newChooser(m, o)
		for _, f := range m.Funcs {
			if err = lowerFunc(f, c); err != nil {
				return
			}
		}
	})
	if err == nil {
		err = caught
	}
	if err != nil {
		return fmt.Errorf("lower: %w", err)
	}
	m.SetStage(ir.StagePlan)
	if err := passes.Tidy.Run(m, nil); err != nil {
		return fmt.Errorf("lower: %w", err)
	}
	return Finish(m, o)
}

// Finish writes into a plan what both parties must agree on besides its ops: the
// format's version, the OT extension, the numbers of correlations. It is Lower's
// last step, and all that a plan written by hand needs.
func Finish(m *ir.Module, o Options) error {
	m.Attrs.Set("version", plan.Version)
	if o.Ahead {
		RunAhead(m)
	}
	if err := plan.Check(m); err != nil {
		return fmt.Errorf("lower: %w", err)
	}
	total, e, err := layAll(m, o)
	if err != nil {
		return fmt.Errorf("lower: %w", err)
	}
	base, err := o.base()
	if err != nil {
		return fmt.Errorf("lower: %w", err)
	}
	m.Attrs.Set("extension", ir.Ident(e.Name))
	m.Attrs.Set("base", ir.Ident(base))
	if o.Profile != nil {
		m.Attrs.Set("link", o.Link.String())
	}
	total.Reserve(m)
	return nil
}

// layAll chooses layouts and the extension, each of which depends on the other: how
// many correlations there are follows from the layouts, what one is worth in them
// from the extension. It begins with the layouts that serve everywhere.
func layAll(m *ir.Module, o Options) (total *Account, e otparams.Extension, err error) {
	stated := map[*ir.Op]bool{}
	for _, f := range m.Funcs {
		for _, op := range f.Body {
			_, stated[op] = op.Attrs.Get("layout")
		}
	}
	for range 2 {
		if total, err = AccountOf(m); err != nil {
			return nil, e, err
		}
		last := e
		if e, err = o.extension(total.Online); err != nil {
			return nil, e, err
		}
		if e == last {
			return total, e, nil
		}
		for op := range stated {
			if !stated[op] {
				op.Attrs.Del("layout")
			}
		}
		under := o
		under.Extension = e.Name
		if err := lay(m, under); err != nil {
			return nil, e, err
		}
	}
	total, err = AccountOf(m)
	return total, e, err
}

// RunAhead has all ops of a plan that can do so run before the input is known.
func RunAhead(m *ir.Module) {
	for _, f := range m.Funcs {
		for _, op := range f.Body {
			if row := ir.Lookup(op.Name); row != nil && row.Takes("ahead") {
				op.Attrs.Set("ahead", true)
			}
		}
	}
}

// publishTables makes the tables of every selection public.
func publishTables(m *ir.Module) {
	for _, f := range m.Funcs {
		for _, op := range f.Body {
			if op.Name != "fx.select" {
				continue
			}
			for _, a := range op.Args {
				if a.Weight != nil {
					a.Weight.Type = a.Weight.Type.WithKind(ir.Public, "")
				}
			}
		}
	}
}

func lowerFunc(f *ir.Func, c *chooser) error {
	shared := map[*ir.Value]*ir.Value{} // parameter -> its shares
	for _, p := range f.Params {
		owner := p.Attrs.Ident("owner", ir.Client)
		p.Type = p.Type.WithKind(ir.Private, owner)
		p.Attrs.Del("owner")
	}
	opens := ir.A("to", ir.Ident(f.Attrs.Ident("reveal", ir.Client)))
	f.Attrs.Del("reveal")
	if f.Attrs.Bool("undropped") {
		opens.Set("undropped", true)
		f.Attrs.Del("undropped")
	}
	var err error
	f.Rewrite(func(b *ir.Builder, op *ir.Op) []*ir.Value {
		if err != nil {
			return nil
		}
		for i, a := range op.Args {
			if v := a.Value; v != nil && v.Def == nil && wantsShares(op, i) {
				if shared[v] == nil {
					shared[v] = b.Op1("io.share", v.Name, nil, v)
				}
				op.Args[i].Value = shared[v]
			}
		}
		if op.Name == "return" {
			for i, a := range op.Args {
				op.Args[i].Value = b.Op1("io.reveal", "out", opens.Clone(), a)
			}
			return nil
		}
		var rule rules.Rule
		if rule, err = rules.For(op); err != nil {
			return nil
		}
		attrs := op.Attrs.Clone()
		var all []Choice
		if all, err = c.list(rule.Plan, op); err != nil {
			return nil
		}
		if all != nil {
			for _, a := range cheapest(all).Attrs {
				attrs.Set(a.Name, a.Value)
			}
		}
		if rule.Plan == "ot.mul_ss" {
			var o fixed.ProductOpts
			if o, err = plan.Product(op); err != nil {
				return nil
			}
			if o = o.Dropping(op.X(0).Type.Elem.Width, c.uses[op].drop); o.Drop > 0 {
				attrs.Set("drop", o.Drop)
			}
		}
		hints := make([]string, len(op.Results))
		types := make([]ir.Type, len(op.Results))
		for i, r := range op.Results {
			hints[i] = r.Name
			types[i] = r.Type.WithKind(ir.AShare, "")
			if r.Type.Elem == ir.IntElem(1) {
				types[i] = r.Type.WithKind(ir.BShare, "")
			}
		}
		args := make([]ir.Operand, len(op.Args))
		for i, a := range op.Args {
			args[i] = a
		}
		return b.OpT(rule.Plan, hints, attrs, types, args...)
	})
	return err
}

// wantsShares tells whether an op takes argument i, if it is an input, as shares:
// numbers, and bits that are not a mask of the client's.
func wantsShares(op *ir.Op, i int) bool {
	e := op.Args[i].Type().Elem
	return e.Kind == ir.Fx || e == ir.IntElem(1) && op.Name != "fx.add_mask"
}

// use is what a choice must suit: all ops that read one stored weight, which
// has one layout for all of them, or an op alone.
type use struct {
	drop  int // low bits of the result that are dropped before anything else reads them, in every op
	rows  int // of the operand: the most of any op
	times int // how many ops
}

// usesOf tells for every op of a module of fx or a plan how it, or the weight that it reads, is
// used.
func usesOf(m *ir.Module) map[*ir.Op]use {
	out := map[*ir.Op]use{}
	stored := map[*ir.Weight]use{}
	weightOf := func(op *ir.Op) (*ir.Weight, int) {
		switch op.Name {
		case "fx.matmul", "he.matmul":
			if w := op.W(1); w != nil {
				return w, op.X(0).Type.NumElems() / w.Type.Shape[0]
			}
		case "fx.select", "he.select":
			return op.W(len(op.Args) / 2), op.Result().Type.Shape[0] // the first weight, after ids and perhaps types
		}
		return nil, 0
	}
	for _, f := range m.Funcs {
		for op, drop := range followingDrops(f) {
			out[op] = use{drop: drop, times: 1}
			if w, rows := weightOf(op); w != nil {
				u, ok := stored[w]
				if !ok {
					u.drop = drop
				}
				stored[w] = use{min(u.drop, drop), max(u.rows, rows), u.times + 1}
			}
		}
	}
	for op := range out {
		if w, _ := weightOf(op); w != nil {
			out[op] = stored[w]
		}
	}
	return out
}

// followingDrops computes for every op, of fx or of a plan, how many low bits of
// its results are dropped by all that reads them: noise below that is rounded
// away.
//
// A product that is opened with nothing but local steps in between counts as
// dropped by nobody. Its response would otherwise be compressed up to the noise
// that rounding tolerates, and since the client knows the bits that it left out,
// each rounded answer would be a noisy equation in the server's long-lived key.
func followingDrops(f *ir.Func) map[*ir.Op]int {
	const all = 64
	value := map[*ir.Value]int{} // bits dropped by every reader seen so far
	get := func(v *ir.Value) int {
		if d, ok := value[v]; ok {
			return d
		}
		return all
	}
	opened := map[*ir.Value]bool{} // reaches the return by local steps alone
	out := map[*ir.Op]int{}
	for i := len(f.Body) - 1; i >= 0; i-- {
		op := f.Body[i]
		open := op.Name == "return" || op.Name == "io.reveal"
		r, err := rules.For(op)
		if err == nil && strings.HasPrefix(r.Plan, "ss.") || op.Dialect() == "ss" {
			open = slices.ContainsFunc(op.Results, func(v *ir.Value) bool { return opened[v] })
		}
		own := all
		for _, r := range op.Results {
			own = min(own, get(r))
		}
		if own == all {
			own = 0 // nobody reads it
		}
		out[op] = own
		for j, a := range op.Args {
			if a.Value == nil {
				continue
			}
			d := 0
			switch _, name, _ := strings.Cut(op.Name, "."); name {
			case "shrink", "trunc":
				d = op.Attrs.Int("bits", 0)
			case "add", "sub", "add_bias", "add_const", "sum", "split", "split_heads", "merge_heads",
				"transpose", "slice", "gather", "concat", "reshape", "reduce":
				d = own
			case "shl":
				d = max(own-op.Attrs.Int("bits", 0), 0)
			case "mul_const": // the raw factor round(value·2^frac) magnifies the noise
				raw := math.Abs(math.Round(math.Ldexp(op.Attrs.Float("value", 0), op.Attrs.Int("frac", 0))))
				d = max(own-int(math.Ceil(math.Log2(max(raw, 1)))), 0)
			case "add_mask":
				if j == 0 {
					d = own
				}
			}
			if open {
				opened[a.Value], d = true, 0
			}
			value[a.Value] = min(get(a.Value), d)
		}
	}
	return out
}
