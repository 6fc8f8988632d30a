package passes

import (
	"fmt"
	"math"
	"slices"

	"nimbus/ir"
	"nimbus/ir/weights"
)

// Bound proves ranges.
var Bound = Pass{
	Name: "bound",
	Doc: `prove ranges from the weights, whatever the inputs are

Each op whose result can be bounded for every input gets proved = [lo, hi] and
the argument, proof = WORD, beside the range that calibration saw. The bounds
are of what will be computed: roundings and the errors of fits are counted in.
A row that LayerNorm made has norm at most √n, so what a linear layer makes of
it is bounded by the norms of the weight's columns; softmax has rows that sum to
one, so what attention makes of values is a mean of them. The pass reads the
owner's weights; without them it proves what needs none.`,
	In: "nn", Out: "nn",
	Run: func(m *ir.Module, o *Options) error {
		fm, err := FormatsOf(m)
		if err != nil {
			return err
		}
		for _, f := range m.Funcs {
			p := &prover{src: o.Source, fm: fm, margin: o.margin(), reach: map[*ir.Value]*reach{}, uses: f.Uses()}
			for _, v := range f.Params {
				if r := v.Attrs.Floats("range"); len(r) == 2 {
					p.reach[v] = within(r[0], r[1], "input")
					if n := v.Attrs.Float("norm", 0); n > 0 {
						p.reach[v].norm, p.reach[v].ball = n, &ball{radius: n}
					}
				}
			}
			for _, op := range f.Body {
				if err := p.op(op); err != nil {
					return &ir.OpError{Pos: op.Pos, Func: f.Name, Op: op.Name, Err: err}
				}
			}
		}
		return nil
	},
}

// A reach is what is known of a value for every input. Features are the
// elements of its last axis, or, of heads, of all heads one after the other.
type reach struct {
	lo, hi []float64 // of each feature, or one for all
	norm   float64   // Euclidean norm of a row of features, if it is less than lo and hi say
	total  float64   // of the magnitude of the sum of a row; 0: not known
	err    float64   // by how much a feature may be off besides its last rounding
	proof  string    // the argument

	swapped bool // a transposed matrix: the features are the rows

	ball *ball // LayerNorm's rows
	mix  *mix  // rows that are linear in LayerNorm's
	kind kind
	of   *ir.Value // what kind speaks of
	gain []float64 // gained: the magnitudes of the gain, its rounding included
	by   float64   // sumSquare and rootInv: the factor of the sum of squares
}

// kind marks the steps of LayerNorm and of softmax, which are bounded together.
type kind int

const (
	plain     kind = iota
	mean           // the mean of the rows of `of`
	squares        // of `of`
	sumSquare      // the sum of squares of the rows of `of`, times `by`
	rootInv        // the reciprocal root of that
	gained         // `of` times a gain
	positive       // exponentials
	rowSum         // of the exponentials `of`
	sumInv         // its reciprocal
	share          // rows that sum to one
)

// A ball is rows gain∘n + offset with ∥n∥₂ <= radius.
type ball struct {
	radius       float64
	gain, offset []float64 // nil: ones, zeros
}

// A mix is rows of blocks, each A·n + center with ∥n∥₂ <= radius. Of the matrix
// A only A·Aᵀ is kept, which all norms that are wanted follow from.
type mix struct {
	radius float64
	center []float64
	slack  float64     // by how much of itself each block's center may be off
	gram   [][]float64 // per block
	size   int         // features of a block
}

// within is an interval for all features.
func within(lo, hi float64, proof string) *reach {
	return &reach{lo: []float64{lo}, hi: []float64{hi}, norm: math.Inf(1), proof: proof}
}

// magnitude is the largest magnitude of any feature.
func (r *reach) magnitude() float64 {
	m := 0.0
	for j := range r.lo {
		m = max(m, r.most(j))
	}
	return m
}

// most is the largest magnitude of feature j.
func (r *reach) most(j int) float64 {
	if len(r.lo) == 1 {
		j = 0
	}
	return max(math.Abs(r.lo[j]), math.Abs(r.hi[j]))
}

// hull is the interval of all features.
func (r *reach) hull() (lo, hi float64) {
	lo, hi = r.lo[0], r.hi[0]
	for j := range r.lo {
		lo, hi = min(lo, r.lo[j]), max(hi, r.hi[j])
	}
	return lo, hi
}

