package frontend

import (
	"fmt"
	"math"
	"strings"

	"github.com/alecthomas/participle/v2/lexer"

	"nimbus/ir"
)

// stmts runs one body. A mistake ends its statement only; what it would have
// assigned is poisoned, so that later uses are not reported again.
func (c *compiler) stmts(f *frame, body []*stmtSyntax) {
	if c.b != nil {
		defer func(tag ir.Attrs) { c.b.Tag = tag }(c.b.Tag)
	}
	for _, s := range body {
		if c.done {
			c.fail(s.pos(), "nothing may follow output")
			return
		}
		switch {
		case s.Repeat != nil:
			c.repeat(f, s.Repeat)
		case s.Tag != nil:
			c.tag(f, s.Tag)
		case s.Output != nil:
			c.output(f, s.Output)
		case s.Return != nil:
			c.fail(s.Return.Pos, "return ends a block; a description ends in output")
		default:
			c.assign(f, s.Assign)
		}
	}
}

func (s *stmtSyntax) pos() lexer.Position {
	switch {
	case s.Repeat != nil:
		return s.Repeat.Pos
	case s.Tag != nil:
		return s.Tag.Pos
	case s.Output != nil:
		return s.Output.Pos
	case s.Return != nil:
		return s.Return.Pos
	}
	return s.Assign.Pos
}

func (c *compiler) assign(f *frame, s *assignSyntax) {
	values, err := c.several(f, s.Expr, s.Names)
	if err == nil && len(values) != len(s.Names) {
		err = failure(s.Pos, "%d names, but %d values", len(s.Names), len(values))
	}
	failed := c.report(err)
	for i, name := range s.Names {
		var v any = poison{}
		if !failed {
			v = values[i]
		}
		if !f.assign(name, v) && !failed {
			c.fail(s.Pos, "%s is a parameter, an input or an argument and cannot be assigned", name)
		}
	}
}

// several evaluates e to as many values as there are names; only a call can
// give more than one.
func (c *compiler) several(f *frame, e *exprSyntax, names []string) ([]any, error) {
	if len(names) == 1 {
		v, err := c.expr(f, e, names[0])
		return []any{v}, err
	}
	var call *callSyntax
	if e.Op == "" && len(e.Left.Rest) == 0 && len(e.Left.Left.Rest) == 0 && !e.Left.Left.Left.Neg {
		call = e.Left.Left.Left.Primary.Call
	}
	if call == nil || !call.Paren {
		return nil, failure(e.Pos, "only a call gives %d values", len(names))
	}
	v, err := c.call(f, call, names)
	if err != nil {
		return nil, err
	}
	list, ok := v.([]*ir.Value)
	if !ok {
		return []any{v}, nil
	}
	out := make([]any, len(list))
	for i, v := range list {
		out[i] = v
	}
	return out, nil
}

func (c *compiler) repeat(f *frame, s *repeatSyntax) {
	from, err := c.expr(f, s.From, "")
	if c.report(err) {
		return
	}
	to, err := c.expr(f, s.To, "")
	if c.report(err) {
		return
	}
	a, okA := from.(int64)
	b, okB := to.(int64)
	if !okA || !okB || a < 0 || b < a || b-a > maxOps {
		c.fail(s.From.Pos, "repeat wants integers 0 <= from <= to <= from + %d, not %s .. %s", maxOps, showAny(from), showAny(to))
		return
	}
	if _, ok := f.lookup(s.Name); ok {
		c.fail(s.Pos, "%s is a name already; the counter needs one of its own", s.Name)
		return
	}
	before := len(c.errs)
	for i := a; i < b && len(c.errs) == before; i++ {
		counter := &frame{vars: map[string]any{s.Name: i}, up: f, fixed: true}
		c.stmts(&frame{vars: map[string]any{}, up: counter}, s.Body)
	}
}

func (c *compiler) tag(f *frame, s *tagSyntax) {
	for _, t := range s.Tags {
		spec := findAttr(ir.CommonAttrs(), t.Name)
		if spec == nil {
			c.fail(t.Pos, "%s is no tag; tags are %s", t.Name, attrNames(ir.CommonAttrs()))
			continue
		}
		v, err := c.expr(f, t.Expr, "")
		if !c.report(err) {
			c.b.Tag = c.b.Tag.With(t.Name, word(spec, v))
		}
	}
}

