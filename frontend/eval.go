package frontend

import (
	"fmt"
	"math"
	"regexp"
	"strings"

	"github.com/alecthomas/participle/v2/lexer"

	"nimbus/ir"
)

// expr evaluates e. A value it computes is named hint, or by its op if hint is
// empty.
func (c *compiler) expr(f *frame, e *exprSyntax, hint string) (any, error) {
	l, err := c.sum(f, e.Left, hint)
	if err != nil || e.Op == "" {
		return l, err
	}
	r, err := c.sum(f, e.Right, "")
	if err != nil {
		return nil, err
	}
	v, err := compare(e.Op, l, r)
	if err != nil {
		return nil, failure(e.Pos, "%v", err)
	}
	return v, nil
}

func (c *compiler) sum(f *frame, e *sumSyntax, hint string) (any, error) {
	l, err := c.product(f, e.Left, last(len(e.Rest) == 0, hint))
	for i, rest := range e.Rest {
		if err != nil {
			return nil, err
		}
		var r any
		if r, err = c.product(f, rest.Right, ""); err == nil {
			l, err = c.binary(rest.Pos, rest.Op, l, r, last(i == len(e.Rest)-1, hint))
		}
	}
	return l, err
}

func (c *compiler) product(f *frame, e *productSyntax, hint string) (any, error) {
	l, err := c.unary(f, e.Left, last(len(e.Rest) == 0, hint))
	for i, rest := range e.Rest {
		if err != nil {
			return nil, err
		}
		var r any
		if r, err = c.unary(f, rest.Right, ""); err == nil {
			l, err = c.binary(rest.Pos, rest.Op, l, r, last(i == len(e.Rest)-1, hint))
		}
	}
	return l, err
}

func last(is bool, hint string) string {
	if is {
		return hint
	}
	return ""
}

// binary computes on constants, or becomes an op if a tensor takes part.
func (c *compiler) binary(pos lexer.Position, op string, l, r any, hint string) (any, error) {
	_, constL := constant(l)
	_, constR := constant(r)
	if constL == nil && constR == nil {
		v, err := arith(op, l, r)
		if err != nil {
			return nil, failure(pos, "%v", err)
		}
		return v, nil
	}
	a, isA := l.(*ir.Value)
	_, isB := r.(*ir.Value)
	name := map[string]string{"+": "add", "-": "sub", "*": "mul"}[op]
	switch {
	case isA && op == "*" && isNumber(r):
		return c.op(pos, "scale", ir.A("by", r), nil, hint, a)
	case isA && op == "/" && isNumber(r):
		by, err := arith("/", float64(1), r)
		if err != nil {
			return nil, failure(pos, "%v", err)
		}
		return c.op(pos, "scale", ir.A("by", by), nil, hint, a)
	case isB && op == "*" && isNumber(l):
		return c.op(pos, "scale", ir.A("by", l), nil, hint, r.(*ir.Value))
	case isA && name != "" && (isB || isWeight(r)):
		return c.op(pos, name, nil, nil, hint, a, r.(ir.Operand))
	}
	return nil, failure(pos, "%s is not defined for %s and %s", op, kindOf(l), kindOf(r))
}

func isNumber(v any) bool { _, ok := number(v); return ok }
func isWeight(v any) bool { _, ok := v.(*ir.Weight); return ok }

func (c *compiler) unary(f *frame, e *unarySyntax, hint string) (any, error) {
	v, err := c.primary(f, e.Primary, last(!e.Neg, hint))
	if err != nil || !e.Neg {
		return v, err
	}
	switch v := v.(type) {
	case int64:
		return -v, nil
	case float64:
		return -v, nil
	case *ir.Value:
		return c.op(e.Pos, "scale", ir.A("by", -1), nil, hint, v)
	}
	return nil, failure(e.Pos, "- is not defined for %s", kindOf(v))
}

