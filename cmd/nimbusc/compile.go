package main

import (
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"nimbus/backend"
	"nimbus/frontend/bundle"
	"nimbus/internal/otparams"
	"nimbus/ir"
	"nimbus/ir/plan"
	"nimbus/ir/weights"
	"nimbus/passes"
)

var compileCommand = &command{
	Name: "compile",
	Args: "[-o PLAN] [-seq LENGTH] [-text FILE] [-set name=value] [flags] MODEL | [-weights FILE] [-text FILE] PROGRAM.ir | [-blocks N] [-owners LIST] CIRCUIT.txt",

	Short: "compile a model or a circuit to a plan",
	Long: `
Runs the model in the clear on calibration text, fits polynomials and ring widths to what it sees,
chooses a protocol and parameters for every op, and writes the plan: text without any weight in it,
which both parties execute. An embedded model and a folder with a calibration.txt bring their text
along; others need -text, one text a line. For a model without vocabulary the text is token ids.

A file that ends in .ir is a program written in IR, of stage nn, fx or plan. One of stage nn needs
ranges: written in the text as range = [lo, hi], or seen on the inputs that -text has, one a line as
"nimbusc eval -in" takes them; for that its -weights must be known.

A file that ends in .txt is a boolean circuit in Bristol Fashion. Its plan computes as many -blocks at
once, with a round trip per level of AND gates; -owners says whose the circuit's inputs are, in order.
The client learns the outputs. Of the other flags -o, -extension, -base, -link, -profile and -minimise
apply.

Of several ways to run an op, compile takes the one with the fewest bytes, whatever the machine. With
-link it takes the one that is soonest over that link, by the times of a machine's -profile: tiles,
parameter sets, the OT extension. "nimbusc explain" shows what else there was and its price.

The plan is written as a whole or not at all; "-o -" writes to standard output.`,
	Setup: func(fs *flag.FlagSet) func(*console, []string) error {
		out := fs.String("o", "", "write the plan to `PLAN` (default: the model's name with .plan, in this folder)")
		var f compileFlags
		var circuit circuitFlags
		circuit.flags(fs)
		f.flags(fs)
		f.dump.flags(fs)
		return func(c *console, args []string) error {
			if len(args) != 1 {
				return usagef("wants one model, program or circuit, got %d", len(args))
			}
			if err := circuit.check(fs, isCircuit(args[0])); err != nil {
				return err
			}
			if err := f.check(); err != nil {
				return err
			}
			compile := f.compileModel
			if isCircuit(args[0]) {
				compile = func(_ *console, file string) (*ir.Module, error) { return circuit.compile(file, f.lower) }
			}
			p, err := compile(c, args[0])
			if err != nil {
				return err
			}
			name := *out
			if name == "" {
				name = filepath.Base(filepath.Clean(args[0]))
				name = strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, ".model"), ".ir"), circuitSuffix) + ".plan"
			}
			if err := writeFile(c, name, p.String()); err != nil {
				return err
			}
			return summarise(c.err, name, p)
		}
	},
}

// compileFlags steer the way from a model to a plan.
type compileFlags struct {
	model  modelFlags
	text   string
	edits  string
	margin float64
	ranges passes.Range
	budget budgets
	parts  int
	secret string // file for private coefficients
	lower  backend.Options
	dump   dumper

	link     linkFlags
	minimise string
}

func (f *compileFlags) flags(fs *flag.FlagSet) {
	f.model.flags(fs)
	fs.StringVar(&f.text, "text", "", "calibrate on `FILE`, one text a line")
	fs.StringVar(&f.edits, "passes", "", "change the pipeline by `EDITS`: +name adds a pass, -name takes one out")
	fs.Float64Var(&f.margin, "margin", passes.DefaultMargin, "head room over calibrated ranges, a `FACTOR`")
	fs.StringVar(&f.secret, "private-coefficients", "", "keep cuts and coefficients of fitted functions out of the plan, with the server: write them to `FILE`")
	fs.IntVar(&f.parts, "parts", 0, partsUsage)
	f.ranges = passes.Clamped
	fs.Var(&f.ranges, "range", rangeUsage)
	f.budget = budgets{}
	fs.Var(f.budget, "error-budget", budgetUsage)
	fs.IntVar(&f.lower.Reuse, "reuse", backend.DefaultReuse, "expect `N` inferences per setup: what weighs setup bytes against online bytes")
	fs.StringVar(&f.lower.Extension, "extension", "", "OT extension `NAME`, by falling offline bytes: "+strings.Join(otparams.Names(), ", ")+"; or "+backend.AnyFerret+", the ferret that suits the plan (default: what suits the plan and the -link)")
	fs.StringVar(&f.lower.Base, "base", string(otparams.Ristretto), "base OT `NAME`: ristretto, or mlkem, against which no quantum attack is known")
	fs.BoolVar(&f.lower.Ahead, "offline", false, "make matrix products of masks before the input is known: less online, as much in all")
	f.link.flags(fs, "choose what is soonest over a `LINK`")
	fs.StringVar(&f.minimise, "minimise", "", "`WHAT` counts: bytes (the default without -link), online (with it) or all, which counts what goes ahead of the input too")
	fs.BoolVar(&f.lower.PublicEmbedding, "public-embedding", false, "publish the embedding tables: the client looks its rows up in the clear, and learns the tables")
}