// rowSum bounds the magnitude of the sum of a row of n features.
func (r *reach) rowSum(n int) float64 {
	lo, hi := 0.0, 0.0
	if len(r.lo) == 1 {
		lo, hi = float64(n)*r.lo[0], float64(n)*r.hi[0]
	} else {
		for j := range r.lo {
			lo, hi = lo+r.lo[j], hi+r.hi[j]
		}
	}
	s := min(max(-lo, hi), math.Sqrt(float64(n))*r.norm2(n))
	if r.ball != nil {
		s = min(s, r.ball.radius*length(r.ball.gains(n))+math.Abs(total(r.ball.offset)))
	}
	if r.total > 0 {
		s = min(s, r.total)
	}
	return s
}

func (b *ball) gains(n int) []float64 {
	if b.gain != nil {
		return b.gain
	}
	return slices.Repeat([]float64{1}, n)
}

func total(v []float64) float64 {
	s := 0.0
	for _, x := range v {
		s += x
	}
	return s
}

// norm2 is a bound on the norm of a row of n features.
func (r *reach) norm2(n int) float64 {
	if len(r.lo) == 1 {
		return min(r.norm, math.Sqrt(float64(n))*r.most(0))
	}
	s := 0.0
	for j := range r.lo {
		s += r.most(j) * r.most(j)
	}
	return min(r.norm, math.Sqrt(s))
}

// spread is r with one interval per feature.
func (r *reach) spread(n int) *reach {
	c := *r
	if len(r.lo) != n {
		lo, hi := r.hull()
		c.lo, c.hi = make([]float64, n), make([]float64, n)
		for j := range n {
			c.lo[j], c.hi[j] = lo, hi
		}
	}
	return &c
}

// clip lowers intervals to what the norm allows.
func (r *reach) clip() *reach {
	for j := range r.lo {
		r.lo[j], r.hi[j] = max(r.lo[j], -r.norm), min(r.hi[j], r.norm)
	}
	return r
}

// prover bounds one function's values in order.
type prover struct {
	src    weights.Source
	fm     Formats
	margin float64
	reach  map[*ir.Value]*reach
	uses   map[*ir.Value][]ir.Use
}

// rules is the table of ops that can be bounded. A rule gets reaches of all
// values it reads, and returns nil where there is no proof.
var rules = map[string]func(*prover, *ir.Op) (*reach, error){
	"nn.embed":       (*prover).embed,
	"nn.linear":      (*prover).linear,
	"nn.matmul":      (*prover).matmul,
	"nn.scale":       (*prover).scale,
	"nn.add":         (*prover).add,
	"nn.sub":         (*prover).sub,
	"nn.mul":         (*prover).mul,
	"nn.add_mask":    (*prover).keep,
	"nn.max":         (*prover).flat,
	"nn.argmax":      (*prover).place,
	"nn.concat":      (*prover).concat,
	"nn.sum":         (*prover).sum,
	"nn.square":      (*prover).square,
	"nn.recip":       (*prover).recip,
	"nn.rsqrt":       (*prover).rsqrt,
	"nn.piecewise":   (*prover).piecewise,
	"nn.split_heads": (*prover).keep,
	"nn.merge_heads": (*prover).keep,
	"nn.transpose":   (*prover).transpose,
	"nn.slice":       (*prover).slice,
	"nn.reshape":     (*prover).flat,
}

func (p *prover) op(op *ir.Op) error {
	if len(op.Results) == 0 {
		return nil
	}
	for _, a := range op.Args {
		if a.Value != nil && a.Value.Type.Elem.Kind == ir.F32 && p.reach[a.Value] == nil {
			return nil // no proof without one of what is read
		}
	}
	if op.Name == "nn.split" {
		p.split(op)
	} else if rule := rules[op.Name]; rule != nil {
		r, err := rule(p, op)
		if err != nil {
			return err
		}
		p.reach[op.Result()] = r
	}
	lo, hi, proof := math.Inf(1), math.Inf(-1), ""
	for _, v := range op.Results {
		r := p.reach[v]
		if r == nil {
			return nil
		}
		a, b := r.hull()
		lo, hi, proof = min(lo, a), max(hi, b), r.proof
	}
	if math.IsNaN(lo) || math.IsNaN(hi) || math.IsInf(lo, 0) || math.IsInf(hi, 0) {
		return fmt.Errorf("internal error: bound [%g, %g]", lo, hi)
	}
	op.Attrs.Set("proved", outward(lo, hi))
	op.Attrs.Set("proof", ir.Ident(proof))
	return nil
}

// outward rounds an interval to four digits, away from its middle.
func outward(lo, hi float64) []float64 {
	up := func(x float64, round func(float64) float64) float64 {
		if x == 0 {
			return 0
		}
		s := math.Pow(10, 3-math.Floor(math.Log10(math.Abs(x))))
		return round(x*s) / s
	}
	return []float64{up(lo, math.Floor), up(hi, math.Ceil)}
}

// x is the reach of argument i.
func (p *prover) x(op *ir.Op, i int) *reach { return p.reach[op.Args[i].Value] }

