package main

import (
	_ "embed"
	"fmt"
	"html"
	"html/template"
	"math"
	"slices"
	"strings"

	"nimbus/internal/svg"
	"nimbus/ir"
	"nimbus/ir/plan"
	"nimbus/passes"
)

//go:embed explain.html
var explainPage string

// page is what explain.html is filled with.
type page struct {
	*explanation
	LayerBars, PartBars template.HTML
	Fits                []fitFigure
	Seen                *fits // whose densities are drawn
	Graph               graph
}

// fitFigure is one fitted function of a plan.
type fitFigure struct {
	opLine
	SVG        template.HTML
	Worst      string
	Expected   string // under the density, if that is known
	Outside    string // share of inputs outside the interval
	Cuts       int
	Keep, Drop int
	Bytes      int64
	Shape      string
}

// fitsOf runs the plan's model on calibration text; without a model it returns
// nothing.
func fitsOf(c *console, p *ir.Module, name, text string) (*fits, error) {
	if name == "" {
		return &fits{}, nil
	}
	m, err := openModel(name, modelFlags{seq: p.Attrs.Int("seq", 0)})
	if err != nil {
		return nil, err
	}
	defer m.close()
	return fitModel(c, m, text, nil, nil)
}

// html is the explanation of p as one page that needs no other file. The
// densities drawn are those of seen.
func (e *explanation) html(p *ir.Module, seen *fits) (string, error) {
	figures, err := e.figures(p, seen)
	if err != nil {
		return "", err
	}
	funcs := template.FuncMap{
		"bytes":   bytesText,
		"seconds": secondsText,
		"link":    linkText,
		"sum":     func(a, b int64) int64 { return a + b },
		"columns": func() []string { return columns },
		"totals":  e.Total.cells,
		"cells":   func(l opLine) []string { return l.cells() },
		"place":   func(l opLine) string { return l.place() },
		"shape":   shapeText,
		"local":   opLine.isLocal,
		"legend":  graphLegend,
		"cost":    func(g *group) string { return costText(g.price) },
		"costs":   func(gs []*group) string { return costText(sumOf(gs)) },
		"last":    func(gs []*group) *group { return gs[len(gs)-1] },
	}
	t, err := template.New("explain.html").Funcs(funcs).Parse(explainPage)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = t.Execute(&b, page{e, template.HTML(bars(e.Layers)), template.HTML(bars(e.Parts)), figures, seen, drawGraph(p, e)})
	return b.String(), err
}

// figures draws the functions that a plan says it approximates.
func (e *explanation) figures(p *ir.Module, seen *fits) ([]fitFigure, error) {
	var out []fitFigure
	rest := seen.Fits // passes keep the order of what they replace
	ops := p.Func("main").Body
	for i, line := range e.Ops { // the ops in order, without return
		op := ops[i]
		shape, ok := passes.Function(op.Attrs.Ident("fn", ""))
		if op.Name != "ot.piecewise" || !ok {
			continue
		}
		spec, err := plan.Piecewise(op)
		if err != nil {
			return nil, err
		}
		drawn := plot{title: line.place() + ": " + shape.Name, lo: shape.Lo, hi: shape.Hi, f: shape.F}
		var cuts []float64
		for _, c := range spec.Cuts {
			cuts = append(cuts, math.Ldexp(float64(c), -spec.In.Frac))
		}
		drawn.curves = []curve{{"plan", cuts, spec.Real}}
		expected, outside := "", ""
		at := slices.IndexFunc(rest, func(l fitLine) bool {
			return l.Function == shape.Name && placeText(l.Layer, l.Part) == line.place()
		})
		if at < 0 && seen.Model != "" {
			return nil, hinted(fmt.Errorf("%s: the model has no %s at %s, which the plan has", seen.Model, shape.Name, line.place()), "-model names the model that the plan was compiled from")
		}
		if at >= 0 {
			d := rest[at].report.Density
			rest = rest[at+1:]
			rms, _ := d.Errors(shape.F, spec.Real)
			drawn.density = d.W
			expected, outside = errorText(rms), percent(d.Outside)
		}
		out = append(out, fitFigure{
			opLine: line, SVG: template.HTML(drawn.svg()), Cuts: len(cuts),
			Worst: errorText(drawn.worst()), Expected: expected, Outside: outside,
			Keep: spec.Keep, Drop: spec.Drop, Bytes: line.C2S + line.S2C, Shape: shapeText(line.Shape),
		})
	}
	return out, nil
}

