package ir

import (
	"errors"
	"fmt"
	"slices"
)

// Result types of fx and plan ops, which share their functions.

// sameElem: both arguments have one element type.
func sameElem(o *Op) error {
	if a, b := arg(o, 0).Elem, arg(o, 1).Elem; a != b {
		return fmt.Errorf("widths and fraction bits must agree: %s and %s", a, b)
	}
	return nil
}

// rowOrSame: b has a's shape, or a's shape with a last axis of one.
func rowOrSame(a, b Type) error {
	if a.SameShape(b) {
		return nil
	}
	n := a.Rank()
	if n > 0 && b.Rank() == n && b.Shape[n-1] == 1 && slices.Equal(a.Shape[:n-1], b.Shape[:n-1]) {
		return nil
	}
	return fmt.Errorf("%s must have the shape of %s, or that with a last axis of 1", b, a)
}

func inferAdd(o *Op) ([]Type, error) {
	if !arg(o, 0).SameShape(arg(o, 1)) {
		return nil, fmt.Errorf("shapes differ: %s and %s", arg(o, 0), arg(o, 1))
	}
	return one(arg(o, 0), sameElem(o))
}

func inferSub(o *Op) ([]Type, error) {
	if err := rowOrSame(arg(o, 0), arg(o, 1)); err != nil {
		return nil, err
	}
	return one(arg(o, 0), sameElem(o))
}

func inferAddBias(o *Op) ([]Type, error) {
	x, b := arg(o, 0), arg(o, 1)
	if !b.SameShape(x) {
		if err := lastMatches("the bias", b, x); err != nil {
			return nil, err
		}
	}
	return one(x, sameElem(o))
}

func inferMul(o *Op) ([]Type, error) {
	a, b := arg(o, 0), arg(o, 1)
	if o.W(1) != nil {
		if err := lastMatches("the factor", b, a); err != nil {
			return nil, err
		}
		if b.Elem.Width > a.Elem.Width {
			return nil, fmt.Errorf("the factor, %s, is wider than %s", b.Elem, a.Elem)
		}
	} else {
		if err := rowOrSame(a, b); err != nil {
			return nil, err
		}
		if b.Elem.Width != a.Elem.Width {
			return nil, fmt.Errorf("widths differ: %s and %s", a.Elem, b.Elem)
		}
	}
	return one(a.WithElem(productElem(a.Elem, b.Elem.Frac)), nil)
}

func inferMulConst(o *Op) ([]Type, error) {
	f := o.Attrs.Int("frac", 0)
	if f < 0 || f > 62 {
		return nil, fmt.Errorf("frac = %d must be 0..62", f)
	}
	x := arg(o, 0)
	return one(x.WithElem(productElem(x.Elem, f)), nil)
}

func bitsAttr(o *Op, most int) (int, error) {
	n := o.Attrs.Int("bits", 0)
	if n < 0 || n > most {
		return 0, fmt.Errorf("bits = %d must be 0..%d", n, most)
	}
	return n, nil
}

func inferShl(o *Op) ([]Type, error) {
	x := arg(o, 0)
	n, err := bitsAttr(o, 62)
	return one(x.WithElem(FxElem(x.Elem.Width, x.Elem.Frac+n)), err)
}

func inferNumber(o *Op) ([]Type, error) {
	x := arg(o, 0)
	n, err := bitsAttr(o, 32)
	if err == nil && (x.Rank() == 0 || n < 1 || x.Last() > 1<<(n-1)) {
		err = fmt.Errorf("%d bits do not number the last axis of %s", n, x)
	}
	return one(x.WithElem(FxElem(x.Elem.Width, x.Elem.Frac+n)), err)
}

func inferLow(o *Op) ([]Type, error) {
	x := arg(o, 0)
	n, err := bitsAttr(o, x.Elem.Width)
	return one(x.WithElem(FxElem(n, 0)), err)
}

func inferShrink(o *Op) ([]Type, error) {
	x := arg(o, 0)
	n, err := bitsAttr(o, x.Elem.Frac)
	return one(x.WithElem(FxElem(x.Elem.Width-n, x.Elem.Frac-n)), err)
}

// stated checks that the stated result has x's kind and shape and the given
// fraction bits (any if negative), with a width in lo..hi.
func stated(o *Op, x Type, frac, lo, hi int) ([]Type, error) {
	t := o.Results[0].Type
	if t.Kind != x.Kind || !t.SameShape(x) || t.Elem.Kind != Fx {
		return nil, fmt.Errorf("the result, %s, must have the kind and shape of %s", t, x)
	}
	if frac >= 0 && t.Elem.Frac != frac {
		return nil, fmt.Errorf("the result, %s, must have %d fraction bits", t, frac)
	}
	if t.Elem.Width < lo || t.Elem.Width > hi {
		return nil, fmt.Errorf("the result, %s, must be %d to %d bits wide", t, lo, hi)
	}
	return one(t, nil)
}

