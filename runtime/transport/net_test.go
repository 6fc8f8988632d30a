package transport_test

import (
	"bytes"
	"encoding/binary"
	"net"
	"path/filepath"
	"testing"
	"time"

	"nimbus/runtime/transport"
	"nimbus/runtime/transport/mem"
	"nimbus/runtime/transport/transporttest"
)

// sockets returns the two ends of a connection over the system's network.
func sockets(t testing.TB, network, address string) (a, b net.Conn) {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if a, err = net.Dial(network, l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if b, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return a, b
}

func unix(t testing.TB) (a, b net.Conn) {
	return sockets(t, "unix", filepath.Join(t.TempDir(), "s"))
}

func tcp(t testing.TB) (a, b net.Conn) { return sockets(t, "tcp", "127.0.0.1:0") }

func TestConn(t *testing.T) {
	for name, stream := range map[string]func(testing.TB) (a, b net.Conn){"unix": unix, "tcp": tcp} {
		t.Run(name, func(t *testing.T) {
			transporttest.TestConn(t, func(t testing.TB, o ...transport.Option) (a, b transport.Conn) {
				x, y := stream(t)
				return transport.FromNet(x, o...), transport.FromNet(y, o...)
			})
		})
		t.Run(name+" greedy", func(t *testing.T) { transporttest.TestGreedy(t, stream) })
		t.Run(name+" hostile", func(t *testing.T) { transporttest.TestHostile(t, stream) })
	}
}

// TestSlowMessage sends a message that takes longer than the timeout, at a
// rate that is fast enough.
func TestSlowMessage(t *testing.T) {
	raw, peer := mem.NetPipe()
	c := transport.FromNet(raw, transport.Timeout(100*time.Millisecond))
	defer c.Close()
	const n = 128 << 10
	go func() {
		peer.Write(header(n, 1))
		for range 8 {
			time.Sleep(40 * time.Millisecond)
			peer.Write(make([]byte, n/8))
		}
	}()
	if _, err := c.Recv(n); err != nil {
		t.Error(err)
	}
}

func TestRecorder(t *testing.T) {
	x, y := mem.Pipe()
	a, b := transport.Record(x), transport.Record(y)
	defer a.Close()
	defer b.Close()
	msg := []byte("one")
	a.Send(msg)
	msg[0] = 'x'
	a.Send([]byte("two"))
	b.Recv(3)
	b.RecvMax(10)
	if got := bytes.Join(b.Received(), []byte(" ")); string(got) != "one two" {
		t.Errorf("received %q", got)
	}
	if a.SentDigest() != b.ReceivedDigest() || a.ReceivedDigest() != b.SentDigest() {
		t.Error("the transcripts differ")
	}
	// The cut into messages is part of the transcript.
	z, _ := mem.Pipe()
	c := transport.Record(z)
	defer c.Close()
	c.Send([]byte("onetwo"))
	if c.SentDigest() == a.SentDigest() {
		t.Error("two messages have the digest of one")
	}
}

func header(length, depth uint32) []byte {
	b := binary.LittleEndian.AppendUint32(nil, length)
	return binary.LittleEndian.AppendUint32(b, depth)
}

// FuzzRecv feeds a Conn bytes of the peer: it returns what was framed or an
// error, never panics, and never returns a wrong length.
func FuzzRecv(f *testing.F) {
	f.Add(append(header(3, 1), "abc"...), 3, false)
	f.Add(append(header(3, 1), "ab"...), 3, true)
	f.Add(header(1<<31, 1<<31), 100, true)
	f.Fuzz(func(t *testing.T, stream []byte, want int, bounded bool) {
		if want < 0 || want > 1<<20 {
			want = 1 << 20
		}
		raw, peer := mem.NetPipe()
		peer.Write(stream)
		peer.Close()
		c := transport.FromNet(raw)
		defer c.Close()
		for at := 0; ; {
			var msg []byte
			var err error
			if bounded {
				msg, err = c.RecvMax(want)
			} else {
				msg, err = c.Recv(want)
			}
			if err != nil {
				return
			}
			if len(msg) > want || !bounded && len(msg) != want {
				t.Fatalf("got %d bytes, want %d", len(msg), want)
			}
			at += 8
			if !bytes.Equal(msg, stream[at:at+len(msg)]) {
				t.Fatal("got other bytes than were sent")
			}
			at += len(msg)
		}
	})
}

func BenchmarkMem(b *testing.B) {
	x, y := mem.Pipe()
	defer x.Close()
	defer y.Close()
	msg := make([]byte, 1<<20)
	b.SetBytes(int64(len(msg)))
	for b.Loop() {
		x.Send(msg)
		if _, err := y.Recv(len(msg)); err != nil {
			b.Fatal(err)
		}
	}
}
