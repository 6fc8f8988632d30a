package main

import (
	"cmp"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"nimbus/backend"
	"nimbus/backend/cost"
	"nimbus/backend/rules"
	"nimbus/internal/otparams"
	"nimbus/ir"
	"nimbus/ir/plan"
	"nimbus/passes"
)

var explainCommand = &command{
	Name:  "explain",
	Args:  "[-link LINK] [-profile FILE] [-ops | -json | -html FILE [-model MODEL [-text FILE]]] PLAN",
	Short: "what every op of a plan costs, and why it is there",
	Long: `
Prints what the plan takes per layer, per part of the model and in all: online bytes each way, correlated
OTs, round trips, setup bytes, and time over a -link by the times of a machine's -profile, one core a
party. Bytes are payload; making the COTs is offline work, before the input is known. Then the choices:
what each op with several ways to run it does, the runner-up, and the price of both.

-ops adds a table of all ops: the protocol, its shape, ring widths and fraction bits (l.f), costs, and why
it is there. -json has all of this.

-html writes the same as one page that needs no other file, with bars per layer and part, the graph of
ops and values (layers with the same ops are folded), and the fitted functions drawn; given the model, over the density of their inputs on calibration text.`,
	Setup: func(fs *flag.FlagSet) func(*console, []string) error {
		var l linkFlags
		l.flags(fs, "predict times over a `LINK` (default that of the plan, or lan)")
		reuse := fs.Int("reuse", backend.DefaultReuse, "expect `N` inferences per setup, as compile does")
		ops := fs.Bool("ops", false, "print a table of all ops too")
		asJSON := fs.Bool("json", false, "print JSON")
		page := fs.String("html", "", "write a page to `FILE`")
		model := fs.String("model", "", "draw the density of inputs that the plan's `MODEL` has on calibration text")
		text := fs.String("text", "", "calibrate on `FILE`, one text a line (default: the model's own)")
		return func(c *console, args []string) error {
			if len(args) != 1 {
				return usagef("wants one plan, got %d", len(args))
			}
			if *asJSON && *page != "" {
				return usagef("-json or -html, not both")
			}
			if *model != "" && *page == "" || *text != "" && *model == "" {
				return usagef("-model goes with -html, and -text with -model")
			}
			p, err := readPlan(c, args[0])
			if err != nil {
				return err
			}
			if *reuse < 1 {
				return usagef("-reuse is a number of inferences, got %d", *reuse)
			}
			e, err := explain(p, l, *reuse)
			if err != nil {
				return err
			}
			if *asJSON {
				return printJSON(c.out, e)
			}
			if *page != "" {
				seen, err := fitsOf(c, p, *model, *text)
				if err != nil {
					return err
				}
				out, err := e.html(p, seen)
				if err != nil {
					return err
				}
				return writeFile(c, *page, out)
			}
			e.print(c.out, *ops)
			return nil
		}
	},
}

// explanation is what explain -json prints.
type explanation struct {
	Plan   string `json:"plan"`
	Digest string `json:"digest"`
	Seq    int    `json:"seq"`
	Blocks int    `json:"blocks,omitempty"` // of a circuit
	// Link and Machine are what times are for.
	Link    string `json:"link"`
	Machine string `json:"machine"`
	// Memory is an estimate of what a party keeps at a time, in bytes.
	Memory int64      `json:"memory_bytes"`
	Ops    []opLine   `json:"ops"`
	Layers []partLine `json:"layers"`
	Parts  []partLine `json:"parts"`
	Total  price      `json:"total"`
	// Offline is what a session does before the input is known.
	Offline price `json:"offline"`
	// Extension is the choice of the OT extension.
	Extension *choiceLine `json:"extension,omitempty"`
	Base      string      `json:"base"` // OT
	// Prices says what the prices of choices count.
	Prices string `json:"prices"`
	// Widths is the choice of fraction bits, if the compiler made one.
	Widths *widthsLine `json:"widths,omitempty"`
}

// widthsLine is what the pass widths chose.
type widthsLine struct {
	Error  float64     `json:"error"` // of the results, relative, as measured; 0: not told
	Budget float64     `json:"error_budget"`
	Roles  []widthLine `json:"roles"`
}

// widthLine is one role.
type widthLine struct {
	Role    string  `json:"role"`
	Bits    int     `json:"bits"`
	Default int     `json:"default"`
	Error   float64 `json:"error"` // that it makes of the results; 0: not told
	Share   float64 `json:"share"` // of the budget: errors add up as squares
	Doc     string  `json:"doc"`
}

