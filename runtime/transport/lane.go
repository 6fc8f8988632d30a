package transport

import (
	"errors"
	"fmt"
	"io"
	"time"
)

const (
	// maxHeld bounds the bytes of messages that have arrived and wait for their
	// lane: what a peer may be ahead of this party. Who knows what the peer has to
	// say lowers it (Bound).
	maxHeld = 512 << 20
	// heldMessage is what a waiting message counts for besides its bytes.
	heldMessage = 16 << 10
)

// A lane is one chain of messages of a connection. Its fields are guarded by the
// connection's mu.
//
// There is no goroutine that reads. Whoever waits for a message of its own lane
// reads frames for all lanes until that message has come, then another one that
// waits takes over. So nothing is read while nobody waits, and what is held is
// only what the network delivered before something awaited.
type lane struct {
	*netConn
	number uint32
	opened bool

	inbox []message // arrived, not received
	held  int       // their bytes
	await bool      // Recv waits for a message of want bytes
	want  int
	most  bool // or of at most want

	sent  int // largest depth sent
	last  int // depth of the last message received
	stats Stats
}

type message struct {
	payload []byte
	header
}

func (l *lane) Send(msg []byte) error {
	if len(msg) > MaxMessage {
		return fmt.Errorf("send: %d bytes are more than a message's %d", len(msg), MaxMessage)
	}
	c := l.netConn
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.failure(); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	depth := l.arrived() + 1
	l.sent, c.sentDepth = max(l.sent, depth), max(c.sentDepth, depth)
	h := header{depth: depth, lane: l.number, answers: l.stats.MessagesReceived > 0}
	l.count(depth, func(s *Stats) { s.BytesSent += int64(len(msg)); s.MessagesSent++ })
	size := frameSize(len(msg), l.number)
	if n := len(c.queue); n > 0 && len(c.queue[n-1])+size <= batch {
		c.queue[n-1] = appendFrame(c.queue[n-1], msg, h)
	} else {
		c.queue = append(c.queue, appendFrame(c.frame(size), msg, h))
	}
	c.queued += size
	c.wake.Broadcast()
	return nil
}

// arrived is the depth of what this lane's next message depends on. Lane 0 is
// used between lanes, after all that has happened in them.
func (l *lane) arrived() int {
	if l.number == 0 {
		return l.netConn.stats.Arrived
	}
	return l.stats.Arrived
}

// count counts a message of a depth in the lane and in the whole.
func (l *lane) count(depth int, add func(*Stats)) {
	for _, s := range []*Stats{&l.stats, &l.netConn.stats} {
		add(s)
		s.Depth = max(s.Depth, depth)
	}
}

func (l *lane) Recv(want int) ([]byte, error) { return l.receive(want, false) }

func (l *lane) RecvMax(max int) ([]byte, error) { return l.receive(max, true) }

func (l *lane) receive(want int, bounded bool) ([]byte, error) {
	if want < 0 || want > MaxMessage {
		return nil, fmt.Errorf("recv: %d bytes are not a message's length (0 to %d)", want, MaxMessage)
	}
	msg, err := l.next(want, bounded)
	if err != nil {
		return nil, fmt.Errorf("recv: %w", err)
	}
	return msg, nil
}

// next returns the lane's next message, reading frames of all lanes until it has
// come, unless another goroutine does that.
func (l *lane) next(want int, bounded bool) ([]byte, error) {
	c := l.netConn
	c.mu.Lock()
	defer c.mu.Unlock()
	l.await, l.want, l.most = true, want, bounded
	defer func() { l.await = false }()
	reader := false
	defer func() {
		if reader {
			c.reading = false
			c.arrival.Broadcast()
		}
	}()
	for {
		if err := c.failure(); err != nil {
			return nil, err
		}
		if len(l.inbox) > 0 {
			break
		}
		if c.reading && !reader {
			c.arrival.Wait()
			continue
		}
		c.reading, reader = true, true
		c.mu.Unlock()
		err := c.read()
		if err != nil {
			err = c.fail(reason(err, c.timeout))
		}
		c.mu.Lock()
		if err != nil {
			return nil, err
		}
	}
	m := l.inbox[0]
	l.inbox[0] = message{}
	l.inbox = l.inbox[1:]
	c.held -= len(m.payload) + heldMessage
	l.held -= len(m.payload)
	if err := checkLength(len(m.payload), want, bounded); err != nil {
		c.mu.Unlock()
		err = c.fail(err)
		c.mu.Lock()
		return nil, err
	}
	if l.stats.MessagesReceived == 0 && (!m.answers || m.depth-1 > l.sent) {
		l.stats.Began = max(l.stats.Began, m.depth-1) // where the peer began
	}
	l.count(m.depth, func(s *Stats) {
		s.BytesReceived += int64(len(m.payload))
		s.MessagesReceived++
		s.Arrived = max(s.Arrived, m.depth)
	})
	return m.payload, nil
}

