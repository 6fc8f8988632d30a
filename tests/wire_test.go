package tests

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"nimbus/internal/golden"
	"nimbus/ir"
)

// wirePlans are the plans whose sessions are frozen: what a session adds to its
// protocols, and one plan with every kind of talk that needs no setup.
var wirePlans = []struct{ name, text string }{
	{"share and open", `module @both attributes {stage = plan} {
  func @f(%x: private<client, 3xfx20.4>, %y: private<server, 3xfx20.4>) -> ashare<3xfx20.4> {
    %a = io.share %x : ashare<3xfx20.4>
    %b = io.share %y : ashare<3xfx20.4>
    %c = ss.add %a, %b : ashare<3xfx20.4>
    return %c
  }
}
`},
	{"bits", function("%b: bshare<5xi1>", "", "ss.not %b", "bshare<5xi1>")},
	{"protocols", `module @protocols attributes {stage = plan} {
  func @f(%x: ashare<3x4xfx25.8>, %y: ashare<3x1xfx25.8>) -> ashare<3x4xfx25.4> {
    %c = ot.max %x {keep = 24, drop = 1} : ashare<3x1xfx25.8>
    %d = ss.sub %x, %c : ashare<3x4xfx25.8>
    %p = ot.mul_ss %d, %y : ashare<3x4xfx25.16>
    %q = ot.trunc %p {bits = 12} : ashare<3x4xfx25.4>
    %t = ss.transpose %q {perm = [1, 0]} : ashare<4x3xfx25.4>
    %u = he.matmul_ss %q, %t {set = n2048, tile = [3, 4, 3, 0], drop_c0 = 2, drop_c1 = 2} : ashare<3x3xfx25.8>
    %v = he.matmul_ss %u, %q {set = n2048, tile = [2, 3, 4, 1]} : ashare<3x4xfx25.12>
    %w = ot.trunc %v {bits = 8} : ashare<3x4xfx25.4>
    return %w
  }
}
`},
}

// TestWire freezes whole sessions under fixed seeds: two runs, each with what is
// made ahead of it. The greeting, which holds the plan's digest, is left out. A
// deliberate change needs -update and a sentence in the commit.
func TestWire(t *testing.T) {
	var b strings.Builder
	for _, c := range wirePlans {
		m := opPlan(t, c.name, c.text)
		d, err := deploy(t.TempDir(), m, zeros(m))
		if err != nil {
			t.Fatal(err)
		}
		mine, theirs := map[string][]uint64{}, map[string][]uint64{}
		for _, p := range m.Func("main").Params {
			v := make([]uint64, p.Type.NumElems())
			for i := range v {
				v[i] = uint64(i) & 1
			}
			if mine[p.Name] = v; p.Type.Party == ir.Server {
				theirs[p.Name] = v
			}
		}
		session := d.start(t, options{record: true, seed: 77, server: theirs})
		session.wire.Take()
		line := func(what string) {
			sent, received := session.wire.Take()
			fmt.Fprintf(&b, "%s, %s: %s %s\n", c.name, what, digest(sent), digest(received))
		}
		for run := range 2 {
			if _, err := session.client.Prepare(); err != nil {
				t.Fatal(err)
			}
			line(fmt.Sprintf("offline %d", run+1))
			session.run(mine)
			line(fmt.Sprintf("online %d", run+1))
		}
		session.stop()
	}
	golden.File(t, "testdata/wire.golden", b.String())
}

// digest is of messages, each after its length.
func digest(msgs [][]byte) string {
	h := sha256.New()
	for _, m := range msgs {
		h.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(m))))
		h.Write(m)
	}
	return fmt.Sprintf("%d messages %x", len(msgs), h.Sum(nil)[:8])
}
