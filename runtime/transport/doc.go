// Package transport moves messages between the two parties.
//
// A [Conn] sends and receives whole messages and counts them. [FromNet] makes
// one from any net.Conn; the packages below this one supply those: mem inside
// one process, tls between machines, sim with a given bandwidth and delay.
//
// Sending never waits for the peer to read: messages go through a queue that a
// goroutine of the Conn empties. Receiving is by exact length, known to the
// caller from the plan, so that no length that the peer names decides an
// allocation. The first error ends the Conn: every later call returns it.
//
// A session's independent steps share the connection as lanes: [Conn.Lane] gives
// each a chain of messages of its own, in which messages come in order, while
// lanes overtake each other. Lane 0 is the Conn itself, used before, between and
// after the others. Messages of a lane that this party has not begun wait, up to
// a bound; a lane that has ended gets none.
//
// Frame: length (4 bytes, little-endian), depth (4 bytes, little-endian),
// payload; in a lane but 0 the depth's top bit is set, the one below it if the
// sender had received a message of the lane before, and the lane's number (4
// bytes, little-endian) follows. A message's depth is one more than the
// largest depth that its sender had received before in the lane, or the lane was
// opened with: the length of the chain of messages that had to wait for each
// other, whatever went on in other lanes. It is a statistic, not a secret, and
// the peer cannot raise it by more than one per message.
//
// The package must not know what a message means, and never prints one.
//
// Read first: [Conn], [Stats], [FromNet].
package transport
