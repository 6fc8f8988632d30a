package transporttest

import (
	"bytes"
	"errors"
	"fmt"
	goruntime "runtime"
	"strings"
	"testing"
	"time"

	"nimbus/runtime/transport"
)

// A Factory returns the two ends of a new connection with the given options.
type Factory func(t testing.TB, options ...transport.Option) (a, b transport.Conn)

// TestConn checks that the connections of factory keep every promise of
// [transport.Conn].
func TestConn(t *testing.T, factory Factory) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, factory Factory)
	}{
		{"sizes", testSizes},
		{"send copies", testSendCopies},
		{"both send first", testBothSendFirst},
		{"many small", testManySmall},
		{"drain", testDrain},
		{"stats", testStats},
		{"lanes", testLanes},
		{"depth of lanes", testLaneDepth},
		{"lane left unread", testLaneUnread},
		{"wrong length", testWrongLength},
		{"bounded", testBounded},
		{"bad arguments", testBadArguments},
		{"close delivers", testCloseDelivers},
		{"close wakes", testCloseWakes},
		{"peer gone", testPeerGone},
		{"silent peer", testSilentPeer},
		{"no goroutine left", testNoGoroutineLeft},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, factory) })
	}
}

// pair makes a connection that ends with the test.
func pair(t *testing.T, factory Factory, options ...transport.Option) (a, b transport.Conn) {
	t.Helper()
	a, b = factory(t, options...)
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

func pattern(n, seed int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8 + seed)
	}
	return b
}

func testSizes(t *testing.T, factory Factory) {
	a, b := pair(t, factory)
	for i, n := range []int{0, 1, 7, 8, 9, 65527, 65528, 65529, 65536, 1 << 20, 3<<20 + 1} {
		for _, ends := range [][2]transport.Conn{{a, b}, {b, a}} {
			if err := ends[0].Send(pattern(n, i)); err != nil {
				t.Fatal(err)
			}
			got, err := ends[1].Recv(n)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, pattern(n, i)) {
				t.Fatalf("a message of %d bytes arrives changed", n)
			}
		}
	}
}

func testSendCopies(t *testing.T, factory Factory) {
	a, b := pair(t, factory)
	msg := []byte{1, 2, 3}
	for i := range 100 {
		msg[0] = byte(i)
		if err := a.Send(msg); err != nil {
			t.Fatal(err)
		}
	}
	msg[0] = 255
	for i := range 100 {
		got, err := b.Recv(3)
		if err != nil || got[0] != byte(i) {
			t.Fatalf("message %d: got %v %v", i, got, err)
		}
	}
}

