package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"nimbus/frontend/bundle"
	"nimbus/runtime"
	"nimbus/runtime/transport/tls"
)

var inferCommand = &command{
	name:  "infer",
	args:  "ADDR \"text\" | ADDR -file FILE [-truncate] [-json] [-report FILE] [-trace FILE]",
	short: "ask a server's model about a text, which it will not see",
	long: `
Needs a setup with the same server. A text longer than the plan was compiled for is
an error unless -truncate cuts it. -file runs one text a line over one connection.`,
	flags: func(fs *flag.FlagSet) func(context.Context, []string) error {
		o := inferOptions{}
		o.client.register(fs)
		fs.StringVar(&o.file, "file", "", "read texts from `FILE`, one a line (\"-\" is standard input)")
		fs.BoolVar(&o.truncate, "truncate", false, "cut texts that are too long")
		fs.BoolVar(&o.json, "json", false, "print a line of JSON for each text")
		fs.StringVar(&o.report, "report", "", "write the account of every op to `FILE` as JSON, measured and as the plan predicts it")
		fs.StringVar(&o.trace, "trace", "", "write a trace to `FILE` for chrome://tracing or Perfetto")
		return func(ctx context.Context, args []string) error { return infer(ctx, o, args) }
	},
}

type inferOptions struct {
	client              clientOptions
	file, report, trace string
	truncate, json      bool
}

func infer(ctx context.Context, o inferOptions, args []string) error {
	if len(args) == 0 {
		return usagef("no server address given")
	}
	texts := args[1:]
	switch {
	case o.file != "" && len(texts) > 0:
		return usagef("both a text and -file given")
	case o.file == "" && len(texts) != 1:
		return usagef("%d texts given, expected one (in quotes) or -file", len(texts))
	}
	if o.file != "" {
		var err error
		if texts, err = readLines(o.file); err != nil {
			return err
		}
	}
	st, id, server, err := o.client.open(args[0])
	if err != nil {
		return err
	}
	in, err := st.Current(runtime.Digest(server))
	if err != nil {
		return err
	}
	job, err := newJob(in, texts, o.truncate)
	if err != nil {
		return err
	}
	defer job.close()
	var reports []*runtime.Report
	err = job.run(ctx, args[0], id, server, o.client.timeout, func(i int, a *bundle.Answer, rep *runtime.Report) error {
		reports = append(reports, rep)
		if o.json {
			return json.NewEncoder(os.Stdout).Encode(jsonResult(i, job.tokens[i], a, rep))
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
	if err := predict(job.reader.prog, reports); err != nil {
		return err
	}
	return writeReports(o.report, o.trace, reports)
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

// A job is a number of texts made ready for one session: everything that can
// be wrong with them is found before the server hears of it.
type job struct {
	reader *reader
	stock  *runtime.Stock
	inputs []map[string][]uint64
	tokens []int
}

func newJob(in *runtime.Installed, texts []string, truncate bool) (*job, error) {
	text, err := in.PlanText()
	if err != nil {
		return nil, err
	}
	prog, err := parsePlan("plan", text)
	if err != nil {
		return nil, err
	}
	bundle, err := in.Bundle()
	if err != nil {
		return nil, err
	}
	r, err := newReader(prog, bundle)
	if err != nil {
		return nil, err
	}
	j := &job{reader: r}
	for i, t := range texts {
		inputs, n, err := r.inputs(t, truncate)
		if err != nil {
			if len(texts) > 1 {
				err = fmt.Errorf("text %d: %w", i+1, err)
			}
			return nil, err
		}
		j.inputs, j.tokens = append(j.inputs, inputs), append(j.tokens, n)
	}
	if j.stock, err = in.Open(prog); err != nil {
		return nil, err
	}
	return j, nil
}

func (j *job) close() { j.stock.Close() }

// run opens a session and hands each answer to each.
func (j *job) run(ctx context.Context, addr string, id *tls.Identity, server tls.Fingerprint, timeout time.Duration, each func(i int, a *bundle.Answer, rep *runtime.Report) error) error {
	conn, err := dial(ctx, addr, id, server, timeout)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	interrupted := func(err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return err
	}
	s, err := runtime.Connect(conn, runtime.Config{Program: j.reader.prog, Stock: j.stock, Binding: conn.Binding})
	if err != nil {
		return interrupted(err)
	}
	for i, inputs := range j.inputs {
		out, rep, err := s.Run(inputs)
		if err != nil {
			return interrupted(err)
		}
		a, err := j.reader.answer(out)
		if err == nil {
			err = each(i, a, rep)
		}
		if err != nil {
			return errors.Join(err, s.Close())
		}
	}
	return s.Close()
}

// result is one line of infer -json.
type result struct {
	Index  int `json:"index"`
	Tokens int `json:"tokens"`
	*bundle.Answer
	Offline runtime.Phase `json:"offline"`
	Online  runtime.Phase `json:"online"`
}

func jsonResult(i, tokens int, a *bundle.Answer, rep *runtime.Report) result {
	return result{i, tokens, a, rep.Offline, rep.Online}
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
