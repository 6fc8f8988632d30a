package main

import (
	"nimbus/backend"
	"nimbus/backend/cost"
	"nimbus/internal/otparams"
	"nimbus/ir"
	"nimbus/runtime"
)

// predict writes beside what a party measured of each op what the plan's
// account says, with times by the profile over the link.
func predict(prog *runtime.Program, reports []*runtime.Report, profile *cost.Profile, link cost.Link) error {
	extension, err := otparams.Find(prog.Extension)
	if err != nil {
		return err
	}
	predicted := map[string]*runtime.Prediction{}
	for _, op := range prog.Main.Body {
		c, err := cost.Of(op)
		if err != nil {
			return err
		}
		if len(op.Results) > 0 {
			predicted["%"+op.Results[0].Name] = &runtime.Prediction{
				BytesSent: c.C2S, BytesReceived: c.S2C, Rounds: float64(c.Depth()) / 2,
				COTClientSends: c.COTClientSends, COTServerSends: c.COTServerSends,
				Seconds: profile.TimeOf(c, link, extension).Online(),
			}
		}
	}
	for _, r := range reports {
		for i := range r.Ops {
			p := predicted[r.Ops[i].Result]
			if p != nil && r.Party == ir.Server { // which sends what the client receives
				own := *p
				own.BytesSent, own.BytesReceived = p.BytesReceived, p.BytesSent
				p = &own
			}
			r.Ops[i].Predicted = p
		}
	}
	return nil
}

// predictRun is the predicted time of a whole run, and what of it each party
// computes.
func predictRun(prog *runtime.Program, profile *cost.Profile, link cost.Link) (cost.Time, error) {
	account, err := backend.AccountOf(prog.Module)
	if err != nil {
		return cost.Time{}, err
	}
	return profile.TimeOf(account.Online, link, account.Extension), nil
}
