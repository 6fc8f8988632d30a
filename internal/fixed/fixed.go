package fixed

import (
	"fmt"
	"math"
	"math/bits"

	"nimbus/internal/z2k"
)

// Format is how a real is stored: Width bits, Frac of them after the binary
// point. Frac may be 0 but not negative, and may exceed Width.
type Format struct {
	Width int // 1..64
	Frac  int // 0..62
}

// Check says whether f is a usable format.
func (f Format) Check() error {
	if f.Width < 1 || f.Width > 64 {
		return fmt.Errorf("fixed: width %d is not in 1..64", f.Width)
	}
	if f.Frac < 0 || f.Frac > 62 {
		return fmt.Errorf("fixed: %d fraction bits are not in 0..62", f.Frac)
	}
	return nil
}

// String prints f as the IR does, fx24.12.
func (f Format) String() string { return fmt.Sprintf("fx%d.%d", f.Width, f.Frac) }

// Encode is the package function Encode at format f.
func (f Format) Encode(r float64) (uint64, error) { return Encode(r, f.Width, f.Frac) }

// Decode is the package function Decode at format f.
func (f Format) Decode(x uint64) float64 { return Decode(x, f.Width, f.Frac) }

// Encode returns round(r·2^frac), ties away from zero, as an element of
// Z_2^width. A value that needs more than width bits, signed, is an error, and
// so are infinities and NaN.
func Encode(r float64, width, frac int) (uint64, error) {
	if err := (Format{width, frac}).Check(); err != nil {
		return 0, err
	}
	v := math.Round(math.Ldexp(r, frac))
	limit := math.Ldexp(1, width-1)
	if !(v >= -limit && v < limit) { // also NaN
		return 0, fmt.Errorf("fixed: %v does not fit %v: want a value in [%v, %v)", r, Format{width, frac},
			-math.Ldexp(1, width-1-frac), math.Ldexp(1, width-1-frac))
	}
	return z2k.FromInt(int64(v), width), nil
}

// Decode returns the real that x, an element of Z_2^width, stands for.
func Decode(x uint64, width, frac int) float64 {
	return math.Ldexp(float64(z2k.Signed(x, width)), -frac)
}

// round returns floor((x + 2^(d-1)) / 2^d) for 0 <= d <= 63, without overflow.
func round(x int64, d int) int64 {
	if d == 0 {
		return x
	}
	return x>>d + (x>>(d-1))&1
}

// Shrink drops the low d bits of x and leaves a ring smaller by as many:
//
//	floor((x + 2^(d-1)) / 2^d) mod 2^(l-d),   0 <= d < l
//
// x signed; d = 0 is the identity. The protocol, which is local, gives the
// floor or the ceiling of x/2^d: within 1 ulp, and exact where 2^d divides x.
func Shrink(x uint64, l, d int) uint64 {
	if d < 0 || d >= l {
		panic(fmt.Sprintf("fixed: internal error: shrink of %d bits by %d", l, d))
	}
	return z2k.FromInt(round(z2k.Signed(x, l), d), l-d)
}

// Trunc drops the low s bits of x in Z_2^l and puts the signed result into
// Z_2^l2, which may be wider or narrower: s = 0 extends or reduces. Rounding is
// that of Shrink; the protocol is within 1 ulp, exact where 2^s divides x, and
// needs |x| < 2^(l-2) - 2^s, as [CheckTrunc] explains.
func Trunc(x uint64, l, s, l2 int) uint64 {
	if err := CheckTrunc(l, s, l2); err != nil {
		panic("fixed: internal error: " + err.Error())
	}
	return z2k.FromInt(round(z2k.Signed(x, l), s), l2)
}

// CheckTrunc says whether values of width l can be truncated by s bits into
// width to. Where to <= l-s that is local and s < l suffices; otherwise the wrap
// of the shares is needed, and the offset 2^(l-1) + 2^(l-2) that makes it cheap
// must be a multiple of 2^s.
func CheckTrunc(l, s, to int) error {
	switch {
	case l < 1 || l > 64 || to < 1 || to > 64:
		return fmt.Errorf("fixed: truncation from width %d to %d: widths are 1..64", l, to)
	case s < 0 || s >= l:
		return fmt.Errorf("fixed: truncation by %d bits of a width of %d: want 0..%d", s, l, l-1)
	case to > l-s && s > l-2:
		return fmt.Errorf("fixed: truncation by %d bits from width %d into width %d: at least two bits must stay", s, l, to)
	}
	return nil
}

// Cmp returns 1{x >= t} for x in Z_2^l, signed. A comparison that drops d low
// bits may answer 0 for t <= x < t+2^d, never 1 below t; its twin answers as if
// the cut were at t + 2^(d-1), the middle of that zone.
func Cmp(x uint64, l int, t int64, d int) uint8 {
	s := z2k.Signed(x, l)
	if d > 0 {
		sum := t + 1<<(d-1)
		if sum < t { // beyond 2^63: no x reaches it
			return 0
		}
		t = sum
	}
	if s >= t {
		return 1
	}
	return 0
}

// CmpOpts says which bits of a difference a comparison looks at: Drop low bits
// are dropped and the Keep next ones kept, the top one being the sign. The
// difference must lie in [-2^(Keep+Drop-1) + 2^Drop, 2^(Keep+Drop-1)). The zero
// value means all bits. Layout is that of a comparison by itself.
type CmpOpts struct {
	Keep   int
	Drop   int
	Layout CmpLayout
}

// Resolve returns o with the zero value replaced by all bits of the width, or
// says what is wrong with it.
func (o CmpOpts) Resolve(width int) (CmpOpts, error) {
	if o.Keep == 0 && o.Drop == 0 {
		o.Keep = width
	}
	if o.Keep < 1 || o.Keep > 64 || o.Drop < 0 || o.Drop > 62 || o.Keep+o.Drop > width {
		return o, fmt.Errorf("keep %d and drop %d: want keep >= 1, drop >= 0 and a sum of at most %d bits", o.Keep, o.Drop, width)
	}
	if err := o.Layout.check(o.Keep, false); err != nil {
		return o, err
	}
	return o, nil
}

// Mux returns x where b is 1 and 0 where it is 0.
func Mux(b uint8, x uint64) uint64 { return x & -uint64(b&1) }

// Square returns x² mod 2^w, w at most the width of x.
func Square(x uint64, w int) uint64 { return x * x & z2k.Mask(w) }

// Max returns the largest of x, signed elements of Z_2^l, as a tournament finds
// it that compares neighbours with drop low bits dropped: with drop = 0 exactly
// the largest, otherwise at most ceil(log2 n)·2^(drop-1) below it. The protocol
// errs by at most ceil(log2 n)·2^drop. An odd element passes a round untouched.
func Max(x []uint64, l, drop int) uint64 {
	if len(x) == 0 {
		panic("fixed: internal error: max of nothing")
	}
	cur := append([]uint64(nil), x...)
	for len(cur) > 1 {
		next := cur[:0:len(cur)]
		half := len(cur) / 2
		for i := range half {
			a, b := cur[2*i], cur[2*i+1]
			d := (a - b) & z2k.Mask(l)
			next = append(next, (b+Mux(Cmp(d, l, 0, drop), d))&z2k.Mask(l))
		}
		if len(cur)%2 == 1 {
			next = append(next, cur[len(cur)-1])
		}
		cur = next
	}
	return cur[0]
}

// BitLen returns the bits that a signed integer takes, sign included: 1 for 0
// and -1, 2 for 1 and -2.
func BitLen(x int64) int {
	if x < 0 {
		x = ^x
	}
	return bits.Len64(uint64(x)) + 1
}
