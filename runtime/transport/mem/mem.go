// Package mem connects two parties inside one process.
//
// The two ends are joined by two queues of bytes without a limit, with
// deadlines and closing as on a network connection; the framing above is the
// one that every transport uses.
//
// The package must not know what a frame is.
//
// Read first: [Pipe].
package mem

import (
	"io"
	"net"
	"os"
	"sync"
	"time"

	"nimbus/runtime/transport"
)

// Pipe returns the two ends of a connection.
func Pipe(options ...transport.Option) (a, b transport.Conn) {
	x, y := NetPipe()
	return transport.FromNet(x, options...), transport.FromNet(y, options...)
}

// NetPipe returns the two ends of a stream of bytes. Writing never waits.
func NetPipe() (a, b net.Conn) {
	x, y := newQueue(), newQueue()
	return &end{in: x, out: y}, &end{in: y, out: x}
}

// queue is one direction.
type queue struct {
	mu       sync.Mutex
	cond     sync.Cond
	chunks   [][]byte
	shut     bool // the writer closed: no more will come
	closed   bool // the reader closed
	deadline time.Time
	timer    *time.Timer
}

func newQueue() *queue {
	q := &queue{}
	q.cond.L = &q.mu
	return q
}

func (q *queue) write(b []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.shut {
		return 0, net.ErrClosed
	}
	if q.closed {
		return 0, io.EOF // the peer's end is gone
	}
	q.chunks = append(q.chunks, append([]byte(nil), b...))
	q.cond.Broadcast()
	return len(b), nil
}

func (q *queue) read(b []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		switch {
		case q.closed:
			return 0, net.ErrClosed
		case len(b) == 0:
			return 0, nil
		case len(q.chunks) > 0:
			n := copy(b, q.chunks[0])
			if q.chunks[0] = q.chunks[0][n:]; len(q.chunks[0]) == 0 {
				q.chunks[0] = nil
				q.chunks = q.chunks[1:]
			}
			return n, nil
		case q.shut:
			return 0, io.EOF
		case !q.deadline.IsZero() && !time.Now().Before(q.deadline):
			return 0, os.ErrDeadlineExceeded
		}
		q.cond.Wait()
	}
}

// expire sets the deadline of read.
func (q *queue) expire(t time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.deadline = t
	if q.timer != nil {
		q.timer.Stop()
		q.timer = nil
	}
	if !t.IsZero() && !q.closed {
		q.timer = time.AfterFunc(time.Until(t), func() {
			q.mu.Lock()
			defer q.mu.Unlock()
			q.cond.Broadcast()
		})
	}
	q.cond.Broadcast()
}

// end is one party's side.
type end struct{ in, out *queue }

func (e *end) Read(b []byte) (int, error)  { return e.in.read(b) }
func (e *end) Write(b []byte) (int, error) { return e.out.write(b) }

func (e *end) Close() error {
	e.in.mu.Lock()
	again := e.in.closed
	e.in.closed = true
	e.in.chunks = nil
	if e.in.timer != nil {
		e.in.timer.Stop()
	}
	e.in.cond.Broadcast()
	e.in.mu.Unlock()
	e.out.mu.Lock()
	e.out.shut = true
	e.out.cond.Broadcast()
	e.out.mu.Unlock()
	if again {
		return net.ErrClosed
	}
	return nil
}

type addr struct{}

func (addr) Network() string { return "mem" }
func (addr) String() string  { return "mem" }

func (e *end) LocalAddr() net.Addr                { return addr{} }
func (e *end) RemoteAddr() net.Addr               { return addr{} }
func (e *end) SetReadDeadline(t time.Time) error  { e.in.expire(t); return nil }
func (e *end) SetWriteDeadline(t time.Time) error { return nil }
func (e *end) SetDeadline(t time.Time) error      { return e.SetReadDeadline(t) }
