package transporttest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	goruntime "runtime"
	"strings"
	"testing"
	"time"

	"nimbus/runtime/transport"
)

// TestHostile lets a hostile peer write onto raw, the other end of the net.Conn
// that stream returns: whatever comes, Recv gives one clear error, takes no
// memory that the peer did not pay for, and leaves no goroutine behind.
func TestHostile(t *testing.T, stream func(t testing.TB) (conn, raw net.Conn)) {
	const timeout = 200 * time.Millisecond
	frame := func(length, depth uint32, payload string) []byte {
		b := binary.LittleEndian.AppendUint32(nil, length)
		return append(binary.LittleEndian.AppendUint32(b, depth), payload...)
	}
	inLane := func(length, depth, lane uint32, payload string) []byte {
		return append(binary.LittleEndian.AppendUint32(frame(length, depth|1<<31, ""), lane), payload...)
	}
	good := frame(4, 1, "good")
	tiny := bytes.Repeat(inLane(0, 1, 9, ""), 33_000)
	for _, c := range []struct {
		name   string
		bytes  []byte
		hangUp bool // close after bytes, or else fall silent
		recv   func(c transport.Conn) error
		want   string
		is     error
	}{
		{"killed before the first byte", nil, true, recvs(4), "closed the connection", transport.ErrPeer},
		{"killed in the header", good[:5], true, recvs(4), "in the middle of a message", transport.ErrPeer},
		{"killed after the header", good[:8], true, recvs(4), "in the middle of a message", transport.ErrPeer},
		{"killed in the payload", good[:10], true, recvs(4), "in the middle of a message", transport.ErrPeer},
		{"stalled before the first byte", nil, false, recvs(4), "silent", transport.ErrTimeout},
		{"stalled in the header", good[:7], false, recvs(4), "silent", transport.ErrTimeout},
		{"stalled in the payload", good[:11], false, recvs(4), "silent", transport.ErrTimeout},
		{"oversized", frame(1<<32-1, 1, "x"), false, recvs(4), "4294967295 bytes, want 4", nil},
		{"oversized, bounded", frame(1<<32-1, 1, "x"), false, recvMax(1 << 20), "want at most 1048576", nil},
		{"bounded but never sent", frame(1<<30, 1, "x"), true, recvMax(1 << 30), "in the middle of a message", transport.ErrPeer},
		{"too short", frame(3, 1, "abc"), false, recvs(4), "3 bytes, want 4", nil},
		{"repeated", append(good[:12:12], good...), false, recvs(4, 9), "4 bytes, want 9", nil},
		{"depth 0", frame(4, 0, "good"), false, recvs(4), "depth 0, want 1 to 1", nil},
		{"depth ahead", frame(4, 2, "good"), false, recvs(4), "depth 2, want 1 to 1", nil},
		{"depth huge", frame(4, 1<<31-1, "good"), false, recvs(4), "depth 2147483647", nil},
		{"killed before the lane's number", inLane(4, 1, 7, "")[:8], true, recvs(4), "in the middle of a message", transport.ErrPeer},
		{"killed in the lane's number", inLane(4, 1, 7, "")[:10], true, recvs(4), "in the middle of a message", transport.ErrPeer},
		{"lane 0 in the long form", inLane(4, 1, 0, "good"), false, recvs(4), "long form", nil},
		{"lane nobody opens", inLane(4, 1, 7, "good"), false, recvs(4), "silent", transport.ErrTimeout},
		{"lane with a huge message", inLane(1<<32-1, 1, 7, "x"), false, recvs(4), "too early", nil},
		{"lane with a message never sent", inLane(1<<28, 1, 7, "x"), true, recvs(4), "in the middle of a message", transport.ErrPeer},
		{"lane with endless messages", tiny, false, recvs(4), "too early", nil},
		{"lane with more than its bound", inLane(101, 1, 7, "x"), false, bounded(100, 1<<20), "101 bytes in lane 7 comes too early: 0 bytes wait in it already, at most 100 may", nil},
		{"lane with more and more", append(inLane(60, 1, 7, strings.Repeat("x", 60)), inLane(41, 1, 7, "")...), false, bounded(100, 1<<20), "60 bytes wait in it already", nil},
		{"lanes with more than the bound of all", append(inLane(90, 1, 7, strings.Repeat("x", 90)), inLane(90, 1, 8, "x")...), false, bounded(100, 20_000), "in lane 8 comes too early: 16474 bytes wait already, at most 20000", nil},
		{"lane depth far ahead", inLane(4, 1<<30-1, 7, "good"), false, recvs(4), "depth 1073741823, want 1 to 1", nil},
		{"lane depth ahead", inLane(4, 2, 7, "good"), false, recvs(4), "depth 2, want 1 to 1", nil},
		{"lane depth back", append(inLane(4, 1, 7, "good"), inLane(4, 0, 7, "good")...), false, recvs(4), "depth 0, want 1 to 1", nil},
		{"garbage", []byte("GET / HTTP/1.1\r\nHost: nimbus\r\n\r\n"), false, recvs(4), "bytes, want 4", nil},
		{"another protocol", []byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), false, recvMax(1024), "want at most 1024", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := goruntime.NumGoroutine()
			raw, peer := stream(t)
			conn := transport.FromNet(raw, transport.Timeout(timeout))
			wrote := make(chan struct{})
			go func() {
				defer close(wrote)
				peer.Write(c.bytes)
				if c.hangUp {
					peer.Close()
				}
			}()
			var m0, m1 goruntime.MemStats
			goruntime.ReadMemStats(&m0)
			err := c.recv(conn)
			goruntime.ReadMemStats(&m1)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got error %v, want %q in it", err, c.want)
			}
			if c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("error %v is not %v", err, c.is)
			}
			if got := m1.TotalAlloc - m0.TotalAlloc; got > 16<<20 {
				t.Errorf("%d bytes allocated for a hostile message", got)
			}
			if conn.Send(nil) == nil {
				t.Error("the connection outlives the error")
			}
			start := time.Now()
			conn.Close()
			if d := time.Since(start); d > 4*time.Second {
				t.Errorf("Close took %v", d)
			}
			peer.Close()
			<-wrote
			settled(t, before)
		})
	}
	t.Run("peer that does not read", func(t *testing.T) {
		before := goruntime.NumGoroutine()
		raw, peer := stream(t)
		conn := transport.FromNet(raw, transport.Timeout(timeout))
		for range 8 {
			conn.Send(make([]byte, 4<<20))
		}
		if _, err := conn.Recv(1); !errors.Is(err, transport.ErrTimeout) {
			t.Errorf("got error %v, want %v", err, transport.ErrTimeout)
		}
		conn.Close()
		peer.Close()
		settled(t, before)
	})
}

