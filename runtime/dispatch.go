package runtime

import (
	"fmt"

	"nimbus/internal/fixed"
	"nimbus/internal/z2k"
	"nimbus/ir"
	"nimbus/ir/plan"
	"nimbus/runtime/share"
)

// exec executes one op: it reads its arguments from its step and puts its results
// there.
type exec func(s *step, o *ir.Op) error

// dispatch binds plan ops to the functions that implement them. It is the
// only place that knows both.
var dispatch = map[string]exec{
	"io.share":  ioShare,
	"io.reveal": ioReveal,

	"ss.select":    ssSelect,
	"ss.add":       arith2(func(s *step, o *ir.Op, x, y share.Arith) (share.Arith, error) { return share.Add(x, y), nil }),
	"ss.sub":       arith2(ssSub),
	"ss.add_const": arith1(ssAddConst),
	"ss.mul_const": arith1(ssMulConst),
	"ss.shl":       arith1(ssShl),
	"ss.add_bias":  arithClear(ssAddBias),
	"ss.add_mask":  arithClear(ssAddMask),
	"ss.sum":       arith1(func(s *step, o *ir.Op, x share.Arith) (share.Arith, error) { return share.Sum(x), nil }),
	"ss.number": arith1(func(s *step, o *ir.Op, x share.Arith) (share.Arith, error) {
		return share.Number(s.party, x, o.Attrs.Int("bits", 0)), nil
	}),
	"ss.low":         arith1(ssReduce),
	"ss.shrink":      arith1(ssShrink),
	"ss.reduce":      arith1(ssReduce),
	"ss.transpose":   either(ssTranspose),
	"ss.split_heads": arith1(ssSplitHeads),
	"ss.merge_heads": arith1(func(s *step, o *ir.Op, x share.Arith) (share.Arith, error) { return share.MergeHeads(x), nil }),
	"ss.split":       ssSplit,
	"ss.slice":       either(ssSlice),
	"ss.gather":      ssGather,
	"ss.concat":      ssConcat,
	"ss.reshape":     either(ssReshape),
	"ss.xor":         bool2(func(_ *step, a, b share.Bool) (share.Bool, error) { return share.Xor(a, b), nil }),
	"ss.not":         ssNot,

	"ot.cmp":       otCmp,
	"ot.mux":       otMux,
	"ot.and":       bool2(func(s *step, a, b share.Bool) (share.Bool, error) { return s.ot.And(a, b) }),
	"ot.trunc":     arith1(otTrunc),
	"ot.extend":    arith1(otExtend),
	"ot.square":    arith1(otSquare),
	"ot.mul_ss":    arith2(otMulSS),
	"ot.mul":       arithClear(otMul),
	"ot.max":       arith1(otMax),
	"ot.piecewise": arith1(otPiecewise),
	"ot.recip":     arith1(otRecip),
	"ot.rsqrt":     arith1(otRsqrt),

	"he.select":    heSelect,
	"he.matmul":    arithClear(heMatmul),
	"he.matmul_ss": arith2(heMatmulSS),
}

// format is the fixed-point format of a type.
func format(t ir.Type) fixed.Format { return fixed.Format{Width: t.Elem.Width, Frac: t.Elem.Frac} }

func ssSub(s *step, o *ir.Op, x, y share.Arith) (share.Arith, error) {
	if x.Len() != y.Len() {
		return share.SubBroadcast(x, y), nil
	}
	return share.Sub(x, y), nil
}

func ssAddConst(s *step, o *ir.Op, x share.Arith) (share.Arith, error) {
	c, err := format(o.Args[0].Type()).Encode(o.Attrs.Float("value", 0))
	if err != nil {
		return x, err
	}
	return share.AddConst(s.party, x, c), nil
}

func ssMulConst(s *step, o *ir.Op, x share.Arith) (share.Arith, error) {
	c, err := fixed.Encode(o.Attrs.Float("value", 0), x.Width, o.Attrs.Int("frac", 0))
	if err != nil {
		return x, err
	}
	return share.MulConst(x, c), nil
}

func ssShl(s *step, o *ir.Op, x share.Arith) (share.Arith, error) {
	return share.MulConst(x, uint64(1)<<o.Attrs.Int("bits", 0)), nil
}

func ssAddBias(s *step, o *ir.Op, x share.Arith, v vector) (share.Arith, error) {
	if s.party == share.Server && v.V == nil {
		return x, fmt.Errorf("argument %s has no value", o.Args[1])
	}
	return share.AddBias(s.party, x, v.V), nil
}

// ssAddMask adds value where the mask is 0, along the last axis. The mask is
// the client's secret, so only its half changes.
func ssAddMask(s *step, o *ir.Op, x share.Arith, v vector) (share.Arith, error) {
	if s.party != share.Client {
		return share.AddMask(s.party, x, nil), nil
	}
	if v.V == nil {
		return x, fmt.Errorf("argument %s has no value", o.Args[1])
	}
	c, err := format(o.Args[0].Type()).Encode(o.Attrs.Float("value", 0))
	if err != nil {
		return x, err
	}
	add := make([]uint64, len(v.V))
	for i, keep := range v.V {
		add[i] = c & (keep&1 - 1)
	}
	return share.AddMask(s.party, x, add), nil
}

func ssShrink(s *step, o *ir.Op, x share.Arith) (share.Arith, error) {
	return share.Shrink(s.party, x, o.Attrs.Int("bits", 0)), nil
}

func ssReduce(s *step, o *ir.Op, x share.Arith) (share.Arith, error) {
	return share.Reduce(x, o.Results[0].Type.Elem.Width), nil
}

