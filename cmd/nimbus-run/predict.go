package main

import (
	"nimbus/backend/cost"
	"nimbus/ir"
	"nimbus/runtime"
)

// predict writes beside what a party measured of each op what the plan's
// account says.
func predict(prog *runtime.Program, reports []*runtime.Report) error {
	predicted := map[string]cost.Cost{}
	for _, op := range prog.Main.Body {
		c, err := cost.Of(op)
		if err != nil {
			return err
		}
		if len(op.Results) > 0 {
			predicted["%"+op.Results[0].Name] = c
		}
	}
	for _, r := range reports {
		for i := range r.Ops {
			c, ok := predicted[r.Ops[i].Result]
			if !ok {
				continue
			}
			sent, received := c.C2S, c.S2C
			if r.Party == ir.Server {
				sent, received = received, sent
			}
			r.Ops[i].Predicted = &runtime.Prediction{
				BytesSent: sent, BytesReceived: received, Rounds: float64(c.Depth) / 2,
				COTClientSends: c.COTClientSends, COTServerSends: c.COTServerSends,
			}
		}
	}
	return nil
}
