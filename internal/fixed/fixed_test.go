package fixed

import (
	"math"
	"math/big"
	"math/bits"
	"math/rand/v2"
	"testing"

	"nimbus/internal/z2k"
)

func TestEncodeDecode(t *testing.T) {
	for _, c := range []struct {
		r    float64
		f    Format
		want int64
		bad  bool
	}{
		{1, Format{16, 8}, 256, false},
		{-1, Format{16, 8}, -256, false},
		{0.001953125, Format{16, 8}, 1, false}, // half an ulp, away from zero
		{-0.001953125, Format{16, 8}, -1, false},
		{127.99609375, Format{16, 8}, 32767, false},
		{128, Format{16, 8}, 0, true},
		{-128, Format{16, 8}, -32768, false},
		{-128.01, Format{16, 8}, 0, true},
		{math.NaN(), Format{16, 8}, 0, true},
		{math.Inf(1), Format{64, 8}, 0, true},
		{-9.223372036854775808e18, Format{64, 0}, math.MinInt64, false},
		{9.223372036854775808e18, Format{64, 0}, 0, true},
		{1, Format{0, 8}, 0, true},
		{1, Format{65, 8}, 0, true},
		{1, Format{16, -1}, 0, true},
	} {
		got, err := c.f.Encode(c.r)
		if (err != nil) != c.bad {
			t.Errorf("encode %v at %v: error %v", c.r, c.f, err)
			continue
		}
		if err == nil && z2k.Signed(got, c.f.Width) != c.want {
			t.Errorf("encode %v at %v: %d, want %d", c.r, c.f, z2k.Signed(got, c.f.Width), c.want)
		}
		if err == nil && math.Abs(c.f.Decode(got)-c.r) > math.Ldexp(0.5, -c.f.Frac) {
			t.Errorf("decode of encode %v at %v: %v", c.r, c.f, c.f.Decode(got))
		}
	}
}

// floorDiv returns floor((x + 2^(s-1)) / 2^s), by big numbers.
func floorDiv(x int64, s int) *big.Int {
	b := big.NewInt(x)
	if s > 0 {
		b.Add(b, new(big.Int).Lsh(big.NewInt(1), uint(s-1)))
	}
	return b.Rsh(b, uint(s))
}

func modWidth(b *big.Int, w int) uint64 {
	return new(big.Int).And(b, new(big.Int).SetUint64(z2k.Mask(w))).Uint64()
}

func TestShrinkTruncExhaustive(t *testing.T) {
	for l := 1; l <= 8; l++ {
		for s := 0; s < l; s++ {
			for x := range uint64(1) << l {
				want := floorDiv(z2k.Signed(x, l), s)
				if got := Shrink(x, l, s); got != modWidth(want, l-s) {
					t.Fatalf("shrink %d of %d bits by %d: %d, want %v", x, l, s, got, want)
				}
				for to := 1; to <= 10; to++ {
					if CheckTrunc(l, s, to) != nil {
						continue
					}
					if got := Trunc(x, l, s, to); got != modWidth(want, to) {
						t.Fatalf("trunc %d of %d bits by %d to %d: %d, want %v", x, l, s, to, got, want)
					}
				}
			}
		}
	}
}

func TestShrinkTruncWide(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		l := 2 + rng.IntN(63)
		s := rng.IntN(l)
		x := rng.Uint64() & z2k.Mask(l)
		if rng.IntN(4) == 0 {
			x = z2k.Mask(l) >> 1 // the largest
		}
		want := floorDiv(z2k.Signed(x, l), s)
		if got := Shrink(x, l, s); got != modWidth(want, l-s) {
			t.Fatalf("shrink %#x of %d bits by %d: %#x, want %v", x, l, s, got, want)
		}
		to := 1 + rng.IntN(64)
		if CheckTrunc(l, s, to) == nil {
			if got := Trunc(x, l, s, to); got != modWidth(want, to) {
				t.Fatalf("trunc %#x of %d bits by %d to %d: %#x, want %v", x, l, s, to, got, want)
			}
		}
	}
}

func TestCmp(t *testing.T) {
	for l := 1; l <= 6; l++ {
		for x := range uint64(1) << l {
			for c := int64(-40); c <= 40; c++ {
				for d := range 4 {
					want := uint8(0)
					cut := c
					if d > 0 {
						cut += 1 << (d - 1)
					}
					if z2k.Signed(x, l) >= cut {
						want = 1
					}
					if got := Cmp(x, l, c, d); got != want {
						t.Fatalf("cmp %d of %d bits with %d dropping %d: %d", x, l, c, d, got)
					}
				}
			}
		}
	}
	if Cmp(z2k.Mask(63), 64, math.MaxInt64-1, 2) != 0 {
		t.Error("a cut whose zone ends beyond 2^63 was reached")
	}
}

