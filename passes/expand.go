package passes

import (
	"fmt"
	"math"
	"slices"

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
						return []*ir.Value{e(m, b, op)}
					}
					return nil
				})
			}
			m.RemoveUnusedWeights()
		})
	},
}

// expansions is the table of composite nn ops.
var expansions = map[string]func(*ir.Module, *ir.Builder, *ir.Op) *ir.Value{
	"nn.softmax":   expandSoftmax,
	"nn.layernorm": expandLayerNorm,
}

// tinyEps is the largest layernorm epsilon that is left out of the text:
// fixed-point variances have fewer than 30 fraction bits.
const tinyEps = 1e-9

func lastAxis(op *ir.Op) {
	rank := op.X(0).Type.Rank()
	if a := op.Attrs.Int("axis", rank-1); a != rank-1 && a != -1 {
		panic(&ir.OpError{Pos: op.Pos, Op: op.Name, Err: fmt.Errorf("axis %d is not supported: only the last axis, %d, is; transpose first", a, rank-1)})
	}
}

func expandSoftmax(_ *ir.Module, b *ir.Builder, op *ir.Op) *ir.Value {
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

// expandLayerNorm divides by powers of two alone, which is exact and free in a
// ring. With n = r·2^k elements, 1/2 < r <= 1, the deviations r·x - sum/2^k are r
// times the true ones; what that does to the result, a factor of 1/√r, is taken
// back by the gain.
func expandLayerNorm(m *ir.Module, b *ir.Builder, op *ir.Op) *ir.Value {
	x := op.X(0)
	axis := x.Type.Rank() - 1
	r, k := math.Frexp(float64(x.Type.Last()))
	if r == 0.5 {
		r, k = 1, k-1
	}
	over := math.Ldexp(1, -k)
	sum := b.Op1("nn.sum", "sum", ir.A("axis", axis), x)
	mean := b.Op1("nn.scale", "mean", ir.A("by", over), sum)
	if r != 1 {
		x = b.Op1("nn.scale", "part", ir.A("by", r), x)
	}
	d := b.Op1("nn.sub", "d", nil, x, mean)
	sq := b.Op1("nn.square", "sq", nil, d)
	ss := b.Op1("nn.sum", "ss", ir.A("axis", axis), sq)
	v := b.Op1("nn.scale", "var", ir.A("by", over), ss)
	var attrs ir.Attrs
	if eps := op.Attrs.Float("eps", 1e-12); eps > tinyEps {
		attrs = ir.A("eps", eps*r*r*r)
	}
	inv := b.Op1("nn.rsqrt", "inv", attrs, v)
	y := b.Op1("nn.mul", "norm", nil, d, inv)
	switch g := op.W(1); {
	case g != nil && r != 1:
		y = b.Op1("nn.mul", "gain", nil, y, scaled(m, g, math.Sqrt(r)))
	case g != nil:
		y = b.Op1("nn.mul", "gain", nil, y, g)
	case r != 1:
		y = b.Op1("nn.scale", "gain", ir.A("by", math.Sqrt(r)), y)
	}
	if w := op.W(2); w != nil {
		y = b.Op1("nn.add", op.Result().Name, nil, y, w)
	}
	return y
}

// scaled is the weight w times c.
func scaled(m *ir.Module, w *ir.Weight, c float64) *ir.Weight {
	attrs := w.Attrs.Clone()
	attrs.Set("from", sources(w))
	attrs.Del("range")
	s := m.AddWeight(w.Name+"_scaled", w.Type, attrs)
	scaleWeight(s, slices.Repeat([]float64{c}, len(sources(w))))
	return s
}
