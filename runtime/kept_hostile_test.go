package runtime

import (
	"encoding/binary"
	"nimbus/runtime/transport"
	"nimbus/runtime/transport/mem"
	"nimbus/runtime/vault"
	"strings"
	"testing"
	"time"
)

// A server that offers what it should not gets nothing: an item that the client
// has used, or never had, counters from the future.
func TestKeptHostileServer(t *testing.T) {
	p := program(t, keptPlan)
	v, err := vault.Open(t.TempDir(), [32]byte{1}, vault.Owner{})
	if err != nil {
		t.Fatal(err)
	}
	fill := func() (first uint64) {
		st, err := v.State()
		if err != nil {
			t.Fatal(err)
		}
		for i := range uint64(2) {
			index := st.Next + i
			if err := v.Begin(index); err != nil {
				t.Fatal(err)
			}
			s := &Session{prog: &Program{}, kept: keeper{vault: v}}
			s.prog.ClientSends, s.prog.pool = 1, 0 // no OTs
			if err := s.putItem(index, [tagLen]byte{1}, nil); err != nil {
				t.Fatal(err)
			}
		}
		return st.Next
	}
	first := fill()
	if err := v.Take(first); err != nil {
		t.Fatal(err)
	}
	type answer struct{ floor, index uint64 }
	for _, test := range []struct {
		name   string
		answer answer
		want   string
		left   int
	}{
		{"an item that was used", answer{1, first}, "not one of this party's", 1},
		{"an item of the future", answer{1, first + 100}, "not one of this party's", 1},
		{"no item of anybody's", answer{1, 1 << 63}, "not one of this party's", 1},
		{"nothing", answer{0, 0}, "", 1},
		{"counters of the future", answer{1 << 63, first + 1}, "", 0},
	} {
		a, b := mem.Pipe(transport.Timeout(time.Second))
		s := newSession(a, Config{Program: p, Vault: v})
		go func() {
			b.Recv(1)
			b.RecvMax(holdingsMax)
			msg := binary.LittleEndian.AppendUint64(nil, test.answer.floor)
			msg = binary.LittleEndian.AppendUint64(msg, test.answer.index)
			sendNow(b, append(msg, make([]byte, tagLen)...))
			b.Recv(8)
			b.Close()
		}()
		found, err := s.Restore()
		if found || (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, %v", test.name, found, err)
		}
		if st, err := v.State(); err != nil || len(st.Items) != test.left {
			t.Errorf("%s: %+v is left, %v", test.name, st, err)
		}
		a.Close()
	}
}

// A client's list that makes no sense ends the session; one that claims all
// items there could be gets those of the server's that it may have, once.
func TestKeptHostileClient(t *testing.T) {
	list := func(v ...uint64) (b []byte) {
		for _, x := range v {
			b = binary.LittleEndian.AppendUint64(b, x)
		}
		return b
	}
	k := newKept(t)
	if err := k.keep(1); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name     string
		holdings []byte
		taken    []byte
		want     string
	}{
		{"nothing", nil, nil, "expected 16"},
		{"half a number", make([]byte, 20), nil, "expected 16"},
		{"zeros", list(0, 0), nil, "contradicts"},
		{"backwards", list(2, 1), nil, "contradicts"},
		{"unsorted", list(1, 9, 3, 2), nil, "contradicts"},
		{"used", list(3, 9, 1), nil, "contradicts"},
		{"not made", list(1, 2, 7), nil, "contradicts"},
		{"beyond all", list(1, 1<<63), nil, "contradicts"},
		{"too long", make([]byte, holdingsMax+8), nil, "restore"},
		{"takes another", list(1, 9, 1), list(2), "offered was 1"},
		{"says half", list(1, 9, 1), []byte{1}, "restore"},
	} {
		_, errs := k.session([2]func(transport.Conn) transport.Conn{}, func(s *Session) error {
			for _, msg := range [][]byte{{requestRestore}, test.holdings, test.taken} {
				if msg == nil && test.name != "nothing" {
					continue
				}
				if err := sendNow(s.conn, msg); err != nil {
					return err
				}
			}
			s.conn.Recv(16 + tagLen)
			_, err := s.conn.Recv(1)
			return err
		})
		if errs[1] == nil || !strings.Contains(errs[1].Error(), test.want) {
			t.Errorf("%s: %v", test.name, errs[1])
		}
	}
	k.expect(1, 0, "") // all that is wrong costs no item of an honest client's
}
