package fixed

import (
	"fmt"
	"math/bits"
)

// A layout says how a protocol over OT cuts its work into OTs: both parties and
// the cost formulas take it from here. Layouts change bytes and rounds, never
// results. A plan's op states its layout as a few numbers, which package backend
// chose by cost; nothing outside the tables of this file is run. The zero value of
// a layout stands for one that serves everywhere.

// MaxDigit is the largest digit of a comparison, in bits: one leaf of a digit
// of b bits costs 2^b - 1 messages.
const MaxDigit = 7

// maxTable is the most digits that one look-up joins: it has 2^(2·digits-2)
// messages.
const maxTable = 4

// defaultDigit is the largest digit where nothing is stated.
const defaultDigit = 4

// A Join says how the leaves of a comparison's digits become its bit.
type Join uint8

const (
	Tree      Join = iota // by a tree of ANDs
	Table                 // by one look-up
	Selection             // two digits, by the selection that the bit is for: its index has all their bits
	joins
)

var joinNames = [joins]string{"tree", "table", "selection"}

// CmpLayout is how a comparison is cut. Its kept bits but the top one form Count
// digits, which are joined.
type CmpLayout struct {
	Count int
	Join  Join
}

// CmpLayouts returns the layouts for keep bits, those of fewer digits first; those
// that leave the digits to a selection too if wanted.
func CmpLayouts(keep int, selections bool) []CmpLayout {
	var all []CmpLayout
	for count := 1; count < keep; count++ {
		for j := range joins {
			if l := (CmpLayout{count, j}); l.check(keep, selections) == nil {
				all = append(all, l)
			}
		}
	}
	return all
}

// check says whether l is in the table for keep bits.
func (l CmpLayout) check(keep int, selection bool) error {
	if l == (CmpLayout{}) {
		return nil
	}
	m := keep - 1
	ok := l.Count >= 1 && l.Count <= m && (m+l.Count-1)/l.Count <= MaxDigit
	switch l.Join {
	case Tree:
	case Table:
		ok = ok && l.Count > 1 && l.Count <= maxTable
	case Selection:
		ok = ok && l.Count == 2 && selection
	default:
		ok = false
	}
	if !ok {
		return fmt.Errorf("layout [%d, %d] is not in the table for comparisons of %d bits", l.Count, l.Join, keep)
	}
	return nil
}

// Digits returns the sizes of the digits of keep kept bits, least significant
// first.
func (l CmpLayout) Digits(keep int) []int {
	m := keep - 1
	if m <= 0 {
		return nil
	}
	count := l.Count
	if count == 0 {
		count = (m + defaultDigit - 1) / defaultDigit
	}
	d := make([]int, count)
	for i := range d {
		d[i] = m / count
		if i < m%count { // larger digits low: the lowest needs no equality
			d[i]++
		}
	}
	return d
}

// String is the layout for people.
func (l CmpLayout) String() string {
	switch {
	case l == CmpLayout{}:
		return "as always"
	case l.Count == 1:
		return "one digit"
	}
	return fmt.Sprintf("%d digits by %s", l.Count, joinNames[l.Join])
}

// Ints is l as a plan states it: the number of digits, and the join.
func (l CmpLayout) Ints() []int { return []int{l.Count, int(l.Join)} }

// CmpLayoutOf reads what Ints returns, or the zero value of nothing. Whether it
// suits a comparison is checked with it.
func CmpLayoutOf(v []int) (l CmpLayout, err error) {
	if len(v) == 0 {
		return l, nil
	}
	if len(v) != 2 || v[0] < 0 || v[1] < 0 || v[1] >= int(joins) {
		return l, fmt.Errorf("layout %v: want the number of digits, and how they are joined, 0 to %d", v, joins-1)
	}
	return CmpLayout{v[0], Join(v[1])}, nil
}

// TableBits returns the size of the selector of the look-up that joins so many
// digits: a greater bit of all but the highest, an equal bit of all but the lowest.
func TableBits(count int) int { return max(0, 2*count-2) }

// MaxLevel is one level of a tournament: neighbours in groups of Group, the
// last group with what is left, become one winner each. All pairs of a group
// are compared at once. Pairs may join the digits of a comparison by the
// selection.
type MaxLevel struct {
	Cols  int
	Group int
	Cmp   CmpLayout
}

// Groups returns the sizes of the level's groups.
func (l MaxLevel) Groups() []int {
	var sizes []int
	for left := l.Cols; left > 0; left -= l.Group {
		sizes = append(sizes, min(l.Group, left))
	}
	return sizes
}

// Ints is l as a plan states it: the size of groups, and the comparisons' layout.
func (l MaxLevel) Ints() []int { return append([]int{l.Group}, l.Cmp.Ints()...) }

