package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strings"
	"time"

	"nimbus/runtime"
	"nimbus/runtime/transport"
	"nimbus/runtime/transport/tls"
)

var benchCommand = &command{
	name:  "bench",
	args:  "[-model NAME] [-tokens N] [-runs N] [-json]",
	short: "measure setup and inference, both parties on this machine",
	long: `
Runs both parties as two processes on loopback, with a fresh setup, and prints time,
bytes, rounds and peak memory. The best of the runs counts for times.`,
	flags: func(fs *flag.FlagSet) func(context.Context, []string) error {
		o := benchOptions{}
		fs.StringVar(&o.model, "model", demoModel, "embedded model `NAME`")
		fs.IntVar(&o.tokens, "tokens", 32, "use the smallest plan for at least `N` tokens")
		fs.IntVar(&o.runs, "runs", 3, "run the inference `N` times, each over a connection of its own")
		fs.BoolVar(&o.json, "json", false, "print one line of JSON")
		fs.BoolVar(&o.ops, "ops", false, "print a table of the ops too")
		return func(ctx context.Context, args []string) error {
			if len(args) > 0 {
				return usagef("unexpected argument %q", args[0])
			}
			return bench(ctx, o)
		}
	},
}

type benchOptions struct {
	model        string
	tokens, runs int
	json, ops    bool
}

// benchResult is what bench -json prints.
type benchResult struct {
	Model   string        `json:"model"`
	Length  int           `json:"length"`
	CPUs    int           `json:"cpus"`
	GOARCH  string        `json:"goarch"`
	Setup   runtime.Phase `json:"setup"`
	Offline runtime.Phase `json:"offline"`
	Online  runtime.Phase `json:"online"`
	// Wall is from the start of the inference, before the connection is made,
	// to the answer: the smallest of the runs.
	Wall      float64           `json:"wall_seconds"`
	Walls     []float64         `json:"wall_seconds_each"`
	ClientRSS int64             `json:"client_peak_rss_bytes"`
	ServerRSS int64             `json:"server_peak_rss_bytes"`
	Ops       []runtime.OpCount `json:"ops"`
}

func bench(ctx context.Context, o benchOptions) error {
	if o.runs < 1 {
		return usagef("%d runs, expected at least one", o.runs)
	}
	names, err := embeddedPlans(o.model)
	if err != nil {
		return err
	}
	var prog *runtime.Program
	var plan string
	for _, n := range names {
		if prog, err = loadPlan(n); err != nil {
			return err
		}
		if plan = n; prog.Seq >= o.tokens {
			break
		}
	}
	if prog == nil || prog.Seq < o.tokens {
		return fmt.Errorf("no embedded plan of %s takes %d tokens", o.model, o.tokens)
	}
	dir, cleanup, err := tempDir()
	if err != nil {
		return err
	}
	defer cleanup()
	server, client, serverID, clientID, err := parties(dir)
	if err != nil {
		return err
	}
	report := filepath.Join(dir, "report.json")
	srv, err := startServer(ctx, plan, "-weights", o.model, "-listen", "127.0.0.1:0",
		"-trust", clientID.Fingerprint().String(), "-state", server, "-report", report)
	if err != nil {
		return err
	}
	defer srv.stop()
	co := clientOptions{state: client, timeout: transport.DefaultTimeout}
	co.trust.list = []tls.Fingerprint{serverID.Fingerprint()}
	res, err := setup(ctx, co, srv.addr, nil)
	if err != nil {
		return srv.explain(err)
	}
	out := benchResult{Model: o.model, Length: prog.Seq, CPUs: goruntime.NumCPU(), GOARCH: goruntime.GOARCH, Setup: res.phase}
	for range o.runs {
		start := time.Now()
		job, err := newJob(res.in, []string{demoText}, false)
		if err != nil {
			return err
		}
		err = job.run(ctx, srv.addr, clientID, serverID.Fingerprint(), co.timeout, func(_ int, _ *answer, rep *runtime.Report) error {
			wall := time.Since(start).Seconds()
			if len(out.Walls) == 0 || wall < out.Wall {
				out.Wall, out.Offline, out.Online, out.Ops = wall, rep.Offline, rep.Online, rep.ByOp()
			}
			out.Walls = append(out.Walls, wall)
			return nil
		})
		job.close()
		if err != nil {
			return srv.explain(err)
		}
	}
	out.ClientRSS = runtime.PeakRSS()
	if err := srv.stop(); err != nil {
		return fmt.Errorf("server: %w", err)
	}
	last, err := serverReport(dir)
	if err != nil {
		return errors.Join(errNoReport, err)
	}
	out.ServerRSS = last.PeakRSS
	if o.json {
		return json.NewEncoder(os.Stdout).Encode(out)
	}
	printBench(&out, o.ops)
	return nil
}

func printBench(r *benchResult, ops bool) {
	fmt.Printf("model     %s, %d tokens; %d CPUs, %s\n", r.Model, r.Length, r.CPUs, r.GOARCH)
	fmt.Printf("setup     %.2f s, %s\n", r.Setup.Seconds, runtime.FormatBytes(r.Setup.Bytes()))
	fmt.Printf("offline   %.2f s, %s, %g rounds\n", r.Offline.Seconds, runtime.FormatBytes(r.Offline.Bytes()), r.Offline.Rounds)
	fmt.Printf("online    %.2f s, %s, %g rounds\n", r.Online.Seconds, runtime.FormatBytes(r.Online.Bytes()), r.Online.Rounds)
	fmt.Printf("all in    %.2f s from start to answer, %s\n", r.Wall, runtime.FormatBytes(r.Offline.Bytes()+r.Online.Bytes()))
	fmt.Printf("memory    client %s, server %s at most\n", runtime.FormatBytes(r.ClientRSS), runtime.FormatBytes(r.ServerRSS))
	if !ops {
		return
	}
	slices.SortFunc(r.Ops, func(a, b runtime.OpCount) int {
		if a.Seconds > b.Seconds {
			return -1
		}
		return 1
	})
	fmt.Printf("\n%-16s %9s %12s %12s %7s\n%s\n", "op", "seconds", "sent", "received", "rounds", strings.Repeat("-", 60))
	for _, c := range r.Ops {
		fmt.Printf("%-16s %9.3f %12s %12s %7g\n", c.Name, c.Seconds, runtime.FormatBytes(c.BytesSent), runtime.FormatBytes(c.BytesReceived), c.Rounds)
	}
}
