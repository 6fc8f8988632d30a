package corr_test

import (
	"bytes"
	"errors"
	"fmt"
	"nimbus/internal/otparams"
	"nimbus/internal/prg"
	"nimbus/runtime/corr"
	"nimbus/runtime/corr/baseot"
	"nimbus/runtime/corr/corrtest"
	"nimbus/runtime/transport"
	"nimbus/runtime/transport/mem"
	"nimbus/runtime/transport/transporttest"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestHostilePeer(t *testing.T) {
	var soft corr.Extension = corr.SoftSpoken{K: 4}
	silent := ferret("ferret10")
	setup, _ := soft.SetupBytes()
	reply := 128*64 + 128*32
	request := int(setup) - reply
	tests := []struct {
		name string
		peer func(conn transport.Conn) error
		want string
	}{
		{"empty request", func(c transport.Conn) error { return say(c, nil) }, "receive request"},
		{"long request", func(c transport.Conn) error { return say(c, make([]byte, request+1)) }, "receive request"},
		{"zero request", func(c transport.Conn) error { return say(c, bytes.Repeat([]byte{1}, request)) }, "not the canonical encoding"},
		{"hang up", func(c transport.Conn) error { _, err := c.RecvMax(1 << 20); return err }, "receive request"},
		{"bad reply", func(c transport.Conn) error {
			return corrupt(c, soft, 1, func(b []byte) []byte { b[5] ^= 1; return b })
		}, "reply, OT 0, element 0"},
		{"short reply", func(c transport.Conn) error {
			return corrupt(c, soft, 1, func(b []byte) []byte { return b[1:] })
		}, "receive reply"},
		{"short corrections", func(c transport.Conn) error {
			return corrupt(c, soft, 2, func(b []byte) []byte { return b[:len(b)-1] })
		}, "receive corrections"},
		{"silent, short corrections", func(c transport.Conn) error {
			return corrupt(c, silent, 2, func(b []byte) []byte { return b[:len(b)-1] })
		}, "receive corrections"},
		{"silent, long trees", func(c transport.Conn) error {
			return corrupt(c, silent, 4, func(b []byte) []byte { return append(b, 0) })
		}, "receive trees"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ext := soft
			if strings.HasPrefix(test.name, "silent") {
				ext = silent
			}
			victim := func(conn transport.Conn) error {
				c, err := corr.Setup(conn, 0, corr.Config{Ext: ext}, prg.New(prg.Seed{3}))
				if err != nil {
					return err
				}
				err = c.Prefill(1000, 1000)
				if err == nil {
					return nil
				}
				// Dead: the same error, no message.
				sent := conn.Stats().MessagesSent
				for _, f := range []func() error{
					func() error { return c.Prefill(1, 1) },
					func() error { _, _, err := c.SenderTake(1); return err },
					func() error { _, _, err := c.ReceiverTake(1); return err },
				} {
					if again := f(); again != err {
						return fmt.Errorf("after an error: %v", again)
					}
				}
				if conn.Stats().MessagesSent != sent {
					return fmt.Errorf("a dead corr sent a message")
				}
				return err
			}
			err, _ := transporttest.TwoPartyErr(t, victim, test.peer)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, expected one with %q", err, test.want)
			}
		})
	}
}

