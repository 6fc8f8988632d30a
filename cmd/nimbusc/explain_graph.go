package main

import (
	"cmp"
	"fmt"
	"html"
	"html/template"
	"slices"
	"strings"

	"nimbus/internal/svg"
	"nimbus/ir"
)

// A graph is the drawing of a plan's ops: a group for each layer, and for each
// part outside the layers.
type graph []*group

// A group is drawn as one picture, and folded if it has the ops of one before it.
type group struct {
	Name string
	Like string // the first group with the same ops, or empty
	price
	layout
	cards []card      // of the boxes
	wires []*ir.Value // of the nets
	bands []band
}

// A card is what a box shows: an op, or a value that comes from or goes to another
// group.
type card struct {
	line  *opLine    // nil: a value
	text  string     // of a value
	share [2]float64 // of the largest op's time and bytes
}

// A band is the rows of one part.
type band struct {
	part     string
	from, to int // rows
	price
}

// Ops is how many ops the group has.
func (g *group) Ops() (n int) {
	for _, c := range g.cards {
		if c.line != nil {
			n++
		}
	}
	return n
}

// Folded are the groups for the page: neighbours that are like one group hang
// under a common line.
func (g graph) Folded() [][]*group {
	var out [][]*group
	for _, x := range g {
		if n := len(out); x.Like != "" && n > 0 && out[n-1][0].Like == x.Like {
			out[n-1] = append(out[n-1], x)
			continue
		}
		out = append(out, []*group{x})
	}
	return out
}

// Sizes of boxes.
const (
	opWidth, opHeight       = 184, 50
	localWidth, localHeight = 118, 30
	portHeight              = 18
	rowGap, bandGap         = 22.0, 44.0
)

// halo keeps a text legible on a line.
const halo = ` stroke="#fafbfd" stroke-width="3" paint-order="stroke"`

// families are the kinds of op, by the dialect, and their colours.
var families = []struct{ dialect, title, fill, edge string }{
	{"he", "matrix products under encryption", "#d7e6f5", "#3b6ea5"},
	{"ot", "over oblivious transfer", "#fbe7c8", "#c98a2b"},
	{"ss", "local, on shares", "#eef0f2", "#9aa3ad"},
	{"io", "inputs shared, results opened", "#dcefdc", "#4b8f4b"},
	{"bool", "on bits", "#efe0f3", "#8d5aa0"},
}

// drawGraph lays out the ops of p, which e explains.
func drawGraph(p *ir.Module, e *explanation) graph {
	main, lines := p.Func("main"), e.Ops
	name := func(l *opLine) string {
		if l.Layer != nil {
			return fmt.Sprintf("layer %d", *l.Layer)
		}
		return cmp.Or(l.Part, "outside the layers")
	}
	home := map[*ir.Op]string{}
	members := map[string][]int{}
	var names []string
	for i := range lines {
		n := name(&lines[i])
		if home[main.Body[i]] = n; members[n] == nil {
			names = append(names, n)
		}
		members[n] = append(members[n], i)
	}
	most := [2]float64{1e-12, 1e-12}
	for _, l := range lines {
		most[0], most[1] = max(most[0], l.Time.Online()), max(most[1], float64(l.C2S+l.S2C))
	}
	goes := map[*ir.Value][]string{} // to which groups, and to the parties
	for i, op := range main.Body {
		to := "a result"
		if i < len(lines) {
			to = home[op]
		}
		for _, a := range op.Args {
			if a.Value != nil && !slices.Contains(goes[a.Value], to) {
				goes[a.Value] = append(goes[a.Value], to)
			}
		}
	}
	var out graph
	seen := map[string]string{} // what a group is like: its name
	for _, n := range names {
		g := newGroup(n, main, lines, members[n], home, goes, most)
		g.sum(e, lines[members[n][0]])
		key := g.signature()
		if g.Like = seen[key]; g.Like == "" {
			seen[key] = n
		}
		out = append(out, g)
	}
	return out
}

