package tests

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nimbus/backend"
	"nimbus/internal/otparams"
	"nimbus/ir"
	"nimbus/runtime/artifact"
)

// TestOffline holds what a session does before its first input against the
// account: base OTs, keys and correlations, to the byte.
func TestOffline(t *testing.T) {
	plans := []string{"io.share", "ot.trunc", "ot.mux", "ot.piecewise", "ot.rsqrt", "he.matmul_ss"}
	for i, extension := range otparams.Names() {
		base := otparams.Bases()[i%2]
		for _, c := range opCases(newRand(t, 1), 0) {
			if !slices.Contains(plans, c.op) {
				continue
			}
			t.Run(fmt.Sprintf("%s %s %s", c.op, extension, base), func(t *testing.T) {
				m := opPlan(t, c.op, c.text)
				m.Attrs.Set("extension", ir.Ident(extension))
				m.Attrs.Set("base", ir.Ident(base))
				d, err := deploy(t.TempDir(), m, zeros(m))
				if err != nil {
					t.Fatal(err)
				}
				defer d.close()
				checkOffline(t, d)
			})
		}
	}
	for _, c := range viewed {
		if strings.Contains(c.text, "ahead") {
			t.Run(c.text, func(t *testing.T) {
				m := opPlan(t, c.op, function(c.params, c.weights, c.text, c.results...))
				d, err := deploy(t.TempDir(), m, zeros(m))
				if err != nil {
					t.Fatal(err)
				}
				defer d.close()
				checkOffline(t, d)
			})
		}
	}
	t.Run("embedded", func(t *testing.T) {
		m, err := embedded()
		if err != nil {
			t.Fatal(err)
		}
		checkOffline(t, m.deployment)
	})
}

func checkOffline(t *testing.T, d *deployment) {
	t.Helper()
	account, err := backend.AccountOf(d.prog.Module)
	if err != nil {
		t.Fatal(err)
	}
	session := d.start(t, options{})
	defer session.stop()
	got, err := session.client.Prepare()
	if err != nil {
		t.Fatal(err)
	}
	want := account.Offline
	if got.BytesSent != want.C2S+1 || got.BytesReceived != want.S2C { // the request is one byte
		t.Errorf("the client sent %d and received %d bytes, the account says %d and %d", got.BytesSent, got.BytesReceived, want.C2S+1, want.S2C)
	}
	if most := float64(want.Depth()+1) / 2; got.Rounds > most {
		t.Errorf("%g rounds, the account says %g", got.Rounds, most)
	}
	again, err := session.client.Prepare()
	if err != nil {
		t.Fatal(err)
	}
	if again.BytesSent != 1 || again.BytesReceived != 0 {
		t.Errorf("what is ready was made again: %d bytes sent, %d received", again.BytesSent, again.BytesReceived)
	}
}

// TestSetupBytes holds the encrypted weights of the embedded plan against the
// account, to the byte; what the file holds besides them is not in it.
func TestSetupBytes(t *testing.T) {
	m, err := embedded()
	if err != nil {
		t.Fatal(err)
	}
	account, err := backend.AccountOf(m.prog.Module)
	if err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob(filepath.Join(binaryDir, "client", "servers", "*", "*", "weights.nwx"))
	if err != nil || len(paths) != 1 {
		t.Fatalf("stored weights: %v, %v", paths, err)
	}
	f, err := artifact.Open(paths[0], m.prog.Digest, m.keys.ID())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	total := int64(0)
	for _, s := range f.Header.Sections {
		total += s.Bytes
	}
	if total != account.Online.Setup {
		t.Errorf("sections of %d bytes, the account says %d", total, account.Online.Setup)
	}
}
