package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"sync"
	"time"

	"nimbus/backend/cost"
	"nimbus/frontend/bundle"
	"nimbus/ir"
	"nimbus/runtime"
	"nimbus/runtime/transport"
)

var serveCommand = &command{
	name:  "serve",
	args:  "PLAN -weights MODEL|FILE -trust FINGERPRINT[,…] [-input FILE] [-listen ADDR] [-state DIR]",
	short: "offer a model or a program to clients, as its owner",
	long: `
PLAN is a file that nimbusc compile made, or the name of an embedded plan such as
nimbus-sst2-tiny/s32.plan. MODEL is a Hugging Face folder or the name of an embedded
model. For the plan of a program, -weights names a file .safetensors or .json, or
NAME=FILE.npy for each weight, and -input gives the server's own inputs as infer's
does; what a run reveals to the server is printed on standard output. Each client gets a key and encrypted weights of its own, made at its first
setup and kept in the state folder. The first line on standard output says where
the server listens; events go to standard error. An interrupt ends it after the
sessions that are running.`,
	flags: func(fs *flag.FlagSet) func(context.Context, []string) error {
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
	if len(args) != 1 {
		return usagef("%d arguments, expected one, the plan", len(args))
	}
	prog, err := loadPlan(args[0])
	switch {
	case err != nil:
		return err
	case len(o.weights) == 0 && len(prog.Module.Weights) > 0:
		return usagef("no -weights given")
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
	inputs, err := serverInputs(prog, o.inputs)
	if err != nil {
		return err
	}
	l, err := listen(o.listen)
	if err != nil {
		return err
	}
	defer l.Close()
	weights, files, err := loadWeights(o.weights, o.coefs, prog, o.set)
	if err != nil {
		return err
	}
	record, closeReport, err := recorder(o.report, prog)
	if err != nil {
		return err
	}
	defer closeReport()
	logger := log.New(os.Stderr, "", log.LstdFlags)
	sv := &runtime.Server{
		Program: prog, Weights: weights, Bundle: files, Inputs: inputs, Dir: dir,
		MaxSessions: o.sessions, MaxKept: o.prepared * 1e6, Log: logger.Printf, Done: record,
	}
	if len(prog.OpensTo(ir.Server)) > 0 {
		sv.Results = printer(os.Stdout, prog, o.json)
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
	logger.Printf("serving plan %s, %d clients trusted", prog.Digest.Short(), len(o.trust.list))
	if err := sv.Serve(ctx, l, authenticator(ctx, id, o.trust.list, o.timeout, o.link), grace); err != nil {
		return err
	}
	logger.Print("stopped")
	return nil
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
func recorder(name string, prog *runtime.Program) (record func(*runtime.Report), done func() error, err error) {
	if name == "" {
		return nil, func() error { return nil }, nil
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, nil, err
	}
	var mu sync.Mutex
	enc := json.NewEncoder(f)
	return func(r *runtime.Report) {
		mu.Lock()
		defer mu.Unlock()
		if err := predict(prog, []*runtime.Report{r}, cost.DefaultProfile(), cost.Link{}); err == nil {
			enc.Encode(r)
		}
	}, f.Close, nil
}
