package weights

import (
	"fmt"
	"math"
	"slices"

	"nimbus/internal/fixed"
	"nimbus/internal/tensor"
	"nimbus/ir"
)

// A Source finds tensors by the names that recipes use, several at once. The
// data are row-major and not changed by the caller.
type Source interface {
	Tensor(name string) (shape []int, data []float32, err error)
}

// A Tensor is one tensor of a Map.
type Tensor struct {
	Shape []int
	Data  []float32
}

// Map is a Source in memory.
type Map map[string]Tensor

// Tensor implements Source.
func (m Map) Tensor(name string) ([]int, []float32, error) {
	t, ok := m[name]
	if !ok {
		return nil, nil, fmt.Errorf("there is no tensor %q", name)
	}
	return t.Shape, t.Data, nil
}

// An Overlay is a Source whose Map comes before what lies under it, which may
// be nil.
type Overlay struct {
	Map
	Under Source
}

// Tensor implements Source.
func (o Overlay) Tensor(name string) ([]int, []float32, error) {
	if _, ok := o.Map[name]; ok || o.Under == nil {
		return o.Map.Tensor(name)
	}
	return o.Under.Tensor(name)
}

// Sources are the names of the file tensors that w is made of.
func Sources(w *ir.Weight) []string {
	if from := w.Attrs.Strs("from"); len(from) > 0 {
		return from
	}
	return []string{w.Name}
}

// Load applies w's recipe. The result has w's shape, row-major. A tensor that
// is missing, has the wrong shape or holds NaN or an infinity is an error that
// names it.
func Load(w *ir.Weight, src Source) ([]float64, error) {
	v, err := load(w, src)
	if err != nil {
		return nil, fmt.Errorf("weight @%s: %w", w.Name, err)
	}
	return v, nil
}

func load(w *ir.Weight, src Source) ([]float64, error) {
	from, mul := Sources(w), w.Attrs.Floats("mul")
	if w.Attrs.Has("mul") && len(mul) != len(from) {
		return nil, fmt.Errorf("%d factors for %d tensors", len(mul), len(from))
	}
	var parts [][]float64
	var shapes [][]int
	for i, name := range from {
		factor := 1.0
		if mul != nil {
			factor = mul[i]
		}
		diagonal := slices.Contains(w.Attrs.Ints("diagonal"), i)
		v, shape, err := one(name, src, w.Attrs.Ints("view"), w.Attrs.Bool("transpose") && !diagonal, factor)
		if err == nil && diagonal {
			v, shape, err = onDiagonal(v, shape)
		}
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", name, err)
		}
		if w.Attrs.Has("shift") {
			if err := shift(v, w, i, src, factor); err != nil {
				return nil, err
			}
		}
		parts, shapes = append(parts, v), append(shapes, shape)
	}
	out, shape := parts[0], shapes[0]
	if len(parts) > 1 {
		axis := w.Attrs.Int("axis", 0)
		if err := joinable(from, shapes, axis); err != nil {
			return nil, err
		}
		out, shape = tensor.Concat(parts, shapes, axis)
	}
	if name := w.Attrs.Str("gain", ""); name != "" {
		if err := gain(out, shape, name, src); err != nil {
			return nil, err
		}
	}
	if rows := w.Attrs.Ints("rows"); w.Attrs.Has("rows") {
		if len(rows) != 2 || len(shape) == 0 || rows[0] < 0 || rows[1] < 1 || rows[0] > shape[0] || rows[1] > shape[0]-rows[0] {
			return nil, fmt.Errorf("rows %v of tensors %q, shape %v, do not exist", rows, from, shape)
		}
		out, shape = tensor.Slice(out, shape, 0, rows[0], rows[1])
	}
	if !slices.Equal(shape, w.Type.Shape) {
		return nil, fmt.Errorf("tensors %q make shape %v, the model expects %v; is it the right model's file?", from, shape, w.Type.Shape)
	}
	return out, nil
}

// onDiagonal is the matrix with a vector on its diagonal.
func onDiagonal(v []float64, shape []int) ([]float64, []int, error) {
	n := len(v)
	square := []int{n, n}
	if len(shape) != 1 {
		return nil, nil, fmt.Errorf("shape %v is not a vector's: it cannot stand for a diagonal matrix", shape)
	}
	if err := tensor.CheckShape(square); err != nil {
		return nil, nil, err
	}
	out := make([]float64, n*n)
	for i, x := range v {
		out[i*n+i] = x
	}
	return out, square, nil
}

// gain multiplies row i of a tensor by element i of a file tensor.
func gain(v []float64, shape []int, name string, src Source) error {
	g, n, err := one(name, src, nil, false, 1)
	if err != nil {
		return fmt.Errorf("tensor %q: %w", name, err)
	}
	if len(n) != 1 || len(shape) == 0 || n[0] != shape[0] {
		return fmt.Errorf("tensor %q, shape %v, is no gain for the rows of shape %v", name, n, shape)
	}
	row := len(v) / shape[0]
	for i := range v {
		v[i] *= g[i/row]
	}
	return nil
}

