package transport

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
)

const (
	// batch is how many queued bytes of small messages go out in one write.
	batch = 64 << 10
	// piece is how many bytes of a large message go out under one deadline.
	piece = 1 << 20
	// maxSpare is how many slices for frames are kept to be used again, spareSize how
	// long one may be.
	maxSpare, spareSize = 8, 512 << 10
)

// An Option changes a Conn that FromNet makes.
type Option func(*netConn)

// Timeout sets how long the Conn waits for the peer: for the next message, and
// for room to write. A long message may take longer, as long as it comes at 64
// KiB per second.
func Timeout(d time.Duration) Option { return func(c *netConn) { c.timeout = d } }

// netConn frames messages over a net.Conn: what its lanes share.
type netConn struct {
	raw     net.Conn
	timeout time.Duration
	r       *bufio.Reader // of the goroutine that set reading

	mu      sync.Mutex // guards what follows, and the lanes
	wake    sync.Cond  // broadcast when what is guarded changes
	queue   [][]byte   // frames to send; small ones share a slice
	queued  int        // bytes of frames that are not yet written
	spare   [][]byte   // slices to use again for frames
	closing bool       // Close was called
	err     error      // the first failure; final
	done    chan struct{}

	arrival sync.Cond        // broadcast when a message arrived, or nobody reads any longer
	reading bool             // a goroutine reads frames, for whichever lane they are
	lanes   map[uint32]*lane // in use, or with messages that wait for their lane
	ended   map[uint32]bool  // lanes that are closed, from floor on
	floor   uint32           // all lanes below are closed; lane 0 never is
	held    int              // bytes of messages that arrived and were not received
	maxHeld int              // the most of them
	maxLane int              // and of those of one lane but lane 0

	stats     Stats
	sentDepth int // largest depth sent in any lane
}

// FromNet returns a Conn over raw, which it owns from here on. It starts one
// goroutine, which Close ends.
func FromNet(raw net.Conn, options ...Option) Conn {
	c := &netConn{
		raw: raw, timeout: DefaultTimeout, r: bufio.NewReaderSize(raw, batch), done: make(chan struct{}),
		lanes: map[uint32]*lane{}, ended: map[uint32]bool{}, floor: 1, maxHeld: maxHeld, maxLane: maxHeld,
	}
	c.wake.L, c.arrival.L = &c.mu, &c.mu
	for _, o := range options {
		o(c)
	}
	go c.write()
	first := &lane{netConn: c}
	c.lanes[0] = first
	return first
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
	c.arrival.Broadcast()
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
			queue[i] = nil // it may be long
			c.mu.Lock()
			if cap(b) <= spareSize && len(c.spare) < maxSpare {
				c.spare = append(c.spare, b[:0])
			}
			c.queued -= len(b)
			c.wake.Broadcast()
			c.mu.Unlock()
		}
	}
}

// frame returns an empty slice for frames, with room for size bytes. mu is held.
func (c *netConn) frame(size int) []byte {
	for i := len(c.spare) - 1; i >= 0; i-- {
		if b := c.spare[i]; cap(b) >= size {
			c.spare = slices.Delete(c.spare, i, i+1)
			return b
		}
	}
	return make([]byte, 0, max(size, batch))
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

// shut ends the connection.
func (c *netConn) shut() error {
	c.mu.Lock()
	again, failed := c.closing, c.err != nil
	c.closing = true
	c.wake.Broadcast()
	c.arrival.Broadcast()
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
