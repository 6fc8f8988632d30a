package passes

import (
	"fmt"
	"math"
	"slices"

	"nimbus/ir"
)

// Quantize gives every value its ring width and fraction bits.
var Quantize = Pass{
	Name: "quantize",
	Doc: `give every value its ring width l and fraction bits f

Reals become elements of Z_2^l. A product has the sum of its operands' fraction
bits; where a reader needs another format the pass writes fx.cast, which
insert-trunc turns into the cheapest correct step. Fraction bits follow what is
typical, the range in the text times a margin; ring widths follow what is
possible, the range that is proved. One that does not fit is an error. Operands
of a product are wanted modulo its ring, so only the product must fit. With
-range calibrated widths follow the typical range too, and other values wrap.
Needs approximate before it: only polynomials have a meaning here.`,
	In: "nn", Out: "fx",
	Run: func(m *ir.Module, o *Options) error {
		fm, err := FormatsOf(m)
		if err != nil {
			return err
		}
		return ir.Catch(func() {
			for _, f := range m.Funcs {
				q := &quantizer{m: m, f: f, fm: fm, margin: o.margin(), mode: o.Range, span: map[*ir.Value]span{},
					squared: map[*ir.Value]bool{}, least: map[*ir.Value]float64{}, uses: f.Uses(), weights: map[string]*ir.Weight{}, masked: map[*ir.Value]float64{},
					shift: map[*ir.Value]bool{}, compared: map[*ir.Value]*ir.Value{}, share: map[*ir.Value]bool{}}
				q.run()
			}
			m.RemoveUnusedWeights()
		})
	},
}

type quantizer struct {
	m       *ir.Module
	f       *ir.Func
	fm      Formats
	margin  float64
	mode    Range
	b       *ir.Builder
	op      *ir.Op
	span    map[*ir.Value]span    // of fx values
	squared map[*ir.Value]bool    // fx values that stand for the operand of a square
	least   map[*ir.Value]float64 // of those, the least root mean square of a row, where it is known
	uses    map[*ir.Value][]ir.Use
	weights map[string]*ir.Weight // fx weights made so far, by nn weight and type
	masked  map[*ir.Value]float64 // masked scores -> largest magnitude of those that are not masked out

	shift    map[*ir.Value]bool      // nn values: largest of rows, which a softmax subtracts
	compared map[*ir.Value]*ir.Value // largest of rows -> the rows
	share    map[*ir.Value]bool      // fx values: shares of a whole, converted less a half

	joints map[*ir.Op]*joint // sums of a linear layer and a residual with a gain
	parts  map[*ir.Op]bool   // their parts, which stand for what they read
}

// lowerings is the table of nn ops that have a fixed-point meaning.
var lowerings = map[string]func(*quantizer) []*ir.Value{
	"nn.embed":       (*quantizer).embed,
	"nn.linear":      (*quantizer).linear,
	"nn.matmul":      (*quantizer).matmul,
	"nn.scale":       (*quantizer).scale,
	"nn.add":         (*quantizer).add,
	"nn.sub":         (*quantizer).add,
	"nn.mul":         (*quantizer).mul,
	"nn.add_mask":    (*quantizer).addMask,
	"nn.max":         (*quantizer).max,
	"nn.argmax":      (*quantizer).argmax,
	"nn.sum":         (*quantizer).sum,
	"nn.square":      (*quantizer).square,
	"nn.recip":       (*quantizer).inverse,
	"nn.rsqrt":       (*quantizer).inverse,
	"nn.piecewise":   (*quantizer).piecewise,
	"nn.split_heads": (*quantizer).move,
	"nn.merge_heads": (*quantizer).move,
	"nn.transpose":   (*quantizer).move,
	"nn.split":       (*quantizer).move,
	"nn.concat":      (*quantizer).concat,
	"nn.slice":       (*quantizer).move,
	"nn.reshape":     (*quantizer).move,
	"return":         (*quantizer).results,
}