func TestMax(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for n := 1; n <= 40; n++ {
		x := make([]uint64, n)
		best := int64(math.MinInt64)
		for i := range x {
			v := int64(rng.IntN(1<<10)) - 1<<9
			x[i] = z2k.FromInt(v, 12)
			best = max(best, v)
		}
		if got := z2k.Signed(Max(x, 12, 0), 12); got != best {
			t.Fatalf("max of %d values: %d, want %d", n, got, best)
		}
		levels := bits.Len(uint(n - 1))
		got := z2k.Signed(Max(x, 12, 3), 12)
		if got > best || got < best-int64(levels)*4 {
			t.Fatalf("max of %d values dropping 3 bits: %d, want %d", n, got, best)
		}
	}
}

// TestCmpLayouts: digits make up the kept bits, and nothing outside the table
// passes.
func TestCmpLayouts(t *testing.T) {
	for keep := 1; keep <= 64; keep++ {
		all := CmpLayouts(keep, true)
		known := map[CmpLayout]bool{{}: true}
		for _, l := range all {
			known[l] = true
		}
		for l := range known {
			sum := 0
			for i, b := range l.Digits(keep) {
				if b < 1 || b > MaxDigit || i > 0 && b > l.Digits(keep)[i-1] {
					t.Fatalf("layout for %d kept bits: %v", keep, l)
				}
				sum += b
			}
			if sum != keep-1 || l.Join == Table && (l.Count < 2 || TableBits(l.Count) > 6) {
				t.Fatalf("layout for %d kept bits: %v", keep, l)
			}
			if back, err := CmpLayoutOf(l.Ints()); err != nil || back != l {
				t.Fatalf("%v comes back as %v, %v", l, back, err)
			}
		}
		for count := -1; count < 70; count++ {
			for join := range joins + 2 {
				l := CmpLayout{count, join}
				if err := l.check(keep, true); (err == nil) != known[l] {
					t.Fatalf("keep %d: check of %v: %v", keep, l, err)
				}
				if l.Join == Selection && l.check(keep, false) == nil {
					t.Fatalf("keep %d: %v for a comparison by itself", keep, l)
				}
			}
		}
	}
	for _, v := range [][]int{{1}, {1, 2, 3}, {-1, 0}, {0, -1}, {2, 3}} {
		if _, err := CmpLayoutOf(v); err == nil {
			t.Errorf("%v passed", v)
		}
	}
}

func TestMaxLayout(t *testing.T) {
	for cols := 1; cols <= 300; cols += 1 + cols/8 {
		for _, o := range []CmpOpts{{Keep: 14}, {Keep: 26}, {Keep: 1, Drop: 9}, {Keep: 9, Drop: 2}} {
			// The levels that may come first, each followed by the last of those that
			// may come then; and what an op without layout does.
			states := [][]int{nil}
			for _, first := range MaxLevels(cols, o) {
				stated, left := first.Ints(), first.Winners()
				for left > 1 {
					all := MaxLevels(left, o)
					l := all[len(all)-1]
					stated, left = append(stated, l.Ints()...), l.Winners()
				}
				states = append(states, stated)
			}
			for _, stated := range states {
				l, err := NewMaxLayout(cols, 26, o, stated)
				if err != nil {
					t.Fatal(err)
				}
				left := cols
				for i, v := range l.Levels {
					sum := 0
					for _, g := range v.Groups() {
						sum += g
					}
					if v.Cols != left || sum != left {
						t.Fatalf("%d columns, %+v: level %d is %+v of %d", cols, o, i, v, left)
					}
					left = len(v.Groups())
				}
				want := min(26, o.Keep+o.Drop+1)
				if len(l.Levels) < 2 {
					want = 26
				}
				if left != 1 || l.Width != want {
					t.Fatalf("%d columns, %+v: %+v leaves %d", cols, o, l, left)
				}
			}
		}
	}
	for _, c := range []struct {
		cols, drop int
		stated     []int
	}{
		{5, 0, []int{2, 2, 0}}, {2, 0, []int{2, 2, 0, 2, 2, 0}}, {1, 0, []int{2, 2, 0}}, {3, 0, []int{4, 2, 0}}, {5, 0, []int{5, 2, 0}},
		{4, 2, []int{4, 2, 0}}, {4, 0, []int{4, 2, 2}}, {2, 0, []int{2, 1, 0}}, {2, 0, []int{2, 2}}, {2, 0, []int{1, 2, 0}}, {2, 0, []int{2, 3, 2}},
	} {
		if _, err := NewMaxLayout(c.cols, 26, CmpOpts{Keep: 10, Drop: c.drop}, c.stated); err == nil {
			t.Errorf("%+v passed", c)
		}
	}
}
