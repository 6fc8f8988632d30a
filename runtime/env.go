package runtime

import (
	"fmt"
	"io"
	"math"
	"slices"

	"nimbus/internal/z2k"
	"nimbus/ir"
	"nimbus/runtime/share"
)

// A vector is a value that is not shared: private<party, …> or public<…>.
// Where the party does not know it, V is nil. It prints as its type only.
type vector struct {
	Type ir.Type
	V    []uint64 // [Type.Shape], reduced to the element's width
}

func (v vector) String() string               { return v.Type.String() }
func (v vector) GoString() string             { return v.Type.String() }
func (v vector) Format(f fmt.State, _ rune)   { io.WriteString(f, v.Type.String()) }
func (v vector) MarshalText() ([]byte, error) { return []byte(v.Type.String()), nil }

// arith returns argument i as an additive share.
func (s *step) arith(o *ir.Op, i int) (share.Arith, error) {
	if i >= len(o.Args) {
		return share.Arith{}, fmt.Errorf("no argument %d", i)
	}
	x, ok := s.args[i].value.(share.Arith)
	if !ok {
		return x, fmt.Errorf("argument %s is %s, expected ashare", o.Args[i], o.Args[i].Type())
	}
	return x, nil
}

// boolean returns argument i as a boolean share.
func (s *step) boolean(o *ir.Op, i int) (share.Bool, error) {
	if i >= len(o.Args) {
		return share.Bool{}, fmt.Errorf("no argument %d", i)
	}
	b, ok := s.args[i].value.(share.Bool)
	if !ok {
		return b, fmt.Errorf("argument %s is %s, expected bshare", o.Args[i], o.Args[i].Type())
	}
	return b, nil
}

// clear returns argument i, a private or public value or a weight. V is nil
// where this party does not know it.
func (s *step) clear(o *ir.Op, i int) (vector, error) {
	if i >= len(o.Args) {
		return vector{}, fmt.Errorf("no argument %d", i)
	}
	if w := o.Args[i].Weight; w != nil {
		if s.party != share.Server {
			return vector{Type: w.Type}, nil
		}
		v, ok := s.weights[w.Name]
		if !ok || len(v) != w.Type.NumElems() {
			return vector{}, fmt.Errorf("weight @%s: %d elements loaded, %s expected", w.Name, len(v), w.Type)
		}
		return vector{w.Type, v}, nil
	}
	v, ok := s.args[i].value.(vector)
	if !ok {
		return v, fmt.Errorf("argument %s is %s, expected private or public", o.Args[i], o.Args[i].Type())
	}
	return v, nil
}

// put stores a result after checking that it has the type the plan declares.
func (s *step) put(o *ir.Op, i int, x any) error {
	if i >= len(o.Results) {
		return fmt.Errorf("no result %d", i)
	}
	r := o.Results[i]
	var shape []int
	width := 1
	switch x := x.(type) {
	case share.Arith:
		shape, width = x.Shape, x.Width
	case share.Bool:
		shape = x.Shape
	case vector:
		shape, width = x.Type.Shape, x.Type.Elem.Width
	default:
		panic("runtime: internal error: put: not a value")
	}
	if !slices.Equal(shape, r.Type.Shape) || width != r.Type.Elem.Width {
		return fmt.Errorf("result has shape %v and width %d, the plan says %s", shape, width, r.Type)
	}
	s.results[i].value = x
	return nil
}

// arith1 makes a dispatch entry of an op on one additive share.
func arith1(f func(s *step, o *ir.Op, x share.Arith) (share.Arith, error)) exec {
	return func(s *step, o *ir.Op) error {
		x, err := s.arith(o, 0)
		if err != nil {
			return err
		}
		y, err := f(s, o, x)
		if err != nil {
			return err
		}
		return s.put(o, 0, y)
	}
}

// arith2 makes a dispatch entry of an op on two additive shares.
func arith2(f func(s *step, o *ir.Op, x, y share.Arith) (share.Arith, error)) exec {
	return func(s *step, o *ir.Op) error {
		x, err := s.arith(o, 0)
		if err != nil {
			return err
		}
		y, err := s.arith(o, 1)
		if err != nil {
			return err
		}
		z, err := f(s, o, x, y)
		if err != nil {
			return err
		}
		return s.put(o, 0, z)
	}
}

