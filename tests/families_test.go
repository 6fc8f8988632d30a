package tests

import (
	"testing"

	"nimbus/backend"
	"nimbus/frontend/bundle"
	"nimbus/ir"
	"nimbus/ir/eval"
	"nimbus/ir/weights"
	"nimbus/passes"
)

// TestFamilies runs a small model of every family but BERT, with made-up
// weights, as two parties: outputs are the twin's within the plan's tolerance,
// and every op sends what the account says.
func TestFamilies(t *testing.T) {
	for _, name := range []string{"albert/tiny", "distilbert/tiny", "electra/tiny", "roberta/tiny", "sentence/tiny", "vit/tiny"} {
		t.Run(name, func(t *testing.T) {
			b, err := bundle.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			m, err := b.Module(nil)
			if err != nil {
				t.Fatal(err)
			}
			src, err := b.Weights(nil)
			if err != nil {
				t.Fatal(err)
			}
			rng := newRand(t, 1)
			input := func() passes.Example {
				e := madeUp(rng, m)
				for _, p := range m.Func("main").Params {
					v := e.Inputs[p.Name].Real
					for i := range v {
						r := p.Attrs.Floats("range")
						v[i] = min(max(v[i], r[0]), r[1])
						if p.Name == "pool" {
							v[i] = float64(e.Inputs["mask"].Ring[i]) / float64(e.Tokens)
						}
					}
				}
				return e
			}
			var examples []passes.Example
			for range 24 {
				examples = append(examples, input())
			}
			plan := m.Clone()
			if err := backend.Compile(plan, backend.Job{Source: src, Examples: examples}); err != nil {
				t.Fatal(err)
			}
			shared := map[string]int{}
			for _, w := range plan.Weights {
				attrs := w.Attrs.String()
				if shared[attrs]++; shared[attrs] > 1 {
					t.Errorf("two weights are %s", attrs)
				}
			}
			account, err := backend.AccountOf(plan)
			if err != nil {
				t.Fatal(err)
			}
			twin, err := eval.New(plan, src, eval.Options{})
			if err != nil {
				t.Fatal(err)
			}
			d, err := deploy(t.TempDir(), plan, src)
			if err != nil {
				t.Fatal(err)
			}
			defer d.close()
			session := d.start(t, options{})
			defer session.stop()
			for range 2 {
				in, ring := input().Inputs, map[string][]uint64{}
				for _, p := range plan.Func("main").Params {
					ring[p.Name] = in[p.Name].Ring
					if v := in[p.Name].Real; p.Type.Elem.Kind == ir.Fx {
						if ring[p.Name], err = weights.EncodeReals(p.Type.Elem, v); err != nil {
							t.Fatal(err)
						}
					}
				}
				want, err := twin.Run("main", in)
				if err != nil {
					t.Fatal(err)
				}
				got, client, server := session.run(ring)
				off := distance(want[0].Type.Elem, got[0], want[0].Ring)
				if most := int64(plan.Attrs.Int("tolerance", -1)); off > most {
					t.Errorf("%d units of the last bit from the twin's, the plan says at most %d", off, most)
				}
				checkAccount(t, account, client, server)
				t.Logf("%d units off, %.2f s, %g rounds", off, client.Online.Seconds, client.Online.Rounds)
			}
		})
	}
}
