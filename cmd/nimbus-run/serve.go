package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"slices"
	"sync"
	"time"

	"nimbus/backend/cost"
	"nimbus/frontend/bundle"
	"nimbus/ir"
	"nimbus/runtime"
	"nimbus/runtime/transport"
)

var serveCommand = &command{
	Name:  "serve",
	Args:  "PLAN... -weights MODEL|FILE -trust FINGERPRINT[,…] [-input FILE] [-listen ADDR] [-state DIR]",
	Short: "offer a model or a program to clients, as its owner",
	Long: `
PLAN is a file that nimbusc compile made, or the name of an embedded plan such as
nimbus-sst2-tiny/s32.plan. MODEL is a Hugging Face folder or the name of an embedded
model. Several plans of a model, for texts of different lengths, are offered
together: setup fetches all, and each text runs in the smallest that holds it. For
the plan of a program, -weights names a file .safetensors or .json, or
NAME=FILE.npy for each weight, and -input gives the server's own inputs as infer's
does; what a run reveals to the server is printed on standard output. Each client gets a key and encrypted weights of its own, made at its first
setup and kept in the state folder. The first line on standard output says where
the server listens; events go to standard error. An interrupt ends it after the
sessions that are running.`,
	Setup: func(fs *flag.FlagSet) func(context.Context, []string) error {
		o := serveOptions{}
		fs.Var(&o.weights, "weights", "`MODEL` folder or embedded name, or a file of weights (required if the plan has weights); may be repeated")
		fs.StringVar(&o.coefs, "coefficients", "", "the plan's private coefficients: the `FILE` that nimbusc compile -private-coefficients wrote")
		fs.Var(&o.inputs, "input", "the server's own input, a `FILE` or NAME=FILE; may be repeated")
		fs.BoolVar(&o.json, "json", false, "print what runs reveal to the server as lines of JSON")
		fs.StringVar(&o.listen, "listen", "127.0.0.1:7100", "`ADDR`ess to listen on; port 0 picks a free one")
		fs.Var(&o.trust, "trust", "`FINGERPRINT`s of the clients to serve, separated by commas; @FILE reads them from a file (required)")
		fs.StringVar(&o.state, "state", "", "state folder `DIR` (default server in NIMBUS_HOME)")
		fs.IntVar(&o.sessions, "sessions", 64, "serve at most `N` clients at once")
		fs.Int64Var(&o.prepared, "prepared", 4096, "keep at most `MB` megabytes of what each client prepares for later runs; 0 keeps nothing")
		fs.DurationVar(&o.timeout, "timeout", transport.DefaultTimeout, "give up on a client that is silent for this `DURATION`")
		fs.StringVar(&o.report, "report", "", "write the accounts of all runs to `FILE` as JSON, one line each")
		o.set = settings{}
		fs.Var(o.set, "set", "set a parameter of the model's description, `name=value`; may be repeated")
		fs.Var(&o.link, "link", linkUsage)
		fs.BoolVar(&o.untilEOF, "until-eof", false, "stop when standard input ends")
		return func(ctx context.Context, args []string) error { return serve(ctx, o, args) }
	},
}

type serveOptions struct {
	weights, inputs       list
	coefs                 string
	listen, state, report string
	json                  bool
	trust                 fingerprints
	sessions              int
	prepared              int64 // MB
	timeout               time.Duration
	set                   settings
	link                  cost.Link
	untilEOF              bool
}

// grace is how long running sessions may go on after an interrupt.
const grace = 20 * time.Second

