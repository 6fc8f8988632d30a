package synth

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"nimbus/ir"
)

// A Source makes tensors on demand. It is a weights.Source.
type Source struct {
	seed    uint64
	tensors map[string]tensor
}

type tensor struct {
	shape  []int
	center float64
	spread float64 // the values are uniform in center ± spread
}

// New returns a source for every tensor that the weights of m come from. m is
// best a module as a frontend made it, where ops still tell weights apart.
func New(m *ir.Module, seed uint64) (*Source, error) {
	s := &Source{seed: seed, tensors: map[string]tensor{}}
	for _, w := range m.Weights {
		center, spread := values(m, w)
		from := w.Attrs.Strs("from")
		if from == nil {
			from = []string{w.Name}
		}
		shape := slices.Clone(w.Type.Shape)
		if rows := w.Attrs.Ints("rows"); len(rows) == 2 {
			shape[0] = rows[0] + rows[1]
		}
		if axis := w.Attrs.Int("axis", 0); len(from) > 1 {
			if axis < 0 || axis >= len(shape) || shape[axis]%len(from) != 0 {
				return nil, fmt.Errorf("synth: weight @%s of shape %v cannot be cut into %d sources along axis %d", w.Name, shape, len(from), axis)
			}
			shape[axis] /= len(from)
		}
		if w.Attrs.Bool("transpose") {
			if len(shape) != 2 {
				return nil, fmt.Errorf("synth: weight @%s of shape %v cannot be transposed", w.Name, shape)
			}
			shape[0], shape[1] = shape[1], shape[0]
		}
		if view := w.Attrs.Ints("view"); view != nil {
			shape = view
		}
		for _, name := range from {
			t := tensor{slices.Clone(shape), center, spread}
			if old, ok := s.tensors[name]; ok && !slices.Equal(old.shape, t.shape) {
				return nil, fmt.Errorf("synth: tensor %q is wanted with the shapes %v and %v", name, old.shape, t.shape)
			}
			s.tensors[name] = t
		}
	}
	return s, nil
}

// values chooses numbers that keep activations near unit variance.
func values(m *ir.Module, w *ir.Weight) (center, spread float64) {
	const unit = 1.7320508075688772 // ± this has variance 1
	for _, f := range m.Funcs {
		for _, op := range f.Body {
			for i, a := range op.Args {
				if a.Weight != w {
					continue
				}
				switch {
				case op.Name == "nn.embed":
					return 0, 0.5 * unit
				case op.Name == "nn.layernorm" && i == 1:
					return 1, 0.2
				case op.Name == "nn.linear" && i == 1:
					return 0, unit / math.Sqrt(float64(w.Type.Shape[0]))
				}
			}
		}
	}
	return 0, 0.1
}

// Tensor makes the tensor called name, the same at every call.
func (s *Source) Tensor(name string) (shape []int, data []float32, err error) {
	t, ok := s.tensors[name]
	if !ok {
		return nil, nil, fmt.Errorf("synth: no weight comes from a tensor %q", name)
	}
	n := 1
	for _, d := range t.shape {
		n *= d
	}
	label := binary.LittleEndian.AppendUint64([]byte("nimbus synthetic weights "), s.seed)
	g := rand.NewChaCha8(sha256.Sum256(append(label, name...)))
	data = make([]float32, n)
	for i := range data {
		u := float64(g.Uint64()>>11)*0x1p-52 - 1 // uniform in [-1, 1)
		data[i] = float32(t.center + t.spread*u)
	}
	return slices.Clone(t.shape), data, nil
}
