package fixed

// MaxDigit is the largest digit of a comparison, in bits: one leaf of a digit
// of b bits costs 2^b - 1 messages.
const MaxDigit = 5

// Digits says how a comparison of the given kept bits cuts them into digits,
// least significant first; the top bit is not part of any, so the sizes sum to
// keep-1. Both parties and the cost formulas take the layout from here.
//
// n is the number of values and cuts the comparisons of each. The choice
// minimises n·(bits on the wire) plus one round trip per level of the tree of
// ANDs, a round trip counted as roundBits.
func Digits(n, cuts, keep int) []int {
	m := keep - 1
	if m <= 0 {
		return nil
	}
	const roundBits = 3 << 20 // 1 ms at 3 Gbit/s
	var best []int
	var bestCost int64
	for b := MaxDigit; b >= 1; b-- {
		count := (m + b - 1) / b
		d := make([]int, count)
		for i := range d {
			d[i] = m / count
			if i < m%count { // larger digits low: the lowest needs no equality
				d[i]++
			}
		}
		cost := int64(n)*int64(LeafBits(d, cuts)+AndBits(count, cuts)) + int64(roundBits)*int64(Levels(count))
		if best == nil || cost < bestCost {
			best, bestCost = d, cost
		}
	}
	return best
}

// LeafBits returns the payload bits, per value, of the leaf OTs of a
// comparison with these digits: for each message but the first of a digit, a
// greater bit for every cut, and an equal bit too but for the lowest digit.
func LeafBits(digits []int, cuts int) int {
	total := 0
	for i, b := range digits {
		per := 2 * cuts
		if i == 0 {
			per = cuts // the lowest needs no equality
		}
		total += (1<<b - 1) * per
	}
	return total
}

// Levels returns the depth of the tree of ANDs over count digits.
func Levels(count int) int {
	l := 0
	for ; count > 1; count = (count + 1) / 2 {
		l++
	}
	return l
}

// AndBits returns the bits, per value and both directions together, of the tree
// of ANDs over count digits: at each node a choice bit and a payload of one bit
// (two where the equality is needed further up) each way.
func AndBits(count, cuts int) int {
	total := 0
	for ; count > 1; count = (count + 1) / 2 {
		nodes := count / 2
		total += 2 * cuts * (nodes*3 - 1) // the lowest node needs no equality
	}
	return total
}
