package ir

import (
	"errors"
	"fmt"
	"slices"
)

// The functions below compute result types for the rows. They see arguments
// whose classes, and attributes whose forms, are right already. Kinds follow
// the arguments, so that an fx op and its plan twin share one function.

func one(t Type, err error) ([]Type, error) {
	if err != nil {
		return nil, err
	}
	return []Type{t}, nil
}

func arg(o *Op, i int) Type { return o.Args[i].Type() }

// same: the result has the type of the first argument.
func same(o *Op) ([]Type, error) { return one(arg(o, 0), nil) }

// axisOf reads axis (default -1, the last) and maps it to 0..rank-1.
func axisOf(o *Op, t Type) (int, error) {
	a := o.Attrs.Int("axis", -1)
	n := a
	if n < 0 {
		n += t.Rank()
	}
	if n < 0 || n >= t.Rank() {
		return 0, fmt.Errorf("axis %d of %s does not exist", a, t)
	}
	return n, nil
}

// Axis is the op's axis attribute as 0..rank-1 of its first argument (default
// the last axis). The op must have been verified.
func (o *Op) Axis() int { a, _ := axisOf(o, arg(o, 0)); return a }

func axiswise(o *Op) ([]Type, error) {
	_, err := axisOf(o, arg(o, 0))
	return one(arg(o, 0), err)
}

// lastAxis checks that axis, if given, is the last.
func lastAxis(o *Op) error {
	t := arg(o, 0)
	if t.Rank() == 0 {
		return errors.New("needs at least one axis")
	}
	if a, err := axisOf(o, t); err != nil || a != t.Rank()-1 {
		return fmt.Errorf("axis must be the last (-1 or %d)", t.Rank()-1)
	}
	return nil
}

// reduceTo1: the axis has length 1 in the result.
func reduceTo1(o *Op) ([]Type, error) {
	t := arg(o, 0)
	a, err := axisOf(o, t)
	if err != nil {
		return nil, err
	}
	t = t.WithShape(t.Shape...)
	t.Shape[a] = 1
	return one(t, nil)
}

func reduceLast(o *Op) ([]Type, error) {
	if err := lastAxis(o); err != nil {
		return nil, err
	}
	return reduceTo1(o)
}

// broadcast aligns shapes right and stretches ones.
func broadcast(a, b Type) (Type, error) {
	long, short := a.Shape, b.Shape
	if len(short) > len(long) {
		long, short = short, long
	}
	out := slices.Clone(long)
	off := len(long) - len(short)
	for i, d := range short {
		switch {
		case out[off+i] == d || d == 1:
		case out[off+i] == 1:
			out[off+i] = d
		default:
			return Type{}, fmt.Errorf("shapes of %s and %s do not broadcast", a, b)
		}
	}
	return Type{Kind: a.Kind, Party: a.Party, Shape: out, Elem: a.Elem}, nil
}

func nnBinary(o *Op) ([]Type, error) { return one(broadcast(arg(o, 0), arg(o, 1))) }

// lastMatches checks that v is a vector as long as x's last axis.
func lastMatches(name string, v, x Type) error {
	if v.Rank() != 1 || v.Shape[0] != x.Last() {
		return fmt.Errorf("%s must be a vector of %d, not %s", name, x.Last(), v)
	}
	return nil
}

func linearShape(x, w Type) (Type, error) {
	if x.Rank() < 1 || w.Rank() != 2 || x.Last() != w.Shape[0] {
		return Type{}, fmt.Errorf("%s times %s: inner sizes must agree and the weight be [in, out]", x, w)
	}
	t := x.WithShape(x.Shape...)
	t.Shape[len(t.Shape)-1] = w.Shape[1]
	return t, nil
}

func batchedShape(a, b Type) (Type, error) {
	n := a.Rank()
	if n < 2 || b.Rank() != n || !slices.Equal(a.Shape[:n-2], b.Shape[:n-2]) || a.Shape[n-1] != b.Shape[n-2] {
		return Type{}, fmt.Errorf("%s times %s: leading axes and inner sizes must agree", a, b)
	}
	t := a.WithShape(a.Shape...)
	t.Shape[n-1] = b.Shape[n-1]
	return t, nil
}

func inferLinear(o *Op) ([]Type, error) {
	t, err := linearShape(arg(o, 0), arg(o, 1))
	if err == nil && len(o.Args) == 3 {
		err = lastMatches("the bias", arg(o, 2), t)
	}
	return one(t, err)
}

