// Package svg writes the parts of which drawings for people consist: the frame of
// a document, and panels that map values to places, with their axes. A drawing is
// text, the same for the same values, and can stand alone or within a page.
package svg

import (
	"fmt"
	"html"
	"math"
	"strconv"
	"strings"
)

// Begin opens a document of a size; End closes it.
func Begin(b *strings.Builder, width, height int) {
	fmt.Fprintf(b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" font-family="sans-serif" font-size="12" fill="#333333">`+"\n",
		width, height, width, height)
}

// Page opens a document that has a title and is white, and leaves its first 20
// lines to the title.
func Page(b *strings.Builder, width, height, left int, title string) {
	Begin(b, width, height)
	title = html.EscapeString(title)
	fmt.Fprintf(b, "<title>%s</title>\n", title)
	fmt.Fprintf(b, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", width, height)
	fmt.Fprintf(b, `<text x="%d" y="18" font-size="14" font-weight="bold">%s</text>`+"\n", left, title)
}

// End closes a document.
func End(b *strings.Builder) { b.WriteString("</svg>\n") }

// A Key is one entry of a legend.
type Key struct {
	Colour, Name string
	Height       int // of its sample: a line's, or an area's
}

// Legend writes keys from left, in one line below the title.
func Legend(b *strings.Builder, left int, keys ...Key) {
	x := left
	for _, k := range keys {
		fmt.Fprintf(b, `<rect x="%d" y="%d" width="18" height="%d" fill="%s"/><text x="%d" y="38">%s</text>`+"\n",
			x, 34-k.Height/2, k.Height, k.Colour, x+23, html.EscapeString(k.Name))
		x += 40 + 7*len(k.Name)
	}
}

// An Axis is the range of values that a panel shows in one direction.
type Axis struct {
	Lo, Hi float64
	Log    bool      // equal steps are equal factors; Lo is positive
	Ticks  []float64 // nil: about so many round numbers as suit the panel
	// Text is how a tick's value is written; nil: Short.
	Text func(float64) string
}

// part is where v lies between Lo (0) and Hi (1).
func (a Axis) part(v float64) float64 {
	if a.Log {
		return math.Log(v/a.Lo) / math.Log(a.Hi/a.Lo)
	}
	return (v - a.Lo) / (a.Hi - a.Lo)
}

func (a Axis) ticks(n int) []float64 {
	switch {
	case a.Ticks != nil:
		return a.Ticks
	case !a.Log:
		return Ticks(a.Lo, a.Hi, n)
	}
	var out []float64
	for p := math.Pow(10, math.Floor(math.Log10(a.Lo))); p <= a.Hi*(1+1e-9); p *= 10 {
		for _, f := range []float64{1, 2, 5} {
			if v := f * p; v >= a.Lo*(1-1e-9) && v <= a.Hi*(1+1e-9) {
				out = append(out, v)
			}
		}
	}
	return out
}

func (a Axis) text(v float64) string {
	if a.Text != nil {
		return a.Text(v)
	}
	return Short(v)
}

// A Panel maps values to places in a rectangle.
type Panel struct {
	Left, Right, Top, Bottom int
	Across, Up               Axis
}

// X is the place of a value across.
func (p Panel) X(v float64) float64 {
	return float64(p.Left) + p.Across.part(v)*float64(p.Right-p.Left)
}

// Y is the place of a value upwards.
func (p Panel) Y(v float64) float64 {
	return float64(p.Bottom) - p.Up.part(v)*float64(p.Bottom-p.Top)
}

// Axes draws the frame, ticks and a line at zero; across has ticks if names is
// set.
func (p Panel) Axes(b *strings.Builder, names bool) {
	fmt.Fprintf(b, `<rect x="%d" y="%d" width="%d" height="%d" fill="none" stroke="#999999"/>`+"\n", p.Left, p.Top, p.Right-p.Left, p.Bottom-p.Top)
	if p.Up.Lo < 0 && p.Up.Hi > 0 {
		fmt.Fprintf(b, `<path d="M%d %sH%d" stroke="#bbbbbb"/>`+"\n", p.Left, Coord(p.Y(0)), p.Right)
	}
	for _, v := range p.Up.ticks(5) {
		y := p.Y(v)
		fmt.Fprintf(b, `<path d="M%d %sh-4" stroke="#999999"/><text x="%d" y="%s" text-anchor="end" font-size="11">%s</text>`+"\n",
			p.Left, Coord(y), p.Left-7, Coord(y+4), p.Up.text(v))
	}
	if !names {
		return
	}
	for _, v := range p.Across.ticks(10) {
		x := p.X(v)
		fmt.Fprintf(b, `<path d="M%s %dv4" stroke="#999999"/><text x="%s" y="%d" text-anchor="middle" font-size="11">%s</text>`+"\n",
			Coord(x), p.Bottom, Coord(x), p.Bottom+17, p.Across.text(v))
	}
}

// Line is the data of a path through points of the panel.
func (p Panel) Line(xs []float64, f func(i int) float64) string {
	var b strings.Builder
	for i, x := range xs {
		c := 'L'
		if i == 0 {
			c = 'M'
		}
		fmt.Fprintf(&b, "%c%s %s", c, Coord(p.X(x)), Coord(p.Y(f(i))))
	}
	return b.String()
}

// Ticks are about n round numbers between lo and hi.
func Ticks(lo, hi float64, n int) []float64 {
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

// Coord is a place, with a tenth of a pixel.
func Coord(x float64) string {
	return strings.TrimSuffix(strconv.FormatFloat(x, 'f', 1, 64), ".0")
}

// Short is a number as a person would write it.
func Short(x float64) string { return strconv.FormatFloat(x+0, 'g', 4, 64) }
