package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strconv"
	"strings"
	"time"

	"nimbus/backend/cost"
	"nimbus/frontend/bundle"
	"nimbus/internal/z2k"
	"nimbus/ir"
	"nimbus/ir/eval"
	"nimbus/runtime"
)

// benchTimeout is how long a party waits for the other: a large model's weights
// take minutes to encrypt on one core.
const benchTimeout = 20 * time.Minute

// benchModel measures a target between two processes.
func benchModel(ctx context.Context, o benchOptions, t *target) (*benchResult, error) {
	prog, err := loadPlan(t.plan)
	if err != nil {
		return nil, err
	}
	inputs, err := t.inputs(prog)
	if err != nil {
		return nil, err
	}
	profile, err := readProfile(o.plan.profile)
	if err != nil {
		return nil, err
	}
	hold := holdTo(o.cores)
	defer hold.release()
	out := &benchResult{
		What: o.what, Model: t.name, Synthetic: t.synthetic, Layers: prog.Module.Attrs.Int("layers", 0), Length: prog.Seq,
		Link: o.plan.link.String(), Cores: o.cores, Pinned: hold.pinned, CPUs: goruntime.NumCPU(), GOARCH: goruntime.GOARCH,
		Extension: prog.Extension, Plan: prog.Digest.String(), Tolerance: prog.Module.Attrs.Int("tolerance", 0),
		Minimise: t.minimise, Private: t.coefs != "",
	}
	if out.Predicted, err = predictRun(prog, profile, o.plan.link); err != nil {
		return nil, err
	}
	results, err := out.measure(ctx, o, t, prog, inputs, hold, profile)
	if err != nil {
		return nil, err
	}
	hold.release()
	return out, out.compare(t, prog, inputs, results)
}

// measure runs setup and inferences, and returns what was revealed to the
// client in each run.
func (out *benchResult) measure(ctx context.Context, o benchOptions, t *target, prog *runtime.Program, inputs map[string][]uint64, hold *holder, profile *cost.Profile) ([][][]uint64, error) {
	dir, cleanup, err := tempDir()
	if err != nil {
		return nil, err
	}
	defer cleanup()
	server, client, serverID, clientID, err := parties(dir)
	if err != nil {
		return nil, err
	}
	args := []string{t.plan, "-weights", t.weights, "-coefficients", t.coefs, "-listen", "127.0.0.1:0", "-link", o.plan.link.String(), "-timeout", benchTimeout.String(),
		"-trust", clientID.Fingerprint().String(), "-state", server, "-report", filepath.Join(dir, "report.json"), "-prepared", fmt.Sprint(benchKept)}
	for _, s := range t.set {
		args = append(args, "-set", s)
	}
	if err := hold.peer(); err != nil {
		return nil, err
	}
	srv, err := startServer(ctx, args...)
	if err != nil {
		return nil, err
	}
	defer srv.stop()
	if err := hold.self(); err != nil {
		return nil, err
	}
	p := &pair{
		route: route{addr: srv.addr, id: clientID, server: serverID.Fingerprint(), timeout: benchTimeout, link: o.plan.link},
		ctx:   ctx, pid: srv.cmd.Process.Pid,
	}
	st := &runtime.Store{Dir: client}
	set, _, err := p.setup(ctx, st, runtime.Digest{}, func(text string) (*runtime.Program, error) { return parsePlan("plan", text) }, nil)
	if err != nil {
		return nil, srv.explain(err)
	}
	out.Setup, out.SetupSeconds, out.SetupBytes = set.phase, set.phase.Seconds, set.phase.Bytes()
	stock, err := set.in.Open(prog)
	if err != nil {
		return nil, err
	}
	defer stock.Close()
	cfg := runtime.Config{Program: prog, Stock: stock}
	var kept []keptRun // what each run finds prepared on the disk, of a plan that runs ahead
	if o.plan.lower.Ahead {
		if cfg.Vault, err = st.Vault(set.in, prog); err != nil {
			return nil, err
		}
		if kept, err = p.keep(cfg, o.runs); err != nil {
			return nil, srv.explain(err)
		}
	}
	var results [][][]uint64
	for i := range o.runs {
		start := time.Now()
		result, rep, cpu, err := p.run(cfg, inputs)
		if err != nil {
			return nil, srv.explain(err)
		}
		wall := time.Since(start).Seconds()
		if len(out.Walls) == 0 || wall < out.Wall {
			if err := predict(prog, []*runtime.Report{rep}, profile, o.plan.link); err != nil {
				return nil, err
			}
			offline, online := cpu[1].minus(cpu[0]), cpu[2].minus(cpu[1])
			if kept != nil {
				// The session before made it; to load it is part of this one.
				out.LoadSeconds, rep.Online = rep.Offline.Seconds, rep.Offline.Add(rep.Online)
				rep.Offline, offline, online = kept[i].phase, kept[i].cpu, cpu[2].minus(cpu[0])
			}
			out.take(wall, rep, prog)
			out.ClientOfflineCPU, out.ServerOfflineCPU, out.ClientCPU, out.ServerCPU = offline.client, offline.server, online.client, online.server
		}
		out.Walls = append(out.Walls, wall)
		results = append(results, result)
	}
	out.ClientRSS = runtime.PeakRSS()
	if err := srv.stop(); err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	last, err := serverReport(dir)
	if err != nil {
		return nil, errors.Join(errNoReport, err)
	}
	out.ServerRSS = last.PeakRSS
	return results, nil
}

