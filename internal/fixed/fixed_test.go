package fixed

import (
	"math"
	"math/big"
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
		levels := Levels(n)
		got := z2k.Signed(Max(x, 12, 3), 12)
		if got > best || got < best-int64(levels)*4 {
			t.Fatalf("max of %d values dropping 3 bits: %d, want %d", n, got, best)
		}
	}
}

func TestLayoutCmp(t *testing.T) {
	for _, n := range []int{1, 100, 1 << 14, 1 << 20} {
		for cuts := 1; cuts <= 9; cuts++ {
			for keep := 1; keep <= 64; keep++ {
				l := LayoutCmp(n, cuts, keep)
				sum := 0
				for i, b := range l.Digits {
					if b < 1 || b > MaxDigit || i > 0 && b > l.Digits[i-1] {
						t.Fatalf("layout for %d kept bits: %v", keep, l)
					}
					sum += b
				}
				if sum != keep-1 || l.Table && (len(l.Digits) < 2 || l.TableBits() > 6) {
					t.Fatalf("layout for %d kept bits: %v", keep, l)
				}
			}
		}
	}
}

func TestLayoutMax(t *testing.T) {
	for _, rows := range []int{1, 256, 100000} {
		for cols := 1; cols <= 300; cols += 1 + cols/8 {
			for _, o := range []CmpOpts{{Keep: 14}, {Keep: 26}, {Keep: 1, Drop: 9}, {Keep: 9, Drop: 2}} {
				l := LayoutMax(rows, cols, 26, o)
				left := cols
				for i, v := range l.Levels {
					if v.Cols != left || v.Group < 2 || v.Group > left || o.Drop > 0 && v.Group > 2 || v.Merged && (v.Group > 2 || len(v.Cmp.Digits) != 2) {
						t.Fatalf("%d columns, %+v: level %d is %+v of %d", cols, o, i, v, left)
					}
					sum := 0
					for _, g := range v.Groups() {
						sum += g
					}
					if sum != left {
						t.Fatalf("level %+v: groups of %d in all", v, sum)
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
	// More rows make bytes dearer against rounds.
	few, many := LayoutMax(256, 128, 26, CmpOpts{Keep: 14}), LayoutMax(1<<20, 128, 26, CmpOpts{Keep: 14})
	if len(few.Levels) >= len(many.Levels) {
		t.Errorf("%d levels for few rows, %d for many", len(few.Levels), len(many.Levels))
	}
}