func inferNNMatmul(o *Op) ([]Type, error) { return one(batchedShape(arg(o, 0), arg(o, 1))) }

// productElem is (l, fa+fb).
func productElem(a Elem, fb int) Elem { return FxElem(a.Width, a.Frac+fb) }

// inferMatmul covers value times weight and value times value.
func inferMatmul(o *Op) ([]Type, error) {
	a, b := arg(o, 0), arg(o, 1)
	if a.Elem.Width != b.Elem.Width {
		return nil, fmt.Errorf("widths differ: %s and %s", a.Elem, b.Elem)
	}
	var t Type
	var err error
	if o.W(1) != nil {
		t, err = linearShape(a, b)
	} else {
		t, err = batchedShape(a, b)
	}
	if err != nil {
		return nil, err
	}
	return one(t.WithElem(productElem(a.Elem, b.Elem.Frac)), nil)
}

func inferEmbed(o *Op) ([]Type, error) {
	ids := arg(o, 0)
	types := len(o.Args) == 5
	word := arg(o, len(o.Args)-2)
	pos := arg(o, len(o.Args)-1)
	if types {
		word = arg(o, 2)
	}
	if ids.Rank() != 1 || word.Rank() != 2 || pos.Rank() != 2 || pos.Shape[1] != word.Shape[1] {
		return nil, fmt.Errorf("wants ids [S], word [V, D] and pos [P, D]; got %s, %s, %s", ids, word, pos)
	}
	if types {
		if t := arg(o, 3); !arg(o, 1).SameShape(ids) || t.Rank() != 2 || t.Shape[1] != word.Shape[1] {
			return nil, fmt.Errorf("wants types like ids and type [C, D]; got %s, %s", arg(o, 1), t)
		}
	}
	if off := o.Attrs.Int("offset", 0); off < 0 || off+ids.Shape[0] > pos.Shape[0] {
		return nil, fmt.Errorf("%d positions from %d on, but pos has %d rows", ids.Shape[0], off, pos.Shape[0])
	}
	return one(TensorType(word.Elem, ids.Shape[0], word.Shape[1]), nil)
}

func inferSelect(o *Op) ([]Type, error) {
	ids := arg(o, 0)
	types := len(o.Args) == 4
	word := arg(o, len(o.Args)-1)
	if types {
		word = arg(o, 2)
	}
	if ids.Rank() != 1 || word.Rank() != 2 {
		return nil, fmt.Errorf("wants ids [S] and word [V, D]; got %s, %s", ids, word)
	}
	if types {
		t := arg(o, 3)
		if !arg(o, 1).SameShape(ids) || t.Rank() != 2 || t.Shape[1] != word.Shape[1] {
			return nil, fmt.Errorf("wants types like ids and type [C, D]; got %s, %s", arg(o, 1), t)
		}
		if t.Elem != word.Elem {
			return nil, fmt.Errorf("tables must have one element type, not %s and %s", word.Elem, t.Elem)
		}
	}
	t := TensorType(word.Elem, ids.Shape[0], word.Shape[1])
	if ids.Kind != Tensor {
		t.Kind = AShare
	}
	return one(t, nil)
}

// inferPublicSelect is inferSelect on tables that both parties know.
func inferPublicSelect(o *Op) ([]Type, error) {
	for i := range o.Args {
		if w := o.W(i); w != nil && w.Type.Kind != Public {
			return nil, fmt.Errorf("table @%s must be public, not %s", w.Name, w.Type)
		}
	}
	return inferSelect(o)
}

func inferAddMask(o *Op) ([]Type, error) {
	s, m := arg(o, 0), arg(o, 1)
	return one(s, lastMatches("the mask", m, s))
}

func inferLayernorm(o *Op) ([]Type, error) {
	x := arg(o, 0)
	if x.Rank() == 0 {
		return nil, errors.New("needs at least one axis")
	}
	for i, name := range []string{"gamma", "beta"} {
		if len(o.Args) > i+1 {
			if err := lastMatches(name, arg(o, i+1), x); err != nil {
				return nil, err
			}
		}
	}
	return one(x, nil)
}

func inferSplitHeads(o *Op) ([]Type, error) {
	x, h := arg(o, 0), o.Attrs.Int("heads", 0)
	if x.Rank() != 2 || h < 1 || x.Shape[1]%h != 0 {
		return nil, fmt.Errorf("cannot split %s into %d heads", x, h)
	}
	return one(x.WithShape(h, x.Shape[0], x.Shape[1]/h), nil)
}