// take makes a run the one that counts.
func (out *benchResult) take(wall float64, rep *runtime.Report, prog *runtime.Program) {
	out.Wall, out.Offline, out.Online = wall, rep.Offline.Add(rep.Refill), rep.Online.Sub(rep.Refill)
	out.Seconds, out.OfflineSeconds, out.Rounds = out.Online.Seconds, out.Offline.Seconds, out.Online.Rounds
	out.BytesToServer = out.Offline.BytesSent + out.Online.BytesSent
	out.BytesToClient = out.Offline.BytesReceived + out.Online.BytesReceived
	out.Ops = sum(rep.Ops, func(c runtime.OpCount) string { return c.Name })
	parts := map[string]string{}
	for _, op := range prog.Main.Body {
		if len(op.Results) > 0 {
			parts["%"+op.Results[0].Name] = partOf(op)
		}
	}
	out.Parts = sum(rep.Ops, func(c runtime.OpCount) string { return parts[c.Result] })
}

// partOf is the part of an encoder layer that an op belongs to, in the division
// in which papers report: what is not a matrix product in the two parts that end
// with a LayerNorm is the LayerNorm and what prepares its input.
func partOf(op *ir.Op) string {
	part := op.Attrs.Ident("part", "other")
	_, layer := op.Attrs.Get("layer")
	switch {
	case op.Name == "he.matmul" && layer:
		return "linear"
	case part == "scores" || part == "context":
		return "attention"
	case part == "attention_out" || part == "ffn_out":
		return "layernorm"
	case part == "qkv" || part == "ffn_in":
		return "linear"
	}
	return part
}

// pair is the way to the server of a benchmark.
type pair struct {
	route
	ctx context.Context
	pid int // of the server
}

// benchKept is how many megabytes the server of a benchmark keeps.
const benchKept = 1 << 20

// keptRun is what making an item for a later run took.
type keptRun struct {
	phase runtime.Phase
	cpu   cpuTimes
}

// keep makes items for n runs, in one session.
func (p *pair) keep(cfg runtime.Config, n int) (out []keptRun, err error) {
	err = p.session(p.ctx, cfg, func(s *runtime.Session) error {
		for range n {
			before := p.cpu()
			phase, err := s.Keep()
			if err != nil {
				return err
			}
			out = append(out, keptRun{phase, p.cpu().minus(before)})
		}
		return nil
	})
	return out, err
}

// run is one inference over a connection of its own. cpu is read before what
// goes before the input, between, and after what goes online.
func (p *pair) run(cfg runtime.Config, inputs map[string][]uint64) (result [][]uint64, rep *runtime.Report, cpu [3]cpuTimes, err error) {
	err = p.session(p.ctx, cfg, func(s *runtime.Session) error {
		cpu[0] = p.cpu()
		found, err := s.Restore()
		if err == nil && !found {
			_, err = s.Prepare()
		}
		if err != nil {
			return err
		}
		if cfg.Vault != nil && !found {
			return errors.New("a run did not find what was prepared for it")
		}
		cpu[1] = p.cpu()
		result, rep, err = s.Run(inputs)
		cpu[2] = p.cpu()
		return err
	})
	return result, rep, cpu, err
}

// cpuTimes are the seconds of computing that two processes have had.
type cpuTimes struct{ client, server float64 }

func (t cpuTimes) minus(u cpuTimes) cpuTimes {
	return cpuTimes{t.client - u.client, t.server - u.server}
}

func (p *pair) cpu() cpuTimes { return cpuTimes{cpuTime(os.Getpid()), cpuTime(p.pid)} }

// cpuTime reads the user and system time of a process and its threads; zero
// where the system does not tell.
func cpuTime(pid int) float64 {
	const ticks = 100 // a second, USER_HZ of all of Linux's architectures in use
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The second field is the program's name in parentheses, and may hold spaces.
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(fields) < 13 {
		return 0
	}
	user, uerr := strconv.ParseFloat(fields[11], 64)
	system, serr := strconv.ParseFloat(fields[12], 64)
	if uerr != nil || serr != nil {
		return 0
	}
	return (user + system) / ticks
}

// compare holds the results against the twin's.
func (out *benchResult) compare(t *target, prog *runtime.Program, inputs map[string][]uint64, results [][][]uint64) error {
	b, err := bundle.Open(t.weights)
	if err != nil {
		return err
	}
	defer b.Close()
	set, err := parseSettings(t.set)
	if err != nil {
		return err
	}
	src, err := b.Weights(set.with("seq", prog.Seq))
	if err != nil {
		return err
	}
	if src, err = bundle.WithCoefficients(prog.Module, t.coefs, src); err != nil {
		return err
	}
	values := map[string]eval.Value{}
	for name, v := range inputs {
		values[name] = eval.Value{Ring: v}
	}
	want, err := eval.Run(prog.Module, "main", values, src)
	if err != nil {
		return fmt.Errorf("twin: %w", err)
	}
	for _, got := range results {
		if len(got) != len(want) {
			return fmt.Errorf("%d results, the twin has %d", len(got), len(want))
		}
		for i, w := range want {
			if got[i] == nil {
				continue // not for the client
			}
			width := w.Type.Elem.Width
			if len(got[i]) != len(w.Ring) {
				return fmt.Errorf("result %d has %d elements, the twin's %d", i, len(got[i]), len(w.Ring))
			}
			for j, x := range w.Ring {
				d := z2k.Signed((got[i][j]-x)&z2k.Mask(width), width)
				out.Difference = max(out.Difference, d, -d)
			}
		}
	}
	if out.Difference > int64(out.Tolerance) {
		return fmt.Errorf("the result differs from the fixed-point twin's by %d units of the last bit, the plan allows %d", out.Difference, out.Tolerance)
	}
	return nil
}