// explainWidths reads the choice that stands in a plan.
func explainWidths(p *ir.Module) (*widthsLine, error) {
	all, measured, budget, err := passes.WidthsOf(p)
	if all == nil || err != nil {
		return nil, err
	}
	e := &widthsLine{Error: measured, Budget: budget}
	for _, w := range all {
		e.Roles = append(e.Roles, widthLine{w.Role.Name, w.Bits, w.Default, w.Part, w.Part * w.Part / (budget * budget), w.Role.Doc})
	}
	return e, nil
}

// print prints one line a role.
func (e *widthsLine) print(w io.Writer) {
	told := "kept by the plan's owner"
	if e.Error > 0 {
		told = fmt.Sprintf("%.3g", e.Error)
	}
	fmt.Fprintf(w, "\nwidths   error of the results, relative to them: %s; budget %g\n", told, e.Budget)
	rows := [][]string{{"role", "bits", "default", "error", "of budget", "what"}}
	for _, r := range e.Roles {
		cells := []string{"-", "-"}
		if r.Error > 0 {
			cells = []string{fmt.Sprintf("%.2g", r.Error), fmt.Sprintf("%.0f %%", 100*r.Share)}
		}
		rows = append(rows, append(append([]string{r.Role, fmt.Sprint(r.Bits), fmt.Sprint(r.Default)}, cells...), r.Doc))
	}
	printTable(w, rows, "lrrrrl")
}

// choiceLine says what was chosen among several, and what else there was.
type choiceLine struct {
	Chosen string  `json:"chosen"`
	Price  float64 `json:"price"`
	Next   string  `json:"next,omitempty"`
	Other  float64 `json:"next_price,omitempty"`
	Unit   string  `json:"unit"` // s, or B of weighed bytes
	Ways   int     `json:"ways"`
}

// opLine is one op.
type opLine struct {
	Op     string `json:"op"`
	Result string `json:"result,omitempty"`
	Layer  *int   `json:"layer,omitempty"`
	Part   string `json:"part,omitempty"`
	Shape  []int  `json:"shape"`
	In     string `json:"in"`  // l.f of the first argument
	Out    string `json:"out"` // l.f of the first result
	price
	Why    string      `json:"why"`
	Choice *choiceLine `json:"choice,omitempty"`
}

// partLine is the sum over a part of a layer.
type partLine struct {
	Layer *int   `json:"layer,omitempty"`
	Part  string `json:"part"`
	Ops   int    `json:"ops"`
	price
}

// price is a cost as it is printed.
type price struct {
	C2S    int64   `json:"bytes_to_server"`
	S2C    int64   `json:"bytes_to_client"`
	Ahead  int64   `json:"ahead_bytes,omitempty"` // both ways, of products that run before the input is known
	COTs   int64   `json:"cots"`
	Rounds float64 `json:"rounds"`
	Setup  int64   `json:"setup_bytes"`
	HEMul  int64   `json:"he_products"`

	Time cost.Time `json:"seconds"`
}

// pricer turns costs of a plan into prices.
type pricer struct {
	profile *cost.Profile
	link    cost.Link
	makes   otparams.Extension // the COTs
}

func (p pricer) priceOf(c cost.Cost) price {
	return price{c.C2S, c.S2C, c.AheadC2S + c.AheadS2C, c.COTs(), float64(c.Depth()) / 2, c.Setup, c.HEMul, p.profile.TimeOf(c, p.link, p.makes)}
}

// explain prices p over the link of l, or the one that p was compiled for.
func explain(p *ir.Module, l linkFlags, reuse int) (*explanation, error) {
	account, err := backend.AccountOf(p)
	if err != nil {
		return nil, err
	}
	by, err := l.machine()
	if err != nil {
		return nil, err
	}
	// Without a link, here and in the plan, bytes decided.
	objective := backend.Objective{}
	made := p.Attrs.Str("link", "")
	if !l.given {
		if err := l.link.Set(cmp.Or(made, "lan")); err != nil {
			return nil, fmt.Errorf("plan @%s: %w", p.Name, err)
		}
	}
	if l.given || made != "" {
		objective = backend.Objective{Profile: by, Link: l.link}
	}
	options := backend.Options{Reuse: reuse, Objective: objective, Base: string(account.Base)}
	ways, err := backend.Choices(p, options)
	if err != nil {
		ways = nil // a plan written by hand may rest on other bounds than the compiler's
	}
	prices := pricer{by, l.link, account.Extension}
	priceOf := prices.priceOf
	e := &explanation{Plan: p.Name, Digest: plan.DigestOf(p).String(), Seq: p.Attrs.Int("seq", 0), Blocks: p.Attrs.Int("blocks", 0), Total: priceOf(account.Online), Offline: priceOf(account.Offline),
		Link: l.link.String(), Machine: by.Machine, Memory: account.Memory(), Base: string(account.Base), Prices: objective.Prices()}
	if account.Online.COTs() > 0 {
		all, err := backend.Extensions(account.Online, options)
		if err != nil {
			return nil, err
		}
		e.Extension = choose(all, func(c backend.Choice) bool { return c.OfPlan(p) }, objective)
	}
	why := map[string]string{}
	for _, r := range rules.All() {
		why[r.Plan] = r.Why
	}
	sums := map[string]int{} // of a part: its index in e.Parts
	costs := []cost.Cost{}
	for _, o := range account.Ops {
		if o.Op.Name == "return" {
			continue
		}
		line := describe(o.Op, why)
		line.price = priceOf(o.Cost)
		if line.Choice = choose(ways[o.Op], func(c backend.Choice) bool { return c.Of(o.Op) }, objective); line.Choice != nil {
			line.Why += "; " + line.Choice.String()
		}
		e.Ops = append(e.Ops, line)
		key := line.place()
		i, ok := sums[key]
		if !ok {
			i = len(e.Parts)
			sums[key] = i
			e.Parts = append(e.Parts, partLine{Layer: line.Layer, Part: line.Part})
			costs = append(costs, cost.Cost{})
		}
		e.Parts[i].Ops++
		costs[i] = costs[i].Add(o.Cost)
	}
	for i := range e.Parts {
		e.Parts[i].price = priceOf(costs[i])
	}
	e.Layers = e.layers()
	e.Widths, err = explainWidths(p)
	return e, err
}

