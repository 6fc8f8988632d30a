package passes

import (
	"slices"

	"nimbus/ir"
)

// A joint is the end of a residual: x·W + c + (g∘n + b). It is one product,
//
//	(x | n)·(W over diag g) + c + b
//
// since encrypted weights multiply for nothing but computing, where a product of
// g and n by oblivious transfer sends more than anything else in a layer norm.
type joint struct {
	linear, gain *ir.Op
	bias         *ir.Op // nil if there is none
	order        [2]int // the sum's arguments: that of the linear layer, that of the gain
}

// findJoints lists the joints of f by their sums, and their other ops.
func findJoints(f *ir.Func, uses map[*ir.Value][]ir.Use) (joints map[*ir.Op]*joint, parts map[*ir.Op]bool) {
	joints, parts = map[*ir.Op]*joint{}, map[*ir.Op]bool{}
	for _, op := range f.Body {
		if op.Name != "nn.add" || op.W(1) != nil {
			continue
		}
		for i := range 2 {
			if j := jointOf(uses, ir.Use{Op: op, Index: i}); j != nil {
				joints[op] = j
				parts[j.linear], parts[j.gain] = true, true
				if j.bias != nil {
					parts[j.bias] = true
				}
				break
			}
		}
	}
	return joints, parts
}

// jointOf is the joint whose gain u reads, or nil.
func jointOf(uses map[*ir.Value][]ir.Use, u ir.Use) *joint {
	if !endsInLinear(uses, u) {
		return nil
	}
	j := &joint{linear: u.Op.X(1 - u.Index).Def, order: [2]int{1 - u.Index, u.Index}}
	op := u.Op.X(u.Index).Def
	if op != nil && op.Name == "nn.add" && op.W(1) != nil && len(uses[op.Result()]) == 1 {
		j.bias, op = op, op.X(0).Def
	}
	if op == nil || op.Name != "nn.mul" || op.W(1) == nil || len(uses[op.Result()]) != 1 || op.W(1).Type.Rank() != 1 || !simple(op.W(1)) {
		return nil
	}
	j.gain = op
	return j
}

// joint multiplies both operands by the two weights as one.
func (q *quantizer) joint(j *joint) []*ir.Value {
	op, l, f := q.op, q.fm.Linear, q.fm.Act+q.fm.Weight
	b := q.spanOf(op)
	if bits(b.most)+f+1 > l {
		q.fail(op, "result may reach ±%.4g, which does not fit fx%d.%d", b.most, l, f)
	}
	var args []ir.Operand
	for _, i := range j.order {
		x := op.X(i)
		args = append(args, q.shl(q.convert(x, l, q.worth(x, q.fm.Act, leastAct)), q.fm.Act))
	}
	x := q.b.Op1("fx.concat", q.hint(), ir.A("axis", 1), args...)
	y := q.b.Op1("fx.matmul", q.hint(), nil, x, q.weight(overDiagonal(j.linear.W(1), j.gain.W(1)), ir.FxElem(l, q.fm.Weight), nil))
	for _, o := range []*ir.Op{j.linear, j.bias} {
		if o == nil {
			continue
		}
		if c := o.W(len(o.Args) - 1); o == j.bias || len(o.Args) > 2 {
			y = q.b.Op1("fx.add_bias", q.hint(), nil, y, q.weight(c, ir.FxElem(l, f), nil))
		}
	}
	return []*ir.Value{q.set(y, b)}
}

// overDiagonal is the matrix w over the diagonal matrix of the vector g.
func overDiagonal(w, g *ir.Weight) *ir.Weight {
	attrs := w.Attrs.Clone()
	attrs.Del("norm")
	attrs.Set("from", slices.Concat(sources(w), sources(g)))
	attrs.Set("axis", 0)
	attrs.Set("diagonal", []int{1})
	if w.Attrs.Has("mul") || g.Attrs.Has("mul") {
		attrs.Set("mul", slices.Concat(factors(w), factors(g)))
	}
	return &ir.Weight{Name: w.Name + "_residual", Type: w.Type.WithShape(w.Type.Shape[0]+g.Type.Last(), w.Type.Last()), Attrs: attrs}
}
