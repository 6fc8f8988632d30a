package tests

import (
	"math/rand/v2"
	"testing"

	"nimbus/ir"
	"nimbus/ir/eval"
	"nimbus/ir/weights"
	"nimbus/passes"
)

// newRand is a generator that is the same in every run of one test.
func newRand(tb testing.TB, seed uint64) *rand.Rand {
	for _, c := range tb.Name() {
		seed = seed*1099511628211 + uint64(c)
	}
	return rand.New(rand.NewPCG(seed, 1))
}

func encodeReals(e ir.Elem, v []float64) ([]uint64, error) { return weights.EncodeReals(e, v) }

// madeUp is an input for m's main function: token numbers, a mask of a prefix,
// normal reals.
func madeUp(rng *rand.Rand, m *ir.Module) passes.Example {
	in := map[string]eval.Value{}
	vocab := m.Attrs.Int("vocab", 2)
	tokens := 0
	for _, p := range m.Func("main").Params {
		n := p.Type.NumElems()
		switch {
		case p.Type.Elem.Kind != ir.Int:
			v := make([]float64, n)
			for i := range v {
				v[i] = rng.NormFloat64()
			}
			in[p.Name] = eval.Floats(v)
		case p.Type.Elem.Width == 1:
			tokens = 1 + rng.IntN(n)
			v := make([]int, n)
			for i := range tokens {
				v[i] = 1
			}
			in[p.Name] = eval.Ints(v)
		default:
			v := make([]int, n)
			for i := range v {
				v[i] = rng.IntN(vocab)
				if p.Name == "types" {
					v[i] = rng.IntN(2)
				}
			}
			in[p.Name] = eval.Ints(v)
		}
	}
	if tokens == 0 {
		tokens = m.Attrs.Int("seq", 0)
	}
	return passes.Example{Inputs: in, Tokens: tokens}
}
