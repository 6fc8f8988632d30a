package he

import (
	"github.com/tuneinsight/lattigo/v5/ring"

	"nimbus/internal/kernel"
)

// transform multiplies polynomials of one limb. Transformed coefficients are in an order of the transform's own, and a
// product's second factor must have been brought into its form: nothing transformed leaves this process.
type transform interface {
	Forward(a []uint64)
	ForwardShort(a []uint64, used int) // of a whose coefficients from used on are zero
	Inverse(a []uint64)
	Form(a []uint64)
	Mul(dst, a, b []uint64)
	MulAdd(dst, a, b []uint64)
}

// newTransform is the vector kernel's where this machine has one for the prime, else lattigo's. A test holds them equal.
func newTransform(sub *ring.SubRing) transform {
	if t := kernel.NewNTT(sub.Modulus, sub.N); t != nil {
		return t
	}
	return lattigo{sub}
}

type lattigo struct{ sub *ring.SubRing }

func (t lattigo) Forward(a []uint64)             { t.sub.NTT(a, a) }
func (t lattigo) ForwardShort(a []uint64, _ int) { t.Forward(a) }
func (t lattigo) Inverse(a []uint64)             { t.sub.INTT(a, a) }
func (t lattigo) Form(a []uint64)                { t.sub.MForm(a, a) }
func (t lattigo) Mul(dst, a, b []uint64)         { t.sub.MulCoeffsMontgomery(a, b, dst) }
func (t lattigo) MulAdd(dst, a, b []uint64)      { t.sub.MulCoeffsMontgomeryThenAdd(a, b, dst) }
