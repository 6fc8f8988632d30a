package main

import (
	"math"
	"testing"
)

// TestMetrics holds the metrics against values worked out by hand.
func TestMetrics(t *testing.T) {
	two, tags, three := []string{"no", "yes"}, []string{"B", "O", "I"}, []string{"a", "b", "c"}
	for _, c := range []struct {
		what      string
		m         metric
		got, want []float64
		labels    []string
		is        float64
	}{
		{"three of four", byAccuracy, []float64{0, 1, 1, 2}, []float64{0, 1, 2, 2}, three, 0.75},
		// 2 true positives, 1 false positive, 2 false negatives, 1 true negative.
		{"binary", byF1, []float64{1, 1, 1, 0, 0, 0}, []float64{1, 1, 0, 1, 1, 0}, two, 4.0 / 7},
		{"binary", byMatthews, []float64{1, 1, 1, 0, 0, 0}, []float64{1, 1, 0, 1, 1, 0}, two, (2*1 - 1*2) / math.Sqrt(3*4*2*3)},
		{"inverted", byMatthews, []float64{1, 0, 1}, []float64{0, 1, 0}, two, -1},
		{"one class alone", byMatthews, []float64{1, 1}, []float64{0, 1}, two, 0},
		// Gorodkin: (3·4 - 5)/sqrt((16-6)(16-6)).
		{"three classes", byMatthews, []float64{0, 1, 1, 2}, []float64{0, 1, 2, 2}, three, 7.0 / 10},
		// O is class 1: found B, missed I, one B too many.
		{"tags", byF1, []float64{0, 1, 1, 0}, []float64{0, 2, 1, 1}, tags, 0.5},
		{"nothing found", byF1, []float64{0, 0}, []float64{0, 0}, two, 0},
		{"line", byPearson, []float64{1, 2, 3}, []float64{-1, -3, -5}, nil, -1},
		{"constant", byPearson, []float64{1, 1}, []float64{0, 1}, nil, 0},
		{"curve", bySpearman, []float64{1, 2, 3, 4}, []float64{1, 10, 100, 1000}, nil, 1},
		// Ranks 0 1.5 1.5 3 and 0 1 2 3: covariance 4.5, variances 4.5 and 5.
		{"ties", bySpearman, []float64{1, 2, 2, 3}, []float64{1, 2, 3, 4}, nil, 4.5 / math.Sqrt(4.5*5)},
	} {
		if got := c.m.of(c.got, c.want, c.labels); math.Abs(got-c.is) > 1e-12 {
			t.Errorf("%s, %s: %v, want %v", c.m.name, c.what, got, c.is)
		}
	}
	if got := cosine([]float64{1, 0}, []float64{1, 1}); math.Abs(got-math.Sqrt2/2) > 1e-12 {
		t.Errorf("cosine: %v", got)
	}
}
