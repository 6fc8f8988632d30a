package main

import (
	"flag"
	"fmt"
	"maps"
	goruntime "runtime"
	"slices"
	"sync"

	"nimbus/frontend/bundle"
	"nimbus/ir"
	"nimbus/ir/eval"
)

var accuracyCommand = &command{
	Name:  "accuracy",
	Args:  "[-limit N] [-truncate] [-count-escapes] [-json] MODEL [-plan PLAN]|PLAN -model MODEL -data FILE",
	Short: "how well a model and its plan's fixed-point twin do on labelled text",
	Long: `
FILE has a text, or two, and a label per line, with tabs between them, or commas if its name ends in
.csv. A label is a number from 0 or one of the model's own names. A model that gives an embedding or
one number takes scores: an embedding is compared between the two texts of a line, by the cosine. A
model that labels words takes a word and its label per line, and an empty line between texts.

With -count-escapes every step is checked, which takes longer: of a plan whose ranges are proved no
value can leave them, of a calibrated one those that do wrap.

Without a plan the model is compiled first, as "nimbusc compile" would with the same flags.`,
	Setup: func(fs *flag.FlagSet) func(*console, []string) error {
		var o accuracyOptions
		fs.StringVar(&o.plan, "plan", "", "a `PLAN` of the model")
		fs.StringVar(&o.model, "model", "", "the `MODEL` of a PLAN")
		fs.StringVar(&o.data, "data", "", "labelled text, a `FILE`")
		fs.IntVar(&o.limit, "limit", 0, "use the first `N` examples (default all)")
		fs.BoolVar(&o.truncate, "truncate", false, "cut texts that are too long")
		fs.BoolVar(&o.escapes, "count-escapes", false, "count per op the values that left what the plan's widths rest on")
		fs.BoolVar(&o.json, "json", false, "print JSON")
		o.compile.flags(fs)
		o.compile.model.coefficients(fs)
		return func(c *console, args []string) error {
			if len(args) != 1 {
				return usagef("wants one model or plan, got %d", len(args))
			}
			if o.data == "" {
				return usagef("-data FILE is missing")
			}
			if o.limit < 0 {
				return usagef("-limit is a number of examples, got %d", o.limit)
			}
			if err := o.compile.check(); err != nil {
				return err
			}
			name := args[0]
			if isModuleFile(name) {
				if o.plan != "" || o.model == "" {
					return usagef("%s is a plan, which -model MODEL gives weights", name)
				}
				name, o.plan = o.model, name
			} else if o.model != "" {
				return usagef("-model is for a PLAN, and %s is a model", name)
			}
			return o.run(c, name)
		}
	},
}

type accuracyOptions struct {
	plan, model, data string
	limit             int
	truncate, json    bool
	escapes           bool
	compile           compileFlags
}

// A task is what a model's result means, how it is labelled and judged.
type task struct {
	name    string
	format  string // of its labelled text
	texts   [2]int // fewest and most texts of an example
	words   bool   // an example is words with a label each
	classes bool   // predictions are classes
	target  func(label string, labels []string) (float64, error)
	metrics []metric
}

const (
	tableFormat = "a line is a text, a tab and a label, with a tab and a second text between them for pairs; a .csv file has commas"
	scoreFormat = "a line is two texts and a score with tabs between them; a .csv file has commas"
	wordsFormat = "a line is a word, a blank and its label; an empty line ends a text"
)

var (
	classTask      = &task{"classification", tableFormat, [2]int{1, 2}, false, true, classOf, []metric{byAccuracy, byMatthews}}
	binaryTask     = &task{"classification", tableFormat, [2]int{1, 2}, false, true, classOf, []metric{byAccuracy, byF1, byMatthews}}
	scoreTask      = &task{"score", tableFormat, [2]int{1, 2}, false, false, scoreOf, []metric{byPearson, bySpearman}}
	similarityTask = &task{"similarity", scoreFormat, [2]int{2, 2}, false, false, scoreOf, []metric{byPearson, bySpearman}}
	wordsTask      = &task{"words", wordsFormat, [2]int{}, true, true, classOf, []metric{byAccuracy, byF1}}
)

