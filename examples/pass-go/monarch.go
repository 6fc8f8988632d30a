package main

import (
	"fmt"
	"math"
	"slices"

	"nimbus/ir"
	"nimbus/ir/weights"
	"nimbus/passes"
)

// A factorisation writes a matrix W of K = p·q rows and s·t columns as two
// block-diagonal ones with a permutation between (Dao et al., "Monarch:
// Expressive Structured Matrices for Efficient and Accurate Training", 2022):
//
//	W[i·q+j, k·t+l] ≈ R_i[j, l]·L_l[i, k]
//
// R_i is q by t, one for each of p groups of inputs; L_l is p by s, one for each
// of t groups of outputs.
type factorisation struct {
	p, q, s, t int
	r, l       [][]float64 // row-major
	err        float64     // relative, in the Frobenius norm
}

// stored is how many numbers are kept encrypted.
func (f *factorisation) stored() int { return f.p*f.q*f.t + f.t*f.p*f.s }

// project finds the best factorisation of a shape in closed form: for given i
// and l the elements are a q by s matrix, which must have rank 1; its largest
// singular vectors are the answer.
func project(w []float64, p, q, s, t int) *factorisation {
	f := &factorisation{p: p, q: q, s: s, t: t}
	for range p {
		f.r = append(f.r, make([]float64, q*t))
	}
	for range t {
		f.l = append(f.l, make([]float64, p*s))
	}
	cols := s * t
	slice := make([]float64, q*s)
	lost, all := 0.0, 0.0
	for i := range p {
		for l := range t {
			for j := range q {
				for k := range s {
					slice[j*s+k] = w[(i*q+j)*cols+k*t+l]
				}
			}
			u, v := rankOne(slice, q, s)
			for j := range q {
				f.r[i][j*t+l] = u[j]
			}
			copy(f.l[l][i*s:(i+1)*s], v)
			for j := range q {
				for k := range s {
					x := slice[j*s+k]
					all += x * x
					lost += (x - u[j]*v[k]) * (x - u[j]*v[k])
				}
			}
		}
	}
	if all > 0 {
		f.err = math.Sqrt(lost / all)
	}
	return f
}

// iterations of the power method; a matrix near rank 1 needs two or three.
const iterations = 20

// rankOne returns u and v with a ≈ u·vᵀ, of equal largest magnitudes.
func rankOne(a []float64, rows, cols int) (u, v []float64) {
	u, v = make([]float64, rows), make([]float64, cols)
	largest := 0
	for i := range a { // begin with the row of the largest element
		if math.Abs(a[i]) > math.Abs(a[largest]) {
			largest = i
		}
	}
	copy(v, a[largest/cols*cols:(largest/cols+1)*cols])
	for range iterations {
		n := dot(v, v)
		if n == 0 {
			return u, v
		}
		for j := range u {
			u[j] = dot(a[j*cols:(j+1)*cols], v) / n
		}
		n = dot(u, u)
		clear(v)
		for j, x := range u {
			for k := range v {
				v[k] += x / n * a[j*cols+k]
			}
		}
	}
	c := math.Sqrt(largestOf(v) / largestOf(u))
	for j := range u {
		u[j] *= c
	}
	for k := range v {
		v[k] /= c
	}
	return u, v
}

func dot(a, b []float64) float64 {
	sum := 0.0
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}

func largestOf(v []float64) float64 {
	m := 0.0
	for _, x := range v {
		m = max(m, math.Abs(x))
	}
	return m
}

// maxBlocks bounds the blocks of a factorisation: each is a product with
// responses of its own.
const maxBlocks = 16

// choose returns the factorisation that stores least, at most half of the
// matrix, among those within bound; nil if there is none.
func choose(w []float64, rows, cols int, bound float64) *factorisation {
	var shapes [][2]int
	stored := func(s [2]int) int { return rows*s[1] + s[0]*cols }
	for p := 2; p < rows; p++ {
		for t := 1; p+t <= maxBlocks; t++ {
			if s := [2]int{p, t}; rows%p == 0 && cols%t == 0 && 2*stored(s) <= rows*cols {
				shapes = append(shapes, s)
			}
		}
	}
	slices.SortFunc(shapes, func(a, b [2]int) int { return stored(a) - stored(b) })
	for _, s := range shapes {
		if f := project(w, s[0], rows/s[0], cols/s[1], s[1]); f.err <= bound {
			return f
		}
	}
	return nil
}

