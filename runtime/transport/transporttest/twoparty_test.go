package transporttest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"nimbus/runtime/transport"
)

func TestTwoParty(t *testing.T) {
	r := TwoParty(t,
		func(c transport.Conn) error {
			for i := range 3 {
				if err := c.Send(make([]byte, i+1)); err != nil {
					return err
				}
			}
			_, err := c.Recv(5)
			return err
		},
		func(c transport.Conn) error {
			for i := range 3 {
				if _, err := c.Recv(i + 1); err != nil {
					return err
				}
			}
			return c.Send([]byte("hello"))
		})
	want := transport.Stats{BytesSent: 6, BytesReceived: 5, MessagesSent: 3, MessagesReceived: 1, Depth: 2, Arrived: 2}
	if r.ClientStats != want {
		t.Errorf("client: %v", r.ClientStats)
	}
	if r.ClientStats.Rounds() != 1 || r.ServerStats.Depth != 2 {
		t.Errorf("server: %v", r.ServerStats)
	}
	if r.Client.SentDigest() != r.Server.ReceivedDigest() || r.Client.ReceivedDigest() != r.Server.SentDigest() {
		t.Error("the parties' transcripts differ")
	}
	if got := string(r.Client.Received()[0]); got != "hello" {
		t.Errorf("the client saw %q", got)
	}
}

// TestTwoPartyNotices runs what must fail a test.
func TestTwoPartyNotices(t *testing.T) {
	ok := func(transport.Conn) error { return nil }
	recv := func(c transport.Conn) error { _, err := c.Recv(1); return err }
	send := func(c transport.Conn) error { return c.Send([]byte{1}) }
	for _, c := range []struct {
		name           string
		client, server func(transport.Conn) error
		want           string
	}{
		{"deadlock", recv, recv, "deadlock"},
		{"error", func(transport.Conn) error { return errors.New("oops") }, ok, "client: oops"},
		{"panic", ok, func(transport.Conn) error { panic("bug") }, "server: panic: bug"},
		{"peer gone", ok, recv, "server: recv: the peer closed"},
		{"unread", send, ok, "server: left 1 messages unread"},
		{"length", send, func(c transport.Conn) error { _, err := c.Recv(2); return err }, "server: recv: the peer's message has 1 bytes, want 2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, errs := run(100*time.Millisecond, c.client, c.server)
			if got := fmt.Sprint(errs); !strings.Contains(got, c.want) {
				t.Errorf("got %s, want %q in it", got, c.want)
			}
		})
	}
}

func TestTwoPartyErr(t *testing.T) {
	oops := errors.New("oops")
	cerr, serr := TwoPartyErr(t,
		func(transport.Conn) error { return oops },
		func(c transport.Conn) error { _, err := c.Recv(1); return err })
	if cerr != oops || !errors.Is(serr, transport.ErrPeer) {
		t.Errorf("got %v and %v", cerr, serr)
	}
}
