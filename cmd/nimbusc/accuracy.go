package main

import (
	"flag"
	"fmt"
	goruntime "runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	"nimbus/ir"
	"nimbus/ir/eval"
)

var accuracyCommand = &command{
	name:  "accuracy",
	args:  "[-plan PLAN] [-limit N] [-truncate] [-json] MODEL -data FILE.tsv",
	short: "accuracy of a model and of its plan's fixed-point twin on labelled text",
	long: `
The file has a header line, then a text, a tab and a label per line; a label is a number from 0 or
one of the model's own names. Without -plan the model is compiled first, as "nimbusc compile" would
with the same flags.`,
	setup: func(fs *flag.FlagSet) func(*console, []string) error {
		var o accuracyOptions
		fs.StringVar(&o.plan, "plan", "", "a `PLAN` of the model")
		fs.StringVar(&o.data, "data", "", "labelled text, a `FILE`")
		fs.IntVar(&o.limit, "limit", 0, "use the first `N` texts (default all)")
		fs.BoolVar(&o.truncate, "truncate", false, "cut texts that are too long")
		fs.BoolVar(&o.json, "json", false, "print JSON")
		o.compile.flags(fs)
		return func(c *console, args []string) error {
			if len(args) != 1 {
				return usagef("wants one model, got %d", len(args))
			}
			if o.data == "" {
				return usagef("-data FILE.tsv is missing")
			}
			if o.limit < 0 {
				return usagef("-limit is a number of texts, got %d", o.limit)
			}
			if err := o.compile.check(); err != nil {
				return err
			}
			return o.run(c, args[0])
		}
	},
}

type accuracyOptions struct {
	plan, data     string
	limit          int
	truncate, json bool
	compile        compileFlags
}

// accuracyResult is what accuracy -json prints.
type accuracyResult struct {
	Model      string  `json:"model"`
	Texts      int     `json:"texts"`
	Length     int     `json:"length"`
	Float      tally   `json:"float"`
	Fixed      tally   `json:"fixed"`
	Difference float64 `json:"difference_points"` // fixed minus float
	Disagree   int     `json:"disagree"`          // texts that get different labels
}

type tally struct {
	Correct  int     `json:"correct"`
	Accuracy float64 `json:"accuracy_percent"`
}

func (o *accuracyOptions) run(c *console, name string) error {
	var p *ir.Module
	var err error
	if o.plan != "" {
		if p, err = readPlan(c, o.plan); err != nil {
			return err
		}
	}
	m, twin, err := openWithPlan(name, o.compile.model, p, nil)
	if err != nil {
		return err
	}
	defer m.close()
	examples, err := readLabelled(c, o.data, m.labels, o.limit)
	if err != nil {
		return err
	}
	if twin == nil {
		if p, err = o.compile.compile(c, m); err != nil {
			return err
		}
		if twin, err = m.twin(p, nil); err != nil {
			return err
		}
	}
	float, err := eval.New(m.module, m.source, eval.Options{})
	if err != nil {
		return err
	}
	res, err := measure(m, float, twin, examples, o.truncate)
	if err != nil {
		return err
	}
	if o.json {
		return printJSON(c.out, res)
	}
	fmt.Fprintf(c.out, "%s, %d texts of %s, %d tokens\n", m.name, res.Texts, o.data, res.Length)
	fmt.Fprintf(c.out, "float        %6.2f %%  (%d right)\n", res.Float.Accuracy, res.Float.Correct)
	fmt.Fprintf(c.out, "fixed point  %6.2f %%  (%d right)\n", res.Fixed.Accuracy, res.Fixed.Correct)
	fmt.Fprintf(c.out, "difference   %+6.2f points; %d texts get another label\n", res.Difference, res.Disagree)
	return nil
}

// A labelled text and where it stands.
type labelled struct {
	place string
	text  string
	class int
}

// readLabelled reads at most limit lines (0: all) of text and label.
func readLabelled(c *console, name string, labels []string, limit int) ([]labelled, error) {
	display, text, err := readText(c, name)
	if err != nil {
		return nil, err
	}
	var out []labelled
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimRight(line, "\r\n")
		place := fmt.Sprintf("%s:%d", display, n)
		sentence, label, ok := strings.Cut(line, "\t")
		switch {
		case n == 1:
			if !ok || strings.TrimSpace(label) != "label" {
				return nil, fmt.Errorf("%s: the first line must be a header: sentence, tab, label", place)
			}
			continue
		case strings.TrimSpace(line) == "":
			continue
		case !ok:
			return nil, fmt.Errorf("%s: a text, a tab and a label are expected", place)
		}
		class, err := classOf(strings.TrimSpace(label), labels)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", place, err)
		}
		if out = append(out, labelled{place, sentence, class}); limit > 0 && len(out) == limit {
			break
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s: no labelled text in it", display)
	}
	return out, nil
}

func classOf(label string, labels []string) (int, error) {
	if i := slices.Index(labels, label); i >= 0 {
		return i, nil
	}
	if n, err := strconv.Atoi(label); err == nil && n >= 0 && n < len(labels) {
		return n, nil
	}
	return 0, fmt.Errorf("label %q is neither a number from 0 to %d nor one of %s", label, len(labels)-1, strings.Join(labels, ", "))
}

// measure runs both on every text, on as many cores as there are.
func measure(m *model, float, twin *eval.Program, examples []labelled, truncate bool) (*accuracyResult, error) {
	type outcome struct {
		float, fixed int
		err          error
	}
	outcomes := make([]outcome, len(examples))
	work := make(chan int)
	var wg sync.WaitGroup
	for range goruntime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range work {
				outcomes[i] = func() (o outcome) {
					in, _, err := m.inputs(examples[i].text, truncate)
					if err != nil {
						return outcome{err: err}
					}
					a, err := m.answer(float, in)
					if err != nil {
						return outcome{err: err}
					}
					b, err := m.answer(twin, in)
					if err != nil {
						return outcome{err: err}
					}
					return outcome{a.Class, b.Class, nil}
				}()
			}
		})
	}
	for i := range examples {
		work <- i
	}
	close(work)
	wg.Wait()

	res := &accuracyResult{Model: m.name, Texts: len(examples), Length: m.seq}
	for i, o := range outcomes {
		if o.err != nil {
			return nil, fmt.Errorf("%s: %w", examples[i].place, o.err)
		}
		if o.float == examples[i].class {
			res.Float.Correct++
		}
		if o.fixed == examples[i].class {
			res.Fixed.Correct++
		}
		if o.float != o.fixed {
			res.Disagree++
		}
	}
	percent := 100 / float64(len(examples))
	res.Float.Accuracy = percent * float64(res.Float.Correct)
	res.Fixed.Accuracy = percent * float64(res.Fixed.Correct)
	res.Difference = res.Fixed.Accuracy - res.Float.Accuracy
	return res, nil
}
