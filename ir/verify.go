package ir

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A Diagnostic is one flaw of a module. It prints as
// file:line:col: @func: op: message, leaving out what is unknown.
type Diagnostic struct {
	Pos  Pos
	Func string // without the @
	Op   string // op name, or what kind of declaration
	Msg  string
}

func (d Diagnostic) Error() string {
	var parts []string
	if d.Pos.IsValid() {
		parts = append(parts, d.Pos.String())
	}
	if d.Func != "" {
		parts = append(parts, "@"+d.Func)
	}
	if d.Op != "" {
		parts = append(parts, d.Op)
	}
	return strings.Join(append(parts, d.Msg), ": ")
}

// Verify checks every invariant of the module and returns all flaws as
// Diagnostics, sorted by position; nil means the module is sound.
func Verify(m *Module) []error {
	v := &verifier{m: m}
	v.module()
	slices.SortStableFunc(v.found, func(a, b Diagnostic) int {
		return cmp.Or(cmp.Compare(a.Pos.File, b.Pos.File), cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Col, b.Pos.Col))
	})
	var errs []error
	for _, d := range v.found {
		errs = append(errs, d)
	}
	return errs
}

// Verify is the package's Verify, joined into one error.
func (m *Module) Verify() error { return errors.Join(Verify(m)...) }

type verifier struct {
	m     *Module
	found []Diagnostic
	fn    *Func
	op    *Op
}

func (v *verifier) errorf(pos Pos, format string, args ...any) {
	d := Diagnostic{Pos: pos, Msg: fmt.Sprintf(format, args...)}
	if v.fn != nil {
		d.Func = v.fn.Name
	}
	if v.op != nil {
		d.Op = v.op.Name
	}
	v.found = append(v.found, d)
}

func (v *verifier) module() {
	m := v.m
	if symbolName(m.Name) != m.Name {
		v.errorf(Pos{}, "module name %q is not a symbol", m.Name)
	}
	seen := map[string]bool{}
	for _, at := range m.Attrs {
		if !isIdent(at.Name) || seen[at.Name] {
			v.errorf(Pos{}, "module attribute %q is not a word, or given twice", at.Name)
		}
		seen[at.Name] = true
		if err := checkValue(at.Value); err != nil {
			v.errorf(Pos{}, "module attribute %s: %v", at.Name, err)
		}
	}
	switch m.Stage() {
	case StageNN, StageFx, StagePlan:
	default:
		v.errorf(Pos{}, "module attribute stage must be nn, fx or plan")
		return // nothing else would make sense
	}
	used := map[*Weight]bool{}
	for _, f := range m.Funcs {
		for _, op := range f.Body {
			for _, a := range op.Args {
				used[a.Weight] = true
			}
		}
	}
	names := map[string]bool{}
	declared := map[*Weight]bool{}
	for _, w := range m.Weights {
		if names[w.Name] {
			v.errorf(w.Pos, "weight @%s is declared twice", w.Name)
		}
		names[w.Name], declared[w] = true, true
		v.weight(w)
		if !used[w] {
			v.errorf(w.Pos, "weight @%s is never used", w.Name)
		}
	}
	names = map[string]bool{}
	for _, f := range m.Funcs {
		v.fn = f
		if names[f.Name] {
			v.errorf(f.Pos, "function is declared twice")
		}
		names[f.Name] = true
		v.function(f, declared)
	}
	v.fn, v.op = nil, nil
	v.recursion()
}

// typeAllowed checks a type and that the stage has such values.
func (v *verifier) typeAllowed(t Type) error {
	if err := t.Check(); err != nil {
		return err
	}
	stage := v.m.Stage()
	if (stage == StagePlan) == (t.Kind == Tensor) {
		return fmt.Errorf("%s does not belong in stage %s", t, stage)
	}
	if t.Elem.Kind == Fx && stage == StageNN || t.Elem.Kind == F32 && stage != StageNN {
		return fmt.Errorf("%s does not belong in stage %s", t, stage)
	}
	return nil
}

