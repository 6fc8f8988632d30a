package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"nimbus/frontend/bundle"
	"nimbus/frontend/values"
	"nimbus/ir"
	"nimbus/ir/eval"
	"nimbus/ir/weights"
)

var evalCommand = &command{
	Name:  "eval",
	Args:  "[-plan PLAN] [-model MODEL] [-weights FILE] [-fn NAME] [-seq LENGTH] [-truncate] [-check] [-json] FILE.ir|MODEL|PLAN -in X",
	Short: "compute in the clear: real numbers, or a plan's exact fixed-point twin",
	Long: `
Of a MODEL, X is a text, or a PNG file for a model of images, and the answer is computed in real
numbers; with -plan PLAN also in fixed point, as the plan would. "eval PLAN -model MODEL" is the same.

Of a FILE.ir of any stage, or the PLAN of one, X is a JSON object with a list of numbers for every
parameter of the function, or the name of a file of it; or NAME=X for one parameter, X being a number,
a JSON list or a file: JSON, NumPy's .npy, or plain text (blocks of bits in hexadecimal). -in may be
repeated. Weights come from -weights, from the model that -model names, or from the same object under
their names with the @: {"x": [1, 2], "@w": [0.5, 0.25]}.`,
	Setup: func(fs *flag.FlagSet) func(*console, []string) error {
		var e evaluation
		fs.Var(&e.in, "in", "the input `X`; may be repeated for a FILE.ir")
		fs.StringVar(&e.plan, "plan", "", "evaluate this `PLAN` of the model too")
		fs.StringVar(&e.model, "model", "", "`MODEL` whose weights a FILE.ir or PLAN reads")
		fs.StringVar(&e.fn, "fn", "main", "evaluate the function `NAME` of a FILE.ir")
		fs.BoolVar(&e.truncate, "truncate", false, "cut a text that is too long")
		fs.BoolVar(&e.check, "check", false, "report on stderr the ops that meet values outside what they assume")
		fs.BoolVar(&e.json, "json", false, "print JSON")
		e.flags.flags(fs)
		e.flags.coefficients(fs)
		return func(c *console, args []string) error {
			if len(args) != 1 {
				return usagef("wants one module or model, got %d", len(args))
			}
			if len(e.in) == 0 || slices.Contains(e.in, "") {
				return hinted(fmt.Errorf("eval: the input is empty"), "-in X gives a text to a model, JSON to a FILE.ir")
			}
			return e.run(c, args[0])
		}
	},
}

type evaluation struct {
	in              list
	plan, model, fn string
	truncate        bool
	json, check     bool
	flags           modelFlags
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
	if m.Stage() == ir.StagePlan && e.model != "" && !isJSON(e.in[0]) {
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
	in, err := m.reader.Read("-in", e.in, e.truncate, openFile(c))
	if err != nil {
		return err
	}
	res := textResult{Text: strings.Join(e.in, " "), Tokens: in.Tokens, Length: m.seq}
	float, err := eval.New(m.module, m.source, eval.Options{})
	if err != nil {
		return err
	}
	if res.Float, err = m.answerTo(float, in); err != nil {
		return err
	}
	if twin != nil {
		if res.Fixed, err = m.answerTo(twin, in); err != nil {
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
	m.source, err = bundle.WithCoefficients(p, f.coefs, m.source)
	var twin *eval.Program
	if err == nil {
		twin, err = m.twin(p, watch)
	}
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

// answerTo is what the program answers to an input.
func (m *model) answerTo(p *eval.Program, in *bundle.Input) (*bundle.Answer, error) {
	out, err := p.Run("main", in.Values)
	if err != nil {
		return nil, err
	}
	return m.reader.Answer(in, out)
}

// module evaluates one function of m on numbers.
func (e *evaluation) module(c *console, m *ir.Module) error {
	what := "-in"
	if len(e.in) == 1 && !isJSON(e.in[0]) && !strings.Contains(e.in[0], "=") {
		what = e.in[0]
	}
	lists, err := values.Flags(what, e.in, openFile(c))
	if err != nil {
		return err
	}
	f := m.Func(e.fn)
	if f == nil {
		return fmt.Errorf("module @%s has no function @%s", m.Name, e.fn)
	}
	in, err := values.Bind(what, f.Params, lists)
	if err != nil {
		return err
	}
	maps.DeleteFunc(lists, func(name string, _ values.List) bool { return !strings.HasPrefix(name, "@") })
	src := inlineWeights{}
	if src.given, err = values.Tensors(what, m, lists); err != nil {
		return err
	}
	switch {
	case len(e.flags.weights) > 0 && e.model != "":
		return usagef("both -weights and -model given")
	case len(e.flags.weights) > 0:
		var done func() error
		if src.rest, done, err = bundle.OpenWeights("-weights", e.flags.weights, m, openFile(c)); err != nil {
			return err
		}
		defer done()
	case e.model != "":
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
	if src.rest, err = bundle.WithCoefficients(m, e.flags.coefs, src.rest); err != nil {
		return err
	}
	p, err := eval.New(src.strip(m), src, eval.Options{Exceeded: e.watch(c)})
	if err != nil {
		return err
	}
	out, err := p.Run(e.fn, in)
	if err != nil {
		return err
	}
	results := bundle.ResultsOf(f, out, m.Attrs.Strs("labels"))
	if e.json {
		return printJSON(c.out, results)
	}
	for i := range results {
		fmt.Fprintln(c.out, &results[i])
	}
	return nil
}

// inlineWeights is a source of the weights given with the input, and of a
// model's for the rest.
type inlineWeights struct {
	given weights.Map
	rest  weights.Source // may be nil
}

// strip is m with the recipes of given weights removed: what is given is the
// weight itself.
func (s inlineWeights) strip(m *ir.Module) *ir.Module {
	m = m.Clone()
	for name := range s.given {
		w := m.Weight(name)
		if w == nil { // a tensor of a recipe
			continue
		}
		for _, attr := range []string{"from", "axis", "mul", "transpose", "rows"} {
			w.Attrs.Del(attr)
		}
		w.Attrs.Set("from", []string{"@" + name}) // no tensor of a file is called so
	}
	return m
}

// Tensor implements weights.Source.
func (s inlineWeights) Tensor(name string) ([]int, []float32, error) {
	if _, ok := s.given[strings.TrimPrefix(name, "@")]; ok {
		return s.given.Tensor(strings.TrimPrefix(name, "@"))
	}
	if s.rest == nil {
		return nil, nil, fmt.Errorf("no tensor %q: -weights FILE gives it, or -model names the model whose weights are meant, or give the weight in the input under its name with @", name)
	}
	return s.rest.Tensor(name)
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
