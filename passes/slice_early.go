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

// whole marks an operand that is needed uncut.
const whole = -1

// cutRules tells for an op whose result is cut along an axis where each value
// argument must be cut, or whole; nil if the op cannot be cut there. Ops that
// are not listed cannot be cut at all.
var cutRules = map[string]func(op *ir.Op, axis int) []int{
	"nn.linear":      cutRows,
	"nn.layernorm":   cutRows,
	"nn.matmul":      cutProduct,
	"nn.scale":       cutAligned,
	"nn.add":         cutAligned,
	"nn.sub":         cutAligned,
	"nn.mul":         cutAligned,
	"nn.add_mask":    cutMasked,
	"nn.softmax":     cutOther,
	"nn.sum":         cutOther,
	"nn.max":         cutOther,
	"nn.gelu":        cutAligned,
	"nn.relu":        cutAligned,
	"nn.relu2":       cutAligned,
	"nn.tanh":        cutAligned,
	"nn.sigmoid":     cutAligned,
	"nn.silu":        cutAligned,
	"nn.exp":         cutAligned,
	"nn.recip":       cutAligned,
	"nn.rsqrt":       cutAligned,
	"nn.square":      cutAligned,
	"nn.split_heads": cutSplitHeads,
	"nn.merge_heads": cutMergeHeads,
	"nn.transpose":   func(op *ir.Op, axis int) []int { return []int{op.Attrs.Ints("perm")[axis]} },
}

// cutRows: any axis but the last.
func cutRows(op *ir.Op, axis int) []int {
	if axis == op.Result().Type.Rank()-1 {
		return nil
	}
	return []int{axis}
}

// cutOther: any axis but the one that the op works along.
func cutOther(op *ir.Op, axis int) []int {
	if axis == op.Axis() {
		return nil
	}
	return []int{axis}
}

func cutMasked(op *ir.Op, axis int) []int {
	if axis == op.Result().Type.Rank()-1 {
		return nil
	}
	return []int{axis, whole}
}

// cutAligned: shapes are aligned right, and an operand that is stretched along
// the axis stays whole. A weight that would have to be cut forbids it.
func cutAligned(op *ir.Op, axis int) []int {
	out := make([]int, len(op.Args))
	for i, a := range op.Args {
		at := axis - op.Result().Type.Rank() + a.Type().Rank()
		out[i] = at
		switch {
		case at < 0 || a.Type().Shape[at] == 1:
			out[i] = whole
		case a.Weight != nil:
			return nil
		}
	}
	return out
}

func cutProduct(op *ir.Op, axis int) []int {
	switch rank := op.Result().Type.Rank(); axis {
	case rank - 2:
		return []int{axis, whole}
	case rank - 1:
		return []int{whole, axis}
	}
	return []int{axis, axis}
}

// cutSplitHeads: [S, D] to [H, S, D/H], by rows.
func cutSplitHeads(_ *ir.Op, axis int) []int {
	if axis != 1 {
		return nil
	}
	return []int{0}
}

// cutMergeHeads: [H, S, K] to [S, H·K], by rows.
func cutMergeHeads(_ *ir.Op, axis int) []int {
	if axis != 0 {
		return nil
	}
	return []int{1}
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
		rule := cutRules[op.Name]
		if rule == nil || !slicedAlike(uses[op.Result()]) {
			return nil
		}
		s := uses[op.Result()][0].Op
		axes := rule(op, s.Axis())
		if axes == nil {
			return nil
		}
		args := make([]ir.Operand, len(op.Args))
		for i, a := range op.Args {
			switch {
			case a.Weight != nil:
				args[i] = a.Weight
			case i >= len(axes) || axes[i] == whole:
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

