package main

import (
	"cmp"
	"math"
	"slices"
)

// A box is a rectangle of a drawing in rows. Its row and size are given, its place
// is found: x is its middle, y its top.
type box struct {
	row  int
	w, h float64
	x, y float64
}

// A net is what runs from one box to others, which stand in later rows.
type net struct {
	from int
	to   []int
	// path is where the net passes each row behind its source's, and leaves the
	// net's trunk for the boxes of that row. Found.
	path []float64
}

// A layout places boxes in their rows such that nets cross seldom and are
// straight where they can be: barycentres choose the order, least squares the
// places. The same input gives the same drawing.
type layout struct {
	boxes []box
	nets  []net
	above func(row int) float64 // room that a row wants above itself

	width, height float64
	tops, bottoms []float64 // of rows
}

// The distances between neighbours in a row.
const (
	boxGap  = 14.0
	wireGap = 9.0 // of which one is a net that only passes
)

// settlings is how often the rows are moved below and above each other: a line
// over fifty rows takes that long to become straight.
const settlings = 200

// A cell is a box, or the place of a net that passes a row.
type cell struct {
	box      int // -1: of a net
	net      int
	w        float64
	up, down []*cell
	x        float64
}

func (l *layout) place() {
	rows := l.cells()
	l.order(rows)
	for pass := range settlings {
		for i := range rows {
			r := i
			if pass%2 == 1 {
				r = len(rows) - 1 - i
			}
			settle(rows[r])
		}
	}
	left, right := math.Inf(1), math.Inf(-1)
	for _, row := range rows {
		for _, c := range row {
			left, right = min(left, c.x-c.w/2), max(right, c.x+c.w/2)
		}
	}
	l.width = right - left
	for _, row := range rows {
		for _, c := range row {
			if c.x -= left; c.box >= 0 {
				l.boxes[c.box].x = c.x
			} else {
				l.nets[c.net].path = append(l.nets[c.net].path, c.x) // rows come in order
			}
		}
	}
	y := 0.0
	for r, row := range rows {
		h := 0.0
		for _, c := range row {
			if c.box >= 0 {
				h = max(h, l.boxes[c.box].h)
			}
		}
		y += l.above(r)
		for _, c := range row {
			if c.box >= 0 {
				l.boxes[c.box].y = y + (h-l.boxes[c.box].h)/2
			}
		}
		l.tops, l.bottoms = append(l.tops, y), append(l.bottoms, y+h)
		y += h
	}
	l.height = y
}

// cells are the boxes of each row and the places of nets that pass it.
func (l *layout) cells() [][]*cell {
	last := 0
	for _, b := range l.boxes {
		last = max(last, b.row)
	}
	rows := make([][]*cell, last+1)
	at := make([]*cell, len(l.boxes))
	for i, b := range l.boxes {
		at[i] = &cell{box: i, w: b.w}
		rows[b.row] = append(rows[b.row], at[i])
	}
	link := func(a, b *cell) { a.down, b.up = append(a.down, b), append(b.up, a) }
	for i, n := range l.nets {
		end := 0
		for _, t := range n.to {
			end = max(end, l.boxes[t].row)
		}
		c := at[n.from]
		for r := l.boxes[n.from].row + 1; r <= end; r++ {
			for _, t := range n.to {
				if l.boxes[t].row == r {
					link(c, at[t])
				}
			}
			if r < end {
				pass := &cell{box: -1, net: i, w: 2}
				rows[r] = append(rows[r], pass)
				link(c, pass)
				c = pass
			}
		}
	}
	return rows
}

// order sorts rows by the barycentres of their neighbours, down and up again, and
// keeps the order with the fewest crossings.
func (l *layout) order(rows [][]*cell) {
	number := func() {
		for _, row := range rows {
			for i, c := range row {
				c.x = float64(i)
			}
		}
	}
	number()
	best, fewest := clone(rows), crossings(rows)
	for pass := range 16 {
		for i := range rows {
			r, side := i, func(c *cell) []*cell { return c.up }
			if pass%2 == 1 {
				r, side = len(rows)-1-i, func(c *cell) []*cell { return c.down }
			}
			centre := map[*cell]float64{}
			for _, c := range rows[r] {
				centre[c] = middle(side(c), c.x)
			}
			slices.SortStableFunc(rows[r], func(a, b *cell) int { return cmp.Compare(centre[a], centre[b]) })
			for k, c := range rows[r] {
				c.x = float64(k)
			}
		}
		if n := crossings(rows); n < fewest {
			best, fewest = clone(rows), n
		}
	}
	for r := range rows {
		copy(rows[r], best[r])
		x := 0.0
		for i, c := range rows[r] {
			if i > 0 {
				x += apart(rows[r][i-1], c)
			}
			c.x = x
		}
	}
}

func clone(rows [][]*cell) [][]*cell {
	out := make([][]*cell, len(rows))
	for i, r := range rows {
		out[i] = slices.Clone(r)
	}
	return out
}

// middle is the middle of the places of cells, or what it is without any.
func middle(cells []*cell, without float64) float64 {
	if len(cells) == 0 {
		return without
	}
	sum := 0.0
	for _, c := range cells {
		sum += c.x
	}
	return sum / float64(len(cells))
}

// crossings counts the pairs of links between neighbouring rows that cross. The
// cells' x are their numbers in the row.
func crossings(rows [][]*cell) (n int) {
	for _, row := range rows {
		var ends []float64 // of the links so far, from the left
		for _, c := range row {
			for _, d := range c.down {
				for _, e := range ends {
					if e > d.x {
						n++
					}
				}
			}
			for _, d := range c.down {
				ends = append(ends, d.x)
			}
		}
	}
	return n
}

// apart is the least distance between the middles of neighbours.
func apart(a, b *cell) float64 {
	gap := boxGap
	if a.box < 0 || b.box < 0 {
		gap = wireGap
	}
	return (a.w+b.w)/2 + gap
}

// tension is how strongly a link pulls its ends below each other: long straight
// lines are easy to follow.
func tension(a, b *cell) float64 {
	switch {
	case a.box < 0 && b.box < 0:
		return 8
	case a.box < 0 || b.box < 0:
		return 2
	}
	return 1
}

// settle moves the cells of a row to where the links to other rows pull least, as
// far as their order and distances allow: the least sum of squares, which pooling
// adjacent violators finds. All rows lessen one sum, so that they come to rest.
func settle(row []*cell) {
	type pool struct{ sum, weight, n float64 }
	var pools []pool
	offset := 0.0
	for i, c := range row {
		if i > 0 {
			offset += apart(row[i-1], c)
		}
		p := pool{n: 1}
		for _, d := range slices.Concat(c.up, c.down) {
			w := tension(c, d)
			p.sum += w * (d.x - offset)
			p.weight += w
		}
		if p.weight == 0 { // nothing pulls it
			p.sum, p.weight = c.x-offset, 1
		}
		pools = append(pools, p)
		for k := len(pools) - 1; k > 0 && pools[k-1].sum/pools[k-1].weight > pools[k].sum/pools[k].weight; k-- {
			pools[k-1].sum += pools[k].sum
			pools[k-1].weight += pools[k].weight
			pools[k-1].n += pools[k].n
			pools = pools[:k]
		}
	}
	i := 0
	offset = 0
	for _, p := range pools {
		for range int(p.n) {
			if i > 0 {
				offset += apart(row[i-1], row[i])
			}
			row[i].x = p.sum/p.weight + offset
			i++
		}
	}
}