func (c *compiler) output(f *frame, s *outputSyntax) {
	if !f.file {
		c.fail(s.Pos, "output belongs at file level, as the last statement")
		return
	}
	var values []*ir.Value
	for _, e := range s.Exprs {
		v, err := c.expr(f, e, "")
		if c.report(err) {
			continue
		}
		t, ok := v.(*ir.Value)
		if !ok || t.Def == nil {
			c.fail(e.Pos, "output wants a computed value, not %s", kindOf(v))
			continue
		}
		values = append(values, t)
	}
	c.done = true
	if len(c.errs) > 0 {
		return
	}
	c.b.Pos = place(s.Pos)
	c.b.Return(values...)
	c.fn.Attrs.Set("reveal", ir.Ident(s.To))
}

// call evaluates a builtin, a block or an op. names are those of its results.
func (c *compiler) call(f *frame, s *callSyntax, names []string) (any, error) {
	if s.Name == "if" {
		return c.choose(f, s, names)
	}
	var args []any
	var named []*namedSyntax
	for _, a := range s.Args {
		if a.Named != nil {
			named = append(named, a.Named)
			continue
		}
		if len(named) > 0 {
			return nil, failure(a.Expr.Pos, "arguments come before attributes")
		}
		v, err := c.expr(f, a.Expr, "")
		if err != nil {
			return nil, err
		}
		args = append(args, v)
	}
	switch {
	case s.Name == "sqrt" || s.Name == "len":
		return c.builtin(s, args, named)
	case s.Name == "weight":
		return c.weight(f, s, args, named)
	case c.blocks[s.Name] != nil:
		return c.block(s, args, named, names)
	case ir.Lookup("nn."+s.Name) != nil:
		return c.opCall(f, s, args, named, names)
	}
	return nil, failure(s.Pos, "unknown op or block %s; ops are %s", s.Name, strings.Join(opNames(), ", "))
}

// choose evaluates one of two arguments, as the first decides.
func (c *compiler) choose(f *frame, s *callSyntax, names []string) (any, error) {
	if len(s.Args) != 3 || s.Args[0].Expr == nil || s.Args[1].Expr == nil || s.Args[2].Expr == nil || len(names) != 1 {
		return nil, failure(s.Pos, "if takes a condition and two expressions, and gives one value")
	}
	v, err := c.expr(f, s.Args[0].Expr, "")
	if err != nil {
		return nil, err
	}
	holds, ok := v.(bool)
	if !ok {
		return nil, failure(s.Args[0].Expr.Pos, "if wants a comparison, not %s", showAny(v))
	}
	if holds {
		return c.expr(f, s.Args[1].Expr, names[0])
	}
	return c.expr(f, s.Args[2].Expr, names[0])
}

func opNames() []string {
	var names []string
	for _, r := range ir.Rows() {
		if r.Dialect() == "nn" {
			names = append(names, strings.TrimPrefix(r.Name, "nn."))
		}
	}
	return names
}

func (c *compiler) builtin(s *callSyntax, args []any, named []*namedSyntax) (any, error) {
	if len(args) == 1 && len(named) == 0 {
		switch v := args[0].(type) {
		case int64, float64:
			if n, _ := number(v); s.Name == "sqrt" && n >= 0 {
				return math.Sqrt(n), nil
			}
		case []any:
			if s.Name == "len" {
				return int64(len(v)), nil
			}
		}
	}
	want := map[string]string{"sqrt": "a number that is not negative", "len": "a list"}[s.Name]
	return nil, failure(s.Pos, "%s takes %s", s.Name, want)
}

