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

// Conn is one party's end of a session's connection. One goroutine may send
// while another receives.
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

	// Stats returns what was sent and received so far.
	Stats() Stats

	// Close sends what is queued, waiting for a bounded time, and releases the
	// connection. A blocked Recv returns ErrClosed.
	Close() error
}

// Stats counts messages. Bytes are those of payloads: the 8 bytes of each
// frame's header and the overhead of the network below are not in it.
type Stats struct {
	BytesSent        int64
	BytesReceived    int64
	MessagesSent     int64
	MessagesReceived int64

	// Depth is the length of the longest chain of messages each of which was
	// sent after the one before it had arrived: half-rounds.
	Depth int
}

// Sub returns what was added since old.
func (s Stats) Sub(old Stats) Stats {
	return Stats{
		BytesSent:        s.BytesSent - old.BytesSent,
		BytesReceived:    s.BytesReceived - old.BytesReceived,
		MessagesSent:     s.MessagesSent - old.MessagesSent,
		MessagesReceived: s.MessagesReceived - old.MessagesReceived,
		Depth:            s.Depth - old.Depth,
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
