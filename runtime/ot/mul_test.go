package ot_test

import (
	"math/big"
	"testing"

	"nimbus/internal/fixed"
	"nimbus/internal/prg"
	"nimbus/internal/z2k"
	"nimbus/runtime/ot"
	"nimbus/runtime/share"
)

func TestSquare(t *testing.T) {
	everywhere(t, func(t *testing.T, exact bool, run func(func(protocols, int) error)) {
		check := func(x []uint64, h halves, w int) {
			t.Helper()
			out := arith(run, func(p protocols, party int) (share.Arith, error) { return p.Square(h[party], w, fixed.Bound{}) })
			for i, got := range out.open() {
				b := new(big.Int).SetUint64(x[i])
				b.Mul(b, b).And(b, new(big.Int).SetUint64(z2k.Mask(w)))
				if got != b.Uint64() {
					t.Fatalf("%d squared mod 2^%d: %d, want %v", x[i], w, got, b)
				}
			}
		}
		for l := 1; l <= 5; l++ {
			x, c := pairs(l)
			for w := 1; w <= l; w++ {
				check(x, given(x, c, l), w)
			}
		}
		rng := prg.New(seed(7))
		for _, w := range []int{64, 63, 33, 32, 24} {
			x := make([]uint64, 101)
			rng.Fill(x, 64)
			check(x, split(rng, x, 64), w)
		}
	})
}

// TestSquareWithin has all values of all bounds in small rings, with all halves.
func TestSquareWithin(t *testing.T) {
	const l = 6
	type job struct {
		x     []uint64
		h     halves
		width int
		bound fixed.Bound
		out   [2][]uint64
	}
	var jobs []*job
	for n := 1; n <= 4; n++ {
		for _, lo := range []int64{-13, -1, 0, 5} {
			var x, client []uint64
			for v := range int64(1) << (n - 1) {
				for c := range uint64(1) << l {
					x, client = append(x, z2k.FromInt(lo+v, l)), append(client, c)
				}
			}
			for width := 2; width <= l; width++ {
				jobs = append(jobs, &job{x: x, h: given(x, client, l), width: width, bound: fixed.Bound{Bits: n, Lo: lo}})
			}
		}
	}
	// The widths of an exponential.
	rng := prg.New(seed(27))
	b := fixed.Bound{Bits: 15, Lo: -8308}
	x := make([]uint64, 500)
	for i := range x {
		x[i] = z2k.FromInt(b.Lo+int64(rng.Uint64()%(1<<14)), 26)
	}
	jobs = append(jobs, &job{x: x, h: split(rng, x, 26), width: 26, bound: b})
	real(t, 28, func(p *ot.Protocol, party int) (err error) {
		for _, j := range jobs {
			if j.out[party], err = p.SquareWithin(j.h[party].V, j.width, j.bound); err != nil {
				return err
			}
		}
		return nil
	})
	for _, j := range jobs {
		for i, x := range j.x {
			v := z2k.Signed(x, j.h[0].Width)
			if got, want := (j.out[0][i]+j.out[1][i])&z2k.Mask(j.width), uint64(v*v)&z2k.Mask(j.width); got != want {
				t.Fatalf("%d squared mod 2^%d within %+v: %d, want %d", v, j.width, j.bound, got, want)
			}
		}
	}
}

func TestMulSS(t *testing.T) {
	everywhere(t, func(t *testing.T, exact bool, run func(func(protocols, int) error)) {
		rng := prg.New(seed(8))
		check := func(x, y halves, o fixed.ProductOpts) {
			t.Helper()
			out := arith(run, func(p protocols, party int) (share.Arith, error) { return p.MulSS(x[party], y[party], o) })
			u, v := x.open(), y.open()
			for i, got := range out.open() {
				product(t, got, u[i], v[i*len(v)/len(u)], x[0].Width, o, exact)
			}
		}
		// All values and halves of three bits.
		var x, xc, y, yc []uint64
		for i := range uint64(1) << 12 {
			x, xc, y, yc = append(x, i&7), append(xc, i>>3&7), append(y, i>>6&7), append(yc, i>>9)
		}
		check(given(x, xc, 3), given(y, yc, 3), fixed.ProductOpts{})
		check(given(x, xc, 3), given(y, yc, 3), fixed.ProductOpts{Drop: 2})
		for _, c := range []struct{ l, rows, cols int }{{64, 5, 7}, {33, 3, 1}, {20, 4, 130}, {12, 1, 65}, {1, 9, 9}, {17, 70, 300}, {20, 2, 6}} {
			x, y, few := make([]uint64, c.rows*c.cols), make([]uint64, c.rows), make([]uint64, c.rows)
			rng.Fill(x, c.l)
			rng.Fill(y, c.l)
			rng.Fill(few, 5)
			check(split(rng, x, c.l, c.rows, c.cols), split(rng, y, c.l, c.rows, 1), fixed.ProductOpts{})
			check(split(rng, x, c.l, c.rows, c.cols), split(rng, x, c.l, c.rows, c.cols), fixed.ProductOpts{})
			if c.l > 6 {
				o := fixed.ProductOpts{Within: fixed.Within(-9, 22), Drop: 4}
				for i := range few {
					few[i] = (few[i] - 9) & z2k.Mask(c.l)
				}
				check(split(rng, x, c.l, c.rows, c.cols), split(rng, few, c.l, c.rows, 1), o)
				check(split(rng, x, c.l, c.rows, c.cols), split(rng, y, c.l, c.rows, 1), fixed.ProductOpts{Drop: 6})
			}
		}
	})
}