// newGroup makes the group of the ops with the given numbers.
func newGroup(name string, main *ir.Func, lines []opLine, members []int, home map[*ir.Op]string, goes map[*ir.Value][]string, most [2]float64) *group {
	g := &group{Name: name}
	at := map[*ir.Value]int{} // the net of a value
	add := func(b box, c card) int {
		g.boxes, g.cards = append(g.boxes, b), append(g.cards, c)
		return len(g.boxes) - 1
	}
	wire := func(v *ir.Value, from int) {
		at[v] = len(g.nets)
		g.nets, g.wires = append(g.nets, net{from: from}), append(g.wires, v)
	}
	// What comes from elsewhere stands above everything.
	port := func(v *ir.Value, text string, row int) int {
		return add(box{row: row, w: float64(16 + 6*len([]rune(text))), h: portHeight}, card{text: text})
	}
	bandOf := g.findBands(main, lines, members)
	rows := g.findRows(main, members, bandOf)
	for k, i := range members {
		op, l := main.Body[i], &lines[i]
		b := box{row: rows[k] + 1, w: opWidth, h: opHeight}
		if l.isLocal() {
			b.w, b.h = localWidth, localHeight
		}
		me := add(b, card{line: l, share: [2]float64{l.Time.Online() / most[0], float64(l.C2S+l.S2C) / most[1]}})
		for _, a := range op.Args {
			v := a.Value
			if v == nil {
				continue
			}
			if _, ok := at[v]; !ok {
				from := "input"
				if v.Def != nil {
					from = home[v.Def]
				}
				wire(v, port(v, fmt.Sprintf("%%%s from %s", v.Name, from), 0))
			}
			if n := &g.nets[at[v]]; !slices.Contains(n.to, me) {
				n.to = append(n.to, me)
			}
		}
		for _, r := range op.Results {
			wire(r, me)
		}
	}
	last := 0
	for _, b := range g.boxes {
		last = max(last, b.row)
	}
	for i, v := range slices.Clone(g.wires) {
		if v.Def == nil || home[v.Def] != name {
			continue
		}
		for _, to := range goes[v] {
			if to != name {
				g.nets[i].to = append(g.nets[i].to, port(v, "to "+to, last+1))
			}
		}
	}
	starts := map[int]bool{last + 1: true}
	for _, b := range g.bands {
		starts[b.from] = true
	}
	g.above = func(row int) float64 {
		switch {
		case row == 0:
			return 6
		case starts[row]:
			return bandGap
		}
		return rowGap
	}
	g.place()
	return g
}

// findBands divides the ops into parts that follow each other: an op is in a band
// of its part that is not before any that it reads from.
func (g *group) findBands(main *ir.Func, lines []opLine, members []int) []int {
	band0, of := map[*ir.Op]int{}, make([]int, len(members))
	for k, i := range members {
		op, part := main.Body[i], cmp.Or(lines[i].Part, "-")
		least := 0
		for _, a := range op.Args {
			if a.Value != nil && a.Value.Def != nil {
				least = max(least, band0[a.Value.Def])
			}
		}
		n := least
		for n < len(g.bands) && g.bands[n].part != part {
			n++
		}
		if n == len(g.bands) {
			g.bands = append(g.bands, band{part: part})
		}
		of[k], band0[op] = n, n
		g.bands[n].price = g.bands[n].price.plus(lines[i].price)
	}
	return of
}

// sum takes the costs of the group, of which one op is given, and of its parts from
// where they are added up: what several ops send in one round counts once. A part
// in several bands is the sum of their ops.
func (g *group) sum(e *explanation, one opLine) {
	name := one.place()
	if one.Layer != nil {
		name = g.Name
	}
	for _, l := range e.Layers {
		if placeText(l.Layer, l.Part) == name {
			g.price = l.price
		}
	}
	bands := map[string][]int{}
	for i, b := range g.bands {
		bands[b.part] = append(bands[b.part], i)
	}
	for _, p := range e.Parts {
		at := bands[cmp.Or(p.Part, "-")]
		if placeText(p.Layer, "") == placeText(one.Layer, "") && len(at) == 1 {
			g.bands[at[0]].price = p.price
		}
	}
}

