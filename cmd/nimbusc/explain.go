package main

import (
	"flag"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"nimbus/backend"
	"nimbus/backend/cost"
	"nimbus/backend/rules"
	"nimbus/ir"
	"nimbus/ir/plan"
)

var explainCommand = &command{
	name:  "explain",
	args:  "[-json | -html FILE [-model MODEL [-text FILE]]] PLAN",
	short: "what every op of a plan costs, and why it is there",
	long: `
Per op of the plan: the protocol, its shape, ring widths and fraction bits (l.f), online bytes each
way, correlated OTs, round trips, setup bytes; then the same per part of the model, and in all. The
bytes are payload; making the COTs is offline work, before the input is known.

-html writes the same as one page that needs no other file, with bars per layer and part, and the
fitted functions drawn; given the model, over the density of their inputs on calibration text.`,
	setup: func(fs *flag.FlagSet) func(*console, []string) error {
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
			e, err := explain(p)
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
			e.print(c.out)
			return nil
		}
	},
}

// explanation is what explain -json prints.
type explanation struct {
	Plan   string     `json:"plan"`
	Digest string     `json:"digest"`
	Seq    int        `json:"seq"`
	Blocks int        `json:"blocks,omitempty"` // of a circuit
	Ops    []opLine   `json:"ops"`
	Parts  []partLine `json:"parts"`
	Total  price      `json:"total"`
	// Offline is what a session does before the input is known.
	Offline price `json:"offline"`
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
	Why string `json:"why"`
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
	COTs   int64   `json:"cots"`
	Rounds float64 `json:"rounds"`
	Setup  int64   `json:"setup_bytes"`
	HEMul  int64   `json:"he_products"`
}

func priceOf(c cost.Cost) price {
	return price{c.C2S, c.S2C, c.COTs(), float64(c.Depth) / 2, c.Setup, c.HEMul}
}

func explain(p *ir.Module) (*explanation, error) {
	account, err := backend.AccountOf(p)
	if err != nil {
		return nil, err
	}
	e := &explanation{Plan: p.Name, Digest: plan.DigestOf(p).String(), Seq: p.Attrs.Int("seq", 0), Blocks: p.Attrs.Int("blocks", 0), Total: priceOf(account.Online), Offline: priceOf(account.Offline)}
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
	return e, nil
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
var columns = []string{"to server", "to client", "COTs", "rounds", "setup"}

// cells are the numbers of a price; nothing is printed as "-".
func (p price) cells() []string {
	out := []string{fmt.Sprint(p.C2S), fmt.Sprint(p.S2C), fmt.Sprint(p.COTs), fmt.Sprintf("%g", p.Rounds), fmt.Sprint(p.Setup)}
	for i, s := range out {
		if s == "0" {
			out[i] = "-"
		}
	}
	return out
}

func (e *explanation) print(w io.Writer) {
	fmt.Fprintf(w, "plan    @%s, %d ops for %s\ndigest  %s\n\n", e.Plan, len(e.Ops), sizeText(e.Seq, e.Blocks), e.Digest)
	rows := [][]string{append(append([]string{"op", "result", "layer/part", "shape", "in", "out"}, columns...), "why")}
	for _, o := range e.Ops {
		rows = append(rows, append(append([]string{o.Op, o.Result, o.place(), shapeText(o.Shape), o.In, o.Out}, o.cells()...), o.Why))
	}
	printTable(w, rows, "lllrrrrrrrrl")

	fmt.Fprintln(w)
	rows = [][]string{append([]string{"layer/part", "ops"}, columns...)}
	for _, p := range e.Parts {
		rows = append(rows, append([]string{placeText(p.Layer, p.Part), fmt.Sprint(p.Ops)}, p.cells()...))
	}
	rows = append(rows, append([]string{"total", fmt.Sprint(len(e.Ops))}, e.Total.cells()...))
	printTable(w, rows, "lrrrrrr")
	fmt.Fprintf(w, "\nsetup    %s once\n", bytesText(e.Total.Setup))
	fmt.Fprintf(w, "offline  %s to the server and %s to the client in %g rounds, before each run\n",
		bytesText(e.Offline.C2S), bytesText(e.Offline.S2C), e.Offline.Rounds)
	fmt.Fprintf(w, "online   %s to the server and %s to the client in %g rounds; %d COTs, %d ciphertext products\n",
		bytesText(e.Total.C2S), bytesText(e.Total.S2C), e.Total.Rounds, e.Total.COTs, e.Total.HEMul)
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
