package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"nimbus/internal/svg"
	"nimbus/runtime"
)

// sizes is a flag value: positive numbers, separated by commas.
type sizes []int

func (s *sizes) String() string {
	return strings.Trim(strings.Join(strings.Fields(fmt.Sprint(*s)), ","), "[]")
}

// Set reads what String prints.
func (s *sizes) Set(text string) error {
	*s = nil
	for part := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(part))
		if err != nil || n < 1 {
			return fmt.Errorf("%q is no number of at least one, nor a list such as 8,16,32", part)
		}
		*s = append(*s, n)
	}
	return nil
}

// only is the one size that is given, or what counts without.
func (s sizes) only(none int) int {
	if len(s) == 0 {
		return none
	}
	return s[0]
}

// benchList runs a benchmark for each size of a list, as a process of its own so
// that each has a peak of memory of its own, with the flags that fs was given.
func benchList(ctx context.Context, fs *flag.FlagSet, o benchOptions, layers, tokens sizes) error {
	over, list, length := "tokens", tokens, func(r *benchResult) int { return r.Length }
	if len(layers) > 1 {
		over, list, length = "layers", layers, func(r *benchResult) int { return r.Layers }
	}
	switch {
	case o.what != "model" && o.what != "block":
		return usagef("lists of -tokens or -layers and -svg go with model and block, not with %s", o.what)
	case len(layers) > 1 && len(tokens) > 1:
		return usagef("both -layers and -tokens are lists, expected one of them")
	case len(list) < 2:
		return usagef("-svg draws a list of -tokens or -layers, such as -tokens 8,16,32")
	case o.ops:
		return usagef("-ops goes with one benchmark, not with a list; -json has the ops of each")
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	args := []string{fs.Name(), o.what, "-json"}
	fs.Visit(func(f *flag.Flag) {
		if f.Name != over && f.Name != "svg" && f.Name != "json" {
			args = append(args, "-"+f.Name+"="+f.Value.String())
		}
	})
	var results []*benchResult
	for _, n := range list {
		fmt.Fprintf(os.Stderr, "%s with %d %s\n", o.what, n, over)
		r, err := benchChild(ctx, exe, append(args, fmt.Sprintf("-%s=%d", over, n)))
		if err != nil {
			return errors.Join(ctx.Err(), fmt.Errorf("%d %s: %w", n, over, err))
		}
		if len(results) > 0 && results[len(results)-1].Plan == r.Plan {
			return fmt.Errorf("%d %s run the same plan as the size before: an embedded model has no plan of every length", n, over)
		}
		results = append(results, r)
	}
	if o.svg != "" {
		if err := os.WriteFile(o.svg, []byte(drawBench(results, over, length)), 0o666); err != nil {
			return err
		}
	}
	return print(o, results, func() { printList(results) })
}

// benchChild runs one benchmark and reads its result.
func benchChild(ctx context.Context, exe string, args []string) (*benchResult, error) {
	var log tail
	cmd := exec.CommandContext(ctx, exe, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it has a server to stop
	cmd.WaitDelay = grace + 10*time.Second
	cmd.Stderr = &log
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, log.last())
	}
	r := new(benchResult)
	return r, json.Unmarshal(out, r)
}

func printList(results []*benchResult) {
	r := results[0]
	fmt.Printf("%-9s %s; %d CPUs, %s; %s; link %s\n\n", r.What, r.Model, r.CPUs, r.GOARCH, coresText(r.Cores, r.Pinned), r.Link)
	const line = "%6s %6s %9s %9s %12s %7s %12s %12s %12s\n"
	fmt.Printf(line, "tokens", "layers", "online s", "all in s", "bytes", "rounds", "setup", "client", "server")
	for _, r := range results {
		fmt.Printf(line, fmt.Sprint(r.Length), fmt.Sprint(r.Layers), fmt.Sprintf("%.3f", r.Seconds), fmt.Sprintf("%.3f", r.Wall),
			runtime.FormatBytes(r.bytes()), fmt.Sprintf("%g", r.Rounds), runtime.FormatBytes(r.SetupBytes), runtime.FormatBytes(r.ClientRSS), runtime.FormatBytes(r.ServerRSS))
	}
}

