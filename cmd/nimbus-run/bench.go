package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"

	"nimbus/backend/cost"
	"nimbus/runtime"
)

var benchCommand = &command{
	Name:  "bench",
	Args:  "[model|block|gemm|ot|cmp|profile] [-profile FILE] [-model NAME] [-layers N] [-tokens N] [-link LINK] [-cores N] [-runs N] [-offline] [-json] [-ops] [-svg FILE]",
	Short: "measure setup and inference, both parties on this machine",
	Long: `
Runs both parties as two processes on loopback, with a fresh setup, and prints time,
bytes, rounds and peak memory. The best of the runs counts for times. Every result
is compared with the plan's fixed-point twin: a wrong one is an error.

  model   a whole model (default): an embedded one with plans, a Hugging Face folder,
          a .model description, or one of bert-base, bert-large, minilm
  block   one encoder layer, between the LayerNorms around it; -layers takes more
  gemm    modular and 64-bit multiply-adds of the linear layers
  ot      correlated OTs made in a second, with each extension
  profile how long each step of a protocol takes on this machine, one core a party:
          what -profile FILE alone does, and writes to FILE for nimbusc
  cmp     comparisons in a second: 11 bits, two cuts, correlations made ahead

Without trained weights the architecture is the true one and the weights are drawn
like trained ones. A plan that is not embedded is compiled first, on random inputs and
for the -link, as nimbusc compile does, and kept in NIMBUS_HOME. -tokens and -layers
may be lists such as 8,16,32: the benchmarks run one after another and make one table,
or one JSON list, and with -svg a picture. -cores holds each party to cores of its own where there are
enough.

With -offline each run finds on the disk what prepare makes. Offline is then what
that took, and loading counts as online.`,
	Setup: func(fs *flag.FlagSet) func(context.Context, []string) error {
		o := benchOptions{what: "model"}
		var layers, tokens sizes
		fs.StringVar(&o.model, "model", "", "model `NAME`, folder or description (default "+demoModel+", of block bert-base)")
		fs.Var(&layers, "layers", "take `N` layers instead of what the model has; or a list")
		fs.Var(&tokens, "tokens", "length of the input (default 32): an embedded model's smallest plan for at least `N` tokens, else exactly N; or a list")
		fs.IntVar(&o.cores, "cores", 0, "hold each party to `N` cores (default: both share all)")
		o.plan.flags(fs)
		fs.IntVar(&o.runs, "runs", 3, "run the inference `N` times, each over a connection of its own")
		fs.BoolVar(&o.json, "json", false, "print one line of JSON")
		fs.BoolVar(&o.ops, "ops", false, "print a table of the ops and one of the parts too")
		fs.StringVar(&o.svg, "svg", "", "with a list: draw seconds and bytes against it, into `FILE`")
		return func(ctx context.Context, args []string) error {
			if len(args) > 1 {
				return usagef("unexpected argument %q", args[1])
			}
			if len(args) == 1 {
				o.what = args[0]
			} else if o.plan.profile != "" {
				o.what = "profile"
			}
			if len(tokens) > 1 || len(layers) > 1 || o.svg != "" {
				return benchList(ctx, fs, o, layers, tokens)
			}
			o.layers, o.tokens = layers.only(0), tokens.only(32)
			return bench(ctx, o)
		}
	},
}

type benchOptions struct {
	what, model                 string
	layers, tokens, cores, runs int // 0 layers: as the model has

	plan      planOptions
	json, ops bool
	svg       string
}

func bench(ctx context.Context, o benchOptions) error {
	switch {
	case o.runs < 1:
		return usagef("%d runs, expected at least one", o.runs)
	case o.cores < 0:
		return usagef("%d cores, expected at least one, or 0 for all", o.cores)
	}
	if err := o.plan.check(); err != nil {
		return err
	}
	switch o.what {
	case "model", "block":
		t, err := findTarget(ctx, o)
		if err != nil {
			return err
		}
		r, err := benchModel(ctx, o, t)
		if err != nil {
			return err
		}
		return print(o, r, func() { printBench(r, o.ops) })
	case "gemm":
		r, err := benchGemm(o)
		if err != nil {
			return err
		}
		return print(o, r, r.print)
	case "profile":
		if o.plan.profile == "" {
			return usagef("%v", errNoProfile)
		}
		r, err := benchProfile(o)
		if err != nil {
			return err
		}
		return print(o, r, func() { r.print(); r.printFit() })
	case "ot", "cmp":
		r, err := benchPair(o)
		if err != nil {
			return err
		}
		return print(o, r, r.print)
	}
	return usagef("nothing called %q can be measured, expected model, block, gemm, ot, cmp or profile", o.what)
}

