package ot_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"nimbus/internal/prg"
	"nimbus/runtime/corr"
	"nimbus/runtime/corr/corrtest"
	"nimbus/runtime/ot"
	"nimbus/runtime/share"
	"nimbus/runtime/transport"
	"nimbus/runtime/transport/transporttest"
)

// liar passes messages on but for one, the k-th.
type liar struct {
	transport.Conn
	k    int
	bend func(msg []byte) []byte
}

func (l *liar) Send(msg []byte) error {
	if l.k--; l.k == -1 {
		msg = l.bend(bytes.Clone(msg))
	}
	return l.Conn.Send(msg)
}

// TestHostilePeer bends each of the peer's messages in turn: the other party
// ends with an error, and sends nothing more.
func TestHostilePeer(t *testing.T) {
	bends := map[string]func([]byte) []byte{
		"short": func(m []byte) []byte { return m[:len(m)-1] },
		"long":  func(m []byte) []byte { return append(m, 0) },
		"empty": func(m []byte) []byte { return nil },
	}
	for _, c := range cases(5, prg.New(seed(40))) {
		if c.cost.COTs() == 0 {
			continue
		}
		for _, honest := range []int{share.Client, share.Server} {
			for name, bend := range bends {
				for k := range c.cost.Depth() / 2 {
					cc, cs := corrtest.Dealer(seed(41))
					party := func(n int, correlations *corr.Corr) func(conn transport.Conn) error {
						return func(conn transport.Conn) error {
							if n != honest {
								conn = &liar{conn, k, bend}
							}
							p := ot.New(conn, n, correlations, nil)
							_, _, err := c.run(p, n, c.in, c.bits)
							if n != honest || err == nil {
								return err
							}
							sent := conn.Stats().MessagesSent
							_, again := p.Mux(share.NewBool(3), share.NewArith(8, 3))
							if again == nil || !strings.Contains(err.Error(), errors.Unwrap(again).Error()) {
								return fmt.Errorf("not dead after %w: %v", err, again)
							}
							if conn.Stats().MessagesSent != sent {
								return errors.New("it still talks")
							}
							return err
						}
					}
					a, b := transporttest.TwoPartyErr(t, party(share.Client, cc), party(share.Server, cs))
					err := []error{a, b}[honest]
					if err == nil || !strings.Contains(err.Error(), "receive") || strings.Contains(err.Error(), "not dead") {
						t.Fatalf("%s: party %d with message %d %s: error %v", c.name, honest, k, name, err)
					}
				}
			}
		}
	}
}

// TestPadding: unused bits of a message must be zero.
func TestPadding(t *testing.T) {
	cc, cs := corrtest.Dealer(seed(42))
	x, b := share.NewArith(8, 3), share.NewBool(3)
	a, _ := transporttest.TwoPartyErr(t, func(conn transport.Conn) error {
		_, err := ot.New(conn, share.Client, cc, nil).Mux(b, x)
		return err
	}, func(conn transport.Conn) error {
		_, err := ot.New(&liar{conn, 0, func(m []byte) []byte { m[0] |= 0x80; return m }}, share.Server, cs, nil).Mux(b, x)
		return err
	})
	if a == nil || !strings.Contains(a.Error(), "unused bit") {
		t.Errorf("error %v", a)
	}
}

func TestPrintsNoSecret(t *testing.T) {
	c, _ := corrtest.Dealer(seed(43))
	p := ot.New(nil, share.Client, c, nil)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		if s := fmt.Sprintf(verb, p); s != "ot.Protocol(redacted)" {
			t.Errorf("%s prints %s", verb, s)
		}
	}
}
