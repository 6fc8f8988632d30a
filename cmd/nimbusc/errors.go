package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"nimbus/frontend"
	"nimbus/ir"
)

// maxDiagnostics is how many lines of errors are worth reading.
const maxDiagnostics = 20

// usageError is a wrong command line: exit code 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// A hintError says besides what is wrong what to do about it.
type hintError struct {
	error
	hint string
}

func (e *hintError) Unwrap() error { return e.error }

func hinted(err error, format string, args ...any) error {
	return &hintError{err, fmt.Sprintf(format, args...)}
}

func hintOf(err error) string {
	var h *hintError
	if errors.As(err, &h) {
		return h.hint
	}
	return ""
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
	if h := hintOf(err); h != "" {
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
			out = append(out, diagnostic{e.Pos, oneLine(e.Error())})
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
	d := diagnostic{pos: place(err), text: oneLine(err.Error())}
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

// oneLine makes sure that an error takes one line.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}
