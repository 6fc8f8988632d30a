package main

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"nimbus/internal/svg"
)

// A plot is the picture of one fitted function: in the upper panel the function,
// its fits and the density of its inputs, in the lower one the errors.
type plot struct {
	title   string
	lo, hi  float64
	density []float64 // weights of equal bins over [lo, hi]; may be nil
	f       func(float64) float64
	curves  []curve
}

// A curve is one fit. It may jump at its cuts.
type curve struct {
	name string
	cuts []float64
	at   func(float64) float64
}

// The places and colours of a plot.
const (
	plotWidth, plotHeight   = 660, 430
	plotLeft, plotRight     = 58, 645
	plotTop, plotBottom     = 52, 270
	errorTop, errorBottom   = 300, 395
	functionInk, densityInk = "#333333", "#c9d9ec"
)

var curveInk = []string{"#d1495b", "#2e8b57", "#7f5fc5"}

// svg draws p as one document that can also stand within a page.
func (p plot) svg() string {
	var b strings.Builder
	svg.Page(&b, plotWidth, plotHeight, plotLeft, p.title)
	p.legend(&b)

	low, high := math.Inf(1), math.Inf(-1)
	for _, x := range p.points(nil) {
		y := p.f(x)
		low, high = min(low, y), max(high, y)
		for _, c := range p.curves {
			low, high = min(low, c.at(x)), max(high, c.at(x))
		}
	}
	most := p.worst()
	if high-low < 1e-9 {
		low, high = low-1, high+1
	}
	if most == 0 {
		most = 1e-3
	}
	room := (high - low) * 0.06
	across := svg.Axis{Lo: p.lo, Hi: p.hi}
	upper := svg.Panel{Left: plotLeft, Right: plotRight, Top: plotTop, Bottom: plotBottom, Across: across, Up: svg.Axis{Lo: low - room, Hi: high + room}}
	lower := svg.Panel{Left: plotLeft, Right: plotRight, Top: errorTop, Bottom: errorBottom, Across: across, Up: svg.Axis{Lo: -most * 1.1, Hi: most * 1.1}}

	p.drawDensity(&b)
	for i, c := range p.curves {
		for _, x := range c.cuts {
			if x > p.lo && x < p.hi {
				fmt.Fprintf(&b, `<path d="M%s %dV%dM%s %dV%d" stroke="%s" stroke-opacity="0.45" stroke-dasharray="2 3"/>`+"\n",
					svg.Coord(upper.X(x)), plotTop, plotBottom, svg.Coord(upper.X(x)), errorTop, errorBottom, ink(i))
			}
		}
	}
	upper.Axes(&b, false)
	lower.Axes(&b, true)
	fmt.Fprintf(&b, `<text x="%d" y="%d" font-size="11">fit minus function</text>`+"\n", plotLeft, errorTop-6)

	path := func(in svg.Panel, cuts []float64, f func(float64) float64, colour string, width float64, dash string) {
		fmt.Fprintf(&b, `<path d="%s" fill="none" stroke="%s" stroke-width="%g"%s/>`+"\n", p.path(in, cuts, f), colour, width, dash)
	}
	path(upper, nil, p.f, functionInk, 3, ` stroke-opacity="0.55"`)
	for i, c := range p.curves {
		dash := ""
		if i > 0 {
			dash = ` stroke-dasharray="6 3"`
		}
		path(upper, c.cuts, c.at, ink(i), 1.5, dash)
		path(lower, c.cuts, func(x float64) float64 { return c.at(x) - p.f(x) }, ink(i), 1.2, dash)
	}
	svg.End(&b)
	return b.String()
}

// worst is the largest error of any curve.
func (p plot) worst() float64 {
	most := 0.0
	for _, c := range p.curves {
		for _, x := range p.points(c.cuts) {
			most = max(most, math.Abs(c.at(x)-p.f(x)))
		}
	}
	return most
}

func ink(i int) string { return curveInk[i%len(curveInk)] }

// legend names what is drawn, in one line below the title.
func (p plot) legend(b *strings.Builder) {
	keys := []svg.Key{{Colour: functionInk, Name: "function", Height: 3}}
	for i, c := range p.curves {
		keys = append(keys, svg.Key{Colour: ink(i), Name: c.name, Height: 3})
	}
	if p.density != nil {
		keys = append(keys, svg.Key{Colour: densityInk, Name: "root of the density of its inputs", Height: 10})
	}
	svg.Legend(b, plotLeft, keys...)
}

// drawDensity fills the upper panel's foot with the density, at its own scale.
// Bins are drawn four by four, and the square root is shown: softmax has almost
// all of its mass in a few bins.
func (p plot) drawDensity(b *strings.Builder) {
	if p.density == nil {
		return
	}
	const group = 4
	var w []float64
	for part := range slices.Chunk(p.density, group) {
		sum := 0.0
		for _, x := range part {
			sum += x
		}
		w = append(w, math.Sqrt(sum))
	}
	top := slices.Max(w)
	if top == 0 {
		return
	}
	fmt.Fprintf(b, `<path fill="%s" d="M%d %d`, densityInk, plotLeft, plotBottom)
	step := float64(plotRight-plotLeft) / float64(len(w))
	for i, v := range w {
		fmt.Fprintf(b, "V%sH%s", svg.Coord(plotBottom-v/top*(plotBottom-plotTop)*0.95), svg.Coord(plotLeft+float64(i+1)*step))
	}
	fmt.Fprintf(b, `V%dZ"><title>square root of the density</title></path>`+"\n", plotBottom)
}

// plotSteps is how many straight lines a whole curve is drawn with.
const plotSteps = 240

// points are the places at which a curve is evaluated: evenly spaced ones, and
// both sides of every cut.
func (p plot) points(cuts []float64) []float64 {
	var xs []float64
	for i := range plotSteps + 1 {
		xs = append(xs, p.lo+(p.hi-p.lo)*float64(i)/plotSteps)
	}
	for _, c := range cuts {
		if c > p.lo && c < p.hi {
			xs = append(xs, math.Nextafter(c, math.Inf(-1)), c)
		}
	}
	slices.Sort(xs)
	return xs
}

func (p plot) path(in svg.Panel, cuts []float64, f func(float64) float64) string {
	xs := p.points(cuts)
	return in.Line(xs, func(i int) float64 { return f(xs[i]) })
}