func serve(ctx context.Context, o serveOptions, args []string) error {
	if len(args) == 0 {
		return usagef("0 arguments, expected one or more, the plans")
	}
	var progs []*runtime.Program
	for i, name := range args {
		prog, err := loadPlan(name)
		switch {
		case err != nil:
			return err
		case len(o.weights) == 0 && len(prog.Module.Weights) > 0:
			return usagef("no -weights given")
		}
		if k := slices.IndexFunc(progs, func(p *runtime.Program) bool { return p.Digest == prog.Digest }); k >= 0 {
			return usagef("%s is the same plan as %s", args[i], args[k])
		}
		progs = append(progs, prog)
	}
	switch {
	case len(progs) > maxPlans:
		return usagef("%d plans, clients take at most %d", len(progs), maxPlans)
	case o.coefs != "" && len(progs) > 1:
		return usagef("-coefficients goes with one plan, whose they are, got %d plans", len(progs))
	case o.prepared < 0:
		return usagef("-prepared %d, expected megabytes, or 0 to keep nothing", o.prepared)
	case len(o.trust.list) == 0:
		return usagef("no -trust given: a server needs the fingerprints of its clients")
	}
	dir, err := stateDir(o.state, "server")
	if err != nil {
		return err
	}
	id, err := loadIdentity(dir)
	if err != nil {
		return err
	}
	l, err := listen(o.listen)
	if err != nil {
		return err
	}
	defer l.Close()
	record, closeReport, err := recorder(o.report)
	if err != nil {
		return err
	}
	defer closeReport()
	logger := log.New(os.Stderr, "", log.LstdFlags)
	var sv *runtime.Server
	for _, prog := range slices.Backward(progs) {
		if sv, err = o.server(prog, sv); err != nil {
			return err
		}
		sv.Dir, sv.Log = dir, logger.Printf
		sv.Done = func(r *runtime.Report) { record(prog, r) }
	}
	if o.untilEOF {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		go func() {
			io.Copy(io.Discard, os.Stdin)
			cancel()
		}()
	}
	fmt.Printf("listening on %s fingerprint %s\n", l.Addr(), id.Fingerprint())
	for _, prog := range progs {
		logger.Printf("serving plan %s, %d clients trusted", prog.Digest.Short(), len(o.trust.list))
	}
	if err := sv.Serve(ctx, l, authenticator(ctx, id, o.trust.list, o.timeout, o.link), grace); err != nil {
		return err
	}
	logger.Print("stopped")
	return nil
}

// server makes the server of a plan, with next behind it.
func (o *serveOptions) server(prog *runtime.Program, next *runtime.Server) (*runtime.Server, error) {
	inputs, err := serverInputs(prog, o.inputs)
	if err != nil {
		return nil, err
	}
	weights, files, err := loadWeights(o.weights, o.coefs, prog, o.set, next)
	if err != nil {
		return nil, err
	}
	sv := &runtime.Server{
		Program: prog, Weights: weights, Bundle: files, Inputs: inputs, Next: next,
		MaxSessions: o.sessions, MaxKept: o.prepared * 1e6,
	}
	if len(prog.OpensTo(ir.Server)) > 0 {
		sv.Results = printer(os.Stdout, prog, o.json)
	}
	return sv, nil
}

// serverResult is what a run revealed to the server, as serve -json prints it.
type serverResult struct {
	Client  string          `json:"client"`
	Results []bundle.Result `json:"results"`
}

// printer returns what prints what runs reveal to the server.
func printer(w io.Writer, prog *runtime.Program, asJSON bool) func(client runtime.Digest, out [][]uint64) {
	var mu sync.Mutex
	return func(client runtime.Digest, out [][]uint64) {
		mu.Lock()
		defer mu.Unlock()
		results := bundle.ResultsOf(prog.Main, revealed(prog, out), prog.Module.Attrs.Strs("labels"))
		if asJSON {
			printJSON(w, serverResult{client.String(), results})
			return
		}
		fmt.Fprintf(w, "client %s\n%s\n", client.Short(), &bundle.Answer{Results: results})
	}
}

// recorder returns what to do with each run's report: append it to a file as
// a line of JSON, or nothing.
func recorder(name string) (record func(*runtime.Program, *runtime.Report), done func() error, err error) {
	if name == "" {
		return func(*runtime.Program, *runtime.Report) {}, func() error { return nil }, nil
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, nil, err
	}
	var mu sync.Mutex
	enc := json.NewEncoder(f)
	return func(prog *runtime.Program, r *runtime.Report) {
		mu.Lock()
		defer mu.Unlock()
		if err := predict(prog, []*runtime.Report{r}, cost.DefaultProfile(), cost.Link{}); err == nil {
			enc.Encode(r)
		}
	}, f.Close, nil
}