// load reads a weight; nil where nobody gave any.
func (p *prover) load(w *ir.Weight) ([]float64, error) {
	if p.src == nil {
		return nil, nil
	}
	return weights.Load(w, p.src)
}

// embed bounds the sum of a row of each table by columns and by norms.
func (p *prover) embed(op *ir.Op) (*reach, error) {
	d := op.Result().Type.Last()
	out := within(0, 0, "table").spread(d)
	out.norm = 0
	for _, a := range op.Args {
		if a.Weight == nil {
			continue
		}
		v, err := p.load(a.Weight)
		if v == nil {
			return nil, err
		}
		t := rowsReach(v, d)
		for j := range d {
			out.lo[j] += t.lo[j]
			out.hi[j] += t.hi[j]
		}
		out.norm += t.norm
	}
	return p.rounded(out, p.fm.Act, d), nil
}

// rowsReach bounds the rows of a table.
func rowsReach(v []float64, d int) *reach {
	r := &reach{lo: slices.Clone(v[:d]), hi: slices.Clone(v[:d]), proof: "table"}
	for i := 0; i < len(v); i += d {
		s := 0.0
		for j, x := range v[i : i+d] {
			r.lo[j], r.hi[j] = min(r.lo[j], x), max(r.hi[j], x)
			s += x * x
		}
		r.norm = max(r.norm, math.Sqrt(s))
	}
	return r
}

// rounded allows for an error of one unit of the given fraction bits in each of
// n features.
func (p *prover) rounded(r *reach, frac, n int) *reach {
	u := math.Ldexp(1, -frac)
	for j := range r.lo {
		r.lo[j] -= u
		r.hi[j] += u
	}
	r.norm += u * math.Sqrt(float64(n))
	return r
}

func (p *prover) scale(op *ir.Op) (*reach, error) {
	x, c := *p.x(op, 0), op.Attrs.Float("by", 1)
	n := len(x.lo)
	lo, hi := make([]float64, n), make([]float64, n)
	for j := range n {
		lo[j], hi[j] = min(c*x.lo[j], c*x.hi[j]), max(c*x.lo[j], c*x.hi[j])
	}
	x.lo, x.hi, x.mix = lo, hi, nil
	x.norm *= math.Abs(c)
	x.total *= math.Abs(c)
	if x.ball != nil {
		x.ball = &ball{x.ball.radius * math.Abs(c), x.ball.gain, times(x.ball.offset, c)}
	}
	switch {
	case x.kind == plain && op.X(0).Def != nil && op.X(0).Def.Name == "nn.sum":
		x.kind, x.of = mean, op.X(0).Def.X(0)
	case x.kind == sumSquare:
		x.by *= c
	default:
		x.kind = plain
	}
	return &x, nil
}

func times(v []float64, c float64) []float64 {
	if v == nil {
		return nil
	}
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = x * c
	}
	return out
}

// add is the sum of two values, or of one and a vector or a table.
func (p *prover) add(op *ir.Op) (*reach, error) {
	d := op.Result().Type.Last()
	x := p.x(op, 0)
	if w := op.W(1); w != nil {
		v, err := p.load(w)
		if v == nil {
			return nil, err
		}
		if w.Type.Last() != d {
			return p.flat(op)
		}
		t, out := rowsReach(v, d), x.spread(d)
		lo, hi := make([]float64, d), make([]float64, d)
		for j := range d {
			lo[j], hi[j] = out.lo[j]+t.lo[j], out.hi[j]+t.hi[j]
		}
		out.lo, out.hi, out.norm, out.total, out.mix, out.kind = lo, hi, out.norm+t.norm, 0, nil, plain
		if x.ball != nil && len(v) == d {
			b := *x.ball
			b.offset = slices.Clone(v)
			for j := range d {
				if x.ball.offset != nil {
					b.offset[j] += x.ball.offset[j]
				}
			}
			out.ball = &b
		} else {
			out.ball = nil
		}
		return p.rounded(out, p.fm.Act, d), nil
	}
	return p.combine(op, 1)
}

