package cost

import "nimbus/internal/packing"

// Ahead moves all that a product's protocol does before the input is known,
// where it runs on masks: the formulas of runtime/he/ahead.go.

// ahead is the cost of a protocol that runs before the input is known.
func (c Cost) ahead() Cost {
	w := Work{Ahead: c.Work.Ahead.plus(c.Work.Path), Setup: c.Work.Setup}
	return Cost{
		AheadC2S: c.C2S, AheadS2C: c.S2C, AheadChain: c.Chain,
		HEEnc: c.HEEnc, HEMul: c.HEMul, HEAdd: c.HEAdd, HEDec: c.HEDec, Setup: c.Setup, Work: w,
	}
}

// MatMulAhead is the cost of x[m][k] times the server's weight [k][n], of width
// bits, where c is that of the product of masks: the client sends x - r.
func (c Cost) MatMulAhead(m, k, n, width int) Cost {
	bytes := packed(m*k, width)
	var client, server Counts
	client[Value] = int64(m) * int64(k)
	server[Value] = client[Value]
	server[Product] = int64(m) * int64(k) * int64(n)
	return c.ahead().With(Cost{C2S: bytes, Chain: toServer, Work: inTurn(client, server, bytes)})
}

// MatMulSSAhead is the cost of batch products of shared matrices of width bits,
// where c is that of the products of masks: both parties send x - a and y - b.
func (c Cost) MatMulSSAhead(batch, width int, p packing.Product) Cost {
	values := batch * (p.Rows*p.Inner + p.Inner*p.Cols)
	bytes := packed(values, width)
	var each Counts
	each[Value] = 2 * int64(values)
	each[Product] = 2 * int64(batch) * int64(p.Rows) * int64(p.Inner) * int64(p.Cols)
	return c.ahead().With(Cost{C2S: bytes, S2C: bytes, Chain: crossing, Work: atOnce(each, bytes)})
}
