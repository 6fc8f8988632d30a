// Package transporttest is what tests of protocols and transports share:
// [TwoParty] runs a protocol's two parties in one process, [TestConn] is the
// conformance test that every transport passes.
//
// The package must not be imported outside tests.
//
// Read first: [TwoParty], [TestConn].
package transporttest

import (
	"fmt"
	goruntime "runtime"
	"runtime/debug"
	"sync"
	"testing"
	"time"

	"nimbus/runtime/transport"
	"nimbus/runtime/transport/mem"
)

// Result is what a run of two parties leaves behind.
type Result struct {
	ClientStats, ServerStats transport.Stats
	Client, Server           *transport.Recorder // each party's transcript
}

const (
	// deadlock is how long both parties may wait for each other at the same
	// time. They may compute meanwhile in other goroutines, hence not at once.
	deadlock = 10 * time.Second
	// silence is how long one party may wait for the other.
	silence = 5 * time.Minute
)

// TwoParty runs client and server, each in its own goroutine on its own end of
// an in-memory connection, and returns when both are done. A party that returns
// an error, panics, leaves a message unread or waits for a message while the
// other waits for one too, fails the test.
func TwoParty(t testing.TB, client, server func(transport.Conn) error) Result {
	t.Helper()
	r, errs := run(deadlock, client, server)
	for _, err := range errs {
		t.Error(err)
	}
	if len(errs) > 0 {
		t.FailNow()
	}
	return r
}

// TwoPartyErr is TwoParty for runs that are meant to fail: it returns each
// party's error, and fails the test only on a panic or a deadlock.
func TwoPartyErr(t testing.TB, client, server func(transport.Conn) error) (clientErr, serverErr error) {
	t.Helper()
	var errs [2]error
	keep := func(i int, f func(transport.Conn) error) func(transport.Conn) error {
		return func(c transport.Conn) error { errs[i] = f(c); return quiet{errs[i]} }
	}
	_, failed := run(deadlock, keep(0, client), keep(1, server))
	for _, err := range failed {
		t.Error(err)
	}
	if len(failed) > 0 {
		t.FailNow()
	}
	return errs[0], errs[1]
}

// quiet marks the end of a party that is not a failure of the test.
type quiet struct{ error }

func run(deadlock time.Duration, parties ...func(transport.Conn) error) (Result, []error) {
	a, b := mem.Pipe(transport.Timeout(silence))
	ends := [2]*party{{Conn: a}, {Conn: b}}
	records := [2]*transport.Recorder{transport.Record(ends[0]), transport.Record(ends[1])}
	names := [2]string{"client", "server"}
	var mu sync.Mutex
	var errs []error
	failed := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		errs = append(errs, err)
	}
	var wg sync.WaitGroup
	finished := [2]bool{}
	for i, f := range parties {
		wg.Add(1)
		go func() {
			defer wg.Done()
			// Whatever happens, the other party must notice.
			defer records[i].Close()
			defer func() {
				if p := recover(); p != nil {
					failed(fmt.Errorf("%s: panic: %v\n%s", names[i], p, debug.Stack()))
				}
			}()
			err := f(records[i])
			if _, ok := err.(quiet); ok {
				return
			}
			if err != nil {
				failed(fmt.Errorf("%s: %w", names[i], err))
				return
			}
			mu.Lock()
			finished[i] = true
			mu.Unlock()
		}()
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	watch(done, deadlock, ends, failed)
	<-done
	r := Result{records[0].Stats(), records[1].Stats(), records[0], records[1]}
	if finished[0] && finished[1] {
		for i, s := range [2]transport.Stats{r.ClientStats, r.ServerStats} {
			if p := [2]transport.Stats{r.ServerStats, r.ClientStats}[i]; p.MessagesSent != s.MessagesReceived {
				failed(fmt.Errorf("%s: left %d messages unread", names[i], p.MessagesSent-s.MessagesReceived))
			}
		}
	}
	return r, errs
}

// watch ends the connections if both parties wait for too long.
func watch(done chan struct{}, deadlock time.Duration, ends [2]*party, failed func(error)) {
	tick := time.NewTicker(deadlock / 20)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case now := <-tick.C:
			a, b := ends[0].waitingSince(), ends[1].waitingSince()
			if a.IsZero() || b.IsZero() || now.Sub(a) < deadlock || now.Sub(b) < deadlock {
				continue
			}
			stacks := make([]byte, 1<<16)
			stacks = stacks[:goruntime.Stack(stacks, true)]
			failed(fmt.Errorf("deadlock: client waits for %d bytes, server for %d, nothing is on its way\n%s",
				ends[0].waitsFor(), ends[1].waitsFor(), stacks))
			ends[0].Close()
			ends[1].Close()
			return
		}
	}
}

// party is a Conn that knows since when it has been waiting for a message.
type party struct {
	transport.Conn
	mu    sync.Mutex
	since time.Time
	want  int
}

func (p *party) Recv(want int) ([]byte, error) {
	p.wait(want)
	defer p.wait(-1)
	return p.Conn.Recv(want)
}

func (p *party) RecvMax(max int) ([]byte, error) {
	p.wait(max)
	defer p.wait(-1)
	return p.Conn.RecvMax(max)
}

func (p *party) wait(want int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.since = time.Now(); want < 0 {
		p.since = time.Time{}
	}
	p.want = want
}

func (p *party) waitingSince() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.since
}

func (p *party) waitsFor() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.want
}
