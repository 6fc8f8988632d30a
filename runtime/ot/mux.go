package ot

import (
	"fmt"
	"slices"

	"nimbus/runtime/share"
)

// selection is one Mux among several that share their round: x where b is 1.
// With an index it is x where bit index of truth is 1, index having k bits of
// which either party has a half; b is nil then.
type selection struct {
	b     []uint8  // [n] share
	x     []uint64 // [n] share
	width int

	index []uint64 // [n] share, by XOR
	k     int
	truth uint64
}

// both is the truth table of the AND of k bits.
func both(k int) uint64 { return 1 << (1<<k - 1) }

// muxing is a set of selections under way: its OTs can share a round with others.
type muxing struct {
	sel        []selection
	recv, send []ots
	outs       [][]uint64
}

func (p *Protocol) startMux(sel []selection) *muxing {
	m := &muxing{sel: sel, outs: make([][]uint64, len(sel))}
	for i, s := range sel {
		n := len(s.x)
		m.outs[i] = make([]uint64, n)
		if n == 0 {
			continue
		}
		if s.index != nil {
			l := &lookups{n: n, b: s.k, width: s.width, truth: s.truth, bits: s.index, c: s.x, dst: m.outs[i]}
			m.recv, m.send = append(m.recv, l), append(m.send, l)
			continue
		}
		bits, c := make([]uint64, n), make([]uint64, n)
		for j, x := range s.x {
			b := uint64(s.b[j])
			bits[j] = b
			c[j] = x - 2*b*x // (1 − 2b)·x
			m.outs[i][j] = b * x
		}
		m.recv = append(m.recv, &cots{n: n, cols: 1, width: s.width, bits: bits, dst: m.outs[i]})
		m.send = append(m.send, &cots{n: n, cols: 1, width: s.width, c: c, dst: m.outs[i]})
	}
	return m
}

// result returns this party's half of each selection, reduced.
func (m *muxing) result() [][]uint64 {
	for i, s := range m.sel {
		reduce(m.outs[i], s.width)
	}
	return m.outs
}

// mux runs selections of any widths in one round trip.
func (p *Protocol) mux(sel []selection) ([][]uint64, error) {
	m := p.startMux(sel)
	if err := p.exchange(m.recv, m.send); err != nil {
		return nil, err
	}
	return m.result(), nil
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
	out, err := p.mux([]selection{{b: b.V, x: x.V, width: x.Width}})
	if err != nil {
		return share.Arith{}, fmt.Errorf("mux: %w", err)
	}
	return like(x, x.Width, out[0]), nil
}