// findRows is the row of each op: within its band, behind the longest chain of ops
// that lead to it. The bands' rows count from 1: row 0 is for what comes in.
func (g *group) findRows(main *ir.Func, members []int, bandOf []int) []int {
	rows, row, in := make([]int, len(members)), map[*ir.Op]int{}, map[*ir.Op]int{}
	height := make([]int, len(g.bands))
	for k, i := range members {
		op := main.Body[i]
		for _, a := range op.Args {
			if a.Value == nil || a.Value.Def == nil {
				continue
			}
			if b, ok := in[a.Value.Def]; ok && b == bandOf[k] {
				rows[k] = max(rows[k], row[a.Value.Def]+1)
			}
		}
		row[op], in[op] = rows[k], bandOf[k]
		height[bandOf[k]] = max(height[bandOf[k]], rows[k]+1)
	}
	start := 0
	for b := range g.bands {
		g.bands[b].from, g.bands[b].to = start+1, start+height[b]
		start += height[b]
	}
	for k := range rows {
		rows[k] += g.bands[bandOf[k]].from - 1
	}
	return rows
}

// signature is equal for groups that have the same ops, whatever their widths and
// costs, in the same places.
func (g *group) signature() string {
	var b strings.Builder
	for i, c := range g.cards {
		fmt.Fprint(&b, g.boxes[i].row, " ")
		if l := c.line; l != nil {
			fmt.Fprint(&b, l.Op, l.Part, l.Shape)
		}
		b.WriteByte('\n')
	}
	for _, n := range g.nets {
		fmt.Fprintln(&b, n.from, n.to)
	}
	return b.String()
}

// isLocal tells whether the op costs nothing.
func (l opLine) isLocal() bool { return l.price == price{} }

// SVG draws the group.
func (g *group) SVG() template.HTML {
	const margin = 14.0
	var b strings.Builder
	width, height := int(g.width+2*margin), int(g.height+2*margin)
	width = max(width, 340)
	left := (float64(width) - g.width) / 2
	svg.Begin(&b, width, height)
	x := func(v float64) string { return svg.Coord(v + left) }
	y := func(v float64) string { return svg.Coord(v + margin) }
	for _, p := range g.bands {
		top, bottom := g.tops[p.from]-24, g.bottoms[p.to]+10
		fmt.Fprintf(&b, `<rect x="2" y="%s" width="%d" height="%s" rx="6" fill="#fafbfd" stroke="#dfe3ea"/>`+"\n", y(top), width-4, svg.Coord(bottom-top))
	}
	for i, n := range g.nets {
		g.drawNet(&b, n, g.wires[i], x, y)
	}
	for _, p := range g.bands {
		fmt.Fprintf(&b, `<text x="10" y="%s" font-size="11" fill="#667"%s><tspan font-weight="bold">%s</tspan> %s</text>`+"\n", y(g.tops[p.from]-10), halo, html.EscapeString(p.part), costText(p.price))
	}
	for i, c := range g.cards {
		c.draw(&b, g.boxes[i], x, y)
	}
	svg.End(&b)
	return template.HTML(b.String())
}

// costText is what something takes, in a few words.
func costText(p price) string {
	if p == (price{}) {
		return "local"
	}
	parts := []string{bytesText(p.C2S + p.S2C), secondsText(p.Time.Online())}
	switch {
	case p.Rounds == 1:
		parts = append(parts, "1 round")
	case p.Rounds > 0:
		parts = append(parts, fmt.Sprintf("%g rounds", p.Rounds))
	}
	return strings.Join(parts, ", ")
}

// drawNet draws a value on its way, with its ring beside its start.
func (g *group) drawNet(b *strings.Builder, n net, v *ir.Value, x, y func(float64) string) {
	from := g.boxes[n.from]
	fmt.Fprintf(b, `<g fill="none" stroke="#8a94a3" stroke-width="1.2"><title>%%%s: %s</title>`, html.EscapeString(v.Name), html.EscapeString(v.Type.String()))
	at, down, row := from.x, from.y+from.h, from.row
	leg := func(toX, toY float64) {
		mid := (down + toY) / 2
		fmt.Fprintf(b, `<path d="M%s %sC%s %s %s %s %s %s"/>`, x(at), y(down), x(at), y(mid), x(toX), y(mid), x(toX), y(toY))
	}
	for k := 0; ; k++ {
		row++
		for _, t := range n.to {
			if to := g.boxes[t]; to.row == row {
				leg(to.x, to.y)
			}
		}
		if k == len(n.path) {
			break
		}
		leg(n.path[k], g.tops[row])
		fmt.Fprintf(b, `<path d="M%s %sV%s"/>`, x(n.path[k]), y(g.tops[row]), y(g.bottoms[row]))
		at, down = n.path[k], g.bottoms[row]
	}
	b.WriteString("</g>\n")
	if len(n.to) > 0 {
		fmt.Fprintf(b, `<text x="%s" y="%s" font-size="9.5" fill="#5a6472"%s>%s</text>`+"\n", x(from.x+5), y(from.y+from.h+10), halo, widths(v.Type))
	}
}

