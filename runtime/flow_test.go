package runtime

import (
	"errors"
	"fmt"
	goruntime "runtime"
	"strings"
	"testing"
	"time"

	"nimbus/runtime/share"
	"nimbus/runtime/transport"
	"nimbus/runtime/transport/mem"
	"nimbus/runtime/transport/transporttest"
)

// wide is a plan of n squares side by side, each with the attribute cots.
func wide(n int, cots string) string {
	var b strings.Builder
	b.WriteString("module @wide attributes {stage = plan, version = 2, cot_client_sends = 0, cot_server_sends = 10000} {\n")
	b.WriteString("  func @main(%x: private<client, 4xfx24.0>) -> private<client, 4xfx24.0> {\n    %s = io.share %x : ashare<4xfx24.0>\n")
	last := "%s"
	for i := range n {
		fmt.Fprintf(&b, "    %%a%d = ot.square %%s %s : ashare<4xfx24.0>\n", i, cots)
		fmt.Fprintf(&b, "    %%b%d = ss.add %s, %%a%d : ashare<4xfx24.0>\n", i, last, i)
		last = fmt.Sprintf("%%b%d", i)
	}
	fmt.Fprintf(&b, "    %%r = io.reveal %s {to = client} : private<client, 4xfx24.0>\n    return %%r\n  }\n}\n", last)
	return b.String()
}

// runs executes a plan once, over connections that wrap changes.
func runs(t *testing.T, p *Program, wrap func(transport.Conn) transport.Conn) (out [][]uint64, errs [2]error) {
	t.Helper()
	a, b := mem.Pipe(transport.Timeout(500 * time.Millisecond))
	done := make(chan error, 1)
	go func() {
		s, err := Accept(b, Config{Party: share.Server, Program: p})
		if err == nil {
			err = s.Serve(nil, nil)
		}
		done <- err
	}()
	s, err := Connect(wrap(a), Config{Program: p})
	if err == nil {
		if out, _, err = s.Run(map[string][]uint64{"x": {1, 2, 3, 4}}); err == nil {
			err = s.Close()
		}
	}
	a.Close()
	return out, [2]error{err, <-done}
}

// An op that consumes more or fewer correlations than the plan says ends the
// session; one for which it says nothing runs alone, and counts what it takes.
func TestReservedOTs(t *testing.T) {
	same := func(c transport.Conn) transport.Conn { return c }
	for _, c := range []struct{ cots, want string }{
		{"{cots = [0, 92]}", ""},
		{"", ""},
		{"{cots = [0, 91]}", "more COTs than its part holds"},
		{"{cots = [0, 93]}", "it leaves"},
		{"{cots = [1, 92]}", "it leaves"},
	} {
		out, errs := runs(t, program(t, wide(3, c.cots)), same)
		if err := errors.Join(errs[:]...); c.want == "" {
			if err != nil || out[0][3] != 4+3*16 {
				t.Errorf("%s: %v, %v", c.cots, out, err)
			}
		} else if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.cots, err, c.want)
		}
	}
}

// Whatever message goes wrong while many ops are in flight, all of them end, and
// no goroutine is left.
func TestErrorEndsAllLanes(t *testing.T) {
	p := program(t, wide(12, "{cots = [0, 92]}"))
	before := goruntime.NumGoroutine()
	for _, n := range []int{7, 12} {
		for _, how := range []string{"truncate", "drop", "close"} {
			_, errs := runs(t, p, func(c transport.Conn) transport.Conn { return transporttest.Mangle(c, n, how) })
			if errs[0] == nil || errs[1] == nil {
				t.Errorf("%s of message %d: client %v, server %v", how, n, errs[0], errs[1])
			}
		}
	}
	for range 300 {
		if goruntime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	stacks := make([]byte, 1<<16)
	t.Errorf("%d goroutines, %d before\n%s", goruntime.NumGoroutine(), before, stacks[:goruntime.Stack(stacks, true)])
}
