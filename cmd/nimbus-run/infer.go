package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"nimbus/backend/cost"
	"nimbus/frontend/bundle"
	"nimbus/ir"
	"nimbus/runtime"
	"nimbus/runtime/vault"
)

var inferCommand = &command{
	Name:  "infer",
	Args:  "ADDR \"text\" | ADDR -input FILE | ADDR -file FILE [-truncate] [-json] [-report FILE] [-trace FILE]",
	Short: "ask a server about a text, an image or numbers, which it will not see",
	Long: `
Needs a setup with the same server. A text longer than the plan was compiled for is
an error unless -truncate cuts it. If the server has plans of several lengths, all
texts run in the smallest one that holds them, which the server sees: it learns that
length, and nothing finer. -plan takes the same one for every text.

A model of images takes -input FILE.png. A program takes numbers: -input gives a
JSON object of lists by the names of the client's parameters (itself or in a file),
NAME=X for one of them, or just a file where there is one. X is a number, a JSON
list, or a file: JSON, NumPy's .npy, plain text. Bits that are blocks of bytes are
written in hexadecimal, a block a line.

-file runs one text, or one -input, a line over one connection.

What nimbus-run prepare has made with the server is used first, and what is left is
in the account.`,
	Setup: func(fs *flag.FlagSet) func(context.Context, []string) error {
		o := inferOptions{}
		o.client.register(fs)
		o.client.planFlag(fs)
		fs.Var(&o.inputs, "input", "the client's input, a `FILE`, NAME=FILE or JSON; may be repeated")
		fs.StringVar(&o.file, "file", "", "read texts or inputs from `FILE`, one a line (\"-\" is standard input)")
		fs.BoolVar(&o.truncate, "truncate", false, "cut texts that are too long")
		fs.BoolVar(&o.json, "json", false, "print a line of JSON for each input")
		fs.StringVar(&o.report, "report", "", "write the account of every op to `FILE` as JSON, measured and as the plan predicts it")
		fs.StringVar(&o.trace, "trace", "", "write a trace to `FILE` for chrome://tracing or Perfetto")
		return func(ctx context.Context, args []string) error { return infer(ctx, o, args) }
	},
}

type inferOptions struct {
	client              clientOptions
	inputs              list
	file, report, trace string
	truncate, json      bool
}

func infer(ctx context.Context, o inferOptions, args []string) error {
	if len(args) == 0 {
		return usagef("no server address given")
	}
	questions, err := o.questions(args[1:])
	if err != nil {
		return err
	}
	st, way, err := o.client.open(args[0])
	if err != nil {
		return err
	}
	plans, err := o.client.plans(st, way.server)
	if err != nil {
		return err
	}
	job, in, err := smallestJob(plans, questions, o.truncate)
	if err != nil {
		return err
	}
	defer job.close()
	if len(plans) > 1 {
		fmt.Fprintf(os.Stderr, "note: plan %s for %d tokens, as the server learns, of %d that it has\n", in.Plan.Short(), job.reader.prog.Seq, len(plans))
	}
	if job.vault, err = st.Prepared(in, job.reader.prog); err != nil {
		return err
	}
	if open := job.reader.prog.OpensTo(ir.Server); len(open) > 0 {
		fmt.Fprintf(os.Stderr, "note: the server learns %s, as setup allowed\n", strings.Join(open, ", "))
	}
	var reports []*runtime.Report
	err = job.run(ctx, way, func(i int, a *bundle.Answer, rep *runtime.Report) error {
		reports = append(reports, rep)
		if o.json {
			return printJSON(os.Stdout, jsonResult(i, job, a, rep))
		}
		if o.file != "" {
			fmt.Printf("%d: %s\n", i+1, a)
			return nil
		}
		fmt.Printf("%s\n", a)
		printAccount(os.Stdout, rep)
		return nil
	})
	if err != nil {
		return err
	}
	if err := predict(job.reader.prog, reports, cost.DefaultProfile(), cost.Link{}); err != nil {
		return err
	}
	return writeReports(o.report, o.trace, reports)
}

// A question is one text, or the arguments of -input.
type question struct {
	kind   questionKind
	text   string   // of asText and asLine
	inputs []string // of asInputs; none for a client that has no input
}

type questionKind uint8

const (
	asText questionKind = iota
	asInputs
	asLine // of -file: a text or an input, as the plan takes
)

// questions are what the command line asks.
func (o *inferOptions) questions(texts []string) ([]question, error) {
	given := 0
	for _, some := range []bool{len(texts) > 0, o.file != "", len(o.inputs) > 0} {
		if some {
			given++
		}
	}
	switch {
	case given > 1 && len(o.inputs) == 0:
		return nil, usagef("both a text and -file given")
	case given > 1:
		return nil, usagef("-input goes neither with a text nor with -file")
	case len(texts) > 1:
		return nil, usagef("%d texts given, expected one (in quotes) or -file", len(texts))
	case len(texts) == 1:
		return []question{{kind: asText, text: texts[0]}}, nil
	case o.file == "":
		return []question{{kind: asInputs, inputs: o.inputs}}, nil
	}
	lines, err := readLines(o.file)
	if err != nil {
		return nil, err
	}
	var out []question
	for _, l := range lines {
		out = append(out, question{kind: asLine, text: l})
	}
	return out, nil
}

