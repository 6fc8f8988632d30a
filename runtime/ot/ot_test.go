package ot_test

import (
	"fmt"
	"math/bits"
	"slices"
	"testing"

	"nimbus/internal/fixed"
	"nimbus/internal/prg"
	"nimbus/internal/z2k"
	"nimbus/runtime/ot"
	"nimbus/runtime/share"
)

// nearby checks got against floor and ceiling of x/2^s, mod 2^to: equal to the
// rounded twin if exact.
func nearby(t *testing.T, what string, got, x uint64, l, s, to int, exact bool) {
	t.Helper()
	v := z2k.Signed(x, l)
	floor := z2k.FromInt(v>>s, to)
	ceil := floor
	if s > 0 && v&(1<<s-1) != 0 {
		ceil = z2k.FromInt(v>>s+1, to)
	}
	if exact {
		floor = fixed.Trunc(x, l, s, to)
		ceil = floor
	}
	if got != floor && got != ceil {
		t.Fatalf("%s: %d bits of %d, by %d to %d: got %d, want %d or %d", what, l, v, s, to, got, floor, ceil)
	}
}

func TestTruncExhaustive(t *testing.T) {
	everywhere(t, func(t *testing.T, exact bool, run func(func(protocols, int) error)) {
		type job struct {
			h     halves
			x     []uint64
			s, to int
			out   halves
		}
		var jobs []*job
		for l := 3; l <= 6; l++ {
			all, client := pairs(l)
			for s := 0; s < l; s++ {
				for _, to := range []int{1, l - s - 1, l - s, l - s + 1, l, l + 3, 64} {
					if fixed.CheckTrunc(l, s, to) != nil {
						continue
					}
					var x, c []uint64
					for i := range all {
						v := z2k.Signed(all[i], l)
						if to <= l-s || max(v, -v) < 1<<(l-2)-1<<s {
							x, c = append(x, all[i]), append(c, client[i])
						}
					}
					jobs = append(jobs, &job{h: given(x, c, l), x: x, s: s, to: to})
				}
			}
		}
		run(func(p protocols, party int) (err error) {
			for _, j := range jobs {
				if j.out[party], err = p.Trunc(j.h[party], j.s, j.to); err != nil {
					return err
				}
			}
			return nil
		})
		for _, j := range jobs {
			for i, got := range j.out.open() {
				nearby(t, "trunc", got, j.x[i], j.h[0].Width, j.s, j.to, exact)
			}
		}
	})
}

func TestTruncWide(t *testing.T) {
	everywhere(t, func(t *testing.T, exact bool, run func(func(protocols, int) error)) {
		rng := prg.New(seed(3))
		for _, c := range []struct{ l, s, to int }{{64, 0, 64}, {64, 12, 64}, {63, 20, 64}, {40, 12, 64}, {40, 12, 40}, {33, 31, 33}, {64, 62, 64}, {64, 40, 24}, {64, 40, 10}} {
			var x []uint64
			for range 301 {
				// Uniform in the range of the protocol.
				v := int64(rng.Uint64()) >> (64 - c.l) >> 2
				if c.s == c.l-2 || max(v, -v) >= 1<<(c.l-2)-1<<c.s {
					v = 0
				}
				x = append(x, z2k.FromInt(v, c.l))
			}
			h := split(rng, x, c.l)
			out := arith(run, func(p protocols, party int) (share.Arith, error) { return p.Trunc(h[party], c.s, c.to) })
			for i, got := range out.open() {
				nearby(t, "trunc", got, x[i], c.l, c.s, c.to, exact)
			}
		}
	})
}

// TestTruncUnbiased looks at the mean error of the real protocol.
func TestTruncUnbiased(t *testing.T) {
	const n, l, s = 1 << 15, 24, 4
	rng := prg.New(seed(4))
	for v := range int64(1 << s) {
		x := make([]uint64, n)
		for i := range x {
			x[i] = uint64(v)
		}
		h := split(rng, x, l)
		out := arith(func(f func(protocols, int) error) {
			real(t, 5, asReal(f))
		}, func(p protocols, party int) (share.Arith, error) { return p.Trunc(h[party], s, l) })
		sum := 0.0
		for _, y := range out.open() {
			sum += float64(y)
		}
		if mean, want := sum/n, float64(v)/(1<<s); mean < want-0.02 || mean > want+0.02 {
			t.Errorf("%d/16: mean %.3f", v, mean)
		}
	}
}

