package bundle

import (
	"math"
	"testing"

	"nimbus/ir"
	"nimbus/ir/weights"
)

// forward computes an nn-level main function in float64, written from the ops'
// definitions and on its own, so that it can disagree with ir/eval.
type forward struct {
	t      testing.TB
	src    weights.Source
	loaded map[string][]float64 // weights by name, shared between modules of one model
}

func (f *forward) weight(w *ir.Weight) []float64 {
	if v, ok := f.loaded[w.Name]; ok {
		return v
	}
	v, err := weights.Load(w, f.src)
	if err != nil {
		f.t.Fatal(err)
	}
	f.loaded[w.Name] = v
	return v
}

func floats(v []int) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = float64(x)
	}
	return out
}

func (f *forward) run(m *ir.Module, inputs map[string][]float64) []float64 {
	fn := m.Func("main")
	env := map[*ir.Value][]float64{}
	for _, p := range fn.Params {
		env[p] = inputs[p.Name]
	}
	for _, op := range fn.Body {
		arg := func(i int) []float64 {
			if w := op.Args[i].Weight; w != nil {
				return f.weight(w)
			}
			return env[op.Args[i].Value]
		}
		shape := func(i int) []int { return op.Args[i].Type().Shape }
		if op.Name == "return" {
			return arg(0)
		}
		x := arg(0)
		n := op.Results[0].Type.NumElems()
		last := op.Results[0].Type.Last()
		y := make([]float64, n)
		switch op.Name {
		case "nn.embed":
			types, word, typ, pos := arg(1), arg(2), arg(3), arg(4)
			for s := range x {
				for j := range last {
					y[s*last+j] = word[int(x[s])*last+j] + typ[int(types[s])*last+j] + pos[s*last+j]
				}
			}
		case "nn.linear":
			product(y, x, arg(1), len(x)/shape(1)[0], shape(1)[0], last)
			for i := range y {
				y[i] += arg(2)[i%last]
			}
		case "nn.matmul":
			b, a := shape(0)[0], shape(0)
			m, k := a[1], a[2]
			for h := range b {
				product(y[h*m*last:(h+1)*m*last], x[h*m*k:], arg(1)[h*k*last:], m, k, last)
			}
		case "nn.scale":
			for i := range y {
				y[i] = x[i] * op.Attrs.Float("by", 0)
			}
		case "nn.add":
			for i := range y {
				y[i] = x[i] + arg(1)[i]
			}
		case "nn.add_mask":
			for i := range y {
				y[i] = x[i] - 1e4*(1-arg(1)[i%last])
			}
		case "nn.softmax":
			for r := 0; r < n; r += last {
				top, sum := math.Inf(-1), 0.0
				for _, v := range x[r : r+last] {
					top = max(top, v)
				}
				for i, v := range x[r : r+last] {
					y[r+i] = math.Exp(v - top)
					sum += y[r+i]
				}
				for i := range last {
					y[r+i] /= sum
				}
			}
		case "nn.gelu":
			for i, v := range x {
				y[i] = v / 2 * (1 + math.Erf(v/math.Sqrt2))
				if op.Attrs.Ident("form", "erf") == "tanh" {
					y[i] = v / 2 * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(v+0.044715*v*v*v)))
				}
			}
		case "nn.tanh":
			for i, v := range x {
				y[i] = math.Tanh(v)
			}
		case "nn.layernorm":
			for r := 0; r < n; r += last {
				mean, variance := 0.0, 0.0
				for _, v := range x[r : r+last] {
					mean += v / float64(last)
				}
				for _, v := range x[r : r+last] {
					variance += (v - mean) * (v - mean) / float64(last)
				}
				for i, v := range x[r : r+last] {
					y[r+i] = (v-mean)/math.Sqrt(variance+op.Attrs.Float("eps", 1e-12))*arg(1)[i] + arg(2)[i]
				}
			}
		case "nn.split_heads": // [S, D] to [H, S, K]
			heads, rows := op.Attrs.Int("heads", 0), shape(0)[0]
			for i := range y {
				h, s, k := i/(rows*last), i/last%rows, i%last
				y[i] = x[s*heads*last+h*last+k]
			}
		case "nn.merge_heads":
			rows, k := shape(0)[1], shape(0)[2]
			for i := range x {
				y[i/k%rows*last+i/(rows*k)*k+i%k] = x[i]
			}
		case "nn.transpose": // the last two axes
			rows := shape(0)[1]
			for i := range x {
				b, s, k := i/(rows*shape(0)[2]), i/shape(0)[2]%rows, i%shape(0)[2]
				y[b*n/shape(0)[0]+k*rows+s] = x[i]
			}
		case "nn.slice": // of rows
			start := op.Attrs.Int("start", 0)
			copy(y, x[start*last:])
		default:
			f.t.Fatalf("%s: no definition here", op.Name)
		}
		env[op.Results[0]] = y
	}
	f.t.Fatal("no return")
	return nil
}

// product is y[m×n] = x[m×k]·w[k×n].
func product(y, x, w []float64, m, k, n int) {
	for i := range m {
		row := y[i*n : (i+1)*n]
		for j := range k {
			v, col := x[i*k+j], w[j*n:(j+1)*n]
			for c := range row {
				row[c] += v * col[c]
			}
		}
	}
}
