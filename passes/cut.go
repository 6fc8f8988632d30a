package passes

import (
	"slices"

	"nimbus/ir"
)

// whole stands for an axis where all of an operand is needed.
const whole = -1

// cuttings tells for an op whose results are cut along an axis where each
// argument must be cut, or whole, as are those behind the last one told; nil if
// the op cannot be cut there. A part of the results then comes from these parts
// of the arguments by the same op. Ops that are not listed, such as opening a
// value or looking up rows, cannot be cut at all.
var cuttings = map[string]func(op *ir.Op, axis int) []int{
	"nn.linear":      cutRows,
	"nn.layernorm":   cutRows,
	"nn.matmul":      cutProduct,
	"nn.scale":       cutAligned,
	"nn.add":         cutAligned,
	"nn.sub":         cutAligned,
	"nn.mul":         cutAligned,
	"nn.add_mask":    cutRows,
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
	"nn.transpose":   cutTranspose,

	"fx.matmul":      cutProduct,
	"fx.add_bias":    cutAligned,
	"fx.add":         cutAligned,
	"fx.sub":         cutAligned,
	"fx.add_const":   cutAligned,
	"fx.mul_const":   cutAligned,
	"fx.shl":         cutAligned,
	"fx.sum":         cutOther,
	"fx.split":       cutOther,
	"fx.split_heads": cutSplitHeads,
	"fx.merge_heads": cutMergeHeads,
	"fx.transpose":   cutTranspose,
	"fx.slice":       cutOther,
	"fx.concat":      cutOther,
	"fx.reshape":     cutReshape,
	"fx.shrink":      cutAligned,
	"fx.reduce":      cutAligned,
	"fx.trunc":       cutAligned,
	"fx.extend":      cutAligned,
	"fx.add_mask":    cutRows,
	"fx.max":         cutOther,
	"fx.cmp":         cutRows,
	"fx.mux":         cutAligned,
	"fx.xor":         cutAligned,
	"fx.and":         cutAligned,
	"fx.not":         cutAligned,
	"fx.square":      cutAligned,
	"fx.mul":         cutAligned,
	"fx.piecewise":   cutAligned,
	"fx.recip":       cutAligned,
	"fx.rsqrt":       cutAligned,
}

// cutsOf asks the table, and tells about every argument.
func cutsOf(op *ir.Op, axis int) []int {
	rule := cuttings[op.Name]
	if rule == nil || axis < 0 || axis >= op.Results[0].Type.Rank() {
		return nil
	}
	cuts := rule(op, axis)
	if cuts == nil {
		return nil
	}
	return append(cuts, slices.Repeat([]int{whole}, len(op.Args)-len(cuts))...)
}

// resultAxis is the axis along which op's results are cut when its argument i is
// cut along axis.
func resultAxis(op *ir.Op, i, axis int) (int, bool) {
	for r := range op.Results[0].Type.Rank() {
		if c := cutsOf(op, r); c != nil && c[i] == axis {
			return r, true
		}
	}
	return 0, false
}

// cutRows: any axis of the first argument but the result's last.
func cutRows(op *ir.Op, axis int) []int {
	if axis == op.Results[0].Type.Rank()-1 {
		return nil
	}
	return []int{axis}
}

// cutOther: any axis but the one that the op works along.
func cutOther(op *ir.Op, axis int) []int {
	if axis == op.Axis() {
		return nil
	}
	return slices.Repeat([]int{axis}, len(op.Args))
}

// cutAligned: shapes are aligned right, and an operand that is stretched along
// the axis stays whole. A weight that would have to be cut forbids it.
func cutAligned(op *ir.Op, axis int) []int {
	out := make([]int, len(op.Args))
	for i, a := range op.Args {
		at := axis - op.Results[0].Type.Rank() + a.Type().Rank()
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

// cutProduct: [.., m, k]·[.., k, n] in m, in n, or in the leading axes of both; a
// weight is not cut.
func cutProduct(op *ir.Op, axis int) []int {
	rank := op.Results[0].Type.Rank()
	switch {
	case op.W(1) != nil:
		return cutRows(op, axis)
	case axis == rank-2:
		return []int{axis, whole}
	case axis == rank-1:
		return []int{whole, axis}
	}
	return []int{axis, axis}
}

func cutTranspose(op *ir.Op, axis int) []int { return []int{op.Attrs.Ints("perm")[axis]} }

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

// cutReshape: an axis before which, and along which, nothing changes.
func cutReshape(op *ir.Op, axis int) []int {
	from, to := op.Args[0].Type().Shape, op.Results[0].Type.Shape
	if axis >= len(from) || !slices.Equal(from[:axis+1], to[:axis+1]) {
		return nil
	}
	return []int{axis}
}