// testBothSendFirst sends far more than any buffer of the system both ways
// before either party reads.
func testBothSendFirst(t *testing.T, factory Factory) {
	a, b := pair(t, factory)
	const n, size = 8, 2 << 20
	for i := range n {
		for _, c := range []transport.Conn{a, b} {
			if err := c.Send(pattern(size, i)); err != nil {
				t.Fatal(err)
			}
			if err := c.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := range n {
		for _, c := range []transport.Conn{a, b} {
			got, err := c.Recv(size)
			if err != nil || !bytes.Equal(got, pattern(size, i)) {
				t.Fatalf("message %d: %v", i, err)
			}
		}
	}
}

func testManySmall(t *testing.T, factory Factory) {
	a, b := pair(t, factory)
	sent := make(chan error, 1)
	go func() {
		for i := range 20000 {
			if err := a.Send(pattern(i%50, i)); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	for i := range 20000 {
		got, err := b.Recv(i % 50)
		if err != nil || !bytes.Equal(got, pattern(i%50, i)) {
			t.Fatalf("message %d: %v", i, err)
		}
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
}

// testDrain lets a party wait for its peer to read.
func testDrain(t *testing.T, factory Factory) {
	a, b := pair(t, factory)
	if err := a.Drain(0); err != nil {
		t.Fatal(err)
	}
	const n, size = 32, 1 << 20
	for range n {
		if err := a.Send(make([]byte, size)); err != nil {
			t.Fatal(err)
		}
	}
	drained := make(chan error, 1)
	go func() { drained <- a.Drain(0) }()
	for range n {
		if _, err := b.Recv(size); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
	// Closing ends the wait.
	for range n {
		if err := a.Send(make([]byte, size)); err != nil {
			t.Fatal(err)
		}
	}
	go func() { drained <- a.Drain(0) }()
	time.Sleep(10 * time.Millisecond)
	b.Close()
	a.Close()
	<-drained
	if err := a.Drain(0); !errors.Is(err, transport.ErrClosed) && !errors.Is(err, transport.ErrPeer) {
		t.Errorf("Drain after Close: %v", err)
	}
}

func testStats(t *testing.T, factory Factory) {
	a, b := pair(t, factory)
	move := func(from, to transport.Conn, n int) {
		t.Helper()
		if err := from.Send(make([]byte, n)); err != nil {
			t.Fatal(err)
		}
		if _, err := to.Recv(n); err != nil {
			t.Fatal(err)
		}
	}
	check := func(c transport.Conn, want transport.Stats) {
		t.Helper()
		if got := c.Stats(); got != want {
			t.Errorf("got %v; want %v", got, want)
		}
	}
	check(a, transport.Stats{})
	move(a, b, 10)
	move(a, b, 20) // in the same direction: no new half-round
	check(a, transport.Stats{BytesSent: 30, MessagesSent: 2, Depth: 1})
	move(b, a, 5)
	old := a.Stats()
	move(a, b, 1)
	check(b, transport.Stats{BytesSent: 5, MessagesSent: 1, BytesReceived: 31, MessagesReceived: 3, Depth: 3, Arrived: 3})
	if d := a.Stats().Sub(old); d != (transport.Stats{BytesSent: 1, MessagesSent: 1, Depth: 1}) {
		t.Errorf("since then: %v", d)
	}
	if got := b.Stats().Rounds(); got != 2 {
		t.Errorf("%d rounds, want 2", got)
	}
	// Messages that cross make one half-round.
	for _, c := range []transport.Conn{a, b} {
		if err := c.Send(nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []transport.Conn{a, b} {
		if _, err := c.Recv(0); err != nil {
			t.Fatal(err)
		}
		if got := c.Stats().Depth; got != 4 {
			t.Errorf("depth %d after messages that crossed, want 4", got)
		}
	}
}

// testLanes sends in many lanes at once, in both directions, large messages and
// small ones, some before the peer opens the lane: each lane gets its own.
func testLanes(t *testing.T, factory Factory) {
	a, b := pair(t, factory)
	const lanes, messages = 7, 30
	size := func(lane, i int) int { return (lane * lane * i * i * 37) % 70000 }
	one := func(c transport.Conn, lane int) error {
		for i := range messages {
			if err := c.Send(pattern(size(lane, i), lane+i)); err != nil {
				return err
			}
		}
		for i := range messages {
			got, err := c.Recv(size(lane, i))
			if err != nil {
				return err
			}
			if !bytes.Equal(got, pattern(size(lane, i), lane+i)) {
				return fmt.Errorf("lane %d: message %d arrives changed", lane, i)
			}
		}
		return c.Close()
	}
	errs := make(chan error)
	for lane := lanes; lane > 0; lane-- { // from the last on: numbers need not come in order
		for _, c := range []transport.Conn{a, b} {
			go func() { errs <- one(c.Lane(uint32(lane), 0), lane) }()
		}
	}
	for range 2 * lanes {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if s := a.Stats(); s.MessagesSent != lanes*messages || s.MessagesReceived != lanes*messages || s.Depth != 1 {
		t.Errorf("lane 0 counts %v, not all lanes", s)
	}
	if err := a.Send([]byte{1}); err != nil {
		t.Error(err)
	}
	if _, err := b.Recv(1); err != nil {
		t.Error(err)
	}
}

// testLaneDepth counts by lane: two chains side by side are as deep as one, and
// a lane goes on where what it depends on ended.
func testLaneDepth(t *testing.T, factory Factory) {
	a, b := pair(t, factory)
	pings := func(n uint32, depthA, depthB, k int) (x, y transport.Stats) {
		la, lb := a.Lane(n, depthA), b.Lane(n, depthB)
		for range k {
			for _, ends := range [][2]transport.Conn{{la, lb}, {lb, la}} {
				ends[0].Send([]byte{1})
				if _, err := ends[1].Recv(1); err != nil {
					t.Fatal(err)
				}
			}
		}
		la.Close()
		lb.Close()
		return la.Stats(), lb.Stats()
	}
	for _, c := range []struct {
		number                          uint32
		depthA, depthB, k               int
		depth, arrivedA, arrivedB, from int
	}{
		{1, 0, 0, 3, 6, 6, 5, 0},
		{2, 0, 0, 2, 4, 4, 3, 0},
		{4, 6, 5, 1, 8, 8, 7, 6},
		{3, 0, 5, 1, 6, 6, 5, 5}, // b was ahead: its answer to a's first message is deeper by itself
	} {
		x, y := pings(c.number, c.depthA, c.depthB, c.k)
		if x.Depth != c.depth || y.Depth != c.depth || x.Arrived != c.arrivedA || y.Arrived != c.arrivedB {
			t.Errorf("lane %d: depth %d and %d, arrived %d and %d; want %d, %d and %d", c.number, x.Depth, y.Depth, x.Arrived, y.Arrived, c.depth, c.arrivedA, c.arrivedB)
		}
		if y.Began != max(c.depthA, c.depthB) {
			t.Errorf("lane %d: began at %d, want %d", c.number, y.Began, max(c.depthA, c.depthB))
		}
	}
	if d := a.Stats().Depth; d != 8 {
		t.Errorf("depth %d in all, want 8", d)
	}
}

// testLaneUnread closes a lane before all was received, and hears from a lane
// that has ended: both end the connection.
func testLaneUnread(t *testing.T, factory Factory) {
	a, b := pair(t, factory)
	la, lb := a.Lane(1, 0), b.Lane(1, 0)
	la.Send([]byte("a"))
	la.Send([]byte("b"))
	if _, err := lb.Recv(1); err != nil {
		t.Fatal(err)
	}
	a.Send([]byte("c"))
	if _, err := b.Recv(1); err != nil { // reads what is before it
		t.Fatal(err)
	}
	if err := lb.Close(); err == nil || b.Send(nil) == nil {
		t.Errorf("a message is left, and Close says %v", err)
	}

	a, b = pair(t, factory)
	la, lb = a.Lane(1, 0), b.Lane(1, 0)
	lb.Close()
	la.Send([]byte("late"))
	if _, err := b.Recv(1); err == nil || !strings.Contains(err.Error(), "lane 1, which has ended") {
		t.Errorf("a message of a lane that has ended: %v", err)
	}
}

func testWrongLength(t *testing.T, factory Factory) {
	for _, want := range []int{0, 2, 4, transport.MaxMessage} {
		a, b := pair(t, factory)
		if err := a.Send([]byte("abc")); err != nil {
			t.Fatal(err)
		}
		a.Send([]byte("abc"))
		_, err := b.Recv(want)
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("3 bytes, want %d", want)) {
			t.Errorf("Recv(%d) of 3 bytes: %v", want, err)
		}
		// The first error is final.
		if _, again := b.Recv(3); again == nil || again.Error() != err.Error() {
			t.Errorf("after %v comes %v", err, again)
		}
		if b.Send(nil) == nil || b.Flush() == nil {
			t.Error("sending after an error passes")
		}
	}
}

func testBounded(t *testing.T, factory Factory) {
	a, b := pair(t, factory)
	for _, n := range []int{0, 3, 3 << 20} {
		if err := a.Send(pattern(n, 1)); err != nil {
			t.Fatal(err)
		}
		if got, err := b.RecvMax(max(n, 5)); err != nil || !bytes.Equal(got, pattern(n, 1)) {
			t.Fatalf("%d bytes of at most %d: %v", n, max(n, 5), err)
		}
	}
	a.Send(make([]byte, 6))
	if _, err := b.RecvMax(5); err == nil || !strings.Contains(err.Error(), "6 bytes, want at most 5") {
		t.Errorf("6 bytes of at most 5: %v", err)
	}
}

func testBadArguments(t *testing.T, factory Factory) {
	a, b := pair(t, factory)
	if _, err := a.Recv(-1); err == nil {
		t.Error("Recv(-1) passes")
	}
	if _, err := a.RecvMax(transport.MaxMessage + 1); err == nil {
		t.Error("RecvMax of more than a message passes")
	}
	// A bad call is the caller's affair: the connection lives.
	a.Send([]byte{1})
	if _, err := b.Recv(1); err != nil {
		t.Error(err)
	}
}

func testCloseDelivers(t *testing.T, factory Factory) {
	a, b := pair(t, factory)
	const n = 100
	for i := range n {
		if err := a.Send(pattern(10000, i)); err != nil {
			t.Fatal(err)
		}
	}
	closed := make(chan error)
	go func() { closed <- a.Close() }()
	for i := range n {
		if got, err := b.Recv(10000); err != nil || !bytes.Equal(got, pattern(10000, i)) {
			t.Fatalf("message %d: %v", i, err)
		}
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if err := a.Close(); err != nil {
		t.Errorf("closing twice: %v", err)
	}
	if err := a.Send(nil); !errors.Is(err, transport.ErrClosed) {
		t.Errorf("Send after Close: %v", err)
	}
}

func testCloseWakes(t *testing.T, factory Factory) {
	a, _ := pair(t, factory)
	got := make(chan error)
	go func() { _, err := a.Recv(1); got <- err }()
	time.Sleep(20 * time.Millisecond)
	a.Close()
	if err := <-got; !errors.Is(err, transport.ErrClosed) {
		t.Errorf("Recv on a connection that is closed: %v", err)
	}
}

func testPeerGone(t *testing.T, factory Factory) {
	a, b := pair(t, factory)
	b.Close()
	if _, err := a.Recv(1); !errors.Is(err, transport.ErrPeer) {
		t.Errorf("Recv: %v, want %v", err, transport.ErrPeer)
	}
	if err := a.Send(nil); err == nil {
		t.Error("Send passes")
	}
}

func testSilentPeer(t *testing.T, factory Factory) {
	a, _ := pair(t, factory, transport.Timeout(150*time.Millisecond))
	start := time.Now()
	_, err := a.Recv(1)
	if d := time.Since(start); !errors.Is(err, transport.ErrTimeout) || d < 100*time.Millisecond || d > 20*time.Second {
		t.Errorf("Recv from a silent peer: %v after %v", err, d)
	}
}

func testNoGoroutineLeft(t *testing.T, factory Factory) {
	before := goruntime.NumGoroutine()
	for i := range 5 {
		a, b := factory(t, transport.Timeout(50*time.Millisecond))
		switch i {
		case 0:
			a.Recv(1) // times out
		case 1:
			a.Send([]byte{1})
			b.Recv(2) // wrong length
		case 2:
			b.Close()
			a.Recv(1)
		}
		a.Close()
		b.Close()
	}
	settled(t, before)
}

// settled fails the test if more than before goroutines are left.
func settled(t *testing.T, before int) {
	t.Helper()
	for range 200 {
		if goruntime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	stacks := make([]byte, 1<<16)
	t.Errorf("%d goroutines, %d before\n%s", goruntime.NumGoroutine(), before, stacks[:goruntime.Stack(stacks, true)])
}
