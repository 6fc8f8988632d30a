package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"nimbus/runtime/transport"
	"nimbus/runtime/transport/mem"
	"nimbus/runtime/transport/transporttest"
)

const hostilePlan = `module @hostile attributes {stage = plan, version = 2, cot_client_sends = 40, cot_server_sends = 200} {
  weight @w : private<server, 4x3xfx30.10>

  func @main(%x: private<client, 2x4xfx30.10>) -> private<client, 2x3xfx24.10> {
    %s = io.share %x : ashare<2x4xfx30.10>
    %y = he.matmul %s, @w {set = n4096, tile = 2} : ashare<2x3xfx30.20>
    %t = ot.trunc %y {bits = 10} : ashare<2x3xfx24.10>
    %p = ot.piecewise %t {cuts = [0], pieces = [[0], [1, 0]], keep = 24, width_lin = 24} : ashare<2x3xfx24.10>
    %u = ss.transpose %p {perm = [1, 0]} : ashare<3x2xfx24.10>
    %m = he.matmul_ss %u, %p {set = n2048, tile = [3, 2, 3, 0]} : ashare<3x3xfx24.20>
    %n = he.matmul_ss %u, %p {set = n2048, tile = [3, 2, 3, 0], ahead} : ashare<3x3xfx24.20>
    %z = he.matmul %s, @w {set = n4096, tile = 2, ahead} : ashare<2x3xfx30.20>
    %r = ss.sum %p : ashare<2x1xfx24.10>
    %o = io.reveal %p {to = client} : private<client, 2x3xfx24.10>
    return %o
  }
}
`

// TestHostilePeer mangles every message of a session in turn, in either
// direction: each party ends soon, without a panic, and the one that receives
// a message of a wrong length, or none, with an error.
func TestHostilePeer(t *testing.T) {
	p := program(t, hostilePlan)
	w := Weights{"w": make([]uint64, 12)}
	sv := newTestServer(t, p, w)
	in, _, err := sv.setup(&Store{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	stock, err := in.Open(p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stock.Close() })
	session := func(wrapClient, wrapServer func(transport.Conn) transport.Conn) (sent [2]int64, errs [2]error) {
		a, b := mem.Pipe(transport.Timeout(300 * time.Millisecond))
		done := make(chan error, 1)
		go func() {
			done <- sv.Handle(context.Background(), wrapServer(b), testClient)
			b.Close()
		}()
		s, err := Connect(wrapClient(a), Config{Program: p, Stock: stock})
		if err == nil {
			if _, _, err = s.Run(map[string][]uint64{"x": make([]uint64, 8)}); err == nil {
				err = s.Close()
			}
		}
		sent[0], sent[1] = a.Stats().MessagesSent, b.Stats().MessagesSent
		a.Close()
		select {
		case serr := <-done:
			return sent, [2]error{err, serr}
		case <-time.After(10 * time.Second):
			t.Fatal("the server hangs")
		}
		return sent, [2]error{err}
	}
	same := func(c transport.Conn) transport.Conn { return c }
	sent, errs := session(same, same)
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d and %d messages", sent[0], sent[1])
	hows := transporttest.Manglings
	step := 1
	if testing.Short() {
		step = 5
	}
	for from := range 2 {
		for n := 1; n <= int(sent[from]); n += step {
			how := hows[(n+from)%len(hows)]
			t.Run(fmt.Sprintf("%s %d of %s", how, n, partyName(from)), func(t *testing.T) {
				t.Parallel()
				wraps := [2]func(transport.Conn) transport.Conn{same, same}
				wraps[from] = func(c transport.Conn) transport.Conn { return transporttest.Mangle(c, n, how) }
				_, errs := session(wraps[0], wraps[1])
				hit := errs[1-from]                       // the peer of whoever sent it
				last := n == int(sent[from]) && from == 0 // goodbye: nobody waits for it
				if hit == nil && slices.Contains([]string{"truncate", "extend", "empty", "drop", "close"}, how) && !last {
					t.Errorf("client %v, server %v", errs[0], errs[1])
				}
			})
		}
	}
}
