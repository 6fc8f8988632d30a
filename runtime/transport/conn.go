package transport

import (
	"errors"
	"fmt"
	"time"
)

// MaxMessage is the longest payload of one message, 1 GiB.
const MaxMessage = 1 << 30

// DefaultTimeout is how long a Conn waits for the peer unless told otherwise.
const DefaultTimeout = 60 * time.Second

// slowest is the rate, in bytes per second, below which a message that has
// begun counts as stalled: a message of n bytes may take n/slowest longer.
const slowest = 64 << 10

// Errors that a caller may want to tell apart. All others are the peer's
// breach of the framing or the network's failure.
var (
	ErrTimeout = errors.New("the peer was silent for too long")
	ErrClosed  = errors.New("the connection is closed")
	ErrPeer    = errors.New("the peer closed the connection")
)

// Conn is one party's end of a session's connection, or of a lane of it. One
// goroutine may send while another receives; each lane may have its own two.
type Conn interface {
	// Send queues one message of at most MaxMessage bytes. It copies msg and
	// never waits for the peer. An error says that the connection failed
	// earlier.
	Send(msg []byte) error

	// Recv returns the next message, which must have exactly want bytes, 0 <=
	// want <= MaxMessage: another length is an error, found before anything is
	// allocated.
	Recv(want int) ([]byte, error)

	// RecvMax returns the next message, of at most max bytes. It is for
	// messages whose length the plan does not fix, such as the handshake.
	RecvMax(max int) ([]byte, error)

	// Flush reports an earlier failure of sending. It does not wait: queued
	// messages are on their way without it.
	Flush() error

	// Drain waits until at most limit payload and header bytes are queued. A
	// party that answers requests, and so lets the peer decide how much it
	// sends, calls it before each answer: else a peer that asks and does not
	// read fills this party's memory. Protocols must not: two parties that
	// drain before they receive can wait for each other.
	Drain(limit int) error

	// Lane returns a Conn of its own over the same connection, see doc.go. Both
	// parties open it by the same number, at least 1 and never used before;
	// messages of the peer may arrive before that and wait. depth is that of the
	// deepest message received on which what is sent in the lane depends.
	//
	// The lane is closed once, when all that the peer sends in it was received;
	// anything else that arrives in it ends the connection.
	Lane(number uint32, depth int) Conn

	// Bound lowers how far the peer may be ahead, for the whole connection: lane
	// is how many bytes of messages may wait in one lane that Lane opens, all how
	// many in all lanes together. More ends the connection. Zero leaves a bound as
	// it is.
	Bound(lane, all int64)

	// Stats returns what was sent and received so far: in a lane, or in all
	// together where the Conn is not one that Lane returned.
	Stats() Stats

	// Close sends what is queued, waiting for a bounded time, and releases the
	// connection. A blocked Recv returns ErrClosed. Closing a lane ends the lane
	// alone, at once.
	Close() error
}

// Stats counts messages. Bytes are those of payloads: the header of each frame
// and the overhead of the network below are not in it.
type Stats struct {
	BytesSent        int64
	BytesReceived    int64
	MessagesSent     int64
	MessagesReceived int64

	// Depth is the length of the longest chain of messages each of which was
	// sent after the one before it had arrived: half-rounds. A lane's begins at
	// the depth that it was opened with.
	Depth int
	// Arrived is the depth of the deepest message received, in a lane at least
	// the depth that it was opened with.
	Arrived int
	// Began is the depth at which the later of the parties opened a lane, as far
	// as this party can tell: Depth - Began is the lane's own chain.
	Began int
}

// Sub returns what was added since old.
func (s Stats) Sub(old Stats) Stats {
	return Stats{
		BytesSent:        s.BytesSent - old.BytesSent,
		BytesReceived:    s.BytesReceived - old.BytesReceived,
		MessagesSent:     s.MessagesSent - old.MessagesSent,
		MessagesReceived: s.MessagesReceived - old.MessagesReceived,
		Depth:            s.Depth - old.Depth,
		Arrived:          s.Arrived - old.Arrived,
		Began:            s.Began - old.Began,
	}
}

// Rounds returns the round trips: two messages of the longest chain make one,
// a lone last message counts as one.
func (s Stats) Rounds() int { return (s.Depth + 1) / 2 }

// String gives one line for reports.
func (s Stats) String() string {
	return fmt.Sprintf("sent %d bytes in %d messages, received %d bytes in %d messages, depth %d",
		s.BytesSent, s.MessagesSent, s.BytesReceived, s.MessagesReceived, s.Depth)
}
