package main

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"nimbus/ir"
)

// escapes counts per op the elements that left what the op's widths rest on.
// Of a proved range none can; a calibrated one holds for text like the
// calibration's, and what leaves it wraps.
type escapes struct {
	mu   sync.Mutex
	left map[*ir.Op]int
}

// An escape is an op that values left, as -json prints it.
type escape struct {
	Op     string  `json:"op"`
	Result string  `json:"result"`
	Layer  int     `json:"layer"` // -1: of none
	Part   string  `json:"part"`
	Left   int     `json:"left"`
	Share  float64 `json:"share"` // of all elements that it computed
}

// note counts n elements of op; it is what eval.Options.Exceeded wants.
func (e *escapes) note(_ *ir.Func, op *ir.Op, n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.left == nil {
		e.left = map[*ir.Op]int{}
	}
	e.left[op] += n
}

// list is what was counted in so many runs of p, in p's order.
func (e *escapes) list(p *ir.Module, runs int) []escape {
	out := []escape{}
	for _, f := range p.Funcs {
		for _, op := range f.Body {
			if n := e.left[op]; n > 0 {
				r := op.Results[0]
				out = append(out, escape{op.Name, r.Name, op.Attrs.Int("layer", -1), op.Attrs.Ident("part", ""),
					n, float64(n) / float64(runs*r.Type.NumElems())})
			}
		}
	}
	return out
}

// bounds counts what the ranges of p rest on.
func bounds(p *ir.Module) map[string]int {
	out := map[string]int{}
	for _, f := range p.Funcs {
		for _, op := range f.Body {
			if b := op.Attrs.Ident("bound", ""); b != "" {
				out[b]++
			}
		}
	}
	return out
}

func printEscapes(c *console, p *ir.Module, list []escape, runs int) {
	var rest []string
	for b, n := range bounds(p) {
		rest = append(rest, fmt.Sprintf("%d %s", n, b))
	}
	slices.Sort(rest)
	fmt.Fprintf(c.out, "%d ops met values outside what they assume, in %d runs; ranges: %s\n", len(list), runs, strings.Join(rest, ", "))
	for _, e := range list {
		where := e.Part
		if e.Layer >= 0 {
			where = fmt.Sprintf("%d/%s", e.Layer, e.Part)
		}
		fmt.Fprintf(c.out, "  %-13s %%%-14s %-16s %8d elements, %.2g of all\n", e.Op, e.Result, where, e.Left, e.Share)
	}
}
