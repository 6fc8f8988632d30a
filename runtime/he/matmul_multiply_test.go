package he

import (
	"slices"
	"testing"

	"nimbus/internal/z2k"
)

// TestMultipliers: products row by row, in classes and by transforms are the same modulo every prime, where a response is
// full, where the last is not, where the last ciphertext has fewer rows, where little of the first polynomial is stored,
// and where a stored coefficient is the largest there is.
func TestMultipliers(t *testing.T) {
	for _, m := range []MatMul{
		{Set: "n4096", M: 1500, K: 2, N: 4, T: 1024, Width: 26, DropStored: 49},
		{Set: "n4096", M: 300, K: 1, N: 5, T: 200, Width: 30},
		{Set: "n8192", M: 130, K: 3, N: 16, T: 128, Width: 30},
		{Set: "n4096", M: 10, K: 70, N: 384, T: 4, Width: 38, DropStored: 25},
		{Set: "n4096", M: 23, K: 40, N: 128, T: 10, Width: 38, DropStored: 25},
		{Set: "n4096", M: 7, K: 20, N: 64, T: 64, Width: 38},
		{Set: "n4096", M: 4, K: 300, N: 2048, T: 2, Width: 30, DropStored: 30},
		{Set: "n4096", M: 5, K: 71, N: 384, T: 1, Width: 38, DropStored: 25},
		{Set: "n4096", M: 5, K: 71, N: 384, T: 2, Width: 38, DropStored: 25},
		{Set: "n4096", M: 1, K: 130, N: 64, T: 1, Width: 38, DropStored: 25},
		{Set: "n4096", M: 9, K: 30, N: 2304, T: 1, Width: 38, DropStored: 25},
		{Set: "n8192", M: 9, K: 11, N: 192, T: 2, Width: 64, DropStored: 30},
	} {
		t.Run(m.String(), func(t *testing.T) {
			rng := seeded(5)
			l, rows := openRandom(t, m, rng)
			n := l.stored(0).Len
			largest := newPoly(len(l.p.limbs), n)
			for i := range largest {
				for j := range largest[i] {
					largest[i][j] = l.p.limbs[i].q - 1
				}
			}
			copy(rows.row(0, l.lay.Ciphertexts()-1), l.p.packStored(nil, largest, l.p.all(), m.DropStored))
			xs := make([]int64, m.M*m.K)
			for i, v := range random(rng, len(xs), m.Width) {
				xs[i] = z2k.Signed(v, m.Width)
			}
			methods := []int{l.p.n}
			if l.lay.Stack() == 1 {
				methods = append(methods, 1)
			}
			if size := m.N & -m.N; size >= 64 {
				methods = append(methods, l.p.n/size)
			}
			if len(methods) < 2 {
				t.Fatal("nothing to compare with")
			}
			multiplyBy := func(classes int) multiplier {
				l.classes = classes
				multiply, _, err := l.multiplier(discard{}, rows, 0, xs)
				if err != nil {
					t.Fatal(err)
				}
				return multiply
			}
			reference := multiplyBy(methods[0])
			for _, other := range methods[1:] {
				multiply := multiplyBy(other)
				for g := range l.lay.Groups() {
					want0, want1 := reference(l.lay.GroupRows(g))
					got0, got1 := multiply(l.lay.GroupRows(g))
					for i := range want0 {
						if !slices.Equal(got0[i], want0[i]) || !slices.Equal(got1[i], want1[i]) {
							t.Fatalf("%d classes: response %d differs modulo prime %d", l.classes, g, i)
						}
					}
				}
			}
		})
	}
}
