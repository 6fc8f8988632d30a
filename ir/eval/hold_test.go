package eval

import (
	"math"
	"slices"
	"testing"

	"nimbus/ir"
)

// A weight comes back as it was, whether it fits half the space or not.
func TestHold(t *testing.T) {
	const n = smallWeight + 1
	real := func(last float64) Value {
		v := make([]float64, n)
		for i := range v {
			v[i] = float64(i) / 8
		}
		v[n-1] = last
		return Value{Type: ir.TensorType(ir.F32Elem(), n), Real: v}
	}
	ring := func(width int, last uint64) Value {
		v := make([]uint64, n)
		for i := range v {
			v[i] = -uint64(i) & (1<<width - 1)
		}
		v[n-1] = last
		return Value{Type: ir.TensorType(ir.FxElem(width, 4), n), Ring: v}
	}
	for i, c := range []struct {
		v     Value
		small bool
	}{
		{real(-0.5), true}, {real(math.Pi), false}, {real(math.Inf(1)), true}, {real(1e300), false},
		{ring(20, 1<<20-1), true}, {ring(37, 1<<31-1), true}, {ring(37, 1<<31), false}, {ring(37, 1<<37-1<<31), true}, {ring(37, 1<<37-1<<31-1), false},
		{Value{Type: ir.TensorType(ir.F32Elem(), 2), Real: []float64{1, 2}}, false},
	} {
		w := hold(c.v)
		if small := w.held != nil; small != c.small {
			t.Errorf("case %d: small is %v, want %v", i, small, c.small)
		}
		got := w.wide()
		if !slices.Equal(got.Real, c.v.Real) || !slices.Equal(got.Ring, c.v.Ring) || got.Type.String() != c.v.Type.String() {
			t.Errorf("case %d: changed", i)
		}
	}
}
