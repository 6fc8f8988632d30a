package ot

import (
	"fmt"
	"slices"

	"nimbus/runtime/share"
)

// selection is one Mux among several that share their round: x where b is 1.
type selection struct {
	b     []uint8  // [n] share
	x     []uint64 // [n] share
	width int
}

// mux runs selections of any widths in one round trip and returns this party's
// half of each, reduced.
func (p *Protocol) mux(sel []selection) ([][]uint64, error) {
	var recv, send []ots
	outs := make([][]uint64, len(sel))
	for i, s := range sel {
		n := len(s.x)
		out := make([]uint64, n)
		bits, c := make([]uint64, n), make([]uint64, n)
		for j, x := range s.x {
			b := uint64(s.b[j])
			bits[j] = b
			c[j] = x - 2*b*x // (1 − 2b)·x
			out[j] = b * x
		}
		outs[i] = out
		if n == 0 {
			continue
		}
		recv = append(recv, &cots{n: n, cols: 1, width: s.width, bits: bits, dst: out})
		send = append(send, &cots{n: n, cols: 1, width: s.width, c: c, dst: out})
	}
	if err := p.exchange(recv, send); err != nil {
		return nil, err
	}
	for i, s := range sel {
		reduce(outs[i], s.width)
	}
	return outs, nil
}

// Mux selects: x where b is 1, 0 where it is 0.
//
//	[b·x]_A ← Mux([b]_B, [x]_A)      exact
//
// With b = b0 ⊕ b1 and x = x0 + x1,
//
//	b·x_p = b_p·x_p + b_q·(1 − 2b_p)·x_p        q the other party
//
// so each party is the sender of one COT per element, with the correction
// (1 − 2b_p)·x_p, and the receiver of one with the choice b_p.
//
// b and x have equal shapes; the result has x's shape and width. Reference:
// SIRNN, section on multiplexers; Cheetah. Cost: cost.MuxCost.
func (p *Protocol) Mux(b share.Bool, x share.Arith) (share.Arith, error) {
	if err := check("mux", x); err != nil {
		return share.Arith{}, err
	}
	if !slices.Equal(b.Shape, x.Shape) || len(b.V) != len(x.V) {
		return share.Arith{}, fmt.Errorf("mux: selector %v of %v: want equal shapes", b, x)
	}
	out, err := p.mux([]selection{{b.V, x.V, x.Width}})
	if err != nil {
		return share.Arith{}, fmt.Errorf("mux: %w", err)
	}
	return like(x, x.Width, out[0]), nil
}
