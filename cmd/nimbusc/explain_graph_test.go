package main

import (
	"fmt"
	"strings"
	"testing"

	"nimbus/backend"
	"nimbus/backend/cost"
	"nimbus/internal/golden"
	"nimbus/ir"
	"nimbus/ir/plan"
)

// drawn is the graph of a plan. Times are left out if bare is set: those of the
// default profile are measured anew now and then.
func drawn(t *testing.T, p *ir.Module, bare bool) graph {
	t.Helper()
	e, err := explain(p, linkFlags{}, backend.DefaultReuse)
	if err != nil {
		t.Fatal(err)
	}
	if bare {
		for i := range e.Ops {
			e.Ops[i].Time = cost.Time{}
		}
		for _, lines := range [][]partLine{e.Parts, e.Layers} {
			for i := range lines {
				lines[i].Time = cost.Time{}
			}
		}
	}
	return drawGraph(p, e)
}

func TestGraphGolden(t *testing.T) {
	golden.Run(t, "testdata/graph.txtar", func(t *testing.T, c *golden.Case) {
		p, err := plan.Parse(c.Path, c.Text("plan"))
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for _, same := range drawn(t, p, true).Folded() {
			for _, g := range same {
				fmt.Fprintf(&b, "%s, like %q, %d ops\n%s", g.Name, g.Like, g.Ops(), g.SVG())
			}
		}
		c.Check("graph", b.String())
	})
}

// TestGraphOfEmbeddedPlans makes sure of what makes a drawing readable, and of
// the plan: all of its ops once, in the order of the data, nothing above anything
// else.
func TestGraphOfEmbeddedPlans(t *testing.T) {
	for _, name := range []string{"nimbus-sst2-tiny/s32.plan", "nimbus-sst2-tiny/s128.plan"} {
		p, err := readPlan(&console{}, name)
		if err != nil {
			t.Fatal(err)
		}
		graph := drawn(t, p, false)
		seen := map[string]int{}
		for _, g := range graph {
			for _, c := range g.cards {
				if c.line != nil {
					seen[c.line.Result]++
				}
			}
			checkLayout(t, name+": "+g.Name, g)
		}
		ops := p.Func("main").Body
		for _, op := range ops[:len(ops)-1] {
			if r := "%" + op.Results[0].Name; seen[r] != 1 {
				t.Errorf("%s: %s %s is drawn %d times", name, op.Name, r, seen[r])
			}
		}
		if len(seen) != len(ops)-1 {
			t.Errorf("%s: %d ops are drawn of %d", name, len(seen), len(ops)-1)
		}
		for i, again := range drawn(t, p, false) {
			if again.SVG() != graph[i].SVG() {
				t.Errorf("%s: %s is drawn in two ways", name, again.Name)
			}
		}
	}
}

func checkLayout(t *testing.T, name string, g *group) {
	t.Helper()
	for i, a := range g.boxes {
		if a.x-a.w/2 < -1e-6 || a.x+a.w/2 > g.width+1e-6 || a.y < 0 || a.y+a.h > g.height {
			t.Errorf("%s: box %d at %v,%v is outside of %v×%v", name, i, a.x, a.y, g.width, g.height)
		}
		for k, b := range g.boxes[:i] {
			if abs(a.x-b.x) < (a.w+b.w)/2 && a.y < b.y+b.h && b.y < a.y+a.h {
				t.Errorf("%s: boxes %d and %d overlap", name, i, k)
			}
		}
	}
	for i, n := range g.nets {
		last := 0
		for _, to := range n.to {
			if g.boxes[to].row <= g.boxes[n.from].row {
				t.Errorf("%s: %%%s goes upwards", name, g.wires[i].Name)
			}
			last = max(last, g.boxes[to].row)
		}
		if want := max(last-g.boxes[n.from].row-1, 0); len(n.path) != want {
			t.Errorf("%s: %%%s passes %d rows of %d", name, g.wires[i].Name, len(n.path), want)
		}
		for k, x := range n.path {
			for b, at := range g.boxes {
				if at.row == g.boxes[n.from].row+1+k && abs(at.x-x) < at.w/2 {
					t.Errorf("%s: %%%s runs through box %d", name, g.wires[i].Name, b)
				}
			}
		}
	}
}

func abs(x float64) float64 { return max(x, -x) }
