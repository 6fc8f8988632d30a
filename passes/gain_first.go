package passes

import "nimbus/ir"

// GainFirst multiplies layernorm's deviations by the gain before the reciprocal
// root.
var GainFirst = Pass{
	Name: "gain-first",
	Doc: `multiply by layernorm's gain beside the square instead of after the root

(d·inv)·g becomes (d·g)·inv. The product with the gain then waits for nothing but
the deviations, as their square does, and the chain behind the reciprocal root is
one product and one truncation shorter. The gained deviations are rounded once
more before the root, and their range is the deviations' times the gain's.`,
	In: "nn", Out: "nn",
	Run: func(m *ir.Module, _ *Options) error {
		return ir.Catch(func() {
			for _, f := range m.Funcs {
				gainFirst(f)
			}
		})
	},
}

func gainFirst(f *ir.Func) {
	uses := f.Uses()
	f.Rewrite(func(b *ir.Builder, op *ir.Op) []*ir.Value {
		if op.Name != "nn.mul" || op.W(1) == nil {
			return nil
		}
		norm := op.X(0).Def
		if norm == nil || norm.Name != "nn.mul" || norm.W(1) != nil || len(uses[op.X(0)]) != 1 {
			return nil
		}
		d, inv := norm.X(0), norm.X(1)
		if inv.Type.Last() != 1 || d.Type.Last() == 1 || inv.Def == nil || inv.Def.Name != "nn.rsqrt" {
			return nil // not one value per row
		}
		g := b.Op1("nn.mul", "gain", nil, d, op.W(1))
		return []*ir.Value{b.Op1("nn.mul", "norm", nil, g, inv)}
	})
	f.RemoveDead()
}
