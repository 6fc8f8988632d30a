package fixed

import "math/bits"

// A layout says how a protocol over OT cuts its work into OTs: both parties and
// the cost formulas take it from here. Layouts change bytes and rounds, never
// results. They minimise a price in bits on the wire:
const (
	RoundBits = 4 << 20 // a round trip: 1.4 ms at 3 Gbit/s, of which 1 ms is the way
	cotBits   = 15      // making a COT ahead, SoftSpoken with k = 8
	hashBits  = 6       // making and masking one message, 2 ns
)

// price is the price of n values at so many bits each, and of round trips.
func price(n, bits, rounds int) int64 { return int64(n)*int64(bits) + RoundBits*int64(rounds) }

// MaxDigit is the largest digit of a comparison, in bits: one leaf of a digit
// of b bits costs 2^b - 1 messages.
const MaxDigit = 7

// maxTable is the most digits that one look-up joins: it has 2^(2·digits-2)
// messages.
const maxTable = 4

// CmpLayout is how a comparison is cut. Its kept bits but the top one form
// Digits, least significant first. The digits' leaves are joined by a tree of
// ANDs, or by one look-up in a table if Table is set.
type CmpLayout struct {
	Digits []int
	Table  bool
}

// LayoutCmp returns the layout for n values compared with so many cuts each,
// keep bits kept.
func LayoutCmp(n, cuts, keep int) CmpLayout {
	var best CmpLayout
	bestPrice := int64(-1)
	for _, l := range cmpLayouts(keep) {
		bits, rounds := l.price(cuts)
		if p := price(n, bits, rounds); bestPrice < 0 || p < bestPrice {
			best, bestPrice = l, p
		}
	}
	return best
}

// cmpLayouts returns all layouts for keep bits, those of fewer digits first.
func cmpLayouts(keep int) []CmpLayout {
	m := keep - 1
	if m <= 0 {
		return []CmpLayout{{}}
	}
	var all []CmpLayout
	for count := (m + MaxDigit - 1) / MaxDigit; count <= m; count++ {
		d := make([]int, count)
		for i := range d {
			d[i] = m / count
			if i < m%count { // larger digits low: the lowest needs no equality
				d[i]++
			}
		}
		all = append(all, CmpLayout{Digits: d})
		if count > 1 && count <= maxTable {
			all = append(all, CmpLayout{Digits: d, Table: true})
		}
	}
	return all
}

// price returns what one value costs, but for the choices of its leaves, which
// are the same in all layouts, and the round trips.
func (l CmpLayout) price(cuts int) (bits, rounds int) {
	if len(l.Digits) == 0 {
		return 0, 0
	}
	for i, b := range l.Digits {
		per := 2*cuts + hashBits // a greater and an equal bit for each cut
		if i == 0 {
			per = cuts + hashBits // the lowest needs no equality
		}
		bits += (1<<b - 1) * per
	}
	if l.Table {
		return bits + cuts*tablePrice(l.TableBits()), 2
	}
	for count := len(l.Digits); count > 1; count = (count + 1) / 2 {
		nodes := count / 2
		// Each way a choice and a payload of two bits; the lowest needs no equality.
		bits += 2 * cuts * (nodes*(3+cotBits+2*hashBits) - 1)
	}
	return bits, 1 + Levels(len(l.Digits))
}

// TableBits returns the size of the selector of the look-up that joins digits:
// a greater bit of all but the highest, an equal bit of all but the lowest.
func (l CmpLayout) TableBits() int { return max(0, 2*len(l.Digits)-2) }

// Levels returns the depth of a binary tree over count leaves.
func Levels(count int) int {
	l := 0
	for ; count > 1; count = (count + 1) / 2 {
		l++
	}
	return l
}

// selectPrice is the price of a selection of width bits by a function of k
// shared bits.
func selectPrice(k, width int) int {
	return 2 * ((1<<k-1)*width + (1<<k)*hashBits + k*(1+cotBits))
}

// MaxLevel is one level of a tournament: neighbours in groups of Group, the
// last group with what is left, become one winner each. All pairs of a group
// are compared at once. In a level of pairs that is Merged the digits of a
// comparison are not joined before the selection, but by it.
type MaxLevel struct {
	Cols   int
	Group  int
	Cmp    CmpLayout
	Merged bool
}

// Groups returns the sizes of the level's groups.
func (l MaxLevel) Groups() []int {
	var sizes []int
	for left := l.Cols; left > 0; left -= l.Group {
		sizes = append(sizes, min(l.Group, left))
	}
	return sizes
}

// Pairs returns the comparisons within a group of size g.
func Pairs(g int) int { return g * (g - 1) / 2 }

// MaxLayout is how the largest of each of many rows is found. The tournament
// runs on differences to the first element, which need Width bits only; in its
// last level they are extended again, beside the comparisons.
type MaxLayout struct {
	Width  int
	Levels []MaxLevel
}

