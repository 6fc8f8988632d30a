package tests

import (
	"testing"

	"nimbus/backend"
	"nimbus/frontend"
	"nimbus/ir"
	"nimbus/passes"
	"nimbus/tests/modeltest"
)

// TestInterleaveCost: a layer in parts takes the same bytes and the same chain of
// messages as a layer in one, but for what packing rounds up.
func TestInterleaveCost(t *testing.T) {
	model := modeltest.Open(t, "bert/block", frontend.Set{"seq": 128, "hidden": 256, "heads": 4, "ffn": 512})
	m, src := model.Module, model.Source
	examples := []passes.Example{modeltest.Input(newRand(t, 4), m)}
	o := &passes.Options{Parts: 1, Source: src, Observe: func(m *ir.Module) (*passes.Stats, error) { return passes.Record(m, src, examples) }}
	if err := passes.Run(m, passes.Default(), o, nil); err != nil {
		t.Fatal(err)
	}
	account := func(parts int) *backend.Account {
		p := m.Clone()
		if err := passes.Run(p, []passes.Pass{passes.Interleave}, &passes.Options{Parts: parts}, nil); err != nil {
			t.Fatal(err)
		}
		if err := backend.Lower(p, backend.Options{}); err != nil {
			t.Fatal(err)
		}
		a, err := backend.AccountOf(p)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	one, two := account(1), account(2)
	if len(two.Ops) < len(one.Ops)*3/2 {
		t.Errorf("%d ops in one part, %d in two: nothing was cut", len(one.Ops), len(two.Ops))
	}
	if a, b := one.Online.Depth(), two.Online.Depth(); b > a {
		t.Errorf("the longest chain has %d messages in one part, %d in two", a, b)
	}
	for _, c := range []struct {
		what     string
		one, two int64
	}{
		{"bytes to the server", one.Online.C2S, two.Online.C2S},
		{"bytes to the client", one.Online.S2C, two.Online.S2C},
		{"correlations from the client", one.Online.COTClientSends, two.Online.COTClientSends},
		{"correlations from the server", one.Online.COTServerSends, two.Online.COTServerSends},
		{"setup", one.Online.Setup, two.Online.Setup},
	} {
		// Round trips weigh more for fewer values, so layouts of parts spend a little more.
		if c.two > c.one+c.one/20 {
			t.Errorf("%s: %d in one part, %d in two: more than a twentieth", c.what, c.one, c.two)
		}
	}
}