// draw draws a box.
func (c card) draw(b *strings.Builder, at box, x, y func(float64) string) {
	left := at.x - at.w/2
	if c.line == nil {
		fmt.Fprintf(b, `<rect class="port" x="%s" y="%s" width="%s" height="%s" rx="9" fill="#ffffff" stroke="#b8c0cc"/><text x="%s" y="%s" font-size="10.5" text-anchor="middle">%s</text>`+"\n",
			x(left), y(at.y), svg.Coord(at.w), svg.Coord(at.h), x(at.x), y(at.y+13), html.EscapeString(c.text))
		return
	}
	l := c.line
	dialect, _, _ := strings.Cut(l.Op, ".")
	fill, edge := "#ffffff", "#555555"
	for _, f := range families {
		if f.dialect == dialect {
			fill, edge = f.fill, f.edge
		}
	}
	fmt.Fprintf(b, `<g class="op" id="op-%s"><title>%s</title><rect x="%s" y="%s" width="%s" height="%s" rx="4" fill="%s" stroke="%s"/>`,
		html.EscapeString(strings.TrimPrefix(l.Result, "%")), html.EscapeString(l.account()), x(left), y(at.y), svg.Coord(at.w), svg.Coord(at.h), fill, edge)
	if l.isLocal() {
		fmt.Fprintf(b, `<text x="%s" y="%s" font-size="10.5" text-anchor="middle">%s</text><text x="%s" y="%s" font-size="9.5" fill="#667" text-anchor="middle">%s</text></g>`+"\n",
			x(at.x), y(at.y+13), html.EscapeString(l.Op), x(at.x), y(at.y+25), shapeText(l.Shape))
		return
	}
	fmt.Fprintf(b, `<text x="%s" y="%s"><tspan font-weight="bold">%s</tspan> <tspan font-size="10.5" fill="#556">%s</tspan></text>`, x(left+8), y(at.y+16), html.EscapeString(l.Op), shapeText(l.Shape))
	fmt.Fprintf(b, `<text x="%s" y="%s" font-size="10.5">%s</text>`, x(left+8), y(at.y+30), costText(l.price))
	for k, share := range c.share {
		fmt.Fprintf(b, `<rect x="%s" y="%s" width="%s" height="4" fill="%s"/>`, x(left+8), y(at.y+36+5*float64(k)), svg.Coord(max(share*(at.w-16), 0.5)), barInk[1-k])
	}
	b.WriteString("</g>\n")
}

// account is the op's row of the table, for the pointer.
func (l *opLine) account() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s, %s\n%s, %s to %s", l.Op, l.Result, l.place(), shapeText(l.Shape), cmp.Or(l.In, "-"), cmp.Or(l.Out, "-"))
	for i, cell := range l.cells() {
		if cell != "-" {
			fmt.Fprintf(&b, "\n%s %s", columns[i], cell)
		}
	}
	if l.Why != "" {
		b.WriteString("\n" + l.Why)
	}
	return b.String()
}

// graphLegend explains the colours and the bars.
func graphLegend() template.HTML {
	var b strings.Builder
	svg.Begin(&b, 1300, 26)
	x := 4
	key := func(fill, edge, text string) {
		fmt.Fprintf(&b, `<rect x="%d" y="6" width="14" height="12" fill="%s" stroke="%s"/><text x="%d" y="16">%s</text>`+"\n", x, fill, edge, x+19, text)
		x += 36 + 6*len(text)
	}
	for _, f := range families {
		key(f.fill, f.edge, f.dialect+": "+f.title)
	}
	key(barInk[1], barInk[1], "online time")
	key(barInk[0], barInk[0], "bytes")
	svg.End(&b)
	return template.HTML(b.String())
}
