package he

import (
	"nimbus/internal/kernel"
	"nimbus/internal/packing"
	"nimbus/runtime/transport"
)

// split is [linear.accumulate] and [linear.pack] in one, in classes of the ring: the factors of [packing.Linear] are
// polynomials in Y = X^(N/classes), and in each class a number. A response takes one multiplication of each ciphertext,
// whatever T is, beside the levels of a transform that bring ciphertexts into classes and responses back.
func (m *linear) split(conn transport.Conn, rows *matMulRows, b int, xs []int64) (multiplier, func(), error) {
	p, at, stack := m.p, m.lay.At(b, m.T), m.lay.Stack()
	f := factor{rows: m.lay.Groups()}
	for i := range p.limbs {
		step := m.lay.Block(b).Len / (p.n / m.classes)
		f.splits = append(f.splits, kernel.NewSplit(p.limbs[i].mod, m.classes, m.T, stack, step))
	}
	f.scalars = func(r0, r, limb int) []*kernel.Scalars {
		return f.splits[limb].Scalars(xs[r0*stack:], m.M, min(r*stack, m.K-r0*stack), m.K)
	}
	acc, err := m.accumulate(conn, rows, b, f)
	multiply := func(group packing.Span) (acc0, acc1 poly) {
		acc0, acc1 = p.borrow(len(p.limbs)), p.borrow(len(p.limbs))
		for i, s := range f.splits {
			row := acc[i].Row(group.Start / m.T)
			copy(acc0[i], row)
			copy(acc1[i], row[p.n:])
			s.Inverse(acc0[i])
			s.Inverse(acc1[i])
			acc0[i] = gather(acc0[i], at[:group.Len*m.lay.Block(b).Len])
		}
		return acc0, acc1
	}
	return multiply, func() { p.release(acc) }, err
}

// gather moves the coefficients at positions at, which ascend, to the front of x, and returns them.
func gather(x []uint64, at []int) []uint64 {
	for i, j := range at {
		x[i] = x[j]
	}
	return x[:len(at)]
}
