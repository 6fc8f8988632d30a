package baseot

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"filippo.io/edwards25519"
	"filippo.io/edwards25519/field"
)

// elementBytes is the size of an encoded group element.
const elementBytes = 32

// An element of ristretto255, the prime-order group that RFC 9496 builds from
// edwards25519: a point stands for its whole coset of the torsion subgroup, so
// there is no cofactor to think of, and each element has exactly one encoding.
// All operations run in constant time; decoding reveals whether it failed.
type element struct {
	p edwards25519.Point
}

var errEncoding = errors.New("not the canonical encoding of a ristretto255 element")

// The constants of RFC 9496, section 4.1.
var (
	feOne          = new(field.Element).One()
	feMinusOne     = new(field.Element).Negate(feOne)
	feD            = decimal("37095705934669439343138083508754565189542113879843219016388785533085940283555")
	feSqrtM1       = decimal("19681161376707505956807079304988542015446066515923890162744021073123829784752")
	feSqrtADM1     = decimal("25063068953384623474111414158702152701244531502492656460079210482610430750235")
	feInvSqrtAMD   = decimal("54469307008909316920995813868745141605393597292927456921205312896311721017578")
	feOneMinusDSq  = decimal("1159843021668779879193775521855586647937357759715417654439879720876111806838")
	feDMinusOneSq  = decimal("40440834346308536858101042469323190826248399146238708352240133220865137265952")
	feZeroEncoding = new(field.Element).Bytes()
)

func decimal(s string) *field.Element {
	n, ok := new(big.Int).SetString(s, 10)
	if !ok {
		panic("baseot: internal error: bad constant " + s)
	}
	b := n.FillBytes(make([]byte, 32))
	slices.Reverse(b)
	e, err := new(field.Element).SetBytes(b)
	if err != nil {
		panic(fmt.Sprintf("baseot: internal error: %v", err))
	}
	return e
}

// decode is RFC 9496, section 4.3.1. It accepts the canonical encodings and
// nothing else.
func (e *element) decode(in []byte) error {
	if len(in) != elementBytes {
		return errEncoding
	}
	s, err := new(field.Element).SetBytes(in)
	if err != nil || !bytes.Equal(s.Bytes(), in) || s.IsNegative() == 1 {
		return errEncoding
	}
	ss := new(field.Element).Square(s)
	u1 := new(field.Element).Subtract(feOne, ss)
	u2 := new(field.Element).Add(feOne, ss)
	u2Sq := new(field.Element).Square(u2)
	v := new(field.Element).Square(u1)
	v.Multiply(v, feD).Negate(v).Subtract(v, u2Sq) // -(D·u1²) - u2²

	invSqrt, wasSquare := new(field.Element).SqrtRatio(feOne, new(field.Element).Multiply(v, u2Sq))
	denX := new(field.Element).Multiply(invSqrt, u2)
	denY := new(field.Element).Multiply(invSqrt, denX)
	denY.Multiply(denY, v)

	x := new(field.Element).Add(s, s)
	x.Multiply(x, denX).Absolute(x)
	y := new(field.Element).Multiply(u1, denY)
	t := new(field.Element).Multiply(x, y)
	if wasSquare == 0 || t.IsNegative() == 1 || bytes.Equal(y.Bytes(), feZeroEncoding) {
		return errEncoding
	}
	return e.set(x, y, feOne, t)
}

// encode is RFC 9496, section 4.3.2.
func (e *element) encode() []byte {
	x0, y0, z0, t0 := e.p.ExtendedCoordinates()
	u1 := new(field.Element).Add(z0, y0)
	u1.Multiply(u1, new(field.Element).Subtract(z0, y0))
	u2 := new(field.Element).Multiply(x0, y0)

	v := new(field.Element).Square(u2)
	invSqrt, _ := new(field.Element).SqrtRatio(feOne, v.Multiply(v, u1))
	den1 := new(field.Element).Multiply(invSqrt, u1)
	den2 := new(field.Element).Multiply(invSqrt, u2)
	zInv := new(field.Element).Multiply(den1, den2)
	zInv.Multiply(zInv, t0)

	ix0 := new(field.Element).Multiply(x0, feSqrtM1)
	iy0 := new(field.Element).Multiply(y0, feSqrtM1)
	enchanted := new(field.Element).Multiply(den1, feInvSqrtAMD)

	rotate := new(field.Element).Multiply(t0, zInv).IsNegative()
	x := new(field.Element).Select(iy0, x0, rotate)
	y := new(field.Element).Select(ix0, y0, rotate)
	denInv := new(field.Element).Select(enchanted, den2, rotate)

	negate := new(field.Element).Multiply(x, zInv).IsNegative()
	y.Select(new(field.Element).Negate(y), y, negate)

	s := new(field.Element).Subtract(z0, y)
	s.Multiply(s, denInv)
	return s.Absolute(s).Bytes()
}

// setUniform is the one-way map of RFC 9496, section 4.3.4: 64 uniform bytes
// give a uniform element whose discrete logarithm nobody knows.
func (e *element) setUniform(in *[64]byte) error {
	var halves [2]element
	for i := range halves {
		// SetBytes drops the top bit and reduces, as the RFC asks.
		t, err := new(field.Element).SetBytes(in[32*i : 32*i+32])
		if err != nil {
			return err
		}
		if err := halves[i].mapToCurve(t); err != nil {
			return err
		}
	}
	e.p.Add(&halves[0].p, &halves[1].p)
	return nil
}

func (e *element) mapToCurve(t *field.Element) error {
	r := new(field.Element).Square(t)
	r.Multiply(r, feSqrtM1)
	u := new(field.Element).Add(r, feOne)
	u.Multiply(u, feOneMinusDSq)
	v := new(field.Element).Multiply(r, feD)
	v.Subtract(feMinusOne, v)
	v.Multiply(v, new(field.Element).Add(r, feD)) // (-1 - r·D)(r + D)

	s, wasSquare := new(field.Element).SqrtRatio(u, v)
	sPrime := new(field.Element).Multiply(s, t)
	sPrime.Absolute(sPrime).Negate(sPrime)
	s.Select(s, sPrime, wasSquare)
	c := new(field.Element).Select(feMinusOne, r, wasSquare)

	n := new(field.Element).Subtract(r, feOne)
	n.Multiply(n, c).Multiply(n, feDMinusOneSq).Subtract(n, v)

	sSq := new(field.Element).Square(s)
	w0 := new(field.Element).Add(s, s)
	w0.Multiply(w0, v)
	w1 := new(field.Element).Multiply(n, feSqrtADM1)
	w2 := new(field.Element).Subtract(feOne, sSq)
	w3 := new(field.Element).Add(feOne, sSq)
	return e.set(
		new(field.Element).Multiply(w0, w3),
		new(field.Element).Multiply(w2, w1),
		new(field.Element).Multiply(w1, w3),
		new(field.Element).Multiply(w0, w2))
}

func (e *element) set(x, y, z, t *field.Element) error {
	if _, err := e.p.SetExtendedCoordinates(x, y, z, t); err != nil {
		return fmt.Errorf("point off the curve: %w", err)
	}
	return nil
}

// isIdentity tells whether e is the neutral element, whose encoding is zero.
func (e *element) isIdentity() bool { return bytes.Equal(e.encode(), feZeroEncoding) }
