package ir

import (
	"fmt"
	"slices"
	"strings"
)

// A Kind says who knows a value.
type Kind uint8

// The kinds; the zero Kind is invalid.
const (
	Tensor  Kind = iota + 1 // in the clear, nn and fx stages
	Public                  // plan: both parties know it
	Private                 // plan: one party knows it
	AShare                  // plan: additive shares in Z_2^l
	BShare                  // plan: boolean shares
)

var kindNames = [...]string{"", "tensor", "public", "private", "ashare", "bshare"}

func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// KindNamed finds a kind by its text.
func KindNamed(s string) (Kind, bool) {
	i := slices.Index(kindNames[:], s)
	return Kind(max(i, 0)), i > 0
}

// An ElemKind is a family of element types.
type ElemKind uint8

// Element families: reals, fixed point in a ring, ring integers and bits.
const (
	F32 ElemKind = iota
	Fx
	Int
)

// An Elem is an element type: f32, fxL.F (Z_2^L with F fraction bits) or iL.
type Elem struct {
	Kind        ElemKind
	Width, Frac int
}

// F32Elem is the element of the nn stage.
func F32Elem() Elem { return Elem{} }

// FxElem is fixed point: width l in 1..64, f fraction bits.
func FxElem(l, f int) Elem { return Elem{Kind: Fx, Width: l, Frac: f} }

// IntElem is a ring integer or, with l = 1, a bit.
func IntElem(l int) Elem { return Elem{Kind: Int, Width: l} }

func (e Elem) String() string {
	switch e.Kind {
	case F32:
		return "f32"
	case Fx:
		return fmt.Sprintf("fx%d.%d", e.Width, e.Frac)
	}
	return fmt.Sprintf("i%d", e.Width)
}

func (e Elem) check() error {
	switch e.Kind {
	case F32:
		if e.Width != 0 || e.Frac != 0 {
			return fmt.Errorf("f32 has no width")
		}
	case Fx:
		if e.Width < 1 || e.Width > 64 {
			return fmt.Errorf("%s: width must be 1..64", e)
		}
		if e.Frac < 0 || e.Frac > e.Width-2 {
			return fmt.Errorf("%s: fraction bits must be 0..width-2", e)
		}
	case Int:
		if e.Width < 1 || e.Width > 64 || e.Frac != 0 {
			return fmt.Errorf("%s: width must be 1..64", e)
		}
	}
	return nil
}

// A Type is a kind, for private the party, a static shape and an element.
// Shapes are row-major; rank 0 is one element.
type Type struct {
	Kind  Kind
	Party string // of Private only
	Shape []int
	Elem  Elem
}

// TensorType is a value in the clear.
func TensorType(e Elem, shape ...int) Type { return Type{Kind: Tensor, Shape: shape, Elem: e} }

// ShareType is additive shares.
func ShareType(e Elem, shape ...int) Type { return Type{Kind: AShare, Shape: shape, Elem: e} }

// BitsType is boolean shares.
func BitsType(shape ...int) Type { return Type{Kind: BShare, Shape: shape, Elem: IntElem(1)} }

// PrivateType is a value that only party knows.
func PrivateType(party string, e Elem, shape ...int) Type {
	return Type{Kind: Private, Party: party, Shape: shape, Elem: e}
}

// IsZero reports whether t is the zero Type, which stands for "not stated".
func (t Type) IsZero() bool { return t.Kind == 0 }

// Rank is the number of axes.
func (t Type) Rank() int { return len(t.Shape) }

// Last is the length of the last axis, 1 for rank 0.
func (t Type) Last() int {
	if len(t.Shape) == 0 {
		return 1
	}
	return t.Shape[len(t.Shape)-1]
}

// NumElems is the product of the shape.
func (t Type) NumElems() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// WithElem is t with another element.
func (t Type) WithElem(e Elem) Type { t.Shape = slices.Clone(t.Shape); t.Elem = e; return t }

// WithShape is t with another shape.
func (t Type) WithShape(shape ...int) Type { t.Shape = slices.Clone(shape); return t }

// WithKind is t as another kind; party is only for Private.
func (t Type) WithKind(k Kind, party string) Type {
	t.Shape = slices.Clone(t.Shape)
	t.Kind, t.Party = k, party
	return t
}

// Equal compares everything.
func (t Type) Equal(u Type) bool {
	return t.Kind == u.Kind && t.Party == u.Party && t.Elem == u.Elem && slices.Equal(t.Shape, u.Shape)
}

// SameShape compares the shapes.
func (t Type) SameShape(u Type) bool { return slices.Equal(t.Shape, u.Shape) }

func (t Type) String() string {
	var b strings.Builder
	b.WriteString(t.Kind.String())
	b.WriteByte('<')
	if t.Party != "" {
		b.WriteString(t.Party)
		b.WriteString(", ")
	}
	for _, d := range t.Shape {
		fmt.Fprintf(&b, "%dx", d)
	}
	b.WriteString(t.Elem.String())
	b.WriteByte('>')
	return b.String()
}

// maxElems bounds the elements of one value: 2^31, far above any model's and
// low enough that index arithmetic cannot overflow.
const maxElems = 1 << 31

// Check reports what makes t ill-formed.
func (t Type) Check() error {
	if t.Kind < Tensor || t.Kind > BShare {
		return fmt.Errorf("type has no kind")
	}
	if (t.Kind == Private) != (t.Party != "") {
		return fmt.Errorf("%s: private types, and only they, name a party", t)
	}
	if t.Party != "" && t.Party != Client && t.Party != Server {
		return fmt.Errorf("%s: party must be client or server", t)
	}
	if t.Kind == BShare && t.Elem != IntElem(1) {
		return fmt.Errorf("%s: boolean shares hold i1", t)
	}
	if t.Kind == AShare && t.Elem.Kind != Fx {
		return fmt.Errorf("%s: additive shares hold fixed point", t)
	}
	n := 1
	for _, d := range t.Shape {
		if d < 1 {
			return fmt.Errorf("%s: every axis needs at least one element", t)
		}
		if d > maxElems/n {
			return fmt.Errorf("%s: more than 2^31 elements", t)
		}
		n *= d
	}
	if err := t.Elem.check(); err != nil {
		return err
	}
	return nil
}
