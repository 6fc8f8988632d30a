package he

import (
	"fmt"
	"math/big"
	"testing"

	"nimbus/internal/rlweparams"
)

// What is stored without low bits is the coefficient within half of what those bits hold, for every number of limbs and
// of bits, at both ends of the range too.
func TestStoredAgainstBig(t *testing.T) {
	rng := seeded(9)
	everyModulus(t, func(name string, p *params, mod *modulus) {
		q := p.Modulus(mod.count)
		const n = 29
		for drop := 0; p.CheckStored(mod.count, drop) == nil; drop++ {
			x, y := newPoly(mod.count, n), newPoly(mod.count, n)
			for i := range x {
				uniform(rng, x[i], &p.limbs[i])
				x[i][0], x[i][1] = 0, p.limbs[i].q-1 // 0 and Q-1
			}
			data := p.packStored(nil, x, mod, drop)
			if want := p.StoredPolyBytes(n, mod.count, drop); len(data) != want {
				t.Fatalf("%s limbs %d drop %d: %d bytes, expected %d", name, mod.count, drop, len(data), want)
			}
			scratch := make([]uint64, 2*n)
			for i := range y {
				if err := p.unpackStored(y[i], scratch, data, i, mod, drop); err != nil {
					t.Fatalf("%s limbs %d drop %d: %v", name, mod.count, drop, err)
				}
			}
			half := new(big.Int).Lsh(big.NewInt(1), uint(drop))
			half.Rsh(half, 1)
			for j := range n {
				a, b := crt(p, x, j, mod.count), crt(p, y, j, mod.count)
				d := new(big.Int).Sub(a, b)
				if d.CmpAbs(half) > 0 || b.Cmp(q) >= 0 {
					t.Fatalf("%s limbs %d drop %d: %v read as %v", name, mod.count, drop, a, b)
				}
			}
		}
	})
}

// FuzzUnpackStored checks that no bytes make the reader do anything but refuse or return residues.
func FuzzUnpackStored(f *testing.F) {
	f.Add([]byte{1, 2, 3}, uint8(0), uint8(3))
	f.Add(make([]byte, 50), uint8(28), uint8(4))
	f.Add(make([]byte, 200), uint8(5), uint8(6))
	names := rlweparams.Names()
	f.Fuzz(func(t *testing.T, data []byte, drop, which uint8) {
		p, err := load(names[int(which>>1)%len(names)])
		if err != nil {
			t.Fatal(err)
		}
		mod := &p.full[which&1]
		d := int(drop)
		if p.CheckStored(mod.count, d) != nil {
			return
		}
		const n = 5
		if size := p.StoredPolyBytes(n, mod.count, d); len(data) >= size {
			data = data[:size]
		}
		x, scratch := newPoly(mod.count, n), make([]uint64, 2*n)
		for i := range x {
			if p.unpackStored(x[i], scratch, data, i, mod, d) != nil {
				return
			}
			for _, v := range x[i] {
				if v >= p.limbs[i].q {
					t.Fatalf("limb %d holds %d", i, v)
				}
			}
		}
		if d == 0 {
			return
		}
		// What was accepted has one form.
		if again := p.packStored(nil, x, mod, d); string(again) != string(data) {
			t.Fatalf("%x read and written is %x", data, again)
		}
	})
}

// Expansion is what a client pays for a smaller set-up in every run.
func BenchmarkUnpackStored(b *testing.B) {
	for _, c := range []struct {
		name  string
		limbs int
		drop  int
	}{{"n4096", 2, 0}, {"n4096", 2, 28}, {"n2048", 1, 0}, {"n2048", 1, 26}} {
		p, _ := load(c.name)
		mod := p.all()
		rng := seeded(1)
		x := newPoly(c.limbs, 1152)
		for i := range x {
			uniform(rng, x[i], &p.limbs[i])
		}
		data := p.packStored(nil, x, mod, c.drop)
		b.Run(fmt.Sprintf("%s_%d", c.name, c.drop), func(b *testing.B) {
			dst, scratch := make([]uint64, 1152), make([]uint64, 2*1152)
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				for i := range c.limbs {
					if err := p.unpackStored(dst, scratch, data, i, mod, c.drop); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