func TestCmpExhaustive(t *testing.T) {
	everywhere(t, func(t *testing.T, exact bool, run func(func(protocols, int) error)) {
		type job struct {
			x    []uint64
			h    halves
			cuts []int64
			o    fixed.CmpOpts
			out  bools
		}
		var jobs []*job
		for l := 4; l <= 6; l++ {
			all, client := pairs(l)
			for drop := range 3 {
				for keep := 1; keep+drop <= l; keep++ {
					r := int64(1) << (keep + drop - 1)
					for _, cuts := range [][]int64{{0}, {-1, 2}, {-3, 0, 3}} {
						e := int64(0)
						if drop > 0 {
							e = 1 << drop
						}
						j := &job{cuts: cuts, o: fixed.CmpOpts{Keep: keep, Drop: drop}}
						var c []uint64
						for i, a := range all {
							v, ok := z2k.Signed(a, l), true
							for _, cut := range cuts {
								ok = ok && v-cut >= -r+e && v-cut < r
							}
							if ok {
								j.x, c = append(j.x, a), append(c, client[i])
							}
						}
						j.h = given(j.x, c, l)
						jobs = append(jobs, j)
					}
				}
			}
		}
		run(func(p protocols, party int) (err error) {
			for _, j := range jobs {
				if j.out[party], err = p.Cmp(j.h[party], onlyServer(party, j.cuts), len(j.cuts), j.o); err != nil {
					return err
				}
			}
			return nil
		})
		for _, j := range jobs {
			for i, got := range j.out.open() {
				l, cut := j.h[0].Width, j.cuts[i%len(j.cuts)]
				v := z2k.Signed(j.x[i/len(j.cuts)], l)
				want := fixed.Cmp(j.x[i/len(j.cuts)], l, cut, j.o.Drop)
				if !exact && j.o.Drop > 0 && v >= cut && v < cut+1<<j.o.Drop {
					continue
				}
				if got != want {
					t.Fatalf("%d bits, %+v: %d >= %d: %d", l, j.o, v, cut, got)
				}
			}
		}
	})
}

func TestCmpWide(t *testing.T) {
	everywhere(t, func(t *testing.T, exact bool, run func(func(protocols, int) error)) {
		rng := prg.New(seed(6))
		for _, c := range []struct {
			l, n int
			cuts []int64
			o    fixed.CmpOpts
		}{
			{64, 333, []int64{0}, fixed.CmpOpts{}},
			{64, 1, []int64{-5, 5}, fixed.CmpOpts{}},
			{20, 5000, []int64{-1000, 0, 1000}, fixed.CmpOpts{Keep: 12, Drop: 0}},
			{20, 77, []int64{-1000, 0, 1000}, fixed.CmpOpts{Keep: 8, Drop: 4}},
			{37, 10, slices.Repeat([]int64{3}, fixed.MaxCuts), fixed.CmpOpts{Keep: 10}},
			{16, 0, []int64{1}, fixed.CmpOpts{}},
			{16, 9, nil, fixed.CmpOpts{}},
		} {
			o, err := c.o.Resolve(c.l)
			if err != nil {
				t.Fatal(err)
			}
			x := make([]uint64, c.n)
			for i := range x {
				v := int64(rng.Uint64()) >> (64 - (o.Keep + o.Drop)) >> 2 // well inside
				x[i] = z2k.FromInt(v, c.l)
			}
			h := split(rng, x, c.l)
			var out bools
			run(func(p protocols, party int) (err error) {
				out[party], err = p.Cmp(h[party], onlyServer(party, c.cuts), len(c.cuts), c.o)
				return err
			})
			if want := []int{c.n, len(c.cuts)}; !slices.Equal(out[0].Shape, want) {
				t.Fatalf("shape %v, want %v", out[0].Shape, want)
			}
			for i, got := range out.open() {
				a, cut := x[i/len(c.cuts)], c.cuts[i%len(c.cuts)]
				v := z2k.Signed(a, c.l)
				if !exact && o.Drop > 0 && v >= cut && v < cut+1<<o.Drop {
					continue
				}
				if want := fixed.Cmp(a, c.l, cut, o.Drop); got != want {
					t.Fatalf("%d bits, %+v: %d >= %d: %d", c.l, o, v, cut, got)
				}
			}
		}
	})
}

func TestMuxExhaustive(t *testing.T) {
	everywhere(t, func(t *testing.T, exact bool, run func(func(protocols, int) error)) {
		for l := 1; l <= 6; l++ {
			var x, c []uint64
			var b [2][]uint8
			all, client := pairs(l)
			for bits := range uint8(4) {
				x, c = append(x, all...), append(c, client...)
				for range all {
					b[0], b[1] = append(b[0], bits&1), append(b[1], bits>>1)
				}
			}
			h := given(x, c, l)
			out := arith(run, func(p protocols, party int) (share.Arith, error) {
				return p.Mux(share.Bool{Shape: []int{len(x)}, V: b[party]}, h[party])
			})
			for i, got := range out.open() {
				if want := fixed.Mux(b[0][i]^b[1][i], x[i]); got != want {
					t.Fatalf("%d bits: %d selected by %d: %d", l, x[i], b[0][i]^b[1][i], got)
				}
			}
		}
	})
}