// product fails unless got is x·y mod 2^l, but for dropped bits.
func product(t *testing.T, got, x, y uint64, l int, o fixed.ProductOpts, exact bool) {
	t.Helper()
	e, most := z2k.Signed((got-x*y)&z2k.Mask(l), l), o.MaxError()
	if exact {
		most = 0
	}
	if max(e, -e) > most {
		t.Fatalf("%d by %d mod 2^%d, %+v: %d, off by %d, want at most %d", x, y, l, o, got, e, most)
	}
}

// TestMulSSWithin has all halves of all values of all bounds in a small ring. The
// errors of dropped bits are what fixed says they are.
func TestMulSSWithin(t *testing.T) {
	const l = 4
	type job struct {
		x, y halves
		o    fixed.ProductOpts
		out  halves
	}
	var jobs []*job
	for n := 1; n < l; n++ {
		for _, lo := range []int64{-3, 0, 2} {
			var x, xc, y, yc []uint64
			for v := range int64(1) << (n - 1) {
				for i := range uint64(1) << (3 * l) {
					x, xc = append(x, i&15), append(xc, i>>l&15)
					y, yc = append(y, z2k.FromInt(lo+v, l)), append(yc, i>>(2*l))
				}
			}
			for drop := range n {
				jobs = append(jobs, &job{x: given(x, xc, l), y: given(y, yc, l), o: fixed.ProductOpts{Within: fixed.Bound{Bits: n, Lo: lo}, Drop: drop}})
			}
		}
	}
	real(t, 29, func(p *ot.Protocol, party int) (err error) {
		for _, j := range jobs {
			if j.out[party], err = p.MulSS(j.x[party], j.y[party], j.o); err != nil {
				return err
			}
		}
		return nil
	})
	for _, j := range jobs {
		x, y, move := j.x.open(), j.y.open(), j.o.Within.Move()
		for i, got := range j.out.open() {
			want := x[i]*y[i] + uint64(j.o.Error(x[i], y[i], j.x[0].V[i], (j.y[1].V[i]+move)&z2k.Mask(j.o.Within.Bits)))
			if got != want&z2k.Mask(l) {
				t.Fatalf("%d by %d, %+v: %d, want %d", x[i], y[i], j.o, got, want&z2k.Mask(l))
			}
		}
	}
}

func TestMul(t *testing.T) {
	everywhere(t, func(t *testing.T, exact bool, run func(func(protocols, int) error)) {
		rng := prg.New(seed(9))
		for _, c := range []struct{ l, rows, cols, vbits int }{{64, 5, 7, 12}, {20, 3, 70, 8}, {8, 300, 2, 10}, {8, 4, 4, 8}, {33, 1, 5, 1}, {20, 2, 3, 64}} {
			x, v := make([]uint64, c.rows*c.cols), make([]uint64, c.cols)
			rng.Fill(x, c.l)
			rng.Fill(v, c.vbits)
			h := split(rng, x, c.l, c.rows, c.cols)
			out := arith(run, func(p protocols, party int) (share.Arith, error) {
				return p.Mul(h[party], onlyServer(party, v), c.vbits)
			})
			for i, got := range out.open() {
				product(t, got, x[i], uint64(z2k.Signed(v[i%c.cols], c.vbits)), c.l, fixed.ProductOpts{}, exact)
			}
		}
	})
}
