package frontend

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/alecthomas/participle/v2/lexer"

	"nimbus/ir"
)

// Limits that no sensible model meets; they keep a slip of a digit from eating
// the machine.
const (
	maxOps    = 1 << 12 // BERT of 24 layers has 600
	maxNested = 32      // blocks calling blocks
	maxText   = 1 << 20
)

// A Set gives values to parameters: int, int64, float64, string, bool, or
// slices of these. What is not in it keeps its default.
type Set map[string]any

// ParseSetting reads one "name=value" as it is given on a command line; the
// value is written as in a description, and a bare word counts as a string.
func ParseSetting(text string) (name string, value any, err error) {
	name, value2, ok := strings.Cut(text, "=")
	name, value2 = strings.TrimSpace(name), strings.TrimSpace(value2)
	if !ok || name == "" || value2 == "" {
		return "", nil, fmt.Errorf("frontend: %q: want name=value, for example seq=32", text)
	}
	e, err := exprParser.ParseString(name, value2)
	if err != nil {
		return "", nil, fmt.Errorf("frontend: the value %q of %s is not a number, a string or a list: %w", value2, name, err)
	}
	c := &compiler{globals: map[string]any{}, blocks: map[string]*blockSyntax{}}
	if call := e.word(); call != "" && call != "true" && call != "false" {
		return name, call, nil
	}
	v, err := c.expr(&frame{vars: c.globals}, e, "")
	if err != nil {
		return "", nil, fmt.Errorf("frontend: the value %q of %s is not a number, a string or a list: %w", value2, name, err)
	}
	return name, v, nil
}

// word is the name that e consists of, if it consists of one.
func (e *exprSyntax) word() string {
	if e.Op != "" || len(e.Left.Rest) > 0 || len(e.Left.Left.Rest) > 0 || e.Left.Left.Left.Neg {
		return ""
	}
	if c := e.Left.Left.Left.Primary.Call; c != nil && !c.Paren {
		return c.Name
	}
	return ""
}

// Compile builds the nn-level module that the description file in dir describes.
// The result has one function, main, and passes ir.Verify. An error is an
// Errors wherever a place can be named.
func Compile(dir fs.FS, file string, set Set) (*ir.Module, error) {
	syntax, set, err := read(dir, file, set, 0)
	if err != nil {
		return nil, err
	}
	return compile(syntax, set)
}

// CompileText is Compile of a text that uses no other; file names it in errors.
func CompileText(file, src string, set Set) (*ir.Module, error) {
	syntax, err := fileParser.ParseString(file, src)
	if err != nil {
		return nil, syntaxError(err)
	}
	if syntax.Uses != nil {
		return nil, Errors{{Pos: place(syntax.Pos), Msg: fmt.Sprintf("%q cannot be used from a text that is no file", *syntax.Uses)}}
	}
	return compile(syntax, set)
}

// read parses a file and, where it uses another, that one instead, with the
// settings of both; those in set win.
func read(dir fs.FS, file string, set Set, depth int) (*fileSyntax, Set, error) {
	f, err := dir.Open(file)
	if err != nil {
		return nil, nil, fmt.Errorf("frontend: %w", err)
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, maxText+1))
	if err != nil {
		return nil, nil, fmt.Errorf("frontend: read %s: %w", file, err)
	}
	if len(src) > maxText {
		return nil, nil, fmt.Errorf("frontend: %s has more than %d bytes; it is no description", file, maxText)
	}
	syntax, err := fileParser.ParseBytes(file, src)
	if err != nil {
		return nil, nil, syntaxError(err)
	}
	if syntax.Uses == nil {
		return syntax, set, nil
	}
	c := &compiler{globals: map[string]any{}}
	switch {
	case len(syntax.Items) > 0:
		c.fail(syntax.Pos, "a description that uses another has nothing but settings in braces")
	case depth == maxNested:
		c.fail(syntax.Pos, "more than %d descriptions use each other", maxNested)
	}
	all := Set{}
	for _, a := range syntax.Attrs {
		v, err := c.expr(&frame{vars: c.globals}, a.Expr, "")
		if c.report(err) {
			continue
		}
		if v, err = constant(v); err != nil {
			c.fail(a.Expr.Pos, "parameter %s: %v", a.Name, err)
		}
		all[a.Name] = v
	}
	if len(c.errs) > 0 {
		return nil, nil, c.errs.sorted()
	}
	for name, v := range set {
		all[name] = v
	}
	used, all, err := read(dir, path.Join(path.Dir(file), *syntax.Uses), all, depth+1)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, Errors{{Pos: place(syntax.Pos), Msg: fmt.Sprintf("there is no file %q to use", *syntax.Uses)}}
	}
	if err != nil {
		return nil, nil, err
	}
	used.Name = syntax.Name
	return used, all, nil
}

