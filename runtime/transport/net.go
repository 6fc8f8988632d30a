package transport

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

const (
	// batch is how many queued bytes of small messages go out in one write.
	batch = 64 << 10
	// piece is how many bytes of a large message go out under one deadline.
	piece = 1 << 20
)

// An Option changes a Conn that FromNet makes.
type Option func(*netConn)

// Timeout sets how long the Conn waits for the peer: for the next message, and
// for room to write. A long message may take longer, as long as it comes at 64
// KiB per second.
func Timeout(d time.Duration) Option { return func(c *netConn) { c.timeout = d } }

// netConn frames messages over a net.Conn.
type netConn struct {
	raw     net.Conn
	timeout time.Duration

	recv sync.Mutex // held while receiving
	r    *bufio.Reader

	mu      sync.Mutex // guards what follows
	wake    sync.Cond  // broadcast when what is guarded changes
	queue   [][]byte   // frames to send; small ones share a slice
	queued  int        // bytes of frames that are not yet written
	spare   []byte     // a slice to reuse for small frames
	closing bool       // Close was called
	err     error      // the first failure; final
	done    chan struct{}

	stats     Stats
	sentDepth int // largest depth sent
	recvDepth int // largest depth received
}

// FromNet returns a Conn over raw, which it owns from here on. It starts one
// goroutine, which Close ends.
func FromNet(raw net.Conn, options ...Option) Conn {
	c := &netConn{raw: raw, timeout: DefaultTimeout, r: bufio.NewReaderSize(raw, batch), done: make(chan struct{})}
	c.wake.L = &c.mu
	for _, o := range options {
		o(c)
	}
	go c.write()
	return c
}

