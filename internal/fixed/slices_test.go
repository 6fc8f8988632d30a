package fixed

import (
	"math/rand/v2"
	"testing"

	"nimbus/internal/z2k"
)

// TestSlices: over slices as element by element.
func TestSlices(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	same := func(what string, x, got []uint64, want func(uint64) uint64) {
		t.Helper()
		for i, v := range x {
			if got[i] != want(v) {
				t.Fatalf("%s of %#x: %#x, want %#x", what, v, got[i], want(v))
			}
		}
	}
	for range 2000 {
		l := 1 + r.IntN(64)
		d, to := r.IntN(l), 1+r.IntN(64)
		x := make([]uint64, r.IntN(20))
		for i := range x {
			x[i] = r.Uint64() & z2k.Mask(l)
		}
		got := make([]uint64, len(x))
		Shrinks(got, x, l, d)
		same("shrink", x, got, func(v uint64) uint64 { return Shrink(v, l, d) })
		if CheckTrunc(l, d, to) == nil {
			Truncs(got, x, l, d, to)
			same("trunc", x, got, func(v uint64) uint64 { return Trunc(v, l, d, to) })
		}
	}
	for _, kind := range []InverseKind{Recip, Rsqrt} { // whose splines are all quadratic
		p := spline(kind, 40, 30)
		testEvals(t, r, &p)
	}
	p := Piecewise{In: Format{16, 8}, Out: Format{16, 9}, Cuts: []int64{-300, 0, 500}, Keep: 12, Drop: 4, Pieces: []Poly{{}, {Kind: Quadratic, C: [3]int64{1 << 14, 3 << 6, 5}},
		{Kind: Linear, C: [3]int64{7, 1}}, {Kind: Linear, C: [3]int64{700}}}, FracAcc: 16, WidthAcc: 16, MidFrac: 9, WidthLin: 14}
	testEvals(t, r, &p)
}

func testEvals(t *testing.T, r *rand.Rand, p *Piecewise) {
	t.Helper()
	x := make([]uint64, 20000)
	for i := range x {
		x[i] = r.Uint64() >> r.IntN(50) & z2k.Mask(p.In.Width)
	}
	got := make([]uint64, len(x))
	p.Evals(got, x)
	for i, v := range x {
		if want := p.Eval(v); got[i] != want {
			t.Fatalf("%v of %#x: %#x, want %#x", p, v, got[i], want)
		}
	}
}