// columns says what stands on a line.
func (t *task) columns() string {
	what := "a label"
	if !t.classes {
		what = "a score"
	}
	if t.texts[0] == 2 {
		return "two texts and " + what
	}
	return "a text and " + what + ", or two texts and " + what
}

// task is the one that m's result is made for.
func (m *model) task() (*task, error) {
	n, labels := m.module.Func("main").Results[0].NumElems(), len(m.labels)
	switch {
	case labels == 0 && m.module.Attrs.Ident("family", "") == "sentence":
		return similarityTask, nil
	case labels == 1 && n == 1:
		return scoreTask, nil
	case labels == 2 && n == 2:
		return binaryTask, nil
	case labels > 0 && n == labels:
		return classTask, nil
	case labels > 0 && n == m.seq*labels:
		return wordsTask, nil
	}
	return nil, fmt.Errorf("%s: the model gives neither classes nor an embedding: there is no label to compare its result with", m.name)
}

// accuracyResult is what accuracy -json prints.
type accuracyResult struct {
	Model      string             `json:"model"`
	Task       string             `json:"task"`
	Examples   int                `json:"examples"`
	Length     int                `json:"length"`
	Float      map[string]float64 `json:"float"` // by name of the metric
	Fixed      map[string]float64 `json:"fixed"`
	Difference map[string]float64 `json:"difference"`          // fixed minus float
	Differ     *int               `json:"differ,omitempty"`    // predictions that are another class
	Escapes    []escape           `json:"escapes,omitempty"`   // with -count-escapes: ops that values left
	Deviation  *float64           `json:"deviation,omitempty"` // the largest difference of two predictions that are numbers
}

func (o *accuracyOptions) run(c *console, name string) error {
	var p *ir.Module
	var err error
	if o.plan != "" {
		if p, err = readPlan(c, o.plan); err != nil {
			return err
		}
	}
	var left escapes
	var watch exceeded
	if o.escapes {
		watch = left.note
	}
	m, twin, err := openWithPlan(name, o.compile.model, p, watch)
	if err != nil {
		return err
	}
	defer m.close()
	t, err := m.task()
	if err != nil {
		return err
	}
	examples, err := readLabelled(c, o.data, t, m.labels, o.limit)
	if err != nil {
		return err
	}
	for _, e := range examples { // before the work, not after it
		if _, err := m.examine(t, e, o.truncate); err != nil {
			return fmt.Errorf("%s: %w", e.place, err)
		}
	}
	if twin == nil {
		if p, err = o.compile.compile(c, m); err != nil {
			return err
		}
		if twin, err = m.twin(p, watch); err != nil {
			return err
		}
	}
	float, err := eval.New(m.module, m.source, eval.Options{})
	if err != nil {
		return err
	}
	outcomes, err := predict(c, m, t, []*eval.Program{float, twin}, examples, o.truncate)
	if err != nil {
		return err
	}
	res := judge(m, t, examples, outcomes)
	runs := len(examples) * max(t.texts[0], 1) // a pair that is compared is two
	if o.escapes {
		res.Escapes = left.list(p, runs)
	}
	if o.json {
		return printJSON(c.out, res)
	}
	res.print(c, t, o.data)
	if o.escapes {
		printEscapes(c, p, res.Escapes, runs)
	}
	return nil
}

func (r *accuracyResult) print(c *console, t *task, data string) {
	fmt.Fprintf(c.out, "%s, %d examples of %s, %d tokens\n", r.Model, r.Examples, data, r.Length)
	fmt.Fprintf(c.out, "%-10s %11s %12s  %s\n", "", "float", "fixed point", "difference")
	for _, m := range t.metrics {
		format, scale := "%-10s %11.4f %12.4f  %+.4f\n", 1.0
		if m.percent {
			format, scale = "%-10s %9.2f %% %10.2f %%  %+.2f points\n", 100
		}
		fmt.Fprintf(c.out, format, m.name, scale*r.Float[m.name], scale*r.Fixed[m.name], scale*r.Difference[m.name])
	}
	if t.classes {
		fmt.Fprintf(c.out, "%d predictions are another class\n", *r.Differ)
	} else {
		fmt.Fprintf(c.out, "predictions differ by at most %.4g\n", *r.Deviation)
	}
}

// outcome is what float and fixed point predict of one example, and what is wanted.
type outcome struct {
	got  [2][]float64
	want []float64
	err  error
}

