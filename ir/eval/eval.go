package eval

import (
	"fmt"
	"math"
	goruntime "runtime"
	"sync"
	"sync/atomic"

	"nimbus/internal/prg"
	"nimbus/internal/z2k"
	"nimbus/ir"
	"nimbus/ir/plan"
	"nimbus/ir/weights"
)

// A Value is a tensor in the clear, row-major. Exactly one of Real (element
// f32) and Ring (fixed point, integers, bits; reduced) is set, but for inputs,
// where reals are encoded as the parameter's type wants.
type Value struct {
	Type ir.Type
	Real []float64
	Ring []uint64

	exact []int64 // what Ring stands for, where the ring has lost it: see exact.go
	held  *held   // a weight's elements, in place of Real and Ring: see hold.go
}

// Floats is an input of real numbers.
func Floats(v []float64) Value { return Value{Real: v} }

// Ints is an input of integers or bits.
func Ints[T ~int | ~int32 | ~int64 | ~uint8](v []T) Value {
	ring := make([]uint64, len(v))
	for i, x := range v {
		ring[i] = uint64(int64(x))
	}
	return Value{Ring: ring}
}

// Reals is the value as real numbers, decoded if need be.
func (v Value) Reals() []float64 {
	if v.Real != nil || v.Type.Elem.Kind == ir.F32 {
		return v.Real
	}
	out := make([]float64, len(v.Ring))
	e := v.Type.Elem
	if e.Kind == ir.Int && e.Width == 1 {
		for i, x := range v.Ring {
			out[i] = float64(x)
		}
		return out
	}
	scale := math.Ldexp(1, -e.Frac)
	for i, x := range v.Ring {
		out[i] = float64(z2k.Signed(x, e.Width)) * scale
	}
	return out
}

// Options change how a Program runs. The zero value computes and nothing else.
type Options struct {
	// Observe sees the results of every op, in order. It must not keep or
	// change them. Calls and returns are not shown.
	Observe func(f *ir.Func, op *ir.Op, results []Value)

	// Exceeded is told how many elements went outside what an op of fx or of a
	// plan assumes (a truncation's two free bits, the range an inverse is made
	// for, the bits a comparison keeps, a narrower ring, the ring of a product or
	// a sum) or outside the op's range attribute.
	Exceeded func(f *ir.Func, op *ir.Op, n int)

	// Perturb, if set, makes every step that rounds err as the protocol does:
	// up or down by the carry of random shares. Runs are then neither equal
	// nor to be made at once.
	Perturb *prg.PRG

	// Noise, with Perturb, gives the standard deviation of the error that an
	// RLWE product brings, in units of the product's last bit; nil: none.
	Noise func(op *ir.Op) float64
}

// A Program is a module ready to run.
type Program struct {
	m       *ir.Module
	opt     Options
	weights map[*ir.Weight]Value
	specs   map[*ir.Op]any // piecewise and inverse specifications
	last    map[*ir.Op][]*ir.Value
}

// New verifies m, loads its weights and works out what its ops need. src may
// be nil for a module without weights.
func New(m *ir.Module, src weights.Source, opt Options) (*Program, error) {
	if err := m.Verify(); err != nil {
		return nil, err
	}
	p := &Program{m: m, opt: opt, weights: map[*ir.Weight]Value{}, specs: map[*ir.Op]any{}, last: map[*ir.Op][]*ir.Value{}}
	if err := p.load(src); err != nil {
		return nil, err
	}
	for _, f := range m.Funcs {
		p.lastUses(f)
		for _, op := range f.Body {
			if err := p.prepare(op); err != nil {
				return nil, ir.Diagnostic{Pos: op.Pos, Func: f.Name, Op: op.Name, Msg: err.Error()}
			}
		}
	}
	return p, nil
}

// load reads the weights, on all cores.
func (p *Program) load(src weights.Source) error {
	all := p.m.Weights
	if src == nil && len(all) > 0 {
		return fmt.Errorf("eval: weight @%s: no source of weights", all[0].Name)
	}
	values, errs := make([]Value, len(all)), make([]error, len(all))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range goruntime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(all); i = int(next.Add(1)) - 1 {
				v := Value{Type: all[i].Type}
				if v.Type.Elem.Kind == ir.F32 {
					v.Real, errs[i] = weights.Load(all[i], src)
				} else {
					v.Ring, errs[i] = weights.Encode(all[i], src)
				}
				values[i] = hold(v)
			}
		})
	}
	wg.Wait()
	for i, w := range all {
		if errs[i] != nil {
			return errs[i]
		}
		p.weights[w] = values[i]
	}
	return nil
}

// With is the same program with other options. Both hold the weights once.
func (p *Program) With(opt Options) *Program {
	q := *p
	q.opt = opt
	return &q
}

// Run is New and one run.
func Run(m *ir.Module, fn string, inputs map[string]Value, src weights.Source) ([]Value, error) {
	p, err := New(m, src, Options{})
	if err != nil {
		return nil, err
	}
	return p.Run(fn, inputs)
}

// lastUses notes after which op each value is no longer needed, so that a deep
// model's values do not pile up.
func (p *Program) lastUses(f *ir.Func) {
	seen := map[*ir.Value]bool{}
	for i := len(f.Body) - 1; i >= 0; i-- {
		op := f.Body[i]
		for _, a := range op.Args {
			if a.Value != nil && !seen[a.Value] {
				seen[a.Value] = true
				p.last[op] = append(p.last[op], a.Value)
			}
		}
	}
}