func compile(syntax *fileSyntax, set Set) (*ir.Module, error) {
	c := &compiler{
		file:    syntax,
		module:  ir.NewModule(syntax.Name, ir.StageNN),
		globals: map[string]any{},
		blocks:  map[string]*blockSyntax{},
		weights: map[string]*ir.Weight{},
		symbols: map[string]*ir.Weight{},
	}
	c.fn = &ir.Func{Name: "main", Pos: place(syntax.Pos)}
	c.module.Funcs = []*ir.Func{c.fn}

	if c.params(set); len(c.errs) > 0 {
		return nil, c.errs.sorted()
	}
	if c.declare(); len(c.errs) > 0 {
		return nil, c.errs.sorted()
	}
	c.body()
	c.attributes()
	if len(c.errs) > 0 {
		return nil, c.errs.sorted()
	}
	if diags := ir.Verify(c.module); len(diags) > 0 {
		return nil, fmt.Errorf("frontend: the description is well formed, but its module is not: %w", errors.Join(diags...))
	}
	return c.module, nil
}

type compiler struct {
	file    *fileSyntax
	module  *ir.Module
	fn      *ir.Func
	b       *ir.Builder
	globals map[string]any // parameters
	order   []string       // their names as declared
	blocks  map[string]*blockSyntax
	weights map[string]*ir.Weight // by the name in the description
	symbols map[string]*ir.Weight // by the name in the module
	done    bool                  // output seen
	nested  int
	errs    Errors
}

// report collects a mistake; it reports whether there was one.
func (c *compiler) report(err error) bool {
	switch err := err.(type) {
	case nil:
		return false
	case Error:
		c.errs = append(c.errs, err)
	case *ir.OpError:
		c.errs = append(c.errs, Error{Pos: err.Pos, Msg: strings.TrimPrefix(err.Op, "nn.") + ": " + err.Err.Error()})
	default:
		if err != errPoisoned {
			c.errs = append(c.errs, Error{Msg: err.Error()})
		}
	}
	return true
}

func (c *compiler) fail(p lexer.Position, format string, args ...any) {
	c.report(failure(p, format, args...))
}

