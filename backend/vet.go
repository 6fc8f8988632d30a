package backend

import (
	"fmt"

	"nimbus/backend/cost"
	"nimbus/ir"
)

// Traffic is what the protocols of a plan put on the wire: bytes by sender,
// client and server.
type Traffic struct {
	Op  [2]int64 // the most of one op, ahead or online
	Run [2]int64 // of a run, with all that a session does before it
}

// Vet holds what a plan says of its own costs against the cost rows: the
// correlated OTs of each op and of a run, which a party lays aside before the
// op. A plan may come from the peer. It returns what is left to be bounded by
// that: what the peer can have sent before this party awaits it.
func Vet(m *ir.Module) (Traffic, error) {
	v := vetter{m: m, runs: map[*ir.Func]cost.Cost{}}
	for _, f := range m.Funcs {
		if _, err := v.run(f); err != nil {
			return Traffic{}, err
		}
	}
	total := v.runs[m.Func("main")]
	for _, c := range []struct {
		name string
		want int64
	}{{"cot_client_sends", total.COTClientSends}, {"cot_server_sends", total.COTServerSends}} {
		if n, ok := m.Attrs.Get(c.name); ok && n != c.want {
			return Traffic{}, fmt.Errorf("plan @%s: %s = %v, but its ops consume %d", m.Name, c.name, n, c.want)
		}
	}
	offline, err := offlineOf(m, total)
	if err != nil {
		return Traffic{}, err
	}
	v.traffic.Run = [2]int64{total.C2S + offline.C2S, total.S2C + offline.S2C}
	return v.traffic, nil
}

type vetter struct {
	m       *ir.Module
	runs    map[*ir.Func]cost.Cost // of functions that are done
	traffic Traffic
}

// run is what one execution of f costs, chains left out.
func (v *vetter) run(f *ir.Func) (cost.Cost, error) {
	if c, ok := v.runs[f]; ok {
		return c, nil
	}
	var sum cost.Cost
	for _, op := range f.Body {
		var c cost.Cost
		var err error
		if op.Callee != "" {
			c, err = v.run(v.m.Func(op.Callee))
		} else {
			c, err = v.op(op)
		}
		if err != nil {
			return sum, err
		}
		sum = sum.With(c)
	}
	v.runs[f] = sum
	return sum, nil
}

func (v *vetter) op(op *ir.Op) (cost.Cost, error) {
	c, err := cost.Of(op)
	if err != nil {
		return c, fmt.Errorf("%s: %w", op.Pos, err)
	}
	if n := op.Attrs.Ints("cots"); len(n) == 2 && (int64(n[0]) != c.COTClientSends || int64(n[1]) != c.COTServerSends) {
		return c, fmt.Errorf("%s: %s says cots = %v, but consumes [%d, %d]", op.Pos, op.Name, n, c.COTClientSends, c.COTServerSends)
	}
	v.traffic.Op = [2]int64{max(v.traffic.Op[0], c.C2S, c.AheadC2S), max(v.traffic.Op[1], c.S2C, c.AheadS2C)}
	return c, nil
}
