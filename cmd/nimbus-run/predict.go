package main

import (
	"nimbus/backend/cost"
	"nimbus/runtime"
)

// predict writes beside what the client measured of each op what the plan's
// account says.
func predict(prog *runtime.Program, reports []*runtime.Report) error {
	predicted := map[string]*runtime.Prediction{}
	for _, op := range prog.Main.Body {
		c, err := cost.Of(op)
		if err != nil {
			return err
		}
		if len(op.Results) > 0 {
			predicted["%"+op.Results[0].Name] = &runtime.Prediction{
				BytesSent: c.C2S, BytesReceived: c.S2C, Rounds: float64(c.Depth) / 2,
				COTClientSends: c.COTClientSends, COTServerSends: c.COTServerSends,
			}
		}
	}
	for _, r := range reports {
		for i := range r.Ops {
			r.Ops[i].Predicted = predicted[r.Ops[i].Result]
		}
	}
	return nil
}
