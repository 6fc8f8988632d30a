package passes

import (
	"math"
	"runtime"
	"slices"
	"sync"

	"nimbus/internal/tensor"
	"nimbus/ir"
)

// linear bounds x·W + c, feature by feature, by the best argument that there is.
//
//	column   of LayerNorm's rows g∘n + b:  |W_j·b + c_j| + √n·∥W_j∘g∥₂
//	heads    of a mean of such rows made linear, per head
//	norm     ∥W_j∥₂·∥x∥₂
//	sum      Σ |W_ji|·max|x_i|
func (p *prover) linear(op *ir.Op) (*reach, error) {
	x := p.x(op, 0)
	w, err := p.load(op.W(1))
	if w == nil {
		return nil, err
	}
	shape := op.W(1).Type.Shape
	in, n := shape[0], shape[1]
	rows := tensor.Transpose(w, shape, []int{1, 0})
	c := make([]float64, n)
	if b := op.W(2); b != nil {
		if c, err = p.load(b); err != nil {
			return nil, err
		}
	}

	xn := x.norm2(in)
	xs := x.spread(in)
	l1 := 0.0 // of the largest x
	for i := range in {
		l1 += xs.most(i)
	}
	act := math.Ldexp(1, -leastAct) + x.err                                            // error of x
	weight := math.Ldexp(1, -p.fm.Weight-1) * min(math.Sqrt(float64(in))*xn, l1) * 1.1 // what rounding weights makes

	out := &reach{lo: make([]float64, n), hi: make([]float64, n), proof: "norm"}
	errs := make([]float64, n)
	parallel(n, func(j int) {
		row := rows[j*in : (j+1)*in]
		lo, hi, square, sum := c[j], c[j], 0.0, 0.0
		for i, v := range row {
			if v > 0 {
				lo, hi = lo+v*xs.lo[i], hi+v*xs.hi[i]
			} else {
				lo, hi = lo+v*xs.hi[i], hi+v*xs.lo[i]
			}
			square += v * v
			sum += math.Abs(v)
		}
		r := math.Sqrt(square) * xn
		errs[j] = act*sum + weight
		out.lo[j], out.hi[j] = max(lo, c[j]-r)-errs[j], min(hi, c[j]+r)+errs[j]
	})
	out.norm = math.Inf(1)
	columns := make([]float64, in) // their sum, which the sum of a row is a product with
	for j := range n {
		for i, v := range rows[j*in : (j+1)*in] {
			columns[i] += v
		}
	}
	out.total = length(columns)*xn + math.Abs(total(c)) + total(errs)

	var m *mix
	var a []float64
	switch {
	case x.ball != nil:
		a, m = p.ofBall(op, x.ball, rows, c, in, n)
		out.proof = "column"
		for j := range n {
			r := m.radius * math.Sqrt(dot(a[j*in:(j+1)*in], a[j*in:(j+1)*in]))
			out.lo[j] = max(out.lo[j], m.center[j]-r-errs[j])
			out.hi[j] = min(out.hi[j], m.center[j]+r+errs[j])
		}
		s := 0.0
		for i, v := range columns {
			g := 1.0
			if x.ball.gain != nil {
				g = x.ball.gain[i]
			}
			s += v * v * g * g
		}
		out.total = m.radius*math.Sqrt(s) + math.Abs(total(m.center)) + total(errs)
		if m.gram != nil {
			out.mix = m
			out.norm = m.norm() + length(errs)
		}
	case x.mix != nil && len(x.mix.gram)*x.mix.size == in:
		out.proof = "heads"
		p.ofMix(x.mix, rows, c, errs, out, in, n)
	case n*in*blockOf(n) < maxGram:
		s := 0.0
		for _, g := range grams(rows, in, n, blockOf(n)) {
			s += largestEigen(g)
		}
		out.norm = math.Sqrt(s)*xn + length(c) + length(errs)
	}
	return out.clip(), nil
}

// maxGram bounds the multiplications spent on one layer's Gram matrices.
const maxGram = 1 << 31

// ofBall is a linear layer of LayerNorm's rows as a mix, and its matrix, whose
// rows are those of the weight times the gain.
func (p *prover) ofBall(op *ir.Op, b *ball, rows, c []float64, in, n int) ([]float64, *mix) {
	m := &mix{radius: b.radius, center: slices.Clone(c), size: p.block(op, n)}
	a := rows
	if b.gain != nil {
		a = make([]float64, len(rows))
		for i, v := range rows {
			a[i] = v * b.gain[i%in]
		}
	}
	if b.offset != nil {
		for j := range n {
			m.center[j] += dot(rows[j*in:(j+1)*in], b.offset)
		}
	}
	if n*in*m.size < maxGram {
		m.gram = grams(a, in, n, m.size)
	}
	return a, m
}

