package eval

import "nimbus/internal/z2k"

// A weight is a tensor as a program keeps it: a large one in half the space, if
// it fits, for most of a model's memory is weights and an op reads one at a time.
type weight struct {
	v     Value     // without elements where one of the others has them
	real  []float32 // exactly the reals
	ring  []int32   // the signed values of the ring
	small bool
}

// smallWeight is the number of elements up to which space does not matter.
const smallWeight = 1 << 12

// hold makes a weight of a tensor.
func hold(v Value) weight {
	if len(v.Real)+len(v.Ring) <= smallWeight {
		return weight{v: v}
	}
	w := weight{v: Value{Type: v.Type}, small: true}
	if v.Real != nil {
		w.real = make([]float32, len(v.Real))
		for i, x := range v.Real {
			if w.real[i] = float32(x); float64(w.real[i]) != x {
				return weight{v: v}
			}
		}
		return w
	}
	w.ring = make([]int32, len(v.Ring))
	for i, x := range v.Ring {
		y := z2k.Signed(x, v.Type.Elem.Width)
		if w.ring[i] = int32(y); int64(w.ring[i]) != y {
			return weight{v: v}
		}
	}
	return w
}

// value is the tensor again.
func (w weight) value() Value {
	if !w.small {
		return w.v
	}
	v := w.v
	if w.real != nil {
		v.Real = make([]float64, len(w.real))
		for i, x := range w.real {
			v.Real[i] = float64(x)
		}
		return v
	}
	v.Ring = make([]uint64, len(w.ring))
	mask := z2k.Mask(v.Type.Elem.Width)
	for i, x := range w.ring {
		v.Ring[i] = uint64(int64(x)) & mask
	}
	return v
}
