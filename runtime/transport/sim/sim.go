// Package sim shapes connections: a link of a given bandwidth and delay inside
// one process or around another connection.
//
// Each direction is a line that takes bytes at the given rate, one after the
// other, and delivers them half a round-trip time later. Only what is written
// is shaped, so each party wraps its own end. Packet headers, losses and slow
// start are left out: the figures are those of an ideal link.
//
// The package must not know what a frame is.
//
// Read first: [Pipe], [Wrap].
package sim

import (
	"fmt"
	"net"
	"sync"
	"time"

	"nimbus/runtime/transport"
	"nimbus/runtime/transport/mem"
)

// Pipe returns the two ends of a connection that carries rate bits per second
// each way (0: without a limit) and takes rtt for a round trip.
func Pipe(rate float64, rtt time.Duration, options ...transport.Option) (a, b transport.Conn) {
	x, y := mem.NetPipe()
	return transport.FromNet(Wrap(x, rate, rtt), options...), transport.FromNet(Wrap(y, rate, rtt), options...)
}

// segment is how many bytes travel together, maxSpare how many of them keep their
// memory for others.
const (
	segment  = 16 << 10
	maxSpare = 64
)

// Wrap returns raw with the written direction shaped. Writing never waits;
// Close waits until the last byte is delivered.
func Wrap(raw net.Conn, rate float64, rtt time.Duration) net.Conn {
	if rate < 0 || rtt < 0 {
		panic(fmt.Sprintf("sim: internal error: rate %v, round trip %v", rate, rtt))
	}
	l := &line{Conn: raw, rate: rate, delay: rtt / 2, done: make(chan struct{})}
	l.cond.L = &l.mu
	go l.deliver()
	return l
}

type packet struct {
	due  time.Time
	data []byte
}

type line struct {
	net.Conn
	rate  float64 // bits per second
	delay time.Duration

	mu      sync.Mutex
	cond    sync.Cond
	free    time.Time // when the line can take the next byte
	queue   []packet
	spare   [][]byte // of packets that were delivered
	closing bool
	err     error
	done    chan struct{}
}

func (l *line) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return 0, l.err
	}
	if l.closing {
		return 0, net.ErrClosed
	}
	if now := time.Now(); l.free.Before(now) {
		l.free = now
	}
	for at := 0; at < len(b); at += segment {
		p := b[at:min(at+segment, len(b))]
		if l.rate > 0 {
			l.free = l.free.Add(time.Duration(float64(8*len(p)) / l.rate * float64(time.Second)))
		}
		var data []byte
		if n := len(l.spare); n > 0 {
			data, l.spare = l.spare[n-1][:0], l.spare[:n-1]
		}
		l.queue = append(l.queue, packet{l.free.Add(l.delay), append(data, p...)})
	}
	l.cond.Broadcast()
	return len(b), nil
}

// deliver writes every packet to the connection below when it is due, together
// with those that have become due until it wakes up.
func (l *line) deliver() {
	defer close(l.done)
	for {
		l.mu.Lock()
		for len(l.queue) == 0 && !l.closing {
			l.cond.Wait()
		}
		if len(l.queue) == 0 {
			l.mu.Unlock()
			return
		}
		first := l.queue[0].due
		l.mu.Unlock()
		time.Sleep(time.Until(first))
		due := l.take(time.Now())
		out := append(net.Buffers(nil), due...)
		_, err := out.WriteTo(l.Conn)
		l.mu.Lock()
		if err != nil {
			l.err, l.queue = err, nil
			l.mu.Unlock()
			return
		}
		l.spare = append(l.spare, due[:min(len(due), maxSpare-len(l.spare))]...)
		l.mu.Unlock()
	}
}

// take removes what is due from the queue.
func (l *line) take(now time.Time) (due [][]byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.queue) > 0 && !l.queue[0].due.After(now) {
		due = append(due, l.queue[0].data)
		l.queue[0] = packet{}
		l.queue = l.queue[1:]
	}
	return due
}

// SetWriteDeadline does nothing: Write does not wait.
func (l *line) SetWriteDeadline(time.Time) error { return nil }

// SetDeadline sets the deadline of Read.
func (l *line) SetDeadline(t time.Time) error { return l.Conn.SetReadDeadline(t) }

func (l *line) Close() error {
	l.mu.Lock()
	l.closing = true
	l.cond.Broadcast()
	l.mu.Unlock()
	l.Conn.SetReadDeadline(time.Unix(1, 0)) // end a Read that waits
	<-l.done
	return l.Conn.Close()
}
