package he

import (
	"nimbus/internal/packing"
	"nimbus/runtime/transport"
)

// transformed is [linear.accumulate] and [linear.pack] in one, by transforms: the rows of a response times a ciphertext
// are one product, so a response takes a transform of X_c for each ciphertext, and two back, for each limb, whatever T is.
func (m *linear) transformed(conn transport.Conn, rows *matMulRows, b int, xs []int64) (multiplier, error) {
	p, n, st, cts := m.p, m.lay.Block(b).Len, m.stored(b), m.lay.Ciphertexts()
	at, stack := m.lay.At(b, m.T), m.lay.Stack()
	identity := make([]int64, cts*cts)
	for r := range cts {
		identity[r*cts+r] = 1
	}
	read, err := m.accumulate(conn, rows, b, m.integers(identity, cts, cts)) // the ciphertexts themselves
	if err != nil {
		return nil, err
	}
	ct0, ct1 := make([]poly, cts), make([]poly, cts)
	parallel(cts, func(k int) error {
		ct0[k], ct1[k] = newPoly(len(p.limbs), p.n), newPoly(len(p.limbs), p.n)
		for i := range p.limbs {
			row, tr := read[i].Row(k), p.limbs[i].tr
			for j, c := range row[:st.Len] {
				ct0[k][i][(st.Start+j)%p.n] = c
			}
			copy(ct1[k][i], row[m.second(b, 1):])
			for _, c := range [][]uint64{ct0[k][i], ct1[k][i]} {
				tr.Forward(c)
				tr.Form(c)
			}
		}
		return nil
	})
	p.release(read)
	return func(group packing.Span) (acc0, acc1 poly) {
		acc0, acc1 = p.borrow(len(p.limbs)), p.borrow(len(p.limbs))
		x := make([]uint64, p.n)
		for i := range p.limbs {
			l := &p.limbs[i]
			for k := range cts {
				clear(x)
				for t := range group.Len {
					for s := range min(stack, m.K-k*stack) {
						v := xs[(group.Start+t)*m.K+k*stack+s]
						power := (t*stack - s) * n
						if power < 0 { // X^-power is -X^(N-power)
							power, v = power+p.n, -v
						}
						x[power] = l.mod.Reduce(0, l.mod.MontSigned(v))
					}
				}
				l.tr.Forward(x)
				l.tr.MulAdd(acc0[i], x, ct0[k][i])
				l.tr.MulAdd(acc1[i], x, ct1[k][i])
			}
			l.tr.Inverse(acc0[i])
			l.tr.Inverse(acc1[i])
			acc0[i] = gather(acc0[i], at[:group.Len*n])
		}
		return acc0, acc1
	}, nil
}
