package mem_test

import (
	"errors"
	"net"
	"testing"
	"testing/synctest"

	"nimbus/runtime/transport"
	"nimbus/runtime/transport/mem"
	"nimbus/runtime/transport/transporttest"
)

func TestConn(t *testing.T) {
	transporttest.TestConn(t, func(_ testing.TB, o ...transport.Option) (a, b transport.Conn) { return mem.Pipe(o...) })
}

func TestHostile(t *testing.T) {
	transporttest.TestHostile(t, func(testing.TB) (a, b net.Conn) { return mem.NetPipe() })
}

// TestFakeClock shows that the pipe works in a bubble: two parties that wait
// for each other time out at once.
func TestFakeClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := mem.Pipe()
		go b.Recv(1)
		if _, err := a.Recv(1); !errors.Is(err, transport.ErrTimeout) {
			t.Errorf("got %v", err)
		}
		a.Close()
		b.Close()
	})
}
