package he

import (
	"slices"
	"testing"

	"nimbus/internal/z2k"
)

// TestTransformed: products by transforms are those row by row, modulo every prime, where a response is full, where the
// last is not, and where little of the first polynomial is stored.
func TestTransformed(t *testing.T) {
	for _, m := range []MatMul{
		{Set: "n4096", M: 1500, K: 2, N: 4, T: 1024, Width: 26, DropStored: 49},
		{Set: "n4096", M: 300, K: 1, N: 5, T: 200, Width: 30},
		{Set: "n8192", M: 130, K: 3, N: 16, T: 128, Width: 30},
	} {
		t.Run(m.String(), func(t *testing.T) {
			rng := seeded(5)
			l, rows := openRandom(t, m, rng)
			xs := make([]int64, m.M*m.K)
			for i, v := range random(rng, len(xs), m.Width) {
				xs[i] = z2k.Signed(v, m.Width)
			}
			acc, err := l.accumulate(discard{}, rows, 0, xs)
			if err != nil {
				t.Fatal(err)
			}
			multiply, err := l.transformed(discard{}, rows, 0, xs)
			if err != nil {
				t.Fatal(err)
			}
			for g := range l.lay.Groups() {
				want0, want1 := l.pack(acc, 0, l.lay.GroupRows(g))
				got0, got1 := multiply(l.lay.GroupRows(g))
				for i := range want0 {
					if !slices.Equal(got0[i], want0[i]) || !slices.Equal(got1[i], want1[i]) {
						t.Errorf("response %d differs modulo prime %d", g, i)
					}
				}
			}
		})
	}
}