// print prints a result as JSON or for people.
func print(o benchOptions, result any, people func()) error {
	if o.json {
		return json.NewEncoder(os.Stdout).Encode(result)
	}
	people()
	return nil
}

// benchResult is what bench -json prints of a model or block. Times are the
// client's, of the run that was answered soonest. Pools that are refilled between
// ops, as a large plan's are, count as offline.
type benchResult struct {
	What      string `json:"what"`
	Model     string `json:"model"`
	Synthetic bool   `json:"synthetic_weights"`
	Layers    int    `json:"layers"`
	Length    int    `json:"length"` // tokens
	Link      string `json:"link"`
	Cores     int    `json:"cores"`  // of each party; 0: both share all
	Pinned    bool   `json:"pinned"` // each party has its cores to itself
	CPUs      int    `json:"cpus"`
	GOARCH    string `json:"goarch"`
	Extension string `json:"extension"`
	Plan      string `json:"plan"`     // digest
	Minimise  string `json:"minimise"` // what the plan takes little of: bytes, or over the link online or all
	Private   bool   `json:"private_coefficients"`

	Seconds        float64 `json:"seconds"` // online, with full pools
	OfflineSeconds float64 `json:"offline_seconds"`
	// LoadSeconds is the part of Seconds in which the parties agreed on what a
	// session before had prepared, and read it (-offline).
	LoadSeconds  float64 `json:"load_seconds,omitempty"`
	SetupSeconds float64 `json:"setup_seconds"`
	// Online and offline together; setup apart.
	BytesToServer int64   `json:"bytes_client_to_server"`
	BytesToClient int64   `json:"bytes_server_to_client"`
	SetupBytes    int64   `json:"setup_bytes"`
	Rounds        float64 `json:"rounds"` // online
	ClientRSS     int64   `json:"peak_rss_client"`
	ServerRSS     int64   `json:"peak_rss_server"`
	// CPU is what the parties computed, in seconds of one core: other work on
	// the machine stretches the times above, but hardly these. Zero where the
	// system does not tell.
	ClientCPU        float64 `json:"cpu_seconds_client"` // online, with what is refilled
	ServerCPU        float64 `json:"cpu_seconds_server"`
	ClientOfflineCPU float64 `json:"offline_cpu_seconds_client"`
	ServerOfflineCPU float64 `json:"offline_cpu_seconds_server"`

	// Predicted is what the profile says of a run.
	Predicted cost.Time `json:"predicted"`

	// Difference is the largest one between the protocols' result and the
	// twin's, in units of the last bit; Tolerance is what the plan allows.
	Difference int64 `json:"difference"`
	Tolerance  int   `json:"tolerance"`

	Setup   runtime.Phase `json:"setup"`
	Offline runtime.Phase `json:"offline"`
	Online  runtime.Phase `json:"online"`
	// Wall is from the start of the inference, before the connection is made,
	// to the answer: the smallest of the runs.
	Wall  float64     `json:"wall_seconds"`
	Walls []float64   `json:"wall_seconds_each"`
	Ops   []benchCost `json:"ops"`   // by name of the op
	Parts []benchCost `json:"parts"` // by part of the model, all layers together
}

// benchCost is a sum over ops.
type benchCost struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
	Bytes   int64   `json:"bytes"` // both ways
	Rounds  float64 `json:"rounds"`
	Sent    int64   `json:"bytes_client_to_server"`
	COTs    int64   `json:"cots"`
	// Predicted is what the profile says of Seconds: of both parties, which an
	// op's time at one of them is not.
	Predicted float64 `json:"predicted_seconds"`
}

