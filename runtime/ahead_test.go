package runtime

import (
	"errors"
	"strings"
	"testing"

	"nimbus/internal/z2k"
	"nimbus/ir"
	"nimbus/runtime/share"
	"nimbus/runtime/transport/mem"
)

// Each run finds prepared what it takes, called functions included, takes it in
// order and leaves nothing; a run that is prepared is not prepared again.
func TestAheadOfCalls(t *testing.T) {
	p := program(t, strings.ReplaceAll(callPlan, "tile = [2, 4, 2, 0]", "tile = [2, 4, 2, 0], ahead"))
	if len(p.sessionZeros) != 0 {
		t.Errorf("encryptions of zero for a run that needs none: %v", p.sessionZeros)
	}
	a, b := mem.Pipe()
	done := make(chan error, 1)
	watch := func(s *Session) func(o *ir.Op) {
		left := 2
		return func(o *ir.Op) {
			if o.Name == "he.matmul_ss" {
				if left--; left < 0 {
					left = 1 // of the next run
				}
			}
			if o.Name == "he.matmul_ss" && len(s.ahead) != left {
				t.Errorf("%s: %d products are left, want %d", partyName(s.party), len(s.ahead), left)
			}
		}
	}
	x, y := make([]uint64, 12), make([]uint64, 12)
	for i := range x {
		x[i], y[i] = uint64(i)<<10, uint64(12-i)<<8
	}
	go func() {
		s, err := Accept(b, Config{Party: share.Server, Program: p})
		if err == nil {
			s.observe = watch(s)
			err = s.Serve(map[string][]uint64{"y": y}, nil)
		}
		done <- err
	}()
	s, err := Connect(a, Config{Program: p})
	if err != nil {
		t.Fatal(err)
	}
	s.observe = watch(s)
	want := make([]uint64, 9)
	z2k.MatMul(want, x, y, 3, 4, 3, 24)
	for range 2 {
		for range 2 {
			if _, err := s.Prepare(); err != nil {
				t.Fatal(err)
			}
			if len(s.ahead) != 2 {
				t.Fatalf("%d products were prepared, want 2", len(s.ahead))
			}
		}
		out, rep, err := s.Run(map[string][]uint64{"x": x})
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range out[0] {
			if d := z2k.Signed(v-want[i]*2>>10, 14); d < -1 || d > 1 {
				t.Errorf("result %d is off by %d", i, d)
			}
		}
		if rep.Offline.Bytes() < 10*rep.Online.Bytes() { // the ciphertexts
			t.Errorf("%d bytes offline, %d online", rep.Offline.Bytes(), rep.Online.Bytes())
		}
	}
	if _, err := s.Prepare(); err != nil {
		t.Fatal(err)
	}
	s.fail(errors.New("over"))
	if s.ahead != nil {
		t.Error("a dead session keeps what it prepared")
	}
	if err := <-done; err == nil {
		t.Error("the server did not notice")
	}
}

// An op for which nothing is prepared does not run.
func TestAheadWants(t *testing.T) {
	p := program(t, strings.ReplaceAll(callPlan, "tile = [2, 4, 2, 0]", "tile = [2, 4, 2, 0], ahead"))
	a, _ := mem.Pipe()
	defer a.Close()
	s := newSession(a, Config{Program: p})
	o := p.funcs["product"].Body[0]
	if _, err := s.newStep(o, 0); err == nil || !strings.Contains(err.Error(), "nothing is prepared") {
		t.Errorf("%v", err)
	}
}