// choose finds what was chosen among ways and what is next; nil if nothing was
// chosen among at least two.
func choose(ways []backend.Choice, chosen func(backend.Choice) bool, o backend.Objective) *choiceLine {
	at := slices.IndexFunc(ways, chosen)
	if at < 0 || len(ways) < 2 {
		return nil
	}
	next := ways[0]
	if at == 0 {
		next = ways[1]
	}
	c := &choiceLine{Chosen: ways[at].Name, Price: ways[at].Price, Next: next.Name, Other: next.Price, Unit: "B", Ways: len(ways)}
	if o.Profile != nil {
		c.Unit = "s"
	}
	return c
}

// String is what was chosen and against what.
func (c *choiceLine) String() string {
	text := func(x float64) string {
		if c.Unit == "s" {
			return secondsText(x)
		}
		return bytesText(int64(x))
	}
	if c.Other < c.Price {
		return fmt.Sprintf("%s: %s, where %s would take %s", c.Chosen, text(c.Price), c.Next, text(c.Other))
	}
	return fmt.Sprintf("%s: %s against %s for %s", c.Chosen, text(c.Price), text(c.Other), c.Next)
}

// secondsText is a time for people.
func secondsText(s float64) string {
	switch {
	case s < 1e-3:
		return fmt.Sprintf("%.0f µs", s*1e6)
	case s < 1:
		return fmt.Sprintf("%.3g ms", s*1e3)
	}
	return fmt.Sprintf("%.3g s", s)
}

func describe(op *ir.Op, why map[string]string) opLine {
	line := opLine{Op: op.Name, Part: op.Attrs.Ident("part", ""), Shape: []int{}, Why: why[op.Name]}
	if op.Attrs.Has("layer") {
		n := op.Attrs.Int("layer", 0)
		line.Layer = &n
	}
	if row := ir.Lookup(op.Name); line.Why == "" && row != nil {
		line.Why = row.Title()
	}
	if len(op.Args) > 0 {
		line.In = widths(op.Args[0].Type())
	}
	if len(op.Results) > 0 {
		r := op.Results[0]
		line.Result = "%" + r.Name
		line.Out = widths(r.Type)
		if r.Type.Shape != nil {
			line.Shape = r.Type.Shape
		}
	}
	return line
}

// widths is l.f of fixed point, il of integers.
func widths(t ir.Type) string {
	if t.Elem.Kind == ir.Fx {
		return fmt.Sprintf("%d.%d", t.Elem.Width, t.Elem.Frac)
	}
	return t.Elem.String()
}

func (l opLine) place() string { return placeText(l.Layer, l.Part) }

func placeText(layer *int, part string) string {
	if part == "" {
		part = "-"
	}
	if layer == nil {
		return part
	}
	return fmt.Sprintf("%d/%s", *layer, part)
}

func shapeText(shape []int) string {
	if len(shape) == 0 {
		return "1"
	}
	return strings.Trim(strings.Join(strings.Fields(fmt.Sprint(shape)), "x"), "[]")
}

// columns are the numbers of a price.
var columns = []string{"to server", "to client", "COTs", "rounds", "setup", "client ms", "server ms", "link ms", "online ms", "ahead ms"}

