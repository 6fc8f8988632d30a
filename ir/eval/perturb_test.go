package eval

import "testing"

// TestShareCarry holds the law that Perturb draws from equal to the protocol's,
// over all shares of all values of a small ring: both parties shift their own
// share after the client has added 2^d - 1, and the result is rounded up as
// often as u < x mod 2^d for uniform u.
func TestShareCarry(t *testing.T) {
	const l, d = 7, 3
	const mask, low = 1<<l - 1, 1<<d - 1
	for x := range 1 << l {
		up := 0
		for x0 := range 1 << l {
			x1 := (x - x0) & mask
			sum := ((x0+low)&mask)>>d + x1>>d
			switch sum & (mask >> d) {
			case x >> d:
			case (x>>d + 1) & (mask >> d):
				up++
			default:
				t.Fatalf("x = %d, x0 = %d: result %d", x, x0, sum&(mask>>d))
			}
		}
		if want := (x & low) << (l - d); up != want {
			t.Fatalf("x = %d is rounded up for %d of %d shares, want %d", x, up, 1<<l, want)
		}
	}
}

// TestCompareCarry does the same for a comparison that drops d bits: it answers
// 1 for as many shares as there are u below 2^d with x >= t + u.
func TestCompareCarry(t *testing.T) {
	const l, d, cut = 7, 3, 5
	const mask = 1<<l - 1
	for x := -20; x < 40; x++ {
		ones := 0
		for x0 := range 1 << l {
			x1 := (x - cut - x0) & mask
			dropped := (x0>>d + x1>>d) & (mask >> d)
			if dropped < 1<<(l-d-1) {
				ones++
			}
		}
		want := 0
		for u := range 1 << d {
			if x >= cut+u {
				want += 1 << (l - d)
			}
		}
		if ones != want {
			t.Fatalf("x = %d: %d of %d shares answer 1, want %d", x, ones, 1<<l, want)
		}
	}
}
