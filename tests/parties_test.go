package tests

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"nimbus/backend"
	"nimbus/internal/prg"
	"nimbus/ir"
	"nimbus/ir/eval"
	"nimbus/ir/plan"
	"nimbus/ir/weights"
	"nimbus/runtime"
	"nimbus/runtime/he"
	"nimbus/runtime/share"
	"nimbus/runtime/transport"
	"nimbus/runtime/transport/mem"
	"nimbus/runtime/transport/sim"
)

// silence is how long a party of a test waits for the other: a protocol whose
// halves do not fit shall fail a test, not the test's clock.
const silence = 20 * time.Second

// A deployment is a plan with weights, set up for one client through the same
// messages as over a network: what is made once per client.
type deployment struct {
	prog    *runtime.Program
	weights runtime.Weights
	keys    *he.Keyring // nil for a plan that needs no setup
	stock   *runtime.Stock
}

var (
	clientPeer = runtime.Peer{Fingerprint: runtime.Digest{1}}
	serverPeer = runtime.Peer{Fingerprint: runtime.Digest{2}}
)

func parsePlan(text string) (*runtime.Program, error) {
	m, err := plan.Parse("plan", text)
	if err != nil {
		return nil, err
	}
	return runtime.NewProgram(m)
}

// encode makes what a server loads: every weight of m in its ring.
func encode(m *ir.Module, src weights.Source) (runtime.Weights, error) {
	out := runtime.Weights{}
	for _, w := range m.Weights {
		var err error
		if out[w.Name], err = weights.Encode(w, src); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// deploy sets a client up for m. What it makes lies in dir.
func deploy(dir string, m *ir.Module, src weights.Source) (*deployment, error) {
	prog, err := runtime.NewProgram(m)
	if err != nil {
		return nil, err
	}
	w, err := encode(m, src)
	if err != nil {
		return nil, err
	}
	d := &deployment{prog: prog, weights: w}
	if !needsSetup(m) {
		return d, nil
	}
	sv := &runtime.Server{
		Program: prog, Weights: w, Dir: filepath.Join(dir, "server"),
		Bundle: runtime.Bundle{"vocab.txt": []byte("[PAD]\n")},
	}
	a, b := mem.Pipe(transport.Timeout(10 * silence))
	ended := make(chan error, 1)
	go func() { ended <- sv.Handle(context.Background(), b, clientPeer) }()
	in, _, err := (&runtime.Store{Dir: filepath.Join(dir, "client")}).Setup(a, serverPeer, parsePlan, nil)
	a.Close()
	if err := errors.Join(err, <-ended); err != nil {
		return nil, fmt.Errorf("setup: %w", err)
	}
	if d.stock, err = in.Open(prog); err != nil {
		return nil, err
	}
	key, err := os.ReadFile(filepath.Join(dir, "server", "clients", clientPeer.Fingerprint.String(), prog.Digest.String(), "key"))
	if err != nil {
		return nil, err
	}
	d.keys, err = he.ParseKeyring(key)
	return d, err
}

// needsSetup tells whether a client needs anything of a plan's weights.
func needsSetup(m *ir.Module) bool {
	for _, f := range m.Funcs {
		for _, op := range f.Body {
			if slices.Contains([]string{"he.matmul", "he.select", "ss.select"}, op.Name) {
				return true
			}
		}
	}
	return false
}

func (d *deployment) close() {
	if d.stock != nil {
		d.stock.Close()
	}
}

// parties is a session: a client and a server in this process.
type parties struct {
	tb     testing.TB
	client *runtime.Session
	wire   *transport.Recorder // the client's end, if the session is recorded
	done   chan *runtime.Report
	ended  chan error
}

// options of a session.
type options struct {
	record bool
	seed   byte                // not zero: all randomness comes from it
	server map[string][]uint64 // the server's inputs
	lan    bool                // 3 Gbps and a round trip of 1 ms
}

// start begins a session of d.
func (d *deployment) start(tb testing.TB, o options) *parties {
	tb.Helper()
	a, b := mem.Pipe(transport.Timeout(silence))
	if o.lan {
		a, b = sim.Pipe(3e9, time.Millisecond, transport.Timeout(silence))
	}
	p := &parties{tb: tb, done: make(chan *runtime.Report, 1), ended: make(chan error, 1)}
	if o.record {
		p.wire = transport.Record(a)
		a = p.wire
	}
	client := runtime.Config{Party: share.Client, Program: d.prog, Stock: d.stock}
	server := runtime.Config{Party: share.Server, Program: d.prog, Weights: d.weights, Keys: d.keys}
	if o.seed != 0 {
		client.Random, server.Random = prg.New(prg.Seed{o.seed, 1}), prg.New(prg.Seed{o.seed, 2})
	}
	go func() {
		s, err := runtime.Accept(b, server)
		if err == nil {
			err = s.Serve(o.server, func(r *runtime.Report) { p.done <- r })
		}
		p.ended <- err
	}()
	var err error
	if p.client, err = runtime.Connect(a, client); err != nil {
		tb.Fatalf("client: %v; server: %v", err, <-p.ended)
	}
	return p
}

// run executes the plan once and returns what each party says about it.
func (p *parties) run(in map[string][]uint64) (out [][]uint64, client, server *runtime.Report) {
	p.tb.Helper()
	out, client, err := p.client.Run(in)
	if err != nil {
		p.client.Close()
		p.tb.Fatalf("client: %v; server: %v", err, <-p.ended)
	}
	select {
	case server = <-p.done:
	case err := <-p.ended:
		p.tb.Fatalf("the client has its answer; server: %v", err)
	}
	return out, client, server
}

func (p *parties) stop() {
	p.tb.Helper()
	if err := errors.Join(p.client.Close(), <-p.ended); err != nil {
		p.tb.Errorf("end of session: %v", err)
	}
}

// clearInputs are inputs of a session as inputs of the evaluator.
func clearInputs(in map[string][]uint64) map[string]eval.Value {
	out := map[string]eval.Value{}
	for name, v := range in {
		out[name] = eval.Value{Ring: v}
	}
	return out
}

// checkAccount holds what both parties measured against what the backend says
// each op costs: bytes exactly, and at most as many half-rounds, since an op may
// begin at one party while the other is still at those before. The longest chain
// of messages of the whole run is exact.
func checkAccount(tb testing.TB, account *backend.Account, client, server *runtime.Report) {
	tb.Helper()
	var ops []backend.OpCost
	for _, o := range account.Ops {
		if o.Op.Name != "return" {
			ops = append(ops, o)
		}
	}
	if len(client.Ops) != len(ops) || len(server.Ops) != len(ops) {
		tb.Fatalf("the account has %d ops, the client executed %d and the server %d", len(ops), len(client.Ops), len(server.Ops))
	}
	for i, o := range ops {
		c, s := client.Ops[i], server.Ops[i]
		name := fmt.Sprintf("%s %s", c.Name, c.Result)
		if c.Name != o.Op.Name || s.Name != o.Op.Name {
			tb.Fatalf("op %d is %s in the account, %s at the client, %s at the server", i, o.Op.Name, c.Name, s.Name)
		}
		if c.BytesSent != o.Cost.C2S || s.BytesReceived != o.Cost.C2S {
			tb.Errorf("%s: client sent %d bytes, server received %d, the account says %d", name, c.BytesSent, s.BytesReceived, o.Cost.C2S)
		}
		if c.BytesReceived != o.Cost.S2C || s.BytesSent != o.Cost.S2C {
			tb.Errorf("%s: server sent %d bytes, client received %d, the account says %d", name, s.BytesSent, c.BytesReceived, o.Cost.S2C)
		}
		for _, r := range []runtime.OpCount{c, s} {
			if r.COTClientSends != o.Cost.COTClientSends || r.COTServerSends != o.Cost.COTServerSends {
				tb.Errorf("%s: %d correlations of the client and %d of the server, the account says %d and %d", name,
					r.COTClientSends, r.COTServerSends, o.Cost.COTClientSends, o.Cost.COTServerSends)
			}
		}
		if most := float64(o.Cost.Depth()) / 2; c.Rounds > most || s.Rounds > most {
			tb.Errorf("%s: %g rounds at the client, %g at the server, the account says %g", name, c.Rounds, s.Rounds, most)
		}
	}
	// The request for a run is one byte.
	total := account.Online
	if client.Online.BytesSent != total.C2S+1 || client.Online.BytesReceived != total.S2C {
		tb.Errorf("client sent %d and received %d bytes in all, the account says %d and %d", client.Online.BytesSent, client.Online.BytesReceived, total.C2S+1, total.S2C)
	}
	if want := float64(total.Depth()) / 2; client.Online.Rounds-client.Refill.Rounds != want || server.Online.Rounds-server.Refill.Rounds != want {
		tb.Errorf("%g rounds at the client, %g at the server, the account says %g", client.Online.Rounds, server.Online.Rounds, want)
	}
}