// bytes are those of a run both ways, online and offline.
func (r *benchResult) bytes() int64 { return r.BytesToServer + r.BytesToClient }

// The places of a picture of benchmarks: two panels, one above the other.
const (
	listWidth, listHeight = 660, 560
	listLeft, listRight   = 72, 640
)

// A series is one line of the picture.
type series struct {
	svg.Key
	of func(*benchResult) float64
}

// drawBench draws seconds and bytes against a size, both with equal steps for
// equal factors: a straight line is a power of the size, and its slope the
// exponent.
func drawBench(results []*benchResult, over string, size func(*benchResult) int) string {
	seconds := []series{
		{svg.Key{Colour: "#3b6ea5", Name: "seconds online", Height: 3}, func(r *benchResult) float64 { return r.Seconds }},
		{svg.Key{Colour: "#e0a458", Name: "seconds all in", Height: 3}, func(r *benchResult) float64 { return r.Wall }},
	}
	bytes := []series{{svg.Key{Colour: "#2e8b57", Name: "bytes both ways, online and offline", Height: 3}, func(r *benchResult) float64 { return float64(r.bytes()) }}}
	var xs []float64
	for _, r := range results {
		xs = append(xs, float64(size(r)))
	}
	across := svg.Axis{Lo: slices.Min(xs) / 1.15, Hi: slices.Max(xs) * 1.15, Log: true, Ticks: xs}
	first := results[0]
	var b strings.Builder
	svg.Page(&b, listWidth, listHeight, listLeft, fmt.Sprintf("%s %s against %s, link %s", first.What, filepath.Base(first.Model), over, first.Link))
	var keys []svg.Key
	for _, s := range append(seconds, bytes...) {
		keys = append(keys, s.Key)
	}
	svg.Legend(&b, listLeft, keys...)
	panel := func(top, bottom int, names bool, text func(float64) string, lines []series) {
		var all []float64
		for _, s := range lines {
			for _, r := range results {
				all = append(all, s.of(r))
			}
		}
		p := svg.Panel{Left: listLeft, Right: listRight, Top: top, Bottom: bottom, Across: across, Up: logAxis(all)}
		p.Up.Text = text
		p.Axes(&b, names)
		for _, s := range lines {
			at := func(i int) float64 { return s.of(results[i]) }
			fmt.Fprintf(&b, `<path d="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", p.Line(xs, at), s.Colour)
			for i, x := range xs {
				fmt.Fprintf(&b, `<circle cx="%s" cy="%s" r="3.5" fill="%s"><title>%s %s: %s %s</title></circle>`+"\n",
					svg.Coord(p.X(x)), svg.Coord(p.Y(at(i))), s.Colour, svg.Short(x), over, text(at(i)), s.Name)
			}
		}
	}
	panel(52, 285, false, svg.Short, seconds)
	panel(305, 515, true, func(v float64) string { return runtime.FormatBytes(int64(v)) }, bytes)
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle">%s</text>`+"\n", (listLeft+listRight)/2, listHeight-9, over)
	svg.End(&b)
	return b.String()
}

// logAxis shows values, from a round number to a round number.
func logAxis(values []float64) svg.Axis {
	const least = 1e-6 // of seconds; a logarithm has no zero
	lo, hi := max(slices.Min(values), least), max(slices.Max(values), least)
	below, above := least, least
	for p := least; below*10 <= lo || above < hi; p *= 10 {
		for _, f := range []float64{1, 2, 5} {
			if f*p <= lo {
				below = f * p
			}
			if above < hi {
				above = f * p
			}
		}
	}
	return svg.Axis{Lo: below, Hi: max(above, 2*below), Log: true}
}