// layers sums the parts of each layer; parts outside any layer stay themselves.
func (e *explanation) layers() []partLine {
	var out []partLine
	at := map[int]int{}
	for _, p := range e.Parts {
		if p.Layer == nil {
			out = append(out, p)
			continue
		}
		i, ok := at[*p.Layer]
		if !ok {
			i = len(out)
			at[*p.Layer] = i
			out = append(out, partLine{Part: fmt.Sprintf("layer %d", *p.Layer)})
		}
		out[i].Ops += p.Ops
		out[i].price = out[i].plus(p.price)
	}
	return out
}

// plus is the price of both in sequence.
func (p price) plus(q price) price {
	return price{p.C2S + q.C2S, p.S2C + q.S2C, p.Ahead + q.Ahead, p.COTs + q.COTs, p.Rounds + q.Rounds, p.Setup + q.Setup, p.HEMul + q.HEMul, p.Time.Plus(q.Time)}
}

// sumOf is the price of groups in sequence.
func sumOf(groups []*group) (p price) {
	for _, g := range groups {
		p = p.plus(g.price)
	}
	return p
}

// roundsCell is a number of rounds; none is left out.
func roundsCell(n float64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%g", n)
}

// A bar is one column of bars: what it shows of a price, in one or two colours.
type bar struct {
	title string
	of    func(p price) [2]float64
	text  func(p price) string
}

// The places and colours of bars.
const (
	barName, barFull, barLine = 120, 165, 22 // width of names, of the longest bar, height of a row
	barStep                   = 290          // from one column to the next
)

var barInk = [2]string{"#3b6ea5", "#e0a458"}

// bars draws lines as columns of bars: online seconds and bytes, rounds, COTs, setup.
func bars(lines []partLine) string {
	number := func(n int64) string {
		if n == 0 {
			return ""
		}
		return fmt.Sprint(n)
	}
	size := func(n int64) string {
		if n == 0 {
			return ""
		}
		return bytesText(n)
	}
	columns := []bar{
		{title: "online seconds", of: func(p price) [2]float64 { return [2]float64{p.Time.Path, p.Time.Link} },
			text: func(p price) string {
				if p.Time.Online() == 0 {
					return ""
				}
				return secondsText(p.Time.Online())
			}},
		{title: "online bytes", of: func(p price) [2]float64 { return [2]float64{float64(p.C2S), float64(p.S2C)} },
			text: func(p price) string { return size(p.C2S + p.S2C) }},
		{title: "rounds", of: func(p price) [2]float64 { return [2]float64{p.Rounds} },
			text: func(p price) string { return roundsCell(p.Rounds) }},
		{title: "COTs", of: func(p price) [2]float64 { return [2]float64{float64(p.COTs)} },
			text: func(p price) string { return number(p.COTs) }},
		{title: "setup bytes", of: func(p price) [2]float64 { return [2]float64{float64(p.Setup)} },
			text: func(p price) string { return size(p.Setup) }},
	}
	width, height := barName+len(columns)*barStep, 30+len(lines)*barLine+26
	var b strings.Builder
	svg.Begin(&b, width, height)
	for i, l := range lines {
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", barName-8, 30+i*barLine+14, html.EscapeString(placeText(l.Layer, l.Part)))
	}
	for c, col := range columns {
		x := barName + c*barStep
		most := 0.0
		for _, l := range lines {
			v := col.of(l.price)
			most = max(most, v[0]+v[1])
		}
		fmt.Fprintf(&b, `<text x="%d" y="18" font-weight="bold">%s</text><path d="M%d 25V%d" stroke="#999999"/>`+"\n", x, col.title, x, 30+len(lines)*barLine)
		for i, l := range lines {
			v, from, y := col.of(l.price), float64(x), 30+i*barLine
			for k, part := range v {
				if part == 0 || most == 0 {
					continue
				}
				w := part / most * barFull
				fmt.Fprintf(&b, `<rect x="%s" y="%d" width="%s" height="%d" fill="%s"/>`+"\n", svg.Coord(from), y+2, svg.Coord(max(w, 0.5)), barLine-5, barInk[k])
				from += w
			}
			fmt.Fprintf(&b, `<text x="%s" y="%d">%s</text>`+"\n", svg.Coord(from+6), y+15, col.text(l.price))
		}
	}
	y := height - 8
	for k, name := range []string{"computing; to the server", "on the link; to the client"} {
		x := barName + k*200
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="12" height="10" fill="%s"/><text x="%d" y="%d">%s</text>`+"\n", x, y-9, barInk[k], x+17, y, name)
	}
	svg.End(&b)
	return b.String()
}