// meaning is the name of the op that the tables below know: a plan op's twin.
func meaning(op *ir.Op) string {
	if r := ir.Lookup(op.Name); r != nil && r.Twin != "" {
		return r.Twin
	}
	return op.Name
}

func (p *Program) prepare(op *ir.Op) error {
	name := meaning(op)
	if name == "call" || name == "return" {
		return nil
	}
	if table[name] == nil {
		return fmt.Errorf("internal error: eval knows no %s", name)
	}
	if err := plan.CheckOp(op); err != nil {
		return err
	}
	switch name {
	case "fx.piecewise":
		spec, err := plan.Piecewise(op)
		if err != nil {
			return err
		}
		p.specs[op] = &spec
	case "fx.recip", "fx.rsqrt":
		spec, err := plan.Inverse(op)
		if err != nil {
			return err
		}
		steps, err := spec.Steps()
		if err != nil {
			return err
		}
		p.specs[op] = &steps
	}
	return nil
}

// Run computes function fn on inputs named as its parameters. It returns one
// value per result of the function.
func (p *Program) Run(fn string, inputs map[string]Value) ([]Value, error) {
	f := p.m.Func(fn)
	if f == nil {
		return nil, fmt.Errorf("eval: module @%s has no function @%s", p.m.Name, fn)
	}
	var args []Value
	for _, param := range f.Params {
		v, ok := inputs[param.Name]
		if !ok {
			return nil, fmt.Errorf("eval: @%s: no input %%%s", fn, param.Name)
		}
		v, err := convert(v, param.Type)
		if err != nil {
			return nil, fmt.Errorf("eval: @%s: input %%%s: %w", fn, param.Name, err)
		}
		args = append(args, v)
	}
	for name := range inputs {
		if f.Param(name) == nil {
			return nil, fmt.Errorf("eval: @%s has no parameter %%%s", fn, name)
		}
	}
	return p.call(f, args)
}

// convert makes an input fit its parameter.
func convert(v Value, t ir.Type) (Value, error) {
	n := len(v.Real) + len(v.Ring)
	if n != t.NumElems() {
		return v, fmt.Errorf("%d elements for %s", n, t)
	}
	out := Value{Type: t, Real: v.Real, Ring: v.Ring}
	switch {
	case t.Elem.Kind == ir.F32:
		if v.Real == nil {
			return v, fmt.Errorf("%s wants real numbers", t)
		}
	case t.Elem.Kind == ir.Fx && v.Real != nil:
		ring, err := weights.EncodeReals(t.Elem, v.Real)
		if err != nil {
			return v, err
		}
		out.Real, out.Ring = nil, ring
	case v.Ring == nil:
		return v, fmt.Errorf("%s wants integers", t)
	default:
		out.Ring = make([]uint64, n)
		z2k.Reduce(out.Ring, v.Ring, t.Elem.Width)
	}
	return out, nil
}

// call runs one function.
func (p *Program) call(f *ir.Func, args []Value) ([]Value, error) {
	env := map[*ir.Value]Value{}
	for i, param := range f.Params {
		env[param] = args[i]
	}
	for _, op := range f.Body {
		s := &step{p: p, op: op}
		for _, a := range op.Args {
			switch {
			case a.Weight == nil:
				s.in = append(s.in, env[a.Value])
			case lean[meaning(op)]:
				s.in = append(s.in, p.weights[a.Weight])
			default:
				s.in = append(s.in, p.weights[a.Weight].wide())
			}
		}
		switch op.Name {
		case "return":
			return s.in, nil
		case "call":
			out, err := p.call(p.m.Func(op.Callee), s.in)
			if err != nil {
				return nil, err
			}
			s.out = out
		default:
			if err := table[meaning(op)](s); err != nil {
				return nil, ir.Diagnostic{Pos: op.Pos, Func: f.Name, Op: op.Name, Msg: err.Error()}
			}
			p.report(f, s)
		}
		for i, r := range op.Results {
			env[r] = s.out[i]
		}
		for _, v := range p.last[op] {
			delete(env, v)
		}
	}
	return nil, fmt.Errorf("eval: internal error: @%s does not return", f.Name)
}

func (p *Program) report(f *ir.Func, s *step) {
	for i, r := range s.op.Results {
		s.out[i].Type = r.Type
	}
	if p.opt.Observe != nil {
		p.opt.Observe(f, s.op, s.out)
	}
	if p.opt.Exceeded == nil || s.op.Attrs.Bool("wraps") {
		return
	}
	s.carry()
	s.misread()
	s.outside(s.op)
	if s.exceeded > 0 {
		p.opt.Exceeded(f, s.op, s.exceeded)
	}
}

// A step is one op at work.
type step struct {
	p        *Program
	op       *ir.Op
	in, out  []Value
	exceeded int
}

// count adds up elements outside what the op assumes.
func (s *step) count(bad bool) {
	if bad {
		s.exceeded++
	}
}

// elem is the element type of result 0.
func (s *step) elem() ir.Elem { return s.op.Results[0].Type.Elem }

func (s *step) real(v []float64) { s.out = append(s.out, Value{Real: v}) }
func (s *step) ring(v []uint64)  { s.out = append(s.out, Value{Ring: v}) }

func (s *step) shape(i int) []int { return s.in[i].Type.Shape }

// table has one entry per nn, fx and io op: what it computes. Plan ops are
// looked up by their twins.
var table = func() map[string]func(*step) error {
	all := map[string]func(*step) error{}
	for _, part := range []map[string]func(*step) error{shapeOps, nnOps, fxOps} {
		for name, f := range part {
			all[name] = f
		}
	}
	return all
}()