func ssTranspose(s *step, o *ir.Op, x share.Arith) (share.Arith, error) {
	return share.Transpose(x, o.Attrs.Ints("perm")), nil
}

func ssSplitHeads(s *step, o *ir.Op, x share.Arith) (share.Arith, error) {
	return share.SplitHeads(x, o.Attrs.Int("heads", 1)), nil
}

func ssSplit(s *step, o *ir.Op) error {
	x, bits, err := s.numbersOrBits(o, 0)
	if err != nil {
		return err
	}
	for i, part := range share.Split(x, o.Axis(), len(o.Results)) {
		if err := s.putNumbersOrBits(o, i, part, bits); err != nil {
			return err
		}
	}
	return nil
}

func ssSlice(s *step, o *ir.Op, x share.Arith) (share.Arith, error) {
	return share.Slice(x, o.Axis(), o.Attrs.Int("start", 0), o.Attrs.Int("len", 0)), nil
}

func ssGather(s *step, o *ir.Op) error {
	index := o.Attrs.Ints("index")
	if o.Args[0].Type().Kind == ir.BShare {
		var xs []share.Bool
		for i := range o.Args {
			x, err := s.boolean(o, i)
			if err != nil {
				return err
			}
			xs = append(xs, x)
		}
		return s.put(o, 0, share.GatherBits(xs, index))
	}
	var xs []share.Arith
	for i := range o.Args {
		x, err := s.arith(o, i)
		if err != nil {
			return err
		}
		xs = append(xs, x)
	}
	return s.put(o, 0, share.Gather(xs, index))
}

func ssConcat(s *step, o *ir.Op) error {
	xs := make([]share.Arith, len(o.Args))
	var bits bool
	for i := range o.Args {
		var err error
		if xs[i], bits, err = s.numbersOrBits(o, i); err != nil {
			return err
		}
	}
	return s.putNumbersOrBits(o, 0, share.Concat(o.Axis(), xs...), bits)
}

func ssReshape(s *step, o *ir.Op, x share.Arith) (share.Arith, error) {
	return share.Reshape(x, o.Results[0].Type.Shape...), nil
}

func ssNot(s *step, o *ir.Op) error {
	b, err := s.boolean(o, 0)
	if err != nil {
		return err
	}
	return s.put(o, 0, share.Not(s.party, b))
}

func otCmp(s *step, o *ir.Op) error {
	x, err := s.arith(o, 0)
	if err != nil {
		return err
	}
	cuts, n := o.Attrs.Int64s("cuts"), o.NumCuts()
	if len(o.Args) > 1 && s.party == share.Server {
		v, err := s.clear(o, 1)
		if err != nil {
			return err
		}
		if len(v.V) != n {
			return fmt.Errorf("argument %s has no value", o.Args[1])
		}
		for _, c := range v.V {
			cuts = append(cuts, z2k.Signed(c, x.Width))
		}
	}
	if s.party == share.Client {
		cuts = nil
	}
	opts, err := plan.Comparison(o)
	if err != nil {
		return err
	}
	b, err := s.ot.Cmp(x, cuts, n, opts)
	if err != nil {
		return err
	}
	return s.put(o, 0, b)
}

func otMux(s *step, o *ir.Op) error {
	b, err := s.boolean(o, 0)
	if err != nil {
		return err
	}
	x, err := s.arith(o, 1)
	if err != nil {
		return err
	}
	y, err := s.ot.Mux(b, x)
	if err != nil {
		return err
	}
	return s.put(o, 0, y)
}

func otTrunc(s *step, o *ir.Op, x share.Arith) (share.Arith, error) {
	return s.ot.Trunc(x, o.Attrs.Int("bits", 0), o.Results[0].Type.Elem.Width)
}

func otExtend(s *step, o *ir.Op, x share.Arith) (share.Arith, error) {
	return s.ot.Trunc(x, 0, o.Results[0].Type.Elem.Width)
}

func otSquare(s *step, o *ir.Op, x share.Arith) (share.Arith, error) {
	within, err := plan.Within(o)
	if err != nil {
		return x, err
	}
	return s.ot.Square(x, o.Results[0].Type.Elem.Width, within)
}

func otMulSS(s *step, o *ir.Op, x, y share.Arith) (share.Arith, error) {
	opts, err := plan.Product(o)
	if err != nil {
		return x, err
	}
	return s.ot.MulSS(x, y, opts)
}

func otMul(s *step, o *ir.Op, x share.Arith, v vector) (share.Arith, error) {
	if s.party == share.Server && v.V == nil {
		return x, fmt.Errorf("argument %s has no value", o.Args[1])
	}
	return s.ot.Mul(x, v.V, v.Type.Elem.Width)
}

func otMax(s *step, o *ir.Op, x share.Arith) (share.Arith, error) {
	opts, stated, err := plan.Tournament(o)
	if err != nil {
		return share.Arith{}, err
	}
	return s.ot.Max(x, opts, stated)
}

func otPiecewise(s *step, o *ir.Op, x share.Arith) (share.Arith, error) {
	spec, err := plan.Piecewise(o)
	if err != nil {
		return x, err
	}
	return s.ot.Piecewise(x, spec)
}

func otRecip(s *step, o *ir.Op, x share.Arith) (share.Arith, error) {
	spec, err := plan.Inverse(o)
	if err != nil {
		return x, err
	}
	return s.ot.Recip(x, spec)
}

func otRsqrt(s *step, o *ir.Op, x share.Arith) (share.Arith, error) {
	spec, err := plan.Inverse(o)
	if err != nil {
		return x, err
	}
	return s.ot.Rsqrt(x, spec)
}
