package corr_test

import (
	"fmt"
	"testing"

	"nimbus/internal/otparams"
	"nimbus/internal/prg"
	"nimbus/runtime/corr"
	"nimbus/runtime/transport"
	"nimbus/runtime/transport/mem"
)

// loop is a Conn that answers from a queue: one party's work without its peer's.
type loop struct {
	transport.Conn
	next func(want int) []byte
	sent int64
}

func (l *loop) Send(b []byte) error           { l.sent += int64(len(b)); return nil }
func (l *loop) Flush() error                  { return nil }
func (l *loop) Recv(want int) ([]byte, error) { return l.next(want), nil }

// BenchmarkExtend measures one party's time per COT. The sender reads random
// corrections, which cost it the same as the true ones.
func BenchmarkExtend(b *testing.B) {
	const n = 1 << 19
	benched := []corr.Extension{corr.SoftSpoken{K: 2}, corr.SoftSpoken{K: 4}, corr.SoftSpoken{K: 8}}
	for _, e := range otparams.Extensions() {
		if e.Silent() {
			benched = append(benched, corr.Ferret{LPN: e.LPN})
		}
	}
	for _, ext := range benched {
		a, z := mem.Pipe()
		ends := make(chan *corr.Ends, 1)
		swap := &swapConn{Conn: a}
		go func() {
			e, _ := ext.Setup(z, 1, prg.New(prg.Seed{1}))
			ends <- e
		}()
		mine, err := ext.Setup(swap, 0, prg.New(prg.Seed{2}))
		if err != nil {
			b.Fatal(err)
		}
		<-ends
		l := &loop{next: func(want int) []byte { return make([]byte, want) }}
		swap.Conn = l
		keys, choice := make([]corr.Block, n), make([]byte, n/8)
		b.Run(fmt.Sprintf("receiver/%v", ext), func(b *testing.B) {
			l.sent = 0
			for b.Loop() {
				if err := mine.Receiver.Extend(keys, choice); err != nil {
					b.Fatal(err)
				}
			}
			perCOT(b, n, l)
		})
		b.Run(fmt.Sprintf("sender/%v", ext), func(b *testing.B) {
			l.sent = 0
			for b.Loop() {
				if err := mine.Sender.Extend(keys); err != nil {
					b.Fatal(err)
				}
			}
			perCOT(b, n, l)
		})
		a.Close()
		z.Close()
	}
}

func perCOT(b *testing.B, n int, l *loop) {
	b.ReportMetric(float64(l.sent)/float64(b.N*n), "B/COT")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/COT")
}

// swapConn lets a benchmark replace the connection after the setup.
type swapConn struct{ transport.Conn }

// BenchmarkSetup measures the base OTs and trees of both directions, both
// parties on as many cores as there are.
func BenchmarkSetup(b *testing.B) {
	for b.Loop() {
		a, z := mem.Pipe()
		done := make(chan error, 1)
		go func() {
			_, err := corr.Setup(z, 1, corr.Config{}, prg.New(prg.Seed{1}))
			done <- err
		}()
		if _, err := corr.Setup(a, 0, corr.Config{}, prg.New(prg.Seed{2})); err != nil {
			b.Fatal(err)
		}
		if err := <-done; err != nil {
			b.Fatal(err)
		}
		a.Close()
		z.Close()
	}
}
