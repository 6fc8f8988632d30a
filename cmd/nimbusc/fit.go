package main

import (
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nimbus/internal/svg"
	"nimbus/ir"
	"nimbus/passes"
)

var fitCommand = &command{
	Name:  "fit",
	Args:  "[-seq LENGTH] [-text FILE] [-error-budget E] [-preset NAME] [-json] [-svg DIR] MODEL",
	Short: "the polynomials that a model's functions become, and their errors",
	Long: `
Runs the model in the clear on calibration text, as compile does, and fits a piecewise polynomial to
every scalar function, weighted by the inputs that it had. Per op: the cuts, one polynomial per
piece, the expected error (root mean square under the density of the inputs, of which 2 % are spread
over the whole interval), the worst error on the interval, and the share of inputs outside.

-preset prints, beside it, another choice on the same inputs: "paper" is that of Nimbus (GELU with
one quadratic, exp with one cubic, per layer), "paper-example" its published coefficients. Plans
have quadratics only. -svg draws density, function, fits and errors, one file per op.`,
	Setup: func(fs *flag.FlagSet) func(*console, []string) error {
		var f fitFlags
		f.flags(fs)
		return func(c *console, args []string) error {
			if len(args) != 1 {
				return usagef("wants one model, got %d", len(args))
			}
			return f.run(c, args[0])
		}
	},
}

// fitFlags steer nimbusc fit.
type fitFlags struct {
	model  modelFlags
	text   string
	budget budgets
	preset string
	json   bool
	svg    string
}

func (f *fitFlags) flags(fs *flag.FlagSet) {
	f.model.flags(fs)
	fs.StringVar(&f.text, "text", "", "calibrate on `FILE`, one text a line")
	f.budget = budgets{}
	fs.Var(f.budget, "error-budget", budgetUsage)
	fs.StringVar(&f.preset, "preset", "", "compare with the preset of this `NAME`: "+presetNames())
	fs.BoolVar(&f.json, "json", false, "print JSON")
	fs.StringVar(&f.svg, "svg", "", "draw each fit as `DIR`/PLACE-FUNCTION.svg")
}

func presetNames() string {
	var names []string
	for _, p := range passes.Presets() {
		names = append(names, p.Name)
	}
	return strings.Join(names, ", ")
}

func (f *fitFlags) run(c *console, name string) error {
	if _, ok := f.budget[passes.ResultsBudget]; ok {
		return usagef("-error-budget %s=E is for compile: fit looks at functions alone", passes.ResultsBudget)
	}
	var preset *passes.Preset
	if f.preset != "" {
		p, ok := passes.PresetNamed(f.preset)
		if !ok {
			return usagef("there is no preset %q; there are %s", f.preset, presetNames())
		}
		preset = &p
	}
	m, err := openModel(name, f.model)
	if err != nil {
		return err
	}
	defer m.close()
	out, err := fitModel(c, m, f.text, f.budget, preset)
	if err != nil {
		return err
	}
	if f.svg != "" {
		if err := out.draw(c, f.svg); err != nil {
			return err
		}
	}
	if f.json {
		return printJSON(c.out, out)
	}
	out.print(c.out, preset)
	return nil
}

// fitModel runs the passes up to the fits, on the text of a file or the model's
// own.
func fitModel(c *console, m *model, file string, budget budgets, preset *passes.Preset) (*fits, error) {
	examples, err := m.examples(c, file)
	if err != nil {
		return nil, err
	}
	out := &fits{Model: m.name, Seq: m.seq, Texts: len(examples)}
	for _, e := range examples {
		out.Tokens += e.Tokens
	}
	o := passes.Options{
		ErrorBudget: budget,
		Observe:     func(mod *ir.Module) (*passes.Stats, error) { return passes.Record(mod, m.source, examples) },
		Fitted:      func(r passes.FitReport) { out.Fits = append(out.Fits, newFitLine(r, preset)) },
	}
	pipeline := passes.Default()
	last := slices.IndexFunc(pipeline, func(p passes.Pass) bool { return p.Name == passes.Approximate.Name })
	if err := passes.Run(m.module.Clone(), pipeline[:last+1], &o, nil); err != nil {
		return nil, budgetHint(err)
	}
	return out, nil
}

// fits is what fit -json prints.
type fits struct {
	Model  string    `json:"model"`
	Seq    int       `json:"seq"`
	Texts  int       `json:"texts"`
	Tokens int       `json:"tokens"`
	Fits   []fitLine `json:"fits"`
}

// fitLine is one op.
type fitLine struct {
	Op       string     `json:"op"`
	Layer    *int       `json:"layer,omitempty"`
	Part     string     `json:"part,omitempty"`
	Function string     `json:"function"`
	Interval [2]float64 `json:"interval"`
	Inputs   int        `json:"inputs"`  // samples that weigh the fit
	Outside  float64    `json:"outside"` // share of them outside the interval
	Budget   float64    `json:"error_budget"`
	approximation
	Preset *approximation `json:"preset,omitempty"`
	SVG    string         `json:"svg,omitempty"`

	report passes.FitReport
	other  *passes.Curve
}

// approximation is a piecewise polynomial and how good it is.
type approximation struct {
	Name         string      `json:"name,omitempty"`
	Cuts         []float64   `json:"cuts"`
	Coefficients [][]float64 `json:"coefficients"` // c0, c1, … of each piece
	Expected     float64     `json:"expected_error"`
	Worst        float64     `json:"worst_error"`
}

