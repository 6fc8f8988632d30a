package ot_test

import (
	"fmt"

	"nimbus/backend/cost"
	"nimbus/internal/fixed"
	"nimbus/internal/prg"
	"nimbus/internal/z2k"
	"nimbus/runtime/share"
)

// protocolCase is one protocol at one size: run on given halves, with its cost.
type protocolCase struct {
	name  string
	in    []halves // fresh halves of fixed values
	bits  bools
	fresh func(rng *prg.PRG) ([]halves, bools)
	run   func(p protocols, party int, in []halves, b bools) ([]uint64, int, error) // this party's half, width
	cost  cost.Cost
}

// cases are all protocols with n values each. The values do not depend on rng,
// the halves do.
func cases(n int, rng *prg.PRG) []protocolCase {
	fixedValues := prg.New(seed(77))
	values := func(count, width, span int) []uint64 { // in ±2^(span-1)
		v := make([]uint64, count)
		for i := range v {
			v[i] = z2k.FromInt(z2k.Signed(fixedValues.Uint64()&z2k.Mask(span), span), width)
		}
		return v
	}
	one := func(v []uint64, width int, shape ...int) func(rng *prg.PRG) ([]halves, bools) {
		return func(rng *prg.PRG) ([]halves, bools) { return []halves{split(rng, v, width, shape...)}, bools{} }
	}
	ari := func(f func(p protocols, party int, x share.Arith) (share.Arith, error)) func(protocols, int, []halves, bools) ([]uint64, int, error) {
		return func(p protocols, party int, in []halves, _ bools) ([]uint64, int, error) {
			y, err := f(p, party, in[0][party])
			return y.V, y.Width, err
		}
	}
	var all []protocolCase
	add := func(name string, fresh func(rng *prg.PRG) ([]halves, bools), run func(protocols, int, []halves, bools) ([]uint64, int, error), c cost.Cost) {
		pc := protocolCase{name: name, fresh: fresh, run: run, cost: c}
		pc.in, pc.bits = fresh(rng)
		all = append(all, pc)
	}

	for _, c := range []struct {
		cuts []int64
		o    fixed.CmpOpts
	}{
		{[]int64{0}, fixed.CmpOpts{Keep: 1, Drop: 8}},
		{[]int64{0}, fixed.CmpOpts{Keep: 6, Drop: 2}},
		{[]int64{-9, 7}, fixed.CmpOpts{Keep: 11}},
		{[]int64{-9, 7, 100}, fixed.CmpOpts{Keep: 20}},
		{[]int64{-9, 7}, fixed.CmpOpts{Keep: 12, Layout: fixed.CmpLayout{Count: 3, Join: fixed.Table}}},
	} {
		add(fmt.Sprintf("cmp %d cuts keep %d drop %d", len(c.cuts), c.o.Keep, c.o.Drop), one(values(n, 20, 7), 20),
			func(p protocols, party int, in []halves, _ bools) ([]uint64, int, error) {
				b, err := p.Cmp(in[0][party], onlyServer(party, c.cuts), len(c.cuts), c.o)
				v := make([]uint64, len(b.V))
				for i, x := range b.V {
					v[i] = uint64(x)
				}
				return v, 1, err
			}, cost.CmpCost(n, c.o.Keep, len(c.cuts), c.o.Layout))
	}
	bit := make([]uint8, n)
	for i := range bit {
		bit[i] = uint8(i) & 1
	}
	x := values(n, 20, 20)
	add("mux 20", func(rng *prg.PRG) ([]halves, bools) { return []halves{split(rng, x, 20)}, splitBits(rng, bit) },
		func(p protocols, party int, in []halves, b bools) ([]uint64, int, error) {
			y, err := p.Mux(b[party], in[0][party])
			return y.V, y.Width, err
		}, cost.MuxCost(n, 20))
	for _, c := range []struct{ l, s, to int }{{20, 4, 20}, {20, 0, 33}, {20, 4, 16}, {20, 4, 7}} {
		add(fmt.Sprintf("trunc %d by %d to %d", c.l, c.s, c.to), one(values(n, c.l, 17), c.l),
			ari(func(p protocols, party int, x share.Arith) (share.Arith, error) { return p.Trunc(x, c.s, c.to) }),
			cost.TruncCost(n, c.l, c.s, c.to))
	}
	for _, c := range []struct {
		w, span int
		within  fixed.Bound
	}{{w: 1, span: 24}, {w: 19, span: 24}, {w: 24, span: 24}, {24, 8, fixed.Within(-128, 127)}, {11, 7, fixed.Within(-64, 63)}} {
		name := fmt.Sprintf("square 24 to %d", c.w)
		if c.within.Bits > 0 {
			name += fmt.Sprintf(" within %d bits", c.within.Bits)
		}
		add(name, one(values(n, 24, c.span), 24),
			ari(func(p protocols, party int, x share.Arith) (share.Arith, error) { return p.Square(x, c.w, c.within) }),
			cost.SquareCost(n, c.w, c.within))
	}
	for _, c := range []struct {
		cols, l, span int
		o             fixed.ProductOpts
	}{
		{cols: 1, l: 16, span: 16}, {cols: 5, l: 20, span: 20}, {cols: 200, l: 20, span: 20},
		{1, 16, 6, fixed.ProductOpts{Within: fixed.Within(-32, 31)}}, {200, 20, 8, fixed.ProductOpts{Within: fixed.Within(-128, 127), Drop: 5}},
	} {
		x, y := values(n*c.cols, c.l, c.l), values(n, c.l, c.span)
		name := fmt.Sprintf("mul_ss rows of %d, %d bits", c.cols, c.l)
		if c.o.Within.Bits > 0 {
			name += fmt.Sprintf(" by %d, %d dropped", c.o.Within.Bits, c.o.Drop)
		}
		add(name, func(rng *prg.PRG) ([]halves, bools) {
			return []halves{split(rng, x, c.l, n, c.cols), split(rng, y, c.l, n, 1)}, bools{}
		}, func(p protocols, party int, in []halves, _ bools) ([]uint64, int, error) {
			z, err := p.MulSS(in[0][party], in[1][party], c.o)
			for i := range z.V {
				z.V[i] >>= c.o.Drop // zeros
			}
			return z.V, z.Width - c.o.Drop, err
		}, cost.MulSSCost(n, c.cols, c.l, c.o))
	}
	for _, c := range []struct{ cols, l, vbits int }{{8, 20, 6}, {8, 6, 9}} {
		v := values(c.cols, c.vbits, c.vbits)
		add(fmt.Sprintf("mul %d columns, %d by %d bits", c.cols, c.l, c.vbits), one(values(n*c.cols, c.l, c.l), c.l, n, c.cols),
			ari(func(p protocols, party int, x share.Arith) (share.Arith, error) {
				return p.Mul(x, onlyServer(party, v), c.vbits)
			}), cost.MulCost(n, c.cols, c.l, c.vbits))
	}
	for _, c := range []struct {
		cols   int
		o      fixed.CmpOpts
		stated []int
	}{
		{1, fixed.CmpOpts{Keep: 9}, nil},
		{5, fixed.CmpOpts{Keep: 9}, nil},
		{8, fixed.CmpOpts{Keep: 6, Drop: 3}, nil},
		{13, fixed.CmpOpts{Keep: 14}, []int{2, 2, 2, 4, 4, 1, 2, 3, 0}},
		{3, fixed.CmpOpts{Keep: 16}, []int{3, 4, 1}},
	} {
		price, err := cost.MaxCost(n, c.cols, 16, c.o, c.stated)
		if err != nil {
			panic(err)
		}
		add(fmt.Sprintf("max of %d keep %d", c.cols, c.o.Keep), one(values(n*c.cols, 16, 7), 16, n, c.cols),
			ari(func(p protocols, party int, x share.Arith) (share.Arith, error) { return p.Max(x, c.o, c.stated) }), price)
	}
	for _, name := range []string{"gelu", "relu", "shifted linear", "quadratic everywhere", "no cut", "exp", "gelu from a line"} {
		f := specs[name]
		add("piecewise "+name, one(values(n, f.In.Width, 8), f.In.Width),
			ari(func(p protocols, party int, x share.Arith) (share.Arith, error) { return p.Piecewise(x, f) }),
			cost.PiecewiseCost(n, f))
	}
	for i, v := range inverses {
		v.Layout = inverseLayouts[i%len(inverseLayouts)]
		if v.Check() != nil {
			v.Layout = fixed.InverseLayout{}
		}
		c, err := cost.InverseCost(n, v)
		if err != nil {
			panic(err)
		}
		in := make([]uint64, n)
		for i := range in {
			in[i] = 1<<v.Lo + uint64(i)%(1<<v.Hi-1<<v.Lo)
		}
		add(fmt.Sprintf("%v %v", v.Kind, v.In), one(in, v.In.Width),
			ari(func(p protocols, party int, x share.Arith) (share.Arith, error) { return inverse(p, x, v) }), c)
	}
	add("and", func(rng *prg.PRG) ([]halves, bools) {
		b := splitBits(rng, bit)
		x := make([]uint64, n)
		for i := range x {
			x[i] = uint64(i>>1) & 1
		}
		return []halves{split(rng, x, 1)}, b
	}, func(p protocols, party int, in []halves, b bools) ([]uint64, int, error) {
		a := share.NewBool(n)
		for i, x := range in[0][party].V {
			a.V[i] = uint8(x)
		}
		y, err := p.And(a, b[party])
		v := make([]uint64, len(y.V))
		for i, x := range y.V {
			v[i] = uint64(x)
		}
		return v, 1, err
	}, cost.AndCost(n))
	return all
}