// bool2 is the same for two boolean shares.
func bool2(f func(s *step, a, b share.Bool) (share.Bool, error)) exec {
	return func(s *step, o *ir.Op) error {
		a, err := s.boolean(o, 0)
		if err != nil {
			return err
		}
		b, err := s.boolean(o, 1)
		if err != nil {
			return err
		}
		c, err := f(s, a, b)
		if err != nil {
			return err
		}
		return s.put(o, 0, c)
	}
}

// numbersOrBits returns argument i for an op that only moves elements about:
// boolean shares come as additive shares of width 1, which move the same way.
func (s *step) numbersOrBits(o *ir.Op, i int) (x share.Arith, bits bool, err error) {
	b, err := s.boolean(o, i)
	if err != nil {
		x, err = s.arith(o, i)
		return x, false, err
	}
	x = share.NewArith(1, b.Shape...)
	for j, v := range b.V {
		x.V[j] = uint64(v)
	}
	return x, true, nil
}

// putNumbersOrBits stores what an op made of numbersOrBits's answer.
func (s *step) putNumbersOrBits(o *ir.Op, i int, x share.Arith, bits bool) error {
	if !bits {
		return s.put(o, i, x)
	}
	b := share.NewBool(x.Shape...)
	for j, v := range x.V {
		b.V[j] = uint8(v)
	}
	return s.put(o, i, b)
}

// either makes a dispatch entry of an op that moves elements about.
func either(f func(s *step, o *ir.Op, x share.Arith) (share.Arith, error)) exec {
	return func(s *step, o *ir.Op) error {
		x, bits, err := s.numbersOrBits(o, 0)
		if err != nil {
			return err
		}
		y, err := f(s, o, x)
		if err != nil {
			return err
		}
		return s.putNumbersOrBits(o, 0, y, bits)
	}
}

// arithClear makes a dispatch entry of an op on an additive share and a value
// that one party knows.
func arithClear(f func(s *step, o *ir.Op, x share.Arith, v vector) (share.Arith, error)) exec {
	return func(s *step, o *ir.Op) error {
		x, err := s.arith(o, 0)
		if err != nil {
			return err
		}
		v, err := s.clear(o, 1)
		if err != nil {
			return err
		}
		z, err := f(s, o, x, v)
		if err != nil {
			return err
		}
		return s.put(o, 0, z)
	}
}

// checkVector refuses an input that is not of its type.
func checkVector(t ir.Type, v []uint64) error {
	if len(v) != t.NumElems() {
		return fmt.Errorf("%d elements, %s expected", len(v), t)
	}
	mask := z2k.Mask(t.Elem.Width)
	var over uint64
	for _, x := range v {
		over |= x &^ mask
	}
	if over != 0 {
		return fmt.Errorf("an element does not fit %s", t.Elem)
	}
	return nil
}

// checkInput refuses what its owner may not give to a parameter: elements outside
// the range that the plan's proofs rest on, rows longer than its norm. An encoding
// may round by half a unit. The error does not tell the value.
func checkInput(in Input, v []uint64) error {
	if err := checkVector(in.Type, v); err != nil {
		return err
	}
	e := in.Type.Elem
	if e.Kind != ir.Fx {
		return nil
	}
	ones := make([]float64, len(v)) // in units of the last bit
	for i, x := range v {
		ones[i] = float64(z2k.Signed(x, e.Width))
	}
	if r := in.Range; len(r) == 2 {
		lo, hi := math.Ldexp(r[0], e.Frac)-0.5, math.Ldexp(r[1], e.Frac)+0.5
		for i, x := range ones {
			if x < lo || x > hi {
				return fmt.Errorf("element %d is outside [%g, %g], the range that the plan rests on", i, r[0], r[1])
			}
		}
	}
	if d := in.Type.Last(); in.Norm > 0 {
		most := math.Ldexp(in.Norm, e.Frac) + 0.5*math.Sqrt(float64(d))
		for i := 0; i+d <= len(ones); i += d {
			sum := 0.0
			for _, x := range ones[i : i+d] {
				sum += x * x
			}
			if math.Sqrt(sum) > most {
				return fmt.Errorf("row %d is longer than %g, the norm that the plan rests on", i/d, in.Norm)
			}
		}
	}
	return nil
}