// ofMix bounds a linear layer of a mix whose blocks are independent of each
// other: what attention reads of every head.
func (p *prover) ofMix(m *mix, rows, c, errs []float64, out *reach, in, n int) {
	d := m.size
	centers := make([]float64, n)
	parallel(n, func(j int) {
		row := rows[j*in : (j+1)*in]
		r, slack := 0.0, 0.0
		for h, g := range m.gram {
			w := row[h*d : (h+1)*d]
			s := 0.0
			for i, v := range w {
				s += v * dot(g[i*d:(i+1)*d], w)
			}
			r += math.Sqrt(max(s, 0))
			k := dot(w, m.center[h*d:(h+1)*d])
			centers[j] += k
			slack += math.Abs(k) * m.slack
		}
		r = r*m.radius*(1+1e-9) + slack + errs[j]
		centers[j] += c[j]
		out.lo[j] = max(out.lo[j], centers[j]-r)
		out.hi[j] = min(out.hi[j], centers[j]+r)
		errs[j] += slack
	})
	// All features together: the norms of the products of each head.
	s := 0.0
	cols := make([]float64, len(rows))
	for j := range n {
		for i := range in {
			cols[i*n+j] = rows[j*in+i]
		}
	}
	if n*in*d < maxGram {
		for h, k := range grams(cols, n, in, d) {
			s += math.Sqrt(largestEigen(product(k, m.gram[h], d)))
		}
		out.norm = s*m.radius + length(centers) + length(errs)
	}
}

// block is the size of blocks that what reads op's result wants: a head's.
func (p *prover) block(op *ir.Op, n int) int {
	var heads func(v *ir.Value, parts int) int
	heads = func(v *ir.Value, parts int) int {
		for _, u := range p.uses[v] {
			switch u.Op.Name {
			case "nn.split":
				for _, r := range u.Op.Results {
					if h := heads(r, parts*len(u.Op.Results)); h > 0 {
						return h
					}
				}
			case "nn.split_heads":
				return parts * u.Op.Attrs.Int("heads", 1)
			}
		}
		return 0
	}
	if h := heads(op.Result(), 1); h > 0 && n%h == 0 {
		return n / h
	}
	return blockOf(n)
}

// blockOf is the largest divisor of n up to 64.
func blockOf(n int) int {
	for d := min(n, 64); ; d-- {
		if n%d == 0 {
			return d
		}
	}
}

// norm bounds a row of m.
func (m *mix) norm() float64 {
	s := 0.0
	for _, g := range m.gram {
		s += largestEigen(g)
	}
	return math.Sqrt(s)*m.radius + (1+m.slack)*length(m.center)
}

// grams are the products of each block of d rows of a [n, in] with itself
// transposed.
func grams(a []float64, in, n, d int) [][]float64 {
	out := make([][]float64, n/d)
	parallel(len(out), func(b int) {
		g := make([]float64, d*d)
		for i := range d {
			x := a[(b*d+i)*in : (b*d+i+1)*in]
			for j := range i + 1 {
				v := dot(x, a[(b*d+j)*in:(b*d+j+1)*in])
				g[i*d+j], g[j*d+i] = v, v
			}
		}
		out[b] = g
	})
	return out
}

// largestEigen bounds the largest eigenvalue of a, which has real eigenvalues
// that are not negative (a Gram matrix, or a product of two), from above:
// λ⁸ <= tr a⁸.
func largestEigen(a []float64) float64 {
	d := int(math.Round(math.Sqrt(float64(len(a)))))
	scale := 0.0
	for i := range d {
		scale += a[i*d+i]
	}
	if scale <= 0 {
		return 0
	}
	a = times(a, 1/scale)
	for range 2 {
		a = product(a, a, d)
	}
	t := 0.0
	for i := range d {
		for j := range d {
			t += a[i*d+j] * a[j*d+i]
		}
	}
	return scale * math.Pow(max(t, 0)+1e-30, 0.125) * (1 + 1e-9)
}

// product is a·b of d-by-d matrices.
func product(a, b []float64, d int) []float64 {
	out := make([]float64, d*d)
	for i := range d {
		row := out[i*d : (i+1)*d]
		for k := range d {
			v := a[i*d+k]
			for j, x := range b[k*d : (k+1)*d] {
				row[j] += v * x
			}
		}
	}
	return out
}

func dot(a, b []float64) float64 {
	b = b[:len(a)]
	var s, t, u, v float64
	i := 0
	for ; i+4 <= len(a); i += 4 {
		s += a[i] * b[i]
		t += a[i+1] * b[i+1]
		u += a[i+2] * b[i+2]
		v += a[i+3] * b[i+3]
	}
	for ; i < len(a); i++ {
		s += a[i] * b[i]
	}
	return s + t + u + v
}

