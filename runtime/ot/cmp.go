package ot

import (
	"fmt"

	"nimbus/internal/fixed"
	"nimbus/internal/z2k"
	"nimbus/runtime/share"
)

// comparison is a Cmp under way: its leaves can share a round with other OTs.
type comparison struct {
	p      *Protocol
	n, k   int      // elements, cuts
	low    []uint64 // client [n], server [n, k]: kept bits but the top one
	top    []uint8  // [n, k] this party's half of the sign's linear part
	digits []int
	how    fixed.Join
	words  [][]uint64 // by digit, [n]: shares of greater and equal bits
}

// startCmp prepares the comparison of x, of width l, with k cuts, which only
// the server gives.
func (p *Protocol) startCmp(x []uint64, l int, cuts []int64, k int, o CmpOpts) *comparison {
	c := &comparison{p: p, n: len(x), k: k, digits: o.Layout.Digits(o.Keep), how: o.Layout.Join}
	m := o.Keep - 1
	c.top = make([]uint8, c.n*k)
	if p.server() {
		c.low = make([]uint64, c.n*k)
		for i, v := range x {
			for j, t := range cuts {
				// The cut first, at full precision; only then the bits go.
				z := (v - uint64(t)) & z2k.Mask(l) >> o.Drop & z2k.Mask(o.Keep)
				c.top[i*k+j] = 1 ^ uint8(z>>m)
				c.low[i*k+j] = ^z & (z2k.Mask(o.Keep) >> 1) // 2^m − 1 − low bits
			}
		}
	} else {
		c.low = make([]uint64, c.n)
		for i, v := range x {
			z := v & z2k.Mask(l) >> o.Drop & z2k.Mask(o.Keep)
			for j := range k {
				c.top[i*k+j] = uint8(z >> m)
			}
			c.low[i] = z & (z2k.Mask(o.Keep) >> 1)
		}
	}
	for range c.digits {
		c.words = append(c.words, make([]uint64, c.n))
	}
	return c
}

// ots returns the leaves of all digits, sent by the server.
func (c *comparison) ots() []ots {
	var all []ots
	shift := 0
	for i, b := range c.digits {
		if c.n*c.k > 0 {
			l := &leaves{n: c.n, b: b, shift: shift, cuts: c.k, equal: i > 0, dst: c.words[i]}
			if c.p.server() {
				l.cut = c.low
			} else {
				l.x = c.low
			}
			all = append(all, l)
		}
		shift += b
	}
	return all
}

// nodes returns for each digit, least significant first, this party's halves of
// greater | equal << 1 for each element and cut.
func (c *comparison) nodes() [][]uint64 {
	var nodes [][]uint64
	for i, words := range c.words {
		var equal uint64 // nobody asks whether the lowest digits are equal
		if i > 0 {
			equal = 2
		}
		v := words // a word of one cut is what is wanted
		if c.k != 1 {
			v = make([]uint64, c.n*c.k)
		}
		for e, w := range words {
			eq := w >> (c.k & 63) << 1
			bits := v[e*c.k : (e+1)*c.k]
			for j := range bits {
				bits[j] = w>>(j&63)&1 | eq>>(j&63)&equal
			}
		}
		c.words[i] = nil
		nodes = append(nodes, v)
	}
	return nodes
}

// result joins the leaves and returns this party's halves of the bits, [n, k].
func (c *comparison) result() ([]uint8, error) {
	if c.how == fixed.Table {
		return c.tableResult()
	}
	nodes := c.nodes()
	for len(nodes) > 1 {
		var recv, send []ots
		var next [][]uint64
		for i := 0; i+1 < len(nodes); i += 2 {
			low, high := nodes[i], nodes[i+1]
			width := 2
			if i == 0 {
				width = 1 // nobody asks whether the lowest are equal
			}
			out, m := make([]uint64, len(low)), z2k.Mask(width)
			for j, h := range high {
				// (g, e) = (g_h, 0) ⊕ e_h·(g_l, e_l), this party's product first.
				out[j] = h&1 ^ low[j]&-(h>>1)&m
			}
			next = append(next, out)
			if len(out) > 0 {
				recv = append(recv, &cots{n: len(out), cols: 1, width: width, xor: true, bits: high, bit: 1, dst: out})
				send = append(send, &cots{n: len(out), cols: 1, width: width, xor: true, c: low, dst: out})
			}
		}
		if len(nodes)%2 == 1 {
			next = append(next, nodes[len(nodes)-1])
		}
		if err := c.p.exchange(recv, send); err != nil {
			return nil, err
		}
		nodes = next
	}
	out := c.top
	if len(nodes) == 1 {
		for i, v := range nodes[0] {
			out[i] ^= uint8(v) & 1
		}
	}
	return out, nil
}

// index returns what the bit of each element and cut depends on, packed into a
// word: bit 2i is greater_i, bit 2i−1 equal_i, up to equal of the highest digit,
// whose greater bit is added to top. It ends the comparison.
func (c *comparison) index() []uint64 {
	out := make([]uint64, c.n*c.k)
	nodes := c.nodes()
	for i, v := range nodes {
		last := i == len(nodes)-1
		for j, b := range v {
			if last {
				c.top[j] ^= uint8(b) & 1
				b &= 2
			}
			// The lowest has no equal bit, so bit 1 of the swapped pair is bit 0 here.
			out[j] |= (b>>1 | b&1<<1) << (2 * i) >> 1
		}
	}
	return out
}

