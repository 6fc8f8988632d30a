package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"nimbus/frontend/bundle"
	"nimbus/ir"
	"nimbus/ir/eval"
)

var evalCommand = &command{
	name:  "eval",
	args:  "[-plan PLAN] [-model MODEL] [-fn NAME] [-seq LENGTH] [-truncate] [-check] [-json] FILE.ir|MODEL|PLAN -in X",
	short: "compute in the clear: real numbers, or a plan's exact fixed-point twin",
	long: `
Of a MODEL, X is a text, and the answer is computed in real numbers; with -plan PLAN also in fixed
point, as the plan would. "eval PLAN -model MODEL" is the same.

Of a FILE.ir of any stage, X is a JSON object with a list of numbers for every parameter of the
function, or the name of a file of it. Weights come from the model that -model names, or from the
same object under their names with the @: {"x": [1, 2], "@w": [0.5, 0.25]}.`,
	setup: func(fs *flag.FlagSet) func(*console, []string) error {
		var e evaluation
		fs.StringVar(&e.in, "in", "", "the input `X`")
		fs.StringVar(&e.plan, "plan", "", "evaluate this `PLAN` of the model too")
		fs.StringVar(&e.model, "model", "", "`MODEL` whose weights a FILE.ir or PLAN reads")
		fs.StringVar(&e.fn, "fn", "main", "evaluate the function `NAME` of a FILE.ir")
		fs.BoolVar(&e.truncate, "truncate", false, "cut a text that is too long")
		fs.BoolVar(&e.check, "check", false, "report on stderr the ops that meet values outside what they assume")
		fs.BoolVar(&e.json, "json", false, "print JSON")
		e.flags.flags(fs)
		return func(c *console, args []string) error {
			if len(args) != 1 {
				return usagef("wants one module or model, got %d", len(args))
			}
			if e.in == "" {
				return hinted(fmt.Errorf("eval: the input is empty"), "-in X gives a text to a model, JSON to a FILE.ir")
			}
			return e.run(c, args[0])
		}
	},
}

type evaluation struct {
	in, plan, model, fn string
	truncate            bool
	json, check         bool
	flags               modelFlags
}

func (e *evaluation) run(c *console, target string) error {
	if !isModuleFile(target) {
		if e.model != "" {
			return usagef("-model is for a FILE.ir or a PLAN, and %s is a model", target)
		}
		var p *ir.Module
		if e.plan != "" {
			var err error
			if p, err = readPlan(c, e.plan); err != nil {
				return err
			}
		}
		return e.text(c, target, p)
	}
	if e.plan != "" {
		return usagef("-plan is for a model, and %s is a module; -model MODEL gives it weights", target)
	}
	m, err := readModule(c, target)
	if err != nil {
		return err
	}
	if m.Stage() == ir.StagePlan && e.model != "" && !isJSON(e.in) {
		return e.text(c, e.model, m)
	}
	return e.module(c, m)
}

// exceeded is told how many elements an op meets outside what it assumes.
type exceeded = func(f *ir.Func, op *ir.Op, n int)

// watch prints them if -check asks for it. What is outside comes out wrong,
// since rings wrap; the remedy is calibration text that is more like the input,
// or a larger margin.
func (e *evaluation) watch(c *console) exceeded {
	if !e.check {
		return nil
	}
	return func(_ *ir.Func, op *ir.Op, n int) {
		fmt.Fprintf(c.err, "nimbusc: check: %s of %%%s: %d elements are outside what it assumes\n", op.Name, op.Results[0].Name, n)
	}
}

// isModuleFile tells a file of IR text from a model's name.
func isModuleFile(name string) bool {
	if name == "-" || strings.HasSuffix(name, ".ir") || strings.HasSuffix(name, ".plan") {
		return true
	}
	info, err := os.Stat(name)
	return err == nil && !info.IsDir() && !strings.HasSuffix(name, ".model")
}

func isJSON(text string) bool { return strings.HasPrefix(strings.TrimSpace(text), "{") }

// textResult is what eval -json prints for a text.
type textResult struct {
	Text   string         `json:"text"`
	Tokens int            `json:"tokens"`
	Length int            `json:"length"`
	Float  *bundle.Answer `json:"float"`
	Fixed  *bundle.Answer `json:"fixed,omitempty"`
}

// text evaluates a model, and its plan p unless that is nil, on a text.
func (e *evaluation) text(c *console, name string, p *ir.Module) error {
	m, twin, err := openWithPlan(name, e.flags, p, e.watch(c))
	if err != nil {
		return err
	}
	defer m.close()
	in, tokens, err := m.inputs(e.in, e.truncate)
	if err != nil {
		return err
	}
	res := textResult{Text: e.in, Tokens: tokens, Length: m.seq}
	float, err := eval.New(m.module, m.source, eval.Options{})
	if err != nil {
		return err
	}
	if res.Float, err = m.answer(float, in); err != nil {
		return err
	}
	if twin != nil {
		if res.Fixed, err = m.answer(twin, in); err != nil {
			return err
		}
	}
	if e.json {
		return printJSON(c.out, res)
	}
	fmt.Fprintf(c.out, "float  %s\n", withLogits(res.Float))
	if res.Fixed != nil {
		fmt.Fprintf(c.out, "fixed  %s\n", withLogits(res.Fixed))
	}
	return nil
}