func inferReduce(o *Op) ([]Type, error) {
	x := arg(o, 0)
	return stated(o, x, x.Elem.Frac, 1, x.Elem.Width)
}

func inferExtend(o *Op) ([]Type, error) {
	x := arg(o, 0)
	return stated(o, x, x.Elem.Frac, x.Elem.Width, 64)
}

func inferTrunc(o *Op) ([]Type, error) {
	x := arg(o, 0)
	n, err := bitsAttr(o, x.Elem.Frac)
	if err != nil {
		return nil, err
	}
	return stated(o, x, x.Elem.Frac-n, 1, 64)
}

// inferConvert: any width and fraction bits may be stated.
func inferConvert(o *Op) ([]Type, error) { return stated(o, arg(o, 0), -1, 1, 64) }

func inferSquare(o *Op) ([]Type, error) {
	x := arg(o, 0)
	return stated(o, x, 2*x.Elem.Frac, 1, x.Elem.Width)
}

func keepDrop(o *Op) error {
	l, keep, drop := arg(o, 0).Elem.Width, o.Attrs.Int("keep", 0), o.Attrs.Int("drop", 0)
	if drop < 0 || keep < 1 || keep > l || drop > l-keep {
		return fmt.Errorf("keep = %d and drop = %d do not fit %d bits", keep, drop, l)
	}
	return nil
}

func inferMax(o *Op) ([]Type, error) {
	if err := keepDrop(o); err != nil {
		return nil, err
	}
	return reduceLast(o)
}

func bitsLike(x Type, shape []int) Type {
	if x.Kind == AShare {
		return BitsType(shape...)
	}
	return TensorType(IntElem(1), shape...)
}

func inferCmp(o *Op) ([]Type, error) {
	x, cuts := arg(o, 0), o.Attrs.Int64s("cuts")
	n := o.NumCuts()
	switch {
	case len(o.Args) > 1 && o.Attrs.Has("cuts"):
		return nil, errors.New("cuts are either a weight or an attribute")
	case len(o.Args) > 1 && (arg(o, 1).Rank() != 1 || arg(o, 1).Elem != x.Elem):
		return nil, fmt.Errorf("wants cuts [n] of %s, got %s", x.Elem, arg(o, 1))
	case n == 0:
		return nil, errors.New("needs at least one cut")
	case !slices.IsSorted(cuts):
		return nil, errors.New("cuts must ascend")
	}
	shape := append(slices.Clone(x.Shape), n)
	return one(bitsLike(x, shape), keepDrop(o))
}

// NumCuts is the number of cuts of a comparison: an attribute's or a weight's.
func (o *Op) NumCuts() int {
	if len(o.Args) > 1 {
		return o.Args[1].Type().NumElems()
	}
	return len(o.Attrs.Int64s("cuts"))
}

func inferMux(o *Op) ([]Type, error) {
	b, x := arg(o, 0), arg(o, 1)
	if !b.SameShape(x) {
		return nil, fmt.Errorf("shapes differ: %s and %s", b, x)
	}
	return one(x, nil)
}

func inferXor(o *Op) ([]Type, error) {
	if !arg(o, 0).SameShape(arg(o, 1)) {
		return nil, fmt.Errorf("shapes differ: %s and %s", arg(o, 0), arg(o, 1))
	}
	return same(o)
}

func inferPiecewise(o *Op) ([]Type, error) {
	cuts, pieces := o.Attrs.Int64s("cuts"), o.Attrs.Int64Lists("pieces")
	if len(pieces) != len(cuts)+1 {
		return nil, fmt.Errorf("%d cuts make %d pieces, not %d", len(cuts), len(cuts)+1, len(pieces))
	}
	if len(cuts) > 0 {
		if err := keepDrop(o); err != nil {
			return nil, err
		}
	}
	return inferConvert(o)
}

func inferInverse(o *Op) ([]Type, error) {
	lo, hi := o.Attrs.Int("lo", 0), o.Attrs.Int("hi", 0)
	if lo < 0 || hi <= lo || hi >= arg(o, 0).Elem.Width {
		return nil, fmt.Errorf("lo = %d, hi = %d: the raw input must lie in [2^lo, 2^hi) inside %s", lo, hi, arg(o, 0).Elem)
	}
	return inferConvert(o)
}

func inferShare(o *Op) ([]Type, error) {
	x := arg(o, 0)
	switch {
	case x.Elem.Kind == Fx:
		return one(x.WithKind(AShare, ""), nil)
	case x.Elem == IntElem(1):
		return one(x.WithKind(BShare, ""), nil)
	}
	return nil, fmt.Errorf("%s cannot be shared", x)
}

func inferReveal(o *Op) ([]Type, error) {
	x := arg(o, 0)
	if to := o.Attrs.Ident("to", ""); to == "both" {
		return one(x.WithKind(Public, ""), nil)
	} else {
		return one(x.WithKind(Private, to), nil)
	}
}
