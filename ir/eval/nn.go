package eval

import (
	"math"
	"sort"

	"nimbus/internal/tensor"
)

// nnOps are the functions of the model's vocabulary, on real numbers.
var nnOps = map[string]func(*step) error{
	"nn.embed":  nnEmbed,
	"nn.linear": nnLinear,
	"nn.matmul": nnMatmul,
	"nn.scale": func(s *step) error {
		by := s.op.Attrs.Float("by", 1)
		return s.each(func(x float64) float64 { return x * by })
	},
	"nn.add":      nnBinary(func(a, b float64) float64 { return a + b }),
	"nn.sub":      nnBinary(func(a, b float64) float64 { return a - b }),
	"nn.mul":      nnBinary(func(a, b float64) float64 { return a * b }),
	"nn.add_mask": nnAddMask,
	"nn.softmax":  nnSoftmax,
	"nn.gelu":     nnGelu,
	"nn.relu":     nnUnary(func(x float64) float64 { return max(x, 0) }),
	"nn.relu2":    nnUnary(func(x float64) float64 { return max(x, 0) * max(x, 0) }),
	"nn.tanh":     nnUnary(math.Tanh),
	"nn.sigmoid":  nnUnary(func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }),
	"nn.silu":     nnUnary(func(x float64) float64 { return x / (1 + math.Exp(-x)) }),
	"nn.exp":      nnUnary(math.Exp),
	"nn.recip":    nnUnary(func(x float64) float64 { return 1 / x }),
	"nn.rsqrt": func(s *step) error {
		eps := s.op.Attrs.Float("eps", 0)
		return s.each(func(x float64) float64 { return 1 / math.Sqrt(x+eps) })
	},
	"nn.square":    nnUnary(func(x float64) float64 { return x * x }),
	"nn.max":       nnFold(math.Max),
	"nn.argmax":    nnArgmax,
	"nn.sum":       nnFold(func(a, b float64) float64 { return a + b }),
	"nn.layernorm": nnLayernorm,
	"nn.piecewise": nnPiecewise,
}

// each maps argument 0 element by element.
func (s *step) each(f func(float64) float64) error {
	out := make([]float64, len(s.in[0].Real))
	for i, x := range s.in[0].Real {
		out[i] = f(x)
	}
	s.real(out)
	return nil
}

func nnUnary(f func(float64) float64) func(*step) error {
	return func(s *step) error { return s.each(f) }
}

func nnBinary(f func(a, b float64) float64) func(*step) error {
	return func(s *step) error {
		shape := s.op.Results[0].Type.Shape
		a := tensor.BroadcastTo(s.in[0].Real, s.shape(0), shape)
		b := tensor.BroadcastTo(s.in[1].Real, s.shape(1), shape)
		out := make([]float64, len(a))
		for i := range out {
			out[i] = f(a[i], b[i])
		}
		s.real(out)
		return nil
	}
}

// lanes calls f with every line of v along axis, copied, and stores what f
// returns (of any one length) in its place.
func lanes(v []float64, shape []int, axis int, f func(line []float64) []float64) []float64 {
	perm := make([]int, 0, len(shape))
	for i := range shape {
		if i != axis {
			perm = append(perm, i)
		}
	}
	perm = append(perm, axis)
	t := tensor.Transpose(v, shape, perm)
	n := shape[axis]
	var out []float64
	for i := 0; i < len(t); i += n {
		out = append(out, f(t[i:i+n])...)
	}
	to := tensor.TransposeShape(shape, perm)
	to[len(to)-1] = len(out) / max(len(t)/n, 1)
	back := make([]int, len(perm))
	for i, p := range perm {
		back[p] = i
	}
	return tensor.Transpose(out, to, back)
}

func nnFold(f func(a, b float64) float64) func(*step) error {
	return func(s *step) error {
		s.real(lanes(s.in[0].Real, s.shape(0), s.op.Axis(), func(line []float64) []float64 {
			acc := line[0]
			for _, x := range line[1:] {
				acc = f(acc, x)
			}
			return []float64{acc}
		}))
		return nil
	}
}

func nnArgmax(s *step) error {
	s.real(lanes(s.in[0].Real, s.shape(0), s.op.Axis(), func(line []float64) []float64 {
		best := 0
		for i, x := range line {
			if x > line[best] {
				best = i
			}
		}
		return []float64{float64(best)}
	}))
	return nil
}

