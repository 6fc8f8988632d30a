package tests

import (
	"testing"

	"nimbus/backend"
	"nimbus/ir/plan"
	"nimbus/runtime"
)

// FuzzPlan takes the way of a plan that the peer sends: no text makes a party
// panic, or take memory that the text's length does not explain.
func FuzzPlan(f *testing.F) {
	for _, r := range planRows() {
		f.Add(opPlan(f, r.Name, r.Example).String())
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := plan.Parse("peer", text)
		if err != nil {
			return
		}
		if _, err := runtime.NewProgram(m); err != nil {
			return
		}
		if _, err := backend.Vet(m); err != nil {
			return
		}
		if _, err := plan.Parse("again", m.String()); err != nil {
			t.Errorf("the plan does not read back: %v\n%s", err, m)
		}
	})
}