func (q *quantizer) run() {
	q.joints, q.parts = findJoints(q.f, q.uses)
	// Whoever reads a value that is also squared gets it in the square's format,
	// so that one conversion serves all.
	for _, op := range q.f.Body {
		switch op.Name {
		case "nn.square":
			q.squared[op.X(0)] = true
			q.least[op.X(0)] = leastRoot(q.uses, op)
		case "nn.max":
			q.shift[op.Result()] = shiftsExp(q.uses, op)
		}
	}
	for _, p := range q.f.Params {
		if p.Type.Elem.Kind == ir.F32 {
			r := p.Attrs.Floats("range")
			if len(r) != 2 {
				q.fail(&ir.Op{Name: "param", Pos: q.f.Pos}, "parameter %%%s has no range; give it the attribute range = [lo, hi]", p.Name)
			}
			b := max(math.Abs(r[0]), math.Abs(r[1]))
			q.span[p] = span{typical: b, most: b, proof: "input", least: r[0]} // a promise of its owner, who clamps
			p.Type = p.Type.WithElem(q.paramElem(p))
		}
	}
	q.f.Rewrite(func(b *ir.Builder, op *ir.Op) []*ir.Value {
		q.b, q.op = b, op
		if q.parts[op] {
			return []*ir.Value{op.X(0)}
		}
		lower := lowerings[op.Name]
		if j := q.joints[op]; j != nil {
			lower = func(q *quantizer) []*ir.Value { return q.joint(j) }
		}
		if lower == nil {
			q.fail(op, "has no fixed-point meaning; is a pass missing before quantize?")
		}
		out := lower(q)
		for i, v := range out {
			q.state(v)
			if q.squared[op.Results[i]] {
				q.squared[v] = true
				q.least[v] = q.least[op.Results[i]]
			}
		}
		return out
	})
}

// paramElem is the format of a real input: that of a linear layer's, or, where
// only products of two shared matrices read it, one from which theirs is cut
// locally.
func (q *quantizer) paramElem(p *ir.Value) ir.Elem {
	for _, u := range q.uses[p] {
		if u.Op.Name != "nn.matmul" {
			return ir.FxElem(q.fm.Linear, q.fm.Act)
		}
	}
	return ir.FxElem(q.fm.Attn+q.fm.Prob, q.fm.Prob)
}

func (q *quantizer) fail(op *ir.Op, format string, args ...any) {
	panic(&ir.OpError{Pos: op.Pos, Func: q.f.Name, Op: op.Name, Err: fmt.Errorf(format, args...)})
}

// bits is the smallest k with x <= 2^k.
func bits(x float64) int {
	if x <= 0 {
		return 0
	}
	return int(math.Ceil(math.Log2(x)))
}

// room is bits for the value of a product, whose truncation needs a little more
// than the value itself: a bound of exactly 2^k takes k+1 bits.
func room(x float64) int { return bits(x * (1 + 1.0/256)) }

func (q *quantizer) hint() string { return q.op.Results[0].Name }

// cast converts v to width l and f fraction bits, which must hold it.
func (q *quantizer) cast(v *ir.Value, l, f int) *ir.Value {
	if b := q.span[v].most; v.Type.Elem != ir.FxElem(l, f) && bits(b)+f+1 > l {
		q.fail(q.op, "%%%s may reach ±%.4g, which does not fit %s; lower the fraction bits or widen the ring", v.Name, b, ir.FxElem(l, f))
	}
	return q.convert(v, l, f)
}

// convert converts v to width l and f fraction bits modulo 2^l: for an operand
// of a product in that ring, which is right whenever the product fits.
func (q *quantizer) convert(v *ir.Value, l, f int) *ir.Value {
	e := ir.FxElem(l, f)
	if v.Type.Elem == e {
		return v
	}
	s := q.span[v]
	if q.share[v] {
		less := s.plus(-half)
		less.most = max(less.most, half) // of the least share
		low := q.set(q.b.Op1("fx.add_const", v.Name, ir.A("value", -half), v), less)
		return q.set(q.b.Op1("fx.add_const", v.Name, ir.A("value", half), q.convert(low, l, f)), s)
	}
	attrs := ir.A("range", []float64{-s.most, s.most}, "bound", s.rests())
	if s.proof != "" {
		attrs.Set("proof", ir.Ident(s.proof))
	}
	attrs.Set("modular", bits(s.most)+f+1 > l)
	return q.set(q.b.Op1T("fx.cast", v.Name, attrs, v.Type.WithElem(e), v), s)
}

