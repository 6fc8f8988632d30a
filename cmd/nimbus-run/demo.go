package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"nimbus/frontend/bundle"
	"nimbus/runtime"
	"nimbus/runtime/transport"
	"nimbus/runtime/transport/tls"
)

// demoModel is the embedded model that demo and bench run unless told
// otherwise.
const demoModel = "nimbus-sst2-tiny"

// demoText is what demo asks about unless told otherwise.
const demoText = "a gripping, moving film"

var demoCommand = &command{
	Name:  "demo",
	Args:  "[\"text\"] [-json]",
	Short: "run both parties on this machine with an embedded model",
	Long: `
Starts a server as a process of its own, connects to it over mutual TLS on loopback,
does the one-time setup, runs the inference and prints the answer, the same answer
computed in the clear, what it took, and what each party learned. The setup is kept
and reused by the next demo.`,
	Setup: func(fs *flag.FlagSet) func(context.Context, []string) error {
		o := demoOptions{}
		fs.StringVar(&o.dir, "state", "", "folder `DIR` for both parties' state (default demo in NIMBUS_HOME)")
		fs.StringVar(&o.model, "model", demoModel, "embedded model `NAME`")
		fs.BoolVar(&o.truncate, "truncate", false, "cut a text that is too long")
		fs.BoolVar(&o.json, "json", false, "print one line of JSON")
		return func(ctx context.Context, args []string) error { return demo(ctx, o, args) }
	},
}

type demoOptions struct {
	dir, model     string
	truncate, json bool
}

// demoResult is what demo -json prints.
type demoResult struct {
	Text        string         `json:"text"`
	Model       string         `json:"model"`
	Tokens      int            `json:"tokens"`
	Length      int            `json:"length"`
	Private     *bundle.Answer `json:"private"`
	Clear       *bundle.Answer `json:"clear"`
	SetupReused bool           `json:"setup_reused"`
	Setup       runtime.Phase  `json:"setup"`
	Offline     runtime.Phase  `json:"offline"`
	Online      runtime.Phase  `json:"online"`
	Wall        float64        `json:"wall_seconds"`
}

func demo(ctx context.Context, o demoOptions, args []string) error {
	text := demoText
	switch len(args) {
	case 0:
	case 1:
		text = args[0]
	default:
		return usagef("%d texts given, expected one in quotes", len(args))
	}
	dir, err := stateDir(o.dir, "demo")
	if err != nil {
		return err
	}
	plan, tokens, err := choosePlan(o.model, text, o.truncate)
	if err != nil {
		return err
	}
	say := func(format string, args ...any) {
		if !o.json {
			fmt.Printf(format, args...)
		}
	}
	server, client, serverID, clientID, err := parties(dir)
	if err != nil {
		return err
	}
	say("text      %q, %d tokens, plan for %d\n", text, tokens, plan.prog.Seq)
	srv, err := startServer(ctx, plan.name, "-weights", o.model, "-listen", "127.0.0.1:0",
		"-trust", clientID.Fingerprint().String(), "-state", server)
	if err != nil {
		return err
	}
	defer srv.stop()
	say("server    process %d, TLS on %s\n", srv.cmd.Process.Pid, srv.addr)

	co := clientOptions{state: client, timeout: transport.DefaultTimeout}
	co.trust.list = []tls.Fingerprint{serverID.Fingerprint()}
	var progress func(runtime.Progress)
	if !o.json {
		progress = newBar(os.Stderr).update
	}
	all, err := setup(ctx, co, srv.addr, progress)
	if err != nil {
		return srv.explain(err)
	}
	res := all[0]
	if res.reused {
		say("setup     reused from an earlier demo (%s)\n", dir)
	} else {
		say("setup     %.2f s, %s; kept in %s\n", res.phase.Seconds, bothWays(res.phase), dir)
	}

	start := time.Now()
	job, err := newJob(res.in, plan.prog, []question{{text: text}}, o.truncate)
	if err != nil {
		return err
	}
	defer job.close()
	out := demoResult{Text: text, Model: o.model, Tokens: tokens, Length: plan.prog.Seq, SetupReused: res.reused, Setup: res.phase}
	err = job.run(ctx, &route{addr: srv.addr, id: clientID, server: serverID.Fingerprint(), timeout: co.timeout}, func(_ int, a *bundle.Answer, rep *runtime.Report) error {
		out.Private, out.Offline, out.Online, out.Wall = a, rep.Offline, rep.Online, time.Since(start).Seconds()
		return nil
	})
	if err != nil {
		return srv.explain(err)
	}
	if err := srv.stop(); err != nil {
		return fmt.Errorf("server: %w", err)
	}
	if out.Clear, err = clearAnswer(o.model, text, plan.prog.Seq, o.truncate); err != nil {
		return fmt.Errorf("clear-text model: %w", err)
	}
	if o.json {
		return json.NewEncoder(os.Stdout).Encode(out)
	}
	printDemo(&out)
	return nil
}

func printDemo(r *demoResult) {
	fmt.Printf("\nprivate   %s\nclear     %s\n\n", r.Private, r.Clear)
	fmt.Printf("time      %.2f s from text to answer: connect and prepare %.2f s, online %.2f s\n",
		r.Wall, r.Wall-r.Online.Seconds, r.Online.Seconds)
	fmt.Printf("online    %s\n", bothWays(r.Online))
	fmt.Printf("offline   %s, before the text is needed\n", bothWays(r.Offline))
	fmt.Printf("rounds    %g online, %g offline\n\n", r.Online.Rounds, r.Offline.Rounds)
	fmt.Printf(`what each party learned
  client    the answer, and the plan: the model's shape and public constants. Not the weights
  server    that someone it trusts asked, when, and for a plan of %d tokens. Not the text,
            not its length, not the answer
(the clear line was computed in this process, for comparison only)
`, r.Length)
}

// choosePlan finds the model's smallest embedded plan that the text fits.
func choosePlan(model, text string, truncate bool) (plan embeddedPlan, tokens int, err error) {
	plans, err := embeddedPlans(model)
	if err != nil {
		return plan, 0, err
	}
	b, err := bundle.Open(model)
	if err != nil {
		return plan, 0, err
	}
	defer b.Close()
	err = fmt.Errorf("no plan is embedded for %s", model)
	for i, p := range plans { // shortest first
		r, rerr := b.Reader(p.prog.Module)
		if rerr != nil {
			return plan, 0, rerr
		}
		var in *bundle.Input
		if in, err = r.Text(text, truncate && i == len(plans)-1); err == nil {
			return p, in.Tokens, nil
		}
	}
	return plan, 0, err
}

// tempDir makes a folder that cleanup removes.
func tempDir() (dir string, cleanup func(), err error) {
	dir, err = os.MkdirTemp("", "nimbus-")
	return dir, func() { os.RemoveAll(dir) }, err
}

var errNoReport = errors.New("the server wrote no report")

// serverReport reads the last report that serve -report wrote.
func serverReport(dir string) (*runtime.Report, error) {
	f, err := os.Open(filepath.Join(dir, "report.json"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var last *runtime.Report
	for dec := json.NewDecoder(f); ; {
		var r runtime.Report
		if err := dec.Decode(&r); err != nil {
			break
		}
		last = &r
	}
	if last == nil {
		return nil, errNoReport
	}
	return last, nil
}
