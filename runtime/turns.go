package runtime

import (
	goruntime "runtime"
	"slices"
	"sync"

	"nimbus/runtime/transport"
)

// turns lets few steps compute at the same time, those first that come first in
// program order: a step uses the cores by itself (he and ot work in parallel),
// and three that share one core would all be late for the peer, who waits for
// the first. A step that waits for a message gives its turn away.
type turns struct {
	mu      sync.Mutex
	taken   int
	waiting []turn // sorted by lane
}

type turn struct {
	lane uint32
	mine chan struct{}
}

// turnsAtOnce is how many steps compute at a time: one for two cores.
func turnsAtOnce() int { return max(1, goruntime.GOMAXPROCS(0)/2) }

// ask asks for a turn, which has come when the channel is closed.
func (t *turns) ask(lane uint32) <-chan struct{} {
	w := turn{lane, make(chan struct{})}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.taken < turnsAtOnce() {
		t.taken++
		close(w.mine)
		return w.mine
	}
	at, _ := slices.BinarySearchFunc(t.waiting, lane, func(w turn, lane uint32) int { return int(w.lane) - int(lane) })
	t.waiting = slices.Insert(t.waiting, at, w)
	return w.mine
}

func (t *turns) take(lane uint32) { <-t.ask(lane) }

// give ends a turn, and begins that of the first step that waits.
func (t *turns) give() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.waiting) == 0 {
		t.taken--
		return
	}
	close(t.waiting[0].mine)
	t.waiting = slices.Delete(t.waiting, 0, 1)
}

// turnConn is a lane of a step that has a turn, but for when it waits.
type turnConn struct {
	transport.Conn
	turns *turns
	lane  uint32
}

func (c turnConn) Recv(want int) ([]byte, error) {
	c.turns.give()
	defer c.turns.take(c.lane)
	return c.Conn.Recv(want)
}

func (c turnConn) RecvMax(max int) ([]byte, error) {
	c.turns.give()
	defer c.turns.take(c.lane)
	return c.Conn.RecvMax(max)
}

// Send gives way to an earlier step: its peer has something to do meanwhile.
func (c turnConn) Send(msg []byte) error {
	err := c.Conn.Send(msg)
	c.giveWay()
	return err
}

// Flush gives way too. Protocols that compute for long between two messages call
// it now and then.
func (c turnConn) Flush() error {
	err := c.Conn.Flush()
	c.giveWay()
	return err
}

func (c turnConn) giveWay() {
	c.turns.mu.Lock()
	earlier := len(c.turns.waiting) > 0 && c.turns.waiting[0].lane < c.lane
	c.turns.mu.Unlock()
	if earlier {
		c.turns.give()
		c.turns.take(c.lane)
	}
}