// weight declares a weight of the server, or finds it when it is named again.
func (c *compiler) weight(f *frame, s *callSyntax, args []any, named []*namedSyntax) (any, error) {
	if len(args) != 2 {
		return nil, failure(s.Pos, "weight takes a name and a shape, as in weight(\"classifier.bias\", [labels])")
	}
	name, okN := args[0].(string)
	dims, okD := args[1].([]any)
	if !okN || !okD || name == "" {
		return nil, failure(s.Pos, "weight takes a name and a shape, not %s and %s", kindOf(args[0]), kindOf(args[1]))
	}
	var shape []int
	for _, d := range dims {
		n, ok := d.(int64)
		if !ok || n < 1 || n > math.MaxInt32 {
			return nil, failure(s.Pos, "the shape of weight %s must be of integers of 1 or more, not %s", name, show(dims))
		}
		shape = append(shape, int(n))
	}
	w := &ir.Weight{
		Name:  symbol(name),
		Type:  ir.TensorType(ir.F32Elem(), shape...),
		Attrs: ir.A("owner", ir.Ident(ir.Server)),
		Pos:   place(s.Pos),
	}
	if w.Name != name {
		w.Attrs.Set("from", []any{name})
	}
	for _, n := range named {
		v, err := c.expr(f, n.Expr, "")
		if err != nil {
			return nil, err
		}
		if v, err = constant(v); err != nil {
			return nil, failure(n.Expr.Pos, "attribute %s: %v", n.Name, err)
		}
		w.Attrs.Set(n.Name, v)
	}
	if old := c.weights[name]; old != nil {
		if !old.Type.Equal(w.Type) || !old.Attrs.Equal(w.Attrs) {
			return nil, failure(s.Pos, "weight %s is used as %s %s and, at %s, as %s %s", name, w.Type, w.Attrs, old.Pos, old.Type, old.Attrs)
		}
		return old, nil
	}
	if other := c.symbols[w.Name]; other != nil {
		return nil, failure(s.Pos, "the weights %s and, at %s, another would both be @%s", name, other.Pos, w.Name)
	}
	c.weights[name], c.symbols[w.Name] = w, w
	c.module.Weights = append(c.module.Weights, w)
	return w, nil
}

// symbol replaces what cannot be in a symbol by underscores.
func symbol(name string) string {
	out := []byte(name)
	for i, b := range out {
		letter := b == '_' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z'
		if !letter && !(i > 0 && (b == '.' || '0' <= b && b <= '9')) {
			out[i] = '_'
		}
	}
	return string(out)
}

// block runs a block's body with its own names: its arguments and the file's
// parameters and inputs, nothing of the caller's.
func (c *compiler) block(s *callSyntax, args []any, named []*namedSyntax, names []string) (any, error) {
	b := c.blocks[s.Name]
	if len(args) != len(b.Params) || len(named) > 0 {
		return nil, failure(s.Pos, "block %s takes %d arguments (%s), not %d", s.Name, len(b.Params), strings.Join(b.Params, ", "), len(args)+len(named))
	}
	if c.nested == maxNested {
		return nil, failure(s.Pos, "blocks are nested more than %d deep; does %s call itself?", maxNested, s.Name)
	}
	c.nested++
	defer func(tag ir.Attrs) { c.nested--; c.b.Tag = tag }(c.b.Tag)

	vars := map[string]any{}
	for i, p := range b.Params {
		vars[p] = args[i]
	}
	f := &frame{vars: map[string]any{}, up: &frame{vars: vars, fixed: true, up: &frame{vars: c.globals, fixed: true}}}
	before := len(c.errs)
	c.stmts(f, b.Body[:len(b.Body)-1])
	ret := b.Body[len(b.Body)-1].Return
	if len(c.errs) > before {
		return nil, errPoisoned
	}
	if len(ret.Exprs) == 1 && len(names) == 1 {
		return c.expr(f, ret.Exprs[0], names[0])
	}
	if len(ret.Exprs) != len(names) {
		return nil, failure(s.Pos, "block %s returns %d values, %d are wanted", s.Name, len(ret.Exprs), len(names))
	}
	var out []*ir.Value
	for i, e := range ret.Exprs {
		v, err := c.expr(f, e, names[i])
		if err != nil {
			return nil, err
		}
		t, ok := v.(*ir.Value)
		if !ok {
			return nil, failure(e.Pos, "a block that returns several values returns tensors, not %s", kindOf(v))
		}
		out = append(out, t)
	}
	return out, nil
}

