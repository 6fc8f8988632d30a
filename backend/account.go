package backend

import (
	"fmt"
	"slices"

	"nimbus/backend/cost"
	"nimbus/ir"
)

// An Account is what a plan costs, per op of @main and in all.
type Account struct {
	Ops     []OpCost
	Online  cost.Cost // the sum over ops; Setup in it is what a client downloads once
	Offline cost.Cost // what a session's first run does before the input is known; later runs save the base OTs and keys
}

// OpCost is one line of an account.
type OpCost struct {
	Op   *ir.Op
	Cost cost.Cost
}

// AccountOf prices a plan. It fails on an op without a cost row and on calls,
// which the backend does not emit.
func AccountOf(m *ir.Module) (*Account, error) {
	f := m.Func("main")
	if f == nil {
		return nil, fmt.Errorf("module @%s has no function @main", m.Name)
	}
	a := &Account{}
	var sets []string
	seen := map[*ir.Weight]bool{}
	for _, op := range f.Body {
		c, err := cost.Of(op)
		if err != nil {
			return nil, err
		}
		if c.Setup > 0 && allSeen(seen, op) {
			c.Setup = 0 // downloaded for an earlier op
		}
		a.Ops = append(a.Ops, OpCost{op, c})
		a.Online = a.Online.Add(c)
		if op.Name == "he.matmul_ss" {
			if set := op.Attrs.Ident("set", ""); !slices.Contains(sets, set) {
				sets = append(sets, set)
			}
		}
	}
	var err error
	a.Offline, err = cost.Offline(a.Online, m.Attrs.Int("softspoken", 4), sets...)
	return a, err
}

// allSeen tells whether every weight of an op has been met before, and adds
// them to seen.
func allSeen(seen map[*ir.Weight]bool, op *ir.Op) bool {
	all := true
	for i := range op.Args {
		if w := op.W(i); w != nil {
			all = all && seen[w]
			seen[w] = true
		}
	}
	return all
}