// TestMangledPeer mangles every message of a peer in turn, under each base OT and
// kind of extension: malformed keys, points and ciphertexts, wrong lengths,
// messages again, late, of before, or never. The victim does not panic or hang,
// and a wrong length is an error.
func TestMangledPeer(t *testing.T) {
	for _, e := range []corr.Extension{corr.SoftSpoken{K: 2, Base: baseot.MLKEM{}}, ferret("ferret10")} {
		run := func(party int, conn transport.Conn) error {
			c, err := corr.Setup(conn, party, corr.Config{Ext: e}, prg.New(prg.Seed{byte(5 + party)}))
			if err != nil {
				return err
			}
			if err := c.Prefill(100, 100); err != nil {
				return err
			}
			return conn.Close()
		}
		a, b := mem.Pipe()
		done := make(chan error, 1)
		go func() { done <- run(1, b) }()
		if err := errors.Join(run(0, a), <-done); err != nil {
			t.Fatal(err)
		}
		sent := int(b.Stats().MessagesSent)
		t.Logf("%s: %d messages", e, sent)
		for n := 1; n <= sent; n++ {
			for i, how := range transporttest.Manglings {
				if testing.Short() && i%4 != n%4 {
					continue
				}
				t.Run(fmt.Sprintf("%s/%s %d", e, how, n), func(t *testing.T) {
					t.Parallel()
					a, b := mem.Pipe(transport.Timeout(500 * time.Millisecond))
					peer := make(chan error, 1)
					go func() { peer <- run(1, transporttest.Mangle(b, n, how)) }()
					err := run(0, a)
					a.Close()
					b.Close()
					if err == nil && slices.Contains([]string{"truncate", "extend", "empty", "drop", "close"}, how) {
						t.Error("no error")
					}
					select {
					case <-peer:
					case <-time.After(10 * time.Second):
						t.Error("the peer hangs")
					}
				})
			}
		}
	}
}

// say sends one message and stays until the other party leaves: who hangs up at
// once may be noticed before the message is read.
func say(conn transport.Conn, msg []byte) error {
	if err := conn.Send(msg); err != nil {
		return err
	}
	for {
		if _, err := conn.RecvMax(1 << 20); err != nil {
			return nil
		}
	}
}

// corrupt runs an honest party except that message number nth is changed.
func corrupt(conn transport.Conn, ext corr.Extension, nth int, change func([]byte) []byte) error {
	c, err := corr.Setup(&corrupter{conn, nth, change}, 1, corr.Config{Ext: ext}, prg.New(prg.Seed{4}))
	if err != nil {
		return err
	}
	return c.Prefill(1000, 1000)
}

type corrupter struct {
	transport.Conn
	left   int
	change func([]byte) []byte
}

func (c *corrupter) Send(b []byte) error {
	if c.left--; c.left == -1 {
		b = c.change(bytes.Clone(b))
	}
	return c.Conn.Send(b)
}

func TestBadArguments(t *testing.T) {
	for _, k := range []int{-1, 0, 1, 3, 16} {
		if _, err := corr.Setup(nil, 0, corr.Config{Ext: corr.SoftSpoken{K: k}}, prg.New(prg.Seed{})); err == nil {
			t.Errorf("k = %d accepted", k)
		}
	}
	for _, set := range []otparams.LPN{{}, {Trees: 1280, LogSecret: 19, Depth: 13}, {Trees: 850, LogSecret: 15, Depth: 10}} {
		if _, err := corr.Setup(nil, 0, corr.Config{Ext: corr.Ferret{LPN: set}}, prg.New(prg.Seed{})); err == nil || !strings.Contains(err.Error(), "not in the table") {
			t.Errorf("%v: error %v", set, err)
		}
	}
	for _, names := range [][2]string{{"ferret14", "ristretto"}, {"", "ristretto"}, {"ferret11", "rsa"}} {
		if ext, err := corr.Named(names[0], names[1]); err == nil {
			t.Errorf("%q is %v", names, ext)
		}
	}
	for _, name := range otparams.Names() {
		if ext, err := corr.Named(name, "mlkem"); err != nil || ext.Check() != nil || !strings.HasSuffix(ext.String(), "mlkem768") {
			t.Errorf("%s: %v, %v", name, ext, err)
		}
	}
	if _, err := corr.Setup(nil, 2, corr.Config{}, prg.New(prg.Seed{})); err == nil {
		t.Error("party 2 accepted")
	}
	c, _ := corrtest.Dealer(prg.Seed{})
	if _, _, err := c.SenderTake(-1); err == nil {
		t.Error("-1 COTs taken")
	}
}
