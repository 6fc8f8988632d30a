package passes

import (
	"fmt"

	"nimbus/ir"
)

// Expand replaces softmax and layernorm by their steps.
var Expand = Pass{
	Name: "expand",
	Doc: `replace softmax and layernorm by their steps

Softmax is shifted by the row's maximum, so that the exponential's input is at
most 0 and its sum lies in [1, n]; layernorm divides by the root of the
population variance. The steps are what later passes choose widths and
protocols for.`,
	In: "nn", Out: "nn",
	Run: func(m *ir.Module, _ *Options) error {
		return ir.Catch(func() {
			for _, f := range m.Funcs {
				f.Rewrite(func(b *ir.Builder, op *ir.Op) []*ir.Value {
					if e := expansions[op.Name]; e != nil {
						return []*ir.Value{e(b, op)}
					}
					return nil
				})
			}
		})
	},
}

// expansions is the table of composite nn ops.
var expansions = map[string]func(*ir.Builder, *ir.Op) *ir.Value{
	"nn.softmax":   expandSoftmax,
	"nn.layernorm": expandLayerNorm,
}

// tinyEps is the largest layernorm epsilon that may be left out: fixed-point
// variances have fewer than 30 fraction bits.
const tinyEps = 1e-9

func lastAxis(op *ir.Op) {
	rank := op.X(0).Type.Rank()
	if a := op.Attrs.Int("axis", rank-1); a != rank-1 && a != -1 {
		panic(&ir.OpError{Pos: op.Pos, Op: op.Name, Err: fmt.Errorf("axis %d is not supported: only the last axis, %d, is; transpose first", a, rank-1)})
	}
}

func expandSoftmax(b *ir.Builder, op *ir.Op) *ir.Value {
	lastAxis(op)
	s := op.X(0)
	axis := s.Type.Rank() - 1
	max := b.Op1("nn.max", "max", ir.A("axis", axis), s)
	z := b.Op1("nn.sub", "z", nil, s, max)
	e := b.Op1("nn.exp", "e", nil, z)
	sum := b.Op1("nn.sum", "sum", ir.A("axis", axis), e)
	r := b.Op1("nn.recip", "r", nil, sum)
	return b.Op1("nn.mul", op.Result().Name, nil, e, r)
}

func expandLayerNorm(b *ir.Builder, op *ir.Op) *ir.Value {
	x := op.X(0)
	axis := x.Type.Rank() - 1
	n := float64(x.Type.Last())
	sum := b.Op1("nn.sum", "sum", ir.A("axis", axis), x)
	mean := b.Op1("nn.scale", "mean", ir.A("by", 1/n), sum)
	d := b.Op1("nn.sub", "d", nil, x, mean)
	sq := b.Op1("nn.square", "sq", nil, d)
	ss := b.Op1("nn.sum", "ss", ir.A("axis", axis), sq)
	v := b.Op1("nn.scale", "var", ir.A("by", 1/n), ss)
	if eps := op.Attrs.Float("eps", 1e-12); eps > tinyEps {
		panic(&ir.OpError{Pos: op.Pos, Op: op.Name, Err: fmt.Errorf("eps = %g is not supported yet: at most %g, which is below every variance's precision", eps, tinyEps)})
	}
	inv := b.Op1("nn.rsqrt", "inv", nil, v)
	y := b.Op1("nn.mul", "norm", nil, d, inv)
	if g := op.W(1); g != nil {
		y = b.Op1("nn.mul", "gain", nil, y, g)
	}
	if w := op.W(2); w != nil {
		y = b.Op1("nn.add", op.Result().Name, nil, y, w)
	}
	return y
}
