package he

import (
	"nimbus/internal/packing"
	"nimbus/runtime/transport"
)

// transformed is [linear.accumulate] and [linear.pack] in one, by transforms: the rows of a response times the ciphertext
// of weight row b are one product,
//
//	Σ_t X_c[t][b]·X^(t·n)·c_b = (Σ_t X_c[t][b]·X^(t·n))·c_b
//
// so a response takes K transforms of X_c and two back for each limb, whatever T is. The result is the same modulo every
// prime.
func (m *linear) transformed(conn transport.Conn, rows *matMulRows, b int, xs []int64) (multiplier, error) {
	p, n, st := m.p, m.lay.Block(b).Len, m.stored(b)
	one := *m // the ciphertexts themselves, as their product with the identity
	one.M, one.lay.M = m.K, m.K
	identity := make([]int64, m.K*m.K)
	for k := range m.K {
		identity[k*m.K+k] = 1
	}
	cts, err := one.accumulate(conn, rows, b, identity)
	if err != nil {
		return nil, err
	}
	ct0, ct1 := make([]poly, m.K), make([]poly, m.K)
	parallel(m.K, func(k int) error {
		ct0[k], ct1[k] = newPoly(len(p.limbs), p.n), newPoly(len(p.limbs), p.n)
		for i := range p.limbs {
			row, tr := cts[i].Row(k), p.limbs[i].tr
			for j, c := range row[:st.Len] {
				ct0[k][i][(st.Start+j)%p.n] = c
			}
			copy(ct1[k][i], row[m.second(b):])
			for _, c := range [][]uint64{ct0[k][i], ct1[k][i]} {
				tr.Forward(c)
				tr.Form(c)
			}
		}
		return nil
	})
	p.release(cts)
	return func(group packing.Span) (acc0, acc1 poly) {
		acc0, acc1 = p.borrow(len(p.limbs)), p.borrow(len(p.limbs))
		x := make([]uint64, p.n)
		for i := range p.limbs {
			l := &p.limbs[i]
			for k := range m.K {
				clear(x)
				for t := range group.Len {
					x[t*n] = l.mod.Reduce(0, l.mod.MontSigned(xs[(group.Start+t)*m.K+k]))
				}
				l.tr.Forward(x)
				l.tr.MulAdd(acc0[i], x, ct0[k][i])
				l.tr.MulAdd(acc1[i], x, ct1[k][i])
			}
			l.tr.Inverse(acc0[i])
			l.tr.Inverse(acc1[i])
			acc0[i] = acc0[i][:group.Len*n]
		}
		return acc0, acc1
	}, nil
}
