package cost

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Link is what lies between the parties: a flag value. The zero value costs
// nothing.
type Link struct {
	name string
	Rate float64 // bits per second in each direction; 0: without limit
	RTT  time.Duration
}

// LinkNames is how links are written, for help texts.
const LinkNames = "none, lan (3 Gbps, 1 ms), wan (400 Mbps, 10 ms), or RATE,RTT such as 1Gbps,0.5ms"

// links are the links with names, those of the paper.
var links = map[string]Link{
	"none": {name: "none"},
	"lan":  {"lan", 3e9, time.Millisecond},
	"wan":  {"wan", 400e6, 10 * time.Millisecond},
}

func (l *Link) String() string {
	if l == nil || l.name == "" {
		return "none"
	}
	return l.name
}

// Set reads what String prints.
func (l *Link) Set(s string) error {
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
	if err != nil || rtt < 0 || rtt > maxRTT {
		return fmt.Errorf("%q is no round-trip time: want one from 0s to %v, such as 0.5ms", delay, maxRTT)
	}
	*l = Link{s, bits, rtt}
	return nil
}

// maxRTT is what still counts as a link: light needs 2.6 s to the moon and back.
const maxRTT = time.Minute

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

// seconds is the time in which so many bytes pass in one direction and so many
// messages, each of them waited for.
func (l Link) seconds(bytes int64, halfRounds int) float64 {
	s := float64(halfRounds) / 2 * l.RTT.Seconds()
	if l.Rate > 0 {
		s += float64(bytes) * 8 / l.Rate
	}
	return max(s, 0)
}
