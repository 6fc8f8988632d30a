package runtime

import (
	"testing"

	"nimbus/internal/z2k"
	"nimbus/runtime/share"
	"nimbus/runtime/transport/mem"
)

const poolPlan = `module @pools attributes {stage = plan, version = 2, cot_client_sends = 0, cot_server_sends = 16000} {
  func @main(%x: private<client, 4000xfx20.8>) -> private<client, 4000xfx20.4> {
    %a = io.share %x : ashare<4000xfx20.8>
    %b = ot.trunc %a {bits = 1} : ashare<4000xfx20.7>
    %c = ot.trunc %b {bits = 1} : ashare<4000xfx20.6>
    %d = ot.trunc %c {bits = 1} : ashare<4000xfx20.5>
    %e = ot.trunc %d {bits = 1} : ashare<4000xfx20.4>
    %r = io.reveal %e {to = client} : private<client, 4000xfx20.4>
    return %r
  }
}
`

// A plan that consumes more correlations than are kept ahead refills its pools
// between ops, and leaves as little behind as another.
func TestPoolsRefill(t *testing.T) {
	for _, size := range []int{1 << 20, 10000, 1} {
		p := program(t, poolPlan)
		p.pool = size
		a, b := mem.Pipe()
		done := make(chan error, 1)
		go func() {
			s, err := Accept(b, Config{Party: share.Server, Program: p})
			if err == nil {
				err = s.Serve(nil, nil)
			}
			done <- err
		}()
		s, err := Connect(a, Config{Program: p})
		if err != nil {
			t.Fatal(err)
		}
		x := make([]uint64, 4000)
		for i := range x {
			x[i] = z2k.FromInt(int64(16*i-32000), 20)
		}
		for range 2 {
			out, rep, err := s.Run(map[string][]uint64{"x": x})
			if err != nil {
				t.Fatal(err)
			}
			for i, y := range out[0] {
				if d := z2k.Signed(y, 20) - int64(i-2000); d < -2 || d > 2 {
					t.Fatalf("pool of %d: element %d is off by %d", size, i, d)
				}
			}
			if refilled := rep.Refill.Bytes() > 0; refilled != (size == 10000) {
				t.Errorf("pool of %d: %d bytes in refills", size, rep.Refill.Bytes())
			}
			if _, server := s.taken(); server%16000 != 0 {
				t.Errorf("%d correlations were consumed, the plan says 16000 a run", server)
			}
			if st := s.c.Stats().AsReceiver; st.Made-st.Taken > 4096 && size == 10000 {
				t.Errorf("pool of %d: %d correlations are left", size, st.Made-st.Taken)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
}

func TestPoolSizes(t *testing.T) {
	p := &Program{ClientSends: 30, ServerSends: 90, pool: 120}
	for _, c := range []struct{ pool, client, server int }{{120, 30, 90}, {1000, 30, 90}, {60, 15, 45}, {0, 0, 0}} {
		p.pool = c.pool
		if client, server := p.pools(); client != c.client || server != c.server {
			t.Errorf("pool of %d: %d and %d, want %d and %d", c.pool, client, server, c.client, c.server)
		}
	}
}