func (c *netConn) Send(msg []byte) error {
	if len(msg) > MaxMessage {
		return fmt.Errorf("send: %d bytes are more than a message's %d", len(msg), MaxMessage)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.failure(); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	depth := c.recvDepth + 1
	c.sentDepth = max(c.sentDepth, depth)
	c.stats.Depth = max(c.stats.Depth, depth)
	c.stats.BytesSent += int64(len(msg))
	c.stats.MessagesSent++
	if n := len(c.queue); n > 0 && len(c.queue[n-1])+headerSize+len(msg) <= batch {
		c.queue[n-1] = appendFrame(c.queue[n-1], msg, depth)
	} else {
		var b []byte
		if headerSize+len(msg) <= batch {
			b, c.spare = c.spare[:0], nil
		} else {
			b = make([]byte, 0, headerSize+len(msg))
		}
		c.queue = append(c.queue, appendFrame(b, msg, depth))
	}
	c.queued += headerSize + len(msg)
	c.wake.Broadcast()
	return nil
}

// failure returns the reason why nothing more goes out or comes in. mu is held.
func (c *netConn) failure() error {
	if c.err == nil && c.closing {
		return ErrClosed
	}
	return c.err
}

// fail makes err the Conn's end unless it has ended before, and returns what
// ended it.
func (c *netConn) fail(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing && c.err == nil {
		err = ErrClosed
	}
	if c.err == nil {
		c.err = err
		c.queue = nil
	}
	c.wake.Broadcast()
	return c.err
}

// write sends the queue until the Conn fails, or is closed and the queue empty.
func (c *netConn) write() {
	defer close(c.done)
	for {
		c.mu.Lock()
		for len(c.queue) == 0 && !c.closing && c.err == nil {
			c.wake.Wait()
		}
		queue := c.queue
		c.queue = nil
		failed := c.err != nil
		c.mu.Unlock()
		if failed || len(queue) == 0 {
			return
		}
		for i, b := range queue {
			for at := 0; at < len(b); at += piece {
				c.raw.SetWriteDeadline(time.Now().Add(c.timeout))
				if _, err := c.raw.Write(b[at:min(at+piece, len(b))]); err != nil {
					c.fail(reason(err, c.timeout))
					return
				}
			}
			if i+1 < len(queue) {
				queue[i] = nil // it may be long
			}
			c.mu.Lock()
			c.queued -= len(b)
			c.wake.Broadcast()
			c.mu.Unlock()
		}
		c.mu.Lock()
		if b := queue[len(queue)-1]; cap(b) <= 2*batch {
			c.spare = b
		}
		c.mu.Unlock()
	}
}

func (c *netConn) Recv(want int) ([]byte, error) { return c.receive(want, false) }

func (c *netConn) RecvMax(max int) ([]byte, error) { return c.receive(max, true) }

func (c *netConn) receive(want int, bounded bool) ([]byte, error) {
	if want < 0 || want > MaxMessage {
		return nil, fmt.Errorf("recv: %d bytes are not a message's length (0 to %d)", want, MaxMessage)
	}
	c.recv.Lock()
	defer c.recv.Unlock()
	c.mu.Lock()
	err := c.failure()
	c.mu.Unlock()
	if err != nil {
		return nil, fmt.Errorf("recv: %w", err)
	}
	msg, depth, err := c.frame(want, bounded)
	if err != nil {
		return nil, fmt.Errorf("recv: %w", c.fail(reason(err, c.timeout)))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recvDepth = max(c.recvDepth, depth)
	c.stats.Depth = max(c.stats.Depth, depth)
	c.stats.BytesReceived += int64(len(msg))
	c.stats.MessagesReceived++
	return msg, nil
}

// frame reads one frame and checks its header before it takes memory.
func (c *netConn) frame(want int, bounded bool) ([]byte, int, error) {
	deadline := time.Now().Add(c.timeout)
	c.raw.SetReadDeadline(deadline)
	length, depth, err := readHeader(c.r)
	if err != nil {
		return nil, 0, err
	}
	if err := checkLength(length, want, bounded); err != nil {
		return nil, 0, err
	}
	c.mu.Lock()
	least, most := c.recvDepth, c.sentDepth+1
	c.mu.Unlock()
	if depth < max(least, 1) || depth > most {
		return nil, 0, fmt.Errorf("the peer's message says depth %d, want %d to %d", depth, max(least, 1), most)
	}
	if length > c.r.Buffered() {
		c.raw.SetReadDeadline(time.Now().Add(c.timeout + time.Duration(length)*time.Second/slowest))
	}
	msg, err := readPayload(c.r, length, bounded)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return msg, depth, err
}

func (c *netConn) Flush() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.failure(); err != nil {
		return fmt.Errorf("flush: %w", err)
	}
	return nil
}

func (c *netConn) Drain(limit int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	// The writer's deadlines bound the wait.
	for c.failure() == nil && c.queued > limit {
		c.wake.Wait()
	}
	if err := c.failure(); err != nil {
		return fmt.Errorf("drain: %w", err)
	}
	return nil
}

func (c *netConn) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stats
}

func (c *netConn) Close() error {
	c.mu.Lock()
	again, failed := c.closing, c.err != nil
	c.closing = true
	c.wake.Broadcast()
	c.mu.Unlock()
	if again {
		<-c.done
		return nil
	}
	// The writer ends when the queue is empty; its own deadlines bound each
	// piece, this timer the whole.
	if failed {
		c.raw.Close()
	}
	stop := time.AfterFunc(min(c.timeout, 5*time.Second), func() { c.raw.Close() })
	<-c.done
	stop.Stop()
	err := c.raw.Close()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// reason turns a failure of the network below into one clear sentence; the
// original stays inside.
func reason(err error, timeout time.Duration) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("%w (%v)", ErrTimeout, timeout)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w in the middle of a message", ErrPeer)
	case errors.Is(err, io.EOF), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNRESET):
		return ErrPeer
	case errors.Is(err, net.ErrClosed), errors.Is(err, io.ErrClosedPipe):
		return ErrClosed
	}
	return err
}
