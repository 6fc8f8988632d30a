package parser

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/alecthomas/participle/v2"
	"github.com/alecthomas/participle/v2/lexer"

	"nimbus/ir"
)

// Parse reads one module; name is the file in positions. The error joins every
// flaw found, each an ir.Diagnostic: one for a syntax error, else all names
// that do not resolve and literals that do not fit.
func Parse(name, src string) (*ir.Module, error) {
	if err := checkNesting(name, src); err != nil {
		return nil, err
	}
	tree, err := grammar.ParseString(name, src)
	if err != nil {
		var perr participle.Error
		if errors.As(err, &perr) {
			return nil, ir.Diagnostic{Pos: position(perr.Position()), Msg: words.Replace(perr.Message())}
		}
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	c := &converter{m: &ir.Module{Name: tree.Name[1:]}, weights: map[string]*ir.Weight{}}
	c.module(tree)
	if len(c.errs) > 0 {
		return nil, errors.Join(c.errs...)
	}
	return c.m, nil
}

// words names the grammar's parts as a reader knows them.
var words = strings.NewReplacer(`Typ`, `type`, `Attrs`, `attributes in braces`, `Op*`, `ops`, `Param`, `parameter`,
	`Decl*`, `weights and functions`, `Lit`, `value`)

// maxNesting bounds lists in lists, so that no text can exhaust the stack.
const maxNesting = 64

// checkNesting counts open brackets outside strings and comments.
func checkNesting(name, src string) error {
	depth, line, start := 0, 1, 0
	for i := 0; i < len(src); i++ {
		switch src[i] {
		case '\n':
			line, start = line+1, i+1
		case '"':
			for i++; i < len(src) && src[i] != '"'; i++ {
				if src[i] == '\\' {
					i++
				}
				if i < len(src) && src[i] == '\n' {
					line, start = line+1, i+1
				}
			}
		case '/':
			if strings.HasPrefix(src[i:], "//") {
				for i+1 < len(src) && src[i+1] != '\n' {
					i++
				}
			}
		case '[':
			if depth++; depth > maxNesting {
				return ir.Diagnostic{Pos: ir.Pos{File: name, Line: line, Col: i - start + 1}, Msg: "lists are nested too deeply"}
			}
		case ']':
			depth--
		}
	}
	return nil
}

func position(p lexer.Position) ir.Pos { return ir.Pos{File: p.Filename, Line: p.Line, Col: p.Column} }

type converter struct {
	m       *ir.Module
	weights map[string]*ir.Weight
	fn, op  string // where we are, for messages
	errs    []error
}

func (c *converter) errorf(pos lexer.Position, format string, args ...any) {
	c.errs = append(c.errs, ir.Diagnostic{Pos: position(pos), Func: c.fn, Op: c.op, Msg: fmt.Sprintf(format, args...)})
}

func (c *converter) module(t *module) {
	c.m.Attrs = c.attrs(t.Attrs)
	for _, d := range t.Decls {
		if w := d.Weight; w != nil {
			n := &ir.Weight{Name: w.Name[1:], Type: c.typ(w.Type), Attrs: c.attrs(w.Attrs), Pos: position(w.Pos)}
			if c.weights[w.Name] != nil {
				c.errorf(w.Pos, "weight %s is declared twice", w.Name)
			}
			c.weights[w.Name] = n
			c.m.Weights = append(c.m.Weights, n)
		}
	}
	for _, d := range t.Decls {
		if d.Func != nil {
			c.fn = d.Func.Name[1:]
			c.m.Funcs = append(c.m.Funcs, c.function(d.Func))
			c.fn = ""
		}
	}
}

func (c *converter) function(t *fun) *ir.Func {
	f := &ir.Func{Name: t.Name[1:], Attrs: c.attrs(t.Attrs), Pos: position(t.Pos)}
	values := map[string]*ir.Value{}
	define := func(pos lexer.Position, v *ir.Value) {
		if values[v.Name] != nil {
			c.errorf(pos, "%%%s is defined twice", v.Name)
		}
		values[v.Name] = v
	}
	for _, p := range t.Params {
		v := &ir.Value{Name: p.Name[1:], Type: c.typ(p.Type), Attrs: c.attrs(p.Attrs)}
		define(p.Pos, v)
		f.Params = append(f.Params, v)
	}
	for _, r := range t.Results {
		f.Results = append(f.Results, c.typ(r))
	}
	for _, o := range t.Body {
		n := &ir.Op{Name: o.Name, Pos: position(o.Pos)}
		operands := o.Operands
		if o.Callee != "" {
			n.Name, n.Callee, operands = "call", o.Callee[1:], o.Args
		}
		c.op = n.Name
		for _, a := range operands {
			if arg, ok := c.operand(o.Pos, values, a); ok {
				n.Args = append(n.Args, arg)
			}
		}
		n.Attrs = c.attrs(o.Attrs)
		if len(o.Types) != len(o.Results) {
			c.errorf(o.Pos, "%d results but %d types", len(o.Results), len(o.Types))
		}
		for i, r := range o.Results {
			v := &ir.Value{Name: r[1:], Def: n}
			if i < len(o.Types) {
				v.Type = c.typ(o.Types[i])
			}
			define(o.Pos, v)
			n.Results = append(n.Results, v)
		}
		f.Body = append(f.Body, n)
		c.op = ""
	}
	return f
}

func (c *converter) operand(pos lexer.Position, values map[string]*ir.Value, name string) (ir.Arg, bool) {
	if name[0] == '%' {
		if v := values[name[1:]]; v != nil {
			return ir.Arg{Value: v}, true
		}
		c.errorf(pos, "%s is not defined before its use", name)
		return ir.Arg{}, false
	}
	if w := c.weights[name]; w != nil {
		return ir.Arg{Weight: w}, true
	}
	c.errorf(pos, "weight %s is not declared", name)
	return ir.Arg{}, false
}

func (c *converter) attrs(t *attrs) ir.Attrs {
	if t == nil {
		return nil
	}
	var out ir.Attrs
	for _, a := range t.List {
		if out.Has(a.Name) {
			c.errorf(a.Pos, "attribute %s is given twice", a.Name)
			continue
		}
		var v any = true
		if a.Value != nil {
			v = c.literal(a.Value)
		}
		out.Set(a.Name, v)
	}
	return out
}

func (c *converter) literal(t *lit) any {
	switch {
	case t.Float != nil:
		f, err := strconv.ParseFloat(*t.Float, 64)
		if err != nil {
			c.errorf(t.Pos, "%s is too large for a number", *t.Float)
		}
		return f
	case t.Int != nil:
		n, err := strconv.ParseInt(*t.Int, 10, 64)
		if err != nil {
			c.errorf(t.Pos, "%s does not fit 64 bits", *t.Int)
		}
		return n
	case t.Str != nil:
		s, err := strconv.Unquote(*t.Str)
		if err != nil {
			c.errorf(t.Pos, "%s is not a string: a raw line break or an unknown escape", *t.Str)
		}
		return s
	case t.Sym != nil:
		return ir.Symbol((*t.Sym)[1:])
	case t.Word != nil:
		switch *t.Word {
		case "true":
			return true
		case "false":
			return false
		}
		return ir.Ident(*t.Word)
	}
	list := []any{}
	for _, e := range t.List.Items {
		list = append(list, c.literal(e))
	}
	return list
}

func (c *converter) typ(t *typ) ir.Type {
	kind, ok := ir.KindNamed(t.Kind)
	if !ok {
		c.errorf(t.Pos, "unknown type %s; there are tensor, public, private, ashare and bshare", t.Kind)
		return ir.Type{}
	}
	out := ir.Type{Kind: kind, Party: t.Party}
	parts := strings.Split(t.Body, "x")
	elem := parts[len(parts)-1]
	if n := len(parts); n >= 2 && parts[n-2] == "f" { // fx64.18 holds an x itself
		elem = "fx" + parts[n-1]
		parts = parts[:n-1]
	}
	for _, d := range parts[:len(parts)-1] {
		n, err := strconv.Atoi(d)
		if err != nil {
			c.errorf(t.Pos, "axis length %s is too large", d)
			return out
		}
		out.Shape = append(out.Shape, n)
	}
	var err error
	if out.Elem, err = element(elem); err == nil {
		err = out.Check()
	}
	if err != nil {
		c.errorf(t.Pos, "%v", err)
	}
	return out
}

func element(s string) (ir.Elem, error) {
	bad := fmt.Errorf("unknown element %s; there are f32, fxL.F and iL", s)
	if s == "f32" {
		return ir.F32Elem(), nil
	}
	if rest, ok := strings.CutPrefix(s, "fx"); ok {
		l, f, ok := strings.Cut(rest, ".")
		width, err1 := strconv.Atoi(l)
		frac, err2 := strconv.Atoi(f)
		if !ok || err1 != nil || err2 != nil {
			return ir.Elem{}, bad
		}
		return ir.FxElem(width, frac), nil
	}
	if rest, ok := strings.CutPrefix(s, "i"); ok {
		if width, err := strconv.Atoi(rest); err == nil {
			return ir.IntElem(width), nil
		}
	}
	return ir.Elem{}, bad
}
