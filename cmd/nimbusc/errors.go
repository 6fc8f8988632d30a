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
	d := diagnostic{text: oneLine(err.Error())}
	var flaw ir.Diagnostic
	if errors.As(err, &flaw) && strings.HasPrefix(d.text, flaw.Pos.String()) {
		d.pos = flaw.Pos
	}
	return []diagnostic{d}
}

// oneLine makes sure that an error takes one line.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}
