package ir

import (
	"fmt"
	"strings"
)

// String is the canonical text: parsing it gives an equal module. Comments are
// gone, nothing is reordered, "=" is aligned within a function and ":" among
// the weights.
func (m *Module) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "module @%s", m.Name)
	if len(m.Attrs) > 0 {
		b.WriteString(" attributes " + m.Attrs.String())
	}
	b.WriteString(" {\n")
	wide := 0
	for _, w := range m.Weights {
		wide = max(wide, len(w.Name))
	}
	for _, w := range m.Weights {
		fmt.Fprintf(&b, "  weight @%-*s : %s", wide, w.Name, w.Type)
		if len(w.Attrs) > 0 {
			b.WriteString(" " + w.Attrs.String())
		}
		b.WriteByte('\n')
	}
	for i, f := range m.Funcs {
		if i > 0 || len(m.Weights) > 0 {
			b.WriteByte('\n')
		}
		f.print(&b)
	}
	b.WriteString("}\n")
	return b.String()
}

// String is the function as it appears in its module.
func (f *Func) String() string {
	var b strings.Builder
	f.print(&b)
	return b.String()
}

func (f *Func) print(b *strings.Builder) {
	fmt.Fprintf(b, "  func @%s(", f.Name)
	for i, p := range f.Params {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(b, "%%%s: %s", p.Name, p.Type)
		if len(p.Attrs) > 0 {
			b.WriteString(" " + p.Attrs.String())
		}
	}
	b.WriteByte(')')
	if len(f.Results) > 0 {
		b.WriteString(" -> ")
		for i, t := range f.Results {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(t.String())
		}
	}
	if len(f.Attrs) > 0 {
		b.WriteString(" attributes " + f.Attrs.String())
	}
	b.WriteString(" {\n")
	wide := 0
	for _, op := range f.Body {
		wide = max(wide, len(resultList(op)))
	}
	for _, op := range f.Body {
		b.WriteString("    ")
		if len(op.Results) > 0 {
			fmt.Fprintf(b, "%-*s = ", wide, resultList(op))
		}
		op.printRest(b)
		b.WriteByte('\n')
	}
	b.WriteString("  }\n")
}

// String is the op on one line, unaligned.
func (o *Op) String() string {
	var b strings.Builder
	if len(o.Results) > 0 {
		b.WriteString(resultList(o) + " = ")
	}
	o.printRest(&b)
	return b.String()
}

func resultList(o *Op) string {
	var b strings.Builder
	for i, r := range o.Results {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("%" + r.Name)
	}
	return b.String()
}

func (o *Op) printRest(b *strings.Builder) {
	b.WriteString(o.Name)
	if o.Name == "call" {
		fmt.Fprintf(b, " @%s(", o.Callee)
	} else if len(o.Args) > 0 {
		b.WriteByte(' ')
	}
	for i, a := range o.Args {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(a.String())
	}
	if o.Name == "call" {
		b.WriteByte(')')
	}
	if len(o.Attrs) > 0 {
		b.WriteString(" " + o.Attrs.String())
	}
	for i, r := range o.Results {
		if i == 0 {
			b.WriteString(" : ")
		} else {
			b.WriteString(", ")
		}
		b.WriteString(r.Type.String())
	}
}

// isIdent reports whether s is one word of the grammar that is not a literal
// of another kind.
func isIdent(s string) bool {
	if s == "" || s == "true" || s == "false" {
		return false
	}
	for i, c := range []byte(s) {
		if !letter(c) && (i == 0 || !digit(c)) {
			return false
		}
	}
	return true
}

func letter(c byte) bool { return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }
func digit(c byte) bool  { return '0' <= c && c <= '9' }

// symbolName replaces what a symbol cannot hold by underscores.
func symbolName(s string) string {
	b := []byte(s)
	for i, c := range b {
		if !letter(c) && (i == 0 || !digit(c) && c != '.') {
			b[i] = '_'
		}
	}
	if len(b) == 0 {
		return "_"
	}
	return string(b)
}

// valueName replaces what a value name cannot hold by underscores.
func valueName(s string) string {
	b := []byte(s)
	for i, c := range b {
		if !letter(c) && !digit(c) {
			b[i] = '_'
		}
	}
	if len(b) == 0 {
		return "v"
	}
	return string(b)
}

// uniqueName derives a free name from a hint and takes it.
func uniqueName(taken map[string]bool, hint string) string {
	hint = valueName(hint)
	name := hint
	for n := 1; taken[name]; n++ {
		name = fmt.Sprintf("%s_%d", hint, n)
	}
	taken[name] = true
	return name
}