func (c *compiler) primary(f *frame, e *primarySyntax, hint string) (any, error) {
	switch {
	case e.Float != nil:
		if math.IsInf(*e.Float, 0) {
			return nil, failure(e.Pos, "the number is too large")
		}
		return *e.Float, nil
	case e.Int != nil:
		return *e.Int, nil
	case e.Str != nil:
		return c.template(f, e.Pos, *e.Str)
	case e.List != nil:
		list := make([]any, 0, len(e.List.Elems))
		for _, x := range e.List.Elems {
			v, err := c.expr(f, x, "")
			if err != nil {
				return nil, err
			}
			if v, err = constant(v); err != nil {
				return nil, failure(x.Pos, "in a list: %v", err)
			}
			list = append(list, v)
		}
		return list, nil
	case e.Paren != nil:
		return c.expr(f, e.Paren, hint)
	case e.Call.Paren:
		return c.call(f, e.Call, []string{hint})
	}
	switch e.Call.Name {
	case "true", "false":
		return e.Call.Name == "true", nil
	}
	v, ok := f.lookup(e.Call.Name)
	if !ok {
		return nil, failure(e.Pos, "unknown name %s%s", e.Call.Name, c.suggest(e.Call.Name))
	}
	if _, bad := v.(poison); bad {
		return nil, errPoisoned
	}
	return v, nil
}

// suggest helps where a name is one of something else.
func (c *compiler) suggest(name string) string {
	switch {
	case ir.Lookup("nn."+name) != nil:
		return "; it is an op, and its arguments go in parentheses"
	case c.blocks[name] != nil:
		return "; it is a block, and its arguments go in parentheses"
	}
	return fmt.Sprintf(" (if a word is meant, write %q)", name)
}

var hole = regexp.MustCompile(`\{[^{}]*\}`)

// template replaces every {name} in s.
func (c *compiler) template(f *frame, pos lexer.Position, s string) (any, error) {
	var err error
	out := hole.ReplaceAllStringFunc(s, func(h string) string {
		name := strings.TrimSpace(h[1 : len(h)-1])
		v, ok := f.lookup(name)
		switch v := v.(type) {
		case int64, float64:
			return show(v)
		case string:
			return v
		case poison:
			if err == nil {
				err = errPoisoned
			}
			return ""
		}
		if err == nil && !ok {
			err = failure(pos, "unknown name %s in a string", name)
		} else if err == nil {
			err = failure(pos, "%s cannot be part of a string: it is %s", name, kindOf(v))
		}
		return ""
	})
	if err == nil && strings.ContainsAny(out, "{}") {
		err = failure(pos, "a brace in a string must enclose a name, as in \"layer.{i}\"")
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

// size evaluates a length: an integer of 1 or more.
func (c *compiler) size(f *frame, e *exprSyntax) (int, error) {
	v, err := c.expr(f, e, "")
	if err != nil {
		return 0, err
	}
	n, ok := v.(int64)
	if !ok || n < 1 || n > math.MaxInt32 {
		return 0, failure(e.Pos, "a length must be an integer of 1 or more, not %s", showAny(v))
	}
	return int(n), nil
}

// text is e as written, for messages; only what requirements use.
func (e *exprSyntax) text() string {
	s := e.Left.text()
	if e.Op != "" {
		s += " " + e.Op + " " + e.Right.text()
	}
	return s
}

func (e *sumSyntax) text() string {
	s := e.Left.text()
	for _, r := range e.Rest {
		s += " " + r.Op + " " + r.Right.text()
	}
	return s
}

func (e *productSyntax) text() string {
	s := e.Left.text()
	for _, r := range e.Rest {
		s += " " + r.Op + " " + r.Right.text()
	}
	return s
}

func (e *unarySyntax) text() string {
	p, s := e.Primary, ""
	switch {
	case p.Float != nil:
		s = show(*p.Float)
	case p.Int != nil:
		s = show(*p.Int)
	case p.Str != nil:
		s = show(*p.Str)
	case p.Paren != nil:
		s = "(" + p.Paren.text() + ")"
	case p.List != nil:
		s = "[" + joinExprs(p.List.Elems) + "]"
	case p.Call.Paren:
		var args []*exprSyntax
		for _, a := range p.Call.Args {
			if a.Expr != nil {
				args = append(args, a.Expr)
			}
		}
		s = p.Call.Name + "(" + joinExprs(args) + ")"
	default:
		s = p.Call.Name
	}
	if e.Neg {
		s = "-" + s
	}
	return s
}

func joinExprs(list []*exprSyntax) string {
	var parts []string
	for _, e := range list {
		parts = append(parts, e.text())
	}
	return strings.Join(parts, ", ")
}

// values lists the parameters that e reads: "seq = 600 and positions = 512".
func (c *compiler) values(e *exprSyntax) string {
	text := e.text()
	var parts []string
	for _, name := range c.order {
		if regexp.MustCompile(`\b` + name + `\b`).MatchString(text) {
			parts = append(parts, name+" = "+show(c.globals[name]))
		}
	}
	return strings.Join(parts, " and ")
}
