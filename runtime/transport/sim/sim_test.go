package sim_test

import (
	"testing"
	"testing/synctest"
	"time"

	"nimbus/runtime/transport"
	"nimbus/runtime/transport/sim"
	"nimbus/runtime/transport/transporttest"
)

func TestConn(t *testing.T) {
	transporttest.TestConn(t, func(_ testing.TB, o ...transport.Option) (a, b transport.Conn) {
		return sim.Pipe(8e9, time.Millisecond, o...)
	})
}

// TestTimes measures on a fake clock: a message of n bytes takes the time of n
// + 8 bytes at the rate, and half a round trip.
func TestTimes(t *testing.T) {
	for _, c := range []struct {
		name  string
		rate  float64
		rtt   time.Duration
		bytes int
		pings int
		want  time.Duration
	}{
		{"delay", 0, 80 * time.Millisecond, 1000, 3, 240 * time.Millisecond},
		{"rate", 8e6, 0, 1_000_000 - 8, 1, 2 * time.Second},
		{"wan", 100e6, 80 * time.Millisecond, 12_500_000 - 8, 1, 2080 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := sim.Pipe(c.rate, c.rtt)
				start := time.Now()
				echoed := make(chan error)
				go func() {
					for range c.pings {
						msg, err := b.Recv(c.bytes)
						if err == nil {
							err = b.Send(msg)
						}
						if err != nil {
							echoed <- err
							return
						}
					}
					echoed <- nil
				}()
				for range c.pings {
					a.Send(make([]byte, c.bytes))
					if _, err := a.Recv(c.bytes); err != nil {
						t.Error(err)
					}
				}
				if got := time.Since(start); got < c.want || got > c.want+c.want/1000 {
					t.Errorf("took %v, want %v", got, c.want)
				}
				if err := <-echoed; err != nil {
					t.Error(err)
				}
				if got := a.Stats().Rounds(); got != c.pings {
					t.Errorf("%d rounds, want %d", got, c.pings)
				}
				a.Close()
				b.Close()
			})
		})
	}
}

// TestDirectionsShareNothing sends both ways at once: no longer than one way.
func TestDirectionsShareNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := sim.Pipe(8e6, 0)
		defer a.Close()
		defer b.Close()
		start := time.Now()
		a.Send(make([]byte, 1<<20))
		b.Send(make([]byte, 1<<20))
		if _, err := a.Recv(1 << 20); err != nil {
			t.Error(err)
		}
		if _, err := b.Recv(1 << 20); err != nil {
			t.Error(err)
		}
		if got := time.Since(start); got > 1100*time.Millisecond {
			t.Errorf("took %v", got)
		}
	})
}