// shl raises v's fraction bits to f, exactly and for free.
func (q *quantizer) shl(v *ir.Value, f int) *ir.Value {
	if f == v.Type.Elem.Frac {
		return v
	}
	return q.set(q.b.Op1("fx.shl", v.Name, ir.A("bits", f-v.Type.Elem.Frac), v), q.span[v])
}

// weight is the fixed-point form of a real weight. Equal recipes make one
// weight: layers that share theirs go on sharing.
func (q *quantizer) weight(w *ir.Weight, e ir.Elem, rows []int) *ir.Weight {
	t := w.Type.WithElem(e)
	attrs := w.Attrs.Clone()
	attrs.Set("from", sources(w))
	key := t.String() + fmt.Sprint(rows) + attrs.String()
	if old := q.weights[key]; old != nil {
		return old
	}
	if rows != nil {
		t.Shape[0] = rows[1]
		attrs.Set("rows", rows)
	}
	attrs.Del("range")
	n := q.m.AddWeight(w.Name, t, attrs)
	q.weights[key] = n
	return n
}

func (q *quantizer) embed() []*ir.Value {
	op := q.op
	d := op.Result().Type.Last()
	b := q.spanOf(op)
	f := q.fm.Embed - bits(b.typical)
	// Layernorm follows: the mean needs log2 d more fraction bits, the
	// difference from it one bit.
	e := ir.FxElem(f+bits(float64(d))+room(b.most)+2, f)
	var args []ir.Operand
	for _, a := range op.Args[:len(op.Args)-1] {
		if a.Weight != nil {
			args = append(args, q.weight(a.Weight, e, nil))
		} else {
			args = append(args, a)
		}
	}
	rows := q.b.Op1("fx.select", "rows", nil, args...)
	pos := op.Args[len(op.Args)-1].Weight
	p := q.weight(pos, e, []int{op.Attrs.Int("offset", 0), rows.Type.Shape[0]})
	return []*ir.Value{q.set(q.b.Op1("fx.add_bias", q.hint(), nil, rows, p), b)}
}

func (q *quantizer) linear() []*ir.Value {
	op := q.op
	l := q.fm.Linear
	x := q.shl(q.convert(op.X(0), l, q.worth(op.X(0), q.fm.Act, leastAct)), q.fm.Act)
	b := q.spanOf(op)
	f := q.fm.Act + q.fm.Weight
	if bits(b.most)+f+1 > l {
		q.fail(op, "result may reach ±%.4g, which does not fit fx%d.%d", b.most, l, f)
	}
	y := q.b.Op1("fx.matmul", q.hint(), nil, x, q.weight(op.W(1), ir.FxElem(l, q.fm.Weight), nil))
	if w := op.W(2); w != nil {
		y = q.b.Op1("fx.add_bias", q.hint(), nil, y, q.weight(w, ir.FxElem(l, f), nil))
	}
	return []*ir.Value{q.set(y, b)}
}

// Attention's products lie in a ring so small that a large bound leaves few
// fraction bits. A conversion behind one keeps fewer than it would rather than
// drop less than attnDrop: with less, the responses of the product cannot be
// compressed and its parameter set does not hold. It keeps at least leastScore
// of a score and leastAct of what enters a linear layer.
const (
	attnDrop   = 9
	leastScore = 6
	leastAct   = 8
)

// worth is how many of want fraction bits, at least least, v is converted to.
func (q *quantizer) worth(v *ir.Value, want, least int) int {
	d := v.Def
	for d != nil && (d.Name == "fx.merge_heads" || d.Name == "fx.transpose" || d.Name == "fx.reshape" || d.Name == "fx.slice") {
		d = d.X(0).Def
	}
	if d == nil || d.Name != "fx.matmul" || d.W(1) != nil {
		return want
	}
	return min(want, max(v.Type.Elem.Frac-attnDrop, least))
}

