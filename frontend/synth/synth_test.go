package synth

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"nimbus/frontend"
	"nimbus/ir/weights"
)

const description = `model m
input ids : i32[4] from client
e = embed(ids, weight("word", [50, 16]), weight("pos", [4, 16]))
n = layernorm(e, weight("g", [16]), weight("b", [16]))
q = linear(n, weight("q", [16, 8], transpose = true))
k = linear(n, weight("k", [16, 24], from = ["k1", "k2"], axis = 1, transpose = true))
r = linear(n, weight("r", [16, 8], rows = [4, 16]))
output q, k, r to client`

func TestSource(t *testing.T) {
	m, err := frontend.CompileText("m", description, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(m, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name         string
		shape        []int
		mean, spread float64
	}{
		{"word", []int{50, 16}, 0, 0.5},
		{"g", []int{16}, 1, 0.2 / math.Sqrt(3)},
		{"b", []int{16}, 0, 0.1 / math.Sqrt(3)},
		{"q", []int{8, 16}, 0, 0.25},
		{"k1", []int{12, 16}, 0, 0.25},
		{"k2", []int{12, 16}, 0, 0.25},
		{"r", []int{20, 8}, 0, 0.25},
	} {
		shape, data, err := s.Tensor(c.name)
		if err != nil {
			t.Fatal(err)
		}
		mean, square := 0.0, 0.0
		for _, x := range data {
			mean += float64(x) / float64(len(data))
			square += (float64(x) - c.mean) * (float64(x) - c.mean) / float64(len(data))
		}
		if !slices.Equal(shape, c.shape) || math.Abs(mean-c.mean) > 0.1 || math.Abs(math.Sqrt(square)-c.spread) > c.spread/4 {
			t.Errorf("%s: shape %v mean %.3f deviation %.3f, want %v %g %g", c.name, shape, mean, math.Sqrt(square), c.shape, c.mean, c.spread)
		}
	}
	// Every recipe can be applied, and the numbers are the same everywhere.
	for _, w := range m.Weights {
		if _, err := weights.Load(w, s); err != nil {
			t.Error(err)
		}
	}
	_, data, _ := s.Tensor("q")
	if got := fmt.Sprint(data[:3]); got != "[-0.3020638 0.3649193 0.07783668]" {
		t.Error(got)
	}
	if _, _, err := s.Tensor("x"); err == nil || err.Error() != `synth: no weight comes from a tensor "x"` {
		t.Error(err)
	}
}