// cells are the numbers of a price; nothing is printed as "-".
func (p price) cells() []string {
	out := []string{fmt.Sprint(p.C2S), fmt.Sprint(p.S2C), fmt.Sprint(p.COTs), fmt.Sprintf("%g", p.Rounds), fmt.Sprint(p.Setup)}
	for _, s := range []float64{p.Time.Client, p.Time.Server, p.Time.Link, p.Time.Online(), p.Time.Ahead} {
		out = append(out, fmt.Sprintf("%.2f", s*1e3))
	}
	for i, s := range out {
		if s == "0" || s == "0.00" {
			out[i] = "-"
		}
	}
	return out
}

func (e *explanation) print(w io.Writer, ops bool) {
	fmt.Fprintf(w, "plan    @%s, %d ops for %s\ndigest  %s\ntimes   over %s, one core a party, by the profile of %s\n\n", e.Plan, len(e.Ops), sizeText(e.Seq, e.Blocks), e.Digest,
		linkText(e.Link), e.Machine)
	printParts(w, "layer", e.Layers, e.Total, len(e.Ops))
	if len(e.Layers) != len(e.Parts) {
		fmt.Fprintln(w)
		printParts(w, "layer/part", e.Parts, e.Total, len(e.Ops))
	}
	fmt.Fprintf(w, "\nsetup    %s once, %s with the encryption\n", bytesText(e.Total.Setup), secondsText(e.Total.Time.Setup))
	fmt.Fprintf(w, "offline  %s to the server and %s to the client in %g rounds, %s, before each run\n",
		bytesText(e.Offline.C2S), bytesText(e.Offline.S2C), e.Offline.Rounds, secondsText(e.Total.Time.Ahead))
	fmt.Fprintf(w, "online   %s to the server and %s to the client in %g rounds; %d COTs, %d ciphertext products\n",
		bytesText(e.Total.C2S), bytesText(e.Total.S2C), e.Total.Rounds, e.Total.COTs, e.Total.HEMul)
	fmt.Fprintf(w, "         %s: client and server compute %s and %s, one after the other %s; the link takes %s\n",
		secondsText(e.Total.Time.Online()), secondsText(e.Total.Time.Client), secondsText(e.Total.Time.Server), secondsText(e.Total.Time.Path), secondsText(e.Total.Time.Link))
	fmt.Fprintf(w, "memory   about %s at each party, besides the program\n", bytesText(e.Memory))
	e.printChoices(w)
	if e.Widths != nil {
		e.Widths.print(w)
	}
	if !ops {
		return
	}
	fmt.Fprintln(w)
	rows := [][]string{append(append([]string{"op", "result", "layer/part", "shape", "in", "out"}, columns...), "why")}
	for _, o := range e.Ops {
		rows = append(rows, append(append([]string{o.Op, o.Result, o.place(), shapeText(o.Shape), o.In, o.Out}, o.cells()...), o.Why))
	}
	printTable(w, rows, "lllrrr"+strings.Repeat("r", len(columns))+"l")
}

func linkText(name string) string {
	if name == "none" {
		return "no link"
	}
	return name
}

// printParts prints a table of sums.
func printParts(w io.Writer, title string, parts []partLine, total price, ops int) {
	rows := [][]string{append([]string{title, "ops"}, columns...)}
	for _, p := range parts {
		rows = append(rows, append([]string{placeText(p.Layer, p.Part), fmt.Sprint(p.Ops)}, p.cells()...))
	}
	rows = append(rows, append([]string{"total", fmt.Sprint(ops)}, total.cells()...))
	printTable(w, rows, "lr"+strings.Repeat("r", len(columns)))
}

// printChoices prints each choice once, with how often it was made.
func (e *explanation) printChoices(w io.Writer) {
	type line struct{ op, text string }
	var lines []line
	times := map[line]int{}
	add := func(op string, c *choiceLine) {
		if c == nil {
			return
		}
		l := line{op, c.String()}
		if times[l]++; times[l] == 1 {
			lines = append(lines, l)
		}
	}
	add("extension", e.Extension)
	for _, o := range e.Ops {
		shape := o.Op + " " + shapeText(o.Shape)
		add(shape, o.Choice)
	}
	if lines == nil {
		return
	}
	rows := [][]string{{"choice", "times", "made"}}
	for _, l := range lines {
		rows = append(rows, []string{l.op, fmt.Sprint(times[l]), l.text})
	}
	fmt.Fprintln(w)
	printTable(w, rows, "lrl")
	fmt.Fprintln(w, "prices are", e.Prices)
}

// printTable aligns columns: align has l or r for each.
func printTable(w io.Writer, rows [][]string, align string) {
	width := make([]int, len(align))
	for _, r := range rows {
		for i, cell := range r {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	for _, r := range rows {
		var b strings.Builder
		for i, cell := range r {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			if align[i] == 'r' {
				b.WriteString(pad + cell + "  ")
			} else {
				b.WriteString(cell + pad + "  ")
			}
		}
		fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
	}
}