// combine is x + sign·y, feature by feature where both have the last axis.
func (p *prover) combine(op *ir.Op, sign float64) (*reach, error) {
	x, y := p.x(op, 0), p.x(op, 1)
	n := 1
	if !x.swapped && !y.swapped {
		n = max(len(x.lo), len(y.lo))
		if len(x.lo) != n && len(x.lo) != 1 || len(y.lo) != n && len(y.lo) != 1 {
			n = 1
		}
	}
	out := &reach{lo: make([]float64, n), hi: make([]float64, n), norm: math.Inf(1), proof: "sum"}
	at := func(r *reach, j int) (float64, float64) {
		switch {
		case len(r.lo) == 1:
			return r.lo[0], r.hi[0]
		case n == 1:
			return r.hull()
		}
		return r.lo[j], r.hi[j]
	}
	for j := range n {
		a, b := at(x, j)
		c, d := at(y, j)
		if sign < 0 {
			c, d = -d, -c
		}
		out.lo[j], out.hi[j] = a+c, b+d
	}
	d := op.X(0).Type.Last()
	if op.X(1).Type.Last() == d {
		out.norm = x.norm2(d) + y.norm2(d)
		out.total = x.rowSum(d) + y.rowSum(d) + float64(d)*math.Ldexp(1, -p.fm.Act)
	}
	return p.rounded(out, p.fm.Act, d), nil
}

// sub knows two differences: from the row's largest, and from its mean.
func (p *prover) sub(op *ir.Op) (*reach, error) {
	if op.W(1) != nil {
		return nil, nil
	}
	x, y := p.x(op, 0), p.x(op, 1)
	if d := op.X(1).Def; d != nil && d.Name == "nn.max" && d.X(0) == op.X(0) {
		lo, hi := x.hull()
		return within(lo-hi-maxSlack, 0, "interval"), nil
	}
	out, err := p.combine(op, -1)
	if err != nil {
		return nil, err
	}
	whole := op.X(0)
	if d := whole.Def; d != nil && d.Name == "nn.scale" && y.of != whole {
		whole = d.X(0)
	}
	if y.kind == mean && y.of == whole {
		n := op.X(0).Type.Last()
		out.norm = x.norm2(n) + math.Ldexp(1, -p.fm.Act)*math.Sqrt(float64(n))
		out.proof = "norm"
		out.clip()
	}
	return out, nil
}

// keep is an op that does not change a row's values, at least not where they
// count.
func (p *prover) keep(op *ir.Op) (*reach, error) {
	x := *p.x(op, 0)
	return &x, nil
}

// flat forgets which feature is which.
func (p *prover) flat(op *ir.Op) (*reach, error) {
	lo, hi := p.x(op, 0).hull()
	return within(lo, hi, p.x(op, 0).proof), nil
}

// place is that of an element in its row.
func (p *prover) place(op *ir.Op) (*reach, error) {
	return within(0, float64(op.X(0).Type.Last()-1), "interval"), nil
}

func (p *prover) concat(op *ir.Op) (*reach, error) {
	lo, hi := p.x(op, 0).hull()
	for i := range op.Args[1:] {
		a, b := p.x(op, i+1).hull()
		lo, hi = min(lo, a), max(hi, b)
	}
	return within(lo, hi, "interval"), nil
}

func (p *prover) transpose(op *ir.Op) (*reach, error) {
	x := *p.x(op, 0)
	perm := op.Attrs.Ints("perm")
	if n := len(perm); n < 2 || perm[n-1] != n-2 || perm[n-2] != n-1 {
		return p.flat(op)
	}
	x.swapped = !x.swapped
	return &x, nil
}

func (p *prover) slice(op *ir.Op) (*reach, error) {
	x := *p.x(op, 0)
	t := op.X(0).Type
	axis := op.Attrs.Int("axis", -1)
	switch {
	case axis >= 0 && axis == t.Rank()-2 && !x.swapped: // other rows
		return &x, nil
	case len(x.lo) > 1 && len(x.lo) == t.Last() && (axis == -1 || axis == t.Rank()-1):
		start, n := op.Attrs.Int("start", 0), op.Attrs.Int("len", 0)
		return &reach{lo: x.lo[start : start+n], hi: x.hi[start : start+n], norm: x.norm, proof: x.proof}, nil
	}
	return p.flat(op)
}

// split cuts the last axis, the blocks of a mix with it.
func (p *prover) split(op *ir.Op) {
	x := p.x(op, 0)
	t := op.X(0).Type
	n := t.Last() / len(op.Results)
	axis := op.Attrs.Int("axis", -1)
	whole := x.swapped || len(x.lo) != t.Last() || axis != -1 && axis != t.Rank()-1
	for i, v := range op.Results {
		lo, hi := x.hull()
		r := within(lo, hi, x.proof)
		if !whole {
			r.lo, r.hi, r.norm = x.lo[i*n:(i+1)*n], x.hi[i*n:(i+1)*n], x.norm
			if m := x.mix; m != nil && n%m.size == 0 {
				k := n / m.size
				r.mix = &mix{m.radius, m.center[i*n : (i+1)*n], m.slack, m.gram[i*k : (i+1)*k], m.size}
				r.norm = min(r.norm, r.mix.norm())
			}
		}
		p.reach[v] = r
	}
}