// Winners is the number of groups.
func (l MaxLevel) Winners() int { return (l.Cols + l.Group - 1) / l.Group }

// Selector returns the number of shared bits that decide whether an element
// wins a group of g.
func (l MaxLevel) Selector(g int) int {
	if l.Cmp.Join == Selection {
		return TableBits(2) + 1
	}
	return g - 1
}

// Pairs returns the comparisons within a group of size g.
func Pairs(g int) int { return g * (g - 1) / 2 }

// MaxLevels returns the levels that may come first for cols columns.
//
// Groups are of two where the comparison drops bits: in a larger one, answers
// that are wrong in their zone may contradict each other, and then the winner
// is any of the group.
func MaxLevels(cols int, o CmpOpts) []MaxLevel {
	var all []MaxLevel
	for g := 2; g <= min(4, cols) && (g == 2 || o.Drop == 0); g++ {
		for _, c := range append([]CmpLayout{{}}, CmpLayouts(o.Keep, g == 2)...) {
			all = append(all, MaxLevel{cols, g, c})
		}
	}
	return all
}

// MaxLayout is how the largest of each of many rows is found. The tournament
// runs on differences to the first element, which need Width bits only; in its
// last level they are extended again, beside the comparisons.
type MaxLayout struct {
	Width  int
	Levels []MaxLevel
}

// NewMaxLayout returns the layout for cols columns of the given width that a plan
// states: for each level the size of its groups, and the comparisons' layout as
// Ints has it. Nothing stated means pairs.
func NewMaxLayout(cols, width int, o CmpOpts, stated []int) (MaxLayout, error) {
	l := MaxLayout{Width: MaxWidth(width, o)}
	pairs := len(stated) == 0
	for cols > 1 {
		level := MaxLevel{Cols: cols, Group: 2}
		if !pairs {
			if len(stated) < 3 {
				return l, fmt.Errorf("layout leaves %d columns", cols)
			}
			level.Group = stated[0]
			var err error
			if level.Cmp, err = CmpLayoutOf(stated[1:3]); err == nil {
				err = level.Cmp.check(o.Keep, level.Group == 2)
			}
			if err != nil {
				return l, err
			}
			if level.Group < 2 || level.Group > min(4, cols) || level.Group > 2 && o.Drop > 0 {
				return l, fmt.Errorf("layout has groups of %d for %d columns, dropping %d bits", level.Group, cols, o.Drop)
			}
			stated = stated[3:]
		}
		l.Levels = append(l.Levels, level)
		cols = level.Winners()
	}
	if len(stated) > 0 {
		return l, fmt.Errorf("layout goes on after the last level: %v", stated)
	}
	if len(l.Levels) < 2 {
		l.Width = width
	}
	return l, nil
}

// MaxWidth is the width of differences of elements of the given width.
func MaxWidth(width int, o CmpOpts) int { return min(width, o.Keep+o.Drop+1) }

// InverseLayout is how an inverse is cut. If Cmp leaves its digits to a selection,
// that is the one that normalises the value, and they are joined by a table beside
// it; with Joint the spline's pieces are selected and shifted back in one step.
type InverseLayout struct {
	Cmp, Spline CmpLayout
	Joint       bool
}

// Ints is l as a plan states it.
func (l InverseLayout) Ints() []int {
	joint := 0
	if l.Joint {
		joint = 1
	}
	return append(append(l.Cmp.Ints(), l.Spline.Ints()...), joint)
}

// InverseLayoutOf reads what Ints returns, or the zero value of nothing. Whether it
// suits an inverse is checked with it.
func InverseLayoutOf(v []int) (l InverseLayout, err error) {
	if len(v) == 0 {
		return l, nil
	}
	if len(v) != 5 || v[4] < 0 || v[4] > 1 {
		return l, fmt.Errorf("layout %v: want two numbers for the comparison, two for the spline's, and 1 if its pieces are selected and shifted at once", v)
	}
	if l.Cmp, err = CmpLayoutOf(v[:2]); err == nil {
		l.Spline, err = CmpLayoutOf(v[2:4])
	}
	l.Joint = v[4] == 1
	return l, err
}

// check says whether l is in the table for an inverse.
func (l InverseLayout) check(s InverseSteps) error {
	keep := 0
	if len(s.Cuts) > 0 {
		keep = s.Keep
	}
	if err := l.Cmp.check(keep, true); err != nil {
		return err
	}
	if l.Joint && (!s.EndsLocally() || s.Segments < 2) {
		return fmt.Errorf("layout: the spline's pieces cannot be selected and shifted at once, since what follows is not local")
	}
	return nil
}

// String is the layout for people.
func (l InverseLayout) String() string {
	text := fmt.Sprintf("%v, spline %v", l.Cmp, l.Spline)
	if l.Joint {
		text += ", shifted at once"
	}
	return text
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
