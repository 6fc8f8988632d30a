package backend

import (
	"nimbus/ir"
)

// Pricer is what a run of a module of fx costs under the objective: seconds, or
// bytes, among which a round trip counts as many as the layouts of protocols
// take it for; either with a run's share of the setup. Modules that differ in few
// ops are priced faster than alone.
func (o Options) Pricer() func(*ir.Module) (float64, error) {
	o.seen = map[string][]Choice{}
	return func(m *ir.Module) (float64, error) {
		m = m.Clone()
		if err := Lower(m, o); err != nil {
			return 0, err
		}
		a, err := AccountOf(m)
		if err != nil {
			return 0, err
		}
		c := a.Online
		if o.Profile == nil {
			return float64(c.C2S+c.S2C) + float64(c.Setup)/o.reuse() + float64(c.Depth())/2*assumed.RTT.Seconds()/byteSeconds, nil
		}
		t := o.Profile.TimeOf(c, o.Link, a.Extension)
		s := t.Online() + t.Setup/o.reuse()
		if o.All {
			s += t.Ahead
		}
		return s, nil
	}
}