func (v *verifier) weight(w *Weight) {
	bad := func(format string, args ...any) {
		v.errorf(w.Pos, "weight @%s: %s", w.Name, fmt.Sprintf(format, args...))
	}
	if symbolName(w.Name) != w.Name {
		bad("the name is not a symbol")
	}
	if err := v.typeAllowed(w.Type); err != nil {
		bad("%v", err)
		return
	}
	if k := w.Type.Kind; k == AShare || k == BShare || w.Type.Party == Client {
		bad("a weight is the server's or public, not %s", w.Type)
	}
	if err := checkAttrs(w.Attrs, weightAttrs); err != nil {
		bad("%v", err)
		return
	}
	from := w.Attrs.Strs("from")
	if w.Attrs.Has("from") && len(from) == 0 {
		bad("from names no tensor")
	}
	if n := len(w.Attrs.Floats("mul")); w.Attrs.Has("mul") && n != max(len(from), 1) {
		bad("mul has %d factors for %d sources", n, max(len(from), 1))
	}
	for _, i := range w.Attrs.Ints("diagonal") {
		if i < 0 || i >= max(len(from), 1) || w.Type.Rank() != 2 {
			bad("diagonal names source %d of %d, for two axes", i, max(len(from), 1))
		}
	}
	if w.Attrs.Has("shift") != w.Attrs.Has("through") || w.Attrs.Has("shift") && (w.Type.Rank() != 1 || len(w.Attrs.Strs("through")) != max(len(from), 1)) {
		bad("shift is for vectors, and wants through to name a tensor per source")
	}
	if a := w.Attrs.Int("axis", 0); a < 0 || a > 0 && a >= w.Type.Rank() {
		bad("axis %d does not exist", a)
	}
	if w.Attrs.Bool("transpose") && w.Type.Rank() != 2 {
		bad("transpose needs two axes")
	}
	if r := w.Attrs.Ints("rows"); w.Attrs.Has("rows") && (len(r) != 2 || r[0] < 0 || w.Type.Rank() == 0 || r[1] != w.Type.Shape[0]) {
		bad("rows must be [start, len] with len the first axis of %s", w.Type)
	}
}

func (v *verifier) function(f *Func, declared map[*Weight]bool) {
	if symbolName(f.Name) != f.Name {
		v.errorf(f.Pos, "the name is not a symbol")
	}
	for _, at := range f.Attrs {
		if err := checkValue(at.Value); err != nil || !isIdent(at.Name) {
			v.errorf(f.Pos, "attribute %s: bad name or value", at.Name)
		}
	}
	names := map[string]bool{}
	defined := map[*Value]bool{}
	define := func(val *Value, pos Pos) {
		if valueName(val.Name) != val.Name {
			v.errorf(pos, "%q is not a value name", val.Name)
		}
		if names[val.Name] {
			v.errorf(pos, "%%%s is defined twice", val.Name)
		}
		names[val.Name], defined[val] = true, true
	}
	for _, p := range f.Params {
		define(p, f.Pos)
		if err := v.typeAllowed(p.Type); err != nil {
			v.errorf(f.Pos, "parameter %%%s: %v", p.Name, err)
		}
		if err := checkAttrs(p.Attrs, paramAttrs); err != nil {
			v.errorf(f.Pos, "parameter %%%s: %v", p.Name, err)
		}
		if p.Def != nil {
			v.errorf(f.Pos, "internal: parameter %%%s has a defining op", p.Name)
		}
	}
	for _, t := range f.Results {
		if err := v.typeAllowed(t); err != nil {
			v.errorf(f.Pos, "result: %v", err)
		}
	}
	if f.Return() == nil {
		v.errorf(f.Pos, "the last op must be return")
	}
	for i, op := range f.Body {
		v.op = op
		ok := true
		for _, a := range op.Args {
			switch {
			case (a.Value == nil) == (a.Weight == nil):
				v.errorf(op.Pos, "internal: an argument is neither value nor weight")
				ok = false
			case a.Value != nil && !defined[a.Value]:
				v.errorf(op.Pos, "%s is not defined before its use", a)
				ok = false
			case a.Weight != nil && !declared[a.Weight]:
				v.errorf(op.Pos, "%s is not declared in this module", a)
				ok = false
			}
		}
		if ok {
			v.check(f, op, i == len(f.Body)-1)
		}
		for _, r := range op.Results {
			define(r, op.Pos)
			if r.Def != op {
				v.errorf(op.Pos, "internal: %%%s does not know its op", r.Name)
			}
		}
	}
	v.op = nil
}

