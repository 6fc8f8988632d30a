package fixed

import (
	"encoding/binary"
	"testing"

	"nimbus/internal/z2k"
)

// FuzzAttrs: attributes that pass the check can be evaluated anywhere.
func FuzzAttrs(f *testing.F) {
	f.Add(28, 8, 18, 10, 9, 3, 26, 22, 8, 14, []byte{2, 3, 1, 2}, uint64(5))
	f.Fuzz(func(t *testing.T, wi, fi, wo, fo, keep, drop, wacc, facc, mid, wlin int, shape []byte, x uint64) {
		a := Attrs{Keep: keep, Drop: drop, WidthAcc: wacc, FracAcc: facc, MidFrac: mid, WidthLin: wlin}
		next := func() int64 {
			var b [8]byte
			n := copy(b[:], shape)
			shape = shape[n:]
			return int64(binary.LittleEndian.Uint64(b[:]))
		}
		for len(shape) > 0 && len(a.Pieces) < 40 {
			k := int(shape[0]) % 4
			shape = shape[1:]
			if len(a.Pieces) > 0 {
				a.Cuts = append(a.Cuts, next())
			}
			piece := []int64{0}
			for len(piece) < k {
				piece = append(piece, next()%1000)
			}
			a.Pieces = append(a.Pieces, piece)
		}
		p, err := a.Piecewise(Format{wi, fi}, Format{wo, fo})
		if err != nil {
			return
		}
		lo, hi := p.Domain()
		for _, v := range []int64{lo, hi, int64(x)} {
			if y := p.Eval(z2k.FromInt(v, wi)); y&^z2k.Mask(wo) != 0 {
				t.Errorf("%+v at %d: %#x is not reduced", p, v, y)
			}
		}
		p.Real(p.In.Decode(x & z2k.Mask(wi)))
		if p.MaxUlp() < 0 {
			t.Errorf("%+v: %d ulps", p, p.MaxUlp())
		}
	})
}

// FuzzInverse: a specification that passes the check can be evaluated anywhere.
func FuzzInverse(f *testing.F) {
	f.Add(uint8(0), 24, 12, 11, 20, 16, 12, uint64(7))
	f.Add(uint8(1), 28, 13, 4, 22, 20, 10, uint64(7))
	f.Fuzz(func(t *testing.T, kind uint8, wi, fi, lo, hi, wo, fo int, x uint64) {
		v := Inverse{InverseKind(kind), Format{wi, fi}, lo, hi, Format{wo, fo}, InverseLayout{}}
		s, err := v.Steps()
		if err != nil {
			return
		}
		for _, x := range []uint64{0, 1, 1 << lo, 1<<hi - 1, x & z2k.Mask(wi)} {
			if y := s.Eval(wi, x); y&^z2k.Mask(wo) != 0 {
				t.Errorf("%+v at %d: %#x is not reduced", v, x, y)
			}
		}
		if v.MaxUlp() < 0 {
			t.Errorf("%+v: %d ulps", v, v.MaxUlp())
		}
	})
}
