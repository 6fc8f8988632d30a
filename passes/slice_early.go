package passes

import "nimbus/ir"

// SliceEarly computes only what a slice keeps.
var SliceEarly = Pass{
	Name: "slice-early",
	Doc: `cut a value before it is computed rather than after

A classifier reads the last layer's first row alone. Its slice moves up through
every op that works row by row, past the feed-forward part and the layer norms
to the queries, until it meets a value that something else reads whole: the
keys, the values and the residual. Before fuse-qkv, as the queries then read
something else than the keys.`,
	In: "nn", Out: "nn",
	Run: func(m *ir.Module, _ *Options) error {
		return ir.Catch(func() {
			for _, f := range m.Funcs {
				for sliceEarly(f) {
				}
			}
		})
	},
}

// sliceEarly moves every slice up by one op, where it can, and reports whether
// any moved.
func sliceEarly(f *ir.Func) bool {
	uses := f.Uses()
	cut := map[*ir.Op]*ir.Value{} // slices that are gone -> what replaces them
	f.Rewrite(func(b *ir.Builder, op *ir.Op) []*ir.Value {
		if v := cut[op]; v != nil {
			return []*ir.Value{v}
		}
		if len(op.Results) != 1 || !slicedAlike(uses[op.Result()]) {
			return nil
		}
		s := uses[op.Result()][0].Op
		axes := cutsOf(op, s.Axis())
		if axes == nil {
			return nil
		}
		args := make([]ir.Operand, len(op.Args))
		for i, a := range op.Args {
			switch {
			case a.Weight != nil:
				args[i] = a.Weight
			case axes[i] == whole:
				args[i] = a.Value
			default:
				args[i] = b.Op1("nn.slice", a.Value.Name, ir.A("axis", axes[i], "start", s.Attrs.Int("start", 0), "len", s.Attrs.Int("len", 0)), a.Value)
			}
		}
		y := b.Op1(op.Name, s.Result().Name, op.Attrs.Clone(), args...)
		for _, u := range uses[op.Result()] {
			cut[u.Op] = y
		}
		return []*ir.Value{y} // of another shape, but only slices read it
	})
	return len(cut) > 0
}

// slicedAlike reports whether all that reads a value is slices, and the same
// stretch of it.
func slicedAlike(uses []ir.Use) bool {
	for _, u := range uses {
		s, first := u.Op, uses[0].Op
		if s.Name != "nn.slice" || s.Axis() != first.Axis() ||
			s.Attrs.Int("start", 0) != first.Attrs.Int("start", 0) || s.Attrs.Int("len", 0) != first.Attrs.Int("len", 0) {
			return false
		}
	}
	return len(uses) > 0
}