// joined is the truth table of e_h·(g ⊕ e·(g ⊕ e·(…))) by the index of count
// digits.
func joined(count int) (truth uint64) {
	for v := range uint64(1) << (2*count - 2) {
		r := v & 1
		for i := 1; i < count-1; i++ {
			r = v>>(2*i)&1 ^ v>>(2*i-1)&1&r
		}
		r &= v >> (2*count - 3) & 1
		truth |= r << v
	}
	return truth
}

// unjoined returns the whole index of each bit, its linear part included, for a
// selection of as many bits as selectorBits says by the function selects.
func (c *comparison) unjoined(index []uint64) []uint64 {
	k := fixed.TableBits(len(c.digits))
	out := make([]uint64, len(index))
	for i, v := range index {
		out[i] = v | uint64(c.top[i])<<k
	}
	return out
}

// selects is the truth table of a comparison's bit by its unjoined index of two
// digits.
const selects = 0b0111_1000 // joined(2), and negated where the linear part is 1

// joining is the look-up that joins digits: it can share a round with others.
type joining struct {
	top []uint8
	out []uint64
	l   *lookups
}

// join starts it with the comparison's index, sent by the server.
func (c *comparison) join(index []uint64) *joining {
	j := &joining{top: c.top, out: make([]uint64, len(index))}
	j.l = &lookups{n: len(index), b: fixed.TableBits(len(c.digits)), width: 1, xor: true, truth: joined(len(c.digits)), bits: index, dst: j.out}
	if c.p.server() {
		j.l.c = make([]uint64, len(index))
		for i := range j.l.c {
			j.l.c[i] = 1
		}
	}
	return j
}

// result returns the comparison's bits.
func (j *joining) result() []uint8 {
	for i, v := range j.out {
		j.top[i] ^= uint8(v) & 1
	}
	return j.top
}

// tableResult is result with one look-up.
func (c *comparison) tableResult() ([]uint8, error) {
	j := c.join(c.index())
	if j.l.n > 0 {
		if err := c.p.exchange(c.p.serverSends(j.l)); err != nil {
			return nil, err
		}
	}
	return j.result(), nil
}

// Cmp compares every element with n cuts.
//
//	[1{x >= T_j}]_B ← Cmp([x]_A, T_1..T_n)
//
// exact with Drop = 0; otherwise it may answer 0 for T <= x < T + 2^Drop and is
// exact elsewhere. Every x − T_j must lie in [−2^(Keep+Drop−1) + 2^Drop,
// 2^(Keep+Drop−1)). The zero CmpOpts looks at all bits. For cuts at least 2^Drop
// apart the bits of one x never increase with the cut.
//
// The cuts enter at the server only, which is their one use; the client passes
// nil and their number.
//
//  1. z = x − T_j: the server subtracts. Both drop the low bits of their
//     halves and keep Keep, giving u (client, the same for all cuts) and v_j:
//     z >> Drop = u + v_j, or one less, mod 2^Keep.
//  2. 1{z >= 0} = 1 ⊕ top(u) ⊕ top(v_j) ⊕ 1{u' > 2^(Keep−1) − 1 − v_j'}, the
//     last being the carry of the other Keep−1 bits u', v_j'.
//  3. u' is cut into digits. A digit is the choice in a 1-of-2^b OT, whose words
//     hold for every cut whether the digit is greater and whether it is equal.
//  4. A tree joins digits: (g, e) = (g_h ⊕ e_h·g_l, e_h·e_l), both products with
//     one COT each way, since they share e_h. The lowest digits need no e. Or
//     one 1-of-2^b OT joins them all, whose choice is the client's half of all
//     greater and equal bits (o.Layout says which).
//
// The result has x's shape with n appended. Reference: CrypTFlow2, section 3
// (millionaires' protocol), for steps 2 to 4. Cost: cost.CmpCost.
func (p *Protocol) Cmp(x share.Arith, cuts []int64, n int, o CmpOpts) (share.Bool, error) {
	if err := check("cmp", x); err != nil {
		return share.Bool{}, err
	}
	o, err := o.Resolve(x.Width)
	if err != nil {
		return share.Bool{}, fmt.Errorf("cmp: %v: %w", x, err)
	}
	if n < 0 || n > fixed.MaxCuts || p.server() && len(cuts) != n || !p.server() && cuts != nil {
		return share.Bool{}, fmt.Errorf("cmp: %d cuts of %d: want at most %d, all given by the server and none by the client", len(cuts), n, fixed.MaxCuts)
	}
	c := p.startCmp(x.V, x.Width, cuts, n, o)
	if all := c.ots(); len(all) > 0 {
		if err := p.exchange(p.serverSends(all...)); err != nil {
			return share.Bool{}, fmt.Errorf("cmp: %w", err)
		}
	}
	bits, err := c.result()
	if err != nil {
		return share.Bool{}, fmt.Errorf("cmp: %w", err)
	}
	return share.Bool{Shape: append(append([]int(nil), x.Shape...), n), V: bits}, nil
}
