package ir

import "fmt"

// A Pos is a place in a source text. The zero Pos is unknown.
type Pos struct {
	File      string
	Line, Col int
}

// IsValid reports whether the position is known.
func (p Pos) IsValid() bool { return p.Line > 0 }

// String is file:line:col, or empty when the position is unknown.
func (p Pos) String() string {
	if !p.IsValid() {
		return ""
	}
	if p.File == "" {
		return fmt.Sprintf("%d:%d", p.Line, p.Col)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
}

// A Module is one compilation unit: weights and functions. The function called
// main, where there is one, is the entry.
type Module struct {
	Name    string // without the @
	Attrs   Attrs
	Weights []*Weight
	Funcs   []*Func
}

// A Weight declares a tensor that the server (or both) will load: type, owner
// and recipe, never the numbers.
type Weight struct {
	Name  string // without the @
	Type  Type
	Attrs Attrs
	Pos   Pos
}

// A Func is straight-line code whose last op is a return.
type Func struct {
	Name    string // without the @
	Params  []*Value
	Results []Type
	Attrs   Attrs
	Body    []*Op
	Pos     Pos
}

// A Value is defined once, by an op or as a parameter. Its name is unique in
// its function and means nothing.
type Value struct {
	Name  string // without the %
	Type  Type
	Attrs Attrs // of a parameter: owner and the like; empty otherwise
	Def   *Op   // nil for a parameter
}

// An Op computes its results from its arguments. Name is "dialect.op", or
// "call" (then Callee names a function) or "return".
type Op struct {
	Name    string
	Callee  string
	Args    []Arg
	Attrs   Attrs
	Results []*Value
	Pos     Pos
}

// An Arg is a value or a weight: exactly one of the two is set.
type Arg struct {
	Value  *Value
	Weight *Weight
}

// Type is the type of whichever is set.
func (a Arg) Type() Type {
	switch {
	case a.Value != nil:
		return a.Value.Type
	case a.Weight != nil:
		return a.Weight.Type
	}
	return Type{}
}

func (a Arg) String() string {
	switch {
	case a.Value != nil:
		return "%" + a.Value.Name
	case a.Weight != nil:
		return "@" + a.Weight.Name
	}
	return "<nil>"
}

// An Operand is what a builder takes as an argument: *Value, *Weight or Arg.
type Operand interface{ operand() Arg }

func (v *Value) operand() Arg  { return Arg{Value: v} }
func (w *Weight) operand() Arg { return Arg{Weight: w} }
func (a Arg) operand() Arg     { return a }

// A Stage says which dialects may appear in a module.
type Stage = string

// The three stages, from the model's own vocabulary to what two parties execute.
const (
	StageNN   Stage = "nn"
	StageFx   Stage = "fx"
	StagePlan Stage = "plan"
)

// allows reports whether ops of dialect may appear at stage s.
func allows(s Stage, dialect string) bool {
	switch s {
	case StageNN:
		return dialect == "nn"
	case StageFx:
		return dialect == "fx"
	case StagePlan:
		return dialect == "ss" || dialect == "he" || dialect == "ot" || dialect == "io"
	}
	return false
}

// Party names, as they appear in types and attributes.
const (
	Client = "client"
	Server = "server"
)

// NewModule returns an empty module at a stage.
func NewModule(name string, stage Stage) *Module {
	return &Module{Name: name, Attrs: A("stage", Ident(stage))}
}

// Stage is the module's stage attribute, empty if it has none.
func (m *Module) Stage() Stage { return m.Attrs.Ident("stage", "") }

// SetStage replaces the stage attribute in place.
func (m *Module) SetStage(s Stage) { m.Attrs.Set("stage", Ident(s)) }

// Func finds a function by name; nil if there is none.
func (m *Module) Func(name string) *Func {
	for _, f := range m.Funcs {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// Weight finds a weight by name; nil if there is none.
func (m *Module) Weight(name string) *Weight {
	for _, w := range m.Weights {
		if w.Name == name {
			return w
		}
	}
	return nil
}

// AddWeight declares a weight. If the name is taken, a number is appended.
func (m *Module) AddWeight(name string, t Type, attrs Attrs) *Weight {
	base := symbolName(name)
	name = base
	for n := 1; m.Weight(name) != nil; n++ {
		name = fmt.Sprintf("%s_%d", base, n)
	}
	w := &Weight{Name: name, Type: t, Attrs: attrs.normal()}
	m.Weights = append(m.Weights, w)
	return w
}

// AddFunc appends an empty function. If the name is taken, a number is appended.
func (m *Module) AddFunc(name string) *Func {
	base := symbolName(name)
	name = base
	for n := 1; m.Func(name) != nil; n++ {
		name = fmt.Sprintf("%s_%d", base, n)
	}
	f := &Func{Name: name}
	m.Funcs = append(m.Funcs, f)
	return f
}

// AddParam appends a parameter. If the name is taken, a number is appended.
func (f *Func) AddParam(name string, t Type, attrs Attrs) *Value {
	taken := f.names()
	v := &Value{Name: uniqueName(taken, name), Type: t, Attrs: attrs.normal()}
	f.Params = append(f.Params, v)
	return v
}

// Param finds a parameter by name; nil if there is none.
func (f *Func) Param(name string) *Value {
	for _, p := range f.Params {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// Value finds a parameter or op result by name; nil if there is none.
func (f *Func) Value(name string) *Value {
	if p := f.Param(name); p != nil {
		return p
	}
	for _, op := range f.Body {
		for _, r := range op.Results {
			if r.Name == name {
				return r
			}
		}
	}
	return nil
}

// Return is the function's last op if that is a return, else nil.
func (f *Func) Return() *Op {
	if n := len(f.Body); n > 0 && f.Body[n-1].Name == "return" {
		return f.Body[n-1]
	}
	return nil
}

// Dialect is the part of the op's name before the dot; empty for call and return.
func (o *Op) Dialect() string {
	for i, c := range o.Name {
		if c == '.' {
			return o.Name[:i]
		}
	}
	return ""
}

// Result is the only result of o.
func (o *Op) Result() *Value {
	if len(o.Results) != 1 {
		panic(fmt.Sprintf("ir: internal error: %s has %d results, not one", o.Name, len(o.Results)))
	}
	return o.Results[0]
}

// X is argument i as a value; it panics if that is a weight.
func (o *Op) X(i int) *Value {
	if v := o.Args[i].Value; v != nil {
		return v
	}
	panic(fmt.Sprintf("ir: internal error: argument %d of %s is not a value", i, o.Name))
}

// W is argument i as a weight, nil if that is a value or absent.
func (o *Op) W(i int) *Weight {
	if i >= len(o.Args) {
		return nil
	}
	return o.Args[i].Weight
}
