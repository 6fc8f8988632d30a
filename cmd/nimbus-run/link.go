package main

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"nimbus/runtime/transport/sim"
)

// A link is a flag value: what a party sends is shaped to a bandwidth and a
// delay. The zero value leaves it as it is.
type link struct {
	name string
	rate float64 // bits per second
	rtt  time.Duration
}

// linkUsage is the help of -link.
const linkUsage = "shape what is sent like a `LINK`: none, lan (3 Gbps, 1 ms), wan (400 Mbps, 10 ms), or RATE,RTT such as 1Gbps,0.5ms"

// links are the links with names, those of the paper.
var links = map[string]link{
	"none": {name: "none"},
	"lan":  {"lan", 3e9, time.Millisecond},
	"wan":  {"wan", 400e6, 10 * time.Millisecond},
}

func (l *link) String() string {
	if l == nil || l.name == "" {
		return "none"
	}
	return l.name
}

// Set reads what String prints.
func (l *link) Set(s string) error {
	if known, ok := links[s]; ok {
		*l = known
		return nil
	}
	rate, delay, ok := strings.Cut(s, ",")
	if !ok {
		return fmt.Errorf("%q is no link: want none, lan, wan, or a rate and a round-trip time such as 1Gbps,0.5ms", s)
	}
	bits, err := parseRate(rate)
	if err != nil {
		return err
	}
	rtt, err := time.ParseDuration(delay)
	if err != nil || rtt < 0 {
		return fmt.Errorf("%q is no round-trip time: want one such as 0.5ms", delay)
	}
	*l = link{s, bits, rtt}
	return nil
}

// parseRate reads 3Gbps, 400Mbps, 64kbps or 9600bps.
func parseRate(s string) (float64, error) {
	for _, u := range []struct {
		unit string
		bits float64
	}{{"Gbps", 1e9}, {"Mbps", 1e6}, {"kbps", 1e3}, {"bps", 1}} {
		if number, ok := strings.CutSuffix(s, u.unit); ok {
			x, err := strconv.ParseFloat(number, 64)
			if err != nil || !(x > 0 && x <= 1e6) {
				break
			}
			return x * u.bits, nil
		}
	}
	return 0, fmt.Errorf("%q is no rate: want one such as 3Gbps or 400Mbps", s)
}

// shape returns raw with this party's direction shaped.
func (l link) shape(raw net.Conn) net.Conn {
	if l.rate == 0 && l.rtt == 0 {
		return raw
	}
	return sim.Wrap(raw, l.rate, l.rtt)
}