// opCall evaluates an op with its attributes.
func (c *compiler) opCall(f *frame, s *callSyntax, args []any, named []*namedSyntax, names []string) (any, error) {
	row := ir.Lookup("nn." + s.Name)
	var operands []ir.Operand
	for i, a := range args {
		o, ok := a.(ir.Operand)
		if !ok {
			return nil, failure(s.Pos, "%s: argument %d is %s, want a value or a weight; it takes %s", s.Name, i+1, kindOf(a), row.ArgText())
		}
		operands = append(operands, o)
	}
	var attrs ir.Attrs
	var stated *ir.Type
	specs := append(ir.CommonAttrs(), row.Attrs...)
	for _, n := range named {
		v, err := c.expr(f, n.Expr, "")
		if err != nil {
			return nil, err
		}
		if v, err = constant(v); err != nil {
			return nil, failure(n.Expr.Pos, "attribute %s: %v", n.Name, err)
		}
		if row.Stated && n.Name == "shape" {
			t, err := statedType(v)
			if err != nil {
				return nil, failure(n.Expr.Pos, "%s: %v", s.Name, err)
			}
			stated = &t
			continue
		}
		spec := findAttr(specs, n.Name)
		if spec == nil {
			return nil, failure(n.Pos, "%s has no attribute %s; it has %s", s.Name, n.Name, attrNames(specs))
		}
		attrs.Set(n.Name, word(spec, v))
	}
	if row.Stated && stated == nil {
		return nil, failure(s.Pos, "%s wants the attribute shape, as in shape = [1, hidden]", s.Name)
	}
	if !row.Many && len(names) != 1 {
		return nil, failure(s.Pos, "%s gives one value, %d are wanted", s.Name, len(names))
	}
	if row.Many && len(names) > 1 {
		return c.ops(s.Pos, s.Name, attrs, stated, names, operands...)
	}
	return c.op(s.Pos, s.Name, attrs, stated, names[0], operands...)
}

func statedType(v any) (ir.Type, error) {
	list, _ := v.([]any)
	var shape []int
	for _, d := range list {
		n, ok := d.(int64)
		if !ok || n < 1 || n > math.MaxInt32 {
			list = nil
			break
		}
		shape = append(shape, int(n))
	}
	if list == nil {
		return ir.Type{}, fmt.Errorf("shape must be a list of integers of 1 or more, not %s", show(v))
	}
	return ir.TensorType(ir.F32Elem(), shape...), nil
}

// op adds one op with one result.
func (c *compiler) op(pos lexer.Position, name string, attrs ir.Attrs, stated *ir.Type, hint string, args ...ir.Operand) (any, error) {
	out, err := c.ops(pos, name, attrs, stated, []string{hint}, args...)
	if err != nil {
		return nil, err
	}
	return out[0], nil
}

func (c *compiler) ops(pos lexer.Position, name string, attrs ir.Attrs, stated *ir.Type, hints []string, args ...ir.Operand) ([]*ir.Value, error) {
	if c.b == nil {
		return nil, failure(pos, "%s: only statements compute", name)
	}
	if len(c.fn.Body) >= maxOps {
		return nil, failure(pos, "the description has more than %d ops", maxOps)
	}
	named := make([]string, len(hints))
	for i, h := range hints {
		if named[i] = h; h == "" {
			named[i] = name
		}
	}
	var types []ir.Type
	if stated != nil {
		types = []ir.Type{*stated}
	}
	var out []*ir.Value
	c.b.Pos = place(pos)
	err := ir.Catch(func() { out = c.b.OpT("nn."+name, named, attrs, types, args...) })
	if err != nil {
		return nil, err
	}
	return out, nil
}

func findAttr(specs []ir.AttrSpec, name string) *ir.AttrSpec {
	for i := range specs {
		if specs[i].Name == name {
			return &specs[i]
		}
	}
	return nil
}

func attrNames(specs []ir.AttrSpec) string {
	var names []string
	for _, s := range specs {
		names = append(names, s.Name)
	}
	return strings.Join(names, ", ")
}

// word makes a string a bare word where the attribute is one.
func word(spec *ir.AttrSpec, v any) any {
	if s, ok := v.(string); ok && spec.Kind == ir.Word {
		return ir.Ident(s)
	}
	return v
}