const rangeUsage = "let ring widths rest on `WHAT`: proved (for every input), clamped (proved, or clamped where that is dear) or calibrated (seen on text: what lies outside wraps)"

// check looks at the flags, so that a wrong one is known before the work.
func (f *compileFlags) check() error {
	if err := checkMargin(f.margin); err != nil {
		return err
	}
	if err := checkParts(f.parts); err != nil {
		return err
	}
	if f.lower.Reuse < 1 {
		return usagef("-reuse is a number of inferences, got %d", f.lower.Reuse)
	}
	if err := backend.CheckExtension(f.lower.Extension); err != nil {
		return usagef("-extension: %v", err)
	}
	if _, err := otparams.FindBase(f.lower.Base); err != nil {
		return usagef("-base: %v", err)
	}
	var err error
	if f.lower.Objective, err = f.link.objective(f.minimise); err != nil {
		return err
	}
	return f.dump.open()
}

// compileModel opens a model and takes it to a plan.
func (f *compileFlags) compileModel(c *console, name string) (*ir.Module, error) {
	m, err := openModel(name, f.model)
	if err != nil {
		return nil, err
	}
	defer m.close()
	return f.compile(c, m)
}

// compile takes m to a plan.
func (f *compileFlags) compile(c *console, m *model) (*ir.Module, error) {
	examples, err := m.examples(c, f.text)
	if err != nil {
		return nil, err
	}
	if len(examples) > 0 && m.source == nil && len(m.module.Weights) > 0 {
		return nil, hinted(fmt.Errorf("%s has weights, which calibrating on -text needs", m.name), "-weights FILE gives them; ranges written in the text need none")
	}
	out := m.module.Clone()
	if out.Stage() == ir.StagePlan {
		if f.edits != "" {
			return nil, usagef("-passes is for programs of stage nn or fx, and %s is a plan", m.name)
		}
		if f.secret != "" {
			return nil, usagef("-private-coefficients is for programs of stage nn or fx, and %s is a plan", m.name)
		}
		return out, backend.Finish(out, f.lower)
	}
	pipeline := passes.Default()
	if out.Stage() == ir.StageFx {
		pipeline = []passes.Pass{passes.InsertTrunc, passes.CSE, passes.DCE, passes.Tidy}
	}
	if f.edits != "" {
		if pipeline, err = passes.Edit(pipeline, f.edits); err != nil {
			return nil, usagef("%w", err)
		}
	}
	job := backend.Job{
		Source:   m.source,
		Examples: examples,
		Pipeline: pipeline,
		Passes:   passes.Options{Margin: f.margin, Range: f.ranges, ErrorBudget: f.budget, Parts: f.parts},
		Lower:    f.lower,
		Dump:     f.dump.dump,
	}
	if f.secret != "" {
		job.Hidden = weights.Map{}
	}
	if len(examples) == 0 { // a program: ranges are those written in it
		job.Passes.Observe = func(*ir.Module) (*passes.Stats, error) { return nil, nil }
	}
	if err := backend.Compile(out, job); err != nil {
		return nil, budgetHint(err)
	}
	if f.secret != "" {
		text, err := bundle.CoefficientText(out, job.Hidden)
		if err == nil {
			err = writeSecret(f.secret, text)
		}
		if err != nil {
			return nil, err
		}
	}
	return out, f.dump.dump(len(pipeline)+1, lowerPass, out.String())
}

// summarise says what a run of the plan will take.
func summarise(w io.Writer, name string, p *ir.Module) error {
	account, err := backend.AccountOf(p)
	if err != nil {
		return err
	}
	t := account.Online
	if name == "-" {
		name = "the plan"
	}
	size := sizeText(p.Attrs.Int("seq", 0), p.Attrs.Int("blocks", 0))
	fmt.Fprintf(w, "%s: %d ops for %s\n", name, len(p.Func("main").Body)-1, size)
	fmt.Fprintf(w, "  setup   %s once, server to client\n", bytesText(t.Setup))
	fmt.Fprintf(w, "  offline %s to the server, %s to the client, before each run; COTs by %s from %s\n",
		bytesText(account.Offline.C2S), bytesText(account.Offline.S2C), account.Extension.Name, account.Base)
	fmt.Fprintf(w, "  online  %s to the server, %s to the client, %s rounds\n", bytesText(t.C2S), bytesText(t.S2C), roundsText(t.Depth()))
	fmt.Fprintf(w, "  COTs    %d from the client, %d from the server\n", t.COTClientSends, t.COTServerSends)
	if tol, ok := p.Attrs.Get("tolerance"); ok {
		fmt.Fprintf(w, "  error   at most %v units of the last bit against the fixed-point twin\n", tol)
	}
	fmt.Fprintf(w, "  digest  %s\n", plan.DigestOf(p))
	return nil
}

// sizeText is what a plan is made for: a text, a number of blocks of a circuit,
// or one input of a program.
func sizeText(seq, blocks int) string {
	switch {
	case blocks > 0:
		return fmt.Sprintf("%d blocks", blocks)
	case seq == 0:
		return "one input"
	}
	return fmt.Sprintf("%d tokens", seq)
}

// bytesText is a size for people.
func bytesText(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1000_000:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%.2f MB", float64(n)/1e6)
}

// roundsText is a number of round trips, of half-rounds.
func roundsText(depth int) string { return fmt.Sprintf("%g", float64(depth)/2) }
