package backend

import (
	"fmt"

	"nimbus/backend/cost"
	"nimbus/ir"
)

// An Account is what a plan costs, per op of @main and in all.
type Account struct {
	Ops    []OpCost
	Online cost.Cost // the sum over ops; Setup in it is what a client downloads once
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
	for _, op := range f.Body {
		c, err := cost.Of(op)
		if err != nil {
			return nil, err
		}
		a.Ops = append(a.Ops, OpCost{op, c})
		a.Online = a.Online.Add(c)
	}
	return a, nil
}
