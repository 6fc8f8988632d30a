package main

import (
	"net"

	"nimbus/backend/cost"
	"nimbus/runtime/transport/sim"
)

// linkUsage is the help of -link.
const linkUsage = "shape what is sent like a `LINK`: " + cost.LinkNames

// shape returns raw with this party's direction shaped like l.
func shape(l cost.Link, raw net.Conn) net.Conn {
	if l.Rate == 0 && l.RTT == 0 {
		return raw
	}
	return sim.Wrap(raw, l.Rate, l.RTT)
}