func TestAndExhaustive(t *testing.T) {
	everywhere(t, func(t *testing.T, exact bool, run func(func(protocols, int) error)) {
		for _, n := range []int{0, 1, 16, 67, 5000} {
			var a, b, out bools
			for party := range a {
				a[party], b[party] = share.NewBool(n), share.NewBool(n)
				for i := range n {
					a[party].V[i], b[party].V[i] = uint8(i>>party)&1, uint8(i>>(2+party))&1
				}
			}
			run(func(p protocols, party int) (err error) {
				out[party], err = p.And(a[party], b[party])
				return err
			})
			x, y := a.open(), b.open()
			for i, got := range out.open() {
				if want := x[i] & y[i]; got != want {
					t.Fatalf("%d and %d: %d", x[i], y[i], got)
				}
			}
		}
		run(func(p protocols, party int) error {
			if _, err := p.And(share.NewBool(3), share.NewBool(4)); err == nil {
				t.Error("unequal shapes pass")
			}
			return nil
		})
	})
}

func TestMax(t *testing.T) {
	everywhere(t, func(t *testing.T, exact bool, run func(func(protocols, int) error)) {
		rng := prg.New(seed(10))
		for cols := 1; cols <= 13; cols++ {
			for _, o := range []fixed.CmpOpts{{}, {Keep: 11}, {Keep: 8, Drop: 3}} {
				const rows, l = 6, 16
				x := make([]uint64, rows*cols)
				for i := range x {
					x[i] = z2k.FromInt(int64(rng.Uint64()%1000)-500, l)
				}
				h := split(rng, x, l, 2, 3, cols)
				full, _ := o.Resolve(l)
				stated := anyMax(rng, cols, full)
				out := arith(run, func(p protocols, party int) (share.Arith, error) { return p.Max(h[party], o, stated) })
				if !slices.Equal(out[0].Shape, []int{2, 3, 1}) {
					t.Fatalf("shape %v", out[0].Shape)
				}
				for r, got := range out.open() {
					row := x[r*cols : (r+1)*cols]
					best := z2k.Signed(fixed.Max(row, l, 0), l)
					slack := int64(0)
					if o.Drop > 0 {
						slack = int64(bits.Len(uint(cols-1))) << o.Drop
					}
					v := z2k.Signed(got, l)
					if v > best || v < best-slack || !slices.Contains(row, got) || exact && got != fixed.Max(row, l, o.Drop) {
						t.Fatalf("max of %d, %+v: %d, want %d", cols, o, v, best)
					}
				}
			}
		}
	})
}

// TestMaxTies has every row of one to four values of two bits in every layout of
// the first level, and long rows with levels of all kinds.
func TestMaxTies(t *testing.T) {
	everywhere(t, func(t *testing.T, exact bool, run func(func(protocols, int) error)) {
		rng := prg.New(seed(18))
		check := func(x []uint64, rows, cols, l int, o fixed.CmpOpts, stated []int) {
			t.Helper()
			h := split(rng, x, l, rows, cols)
			out := arith(run, func(p protocols, party int) (share.Arith, error) { return p.Max(h[party], o, stated) })
			for r, got := range out.open() {
				row := x[r*cols : (r+1)*cols]
				if want := fixed.Max(row, l, 0); got != want {
					t.Fatalf("%d bits, %+v: max of %d is %d, want %d", l, o, row, got, want)
				}
			}
		}
		for cols := 1; cols <= 4; cols++ {
			var x []uint64
			for i := range 1 << (2 * cols) {
				for j := range cols {
					x = append(x, uint64(i>>(2*j)&3)) // -2..1 in two bits
				}
			}
			for _, l := range []int{3, 9} {
				v := make([]uint64, len(x))
				for i := range x {
					v[i] = z2k.FromInt(z2k.Signed(x[i], 2), l)
				}
				o := fixed.CmpOpts{Keep: 3}
				check(v, 1<<(2*cols), cols, l, o, nil)
				for _, first := range fixed.MaxLevels(cols, o) {
					check(v, 1<<(2*cols), cols, l, o, append(first.Ints(), anyMax(rng, first.Winners(), o)...))
				}
			}
		}
		for _, c := range []struct{ rows, cols, keep int }{{1, 128, 14}, {3, 37, 14}, {40, 33, 9}, {700, 21, 16}} {
			x := make([]uint64, c.rows*c.cols)
			for i := range x {
				x[i] = z2k.FromInt(int64(rng.Uint64()&z2k.Mask(c.keep-1))-1<<(c.keep-2), 26)
			}
			o := fixed.CmpOpts{Keep: c.keep}
			for range 3 {
				check(x, c.rows, c.cols, 26, o, anyMax(rng, c.cols, o))
			}
		}
	})
}

