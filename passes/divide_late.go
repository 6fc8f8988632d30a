package passes

import "nimbus/ir"

// DivideLate multiplies by a softmax's reciprocal after the product with V.
var DivideLate = Pass{
	Name: "divide-late",
	Doc: `divide attention by its row sums after the product with V

(e·r)·V becomes (e·V)·r, r being one value per row: the product then does not
wait for the reciprocal, and the division touches a row of V instead of a row of
scores. The product's ring must hold the row sum, though, which costs up to log2
n bits of precision. Not in the default pipeline: with the ring of 25 bits that
attention products have there, the precision is worth more.`,
	In: "nn", Out: "nn",
	Run: func(m *ir.Module, _ *Options) error {
		return ir.Catch(func() {
			for _, f := range m.Funcs {
				divideLate(f)
			}
		})
	},
}

func divideLate(f *ir.Func) {
	uses := f.Uses()
	f.Rewrite(func(b *ir.Builder, op *ir.Op) []*ir.Value {
		if op.Name != "nn.matmul" {
			return nil
		}
		p := op.X(0).Def
		if p == nil || p.Name != "nn.mul" || p.W(1) != nil || len(uses[op.X(0)]) != 1 {
			return nil
		}
		e, r := p.X(0), p.X(1)
		if r.Type.Last() != 1 || e.Type.Last() == 1 || r.Def == nil || r.Def.Name != "nn.recip" {
			return nil // not one value per row
		}
		c := b.Op1("nn.matmul", "weighted", nil, e, op.X(1))
		return []*ir.Value{b.Op1("nn.mul", op.Result().Name, nil, c, r)}
	})
	f.RemoveDead()
}