// localFrac is the least number of fraction bits that e is converted to without
// a message in a ring of width l.
func localFrac(e ir.Elem, l int) int { return max(e.Frac-max(e.Width-l, 0), 0) }

// leastShare is the least number of fraction bits of softmax's weights where
// what a proof says rests on them.
const leastShare = 9

// operands deals the fraction bits that the ring leaves for a product of two
// shared matrices, which is at most as large as most, so that both operands have
// the same relative precision: shares of a whole have leastShare if they can.
func (fm Formats) operands(most, x, y float64, share bool) (fx, fy int) {
	free := fm.Attn - 2 - room(most)
	fx = max((free+bits(y)-bits(x))/2, 0)
	if share {
		fx = max(fx, leastShare)
	}
	fx = min(fx, fm.Prob)
	return fx, min(free-fx, fm.Prob)
}

// matmul multiplies two shared matrices.
func (q *quantizer) matmul() []*ir.Value {
	op := q.op
	x, y := op.X(0), op.X(1)
	b := q.spanOf(op)
	l := q.fm.Attn
	fx, fy := q.fm.operands(b.most, q.span[x].typical, q.span[y].typical, b.proof == "mean")
	if g := localFrac(y.Type.Elem, l); fy == g-1 && fx > 1 && (b.proof != "mean" || fx > leastShare) { // one bit more spares a protocol
		fx, fy = fx-1, g
	}
	if fy < 1 {
		q.fail(op, "result may reach ±%.4g, which leaves no fraction bits in %d", b.most, l)
	}
	return []*ir.Value{q.set(q.b.Op1("fx.matmul", q.hint(), nil, q.convert(x, l, fx), q.convert(y, l, fy)), b)}
}

// factorBits is how many fraction bits a factor in [1, 2) has that is no short
// number.
const factorBits = 9

// scale multiplies by a constant: by a power of two for free, otherwise in a ring
// that has room for the constant's bits. Two bits stay free for a truncation.
func (q *quantizer) scale() []*ir.Value {
	op := q.op
	x, c, b := op.X(0), op.Attrs.Float("by", 1), q.spanOf(op)
	left := x.Type.Elem.Width - x.Type.Elem.Frac - room(b.most) - 2
	frac, exp := math.Frexp(math.Abs(c))
	k := 1 - exp // c·2^k is in [1, 2)
	if frac != 0.5 {
		k += factorBits
		for e := 1 - exp; e <= max(left, k) && e < 50; e++ { // fewer bits, or more, where they make it exact
			if n := math.Ldexp(c, e); n == math.Trunc(n) {
				k = e
				break
			}
		}
	}
	if e := x.Type.Elem; k > left && e.Width+k-left <= 64 {
		x = q.cast(x, e.Width+k-left, e.Frac)
		left = k
	}
	if k < 0 || k > left {
		q.fail(op, "the factor %g of a value up to ±%.4g does not fit %s", c, b.most, x.Type.Elem)
	}
	if e := x.Type.Elem; e.Frac+k > e.Width-2 { // a value below 1/2: no room for the point
		x = q.cast(x, e.Frac+k+2, e.Frac)
	}
	return []*ir.Value{q.set(q.b.Op1("fx.mul_const", q.hint(), ir.A("value", c, "frac", k), x), b)}
}

