package ot_test

import (
	"testing"

	"nimbus/internal/prg"
	"nimbus/internal/z2k"
	"nimbus/runtime/corr"
	"nimbus/runtime/ot"
	"nimbus/runtime/share"
	"nimbus/runtime/transport"
	"nimbus/runtime/transport/transporttest"
)

// TestOverExtension runs all protocols over a real OT extension whose pools
// start empty, so that both parties extend in the midst of the work.
func TestOverExtension(t *testing.T) {
	all := cases(300, prg.New(seed(50)))
	results := [2][][]uint64{}
	widths := make([]int, len(all))
	party := func(n int) func(conn transport.Conn) error {
		return func(conn transport.Conn) error {
			rng := prg.New(seed(51 + n))
			c, err := corr.Setup(conn, n, corr.Config{Ext: corr.SoftSpoken{K: 4}}, rng)
			if err != nil {
				return err
			}
			p := ot.New(conn, n, c, rng)
			for i, pc := range all {
				v, width, err := pc.run(p, n, pc.in, pc.bits)
				if err != nil {
					return err
				}
				results[n] = append(results[n], v)
				if n == share.Client {
					widths[i] = width
				}
			}
			return nil
		}
	}
	transporttest.TwoParty(t, party(share.Client), party(share.Server))

	// Exact protocols give what they give over dealt correlations.
	for i, pc := range all {
		if pc.name[:3] != "mul" && pc.name[:3] != "mux" && pc.name[:3] != "and" && pc.name[:3] != "squ" {
			continue
		}
		var want [2][]uint64
		real(t, 52, func(p *ot.Protocol, n int) (err error) {
			want[n], _, err = pc.run(p, n, pc.in, pc.bits)
			return err
		})
		m := z2k.Mask(widths[i])
		for j := range want[0] {
			if (results[0][i][j]+results[1][i][j]-want[0][j]-want[1][j])&m != 0 {
				t.Fatalf("%s: element %d differs", pc.name, j)
			}
		}
	}
}