func inferMergeHeads(o *Op) ([]Type, error) {
	x := arg(o, 0)
	if x.Rank() != 3 {
		return nil, fmt.Errorf("wants [heads, S, K], not %s", x)
	}
	return one(x.WithShape(x.Shape[1], x.Shape[0]*x.Shape[2]), nil)
}

func inferTranspose(o *Op) ([]Type, error) {
	x, perm := arg(o, 0), o.Attrs.Ints("perm")
	sorted := slices.Sorted(slices.Values(perm))
	ok := len(perm) == x.Rank()
	for i, p := range sorted {
		ok = ok && p == i
	}
	if !ok {
		return nil, fmt.Errorf("perm %v is not a permutation of the axes of %s", perm, x)
	}
	t := x.WithShape(x.Shape...)
	for i, p := range perm {
		t.Shape[i] = x.Shape[p]
	}
	return one(t, nil)
}

func inferSplit(o *Op) ([]Type, error) {
	x, n := arg(o, 0), len(o.Results)
	a, err := axisOf(o, x)
	if err != nil {
		return nil, err
	}
	if x.Shape[a]%n != 0 {
		return nil, fmt.Errorf("axis %d of %s does not split into %d equal parts", a, x, n)
	}
	t := x.WithShape(x.Shape...)
	t.Shape[a] /= n
	return slices.Repeat([]Type{t}, n), nil
}

func inferSlice(o *Op) ([]Type, error) {
	x := arg(o, 0)
	a, err := axisOf(o, x)
	if err != nil {
		return nil, err
	}
	start, n := o.Attrs.Int("start", 0), o.Attrs.Int("len", 0)
	if start < 0 || n < 1 || start > x.Shape[a] || n > x.Shape[a]-start {
		return nil, fmt.Errorf("%d elements from %d on are not inside axis %d of %s", n, start, a, x)
	}
	t := x.WithShape(x.Shape...)
	t.Shape[a] = n
	return one(t, nil)
}

func inferGather(o *Op) ([]Type, error) {
	t := arg(o, 0)
	if t.Rank() == 0 {
		return nil, errors.New("needs at least one axis")
	}
	t = t.WithShape(t.Shape...)
	rows := 0
	for i := range o.Args {
		u := arg(o, i)
		if u.Rank() != t.Rank() || u.Kind != t.Kind || u.Elem != t.Elem || !slices.Equal(u.Shape[1:], t.Shape[1:]) {
			return nil, fmt.Errorf("%s and %s differ in more than the first axis", arg(o, 0), u)
		}
		rows += u.Shape[0]
	}
	index := o.Attrs.Ints("index")
	for _, r := range index {
		if r < 0 || r >= rows {
			return nil, fmt.Errorf("index %d is not below %d, the slices of the arguments", r, rows)
		}
	}
	t.Shape[0] = len(index)
	return one(t, nil)
}

func inferReshape(o *Op) ([]Type, error) {
	x, t := arg(o, 0), o.Results[0].Type
	if t.Kind != x.Kind || t.Elem != x.Elem || t.NumElems() != x.NumElems() {
		return nil, fmt.Errorf("%s cannot become %s: only the shape may change", x, t)
	}
	return one(t, nil)
}

func inferConcat(o *Op) ([]Type, error) {
	t := arg(o, 0)
	a, err := axisOf(o, t)
	if err != nil {
		return nil, err
	}
	t = t.WithShape(t.Shape...)
	for i := range o.Args[1:] {
		u := arg(o, i+1)
		v := u.WithShape(u.Shape...)
		if v.Rank() == t.Rank() {
			v.Shape[a] = t.Shape[a]
		}
		if !v.Equal(t) {
			return nil, fmt.Errorf("%s and %s do not join along axis %d", arg(o, 0), u, a)
		}
	}
	t.Shape[a] = 0
	for i := range o.Args {
		t.Shape[a] += arg(o, i).Shape[a]
	}
	return one(t, nil)
}

func inferNNPiecewise(o *Op) ([]Type, error) {
	cuts, coef := o.Attrs.Floats("cuts"), o.Attrs.FloatLists("coef")
	if len(coef) != len(cuts)+1 {
		return nil, fmt.Errorf("%d cuts make %d pieces, not %d", len(cuts), len(cuts)+1, len(coef))
	}
	if !slices.IsSorted(cuts) {
		return nil, errors.New("cuts must ascend")
	}
	for _, c := range coef {
		if len(c) < 1 || len(c) > 4 {
			return nil, errors.New("a piece has 1 to 4 coefficients, lowest power first")
		}
	}
	return same(o)
}