// params evaluates parameters and then what is required of them.
func (c *compiler) params(set Set) {
	var needs []*requireSyntax
	for _, it := range c.file.Items {
		if it.Require != nil {
			needs = append(needs, it.Require)
		}
		p := it.Param
		if p == nil {
			continue
		}
		if !c.fresh(p.Pos, p.Name) {
			continue
		}
		c.order = append(c.order, p.Name)
		c.globals[p.Name] = poison{}
		given, ok := set[p.Name]
		if p.Default == nil {
			if !ok {
				c.fail(p.Pos, "parameter %s has no default and must be set", p.Name)
				continue
			}
			v, err := constant(given)
			if err != nil {
				c.fail(p.Pos, "parameter %s is set to %v: %v", p.Name, given, err)
				continue
			}
			c.globals[p.Name] = v
			continue
		}
		v, err := c.expr(&frame{vars: c.globals}, p.Default, "")
		if c.report(err) {
			continue
		}
		if _, err := constant(v); err != nil {
			c.fail(p.Default.Pos, "parameter %s: %v", p.Name, err)
			continue
		}
		if ok {
			if v, err = override(v, given); err != nil {
				c.fail(p.Pos, "parameter %s is set to %v: %v", p.Name, given, err)
				continue
			}
		}
		c.globals[p.Name] = v
	}
	var unknown []string
	for name := range set {
		if !slices.Contains(c.order, name) {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	for _, name := range unknown {
		c.errs = append(c.errs, Error{Pos: c.fn.Pos,
			Msg: fmt.Sprintf("there is no parameter %s to set; there are %s", name, strings.Join(c.order, ", "))})
	}
	if len(c.errs) > 0 {
		return
	}
	for _, r := range needs {
		v, err := c.expr(&frame{vars: c.globals}, r.Expr, "")
		if c.report(err) {
			continue
		}
		holds, ok := v.(bool)
		switch {
		case !ok:
			c.fail(r.Expr.Pos, "require wants a comparison, not %s", kindOf(v))
		case !holds:
			c.fail(r.Pos, "%s is required, but %s", r.Expr.text(), c.values(r.Expr))
		}
	}
}

// override checks that a set value is of the kind of the default it replaces.
func override(def, given any) (any, error) {
	v, err := constant(given)
	if err != nil {
		return nil, err
	}
	if n, ok := v.(int64); ok {
		if _, float := def.(float64); float {
			return float64(n), nil
		}
	}
	if kindOf(def) != kindOf(v) {
		return nil, fmt.Errorf("want %s, as the default %s is", kindOf(def), show(def))
	}
	return v, nil
}

var reserved = []string{"true", "false", "weight", "sqrt", "len", "if"}

// fresh reports whether name may be declared at file level.
func (c *compiler) fresh(p lexer.Position, name string) bool {
	switch {
	case slices.Contains(reserved, name):
		c.fail(p, "%s is built in and cannot be declared", name)
	default:
		if _, ok := c.globals[name]; ok {
			c.fail(p, "%s is declared twice", name)
			return false
		}
		return true
	}
	return false
}

// declare takes note of blocks and makes the inputs.
func (c *compiler) declare() {
	for _, it := range c.file.Items {
		switch {
		case it.Block != nil:
			b := it.Block
			switch {
			case slices.Contains(reserved, b.Name):
				c.fail(b.Pos, "%s is built in and cannot be a block", b.Name)
			case ir.Lookup("nn."+b.Name) != nil:
				c.fail(b.Pos, "%s is an op and cannot be a block", b.Name)
			case c.blocks[b.Name] != nil:
				c.fail(b.Pos, "block %s is declared twice", b.Name)
			case len(b.Body) == 0 || b.Body[len(b.Body)-1].Return == nil:
				c.fail(b.Pos, "block %s must end in return", b.Name)
			}
			for i, p := range b.Params {
				if slices.Contains(b.Params[:i], p) || slices.Contains(reserved, p) {
					c.fail(b.Pos, "block %s cannot have two arguments %s, or one that is built in", b.Name, p)
				}
			}
			c.blocks[b.Name] = b
		case it.Input != nil:
			c.input(it.Input)
		}
	}
	c.b = ir.NewBuilder(c.fn)
}

func (c *compiler) input(in *inputSyntax) {
	if !c.fresh(in.Pos, in.Name) {
		return
	}
	var elem ir.Elem
	switch in.Elem {
	case "f32":
		elem = ir.F32Elem()
	case "i1":
		elem = ir.IntElem(1)
	case "i32":
		elem = ir.IntElem(32)
	default:
		c.fail(in.Pos, "an input's element is f32, i32 or i1, not %s", in.Elem)
		return
	}
	var shape []int
	for _, e := range in.Shape {
		n, err := c.size(&frame{vars: c.globals}, e)
		if c.report(err) {
			return
		}
		shape = append(shape, n)
	}
	v := &ir.Value{Name: in.Name, Type: ir.TensorType(elem, shape...), Attrs: ir.A("owner", ir.Ident(in.Owner))}
	if in.Range != nil {
		var r [2]float64
		for i, e := range in.Range {
			n, err := c.expr(&frame{vars: c.globals}, e, "")
			if c.report(err) {
				return
			}
			x, ok := number(n)
			if !ok {
				c.fail(e.Pos, "the range of an input is of numbers, not %s", showAny(n))
				return
			}
			r[i] = x
		}
		if elem.Kind != ir.F32 || r[0] >= r[1] {
			c.fail(in.Pos, "only an f32 input has a range, and it ascends; got %g to %g", r[0], r[1])
			return
		}
		v.Attrs.Set("range", r[:])
		v.Attrs.Set("bound", ir.Ident("proved"))
	}
	if in.Norm != nil {
		n, err := c.expr(&frame{vars: c.globals}, in.Norm, "")
		if c.report(err) {
			return
		}
		x, ok := number(n)
		if !ok || x <= 0 || in.Range == nil {
			c.fail(in.Norm.Pos, "the norm of an input's rows is a positive number beside its range; got %s", showAny(n))
			return
		}
		v.Attrs.Set("norm", x)
	}
	c.fn.Params = append(c.fn.Params, v)
	c.globals[in.Name] = v
}

// body runs the statements at file level.
func (c *compiler) body() {
	f := &frame{vars: map[string]any{}, up: &frame{vars: c.globals, fixed: true}, file: true}
	var body []*stmtSyntax
	for _, it := range c.file.Items {
		if it.Stmt != nil {
			body = append(body, it.Stmt)
		}
	}
	c.stmts(f, body)
	if !c.done && len(c.errs) == 0 {
		c.errs = append(c.errs, Error{Pos: c.fn.Pos, Msg: "the description has no output"})
	}
}

// attributes evaluates those of the model. A string that is a plain word
// becomes a bare word; inside lists strings stay strings.
func (c *compiler) attributes() {
	for _, a := range c.file.Attrs {
		v, err := c.expr(&frame{vars: c.globals}, a.Expr, "")
		if c.report(err) {
			continue
		}
		if v, err = constant(v); err != nil {
			c.fail(a.Expr.Pos, "attribute %s: %v", a.Name, err)
			continue
		}
		if c.module.Attrs.Has(a.Name) {
			c.fail(a.Pos, "attribute %s is given already", a.Name)
			continue
		}
		if s, ok := v.(string); ok && isWord(s) {
			v = ir.Ident(s)
		}
		c.module.Attrs.Set(a.Name, v)
	}
}

func isWord(s string) bool {
	for i, r := range s {
		if !(r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || i > 0 && '0' <= r && r <= '9') {
			return false
		}
	}
	return s != ""
}
