package main

import (
	"flag"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"nimbus/ir"
	"nimbus/passes"
)

func helpCommand() *command {
	return &command{
		Name:  "help",
		Args:  "[passes | ops | COMMAND | PASS | OP]",
		Short: "say what a command, a pass or an op does",
		Setup: func(*flag.FlagSet) func(*console, []string) error {
			return func(c *console, args []string) error {
				switch len(args) {
				case 0:
					printCommands(c.out)
					return nil
				case 1:
					return helpOn(c.out, args[0])
				}
				return usagef("one topic at most, got %d", len(args))
			}
		},
	}
}

func helpOn(w io.Writer, topic string) error {
	if cmd := program().Find(topic); cmd != nil {
		program().Usage(w, cmd)
		return nil
	}
	switch topic {
	case "passes":
		printPasses(w)
		return nil
	case "ops":
		printOps(w)
		return nil
	}
	if row := ir.Lookup(topic); row != nil {
		printOp(w, row)
		return nil
	}
	if ps, err := passes.ByName(topic); err == nil && len(ps) == 1 {
		fmt.Fprintf(w, "%s (%s): %s\n", ps[0].Name, stages(ps[0]), strings.TrimSpace(ps[0].Doc))
		return nil
	}
	return hinted(usagef("nothing is known of %q", topic),
		`"nimbusc help" lists commands, "nimbusc help passes" passes, "nimbusc help ops" ops`)
}

func printCommands(w io.Writer) {
	fmt.Fprint(w, "Nimbusc compiles a Transformer, a program in IR or a circuit to a plan that two parties execute.\n\n")
	program().List(w)
	fmt.Fprint(w, `
A MODEL is a folder as Hugging Face lays it out, a .model description, or the name of an embedded
model such as nimbus-sst2-tiny. "nimbusc help COMMAND" says more; "nimbusc help passes" and
"nimbusc help ops" print the tables that the compiler itself works from.
`)
}

func printPasses(w io.Writer) {
	var order []string
	for _, p := range passes.Default() {
		order = append(order, p.Name)
	}
	fmt.Fprint(w, "The passes; \"nimbusc help PASS\" says more.\n\n")
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, p := range passes.All() {
		title, _, _ := strings.Cut(p.Doc, "\n")
		fmt.Fprintf(table, "  %s\t%s\t%s\n", p.Name, stages(p), title)
	}
	table.Flush()
	fmt.Fprintf(w, "\n\"nimbusc compile\" runs, before it lowers the module to a plan:\n\n  %s\n", strings.Join(order, ","))
}

// stages is "nn to fx" and the like.
func stages(p passes.Pass) string {
	switch {
	case p.In == "" && p.Out == "":
		return "any stage"
	case p.In == p.Out:
		return p.In
	}
	return p.In + " to " + p.Out
}

func printOps(w io.Writer) {
	fmt.Fprint(w, "The ops of the three stages; \"nimbusc help OP\" says more.\n")
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	last := ""
	for _, r := range ir.Rows() {
		if d := r.Dialect(); d != last {
			last = d
			table.Flush()
			fmt.Fprintln(w)
		}
		fmt.Fprintf(table, "  %s\t%s\n", r.Name, r.Title())
	}
	table.Flush()
}

func printOp(w io.Writer, r *ir.Row) {
	fmt.Fprintf(w, "%s: %s\n\n", r.Name, strings.TrimSpace(r.Doc))
	fmt.Fprintf(w, "arguments: %s\n", r.ArgText())
	if r.Twin != "" && r.Twin != r.Name {
		fmt.Fprintf(w, "computes:  %s on shares\n", r.Twin)
	}
	if r.Stated {
		fmt.Fprintf(w, "result:    its type is stated, and checked\n")
	}
	fmt.Fprintf(w, "\nattributes:\n")
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	printAttrs(table, r.Attrs)
	printAttrs(table, ir.CommonAttrs())
	table.Flush()
	if r.Example != "" {
		fmt.Fprintf(w, "\nexample:\n%s\n", indent(strings.TrimSpace(r.Example)))
	}
}

func printAttrs(w io.Writer, attrs []ir.AttrSpec) {
	for _, a := range attrs {
		kind := a.Kind.String()
		if len(a.OneOf) > 0 {
			kind = strings.Join(a.OneOf, " | ")
		}
		if a.Required {
			kind += ", required"
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\n", a.Name, kind, a.Doc)
	}
}

func indent(text string) string { return "  " + strings.ReplaceAll(text, "\n", "\n  ") }
