package svg

import (
	"math"
	"slices"
	"strings"
	"testing"
)

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		axis Axis
		want []float64
	}{
		{Axis{Lo: -1, Hi: 1}, []float64{-1, -0.5, 0, 0.5, 1}},
		{Axis{Lo: 0, Hi: 93}, []float64{0, 20, 40, 60, 80}},
		{Axis{Lo: 0.9, Hi: 30, Log: true}, []float64{1, 2, 5, 10, 20}},
		{Axis{Lo: 3, Hi: 600, Log: true, Ticks: []float64{8, 512}}, []float64{8, 512}},
	} {
		if got := c.axis.ticks(5); !slices.Equal(got, c.want) {
			t.Errorf("%+v: ticks at %v, want %v", c.axis, got, c.want)
		}
	}
}

func TestPanelPlaces(t *testing.T) {
	p := Panel{Left: 100, Right: 300, Top: 50, Bottom: 150, Across: Axis{Lo: 1, Hi: 100, Log: true}, Up: Axis{Lo: -1, Hi: 1}}
	for _, c := range []struct{ got, want float64 }{{p.X(1), 100}, {p.X(10), 200}, {p.X(100), 300}, {p.Y(-1), 150}, {p.Y(0), 100}, {p.Y(1), 50}} {
		if math.Abs(c.got-c.want) > 1e-9 {
			t.Errorf("a place is %v, want %v", c.got, c.want)
		}
	}
	if got, want := p.Line([]float64{1, 100}, func(i int) float64 { return float64(i) }), "M100 100L300 50"; got != want {
		t.Errorf("line %s, want %s", got, want)
	}
}

// TestTitleIsText makes sure that a name cannot become markup.
func TestTitleIsText(t *testing.T) {
	var b strings.Builder
	Page(&b, 10, 10, 1, "<script>")
	Legend(&b, 1, Key{Name: "<b>"})
	if s := b.String(); strings.Contains(s, "<script>") || strings.Contains(s, "<b>") {
		t.Errorf("markup in %s", s)
	}
}
