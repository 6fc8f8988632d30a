package eval

import (
	"fmt"

	"nimbus/internal/z2k"
)

// A Program holds its weights in half the space where they fit, for most of a
// model's memory is weights and an op reads one at a time. Products and tables
// read them as they are.

// held is a tensor in 32 bits an element.
type held struct {
	real []float32 // exactly the reals
	ring []int32   // the signed values of the ring
	most float64   // the largest magnitude in ring
}

// smallWeight is the number of elements up to which space does not matter.
const smallWeight = 1 << 12

// hold is v in half the space where that is possible.
func hold(v Value) Value {
	if len(v.Real)+len(v.Ring) <= smallWeight {
		return v
	}
	h := &held{}
	if v.Real != nil {
		h.real = make([]float32, len(v.Real))
		for i, x := range v.Real {
			if h.real[i] = float32(x); float64(h.real[i]) != x {
				return v
			}
		}
	} else {
		h.ring = make([]int32, len(v.Ring))
		least, most, shift := int32(0), int32(0), 64-v.Type.Elem.Width
		for i, x := range v.Ring {
			y := int64(x<<shift) >> shift
			if h.ring[i] = int32(y); int64(h.ring[i]) != y {
				return v
			}
			least, most = min(least, h.ring[i]), max(most, h.ring[i])
		}
		h.most = max(-float64(least), float64(most))
	}
	return Value{Type: v.Type, held: h}
}

// wide is v with its elements in full.
func (v Value) wide() Value {
	if v.held == nil {
		return v
	}
	return v.part(0, len(v.held.real)+len(v.held.ring))
}

// part is elements lo to hi, in full. The type stays v's.
func (v Value) part(lo, hi int) Value {
	out := Value{Type: v.Type}
	switch {
	case v.held == nil && v.Real != nil:
		out.Real = v.Real[lo:hi]
	case v.held == nil:
		out.Ring = v.Ring[lo:hi]
	case v.held.real != nil:
		out.Real = make([]float64, hi-lo)
		for i, x := range v.held.real[lo:hi] {
			out.Real[i] = float64(x)
		}
	default:
		out.Ring = make([]uint64, hi-lo)
		mask := z2k.Mask(v.Type.Elem.Width)
		for i, x := range v.held.ring[lo:hi] {
			out.Ring[i] = uint64(int64(x)) & mask
		}
	}
	return out
}

// row checks an index and cuts its row out of a table.
func (v Value) row(index uint64) (Value, error) {
	rows, d := v.Type.NumElems()/v.Type.Last(), v.Type.Last()
	if index >= uint64(rows) {
		return v, fmt.Errorf("an index is outside the table of %d rows", rows)
	}
	return v.part(int(index)*d, int(index+1)*d), nil
}

// mul sets dst to x · v, v reals of shape [k, n].
func (v Value) mul(dst, x []float64, m, k, n int) {
	if v.held != nil && v.held.real != nil {
		realMatMul(dst, x, v.held.real, m, k, n)
		return
	}
	realMatMul(dst, x, v.Real, m, k, n)
}

// lean are the ops that read a weight as it is held.
var lean = map[string]bool{"nn.linear": true, "nn.embed": true, "fx.matmul": true, "fx.select": true}