func newFitLine(r passes.FitReport, preset *passes.Preset) fitLine {
	op := r.Op
	l := fitLine{
		Op: "%" + op.Result().Name, Part: op.Attrs.Ident("part", ""), Function: r.Shape.Name,
		Interval: [2]float64{r.Density.Lo, r.Density.Hi},
		Inputs:   r.Density.Samples, Outside: r.Density.Outside, Budget: r.Budget,
		approximation: approximation{Cuts: r.Fit.Cuts, Expected: r.Fit.RMS, Worst: r.Fit.Worst},
		report:        r,
	}
	for _, c := range r.Fit.Coef {
		l.Coefficients = append(l.Coefficients, c[:])
	}
	if op.Attrs.Has("layer") {
		n := op.Attrs.Int("layer", 0)
		l.Layer = &n
	}
	if preset != nil {
		if l.other = preset.Fit(r.Shape, r.Density); l.other != nil {
			l.Preset = &approximation{preset.Name, l.other.Cuts, l.other.Coef, l.other.RMS, l.other.Worst}
		}
	}
	return l
}

func (l fitLine) plot() plot {
	p := plot{
		title: fmt.Sprintf("%s: %s, expected error %s", placeText(l.Layer, l.Part), l.Function, errorText(l.Expected)),
		lo:    l.Interval[0], hi: l.Interval[1],
		f:      l.report.Shape.F,
		curves: []curve{{"fit", l.Cuts, l.report.Fit.Eval}},
	}
	if l.Inputs > 0 {
		p.density = l.report.Density.W
	}
	if l.other != nil {
		p.curves = append(p.curves, curve{fmt.Sprintf("%s (%s)", l.Preset.Name, errorText(l.Preset.Expected)), l.other.Cuts, l.other.Eval})
	}
	return p
}

// draw writes one file per op, and notes its name.
func (f *fits) draw(c *console, dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fileError(err)
	}
	used := map[string]int{}
	for i := range f.Fits {
		l := &f.Fits[i]
		base := l.Function
		if l.Part != "" && l.Part != base {
			base = l.Part + "-" + base
		}
		if l.Layer != nil {
			base = fmt.Sprintf("layer%d-%s", *l.Layer, base)
		}
		if used[base]++; used[base] > 1 {
			base = fmt.Sprintf("%s-%d", base, used[base])
		}
		l.SVG = filepath.Join(dir, base+".svg")
		if err := writeFile(c, l.SVG, l.plot().svg()); err != nil {
			return err
		}
	}
	return nil
}

func (f *fits) print(w io.Writer, preset *passes.Preset) {
	fmt.Fprintf(w, "model   %s at %d tokens, calibrated on %d texts with %d tokens\n", f.Model, f.Seq, f.Texts, f.Tokens)
	if preset != nil {
		fmt.Fprintf(w, "preset  %s: %s\n", preset.Name, preset.Doc)
	}
	if len(f.Fits) == 0 {
		fmt.Fprint(w, "\nThe model has no scalar function to fit.\n")
		return
	}
	fmt.Fprintln(w)
	head := []string{"layer/part", "function", "interval", "inputs", "outside", "cuts", "budget", "expected", "worst"}
	align := "lllrrrrrr"
	if preset != nil {
		head = append(head, preset.Name+": cuts", "expected", "worst")
		align += "rrr"
	}
	rows := [][]string{head}
	for _, l := range f.Fits {
		row := []string{placeText(l.Layer, l.Part), l.Function, fmt.Sprintf("[%g, %g]", l.Interval[0], l.Interval[1]),
			fmt.Sprint(l.Inputs), percent(l.Outside), fmt.Sprint(len(l.Cuts)), svg.Short(l.Budget), errorText(l.Expected), errorText(l.Worst)}
		if p := l.Preset; p != nil {
			row = append(row, fmt.Sprint(len(p.Cuts)), errorText(p.Expected), errorText(p.Worst))
		} else if preset != nil {
			row = append(row, "-", "-", "-")
		}
		rows = append(rows, row)
	}
	printTable(w, rows, align)
	for _, l := range f.Fits {
		fmt.Fprintf(w, "\n%s %s of %s\n", placeText(l.Layer, l.Part), l.Function, l.Op)
		l.approximation.print(w)
		if l.Preset != nil {
			fmt.Fprintf(w, " %s\n", l.Preset.Name)
			l.Preset.print(w)
		}
		if l.SVG != "" {
			fmt.Fprintf(w, "  drawn in %s\n", l.SVG)
		}
	}
}

// print writes one line per piece.
func (a approximation) print(w io.Writer) {
	var rows [][]string
	for i, c := range a.Coefficients {
		from, to := "", ""
		if i > 0 {
			from = fmt.Sprintf("from %.6g", a.Cuts[i-1])
		}
		if i < len(a.Cuts) {
			to = fmt.Sprintf("below %.6g", a.Cuts[i])
		}
		rows = append(rows, []string{"", from, to, polynomialText(c)})
	}
	printTable(w, rows, "llll")
}

// polynomialText is "0.9971 + 0.93 x + 0.3008 x^2".
func polynomialText(coef []float64) string {
	var b strings.Builder
	for i, c := range coef {
		if c == 0 {
			continue
		}
		number, sign := fmt.Sprintf("%.6g", math.Abs(c)), ""
		switch {
		case b.Len() > 0 && c < 0:
			sign = " - "
		case b.Len() > 0:
			sign = " + "
		case c < 0:
			sign = "-"
		}
		power := ""
		if i > 0 {
			power = "x"
			if number == "1" {
				number = ""
			} else {
				power = " x"
			}
		}
		if i > 1 {
			power += fmt.Sprintf("^%d", i)
		}
		b.WriteString(sign + number + power)
	}
	if b.Len() == 0 {
		return "0"
	}
	return b.String()
}

// errorText is an error with three digits.
func errorText(x float64) string { return fmt.Sprintf("%.3g", x) }

// percent is a share; nothing is printed as "-".
func percent(x float64) string {
	if x == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2g %%", 100*x)
}
