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
		noise := func(d rlweparams.Drops) rlweparams.Noise { return set.MatMulNoise(m.K, m.T, m.Width, d) }
		d := set.StoredDrops(noise, rlweparams.DropSizes{
			Limbs: 2, Stored: float64((2*m.T - 1) * m.N * m.K), Responses: (m.M + m.T - 1) / m.T, Sent: m.T * m.N, Outputs: m.M * m.N,
		}, c.drop)
		m.DropStored, m.DropC0, m.DropC1 = d.Stored, d.C0, d.C1
		t.Run(fmt.Sprintf("l%d_k%d_T%d_t%d", c.width, c.k, c.t, c.drop), func(t *testing.T) {
			got := runMatMul(t, m, nil)
			bound := noise(d).MaxUlp(m.M * m.N)
			t.Logf("%+v, worst error %d ulp, bound %d", d, got.ulp, bound)
			if got.ulp > int64(bound) {
				t.Errorf("error of %d ulp, bound %d", got.ulp, bound)
			}
			if c.drop > 0 && float64(bound-1) > rlweparams.Hidden(c.drop) {
				t.Errorf("bound of %d ulp exceeds what dropping %d bits hides", bound, c.drop)
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
	for _, m := range []MatMul{
		{Set: "n4096", M: 4, K: 16, N: 512, T: 2, Width: 44, DropC1: 12},
		{Set: "n4096", M: 4, K: 512, N: 512, T: 4, Width: 40, DropC1: 20},
		{Set: "n4096", M: 4, K: 512, N: 512, T: 1, Width: 38, DropStored: 30},
		{Set: "n4096", M: 4, K: 128, N: 512, T: 4, Width: 38, DropStored: 28, DropC1: 12},
		{Set: "n8192", M: 4, K: 64, N: 256, T: 2, Width: 60, DropStored: 38},
	} {
		set, _ := rlweparams.Lookup(m.Set)
		r := runMatMul(t, m, nil)
		check(m.String(), r.errs, set.MatMulNoise(m.K, m.T, m.Width, m.Drops()).Std)
	}
	// A selection's error is bounded by what its rows lack, and reaches it.
	for _, s := range []Select{
		{Set: "n2048", Tokens: 20, Rows: 40, Cols: 128, Width: 25, DropStored: 37},
		{Set: "n2048", Tokens: 20, Rows: 40, Types: 2, Cols: 128, Width: 25, DropStored: 37},
		{Set: "n8192", Tokens: 6, Rows: 40, Types: 2, Cols: 768, Width: 60, DropStored: 54},
	} {
		set, _ := rlweparams.Lookup(s.Set)
		got, _ := runSelect(t, s)
		n := set.SelectNoise(1+min(s.Types, 1), s.Width, s.Drops())
		want := n.Bound(s.Tokens * s.Cols)
		t.Logf("%v: worst %d ulp, bound %.1f", s, got, want)
		if float64(got) < 0.8*want || float64(got) > want+1 {
			t.Errorf("%v: worst error %d ulp, bound %.1f", s, got, want)
		}
	}
	for _, m := range []MatMulSS{
		{Set: "n2048", Batch: 2, Rows: 32, Inner: 64, Cols: 32, Width: 25, Tile: packing.Tile{Rows: 4, Inner: 16, Cols: 32}},
		{Set: "n2048", Batch: 2, Rows: 32, Inner: 64, Cols: 32, Width: 25, Tile: packing.Tile{Rows: 4, Inner: 16, Cols: 32, EncryptA: true}},
		{Set: "n2048", Batch: 2, Rows: 32, Inner: 64, Cols: 32, Width: 25, Tile: packing.Tile{Rows: 4, Inner: 16, Cols: 32}, DropIn: 6},
		{Set: "n4096", Batch: 2, Rows: 32, Inner: 64, Cols: 32, Width: 44, Tile: packing.Tile{Rows: 4, Inner: 16, Cols: 32}, DropIn: 44},
		{Set: "n4096s", Batch: 2, Rows: 32, Inner: 64, Cols: 32, Width: 30, Tile: packing.Tile{Rows: 8, Inner: 16, Cols: 32}},
	} {
		s, _ := rlweparams.Lookup(m.Set)
		errs := matMulSSErrors(t, m)
		check(m.String(), errs, s.MatMulSSNoise(m.Tile.Terms(m.product()), m.Width, m.Drops()).Std)
	}
}

func errorsOf(got, want []uint64, width int) []int64 {
	out := make([]int64, len(got))
	for i := range got {
		out[i] = z2k.Signed((got[i]-want[i])&z2k.Mask(width), width)
	}
	return out
}
