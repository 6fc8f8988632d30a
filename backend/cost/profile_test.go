package cost_test

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"

	"nimbus/backend/cost"
	"nimbus/internal/otparams"
)

// A profile reads what it writes, and says what is wrong with a file that is
// none.
func TestProfileFile(t *testing.T) {
	p := cost.DefaultProfile()
	for _, s := range cost.Steps() {
		if s.String() == "" || s.Doc() == "" {
			t.Errorf("step %d has no name or no doc", s)
		}
		if p.Nanoseconds[s] <= 0 {
			t.Errorf("the default profile has %g ns for %s", p.Nanoseconds[s], s)
		}
	}
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	q, err := cost.ParseProfile([]byte(text))
	if err != nil || *q != *p {
		t.Errorf("read %+v (%v), wrote %+v", q, err, p)
	}
	for _, c := range []struct{ name, old, new, want string }{
		{"empty", text, "", "not JSON"},
		{"text", text, "mac 0.1", "not JSON"},
		{"plan", text, "{}", `format is "", want "nimbus machine profile"`},
		{"version", `"version": 1`, `"version": 2`, "version 2, this program reads version 1"},
		{"missing step", `"mac"`, `"mic"`, "no time for mac (a multiply-add"},
		{"negative", `"mac": `, `"mac": -`, "mac takes -"},
		{"too long", `"mac": 0`, `"mac": 9e99, "x": 0`, "mac takes 9e+99 ns"},
		{"unknown field", `"machine"`, `"engine"`, `unknown field "engine"`},
		{"unknown step", `"nanoseconds": {`, `"nanoseconds": {"cup": 1,`, "unknown step cup"},
		{"more", text, text + "{}", "after top-level value"},
	} {
		_, err := cost.ParseProfile([]byte(strings.Replace(text, c.old, c.new, 1)))
		if err == nil {
			t.Errorf("%s: accepted", c.name)
			continue
		}
		if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
	if _, err := cost.ParseProfile(make([]byte, 1<<20)); err == nil {
		t.Error("a megabyte was accepted")
	}
}

// Fit finds the times that made the samples, and gives no step a negative one.
func TestFit(t *testing.T) {
	var samples []cost.Sample
	want := map[cost.Step]float64{cost.MAC: 0.1, cost.Expand: 6, cost.Byte: 0.4}
	for _, n := range [][3]int64{{1000, 10, 5}, {200, 50, 70}, {10, 1, 900}, {5000, 400, 3}} {
		var c cost.Counts
		c[cost.MAC], c[cost.Expand], c[cost.Byte] = n[0], n[1], n[2]
		c[cost.Open] = n[0] // indistinguishable from MAC: takes nothing or a share
		samples = append(samples, cost.Sample{Steps: c, Seconds: 1e-9 * (0.1*float64(n[0]) + 6*float64(n[1]) + 0.4*float64(n[2]))})
	}
	var base cost.Profile
	base.Nanoseconds[cost.Zero] = 33
	p := cost.Fit(base, samples)
	for _, s := range samples {
		if got := p.Seconds(s.Steps); math.Abs(got/s.Seconds-1) > 1e-3 {
			t.Errorf("%v takes %g s, fitted %g", s.Steps, s.Seconds, got)
		}
	}
	for s, ns := range want {
		got := p.Nanoseconds[s]
		if s == cost.MAC {
			got += p.Nanoseconds[cost.Open]
		}
		if math.Abs(got/ns-1) > 0.02 {
			t.Errorf("%s takes %g ns, want %g", s, got, ns)
		}
	}
	for _, s := range cost.Steps() {
		if p.Nanoseconds[s] < 0 {
			t.Errorf("%s takes %g ns", s, p.Nanoseconds[s])
		}
	}
	if p.Nanoseconds[cost.Zero] != 33 {
		t.Error("a step without samples lost its time")
	}
}

// Time is what its formula says: work in turn adds up, work at once counts once,
// a link adds bytes and round trips.
func TestTimeOf(t *testing.T) {
	var p cost.Profile
	for i := range p.Nanoseconds {
		p.Nanoseconds[i] = 1
	}
	soft8, err := otparams.Find("softspoken8")
	if err != nil {
		t.Fatal(err)
	}
	var l cost.Link
	if err := l.Set("8kbps,10ms"); err != nil { // a byte takes 1 ms
		t.Fatal(err)
	}
	one, both := cost.TruncCost(800, 20, 4, 20), cost.MuxCost(800, 20)
	for _, c := range []struct {
		name  string
		cost  cost.Cost
		bytes float64 // one after the other
	}{{"server sends", one, float64(one.Bytes())}, {"both send", both, float64(both.Bytes()) / 2}} {
		got := p.TimeOf(c.cost, l, soft8)
		if want := c.bytes*1e-3 + 0.01; math.Abs(got.Link-want) > 1e-9 {
			t.Errorf("%s: %g s on the link, want %g", c.name, got.Link, want)
		}
		if got.Online() != got.Path+got.Link {
			t.Errorf("%s: online is %g", c.name, got.Online())
		}
		if free := p.TimeOf(c.cost, cost.Link{}, soft8); free.Link != 0 || free.Path != got.Path {
			t.Errorf("%s: without a link %+v", c.name, free)
		}
		up, _ := cost.COTBytes(c.cost.COTServerSends, soft8)
		down, _ := cost.COTBytes(c.cost.COTClientSends, soft8)
		if want := float64(c.cost.COTs())*1e-9 + float64(max(up, down))*1e-3; math.Abs(got.Ahead-want) > 1e-9 {
			t.Errorf("%s: %g s ahead, want %g", c.name, got.Ahead, want)
		}
	}
	if a, b := p.TimeOf(one, l, soft8), p.TimeOf(both, l, soft8); a.Path <= a.Client || a.Path <= a.Server || b.Client != b.Server || b.Path > b.Client+3e-9 {
		t.Errorf("in turn %+v, at once %+v", a, b)
	}
	two := p.TimeOf(one.Add(both), l, soft8)
	sum := p.TimeOf(one, l, soft8).Plus(p.TimeOf(both, l, soft8))
	if math.Abs(two.Online()-sum.Online()) > 1e-12 {
		t.Errorf("%g s in sequence, %g and more one by one", two.Online(), sum.Online())
	}
}

func TestLink(t *testing.T) {
	for text, want := range map[string]cost.Link{
		"1Gbps,0.5ms": {Rate: 1e9, RTT: 500 * time.Microsecond}, "lan": {Rate: 3e9, RTT: time.Millisecond},
		"wan": {Rate: 400e6, RTT: 10 * time.Millisecond}, "none": {}, "9600bps,0s": {Rate: 9600},
	} {
		var l cost.Link
		if err := l.Set(text); err != nil || l.Rate != want.Rate || l.RTT != want.RTT || l.String() != text {
			t.Errorf("%s: %+v, %v", text, l, err)
		}
	}
	for text, want := range map[string]string{
		"fast": "is no link", "": "is no link", "3,1ms": "is no rate", "-1Gbps,1ms": "is no rate", "0bps,1ms": "is no rate",
		"NaNGbps,1ms": "is no rate", "1e99Gbps,1ms": "is no rate", "1Gbps,": "is no round-trip time",
		"1Gbps,-1ms": "is no round-trip time", "1Gbps,5h": "is no round-trip time", "1Gbps,1": "is no round-trip time",
	} {
		l := cost.Link{Rate: 1}
		if err := l.Set(text); err == nil || !strings.Contains(err.Error(), want) || l.Rate != 1 {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}