// bounded lowers the bounds of what may wait, and waits for something else.
func bounded(lane, all int64) func(transport.Conn) error {
	return func(c transport.Conn) error {
		c.Bound(lane, all)
		c.Bound(2*lane, 2*all) // a bound is not raised
		return recvs(4)(c)
	}
}

// TestGreedy lets a peer ask for large answers and never read them, on a stream
// of bounded capacity: a party that drains before it answers holds little and
// ends with one error.
func TestGreedy(t *testing.T, stream func(t testing.TB) (conn, raw net.Conn)) {
	raw, peer := stream(t)
	conn := transport.FromNet(raw, transport.Timeout(200*time.Millisecond))
	const size, most = 1 << 20, 64
	answers := 0
	for ; answers < most; answers++ {
		if conn.Drain(2*size) != nil || conn.Send(make([]byte, size)) != nil {
			break
		}
	}
	if answers == most {
		t.Errorf("%d answers of %d bytes for a peer that does not read", answers, size)
	}
	if err := conn.Flush(); !errors.Is(err, transport.ErrTimeout) {
		t.Errorf("got error %v, want %v", err, transport.ErrTimeout)
	}
	conn.Close()
	peer.Close()
}

// recvs receives messages of the given sizes.
func recvs(sizes ...int) func(transport.Conn) error {
	return func(c transport.Conn) error {
		for _, n := range sizes {
			if _, err := c.Recv(n); err != nil {
				return err
			}
		}
		return nil
	}
}

func recvMax(n int) func(transport.Conn) error {
	return func(c transport.Conn) error { _, err := c.RecvMax(n); return err }
}
