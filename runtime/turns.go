package runtime

import (
	"cmp"
	goruntime "runtime"
	"slices"
	"sync"

	"nimbus/runtime/transport"
)

// turns lets few steps compute at the same time, those of the lowest rank: a step
// uses the cores by itself (he and ot work in parallel), and three that share one
// core would all be late for the peer, who waits for the first. A step that waits
// for a message gives its turn away.
type turns struct {
	mu      sync.Mutex
	taken   int
	waiting []turn // sorted by rank
}

type turn struct {
	rank rank
	mine chan struct{}
}

// rank orders steps; two never have the same.
type rank uint64

// afterOthers is added to the ranks of products by weights: the client computes
// long for what the server opens in no time, while in other ops the peer has as
// much to do, and should have it early.
const afterOthers rank = 1 << 32

// turnsAtOnce is how many steps compute at a time: one for two cores.
func turnsAtOnce() int { return max(1, goruntime.GOMAXPROCS(0)/2) }

// ask asks for a turn, which has come when the channel is closed.
func (t *turns) ask(r rank) <-chan struct{} {
	w := turn{r, make(chan struct{})}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.taken < turnsAtOnce() {
		t.taken++
		close(w.mine)
		return w.mine
	}
	at, _ := slices.BinarySearchFunc(t.waiting, r, func(w turn, r rank) int { return cmp.Compare(w.rank, r) })
	t.waiting = slices.Insert(t.waiting, at, w)
	return w.mine
}

func (t *turns) take(r rank) { <-t.ask(r) }

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
	rank  rank
}

func (c turnConn) Recv(want int) ([]byte, error) {
	c.turns.give()
	defer c.turns.take(c.rank)
	return c.Conn.Recv(want)
}

func (c turnConn) RecvMax(max int) ([]byte, error) {
	c.turns.give()
	defer c.turns.take(c.rank)
	return c.Conn.RecvMax(max)
}

// Send gives way to a step of lower rank: its peer has something to do meanwhile.
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
	earlier := len(c.turns.waiting) > 0 && c.turns.waiting[0].rank < c.rank
	c.turns.mu.Unlock()
	if earlier {
		c.turns.give()
		c.turns.take(c.rank)
	}
}
