package transport

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"sync"
)

// Recorder is a Conn that keeps a transcript of another: every message, in
// order, per direction. It is for tests that freeze a protocol's bytes or look
// at what a party sees.
type Recorder struct {
	Conn
	mu       sync.Mutex
	sent     [][]byte
	received [][]byte
}

// Record returns a Recorder around c. Close it instead of c.
func Record(c Conn) *Recorder { return &Recorder{Conn: c} }

// Send sends msg and keeps a copy.
func (r *Recorder) Send(msg []byte) error {
	if err := r.Conn.Send(msg); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent = append(r.sent, bytes.Clone(msg))
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
	r.received = append(r.received, bytes.Clone(msg))
	return msg, nil
}

// Sent returns the messages sent so far.
func (r *Recorder) Sent() [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sent
}

// Received returns the messages received so far: this party's view.
func (r *Recorder) Received() [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.received
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
