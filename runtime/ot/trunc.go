package ot

import (
	"fmt"

	"nimbus/internal/fixed"
	"nimbus/internal/z2k"
	"nimbus/runtime/share"
)

// truncation is a Trunc under way: its OTs can share a round with others.
type truncation struct {
	p           *Protocol
	l, bits, to int
	offset      uint64   // what makes every value's top bit 1
	y, wrap     []uint64 // with offset; shares of the wrap
	out         []uint64 // already there if local
}

// startTrunc prepares the truncation of x in Z_2^l; widths are checked.
func (p *Protocol) startTrunc(x []uint64, l, bits, to int) *truncation {
	return p.startTruncFrom(x, l, bits, to, -int64(uint64(1)<<(l-1)>>1))
}

// startTruncFrom is startTrunc for values of at least least, a multiple of 2^bits
// and at most 0, and less than least + 2^(l−1) − 2^bits + 1.
func (p *Protocol) startTruncFrom(x []uint64, l, bits, to int, least int64) *truncation {
	t := &truncation{p: p, l: l, bits: bits, to: to, offset: 1<<(l-1) - uint64(least)}
	t.y = make([]uint64, len(x))
	var add uint64
	if !p.server() {
		add = 1<<bits - 1
	} else if to > l-bits {
		add = t.offset
	}
	for i, v := range x {
		t.y[i] = (v + add) & z2k.Mask(l)
	}
	if to <= l-bits {
		t.out = t.y
		for i, v := range t.y {
			t.out[i] = v >> bits & z2k.Mask(to)
		}
		return t
	}
	t.wrap = make([]uint64, len(x))
	return t
}

// ots returns the OTs, none if the truncation is local.
func (t *truncation) ots() []ots {
	if t.out != nil || len(t.y) == 0 {
		return nil
	}
	c := &cots{n: len(t.y), cols: 1, width: t.to - (t.l - t.bits), dst: t.wrap}
	if t.p.server() {
		c.c = make([]uint64, len(t.y))
		for i, v := range t.y {
			c.c[i] = v >> (t.l - 1)
		}
	} else {
		c.bits, c.bit = t.y, t.l-1
	}
	return []ots{c}
}

// result is this party's half, after the exchange.
func (t *truncation) result() []uint64 {
	if t.out != nil {
		return t.out
	}
	var sub uint64
	if t.p.server() {
		sub = t.offset >> t.bits
	}
	out := make([]uint64, len(t.y))
	for i, v := range t.y {
		out[i] = (v>>t.bits - t.wrap[i]<<(t.l-t.bits) - sub) & z2k.Mask(t.to)
	}
	return out
}

// truncAll runs truncations in one round trip, or none if all are local.
func (p *Protocol) truncAll(ts ...*truncation) error {
	var all []ots
	for _, t := range ts {
		all = append(all, t.ots()...)
	}
	if len(all) == 0 {
		return p.err
	}
	return p.exchange(p.serverSends(all...))
}

// Trunc drops the low bits of a shared value and moves it to another ring.
//
//	[x >> s]_A, width l' ← Trunc([x]_A, s, l')     within 1 ulp of rounding,
//	                                               no bias, exact if 2^s | x
//
// for |x| < 2^(l−2) − 2^s. Adding the offset 2^(l−1) + 2^(l−2) sets the top bit
// of x, so that the shares wrap exactly if both have their top bits set:
//
//  1. y = x + 2^s − 1 (client) + offset (server)
//  2. w = top(y0)·top(y1), one COT, mod 2^(l'−l+s)
//  3. x >> s = (y0 >> s) + (y1 >> s) − w·2^(l−s) − (offset >> s)   mod 2^l'
//
// The carry of the dropped bits is left out: with the 2^s − 1 it makes the
// result the ceiling, or the floor, of x/2^s with the probabilities whose mean
// is x/2^s. Where l' <= l−s only step 3 without w is needed: no message, no
// bound on x. s = 0 extends or reduces, exactly.
//
//	Client                              Server
//	top(y0) as choices           ──▶
//	                             ◀──    top(y1) as corrections
//
// Reference: Cheetah, section 5 (one-bit approximate truncation, known sign).
// Cost: cost.TruncCost.
func (p *Protocol) Trunc(x share.Arith, bits, to int) (share.Arith, error) {
	if err := check("trunc", x); err != nil {
		return share.Arith{}, err
	}
	if err := fixed.CheckTrunc(x.Width, bits, to); err != nil {
		return share.Arith{}, fmt.Errorf("trunc: %w", err)
	}
	t := p.startTrunc(x.V, x.Width, bits, to)
	if err := p.truncAll(t); err != nil {
		return share.Arith{}, fmt.Errorf("trunc: %w", err)
	}
	return like(x, to, t.result()), nil
}
