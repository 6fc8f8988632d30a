package transport

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"sync"
)

// Recorder is a Conn that keeps a transcript of another: every message, in
// order, per direction. It is for tests that freeze a protocol's bytes or look
// at what a party sees.
type Recorder struct {
	Conn
	lane uint32
	*transcript
}

// transcript is what the recorders of all lanes of a connection share.
type transcript struct {
	mu             sync.Mutex
	sent, received []entry
	taken          [2]int // entries that Take has returned
}

type entry struct {
	lane uint32
	msg  []byte
}

// Record returns a Recorder around c. Close it instead of c.
func Record(c Conn) *Recorder { return &Recorder{Conn: c, transcript: &transcript{}} }

// Lane opens a lane that is part of the transcript.
func (r *Recorder) Lane(number uint32, depth int) Conn {
	return &Recorder{r.Conn.Lane(number, depth), number, r.transcript}
}

// Send sends msg and keeps a copy.
func (r *Recorder) Send(msg []byte) error {
	if err := r.Conn.Send(msg); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent = append(r.sent, entry{r.lane, bytes.Clone(msg)})
	return nil
}

// Recv receives a message and keeps a copy.
func (r *Recorder) Recv(want int) ([]byte, error) { return r.keep(r.Conn.Recv(want)) }

// RecvMax receives a message and keeps a copy.
func (r *Recorder) RecvMax(max int) ([]byte, error) { return r.keep(r.Conn.RecvMax(max)) }

func (r *Recorder) keep(msg []byte, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.received = append(r.received, entry{r.lane, bytes.Clone(msg)})
	return msg, nil
}

// Sent returns the messages sent so far, in the order in which they were.
func (r *Recorder) Sent() [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return messages(r.sent)
}

// Received returns the messages received so far: this party's view.
func (r *Recorder) Received() [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return messages(r.received)
}

// Take returns what was sent and received since the last call, lane by lane in
// the order of their numbers: an order that does not depend on timing.
func (r *Recorder) Take() (sent, received [][]byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	take := func(all []entry, from *int) [][]byte {
		part := slices.Clone(all[*from:])
		*from = len(all)
		slices.SortStableFunc(part, func(a, b entry) int { return cmp.Compare(a.lane, b.lane) })
		return messages(part)
	}
	return take(r.sent, &r.taken[0]), take(r.received, &r.taken[1])
}

func messages(entries []entry) [][]byte {
	out := make([][]byte, len(entries))
	for i, e := range entries {
		out[i] = e.msg
	}
	return out
}

// SentDigest returns the SHA-256, in hex, of the messages sent, each preceded
// by its length (8 bytes, little-endian).
func (r *Recorder) SentDigest() string { return digest(r.Sent()) }

// ReceivedDigest is SentDigest for the messages received: the peer's
// SentDigest if nothing is on its way.
func (r *Recorder) ReceivedDigest() string { return digest(r.Received()) }

func digest(msgs [][]byte) string {
	h := sha256.New()
	for _, m := range msgs {
		h.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(m))))
		h.Write(m)
	}
	return hex.EncodeToString(h.Sum(nil))
}