// read makes inputs of a question.
func (r *reader) read(q question, truncate bool) (*bundle.Input, error) {
	switch {
	case q.kind == asLine && !r.IsText():
		return r.Values("-file", []string{q.text}, openFile)
	case q.kind != asInputs:
		return r.Text(q.text, truncate)
	case r.IsText() && len(q.inputs) == 0:
		return nil, usagef("0 texts given, expected one (in quotes) or -file")
	case r.IsText():
		return nil, usagef("-input is given, but the model takes a text")
	}
	return r.Values("-input", q.inputs, openFile)
}

// readLines reads one text a line.
func readLines(name string) ([]string, error) {
	f := os.Stdin
	if name != "-" {
		var err error
		if f, err = os.Open(name); err != nil {
			return nil, err
		}
		defer f.Close()
	}
	var texts []string
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		texts = append(texts, sc.Text())
	}
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("%s: line %d: %w", name, len(texts)+1, err)
	}
	if len(texts) == 0 {
		return nil, fmt.Errorf("%s: no text in it", name)
	}
	return texts, nil
}

// A job is a number of inputs made ready for one session: everything that can
// be wrong with them is found before the server hears of it.
type job struct {
	reader *reader
	stock  *runtime.Stock
	vault  *vault.Vault // nil: nothing is kept across sessions
	inputs []*bundle.Input
}

// smallestJob is the job in the first of some plans that takes all questions. Only
// the last may cut them.
func smallestJob(plans []readyPlan, questions []question, truncate bool) (j *job, in *runtime.Installed, err error) {
	for i, p := range plans {
		j, err = newJob(p.in, p.prog, questions, truncate && i == len(plans)-1)
		if err == nil {
			return j, p.in, nil
		}
	}
	return nil, nil, err
}

func newJob(in *runtime.Installed, prog *runtime.Program, questions []question, truncate bool) (*job, error) {
	files, err := in.Bundle()
	if err != nil {
		return nil, err
	}
	r, err := newReader(prog, files)
	if err != nil {
		return nil, err
	}
	j := &job{reader: r}
	for i, q := range questions {
		input, err := r.read(q, truncate)
		if err != nil {
			if len(questions) > 1 {
				err = fmt.Errorf("%s %d: %w", r.kind(), i+1, err)
			}
			return nil, err
		}
		j.inputs = append(j.inputs, input)
	}
	if j.stock, err = in.Open(prog); err != nil {
		return nil, err
	}
	return j, nil
}

// kind is what an input is called.
func (r *reader) kind() string {
	if r.IsText() {
		return "text"
	}
	return "input"
}

func (j *job) close() { j.stock.Close() }

// run opens a session and hands each answer to each.
func (j *job) run(ctx context.Context, way *route, each func(i int, a *bundle.Answer, rep *runtime.Report) error) error {
	return way.session(ctx, j.config(), func(s *runtime.Session) error {
		for i, inputs := range j.inputs {
			out, rep, err := s.Run(rings(inputs.Values))
			if err != nil {
				return err
			}
			a, err := j.reader.answer(inputs, out)
			if err == nil {
				err = each(i, a, rep)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// config is what a session of the job runs with.
func (j *job) config() runtime.Config {
	return runtime.Config{Program: j.reader.prog, Stock: j.stock, Vault: j.vault}
}

// result is one line of infer -json.
type result struct {
	Index  int `json:"index"`
	Tokens int `json:"tokens"`
	Length int `json:"length,omitempty"` // of the plan in tokens, which the server learns
	*bundle.Answer
	Offline  runtime.Phase `json:"offline"`
	Online   runtime.Phase `json:"online"`
	Prepared *runtime.Kept `json:"prepared,omitempty"`
}

func jsonResult(i int, j *job, a *bundle.Answer, rep *runtime.Report) result {
	return result{i, j.inputs[i].Tokens, j.reader.prog.Seq, a, rep.Offline, rep.Online, rep.Prepared}
}

// printJSON prints v on one line.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false) // types have angle brackets
	return enc.Encode(v)
}

func writeReports(report, trace string, reports []*runtime.Report) error {
	write := func(name string, f func(*os.File) error) error {
		if name == "" {
			return nil
		}
		file, err := os.Create(name)
		if err != nil {
			return err
		}
		return errors.Join(f(file), file.Close())
	}
	if err := write(report, func(f *os.File) error { return runtime.WriteReports(f, reports) }); err != nil {
		return err
	}
	return write(trace, func(f *os.File) error { return runtime.WriteTrace(f, reports) })
}
