package he

import (
	"testing"

	"github.com/tuneinsight/lattigo/v5/ring"

	"nimbus/internal/rlweparams"
)

// Whatever transform a limb has, it multiplies like lattigo's.
func TestTransforms(t *testing.T) {
	rng := seeded(1)
	for _, set := range rlweparams.All() {
		p, err := load(set.Name)
		if err != nil {
			t.Fatal(err)
		}
		r, err := ring.NewRing(p.n, set.Q)
		if err != nil {
			t.Fatal(err)
		}
		for i := range p.limbs {
			l := &p.limbs[i]
			a, b, c := make([]uint64, p.n), make([]uint64, p.n), make([]uint64, p.n)
			uniform(rng, a, l)
			uniform(rng, b, l)
			uniform(rng, c, l)
			var got [2][]uint64
			for k, tr := range []transform{l.tr, lattigo{r.SubRings[i]}} {
				x, y, z := append([]uint64(nil), a...), append([]uint64(nil), b...), append([]uint64(nil), c...)
				tr.Forward(x)
				tr.Forward(y)
				tr.Forward(z)
				tr.Form(y)
				tr.MulAdd(z, x, y)
				tr.Mul(x, x, y)
				tr.Inverse(x)
				tr.Inverse(z)
				got[k] = append(x, z...)
			}
			for j := range got[0] {
				if got[0][j] != got[1][j] {
					t.Fatalf("%s limb %d (%T): coefficient %d is %d, lattigo says %d", set.Name, i, l.tr, j, got[0][j], got[1][j])
				}
			}
		}
	}
}
