package runtime

import (
	"testing"

	"nimbus/ir"
	"nimbus/runtime/he"
	"nimbus/runtime/share"
	"nimbus/runtime/transport/mem"
)

// Prepare makes as many encryptions of zero as a run consumes: each run finds them ready and leaves none.
func TestZerosMadeAhead(t *testing.T) {
	sv := newTestServer(t, program(t, layerPlan), layerWeights)
	in, _, err := sv.setup(&Store{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	stock, err := in.Open(sv.Program)
	if err != nil {
		t.Fatal(err)
	}
	defer stock.Close()
	conn, wait := sv.dial(testClient)
	s, err := Connect(conn, Config{Program: sv.Program, Stock: stock})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := s.Prepare(); err != nil {
			t.Fatal(err)
		}
		if n := s.he.public.Stocked(); n != 1 { // two rows share a response
			t.Errorf("%d encryptions of zero were made, a run takes 1", n)
		}
		if _, _, err := s.Run(map[string][]uint64{"x": make([]uint64, 8)}); err != nil {
			t.Fatal(err)
		}
		if n := s.he.public.Stocked(); n != 0 {
			t.Errorf("%d encryptions of zero are left after a run", n)
		}
		if n := stock.public.Stocked(); n != 0 {
			t.Errorf("%d encryptions of zero in what sessions share", n)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := wait(); err != nil {
		t.Fatal(err)
	}
}

const callPlan = `module @calls attributes {stage = plan, version = 2} {
  func @main(%x: private<client, 3x4xfx24.10>, %y: private<server, 4x3xfx24.10>) -> private<client, 3x3xfx14.10> {
    %a = io.share %x : ashare<3x4xfx24.10>
    %b = io.share %y : ashare<4x3xfx24.10>
    %u = call @product(%a, %b) : ashare<3x3xfx24.20>
    %v = call @product(%a, %b) : ashare<3x3xfx24.20>
    %s = ss.add %u, %v : ashare<3x3xfx24.20>
    %t = ss.shrink %s {bits = 10} : ashare<3x3xfx14.10>
    %r = io.reveal %t {to = client} : private<client, 3x3xfx14.10>
    return %r
  }
  func @product(%a: ashare<3x4xfx24.10>, %b: ashare<4x3xfx24.10>) -> ashare<3x3xfx24.20> {
    %p = he.matmul_ss %a, %b {set = n2048, tile = [2, 4, 2, 0]} : ashare<3x3xfx24.20>
    return %p
  }
}
`

// What a called function takes is counted as often as it is called, for both parties.
func TestZerosOfCalls(t *testing.T) {
	p := program(t, callPlan)
	want := 2 * 4 // calls, tiles of the product
	if n := p.sessionZeros[he.ZeroKind{Set: "n2048", Limbs: 1, Sent: 2048}]; n != want || len(p.sessionZeros) != 1 || len(p.zeros) != 0 {
		t.Fatalf("counted %v and %v, want %d of one kind", p.sessionZeros, p.zeros, want)
	}
	a, b := mem.Pipe()
	done := make(chan error, 1)
	check := func(s *Session) func(o *ir.Op) {
		left := want
		return func(o *ir.Op) {
			if o.Name == "he.matmul_ss" {
				left -= want / 2
			}
			if n := s.he.session.Stocked(); n != left {
				t.Errorf("%s: after %s %d encryptions of zero are left, want %d", partyName(s.party), o.Name, n, left)
			}
		}
	}
	go func() {
		s, err := Accept(b, Config{Party: share.Server, Program: p})
		if err == nil {
			s.observe = check(s)
			err = s.Serve(map[string][]uint64{"y": make([]uint64, 12)}, nil)
		}
		done <- err
	}()
	s, err := Connect(a, Config{Program: p})
	if err != nil {
		t.Fatal(err)
	}
	s.observe = check(s)
	if _, _, err := s.Run(map[string][]uint64{"x": make([]uint64, 12)}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
