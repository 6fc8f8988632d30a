package cost

import "nimbus/internal/fixed"

// The formulas below follow the protocols of runtime/ot, message by message.
// Every set of equal OTs is packed by itself and rounded up to a byte, so
// costs of steps that share a round add up exactly.

// packed returns the bytes of n values of width bits.
func packed(n, width int) int64 { return (int64(n)*int64(width) + 7) / 8 }

// A direction of correlated OTs: n choices, with cols values of width bits each
// as the payload.
type cots struct {
	choices int64 // bytes, receiver to sender
	payload int64 // bytes, sender to receiver
	count   int64
	values  int64 // masked numbers
	leaves  int64 // words of 1-of-2^b OTs
}

func (c *cots) add(n, cols, width int) {
	c.choices += packed(n, 1)
	c.payload += packed(n*cols, width)
	c.count += int64(n)
	c.values += int64(n * cols)
}

// sender and receiver are what the two ends of a direction compute.
func (c cots) sender() Counts   { return Counts{COTSend: c.count, Value: c.values, Leaf: c.leaves} }
func (c cots) receiver() Counts { return Counts{COTReceive: c.count, Value: c.values} }

func serverSends(c cots) Cost {
	if c.count == 0 {
		return Cost{}
	}
	return Cost{C2S: c.choices, S2C: c.payload, COTServerSends: c.count, Chain: asked,
		Work: inTurn(c.receiver(), c.sender(), c.choices+c.payload)}
}

func clientSends(c cots) Cost {
	if c.count == 0 {
		return Cost{}
	}
	return Cost{S2C: c.choices, C2S: c.payload, COTClientSends: c.count, Chain: asks,
		Work: inTurn(c.sender(), c.receiver(), c.choices+c.payload)}
}

// both is the same set of OTs in both directions, in the same half-rounds.
func both(c cots) Cost {
	sum := serverSends(c).With(clientSends(c))
	if c.count > 0 {
		sum.Work = atOnce(c.sender().plus(c.receiver()), c.choices+c.payload)
	}
	return sum
}

// MuxCost is that of b·x for n values of width bits: one round trip.
func MuxCost(n, width int) Cost {
	var c cots
	c.add(n, 1, width)
	return both(c)
}

// AndCost is that of n products of bits: one round trip.
func AndCost(n int) Cost { return MuxCost(n, 1) }

// TruncCost is that of truncating n values of width bits by bits into width to;
// nothing where that is local, one COT per value otherwise. Extension is bits = 0.
func TruncCost(n, width, bits, to int) Cost {
	var c cots
	if n > 0 && to > width-bits {
		c.add(n, 1, to-(width-bits))
	}
	return serverSends(c)
}

// SquareCost is that of n squares mod 2^width, within a bound if it has one: one
// round trip. Without, width·(width-1)/2 payload bits and width-1 choices each.
func SquareCost(n, width int, within fixed.Bound) Cost {
	var c, back cots
	choices := width - 1
	if b := within.Square(width).Bits; b > 0 {
		choices = b
		back.add(n, 1, width-b-1)
	}
	for i := 0; n > 0 && i < choices; i++ {
		c.add(n, 1, width-1-i)
	}
	return serverSends(c).With(clientSends(back))
}

// MulSSCost is that of the products of rows × cols values with one value per
// row, all of width bits and shared: one round trip. An elementwise product
// has cols = 1.
func MulSSCost(rows, cols, width int, o fixed.ProductOpts) Cost {
	return both(multiples(rows, cols, width, o.Choices(width), o.Drop))
}

// multiples are OTs of rows × cols values of width bits times so many powers of
// two, without the drop low bits.
func multiples(rows, cols, width, choices, drop int) cots {
	var c cots
	for i := 0; rows*cols > 0 && i < choices; i++ {
		c.add(rows, cols, width-max(i, drop))
	}
	return c
}

// MulCost is that of rows × cols shared values of width bits times the server's
// private vector of cols signed values of vbits bits.
func MulCost(rows, cols, width, vbits int) Cost {
	return clientSends(multiples(cols, rows, width, min(vbits, width), 0))
}

// SelectBitsCost is that of n selections of width bits by a function of k shared
// bits each: one round trip.
func SelectBitsCost(n, k, width int) Cost { return both(lookup(n, k, width)) }

// lookup is n 1-of-2^b OTs of values of width bits, the first of which is not
// sent.
func lookup(n, b, width int) cots {
	return cots{choices: packed(n*b, 1), payload: packed(n*(1<<b-1), width), count: int64(n * b), leaves: int64(n << b)}
}

// CmpCost is that of comparing n values with cuts cuts each, keep bits kept.
func CmpCost(n, keep, cuts int, l fixed.CmpLayout) Cost {
	leaf, join := cmpCost(n, keep, cuts, l)
	return leaf.Add(join)
}

// cmpCost splits a comparison into its first round trip and the joining of its
// digits.
func cmpCost(n, keep, cuts int, l fixed.CmpLayout) (leaf, join Cost) {
	if n == 0 || cuts == 0 {
		return Cost{}, Cost{}
	}
	var c cots
	digits := l.Digits(keep)
	for i, b := range digits {
		width := 2 * cuts // greater and equal
		if i == 0 {
			width = cuts
		}
		d := lookup(n, b, width)
		c.choices += d.choices
		c.payload += d.payload
		c.count += d.count
		c.leaves += d.leaves
	}
	leaf = serverSends(c)
	switch l.Join {
	case fixed.Selection:
		return leaf, Cost{}
	case fixed.Table:
		return leaf, tableCost(n*cuts, len(digits))
	}
	for count := len(digits); count > 1; count = (count + 1) / 2 {
		var level cots
		for node := range count / 2 {
			width := 2
			if node == 0 {
				width = 1
			}
			level.add(n*cuts, 1, width)
		}
		join = join.Add(both(level))
	}
	return leaf, join
}