// shift adds factor·b·W to source i of a bias.
func shift(v []float64, w *ir.Weight, i int, src Source, factor float64) error {
	names := []string{w.Attrs.Str("shift", ""), w.Attrs.Strs("through")[i]}
	b, n, err := one(names[0], src, nil, false, factor)
	if err != nil {
		return fmt.Errorf("tensor %q: %w", names[0], err)
	}
	m, shape, err := one(names[1], src, nil, w.Attrs.Bool("through_transposed"), 1)
	if err != nil {
		return fmt.Errorf("tensor %q: %w", names[1], err)
	}
	if len(n) != 1 || len(shape) != 2 || shape[0] != n[0] || shape[1] != len(v) {
		return fmt.Errorf("tensors %q, shapes %v and %v, make no shift of a bias of %d", names, n, shape, len(v))
	}
	for r, x := range b {
		for c := range v {
			v[c] += x * m[r*len(v)+c]
		}
	}
	return nil
}

// one loads one tensor, views it as another shape if there is one, transposes
// and scales it.
func one(name string, src Source, view []int, transpose bool, factor float64) ([]float64, []int, error) {
	shape, data, err := src.Tensor(name)
	if err != nil {
		return nil, nil, err
	}
	if err := tensor.CheckShape(shape); err != nil {
		return nil, nil, err
	}
	if tensor.NumElems(shape) != len(data) {
		return nil, nil, fmt.Errorf("%d numbers do not fill shape %v", len(data), shape)
	}
	if view != nil {
		if err := tensor.CheckShape(view); err != nil {
			return nil, nil, err
		}
		if tensor.NumElems(view) != len(data) {
			return nil, nil, fmt.Errorf("shape %v cannot be viewed as %v", shape, view)
		}
		shape = view
	}
	out := make([]float64, len(data))
	for i, x := range data {
		r := float64(x)
		if math.IsNaN(r) || math.IsInf(r, 0) {
			return nil, nil, fmt.Errorf("element %d is not a finite number; the file is damaged or the training diverged", i)
		}
		out[i] = r * factor
	}
	if transpose {
		if len(shape) != 2 {
			return nil, nil, fmt.Errorf("shape %v cannot be transposed: two axes are needed", shape)
		}
		out = tensor.Transpose(out, shape, []int{1, 0})
		shape = []int{shape[1], shape[0]}
	}
	return out, shape, nil
}

func joinable(from []string, shapes [][]int, axis int) error {
	for i, s := range shapes {
		a, b := slices.Clone(shapes[0]), slices.Clone(s)
		if axis < 0 || axis >= len(a) || len(a) != len(b) {
			return fmt.Errorf("tensors %q and %q, shapes %v and %v, do not join along axis %d", from[0], from[i], shapes[0], s, axis)
		}
		a[axis], b[axis] = 0, 0
		if !slices.Equal(a, b) {
			return fmt.Errorf("tensors %q and %q, shapes %v and %v, do not join along axis %d", from[0], from[i], shapes[0], s, axis)
		}
	}
	return nil
}

// Encode is Load in fixed point: round(r·2^frac) mod 2^width at w's element
// type. An element that does not fit is an error that names the tensors and the
// bits that would be needed, never the value.
func Encode(w *ir.Weight, src Source) ([]uint64, error) {
	v, err := Load(w, src)
	if err != nil {
		return nil, err
	}
	out, err := EncodeReals(w.Type.Elem, v)
	if err != nil {
		return nil, fmt.Errorf("weight @%s: tensors %q: %w", w.Name, Sources(w), err)
	}
	return out, nil
}

// EncodeReals encodes a slice as elements of type e, which must be fixed point.
// The error does not tell the value that does not fit.
func EncodeReals(e ir.Elem, v []float64) ([]uint64, error) {
	if e.Kind != ir.Fx {
		return nil, fmt.Errorf("element type %s is not fixed point", e)
	}
	scale, limit := math.Ldexp(1, e.Frac), math.Ldexp(1, e.Width-1)
	mask := ^uint64(0) >> (64 - e.Width)
	out := make([]uint64, len(v))
	for i, r := range v {
		x := math.Round(r * scale)
		if !(x >= -limit && x < limit) {
			_, err := fixed.Encode(r, e.Width, e.Frac)
			if err == nil {
				return nil, fmt.Errorf("internal error: element %d refused by one encoder only", i)
			}
			if math.IsNaN(r) || math.IsInf(r, 0) {
				return nil, fmt.Errorf("element %d is not a finite number", i)
			}
			return nil, fmt.Errorf("element %d does not fit %s: it needs %d bits before the point, there are %d; compile with wider ranges",
				i, e, math.Ilogb(math.Abs(r))+2, e.Width-e.Frac)
		}
		out[i] = uint64(int64(x)) & mask
	}
	return out, nil
}