// check verifies one op whose arguments are defined.
func (v *verifier) check(f *Func, op *Op, last bool) {
	switch op.Name {
	case "return":
		v.checkReturn(f, op, last)
		return
	case "call":
		v.checkCall(op)
		return
	}
	if Lookup(op.Name) != nil && !allows(v.m.Stage(), op.Dialect()) {
		v.errorf(op.Pos, "ops of %s do not belong in stage %s", op.Dialect(), v.m.Stage())
		return
	}
	types, err := op.Infer()
	if err != nil {
		v.errorf(op.Pos, "%v", err)
		return
	}
	if len(types) != len(op.Results) {
		v.errorf(op.Pos, "has %d results, not %d", len(types), len(op.Results))
		return
	}
	for i, t := range types {
		if r := op.Results[i]; !r.Type.Equal(t) {
			v.errorf(op.Pos, "%%%s is %s, stated as %s", r.Name, t, r.Type)
		}
	}
}

func (v *verifier) checkReturn(f *Func, op *Op, last bool) {
	if !last {
		v.errorf(op.Pos, "return must be the last op")
	}
	if len(op.Attrs) > 0 || len(op.Results) > 0 {
		v.errorf(op.Pos, "return has neither attributes nor results")
	}
	if len(op.Args) != len(f.Results) {
		v.errorf(op.Pos, "returns %d values, the function %d", len(op.Args), len(f.Results))
		return
	}
	for i, a := range op.Args {
		switch {
		case a.Weight != nil:
			v.errorf(op.Pos, "%s is a weight and cannot be returned", a)
		case !a.Type().Equal(f.Results[i]):
			v.errorf(op.Pos, "%s is %s, the function returns %s", a, a.Type(), f.Results[i])
		}
	}
}

func (v *verifier) checkCall(op *Op) {
	callee := v.m.Func(op.Callee)
	if callee == nil {
		v.errorf(op.Pos, "there is no function @%s", op.Callee)
		return
	}
	if err := checkAttrs(op.Attrs, common); err != nil {
		v.errorf(op.Pos, "%v", err)
	}
	if len(op.Args) != len(callee.Params) {
		v.errorf(op.Pos, "@%s takes %d arguments, not %d", op.Callee, len(callee.Params), len(op.Args))
		return
	}
	for i, a := range op.Args {
		p := callee.Params[i]
		switch {
		case a.Weight != nil:
			v.errorf(op.Pos, "%s: a weight cannot be passed", a)
		case !a.Type().Equal(p.Type):
			v.errorf(op.Pos, "%s is %s, but parameter %%%s of @%s is %s", a, a.Type(), p.Name, op.Callee, p.Type)
		}
	}
	if len(op.Results) != len(callee.Results) {
		v.errorf(op.Pos, "@%s has %d results, not %d", op.Callee, len(callee.Results), len(op.Results))
		return
	}
	for i, r := range op.Results {
		if !r.Type.Equal(callee.Results[i]) {
			v.errorf(op.Pos, "%%%s is %s, stated as %s", r.Name, callee.Results[i], r.Type)
		}
	}
}

// recursion reports one call on every cycle of calls.
func (v *verifier) recursion() {
	const active, done = 1, 2
	state := map[*Func]int{}
	var visit func(f *Func)
	visit = func(f *Func) {
		state[f] = active
		for _, op := range f.Body {
			if op.Name != "call" {
				continue
			}
			callee := v.m.Func(op.Callee)
			if callee == nil {
				continue
			}
			switch state[callee] {
			case active:
				v.fn, v.op = f, op
				v.errorf(op.Pos, "@%s ends up calling itself", op.Callee)
			case 0:
				visit(callee)
			}
		}
		state[f] = done
	}
	for _, f := range v.m.Funcs {
		if state[f] == 0 {
			visit(f)
		}
	}
}
