package weights

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"nimbus/internal/fixed"
	"nimbus/ir"
)

func seq(shape ...int) Tensor {
	n := 1
	for _, d := range shape {
		n *= d
	}
	t := Tensor{Shape: shape, Data: make([]float32, n)}
	for i := range t.Data {
		t.Data[i] = float32(i)
	}
	return t
}

var src = Map{
	"w": seq(2, 3), "v": seq(2, 3), "b": seq(3), "c": seq(2), "deep": seq(2, 2, 2),
	"nan":  {Shape: []int{2}, Data: []float32{1, float32(math.NaN())}},
	"inf":  {Shape: []int{2}, Data: []float32{float32(math.Inf(-1)), 0}},
	"torn": {Shape: []int{3}, Data: []float32{1, 2}},
	"big":  {Shape: []int{2}, Data: []float32{0, -100}},
}

func declare(shape []int, attrs ...any) *ir.Weight {
	return &ir.Weight{Name: "w", Type: ir.TensorType(ir.FxElem(12, 6), shape...), Attrs: ir.A(attrs...)}
}

func TestRecipes(t *testing.T) {
	for _, c := range []struct {
		name string
		w    *ir.Weight
		want []float64
	}{
		{"own name", declare([]int{2, 3}), []float64{0, 1, 2, 3, 4, 5}},
		{"from", declare([]int{3}, "from", []string{"b"}), []float64{0, 1, 2}},
		{"transpose", declare([]int{3, 2}, "transpose", true), []float64{0, 3, 1, 4, 2, 5}},
		{"mul", declare([]int{3}, "from", []string{"b"}, "mul", []float64{0.5}), []float64{0, 0.5, 1}},
		{"join rows", declare([]int{4, 3}, "from", []string{"w", "v"}, "mul", []float64{1, -1}),
			[]float64{0, 1, 2, 3, 4, 5, 0, -1, -2, -3, -4, -5}},
		{"join columns transposed", declare([]int{3, 4}, "from", []string{"w", "v"}, "axis", 1, "transpose", true, "mul", []float64{2, 1}),
			[]float64{0, 6, 0, 3, 2, 8, 1, 4, 4, 10, 2, 5}},
		{"view", declare([]int{2, 4}, "from", []string{"deep"}, "view", []int{2, 4}), []float64{0, 1, 2, 3, 4, 5, 6, 7}},
		{"view, then transpose", declare([]int{4, 2}, "from", []string{"deep"}, "view", []int{2, 4}, "transpose", true), []float64{0, 4, 1, 5, 2, 6, 3, 7}},
		{"view of rows to join", declare([]int{3, 2}, "from", []string{"c", "c", "c"}, "view", []int{1, 2}), []float64{0, 1, 0, 1, 0, 1}},
		{"gain", declare([]int{2, 3}, "gain", "c", "mul", []float64{2}), []float64{0, 0, 0, 6, 8, 10}},
		{"gain of transposed rows", declare([]int{3, 2}, "transpose", true, "gain", "b"), []float64{0, 0, 1, 4, 4, 10}},
		{"diagonal", declare([]int{3, 3}, "from", []string{"b"}, "diagonal", []int{0}, "mul", []float64{2}), []float64{0, 0, 0, 0, 2, 0, 0, 0, 4}},
		{"a diagonal below transposed rows", declare([]int{5, 2}, "from", []string{"v", "c"}, "transpose", true, "diagonal", []int{1}, "mul", []float64{1, 3}),
			[]float64{0, 3, 1, 4, 2, 5, 0, 0, 0, 3}},
		{"shift", declare([]int{3}, "from", []string{"b"}, "shift", "c", "through", []string{"v"}), []float64{3, 5, 7}},
		{"shift before the factor", declare([]int{4}, "from", []string{"c", "c"}, "mul", []float64{1, 2}, "shift", "b", "through", []string{"w", "v"}, "through_transposed", true),
			[]float64{5, 15, 10, 30}},
		{"rows", declare([]int{1, 3}, "rows", []int{1, 1}), []float64{3, 4, 5}},
	} {
		got, err := Load(c.w, src)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, %v; want %v", c.name, got, err, c.want)
		}
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		name string
		w    *ir.Weight
		want string
	}{
		{"missing", declare([]int{3}, "from", []string{"nothing"}), `weight @w: tensor "nothing": there is no tensor "nothing"`},
		{"shape", declare([]int{4}, "from", []string{"b"}), `tensors ["b"] make shape [3], the model expects [4]`},
		{"nan", declare([]int{2}, "from", []string{"nan"}), `tensor "nan": element 1 is not a finite number`},
		{"inf", declare([]int{2}, "from", []string{"inf"}), `tensor "inf": element 0 is not a finite number`},
		{"torn", declare([]int{3}, "from", []string{"torn"}), `tensor "torn": 2 numbers do not fill shape [3]`},
		{"transpose", declare([]int{2, 4}, "from", []string{"deep"}, "transpose", true), `tensor "deep": shape [2 2 2] cannot be transposed`},
		{"join", declare([]int{5}, "from", []string{"b", "w"}), `tensors "b" and "w", shapes [3] and [2 3], do not join along axis 0`},
		{"diagonal", declare([]int{3, 3}, "from", []string{"w"}, "diagonal", []int{0}), `tensor "w": shape [2 3] is not a vector's`},
		{"rows", declare([]int{2, 3}, "rows", []int{1, 2}), "rows [1 2] of tensors"},
		{"overflow", declare([]int{2}, "from", []string{"big"}), `tensors ["big"]: element 1 does not fit fx12.6: it needs 8 bits before the point, there are 6`},
	} {
		_, err := Encode(c.w, src)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "100") {
			t.Errorf("%s: the error tells the weight: %v", c.name, err)
		}
	}
}

// TestEncodeReals holds the fast encoder equal to internal/fixed.
func TestEncodeReals(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		e := ir.FxElem(2+rng.IntN(63), 0)
		e.Frac = rng.IntN(e.Width - 1)
		r := math.Ldexp(rng.Float64()*2-1, e.Width-e.Frac+rng.IntN(4)-3)
		if rng.IntN(4) == 0 {
			r = math.Ldexp(math.Round(rng.Float64()*64)-31.5, -e.Frac) // ties
		}
		want, wantErr := fixed.Encode(r, e.Width, e.Frac)
		got, err := EncodeReals(e, []float64{r})
		if (err == nil) != (wantErr == nil) || err == nil && got[0] != want {
			t.Fatalf("%v at %s: %v, %v; want %d, %v", r, e, got, err, want, wantErr)
		}
	}
}