// add brings both operands to the larger number of fraction bits, which is
// free, and to the smaller ring if the result fits it, which is free too.
func (q *quantizer) add() []*ir.Value {
	op := q.op
	if op.W(1) != nil {
		return q.bias()
	}
	x, y := op.X(0), op.X(1)
	if s := q.compared[y]; s != nil && s.Def != nil && s.Def.Name == "fx.cast" && s.Def.X(0) == x {
		x = s // scores without a mask: as they were compared
	}
	f := max(x.Type.Elem.Frac, y.Type.Elem.Frac)
	s := q.spanOf(op)
	if _, ok := q.masked[x]; ok { // calibration does not count what is masked out; a ring must
		s = q.span[x].plus(q.masked[x] + maxSlack)
	}
	b := s.most
	free := 1
	if op.Name == "nn.sub" {
		free = 2 // deviations are truncated at once
	}
	whole := max(room(b), 0)
	l := min(x.Type.Elem.Width, y.Type.Elem.Width)
	if whole+f+free > l {
		l = max(x.Type.Elem.Width, y.Type.Elem.Width)
	}
	if whole+f+free > l { // fewer fraction bits for a sum too large
		if f = l - free - whole; f < q.fm.Scalar {
			q.fail(op, "result may reach ±%.4g, which does not fit fx%d.%d", b, l, q.fm.Scalar)
		}
	}
	fit := func(v *ir.Value) *ir.Value {
		if e := v.Type.Elem; e.Frac < f {
			if e.Width < l { // while it fits
				v = q.convert(v, l, e.Frac)
			}
			v = q.shl(v, f)
		}
		return q.convert(v, l, f)
	}
	return []*ir.Value{q.set(q.b.Op1("fx."+op.Name[len("nn."):], q.hint(), nil, fit(x), fit(y)), s)}
}

// operand is the number of fraction bits that v brings to a product.
func (q *quantizer) operand(v *ir.Value) int {
	if q.squared[v] {
		return q.normFrac(v)
	}
	return min(v.Type.Elem.Frac, q.fm.Prob)
}

func (q *quantizer) mul() []*ir.Value {
	op := q.op
	if op.W(1) != nil {
		return q.gain()
	}
	x, y := op.X(0), op.X(1)
	b := q.spanOf(op)
	if shareOfSum(x, y) {
		b.most = min(b.most, 1.25) // at most 1, whatever the margin, and a little for rounding
		b.typical = min(b.typical, 1.25)
	}
	share := shareOfSum(x, y) && q.sumAfter(op) == 0
	most := max(b.most, q.sumAfter(op))
	if share {
		most = max(b.most-half, half)
	}
	fx, fy := q.operand(x), q.operand(y)
	l := fx + fy + max(room(most), 0) + 2
	x, y = q.convert(x, l, fx), q.convert(y, l, fy)
	z := q.set(q.b.Op1("fx.mul", q.hint(), q.within(y, isInverse(y)), x, y), b)
	q.share[z] = share
	return []*ir.Value{z}
}

// half is what a share of a whole, which lies between 0 and 1, is lowered by while it
// is converted, exactly and for free: its ring is a bit narrower.
const half = 0.5

// isInverse reports whether y is a reciprocal or a reciprocal root.
func isInverse(y *ir.Value) bool {
	d := origin(y).Def
	return d != nil && (d.Name == "fx.recip" || d.Name == "fx.rsqrt")
}

// origin is what conversions made v of.
func origin(v *ir.Value) *ir.Value {
	for v.Def != nil && v.Def.Name == "fx.cast" {
		v = v.Def.X(0)
	}
	return v
}

// shareOfSum reports whether y is the reciprocal of the sum of x's rows: the
// product of a softmax.
func shareOfSum(x, y *ir.Value) bool {
	r := origin(y).Def
	if r == nil || r.Name != "fx.recip" {
		return false
	}
	s := origin(r.X(0)).Def
	return s != nil && s.Name == "fx.sum" && origin(s.X(0)) == origin(x)
}

func (q *quantizer) sum() []*ir.Value {
	op := q.op
	x, b := op.X(0), q.spanOf(op)
	e := x.Type.Elem
	if need := room(b.most) + e.Frac + 2; need > e.Width {
		x = q.cast(x, need, e.Frac)
	}
	return []*ir.Value{q.set(q.b.Op1("fx.sum", q.hint(), ir.A("axis", op.Axis()), x), b)}
}

