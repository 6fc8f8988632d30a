package transporttest

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"sync"

	"nimbus/runtime/transport"
)

// Manglings are what [Mangle] can do to a message: change its bytes, its length,
// its place.
var Manglings = []string{"flip", "bit", "noise", "truncate", "extend", "empty", "repeat", "replay", "swap", "drop", "close"}

// Mangle is c, but that the n-th message that goes out, from 1 on and in whatever
// lane, is mangled.
func Mangle(c transport.Conn, n int, how string) transport.Conn {
	return &mangler{c, &mangling{whole: c, left: n, how: how, seed: uint64(n)}}
}

type mangler struct {
	transport.Conn
	*mangling
}

type mangling struct {
	whole transport.Conn
	how   string
	seed  uint64

	mu   sync.Mutex
	left int
	last []byte       // the message before
	held func() error // sends the one that was swapped
}

func (m *mangler) Lane(number uint32, depth int) transport.Conn {
	return &mangler{m.Conn.Lane(number, depth), m.mangling}
}

// number is the next of a sequence that n alone decides.
func (m *mangling) number() uint64 {
	m.seed++
	h := sha256.Sum256(binary.LittleEndian.AppendUint64(nil, m.seed<<32))
	return binary.LittleEndian.Uint64(h[:])
}

func (m *mangler) Send(b []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.left--
	if m.held != nil {
		late := m.held
		m.held = nil
		if err := m.Conn.Send(b); err != nil {
			return err
		}
		return late()
	}
	if m.left != 0 {
		m.last = slices.Clone(b)
		return m.Conn.Send(b)
	}
	switch b = slices.Clone(b); m.how {
	case "flip":
		for i := range b {
			b[i] ^= 0xff
		}
	case "bit":
		if len(b) > 0 {
			b[m.number()%uint64(len(b))] ^= 1 << (m.number() % 8)
		}
	case "noise":
		for i := range b {
			b[i] = byte(m.number())
		}
	case "truncate":
		b = b[:len(b)/2]
	case "extend":
		b = append(b, make([]byte, 1000)...)
	case "empty":
		b = nil
	case "repeat":
		if err := m.Conn.Send(b); err != nil {
			return err
		}
	case "replay":
		b = m.last
	case "swap":
		m.held = func() error { return m.Conn.Send(b) }
		return nil
	case "drop":
		return nil
	case "close":
		return m.whole.Close()
	}
	return m.Conn.Send(b)
}
