package ot

import (
	"fmt"

	"nimbus/internal/fixed"
	"nimbus/internal/tensor"
	"nimbus/internal/z2k"
	"nimbus/runtime/share"
)

// Max finds the largest element along the last axis, which becomes 1.
//
//	[max_j x_j]_A ← Max([x]_A)      layout as fixed.NewMaxLayout reads it
//
// exact with Drop = 0, otherwise at most ceil(log2 n)·2^Drop too small; the
// result is always one of the elements. All differences must lie in the range
// that CmpOpts states. A tournament whose levels the layout gives, on
// y_j = x_j − x_1 in a ring of Keep+Drop+1 bits:
//
//  1. All pairs i < j of a group of 2 to 4 neighbours are compared at once,
//     b_ij = 1{y_i >= y_j}. In the last level the y_j are extended to the ring
//     of x beside it, one COT each.
//  2. Element i < g wins where b_ij = 1 for j > i and b_ji = 0 for j < i. The
//     group's largest is y_g + Σ_i win_i·(y_i − y_g), each product being a 1-of-2^k
//     OT in each direction, the k = g − 1 bits being the index. A group of two
//     may leave its comparison's digits unjoined, and have them as the index.
//
// An element without neighbour passes. Cost: cost.MaxCost.
func (p *Protocol) Max(x share.Arith, o CmpOpts, stated []int) (share.Arith, error) {
	if err := check("max", x); err != nil {
		return share.Arith{}, err
	}
	o, err := o.Resolve(x.Width)
	if err != nil {
		return share.Arith{}, fmt.Errorf("max: %v: %w", x, err)
	}
	_, cols := tensor.Last(x.Shape)
	if len(x.Shape) == 0 || cols == 0 {
		return share.Arith{}, fmt.Errorf("max: %v: want a last axis with at least one element", x)
	}
	layout, err := fixed.NewMaxLayout(cols, x.Width, o, stated)
	if err != nil {
		return share.Arith{}, fmt.Errorf("max: %v: %w", x, err)
	}
	cur := make([]uint64, len(x.V))
	for i, v := range x.V {
		cur[i] = (v - x.V[i/cols*cols]) & z2k.Mask(layout.Width)
	}
	for i, l := range layout.Levels {
		m := maxLevel{p: p, MaxLevel: l, rows: len(x.V) / cols, width: layout.Width, x: cur}
		if i == len(layout.Levels)-1 {
			m.extend = x.Width
		}
		if cur, err = m.run(o); err != nil {
			return share.Arith{}, fmt.Errorf("max: %w", err)
		}
	}
	for r := range cur {
		cur[r] += x.V[r*cols]
	}
	res := like(x, x.Width, cur)
	res.Shape[len(res.Shape)-1] = 1
	return res, nil
}

// maxLevel is one level of the tournament, on x, [rows, Cols].
type maxLevel struct {
	fixed.MaxLevel
	p      *Protocol
	rows   int
	width  int // of x
	extend int // width to extend to, 0: none
	x      []uint64
}

// run returns the winners, [rows, groups].
func (m *maxLevel) run(o CmpOpts) ([]uint64, error) {
	groups := m.Groups()
	pairs := 0
	for _, g := range groups {
		pairs += fixed.Pairs(g)
	}
	d := make([]uint64, 0, m.rows*pairs)
	for r := range m.rows {
		row, at := m.x[r*m.Cols:(r+1)*m.Cols], 0
		for _, g := range groups {
			for i := range g {
				for j := i + 1; j < g; j++ {
					d = append(d, (row[at+i]-row[at+j])&z2k.Mask(m.width))
				}
			}
			at += g
		}
	}
	var cut []int64
	if m.p.server() {
		cut = []int64{0}
	}
	o.Layout = m.Cmp
	cmp := m.p.startCmp(d, m.width, cut, 1, o)
	first := cmp.ots()
	var ext *truncation
	if m.extend > m.width {
		ext = m.p.startTrunc(m.x, m.width, 0, m.extend)
		first = append(first, ext.ots()...)
	}
	if len(first) > 0 {
		if err := m.p.exchange(m.p.serverSends(first...)); err != nil {
			return nil, err
		}
	}
	if ext != nil {
		m.x, m.width = ext.result(), m.extend
	}
	if m.Cmp.Join == fixed.Selection {
		return m.winners(cmp.unjoined(cmp.index()))
	}
	bits, err := cmp.result()
	if err != nil {
		return nil, err
	}
	index := make([]uint64, len(bits))
	for i, b := range bits {
		index[i] = uint64(b)
	}
	return m.winners(index)
}

// winners selects by the comparisons' bits, or, in a merged level, by their
// unjoined indices.
func (m *maxLevel) winners(bits []uint64) ([]uint64, error) {
	var sel []selection // of groups of each size
	var sizes []int
	groups := m.Groups()
	for _, g := range []int{m.Group, groups[len(groups)-1]} {
		if g == 1 || len(sizes) == 1 && sizes[0] == g {
			continue
		}
		s := selection{width: m.width, k: m.Selector(g), truth: both(g - 1), index: []uint64{}}
		if m.Cmp.Join == fixed.Selection {
			s.truth = selects
		}
		sizes, sel = append(sizes, g), append(sel, s)
	}
	// own visits the groups of one size: where its elements and comparisons are.
	own := func(size int, f func(row, group, at, pair int)) {
		pair := 0
		for r := range m.rows {
			at := r * m.Cols
			for i, g := range groups {
				if g == size {
					f(r, i, at, pair)
				}
				at, pair = at+g, pair+fixed.Pairs(g)
			}
		}
	}
	var flip uint64 // negates a bit
	if m.p.server() {
		flip = 1
	}
	for i, g := range sizes {
		s := &sel[i]
		own(g, func(_, _, at, pair int) {
			last := m.x[at+g-1]
			for e := range g - 1 {
				s.x = append(s.x, (m.x[at+e]-last)&z2k.Mask(m.width))
				var index uint64
				if g == 2 {
					index = bits[pair]
				} else {
					index = wins(bits[pair:], g, e, flip)
				}
				s.index = append(s.index, index)
			}
		})
		if s.k == 1 { // the same with fewer hashes
			s.b = make([]uint8, len(s.index))
			for j, b := range s.index {
				s.b[j] = uint8(b)
			}
			s.index = nil
		}
	}
	won, err := m.p.mux(sel)
	if err != nil {
		return nil, err
	}
	out := make([]uint64, m.rows*len(groups))
	own(1, func(row, group, at, _ int) { out[row*len(groups)+group] = m.x[at] })
	for i, g := range sizes {
		next := won[i]
		own(g, func(row, group, at, _ int) {
			sum := m.x[at+g-1]
			for _, v := range next[:g-1] {
				sum += v
			}
			next = next[g-1:]
			out[row*len(groups)+group] = sum & z2k.Mask(m.width)
		})
	}
	return out, nil
}

// wins returns this party's half of the bits that are all 1 if element e of a
// group of g wins: its comparisons, those against earlier elements negated.
func wins(pairs []uint64, g, e int, flip uint64) (index uint64) {
	k, n := 0, 0
	for i := range g {
		for j := i + 1; j < g; j++ {
			switch e {
			case i:
				index |= pairs[k] << n
				n++
			case j:
				index |= (pairs[k] ^ flip) << n
				n++
			}
			k++
		}
	}
	return index
}