// inverse is a reciprocal or reciprocal root: one value per row, whose range
// says which powers of two it must be compared with.
func (q *quantizer) inverse() []*ir.Value {
	op := q.op
	x := op.X(0)
	e := x.Type.Elem
	lo, hi, ok := inverseRange(op, q.margin)
	if !ok {
		q.fail(op, "result has no positive range; calibrate with text, or write range = [lo, hi]")
	}
	f, name := q.fm.Prob, "fx.recip"
	if op.Name == "nn.rsqrt" {
		f, name = invFrac(q.fm, op, q.margin), "fx.rsqrt"
	}
	if d := x.Def; op.Name == "nn.recip" && d != nil && d.Name == "fx.sum" { // softmax's: attention may be even over the whole row, and the largest is in it
		hi = max(hi, float64(d.X(0).Type.Last()))
		lo = max(lo, q.span[x].least)
	}
	if q.mode != Calibrated {
		hi = q.span[x].most
		lo = min(max(lo, q.span[x].least), hi/2)
	}
	a := max(int(math.Floor(math.Log2(lo)))+e.Frac, 0)
	z := bits(hi) + e.Frac
	if z+rootRoom > e.Width {
		x = q.cast(x, z+rootRoom, e.Frac)
	}
	if eps := op.Attrs.Float("eps", 0); math.Ldexp(eps, e.Frac) >= 0.5 { // less is below the variance's precision
		x = q.set(q.b.Op1("fx.add_const", x.Name, ir.A("value", eps), x), q.span[x].plus(eps))
	}
	s := span{typical: 1 / lo, most: 1 / lo}
	if op.Name == "nn.rsqrt" {
		s.typical, s.most = math.Sqrt(s.typical), math.Sqrt(s.most)
	}
	if q.mode != Calibrated {
		s = q.spanOf(op)
	}
	out := ir.FxElem(f+bits(s.most)+max(q.fm.Prob, q.fm.Norm)+4, f)
	t := op.Result().Type.WithElem(out)
	return []*ir.Value{q.set(q.b.Op1T(name, q.hint(), ir.A("lo", a, "hi", z), t, x), s)}
}

// move is an op that only moves elements.
func (q *quantizer) move() []*ir.Value {
	op := q.op
	hints := make([]string, len(op.Results))
	var types []ir.Type
	for i, r := range op.Results {
		hints[i] = r.Name
		types = append(types, r.Type.WithElem(op.X(0).Type.Elem))
	}
	attrs := op.Attrs.Clone()
	attrs.Del("range")
	attrs.Del("bound")
	attrs.Del("proved")
	attrs.Del("proof")
	out := q.b.OpT("fx."+op.Name[len("nn."):], hints, attrs, types, op.X(0))
	b := q.span[op.X(0)]
	if s, ok := q.known(op); ok && s.most <= b.most {
		b = s
	}
	for _, v := range out {
		q.set(v, b)
	}
	return out
}

// concat joins values in one format: the widest ring, the fewest fraction bits.
func (q *quantizer) concat() []*ir.Value {
	op := q.op
	e, b := op.X(0).Type.Elem, span{}
	for i := range op.Args {
		x := op.X(i)
		e.Width, e.Frac = max(e.Width, x.Type.Elem.Width), min(e.Frac, x.Type.Elem.Frac)
		if s := q.span[x]; s.most >= b.most {
			b.most, b.proof, b.least = s.most, s.proof, min(b.least, s.least)
		}
		b.typical = max(b.typical, q.span[x].typical)
	}
	var args []ir.Operand
	for i := range op.Args {
		args = append(args, q.cast(op.X(i), e.Width, e.Frac))
	}
	return []*ir.Value{q.set(q.b.Op1("fx.concat", q.hint(), ir.A("axis", op.Axis()), args...), b)}
}

// results casts what the module returns: a product is never revealed with its
// low bits, which carry noise.
func (q *quantizer) results() []*ir.Value {
	args := slices.Clone(q.op.Args)
	for i, a := range args {
		if e := a.Value.Type.Elem; e.Kind == ir.Fx && e.Frac > 0 { // a whole number is exact
			args[i] = ir.Arg{Value: q.cast(a.Value, q.fm.Out+max(bits(q.span[a.Value].most), 0)+2, q.fm.Out)}
		}
	}
	q.op.Args = args
	return nil
}