// LayoutMax returns the layout for rows × cols elements of the given width.
//
// Groups are of two where the comparison drops bits: in a larger one, answers
// that are wrong in their zone may contradict each other, and then the winner
// is any of the group.
func LayoutMax(rows, cols, width int, o CmpOpts) MaxLayout {
	l := MaxLayout{Width: min(width, o.Keep+o.Drop+1)}
	largest := 4
	if o.Drop > 0 {
		largest = 2
	}
	type step struct {
		level MaxLevel
		price int64
	}
	best := map[int]step{1: {}}
	var solve func(cols int) step
	solve = func(cols int) step {
		if s, ok := best[cols]; ok {
			return s
		}
		s := step{price: -1}
		for g := 2; g <= min(largest, cols); g++ {
			rest := solve((cols + g - 1) / g).price
			for _, c := range cmpLayouts(o.Keep) {
				for _, merged := range []bool{false, true} {
					if merged && (g > 2 || c.Table || len(c.Digits) != 2) {
						continue
					}
					level := MaxLevel{Cols: cols, Group: g, Cmp: c, Merged: merged}
					bits, rounds := level.price(l.Width)
					if p := price(rows, bits, rounds) + rest; s.price < 0 || p < s.price {
						s = step{level, p}
					}
				}
			}
		}
		best[cols] = s
		return s
	}
	for cols > 1 {
		s := solve(cols)
		l.Levels = append(l.Levels, s.level)
		cols = (cols + s.level.Group - 1) / s.level.Group
	}
	if len(l.Levels) < 2 {
		l.Width = width
	}
	return l
}

// price returns what one row costs on a level, and the round trips.
func (l MaxLevel) price(width int) (bits, rounds int) {
	cmp, rounds := l.Cmp.price(1)
	if l.Merged {
		c := l.Cmp
		c.Table = true
		cmp, _ = c.price(1)
		cmp, rounds = cmp-tablePrice(c.TableBits()), 1
	}
	for _, b := range l.Cmp.Digits {
		cmp += b * (1 + cotBits) // the choices of the leaves
	}
	for _, g := range l.Groups() {
		bits += Pairs(g)*cmp + (g-1)*selectPrice(l.Selector(g), width)
	}
	return bits, rounds + 1
}

// Selector returns the number of shared bits that decide whether an element
// wins a group of g.
func (l MaxLevel) Selector(g int) int {
	if l.Merged && g == 2 {
		return l.Cmp.TableBits() + 1
	}
	return g - 1
}

// tablePrice is the price of a look-up of one bit by k bits.
func tablePrice(k int) int { return (1<<k)*(1+hashBits) + k*(1+cotBits) }

// InverseLayout is how an inverse is cut. With Merged the value is normalised
// by the unjoined digits of its comparisons; with Joint the spline's pieces are
// selected and shifted back in one step.
type InverseLayout struct {
	Cmp           CmpLayout
	Merged, Joint bool
}

// LayoutInverse returns the layout for n values.
func LayoutInverse(n int, s InverseSteps) InverseLayout {
	var best InverseLayout
	bestPrice := int64(-1)
	layouts := []CmpLayout{{}}
	if len(s.Cuts) > 0 {
		layouts = cmpLayouts(s.Keep)
	}
	for _, c := range layouts {
		for _, l := range []InverseLayout{{Cmp: c}, {Cmp: c, Joint: true}, {Cmp: c, Merged: true}, {Cmp: c, Merged: true, Joint: true}} {
			if l.Merged && (!c.Table || len(c.Digits) != 2) || l.Joint && (!s.EndsLocally() || s.Segments < 2) {
				continue
			}
			bits, rounds := l.price(s)
			if p := price(n, bits, rounds); bestPrice < 0 || p < bestPrice {
				best, bestPrice = l, p
			}
		}
	}
	return best
}

// price returns what one value costs in the steps that layouts differ in.
func (l InverseLayout) price(s InverseSteps) (bits, rounds int) {
	bits, rounds = l.Cmp.price(len(s.Cuts))
	k := 1
	if l.Merged {
		k = l.Cmp.TableBits() + 1
		rounds--
	}
	rounds += 2 // normalise, select
	pieces := len(s.Spline.Pieces) - 1
	if l.Joint {
		bits += pieces * selectPrice(1, s.WidthD-(s.Segments-1))
	} else {
		bits += pieces * selectPrice(1, s.Spline.WidthMid())
		rounds++
	}
	for i := 1; i < s.Segments; i++ {
		w := s.WidthD - (s.Segments - 1 - i)
		bits += selectPrice(k, s.WidthM-s.Shift[i]) + selectPrice(1, w)
		if l.Joint {
			bits += pieces * selectPrice(2, w)
		}
	}
	return bits, rounds
}

// SquareWidth is the width to which p needs x²: factors of two that all
// coefficients have need no bits.
func (p Piecewise) SquareWidth() int {
	zeros := p.WidthAcc - 1
	for _, q := range p.Pieces {
		if c := q.Part(Quadratic).C[2]; c != 0 {
			zeros = min(zeros, bits.TrailingZeros64(uint64(c)))
		}
	}
	return p.WidthAcc - zeros
}
