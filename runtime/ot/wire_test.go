package ot_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"nimbus/backend/cost"
	"nimbus/internal/prg"
	"nimbus/runtime/ot"
)

var update = flag.Bool("update", false, "rewrite testdata/wire.golden")

// TestCost holds the formulas of backend/cost against what is on the wire.
func TestCost(t *testing.T) {
	for _, n := range []int{0, 1, 7, 64, 500} {
		for _, c := range cases(n, prg.New(seed(20))) {
			t.Run(fmt.Sprintf("%s n=%d", c.name, n), func(t *testing.T) {
				m := real(t, 21, func(p *ot.Protocol, party int) error {
					_, _, err := c.run(p, party, c.in, c.bits)
					return err
				})
				got := cost.Cost{
					C2S: m.ClientStats.BytesSent, S2C: m.ServerStats.BytesSent,
					Chain:          c.cost.Chain,
					COTClientSends: m.client.AsSender.Taken, COTServerSends: m.server.AsSender.Taken,
					Work: c.cost.Work, // not on the wire
				}
				if got != c.cost {
					t.Errorf("measured %v (%d from the client)\nformula  %v (%d)", got, got.COTClientSends, c.cost, c.cost.COTClientSends)
				}
				client, server := c.cost.Chain.After(0, 0)
				if m.ClientStats.Arrived != client || m.ServerStats.Arrived != server {
					t.Errorf("the client ends at depth %d, the server at %d, the formula says %d and %d", m.ClientStats.Arrived, m.ServerStats.Arrived, client, server)
				}
				if m.client.AsReceiver.Taken != got.COTServerSends || m.server.AsReceiver.Taken != got.COTClientSends {
					t.Errorf("the parties took different numbers of COTs")
				}
			})
		}
	}
}

// TestWire freezes the bytes of every protocol in both directions.
func TestWire(t *testing.T) {
	var b strings.Builder
	for _, c := range cases(13, prg.New(seed(22))) {
		m := real(t, 23, func(p *ot.Protocol, party int) error {
			_, _, err := c.run(p, party, c.in, c.bits)
			return err
		})
		fmt.Fprintf(&b, "%s: %.16s %.16s\n", c.name, m.Client.SentDigest(), m.Server.SentDigest())
	}
	const file = "testdata/wire.golden"
	if *update {
		if err := os.MkdirAll("testdata", 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(b.String()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Split(b.String(), "\n"); b.String() != string(want) {
		for i, line := range strings.Split(string(want), "\n") {
			if i >= len(got) || got[i] != line {
				t.Errorf("line %d changed: want %q; a deliberate change of a protocol needs -update and a sentence in the commit", i+1, line)
			}
		}
		if len(want) < b.Len() {
			t.Error("new protocols: run with -update")
		}
	}
}