func nnSoftmax(s *step) error {
	s.real(lanes(s.in[0].Real, s.shape(0), s.op.Axis(), func(line []float64) []float64 {
		top := line[0]
		for _, x := range line {
			top = max(top, x)
		}
		sum := 0.0
		out := make([]float64, len(line))
		for i, x := range line {
			out[i] = math.Exp(x - top)
			sum += out[i]
		}
		for i := range out {
			out[i] /= sum
		}
		return out
	}))
	return nil
}

func nnGelu(s *step) error {
	if s.op.Attrs.Ident("form", "erf") == "tanh" {
		return s.each(func(x float64) float64 {
			return 0.5 * x * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
		})
	}
	return s.each(func(x float64) float64 { return 0.5 * x * (1 + math.Erf(x/math.Sqrt2)) })
}

func nnLayernorm(s *step) error {
	eps := s.op.Attrs.Float("eps", 1e-12)
	shape := s.shape(0)
	s.real(lanes(s.in[0].Real, shape, len(shape)-1, func(x []float64) []float64 {
		n := float64(len(x))
		mean, variance := 0.0, 0.0
		for _, v := range x {
			mean += v / n
		}
		for _, v := range x {
			variance += (v - mean) * (v - mean) / n
		}
		inv := 1 / math.Sqrt(variance+eps)
		out := make([]float64, len(x))
		for i, v := range x {
			out[i] = (v - mean) * inv
			if len(s.in) > 1 {
				out[i] *= s.in[1].Real[i]
			}
			if len(s.in) > 2 {
				out[i] += s.in[2].Real[i]
			}
		}
		return out
	}))
	return nil
}

func nnLinear(s *step) error {
	x := s.in[0].Real
	k, n := s.shape(1)[0], s.shape(1)[1]
	out := make([]float64, len(x)/k*n)
	s.in[1].mul(out, x, len(x)/k, k, n)
	if len(s.in) == 3 {
		bias := s.in[2].wide().Real
		for i := range out {
			out[i] += bias[i%n]
		}
	}
	s.real(out)
	return nil
}

func nnMatmul(s *step) error {
	batch, m, k, n := batched(s.shape(0), s.shape(1))
	out := make([]float64, batch*m*n)
	for i := range batch {
		realMatMul(out[i*m*n:(i+1)*m*n], s.in[0].Real[i*m*k:(i+1)*m*k], s.in[1].Real[i*k*n:(i+1)*k*n], m, k, n)
	}
	s.real(out)
	return nil
}

// batched reads off [..., m, k] and [..., k, n].
func batched(a, b []int) (batch, m, k, n int) {
	r := len(a)
	return tensor.NumElems(a[:r-2]), a[r-2], a[r-1], b[r-1]
}

func nnEmbed(s *step) error {
	pos := s.in[len(s.in)-1]
	word, d := s.in[len(s.in)-2], s.op.Results[0].Type.Last()
	types := len(s.in) == 5
	if types {
		word = s.in[2]
	}
	offset := s.op.Attrs.Int("offset", 0)
	var out []float64
	for t, id := range s.in[0].Ring {
		w, err := word.row(id)
		if err != nil {
			return err
		}
		p, err := pos.row(uint64(t + offset))
		if err != nil {
			return err
		}
		for j := range d {
			out = append(out, w.Real[j]+p.Real[j])
		}
		if types {
			seg, err := s.in[3].row(s.in[1].Ring[t])
			if err != nil {
				return err
			}
			for j := range d {
				out[t*d+j] += seg.Real[j]
			}
		}
	}
	s.real(out)
	return nil
}

func nnAddMask(s *step) error {
	value := s.op.Attrs.Float("value", -1e4)
	mask := s.in[1].Ring
	out := make([]float64, len(s.in[0].Real))
	for i, x := range s.in[0].Real {
		if out[i] = x; mask[i%len(mask)] == 0 {
			out[i] += value
		}
	}
	s.real(out)
	return nil
}

func nnPiecewise(s *step) error {
	cuts, coef := s.op.Attrs.Floats("cuts"), s.op.Attrs.FloatLists("coef")
	return s.each(func(x float64) float64 {
		c := coef[sort.Search(len(cuts), func(i int) bool { return x < cuts[i] })]
		y := 0.0
		for i := len(c) - 1; i >= 0; i-- {
			y = y*x + c[i]
		}
		return y
	})
}