// tableCost is that of joining count digits of n comparisons by one look-up.
func tableCost(n, count int) Cost { return serverSends(lookup(n, fixed.TableBits(count), 1)) }

// MaxCost is that of the largest of each of rows times cols values of width
// bits. The error is that of fixed.NewMaxLayout.
func MaxCost(rows, cols, width int, o fixed.CmpOpts, stated []int) (c Cost, err error) {
	layout, err := fixed.NewMaxLayout(cols, width, o, stated)
	for i, l := range layout.Levels {
		extend := 0
		if i == len(layout.Levels)-1 {
			extend = width
		}
		c = c.Add(MaxLevelCost(rows, o.Keep, l, layout.Width, extend))
	}
	return c, err
}

// MaxLevelCost is that of a level of a tournament in each of so many rows, on
// values of width bits, which it extends if extend is not 0.
func MaxLevelCost(rows, keep int, l fixed.MaxLevel, width, extend int) Cost {
	pairs := 0
	winners := map[int]int{} // by size of their group
	for _, g := range l.Groups() {
		pairs += fixed.Pairs(g)
		winners[g] += g - 1
	}
	leaf, join := cmpCost(rows*pairs, keep, 1, l.Cmp)
	if extend > 0 {
		leaf = alongside(leaf, TruncCost(rows*l.Cols, width, 0, extend))
		width = extend
	}
	var selections Cost
	for g, n := range winners {
		if n > 0 {
			selections = alongside(selections, SelectBitsCost(rows*n, l.Selector(g), width))
		}
	}
	return leaf.Add(join).Add(selections)
}

// alongside adds costs that share rounds.
func alongside(costs ...Cost) Cost {
	var sum Cost
	for _, c := range costs {
		sum = sum.With(c)
	}
	return sum
}

// PiecewiseCost is that of a piecewise function of n values: comparison and
// square side by side, one round trip of selections, one of extensions.
func PiecewiseCost(n int, p fixed.Piecewise) Cost {
	var selections, ends Cost
	if p.HasQuadratic() {
		_, terms := p.Terms(fixed.Quadratic)
		for range terms {
			if len(p.Cuts) > 0 {
				selections = alongside(selections, MuxCost(n, p.WidthMid()))
			}
		}
		w, _ := p.QuadExtend()
		ends = alongside(ends, TruncCost(n, p.WidthMid(), 0, w))
	}
	if p.HasLinear() {
		_, terms := p.Terms(fixed.Linear)
		for range terms {
			if len(p.Cuts) > 0 {
				selections = alongside(selections, MuxCost(n, p.WidthLin))
			}
		}
		bits, w, _ := p.LinTrunc()
		ends = alongside(ends, TruncCost(n, p.WidthLin, bits, w))
	}
	return cutsAndSquareCost(n, p).Add(selections).Add(ends)
}

// cutsAndSquareCost is that of the first step of a piecewise function.
func cutsAndSquareCost(n int, p fixed.Piecewise) Cost {
	leaf, join := cmpCost(n, p.Keep, len(p.Cuts), p.Layout)
	var square Cost
	if p.HasQuadratic() {
		square = SquareCost(n, p.SquareWidth(), p.SquareBound())
	}
	return alongside(leaf, square).Add(join)
}

// InverseCost is that of n reciprocals or reciprocal square roots. The error is
// that of v.Check.
func InverseCost(n int, v fixed.Inverse) (Cost, error) {
	s, err := v.Steps()
	if err != nil {
		return Cost{}, err
	}
	l := s.Layout
	leaf, join := cmpCost(n, s.Keep, len(s.Cuts), l.Cmp)
	k := 1
	var normalise, back Cost
	if l.Cmp.Join == fixed.Selection {
		k = fixed.TableBits(2) + 1
		normalise = tableCost(n*len(s.Cuts), 2)
	}
	pieces := len(s.Spline.Cuts)
	spline := PiecewiseCost(n, s.Spline)
	if l.Joint {
		spline = cutsAndSquareCost(n, s.Spline)
		for range pieces {
			back = alongside(back, MuxCost(n, s.WidthD-(s.Segments-1)))
		}
	}
	for i := 1; i < s.Segments; i++ {
		normalise = alongside(normalise, SelectBitsCost(n, k, s.WidthM-s.Shift[i]))
		w := s.WidthD - (s.Segments - 1 - i)
		back = alongside(back, MuxCost(n, w))
		for range pieces {
			if l.Joint {
				back = alongside(back, SelectBitsCost(n, 2, w))
			}
		}
	}
	return alongside(leaf, TruncCost(n, v.In.Width, 0, s.WidthX)).
		Add(join).Add(normalise).
		Add(TruncCost(n, s.WidthM-s.ShrinkM, 0, s.Spline.In.Width)).
		Add(spline).Add(back).
		Add(TruncCost(n, s.WidthD, s.TruncD, s.OutWidth)), nil
}
