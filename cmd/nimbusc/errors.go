package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"nimbus/frontend"
	"nimbus/internal/cli"
	"nimbus/ir"
)

// maxDiagnostics is how many lines of errors are worth reading.
const maxDiagnostics = 20

func usagef(format string, args ...any) error { return cli.Usagef(format, args...) }

func hinted(err error, format string, args ...any) error {
	return cli.WithHint(err, fmt.Sprintf(format, args...))
}

// report prints err: one line per diagnostic, in the order of the text, then
// the hint if there is one.
func report(w io.Writer, err error) {
	lines := diagnostics(err)
	slices.SortStableFunc(lines, func(a, b diagnostic) int {
		return cmp.Or(cmp.Compare(a.pos.File, b.pos.File), cmp.Compare(a.pos.Line, b.pos.Line), cmp.Compare(a.pos.Col, b.pos.Col))
	})
	lines = slices.Compact(lines)
	for i, d := range lines {
		if i == maxDiagnostics {
			fmt.Fprintf(w, "nimbusc: and %d more\n", len(lines)-i)
			break
		}
		fmt.Fprintf(w, "nimbusc: %s\n", d.text)
	}
	if h := cli.Hint(err); h != "" {
		fmt.Fprintf(w, "hint: %s\n", h)
	}
}

// A diagnostic is one line of an error, with its place if it has one.
type diagnostic struct {
	pos  ir.Pos
	text string
}

// diagnostics takes joined errors apart.
func diagnostics(err error) []diagnostic {
	var many frontend.Errors
	if errors.As(err, &many) && err.Error() == many.Error() {
		var out []diagnostic
		for _, e := range many {
			out = append(out, diagnostic{e.Pos, cli.OneLine(e.Error())})
		}
		return out
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var out []diagnostic
		for _, e := range joined.Unwrap() {
			out = append(out, diagnostics(e)...)
		}
		return out
	}
	// A wrapper that adds nothing to the text, such as a hint, is opened too.
	if inner := errors.Unwrap(err); inner != nil && inner.Error() == err.Error() {
		return diagnostics(inner)
	}
	d := diagnostic{pos: place(err), text: cli.OneLine(err.Error())}
	if at := d.pos.String() + ": "; d.pos.IsValid() {
		before, after, _ := strings.Cut(d.text, at) // "pass cse: a.ir:3:4: …" starts with the place, too
		d.text = at + before + after
	}
	return []diagnostic{d}
}

// place finds where in a text err is, if it says so.
func place(err error) ir.Pos {
	var pos ir.Pos
	var flaw ir.Diagnostic
	var op *ir.OpError
	var one frontend.Error
	switch {
	case errors.As(err, &flaw):
		pos = flaw.Pos
	case errors.As(err, &op):
		pos = op.Pos
	case errors.As(err, &one):
		pos = one.Pos
	}
	if !pos.IsValid() || !strings.Contains(err.Error(), pos.String()+": ") {
		return ir.Pos{}
	}
	return pos
}