func length(v []float64) float64 { return math.Sqrt(dot(v, v)) }

// parallel calls f for 0..n-1 on as many cores as there are.
func parallel(n int, f func(int)) {
	k := min(runtime.GOMAXPROCS(0), n)
	var wg sync.WaitGroup
	for c := range k {
		wg.Go(func() {
			for i := c * n / k; i < (c+1)*n/k; i++ {
				f(i)
			}
		})
	}
	wg.Wait()
}

// rounding is what rounding the operands does to a product of two shared
// matrices that is at most as large as most without it: slips times a unit of
// the first plus passes times a unit of the second, each one bit coarser than
// dealt, as the quantiser may choose. The more bits the error takes of the ring,
// the coarser the operands, so the bound is a fixed point.
func (p *prover) rounding(op *ir.Op, most, slips, passes float64, share bool) float64 {
	e := 0.0
	for {
		fx, fy := p.fm.operands(most+e, p.typical(op.X(0)), p.typical(op.X(1)), share)
		next := slips*math.Ldexp(2, -fx) + passes*math.Ldexp(2, -fy)
		if room(most+next) <= room(most+e) || fy < 1 {
			return max(e, next)
		}
		e = next
	}
}

// matmul knows means of values, weighted by softmax, and products of two mixes.
func (p *prover) matmul(op *ir.Op) (*reach, error) {
	x, y := p.x(op, 0), p.x(op, 1)
	inner := op.X(0).Type.Last()
	if x.kind == share && !y.swapped {
		return p.context(op, x, y, inner), nil
	}
	most := float64(inner) * x.magnitude() * y.magnitude()
	proof := "sum"
	heads := op.X(0).Type.NumElems() / (op.X(0).Type.Last() * op.X(0).Type.Shape[op.X(0).Type.Rank()-2])
	if d := heads * inner; y.swapped && !x.swapped && len(x.lo) == d && len(y.lo) == d {
		scores := 0.0
		for h := range heads {
			sum, nx, ny := 0.0, 0.0, 0.0
			for j := h * inner; j < (h+1)*inner; j++ {
				sum += x.most(j) * y.most(j)
				nx += x.most(j) * x.most(j)
				ny += y.most(j) * y.most(j)
			}
			scores = max(scores, min(sum, math.Sqrt(nx*ny), bilinear(x.mix, y.mix, h, inner)))
		}
		if scores < most {
			most, proof = scores, "bilinear"
		}
	}
	most += p.rounding(op, most, float64(inner)*y.magnitude(), float64(inner)*x.magnitude(), false)
	return within(-most, most, proof), nil
}

// bilinear bounds (A·n + a)·(B·n' + b), the product of block h of two mixes:
// r·r'·∥AᵀB∥ + r·∥Aᵀb∥ + r'·∥Bᵀa∥ + |a·b|, all by A·Aᵀ and B·Bᵀ.
func bilinear(x, y *mix, h, size int) float64 {
	if x == nil || y == nil || x.size != size || y.size != size {
		return math.Inf(1)
	}
	a, b := x.center[h*size:(h+1)*size], y.center[h*size:(h+1)*size]
	form := func(g, v []float64) float64 { // √(vᵀ·g·v)
		s := 0.0
		for i, u := range v {
			s += u * dot(g[i*size:(i+1)*size], v)
		}
		return math.Sqrt(max(s, 0))
	}
	g, k := x.gram[h], y.gram[h]
	return x.radius*y.radius*math.Sqrt(largestEigen(product(g, k, size))) +
		x.radius*form(g, b) + y.radius*form(k, a) + math.Abs(dot(a, b))
}

// context is a mean of rows of y with weights that softmax made: their sum is
// one but for the errors of n of them.
func (p *prover) context(op *ir.Op, x, y *reach, n int) *reach {
	slack := math.Ldexp(1, -8) + float64(n)*math.Ldexp(1, -leastShare) + float64(n)*2*max(0, -x.lo[0])
	err := p.rounding(op, y.magnitude()*(1+slack), 0, 1+slack, true)
	out := &reach{lo: make([]float64, len(y.lo)), hi: make([]float64, len(y.lo)), norm: y.norm * (1 + slack), err: err, proof: "mean"}
	for j := range y.lo {
		e := slack*y.most(j) + err
		out.lo[j], out.hi[j] = y.lo[j]-e, y.hi[j]+e
	}
	if m := y.mix; m != nil {
		out.mix = &mix{m.radius * (1 + slack), m.center, m.slack + slack, m.gram, m.size}
	}
	return out
}
