package passes

import "nimbus/ir"

// Interleave cuts the work of a layer into parts that do not wait for each other.
var Interleave = Pass{
	Name: "interleave",
	Doc: `cut the work of a layer into parts that do not wait for each other

A layer is a chain of ops in which the parties mostly compute in turn. Cut into
parts, one part's ops run while the other's wait for the peer. Attention is cut
by heads and everything else by rows of tokens; table cuttings says along which
axis each operand is cut when the result is. A value is joined or sliced only
where a reader needs another form, which takes no message. Results are equal bit
for bit. The parts of an op stand together: who lets the first ready op compute
keeps no part waiting for long.`,
	In: ir.StageFx, Out: ir.StageFx,
	Run: func(m *ir.Module, o *Options) error {
		return ir.Catch(func() {
			for _, f := range m.Funcs {
				parts := o.Parts
				if parts == 0 {
					parts = partsOf(f)
				}
				if parts > 1 {
					interleave(f, parts)
				}
			}
		})
	},
}

// partRows is how many rows a part needs. Each part of a linear layer expands the
// whole encrypted weight, which costs as much as multiplying it by some twenty
// rows, and each op waits for the peer however few rows it has.
const partRows = 64

// partsOf is how many parts to make of the layers of f, where nobody says: two,
// if its linear layers have rows enough. With three, the weights' expansion costs
// more than the third part's work hides.
func partsOf(f *ir.Func) int {
	for _, op := range f.Body {
		if op.Name == "fx.matmul" && op.W(1) != nil && op.Attrs.Has("layer") && op.Result().Type.Shape[0] >= 2*partRows {
			return 2
		}
	}
	return 1
}

// work has the ops that are worth a cut for their own sake: those that talk.
// Others are cut if what they read is.
var work = map[string]bool{
	"fx.matmul": true, "fx.mul": true, "fx.trunc": true, "fx.extend": true, "fx.max": true, "fx.cmp": true, "fx.mux": true,
	"fx.and": true, "fx.square": true, "fx.piecewise": true, "fx.recip": true, "fx.rsqrt": true,
}

// A piece is part p of a value, cut along an axis; of a value that is not cut
// there is none.
type piece struct {
	of      *ir.Value
	axis, p int
}

type interleaver struct {
	b     *ir.Builder
	parts int
	axis  map[*ir.Value]int       // along which a value is cut
	made  map[piece]*ir.Value     // parts, by the original value
	join  map[*ir.Value]*ir.Value // cut values as a whole again
}

func interleave(f *ir.Func, parts int) {
	t := &interleaver{parts: parts, axis: map[*ir.Value]int{}, made: map[piece]*ir.Value{}, join: map[*ir.Value]*ir.Value{}}
	var done []*ir.Op
	f.Rewrite(func(b *ir.Builder, op *ir.Op) []*ir.Value {
		t.b = b
		if axis, ok := t.choose(op); ok {
			t.cut(op, axis)
			done = append(done, op) // nothing but its like reads it now
			return nil
		}
		for i, a := range op.Args {
			if a.Value != nil {
				op.Args[i].Value = t.whole(a.Value)
			}
		}
		return nil
	})
	f.Remove(done...)
}

// choose finds the axis along which to cut the results of op: the one that its
// operands' cuts lead to, else, where the op is worth it, heads or rows.
func (t *interleaver) choose(op *ir.Op) (axis int, ok bool) {
	if op.Name == "return" || op.Name == "fx.split_heads" || op.Name == "fx.merge_heads" {
		return 0, false // what was cut by rows goes on by heads, and back
	}
	for i, a := range op.Args {
		if from, isCut := t.axis[a.Value]; a.Value != nil && isCut {
			if axis, ok = resultAxis(op, i, from); ok {
				return axis, t.fits(op, axis)
			}
		}
	}
	if !work[op.Name] || !op.Attrs.Has("layer") || op.Results[0].Type.Rank() < 2 {
		return 0, false
	}
	return 0, cutsOf(op, 0) != nil && t.fits(op, 0)
}

// fits tells whether the results of op have something for every part.
func (t *interleaver) fits(op *ir.Op, axis int) bool {
	return op.Results[0].Type.Shape[axis] >= t.parts
}

// bounds are where part p of n elements starts and ends.
func (t *interleaver) bounds(n, p int) (start, end int) {
	return n * p / t.parts, n * (p + 1) / t.parts
}

// cut makes the parts of op.
func (t *interleaver) cut(op *ir.Op, axis int) {
	from := cutsOf(op, axis)
	hints, types := make([]string, len(op.Results)), make([]ir.Type, len(op.Results))
	for p := range t.parts {
		args := make([]ir.Operand, len(op.Args))
		for i, a := range op.Args {
			switch {
			case a.Value == nil:
				args[i] = a
			case from[i] == whole:
				args[i] = t.whole(a.Value)
			default:
				args[i] = t.part(piece{a.Value, from[i], p})
			}
		}
		for i, r := range op.Results {
			start, end := t.bounds(r.Type.Shape[axis], p)
			hints[i], types[i] = r.Name, r.Type.WithShape(r.Type.Shape...)
			types[i].Shape[axis] = end - start
		}
		for i, v := range t.b.OpT(op.Name, hints, op.Attrs.Clone(), types, args...) {
			t.made[piece{op.Results[i], axis, p}] = v
		}
	}
	for _, r := range op.Results {
		t.axis[r] = axis
	}
}

// part is a part of a value, sliced if it was not made so.
func (t *interleaver) part(c piece) *ir.Value {
	if v := t.made[c]; v != nil {
		return v
	}
	x := t.whole(c.of)
	start, end := t.bounds(x.Type.Shape[c.axis], c.p)
	v := t.b.Op1("fx.slice", c.of.Name, ir.A("axis", c.axis, "start", start, "len", end-start), x)
	t.made[c] = v
	return v
}

// whole is all of a value, joined if it was made in parts.
func (t *interleaver) whole(v *ir.Value) *ir.Value {
	axis, isCut := t.axis[v]
	if !isCut {
		return v
	}
	if j := t.join[v]; j != nil {
		return j
	}
	args := make([]ir.Operand, t.parts)
	for p := range args {
		args[p] = t.made[piece{v, axis, p}]
	}
	j := t.b.Op1("fx.concat", v.Name, ir.A("axis", axis), args...)
	t.join[v] = j
	return j
}