// openWithPlan opens a model at the length of its plan, and makes the plan's
// twin ready. p may be nil.
func openWithPlan(name string, f modelFlags, p *ir.Module, watch exceeded) (*model, *eval.Program, error) {
	if p != nil {
		seq := p.Attrs.Int("seq", 0)
		if f.seq != 0 && seq != 0 && f.seq != seq {
			return nil, nil, usagef("-seq is %d, but the plan is for %d tokens", f.seq, seq)
		}
		f.seq = seq
	}
	m, err := openModel(name, f)
	if err != nil {
		return nil, nil, err
	}
	if p == nil {
		return m, nil, nil
	}
	twin, err := m.twin(p, watch)
	if err != nil {
		m.close()
		return nil, nil, err
	}
	return m, twin, nil
}

// twin makes p, a plan of this model, ready to be evaluated; watch may be nil.
func (m *model) twin(p *ir.Module, watch exceeded) (*eval.Program, error) {
	for _, v := range p.Func("main").Params {
		want := m.module.Func("main").Param(v.Name)
		if want == nil || !want.Type.SameShape(v.Type) {
			return nil, fmt.Errorf("the plan @%s is not of the model %s: it has an input %%%s of type %s", p.Name, m.name, v.Name, v.Type)
		}
	}
	const digest = "tokenizer_digest"
	if a, b := p.Attrs.Str(digest, ""), m.module.Attrs.Str(digest, ""); a != "" && b != "" && a != b {
		return nil, fmt.Errorf("the plan @%s is not of the model %s: it was compiled with another vocabulary", p.Name, m.name)
	}
	twin, err := eval.New(p, m.source, eval.Options{Exceeded: watch})
	if err != nil {
		return nil, fmt.Errorf("the plan @%s does not fit the model %s: %w", p.Name, m.name, err)
	}
	return twin, nil
}

func (m *model) answer(p *eval.Program, in map[string]eval.Value) (*bundle.Answer, error) {
	out, err := p.Run("main", in)
	if err != nil {
		return nil, err
	}
	return newAnswer(out, m.labels)
}

// moduleResult is one result of a function, as eval -json prints it.
type moduleResult struct {
	Name   string    `json:"name"`
	Type   string    `json:"type"`
	Shape  []int     `json:"shape"`
	Values []float64 `json:"values"`
	Ring   []uint64  `json:"ring,omitempty"`
}

// module evaluates one function of m on JSON.
func (e *evaluation) module(c *console, m *ir.Module) error {
	display, text := "-in", e.in
	if !isJSON(e.in) {
		var err error
		if display, text, err = readText(c, e.in); err != nil {
			return err
		}
	}
	f := m.Func(e.fn)
	if f == nil {
		return fmt.Errorf("module @%s has no function @%s", m.Name, e.fn)
	}
	in, given, err := parseInputs(display, text, m, f)
	if err != nil {
		return err
	}
	src := inlineWeights{given: given}
	if e.model != "" {
		f := e.flags
		if f.seq == 0 {
			f.seq = m.Attrs.Int("seq", 0)
		}
		model, err := openModel(e.model, f)
		if err != nil {
			return err
		}
		defer model.close()
		src.rest = model.source
	}
	p, err := eval.New(src.strip(m), src, eval.Options{Exceeded: e.watch(c)})
	if err != nil {
		return err
	}
	out, err := p.Run(e.fn, in)
	if err != nil {
		return err
	}
	var results []moduleResult
	for i, v := range out {
		name := fmt.Sprintf("result %d", i)
		if a := f.Return().Args[i]; a.Value != nil {
			name = "%" + a.Value.Name
		}
		r := moduleResult{Name: name, Type: f.Results[i].String(), Shape: f.Results[i].Shape, Values: v.Reals(), Ring: v.Ring}
		if r.Shape == nil {
			r.Shape = []int{}
		}
		results = append(results, r)
	}
	if e.json {
		return printJSON(c.out, results)
	}
	for i, r := range results {
		printValues(c.out, r, f.Results[i].Last())
	}
	return nil
}

// printValues prints one line per row of the last axis.
func printValues(w io.Writer, r moduleResult, row int) {
	fmt.Fprintf(w, "%s : %s\n", r.Name, r.Type)
	for i, x := range r.Values {
		sep := " "
		if (i+1)%row == 0 {
			sep = "\n"
		}
		if i%row == 0 {
			fmt.Fprint(w, "  ")
		}
		fmt.Fprintf(w, "%.8g%s", x, sep)
	}
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