// monarch is the pass: linear layers whose weight is a product of two
// block-diagonal matrices, within bound, become these. The factors' weights are
// put into made; say is told of every layer.
func monarch(src weights.Source, made weights.Map, bound float64, say func(format string, args ...any)) passes.Pass {
	return passes.Pass{
		Name: "monarch",
		Doc: `replace a linear layer by two block-diagonal ones where its weight allows it

The price of an encrypted weight is its size. A weight that is, up to a bound on
the projection's relative error, a product of two block-diagonal matrices with a
permutation between them is stored and multiplied as such. The input of the layer
must have a range.`,
		In: ir.StageNN, Out: ir.StageNN,
		Run: func(m *ir.Module, _ *passes.Options) error {
			var failed error
			caught := ir.Catch(func() {
				for _, f := range m.Funcs {
					f.Rewrite(func(b *ir.Builder, op *ir.Op) []*ir.Value {
						if failed != nil || op.Name != "nn.linear" || op.X(0).Type.Rank() != 2 || rangeOf(op.X(0)) == 0 {
							return nil
						}
						w := op.W(1)
						data, err := weights.Load(w, src)
						if err != nil {
							failed = err
							return nil
						}
						fac := choose(data, w.Type.Shape[0], w.Type.Shape[1], bound)
						if fac == nil {
							say("@%s: no factorisation within %g", w.Name, bound)
							return nil
						}
						say("@%s: %d blocks of %dx%d and %d of %dx%d, error %.2g, %d numbers instead of %d",
							w.Name, fac.p, fac.q, fac.t, fac.t, fac.p, fac.s, fac.err, fac.stored(), len(data))
						return []*ir.Value{fac.emit(m, b, op, made)}
					})
				}
				m.RemoveUnusedWeights()
			})
			if failed == nil {
				failed = caught
			}
			return failed
		},
	}
}

// rangeOf is the largest magnitude of a value that states a range, else 0.
func rangeOf(v *ir.Value) float64 {
	attrs := v.Attrs
	if v.Def != nil {
		attrs = v.Def.Attrs
	}
	if r := attrs.Floats("range"); len(r) == 2 {
		return max(math.Abs(r[0]), math.Abs(r[1]))
	}
	return 0
}

// emit writes the two layers. Row-major, u[i, l] leaves the first as [p, t] and
// enters the second as [t, p]; y[l, k] leaves that as [t, s] and is wanted as
// [s, t].
func (f *factorisation) emit(m *ir.Module, b *ir.Builder, op *ir.Op, made weights.Map) *ir.Value {
	x, name := op.X(0), op.W(1).Name
	most := rangeOf(x)
	var u, y []ir.Operand
	for i, part := range split(b, x, f.p) {
		r := weight(m, made, fmt.Sprintf("%s.r%d", name, i), f.r[i], f.q, f.t)
		bound := 0.0 // |u| <= max|x| times the largest column sum
		for l := range f.t {
			sum := 0.0
			for j := range f.q {
				sum += math.Abs(f.r[i][j*f.t+l])
			}
			bound = max(bound, most*sum)
		}
		u = append(u, b.Op1("nn.linear", "u", ir.A("range", []float64{-bound, bound}), part, r))
	}
	v := turn(b, b.Op1("nn.concat", "u", ir.A("axis", 1), u...), f.p, f.t)
	attrs := op.Attrs.Only("range", "bound")
	for l, part := range split(b, v, f.t) {
		w := weight(m, made, fmt.Sprintf("%s.l%d", name, l), f.l[l], f.p, f.s)
		y = append(y, b.Op1("nn.linear", op.Result().Name, attrs, part, w))
	}
	out := y[0].(*ir.Value)
	if f.t > 1 {
		out = turn(b, b.Op1("nn.concat", op.Result().Name, ir.A("axis", 1), y...), f.t, f.s)
	}
	if bias := op.W(2); bias != nil {
		out = b.Op1("nn.add", op.Result().Name, attrs, out, bias)
	}
	return out
}

// split cuts the last of two axes.
func split(b *ir.Builder, x *ir.Value, n int) []*ir.Value {
	if n == 1 {
		return []*ir.Value{x}
	}
	return b.Op("nn.split", slices.Repeat([]string{x.Name}, n), ir.A("axis", 1), x)
}

// turn takes rows of a by c to rows of c by a.
func turn(b *ir.Builder, x *ir.Value, a, c int) *ir.Value {
	rows := x.Type.Shape[0]
	x = b.Op1T("nn.reshape", x.Name, nil, x.Type.WithShape(rows, a, c), x)
	x = b.Op1("nn.transpose", x.Name, ir.A("perm", []int{0, 2, 1}), x)
	return b.Op1T("nn.reshape", x.Name, nil, x.Type.WithShape(rows, a*c), x)
}

// weight declares a factor and keeps its numbers.
func weight(m *ir.Module, made weights.Map, name string, data []float64, rows, cols int) *ir.Weight {
	t := weights.Tensor{Shape: []int{rows, cols}}
	for _, x := range data {
		t.Data = append(t.Data, float32(x))
	}
	w := m.AddWeight(name, ir.TensorType(ir.F32Elem(), rows, cols), ir.A("owner", ir.Ident(ir.Server)))
	made[w.Name] = t
	return w
}