// read reads one frame into the inbox of its lane. Its header is checked before
// it takes memory.
func (c *netConn) read() error {
	c.raw.SetReadDeadline(time.Now().Add(c.timeout))
	h, err := readHeader(c.r)
	if err != nil {
		return err
	}
	c.mu.Lock()
	l, exact, err := c.admit(h)
	c.mu.Unlock()
	if err != nil {
		return err
	}
	if h.length > c.r.Buffered() {
		c.raw.SetReadDeadline(time.Now().Add(c.timeout + time.Duration(h.length)*time.Second/slowest))
	}
	payload, err := readPayload(c.r, h.length, !exact)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return err
	}
	c.mu.Lock()
	l.inbox = append(l.inbox, message{payload, h})
	c.arrival.Broadcast()
	c.mu.Unlock()
	return nil
}

// admit checks a frame's header and finds its lane; exact tells that the length
// is one that this party asked for. mu is held.
func (c *netConn) admit(h header) (l *lane, exact bool, err error) {
	number, length, depth := h.lane, h.length, h.depth
	if c.ended[number] || 0 < number && number < c.floor {
		return nil, false, fmt.Errorf("the peer's message is for lane %d, which has ended: the parties are out of step", number)
	}
	if l = c.lanes[number]; l == nil {
		l = &lane{netConn: c, number: number}
	}
	if awaited := l.await && len(l.inbox) == 0; awaited {
		if err := checkLength(length, l.want, l.most); err != nil {
			return nil, false, err
		}
		exact = !l.most
	} else if c.held+length+heldMessage > c.maxHeld {
		return nil, false, fmt.Errorf("the peer's message of %d bytes in lane %d comes too early: %d bytes wait already, at most %d may", length, number, c.held, c.maxHeld)
	} else if number > 0 && l.held+length > c.maxLane {
		return nil, false, fmt.Errorf("the peer's message of %d bytes in lane %d comes too early: %d bytes wait in it already, at most %d may", length, number, l.held, c.maxLane)
	}
	// The peer's lane began at the depth of a message of ours, if any.
	if least, most := max(l.last, 1), c.sentDepth+1; depth < least || depth > most {
		return nil, false, fmt.Errorf("the peer's message says depth %d, want %d to %d", depth, least, most)
	}
	l.last = depth
	c.held += length + heldMessage
	l.held += length
	c.lanes[number] = l
	return l, exact, nil
}

func (l *lane) Lane(number uint32, depth int) Conn {
	c := l.netConn
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.lanes[number]
	if n == nil {
		n = &lane{netConn: c, number: number}
		c.lanes[number] = n
	}
	if number == 0 || n.opened || number < c.floor || c.ended[number] {
		panic(fmt.Sprintf("transport: internal error: lane %d is opened again", number))
	}
	n.opened = true
	n.stats.Depth, n.stats.Arrived, n.stats.Began = depth, depth, depth
	return n
}

func (l *lane) Bound(lane, all int64) {
	c := l.netConn
	c.mu.Lock()
	defer c.mu.Unlock()
	if 0 < lane && lane < int64(c.maxLane) {
		c.maxLane = int(lane)
	}
	if 0 < all && all < int64(c.maxHeld) {
		c.maxHeld = int(all)
	}
}

func (l *lane) Stats() Stats {
	c := l.netConn
	c.mu.Lock()
	defer c.mu.Unlock()
	if l.number == 0 {
		return c.stats
	}
	return l.stats
}

func (l *lane) Close() error {
	if l.number == 0 {
		return l.shut()
	}
	c := l.netConn
	c.mu.Lock()
	left := len(l.inbox)
	delete(c.lanes, l.number)
	c.ended[l.number] = true
	for c.ended[c.floor] {
		delete(c.ended, c.floor)
		c.floor++
	}
	c.mu.Unlock()
	if left > 0 {
		return fmt.Errorf("close: %w", c.fail(fmt.Errorf("the peer sent %d messages too many in lane %d: the parties are out of step", left, l.number)))
	}
	return nil
}