// sum adds up a run's ops under the names that name gives them, the dearest
// first.
func sum(ops []runtime.OpCount, name func(runtime.OpCount) string) []benchCost {
	var out []benchCost
	for _, c := range ops {
		n := name(c)
		i := slices.IndexFunc(out, func(b benchCost) bool { return b.Name == n })
		if i < 0 {
			i = len(out)
			out = append(out, benchCost{Name: n})
		}
		b := &out[i]
		b.Seconds += c.Seconds
		if c.Predicted != nil {
			b.Predicted += c.Predicted.Seconds
		}
		b.Bytes += c.Bytes()
		b.Rounds += c.Rounds
		b.Sent += c.BytesSent
		b.COTs += c.COTClientSends + c.COTServerSends
	}
	slices.SortStableFunc(out, func(a, b benchCost) int {
		switch {
		case a.Seconds > b.Seconds:
			return -1
		case a.Seconds < b.Seconds:
			return 1
		}
		return 0
	})
	return out
}

func printBench(r *benchResult, ops bool) {
	kind := ""
	if r.Synthetic {
		kind = ", weights drawn like trained ones"
	}
	fmt.Printf("%-9s %s, %d layers, %d tokens%s\n", r.What, r.Model, r.Layers, r.Length, kind)
	fmt.Printf("machine   %d CPUs, %s; %s; link %s\n", r.CPUs, r.GOARCH, coresText(r.Cores, r.Pinned), r.Link)
	fmt.Printf("setup     %.2f s, %s\n", r.Setup.Seconds, runtime.FormatBytes(r.Setup.Bytes()))
	fmt.Printf("offline   %.2f s, %s, %g rounds\n", r.Offline.Seconds, runtime.FormatBytes(r.Offline.Bytes()), r.Offline.Rounds)
	fmt.Printf("online    %.2f s, %s, %g rounds\n", r.Online.Seconds, runtime.FormatBytes(r.Online.Bytes()), r.Online.Rounds)
	if r.LoadSeconds > 0 {
		fmt.Printf("          of which %.2f s to load what was prepared and kept on the disk\n", r.LoadSeconds)
	}
	fmt.Printf("all in    %.2f s from start to answer, %s\n", r.Wall, runtime.FormatBytes(r.Offline.Bytes()+r.Online.Bytes()))
	fmt.Printf("computed  client %.2f s offline, %.2f s online; server %.2f s, %.2f s\n", r.ClientOfflineCPU, r.ClientCPU, r.ServerOfflineCPU, r.ServerCPU)
	fmt.Printf("predicted %.2f s offline, %.2f s online, of which client %.2f s, server %.2f s, link %.2f s\n",
		r.Predicted.Ahead, r.Predicted.Online(), r.Predicted.Client, r.Predicted.Server, r.Predicted.Link)
	fmt.Printf("memory    client %s, server %s at most\n", runtime.FormatBytes(r.ClientRSS), runtime.FormatBytes(r.ServerRSS))
	fmt.Printf("result    as the fixed-point twin's within %d units of the last bit, %d allowed\n", r.Difference, r.Tolerance)
	if !ops {
		return
	}
	printCosts("op", r.Ops)
	printCosts("part", r.Parts)
}

func coresText(cores int, pinned bool) string {
	switch {
	case cores == 0:
		return "both parties share them"
	case pinned:
		return fmt.Sprintf("each party on %d of its own", cores)
	}
	return fmt.Sprintf("each party with %d threads, sharing them", cores)
}

func printCosts(title string, costs []benchCost) {
	const line = "%-16s %9s %9s %12s %12s %7s %12s\n"
	fmt.Printf("\n"+line+"%s\n", title, "seconds", "predicted", "sent", "received", "rounds", "COTs", strings.Repeat("-", 83))
	for _, c := range costs {
		fmt.Printf(line, c.Name, fmt.Sprintf("%.3f", c.Seconds), fmt.Sprintf("%.3f", c.Predicted), runtime.FormatBytes(c.Sent), runtime.FormatBytes(c.Bytes-c.Sent),
			fmt.Sprintf("%g", c.Rounds), fmt.Sprint(c.COTs))
	}
}
