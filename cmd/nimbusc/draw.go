package main

import (
	"fmt"
	"html"
	"math"
	"slices"
	"strconv"
	"strings"
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
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" font-family="sans-serif" font-size="12" fill="%s">`+"\n",
		plotWidth, plotHeight, plotWidth, plotHeight, functionInk)
	fmt.Fprintf(&b, "<title>%s</title>\n", html.EscapeString(p.title))
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", plotWidth, plotHeight)
	fmt.Fprintf(&b, `<text x="%d" y="18" font-size="14" font-weight="bold">%s</text>`+"\n", plotLeft, html.EscapeString(p.title))
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
	upper := panel{p.lo, p.hi, low - room, high + room, plotTop, plotBottom}
	lower := panel{p.lo, p.hi, -most * 1.1, most * 1.1, errorTop, errorBottom}

	p.drawDensity(&b)
	for i, c := range p.curves {
		for _, x := range c.cuts {
			if x > p.lo && x < p.hi {
				fmt.Fprintf(&b, `<path d="M%s %dV%dM%s %dV%d" stroke="%s" stroke-opacity="0.45" stroke-dasharray="2 3"/>`+"\n",
					coord(upper.x(x)), plotTop, plotBottom, coord(upper.x(x)), errorTop, errorBottom, ink(i))
			}
		}
	}
	upper.axes(&b, false)
	lower.axes(&b, true)
	fmt.Fprintf(&b, `<text x="%d" y="%d" font-size="11">fit minus function</text>`+"\n", plotLeft, errorTop-6)

	path := func(in panel, cuts []float64, f func(float64) float64, colour string, width float64, dash string) {
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
	b.WriteString("</svg>\n")
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
	x := plotLeft
	entry := func(colour, name string, height int) {
		fmt.Fprintf(b, `<rect x="%d" y="%d" width="18" height="%d" fill="%s"/><text x="%d" y="38">%s</text>`+"\n",
			x, 34-height/2, height, colour, x+23, html.EscapeString(name))
		x += 40 + 7*len(name)
	}
	entry(functionInk, "function", 3)
	for i, c := range p.curves {
		entry(ink(i), c.name, 3)
	}
	if p.density != nil {
		entry(densityInk, "root of the density of its inputs", 10)
	}
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
		fmt.Fprintf(b, "V%sH%s", coord(plotBottom-v/top*(plotBottom-plotTop)*0.95), coord(plotLeft+float64(i+1)*step))
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

func (p plot) path(in panel, cuts []float64, f func(float64) float64) string {
	var b strings.Builder
	for i, x := range p.points(cuts) {
		c := 'L'
		if i == 0 {
			c = 'M'
		}
		fmt.Fprintf(&b, "%c%s %s", c, coord(in.x(x)), coord(in.y(f(x))))
	}
	return b.String()
}

// A panel maps values to places between top and bottom.
type panel struct {
	lo, hi, low, high float64
	top, bottom       float64
}

func (a panel) x(v float64) float64 { return plotLeft + (v-a.lo)/(a.hi-a.lo)*(plotRight-plotLeft) }
func (a panel) y(v float64) float64 { return a.bottom - (v-a.low)/(a.high-a.low)*(a.bottom-a.top) }

// axes draws the frame, ticks at round numbers, and a line at zero.
func (a panel) axes(b *strings.Builder, names bool) {
	fmt.Fprintf(b, `<rect x="%d" y="%s" width="%d" height="%s" fill="none" stroke="#999999"/>`+"\n",
		plotLeft, coord(a.top), plotRight-plotLeft, coord(a.bottom-a.top))
	if a.low < 0 && a.high > 0 {
		fmt.Fprintf(b, `<path d="M%d %sH%d" stroke="#bbbbbb"/>`+"\n", plotLeft, coord(a.y(0)), plotRight)
	}
	for _, v := range ticks(a.low, a.high, 5) {
		y := a.y(v)
		fmt.Fprintf(b, `<path d="M%d %sh-4" stroke="#999999"/><text x="%d" y="%s" text-anchor="end" font-size="11">%s</text>`+"\n",
			plotLeft, coord(y), plotLeft-7, coord(y+4), short(v))
	}
	if !names {
		return
	}
	for _, v := range ticks(a.lo, a.hi, 10) {
		x := a.x(v)
		fmt.Fprintf(b, `<path d="M%s %sv4" stroke="#999999"/><text x="%s" y="%s" text-anchor="middle" font-size="11">%s</text>`+"\n",
			coord(x), coord(a.bottom), coord(x), coord(a.bottom+17), short(v))
	}
}

// ticks are about n round numbers between lo and hi.
func ticks(lo, hi float64, n int) []float64 {
	step := math.Pow(10, math.Floor(math.Log10((hi-lo)/float64(n))))
	for _, f := range []float64{2, 2.5, 2} {
		if (hi-lo)/step > float64(n) {
			step *= f
		}
	}
	var out []float64
	for i := math.Ceil(lo / step); i*step <= hi*(1+1e-12); i++ {
		out = append(out, i*step)
	}
	return out
}

// coord is a place, with a tenth of a pixel.
func coord(x float64) string {
	return strings.TrimSuffix(strconv.FormatFloat(x, 'f', 1, 64), ".0")
}

// short is a number as a person would write it.
func short(x float64) string { return strconv.FormatFloat(x+0, 'g', 4, 64) }
