package tests

import (
	"math/rand/v2"
	"testing"

	"nimbus/ir"
	"nimbus/ir/eval"
	"nimbus/passes"
)

// newRand is a generator that is the same in every run of one test.
func newRand(tb testing.TB, seed uint64) *rand.Rand {
	for _, c := range tb.Name() {
		seed = seed*1099511628211 + uint64(c)
	}
	return rand.New(rand.NewPCG(seed, 1))
}

// madeUp is an input for m's main function: token numbers, a mask of a prefix,
// normal reals within the parameter's range, and as "pool" the mask's share of
// each token.
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
				if r := p.Attrs.Floats("range"); len(r) == 2 {
					v[i] = min(max(v[i], r[0]), r[1])
				}
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
	if pool, mask := in["pool"].Real, in["mask"].Ring; len(pool) == len(mask) {
		for i := range pool {
			pool[i] = float64(mask[i]) / float64(tokens)
		}
	}
	if tokens == 0 {
		tokens = m.Attrs.Int("seq", 0)
	}
	return passes.Example{Inputs: in, Tokens: tokens}
}
