package fixed

import (
	"fmt"
	"math/bits"
)

// cotBits is what a correlated OT counts for in bits where halves are reduced:
// making it ahead with SoftSpoken, k = 8.
const cotBits = 15

// A Bound is where a value lies: Lo <= x < Lo + 2^(Bits-1). Products by it then
// need only Bits bits of its halves. Bits is 0 if nothing is known.
type Bound struct {
	Bits int
	Lo   int64
}

// Within is the bound of the values from lo to hi.
func Within(lo, hi int64) Bound { return Bound{bits.Len64(uint64(hi)-uint64(lo)) + 1, lo} }

// Move is what is added to one half so that the sum's top bit, of Bits, is set.
func (b Bound) Move() uint64 {
	if b.Bits == 0 {
		return 0
	}
	return 1<<(b.Bits-1) - uint64(b.Lo)
}

// Square is b if it saves bits of a square mod 2^width, otherwise no bound.
func (b Bound) Square(width int) Bound {
	if b.Bits == 0 || b.Bits >= width-1 {
		return Bound{}
	}
	saved := -(width - b.Bits - 1 + 1 + cotBits)
	for i := b.Bits; i < width-1; i++ {
		saved += width - 1 - i + 1 + cotBits
	}
	if saved <= 0 {
		return Bound{}
	}
	return b
}

// SquareBound returns the bound of p's square: the interval of its quadratic
// pieces.
func (p Piecewise) SquareBound() Bound {
	lo, hi := p.Curved()
	return Within(lo, hi).Square(p.SquareWidth())
}

// ProductOpts say what a product of two shared values may rest on, and what of it
// nobody reads.
type ProductOpts struct {
	// Within is where the second factor lies, whose bits are the choices.
	Within Bound
	// Drop is the number of low bits of the product that are rounded away.
	Drop int
}

// Choices is how many bits of each half of the second factor choose, in a ring of
// width bits.
func (o ProductOpts) Choices(width int) int {
	if o.Within.Bits > 0 {
		return o.Within.Bits
	}
	return width
}

// Check returns an error unless the options fit a ring of width bits.
func (o ProductOpts) Check(width int) error {
	if o.Within.Bits >= width {
		return fmt.Errorf("a factor within 2^%d values in a ring of %d bits: want at most 2^%d", o.Within.Bits-1, width, width-2)
	}
	if n := o.Choices(width); o.Drop < 0 || o.Drop > 0 && o.Drop >= n { // the top one stays whole
		return fmt.Errorf("drop = %d of a product with %d choices: want 0..%d", o.Drop, n, max(n-1, 0))
	}
	return nil
}

// MaxError is how far a product may be off.
func (o ProductOpts) MaxError() int64 {
	if o.Drop == 0 {
		return 0
	}
	return int64(o.Drop+2)<<o.Drop/2 + 1
}

// Dropping returns o with the most bits dropped for which the error is below half
// a unit of what is left when readers drop so many: the rule for products under
// encryption, for the same reason (rlweparams.Hidden).
func (o ProductOpts) Dropping(width, drop int) ProductOpts {
	o.Drop = 0
	for next := o; next.Check(width) == nil && next.MaxError() < 1<<min(drop, 50)>>1; next.Drop++ {
		o = next
	}
	return o
}

// RoundedUp is what rounding x to a multiple of 2^n adds, half of it upwards.
func RoundedUp(x uint64, n int) int64 {
	up := int64(x&(1<<n-1)) << 1 >> n << n // 2^n where the highest of the low bits is set
	return up - int64(x&(1<<n-1))
}

// Taken is what the owner of x takes back where x·2^i is rounded to a multiple of
// 2^drop before bit i of the other's choices adds it: half of what rounding adds.
func Taken(x uint64, drop int) int64 {
	added := int64(0)
	for i := range drop {
		added += RoundedUp(x, drop-i) << i
	}
	return added >> 1
}

// Local is a party's own part of a product, x·y less what it takes back, to a
// multiple of 2^drop.
func Local(x, y uint64, drop int) uint64 {
	out := x*y - uint64(Taken(x, drop))
	return out + uint64(RoundedUp(out, drop))
}

// Error is what dropping bits adds to the product of shared x and y if the first
// party's half of x is x0 and the second's half of y, as it chooses, is y1.
func (o ProductOpts) Error(x, y, x0, y1 uint64) int64 {
	if o.Drop == 0 {
		return 0
	}
	x1, move := x-x0, o.Within.Move()
	y0 := y + move - y1
	sum := Local(x0, y0-move, o.Drop) - x0*(y0-move) + Local(x1, y1-move, o.Drop) - x1*(y1-move)
	for i := range o.Drop {
		sum += uint64(RoundedUp(x0, o.Drop-i)<<i)*(y1>>i&1) + uint64(RoundedUp(x1, o.Drop-i)<<i)*(y0>>i&1)
	}
	return int64(sum)
}
