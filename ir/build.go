package ir

import (
	"fmt"
	"slices"
)

// A Builder inserts ops into one function. Result types are inferred by the
// op's row; where a row needs to be told (see Row.Stated), use Op1T or OpT.
//
// A mistake in an op (unknown name, shapes that do not meet) panics with an
// *OpError, since in a pass it is a bug. Code that builds from a user's
// description wraps itself in Catch.
type Builder struct {
	fn    *Func
	at    *Op // insert before it; nil: at the end
	taken map[string]bool
	out   *[]*Op // during Rewrite: the new body

	// Pos is given to the ops that follow; At and Rewrite set it.
	Pos Pos
	// Tag is attached to the ops that follow, below the op's own attributes:
	// layer numbers and the like (common attributes only).
	Tag Attrs
}

// An OpError is a mistake in building an op.
type OpError struct {
	Pos  Pos
	Func string
	Op   string
	Err  error
}

func (e *OpError) Error() string { return Diagnostic{e.Pos, e.Func, e.Op, e.Err.Error()}.Error() }
func (e *OpError) Unwrap() error { return e.Err }

// Catch runs f and returns the *OpError it panicked with, if any.
func Catch(f func()) (err error) {
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(*OpError)
			if !ok {
				panic(r)
			}
			err = e
		}
	}()
	f()
	return nil
}

// NewBuilder returns a builder at the end of fn, before its return if it has one.
func NewBuilder(fn *Func) *Builder {
	return &Builder{fn: fn, at: fn.Return(), taken: fn.names()}
}

// names are all value names of f.
func (f *Func) names() map[string]bool {
	taken := map[string]bool{}
	for _, p := range f.Params {
		taken[p.Name] = true
	}
	for _, op := range f.Body {
		for _, r := range op.Results {
			taken[r.Name] = true
		}
	}
	return taken
}

// Func is the function being built.
func (b *Builder) Func() *Func { return b.fn }

// At makes the builder insert before op, at op's position in the source.
func (b *Builder) At(op *Op) *Builder {
	b.at, b.Pos = op, op.Pos
	return b
}

// After makes the builder insert after op.
func (b *Builder) After(op *Op) *Builder {
	i := slices.Index(b.fn.Body, op)
	if i < 0 {
		panic("ir: internal error: op is not in the function")
	}
	b.at, b.Pos = nil, op.Pos
	if i+1 < len(b.fn.Body) {
		b.at = b.fn.Body[i+1]
	}
	return b
}

// Op1 adds an op with one result of inferred type.
func (b *Builder) Op1(name, hint string, attrs Attrs, args ...Operand) *Value {
	return b.OpT(name, []string{hint}, attrs, nil, args...)[0]
}

// Op1T adds an op with one result whose type is stated (and still checked).
func (b *Builder) Op1T(name, hint string, attrs Attrs, t Type, args ...Operand) *Value {
	return b.OpT(name, []string{hint}, attrs, []Type{t}, args...)[0]
}

// Op adds an op with one result per hint, of inferred types.
func (b *Builder) Op(name string, hints []string, attrs Attrs, args ...Operand) []*Value {
	return b.OpT(name, hints, attrs, nil, args...)
}

// OpT adds an op with one result per hint; types may be nil or state them all.
func (b *Builder) OpT(name string, hints []string, attrs Attrs, types []Type, args ...Operand) []*Value {
	op := &Op{Name: name, Attrs: attrs.normal(), Pos: b.Pos}
	for _, t := range b.Tag {
		if !op.Attrs.Has(t.Name) {
			op.Attrs.Set(t.Name, t.Value)
		}
	}
	b.args(op, args)
	for i, h := range hints {
		v := &Value{Name: h, Def: op}
		if types != nil {
			v.Type = types[i]
		}
		op.Results = append(op.Results, v)
	}
	got, err := op.Infer()
	if err != nil {
		panic(&OpError{Pos: b.Pos, Func: b.fn.Name, Op: name, Err: err})
	}
	for i, r := range op.Results {
		if types != nil && !types[i].Equal(got[i]) {
			panic(&OpError{Pos: b.Pos, Func: b.fn.Name, Op: name, Err: fmt.Errorf("result is %s, not %s", got[i], types[i])})
		}
		r.Type = got[i]
	}
	for _, r := range op.Results {
		r.Name = uniqueName(b.taken, r.Name)
	}
	b.Insert(op)
	return slices.Clone(op.Results)
}

func (b *Builder) args(op *Op, args []Operand) {
	for i, a := range args {
		arg := a.operand()
		if (arg.Value == nil) == (arg.Weight == nil) {
			panic(&OpError{Pos: b.Pos, Func: b.fn.Name, Op: op.Name, Err: fmt.Errorf("argument %d is nil", i)})
		}
		op.Args = append(op.Args, arg)
	}
}

// Return ends the function and sets its result types.
func (b *Builder) Return(values ...*Value) {
	op := &Op{Name: "return", Pos: b.Pos}
	b.fn.Results = nil
	for _, v := range values {
		op.Args = append(op.Args, Arg{Value: v})
		b.fn.Results = append(b.fn.Results, v.Type)
	}
	b.Insert(op)
}

// Insert puts a finished op at the builder's place.
func (b *Builder) Insert(op *Op) {
	if b.out != nil {
		*b.out = append(*b.out, op)
		return
	}
	i := len(b.fn.Body)
	if b.at != nil {
		if i = slices.Index(b.fn.Body, b.at); i < 0 {
			panic("ir: internal error: the builder's op is not in the function")
		}
	}
	b.fn.Body = slices.Insert(b.fn.Body, i, op)
}
