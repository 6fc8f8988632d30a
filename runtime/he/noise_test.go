package he

import (
	"fmt"
	"math"
	"testing"

	"nimbus/internal/packing"
	"nimbus/internal/rlweparams"
	"nimbus/internal/z2k"
)

// Exactness within the stated error over widths, inner dimensions and packings, with the compression the compiler would
// choose.
func TestMatMulGrid(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	set, _ := rlweparams.Lookup("n4096")
	for _, c := range []struct{ width, k, t, drop int }{
		{25, 512, 1, 8}, {28, 1, 8, 0}, {31, 130, 2, 9}, {34, 64, 4, 12}, {37, 512, 2, 12}, {38, 257, 8, 12},
		{40, 128, 1, 14}, {41, 128, 4, 14}, {44, 512, 8, 16}, {44, 30, 2, 0},
	} {
		m := MatMul{Set: "n4096", M: 8, K: c.k, N: 48, T: c.t, Width: c.width}
		noise := func(d0, d1 int) rlweparams.Noise { return set.MatMulNoise(m.K, m.T, m.Width, d0, d1) }
		m.DropC0, m.DropC1 = set.Drops(noise, m.T*m.N, m.M*m.N, c.drop)
		t.Run(fmt.Sprintf("l%d_k%d_T%d_t%d", c.width, c.k, c.t, c.drop), func(t *testing.T) {
			got := runMatMul(t, m, nil)
			bound := noise(m.DropC0, m.DropC1).MaxUlp(m.M * m.N)
			t.Logf("drops %d and %d, worst error %d ulp, bound %d", m.DropC0, m.DropC1, got.ulp, bound)
			if got.ulp > int64(bound) {
				t.Errorf("error of %d ulp, bound %d", got.ulp, bound)
			}
			if c.drop > 0 && float64(bound-1) > math.Exp2(float64(c.drop-3)) {
				t.Errorf("bound of %d ulp exceeds an eighth of 2^%d", bound, c.drop)
			}
		})
	}
}

// The predicted standard deviation is the measured one, where noise shows at all.
func TestNoiseModel(t *testing.T) {
	std := func(errs []int64) float64 {
		sum := 0.0
		for _, e := range errs {
			sum += float64(e) * float64(e)
		}
		return math.Sqrt(sum / float64(len(errs)))
	}
	check := func(name string, errs []int64, want float64) {
		t.Helper()
		got := std(errs)
		t.Logf("%s: measured %.2f ulp, predicted %.2f", name, got, want)
		if got < 0.8*want || got > 1.2*want {
			t.Errorf("%s: measured standard deviation %.2f ulp, predicted %.2f", name, got, want)
		}
	}
	set, _ := rlweparams.Lookup("n4096")
	for _, m := range []MatMul{
		{Set: "n4096", M: 4, K: 16, N: 512, T: 2, Width: 44, DropC1: 12},
		{Set: "n4096", M: 4, K: 512, N: 512, T: 4, Width: 40, DropC1: 20},
	} {
		r := runMatMul(t, m, nil)
		check(m.String(), r.errs, set.MatMulNoise(m.K, m.T, m.Width, m.DropC0, m.DropC1).Std)
	}
	for _, m := range []MatMulSS{
		{Set: "n2048", Batch: 2, Rows: 32, Inner: 64, Cols: 32, Width: 25, Tile: packing.Tile{Rows: 4, Inner: 16, Cols: 32}},
		{Set: "n2048", Batch: 2, Rows: 32, Inner: 64, Cols: 32, Width: 25, Tile: packing.Tile{Rows: 4, Inner: 16, Cols: 32, EncryptA: true}},
		{Set: "n4096s", Batch: 2, Rows: 32, Inner: 64, Cols: 32, Width: 30, Tile: packing.Tile{Rows: 8, Inner: 16, Cols: 32}},
	} {
		s, _ := rlweparams.Lookup(m.Set)
		errs := matMulSSErrors(t, m)
		check(m.String(), errs, s.MatMulSSNoise(m.Tile.Terms(m.product()), m.Width, 0, 0).Std)
	}
}

func errorsOf(got, want []uint64, width int) []int64 {
	out := make([]int64, len(got))
	for i := range got {
		out[i] = z2k.Signed((got[i]-want[i])&z2k.Mask(width), width)
	}
	return out
}