// TestLayouts: every way to cut and join gives the same bits.
func TestLayouts(t *testing.T) {
	x, client := pairs(5)
	h := given(x, client, 5)
	cuts := []int64{-3, 0, 2}
	layouts := append(fixed.CmpLayouts(5, false), fixed.CmpLayout{})
	out := make([]bools, len(layouts))
	real(t, 24, func(p *ot.Protocol, party int) (err error) {
		for i, l := range layouts {
			out[i][party], err = p.Cmp(h[party], onlyServer(party, cuts), len(cuts), fixed.CmpOpts{Keep: 5, Layout: l})
			if err != nil {
				return err
			}
		}
		return nil
	})
	for n, l := range layouts {
		for i, got := range out[n].open() {
			v, c := z2k.Signed(x[i/len(cuts)], 5), cuts[i%len(cuts)]
			if d := v - c; d < -16+1 || d >= 16 {
				continue // outside the range of five kept bits
			}
			if want := fixed.Cmp(x[i/len(cuts)], 5, c, 0); got != want {
				t.Fatalf("%+v: %d >= %d is %d", l, v, c, got)
			}
		}
	}
}

// TestLookup tries all halves of the selectors of one to six bits.
func TestLookup(t *testing.T) {
	rng := prg.New(seed(25))
	for k := 1; k <= 6; k++ {
		truth := rng.Uint64()
		n := 1 << (2 * k)
		bits := [2][]uint64{make([]uint64, n), make([]uint64, n)}
		for i := range n {
			bits[0][i], bits[1][i] = uint64(i>>k), uint64(i)&(1<<k-1)
		}
		for _, width := range []int{1, 13, 64} {
			for _, xor := range []bool{false, true} {
				c := make([]uint64, n)
				rng.Fill(c, width)
				h := split(rng, c, width)
				if xor {
					h[share.Server].V = c
				}
				var out [2][]uint64
				real(t, 26, func(p *ot.Protocol, party int) (err error) {
					out[party], err = p.Lookup(bits[party], h[party].V, k, width, truth, xor)
					return err
				})
				for i := range n {
					got := (out[0][i] + out[1][i]) & z2k.Mask(width)
					if xor {
						got = out[0][i] ^ out[1][i]
					}
					if want := c[i] & -(truth >> (bits[0][i] ^ bits[1][i]) & 1); got != want {
						t.Fatalf("%d bits, width %d, xor %v, selector %d and %d: %d, want %d", k, width, xor, bits[0][i], bits[1][i], got, want)
					}
				}
			}
		}
	}
}

func TestMisuse(t *testing.T) {
	x := halves{share.NewArith(16, 4), share.NewArith(16, 4)}
	everywhere(t, func(t *testing.T, exact bool, run func(func(protocols, int) error)) {
		run(func(p protocols, party int) error {
			for name, f := range map[string]func() error{
				"trunc":  func() error { _, err := p.Trunc(x[party], 15, 16); return err },
				"square": func() error { _, err := p.Square(x[party], 17, fixed.Bound{}); return err },
				"keep":   func() error { _, err := p.Cmp(x[party], nil, 0, fixed.CmpOpts{Keep: 17}); return err },
				"max":    func() error { _, err := p.Max(share.NewArith(16, 4, 0), fixed.CmpOpts{}, nil); return err },
				"levels": func() error { _, err := p.Max(share.NewArith(16, 4, 9), fixed.CmpOpts{}, []int{5, 4, 0}); return err },
				"layout": func() error {
					_, err := p.Cmp(x[party], nil, 0, fixed.CmpOpts{Keep: 16, Layout: fixed.CmpLayout{Count: 2, Join: fixed.Tree}})
					return err
				},
				"piecewise": func() error { _, err := p.Piecewise(x[party], fixed.Piecewise{}); return err },
				"recip":     func() error { _, err := p.Recip(x[party], fixed.Inverse{Kind: fixed.Rsqrt}); return err },
			} {
				if f() == nil {
					return fmt.Errorf("%s: no error", name)
				}
			}
			return nil
		})
	})
}
