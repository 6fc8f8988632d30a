package ir

import "slices"

// A Use is one argument position that reads a value.
type Use struct {
	Op    *Op
	Index int
}

// Uses lists, for every value of f that is read, the places that read it, in order.
func (f *Func) Uses() map[*Value][]Use {
	uses := map[*Value][]Use{}
	for _, op := range f.Body {
		for i, a := range op.Args {
			if a.Value != nil {
				uses[a.Value] = append(uses[a.Value], Use{op, i})
			}
		}
	}
	return uses
}

// ReplaceUses makes every reader of old read new instead.
func (f *Func) ReplaceUses(old, new *Value) {
	for _, op := range f.Body {
		for i := range op.Args {
			if op.Args[i].Value == old {
				op.Args[i].Value = new
			}
		}
	}
}

// Remove deletes ops from the body; their results must have no readers left.
func (f *Func) Remove(ops ...*Op) {
	f.Body = slices.DeleteFunc(f.Body, func(o *Op) bool { return slices.Contains(ops, o) })
}

// Rewrite visits the ops in order and builds a new body. If visit returns nil
// the op is kept. Otherwise the op is dropped and each of its results replaced
// by the returned values, one each (possibly none for an op without results).
// In either case what visit adds through b comes before the op, and the op
// visit sees already reads replaced values. The function's result types follow
// its return.
func (f *Func) Rewrite(visit func(b *Builder, op *Op) []*Value) {
	var out []*Op
	b := &Builder{fn: f, taken: f.names(), out: &out}
	repl := map[*Value]*Value{}
	for _, op := range f.Body {
		for i, a := range op.Args {
			if r := repl[a.Value]; a.Value != nil && r != nil {
				op.Args[i].Value = r
			}
		}
		b.Pos = op.Pos
		b.Tag = op.Attrs.Only(tagNames()...)
		got := visit(b, op)
		if got == nil {
			out = append(out, op)
			continue
		}
		if len(got) != len(op.Results) {
			panic("ir: internal error: Rewrite of " + op.Name + ": wrong number of replacements")
		}
		for i, r := range op.Results {
			repl[r] = got[i]
		}
	}
	f.Body = out
	if ret := f.Return(); ret != nil {
		f.Results = nil
		for _, a := range ret.Args {
			f.Results = append(f.Results, a.Type())
		}
	}
}

// Clone copies the module; nothing is shared with the original.
func (m *Module) Clone() *Module {
	c := &Module{Name: m.Name, Attrs: m.Attrs.Clone()}
	weights := map[*Weight]*Weight{}
	for _, w := range m.Weights {
		n := &Weight{Name: w.Name, Type: w.Type.WithShape(w.Type.Shape...), Attrs: w.Attrs.Clone(), Pos: w.Pos}
		weights[w] = n
		c.Weights = append(c.Weights, n)
	}
	for _, f := range m.Funcs {
		c.Funcs = append(c.Funcs, f.clone(weights))
	}
	return c
}

func (f *Func) clone(weights map[*Weight]*Weight) *Func {
	c := &Func{Name: f.Name, Attrs: f.Attrs.Clone(), Pos: f.Pos}
	for _, t := range f.Results {
		c.Results = append(c.Results, t.WithShape(t.Shape...))
	}
	values := map[*Value]*Value{}
	copyValue := func(v *Value, def *Op) *Value {
		n := &Value{Name: v.Name, Type: v.Type.WithShape(v.Type.Shape...), Attrs: v.Attrs.Clone(), Def: def}
		values[v] = n
		return n
	}
	for _, p := range f.Params {
		c.Params = append(c.Params, copyValue(p, nil))
	}
	for _, op := range f.Body {
		n := &Op{Name: op.Name, Callee: op.Callee, Attrs: op.Attrs.Clone(), Pos: op.Pos}
		for _, a := range op.Args {
			if a.Value != nil {
				n.Args = append(n.Args, Arg{Value: values[a.Value]})
			} else {
				n.Args = append(n.Args, Arg{Weight: weights[a.Weight]})
			}
		}
		for _, r := range op.Results {
			n.Results = append(n.Results, copyValue(r, n))
		}
		c.Body = append(c.Body, n)
	}
	return c
}

// RemoveDead deletes ops whose results nothing reads and reports how many. An
// op has no effect but its results.
func (f *Func) RemoveDead() int {
	live := map[*Value]bool{}
	keep := make([]bool, len(f.Body))
	n := 0
	for i := len(f.Body) - 1; i >= 0; i-- {
		op := f.Body[i]
		keep[i] = op.Name == "return"
		for _, r := range op.Results {
			keep[i] = keep[i] || live[r]
		}
		if !keep[i] {
			n++
			continue
		}
		for _, a := range op.Args {
			if a.Value != nil {
				live[a.Value] = true
			}
		}
	}
	body := f.Body[:0:0]
	for i, op := range f.Body {
		if keep[i] {
			body = append(body, op)
		}
	}
	f.Body = body
	return n
}

// RemoveUnusedWeights deletes declarations that no op reads and reports how many.
func (m *Module) RemoveUnusedWeights() int {
	used := map[*Weight]bool{}
	for _, f := range m.Funcs {
		for _, op := range f.Body {
			for _, a := range op.Args {
				if a.Weight != nil {
					used[a.Weight] = true
				}
			}
		}
	}
	before := len(m.Weights)
	m.Weights = slices.DeleteFunc(m.Weights, func(w *Weight) bool { return !used[w] })
	return before - len(m.Weights)
}
