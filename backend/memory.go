package backend

import (
	"nimbus/backend/cost"
)

// Bounds of what a session keeps ahead, as in the runtime.
const (
	maxPool  = 64 << 20 // correlated OTs
	maxZeros = 64 << 20 // bytes of encryptions of zero
)

// cotBytes is what a correlated OT takes in a pool: a key, and a choice bit for
// those received.
const cotBytes = 17

// Memory estimates the most that a client keeps at a time, and a server about as
// much: pools of correlated OTs and encryptions of zero, products made ahead, encrypted weights, which
// are mapped, and what the largest op works on. The program and its garbage come
// on top.
func (a *Account) Memory() int64 {
	var ahead, products, largest int64
	for _, o := range a.Ops {
		w := o.Cost.Work
		if o.Op.Attrs.Bool("ahead") {
			products += 8 * int64(o.Op.Result().Type.NumElems())
		} else {
			ahead += 8 * w.Ahead[cost.Zero]
		}
		held := o.Cost.Bytes() + o.Cost.AheadC2S + o.Cost.AheadS2C
		switch o.Op.Name {
		case "he.matmul": // a residue of every coefficient of every sum
			if l, err := cost.LinearOf(o.Op); err == nil {
				held += 8 * (w.Client[cost.MAC] + w.Ahead[cost.MAC]) / int64(l.Ciphertexts())
			}
		default:
			held += 8 * (w.Client[cost.Unpack] + w.Client[cost.Expand])
		}
		largest = max(largest, held)
	}
	return min(a.Online.COTs(), maxPool)*cotBytes + min(ahead, maxZeros) + products + a.Online.Setup + largest
}