// predict runs the programs on every example, on as many cores as there are.
func predict(c *console, m *model, t *task, programs []*eval.Program, examples []example, truncate bool) ([]outcome, error) {
	outcomes := make([]outcome, len(examples))
	work := make(chan int)
	var wg sync.WaitGroup
	progress := newProgress(c.err, len(examples))
	for range goruntime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range work {
				outcomes[i] = m.predict(t, programs, examples[i], truncate)
				progress.step()
			}
		})
	}
	for i := range examples {
		work <- i
	}
	close(work)
	wg.Wait()
	progress.end()
	for i, o := range outcomes {
		if o.err != nil {
			return nil, fmt.Errorf("%s: %w", examples[i].place, o.err)
		}
	}
	return outcomes, nil
}

// examined is an example as inputs: one, or two that are compared.
type examined struct {
	in    []map[string]eval.Value
	first []int     // of words: the token of each that is asked for
	want  []float64 // words of a text that was cut are left out
}

// examine turns an example into inputs of m.
func (m *model) examine(t *task, e example, truncate bool) (x examined, err error) {
	x.want = e.want
	add := func(in *bundle.Input, err error) error {
		if err == nil {
			x.in = append(x.in, in.Values)
		}
		return err
	}
	switch {
	case t.words:
		in, first, err := m.reader.Words(e.texts, truncate)
		x.want = nil
		for i, token := range first {
			if token >= 0 {
				x.first, x.want = append(x.first, token), append(x.want, e.want[i])
			}
		}
		err = add(in, err)
		return x, err
	case t != similarityTask && len(e.texts) == 2:
		err = add(m.reader.Pair(e.texts[0], e.texts[1], truncate))
		return x, err
	}
	for _, text := range e.texts {
		if err := add(m.reader.Text(text, truncate)); err != nil {
			return x, err
		}
	}
	return x, nil
}

// predict runs the programs on one example.
func (m *model) predict(t *task, programs []*eval.Program, e example, truncate bool) outcome {
	x, err := m.examine(t, e, truncate)
	if err != nil {
		return outcome{err: err}
	}
	o := outcome{want: x.want}
	for k, p := range programs {
		var results [][]float64
		for _, in := range x.in {
			out, err := p.Run("main", in)
			if err != nil {
				return outcome{err: err}
			}
			results = append(results, out[0].Reals())
		}
		o.got[k] = t.read(results, x.first, len(m.labels))
	}
	return o
}

// read makes predictions of a model's results, of which there are two where two
// embeddings are compared. first are the tokens that are asked for.
func (t *task) read(results [][]float64, first []int, labels int) []float64 {
	x := results[0]
	switch {
	case t.words:
		var out []float64
		for _, token := range first {
			out = append(out, float64(largest(x[token*labels:(token+1)*labels])))
		}
		return out
	case t.classes:
		return []float64{float64(largest(x))}
	case len(results) == 2:
		return []float64{cosine(x, results[1])}
	}
	return x
}

func largest(x []float64) int { return slices.Index(x, slices.Max(x)) }

// judge compares all predictions.
func judge(m *model, t *task, examples []example, outcomes []outcome) *accuracyResult {
	res := &accuracyResult{Model: m.name, Task: t.name, Examples: len(examples), Length: m.seq}
	var got [2][]float64
	var want []float64
	for _, o := range outcomes {
		want = append(want, o.want...)
		for k := range got {
			got[k] = append(got[k], o.got[k]...)
		}
	}
	by := func(got []float64) map[string]float64 {
		out := map[string]float64{}
		for _, m2 := range t.metrics {
			out[m2.name] = m2.of(got, want, m.labels)
		}
		return out
	}
	res.Float, res.Fixed = by(got[0]), by(got[1])
	res.Difference = maps.Clone(res.Fixed)
	for name := range res.Difference {
		res.Difference[name] -= res.Float[name]
	}
	differ, deviation := 0, 0.0
	for i := range want {
		if d := got[1][i] - got[0][i]; d != 0 {
			differ, deviation = differ+1, max(deviation, d, -d)
		}
	}
	if t.classes {
		res.Differ = &differ
	} else {
		res.Deviation = &deviation
	}
	return res
}
