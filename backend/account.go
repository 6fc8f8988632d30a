package backend

import (
	"fmt"
	"slices"

	"nimbus/backend/cost"
	"nimbus/internal/otparams"
	"nimbus/ir"
)

// An Account is what a plan costs, per op of @main and in all.
type Account struct {
	Ops     []OpCost
	Online  cost.Cost // the sum over ops, but for Chain; Setup in it is what a client downloads once
	Offline cost.Cost // what a session's first run does before the input is known; later runs save the base OTs, the extension's start and keys

	Extension otparams.Extension // how the correlations are made
	Base      otparams.Base      // and from what
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
	// The run begins with a message of the client that asks for it.
	start := [2]int{0, 1}
	chains := chains{depth: map[*ir.Value][2]int{}, start: start, most: start}
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
		a.Online = a.Online.With(c)
		chains.add(op, c.Chain)
	}
	a.Online.Chain = cost.Chain{CC: chains.most[0], CS: chains.most[1]}
	var err error
	if a.Extension, a.Base, err = extensionOf(m); err != nil {
		return nil, err
	}
	a.Offline, err = offlineOf(m, a.Online)
	return a, err
}

// extensionOf is how a plan's correlations are made, and from what.
func extensionOf(m *ir.Module) (e otparams.Extension, b otparams.Base, err error) {
	if e, err = otparams.Find(m.Attrs.Ident("extension", otparams.DefaultExtension)); err != nil {
		return e, b, err
	}
	b, err = otparams.FindBase(m.Attrs.Ident("base", string(otparams.Ristretto)))
	return e, b, err
}

// offlineOf is what a session of a plan does before the input is known, where a
// run costs online.
func offlineOf(m *ir.Module, online cost.Cost) (cost.Cost, error) {
	e, b, err := extensionOf(m)
	if err != nil {
		return cost.Cost{}, err
	}
	var sets []string
	for _, f := range m.Funcs {
		for _, op := range f.Body {
			if set := op.Attrs.Ident("set", ""); op.Name == "he.matmul_ss" && !slices.Contains(sets, set) {
				sets = append(sets, set)
			}
		}
	}
	return cost.Offline(online, e, b, sets...)
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

// chains follows messages through a plan: an op starts at either party when that
// party has its arguments, and ops that do not depend on each other run side by
// side. It counts as the runtime does (runtime/transport).
type chains struct {
	depth map[*ir.Value][2]int // by party, in half-rounds from the start: when it has its half
	start [2]int               // of inputs
	most  [2]int
}

func (c *chains) add(op *ir.Op, step cost.Chain) {
	at := c.start
	for _, a := range op.Args {
		if a.Value != nil {
			d, ok := c.depth[a.Value]
			if !ok {
				d = c.start
			}
			at = [2]int{max(at[0], d[0]), max(at[1], d[1])}
		}
	}
	at[0], at[1] = step.After(at[0], at[1])
	for _, r := range op.Results {
		c.depth[r] = at
	}
	c.most = [2]int{max(c.most[0], at[0]), max(c.most[1], at[1])}
}

// Reserve writes into a plan how many correlated OTs each op and a whole run
// consume, so that a runtime can lay them aside in advance.
func (a *Account) Reserve(m *ir.Module) {
	for _, o := range a.Ops {
		if o.Op.Dialect() == "ot" {
			o.Op.Attrs.Set("cots", []int{int(o.Cost.COTClientSends), int(o.Cost.COTServerSends)})
		}
	}
	m.Attrs.Set("cot_client_sends", a.Online.COTClientSends)
	m.Attrs.Set("cot_server_sends", a.Online.COTServerSends)
}
