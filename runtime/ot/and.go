package ot

import (
	"fmt"
	"slices"

	"nimbus/internal/tensor"
	"nimbus/runtime/share"
)

// And multiplies bits.
//
//	[a·b]_B ← And([a]_B, [b]_B)      exact
//
// With a = a0 ⊕ a1 and b = b0 ⊕ b1,
//
//	a·b = a0·b0 ⊕ a1·b1 ⊕ a0·b1 ⊕ a1·b0
//
// so each party multiplies its own halves, and is the receiver of one COT per
// bit with its half of a as the choice, and the sender of one with its half of b
// as the correction: two bits each way, one round trip.
//
// Shapes are equal, as is the result's. Reference: Gilboa (CRYPTO 1999), which
// is GMW's product from OT, with correlated OTs (Asharov, Lindell, Schneider,
// Zohner, CCS 2013). Cost: cost.AndCost.
func (p *Protocol) And(a, b share.Bool) (share.Bool, error) {
	n := len(a.V)
	if !slices.Equal(a.Shape, b.Shape) || len(b.V) != n || tensor.NumElems(a.Shape) != n {
		return share.Bool{}, fmt.Errorf("and: %v and %v: want equal shapes", a, b)
	}
	out := share.NewBool(a.Shape...)
	if n == 0 {
		return out, nil
	}
	words := make([]uint64, 3*n)
	bits, c, dst := words[:n], words[n:2*n], words[2*n:]
	for i, x := range a.V {
		bits[i], c[i] = uint64(x&1), uint64(b.V[i]&1)
		dst[i] = bits[i] & c[i]
	}
	recv := &cots{n: n, cols: 1, width: 1, xor: true, bits: bits, dst: dst}
	send := &cots{n: n, cols: 1, width: 1, xor: true, c: c, dst: dst}
	if err := p.exchange([]ots{recv}, []ots{send}); err != nil {
		return share.Bool{}, fmt.Errorf("and: %w", err)
	}
	for i, x := range dst {
		out.V[i] = uint8(x) & 1
	}
	return out, nil
}
