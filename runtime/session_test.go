package runtime

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"nimbus/internal/prg"
	"nimbus/internal/z2k"
	"nimbus/ir/parser"
	"nimbus/runtime/share"
	"nimbus/runtime/transport"
	"nimbus/runtime/transport/mem"
)

func program(t testing.TB, text string) *Program {
	t.Helper()
	m, err := parser.Parse("test.plan", text)
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewProgram(m)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// pair runs a client and a server session of a plan without HE and returns
// the client's results for each of the inputs.
func pair(t testing.TB, p *Program, weights Weights, inputs ...map[string][]uint64) [][][]uint64 {
	t.Helper()
	a, b := mem.Pipe()
	done := make(chan error, 1)
	go func() {
		s, err := Accept(b, Config{Party: share.Server, Program: p, Weights: weights, Random: prg.New(prg.Seed{1})})
		if err == nil {
			err = s.Serve(nil, nil)
		}
		done <- err
	}()
	s, err := Connect(a, Config{Program: p, Random: prg.New(prg.Seed{2})})
	if err != nil {
		t.Fatal(err)
	}
	var out [][][]uint64
	for _, in := range inputs {
		res, rep, err := s.Run(in)
		if err != nil {
			t.Fatalf("client: %v; server: %v", err, <-done)
		}
		if len(rep.Ops) == 0 || rep.Online.BytesSent == 0 {
			t.Errorf("report is empty: %+v", rep)
		}
		out = append(out, res)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatalf("server: %v", err)
	}
	return out
}

const smallPlan = `module @small attributes {stage = plan, version = 2} {
  weight @b : private<server, 3xfx20.8>

  func @main(%x: private<client, 2x3xfx20.8>, %m: private<client, 3xi1>) -> private<client, 2x3xfx20.8>, private<client, 2x1xfx20.8> {
    %s = io.share %x : ashare<2x3xfx20.8>
    %y = call @shift(%s) : ashare<2x3xfx20.8>
    %z = ss.add_mask %y, %m {value = -1.0} : ashare<2x3xfx20.8>
    %n = ss.sum %z : ashare<2x1xfx20.8>
    %r = io.reveal %z {to = client} : private<client, 2x3xfx20.8>
    %q = io.reveal %n {to = client} : private<client, 2x1xfx20.8>
    return %r, %q
  }

  func @shift(%x: ashare<2x3xfx20.8>) -> ashare<2x3xfx20.8> {
    %a = ss.add_bias %x, @b : ashare<2x3xfx20.8>
    %c = ss.add_const %a {value = 0.5} : ashare<2x3xfx20.8>
    return %c
  }
}
`

func TestSmallPlan(t *testing.T) {
	p := program(t, smallPlan)
	in := map[string][]uint64{"x": {1, 2, 3, 4, 5, 6}, "m": {1, 0, 1}}
	out := pair(t, p, Weights{"b": {100, 200, 300}}, in, in)
	mask := z2k.Mask(20)
	want := []uint64{229, (2 + 200 + 128 - 256) & mask, 431, 232, (5 + 200 + 128 - 256) & mask, 434}
	for _, res := range out {
		if !slices.Equal(res[0], want) {
			t.Errorf("got %v, want %v", res[0], want)
		}
		if sum := []uint64{want[0] + want[1] + want[2], want[3] + want[4] + want[5]}; !slices.Equal(res[1], sum) {
			t.Errorf("got %v, want %v", res[1], sum)
		}
	}
}

// TestInputRanges: a party's own input must lie where the plan's widths rest on,
// whoever encoded it; the client's session lives on, as nothing was sent.
func TestInputRanges(t *testing.T) {
	p := program(t, `module @r attributes {stage = plan, version = 2} {
  func @main(%x: private<client, 2x2xfx10.2> {range = [-4, 8.0], norm = 8.5}, %y: private<server, 2x2xfx10.2> {range = [-1, 1]}) -> private<client, 2x2xfx10.2> {
    %s = io.share %x : ashare<2x2xfx10.2>
    %t = io.share %y : ashare<2x2xfx10.2>
    %u = ss.add %s, %t : ashare<2x2xfx10.2>
    %r = io.reveal %u {to = client} : private<client, 2x2xfx10.2>
    return %r
  }
}
`)
	const mask = 1<<10 - 1
	minus := func(x uint64) uint64 { return -x & mask }
	for _, c := range []struct {
		x, y []uint64
		want [2]string // of the client, of the server; empty: none
	}{
		{[]uint64{32, 0, minus(16), 24}, []uint64{4, minus(4), 0, 0}, [2]string{}},
		{[]uint64{33, 0, 0, 0}, make([]uint64, 4), [2]string{"input %x: element 0 is outside [-4, 8], the range that the plan rests on"}},
		{[]uint64{0, 0, 0, minus(17)}, make([]uint64, 4), [2]string{"input %x: element 3 is outside [-4, 8]"}},
		{[]uint64{0, 0, 32, 16}, make([]uint64, 4), [2]string{"input %x: row 1 is longer than 8.5, the norm"}},
		{make([]uint64, 3), make([]uint64, 4), [2]string{"input %x: 3 elements"}},
		{[]uint64{1 << 10, 0, 0, 0}, make([]uint64, 4), [2]string{"input %x: an element does not fit"}},
		{make([]uint64, 4), []uint64{0, 5, 0, 0}, [2]string{1: "input %y: element 1 is outside [-1, 1]"}},
	} {
		a, b := mem.Pipe()
		served := make(chan error, 1)
		go func() {
			s, err := Accept(b, Config{Party: share.Server, Program: p})
			if err == nil {
				err = s.Serve(map[string][]uint64{"y": c.y}, nil)
			}
			served <- err
		}()
		s, err := Connect(a, Config{Program: p})
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = s.Run(map[string][]uint64{"x": c.x})
		if w := c.want[0]; w != "" {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("client gives %v: %v, want %q", c.x, err, w)
			}
			_, _, err = s.Run(map[string][]uint64{"x": make([]uint64, 4)})
		}
		if (err == nil) != (c.want[1] == "") {
			t.Errorf("client %v, server %v: the client's run ends with %v", c.x, c.y, err)
		}
		s.Close()
		if err := <-served; c.want[1] == "" && err != nil || c.want[1] != "" && (err == nil || !strings.Contains(err.Error(), c.want[1])) {
			t.Errorf("server gives %v: %v, want %q", c.y, err, c.want[1])
		}
	}
}

// Both parties learn a public value, and bits can be revealed too.
func TestRevealBoth(t *testing.T) {
	p := program(t, `module @r attributes {stage = plan, version = 2} {
  func @main(%x: private<server, 4xfx10.2>, %b: private<client, 4xi1>) -> public<4xfx10.2>, private<server, 4xi1> {
    %s = io.share %x : ashare<4xfx10.2>
    %c = io.share %b : bshare<4xi1>
    %n = ss.not %c : bshare<4xi1>
    %r = io.reveal %s {to = both} : public<4xfx10.2>
    %q = io.reveal %n {to = server} : private<server, 4xi1>
    return %r, %q
  }
}
`)
	a, b := mem.Pipe()
	type result struct {
		out [][]uint64
		err error
	}
	done := make(chan result, 1)
	go func() {
		s, err := Accept(b, Config{Party: share.Server, Program: p})
		if err != nil {
			done <- result{nil, err}
			return
		}
		if _, err = s.conn.Recv(1); err == nil { // prepare
			err = s.prepare()
		}
		if err == nil {
			_, err = s.conn.Recv(1)
		}
		if err != nil {
			done <- result{nil, err}
			return
		}
		out, _, err := s.run(measure(b), map[string][]uint64{"x": {7, 8, 9, 1023}})
		done <- result{out, err}
	}()
	s, err := Connect(a, Config{Program: p})
	if err != nil {
		t.Fatal(err)
	}
	out, _, err := s.Run(map[string][]uint64{"b": {1, 0, 0, 1}})
	if err != nil {
		t.Fatal(err)
	}
	srv := <-done
	if srv.err != nil {
		t.Fatal(srv.err)
	}
	if want := []uint64{7, 8, 9, 1023}; !slices.Equal(out[0], want) || !slices.Equal(srv.out[0], want) {
		t.Errorf("client %v, server %v, want %v", out[0], srv.out[0], want)
	}
	if out[1] != nil || !slices.Equal(srv.out[1], []uint64{0, 1, 1, 0}) {
		t.Errorf("bits: client %v, server %v", out[1], srv.out[1])
	}
}

// The first error ends a session: the other side's mistake and our own.
func TestSessionDiesOnce(t *testing.T) {
	p := program(t, smallPlan)
	a, b := mem.Pipe()
	done := make(chan error, 1)
	go func() {
		s, err := Accept(b, Config{Party: share.Server, Program: p}) // no weights
		if err == nil {
			err = s.Serve(nil, nil)
		}
		done <- err
	}()
	s, err := Connect(a, Config{Program: p})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Run(map[string][]uint64{"x": {1, 2}, "m": {1, 0, 1}}); err == nil || !strings.Contains(err.Error(), "input %x") {
		t.Errorf("short input: %v", err)
	}
	if _, _, err := s.Run(map[string][]uint64{"x": {1, 2, 3, 4, 5, 1 << 20}, "m": {1, 0, 1}}); err == nil || !strings.Contains(err.Error(), "does not fit") {
		t.Errorf("large input: %v", err)
	}
	if _, _, err := s.Run(map[string][]uint64{"x": {1, 2, 3, 4, 5, 6}, "m": {1, 0, 1}}); err == nil {
		t.Error("the server has no weights, and the client noticed nothing")
	}
	if err := <-done; err == nil || !strings.Contains(err.Error(), "@b") {
		t.Errorf("server: %v", err)
	}
	first := s.err
	if _, _, err := s.Run(nil); err != first {
		t.Errorf("a dead session answers %v, want %v", err, first)
	}
	if s.protocols != nil || s.c != nil || s.rng != nil {
		t.Error("a dead session keeps secrets")
	}
}

// Every request that a peer could make up is an error, not a hang or a panic.
func TestServeRefusesRequests(t *testing.T) {
	p := program(t, smallPlan)
	for _, req := range [][]byte{{requestRun}, {0}, {99}, {requestPrepare, 0}, {}} {
		t.Run(fmt.Sprint(req), func(t *testing.T) {
			a, b := mem.Pipe()
			defer a.Close()
			done := make(chan error, 1)
			go func() {
				s, err := Accept(b, Config{Party: share.Server, Program: p})
				if err == nil {
					err = s.Serve(nil, nil)
				}
				done <- err
			}()
			if _, err := greet(a, hello{Version: ProtocolVersion, Mode: ModeInfer, Plan: p.Digest, Params: paramDigest()}); err != nil {
				t.Fatal(err)
			}
			a.Send(req)
			if err := <-done; err == nil {
				t.Error("accepted")
			}
		})
	}
}

// What a party sends when it shares and reveals is uniform over seeds, and no
// seed's mask comes twice.
func TestViewOfShare(t *testing.T) {
	p := program(t, `module @v attributes {stage = plan, version = 2} {
  func @main(%x: private<client, 1xfx4.0>) -> private<client, 1xfx4.0> {
    %s = io.share %x : ashare<1xfx4.0>
    %r = io.reveal %s {to = client} : private<client, 1xfx4.0>
    return %r
  }
}
`)
	counts := map[byte]int{}
	const runs = 1600
	for i := range runs {
		counts[sentToShare(t, p, i, []uint64{5}, 1)[0]]++
	}
	// 16 cells of 100 expected; chi-square with 15 degrees of freedom, p = 1e-6.
	chi := 0.0
	for v := range 16 {
		d := float64(counts[byte(v)]) - runs/16
		chi += d * d / (runs / 16)
	}
	if chi > 56 {
		t.Errorf("chi-square %.1f: the view depends on the secret: %v", chi, counts)
	}

	// Of many elements a fresh seed is sent, whatever they are.
	p = program(t, `module @v attributes {stage = plan, version = 2} {
  func @main(%x: private<client, 100xfx24.0>) -> private<client, 100xfx24.0> {
    %s = io.share %x : ashare<100xfx24.0>
    %r = io.reveal %s {to = client} : private<client, 100xfx24.0>
    return %r
  }
}
`)
	one, other := make([]uint64, 100), make([]uint64, 100)
	for i := range other {
		other[i] = uint64(i) * 1234567 & 0xffffff
	}
	seen := map[string]bool{}
	for i := range 20 {
		msg := sentToShare(t, p, i, one, 32)
		if !bytes.Equal(msg, sentToShare(t, p, i, other, 32)) {
			t.Error("what is sent depends on the secret")
		}
		seen[string(msg)] = true
	}
	if len(seen) != 20 {
		t.Errorf("%d different seeds in 20 runs", len(seen))
	}
}

// sentToShare is the message of a program's first op, which shares the client's
// values, with the i-th randomness.
func sentToShare(t *testing.T, p *Program, i int, values []uint64, size int) []byte {
	t.Helper()
	a, b := mem.Pipe()
	defer a.Close()
	defer b.Close()
	s := newSession(a, Config{Program: p, Random: prg.New(prg.Seed{byte(i), byte(i >> 8)})})
	st, err := s.newStep(p.Main.Body[0], 0)
	if err != nil {
		t.Fatal(err)
	}
	st.args[0].value = vector{Type: p.Main.Params[0].Type, V: values}
	st.conn = a
	if err := ioShare(st, p.Main.Body[0]); err != nil {
		t.Fatal(err)
	}
	msg, err := b.Recv(size)
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

func TestReports(t *testing.T) {
	rep := &Report{Party: "client", Plan: "ab", Ops: []OpCount{
		{Name: "ot.trunc", Result: "%a", Type: "ashare<2xfx8.2>", Phase: Phase{0.5, 10, 20, 1}},
		{Name: "ss.add", Result: "%b"},
		{Name: "ot.trunc", Result: "%c", Phase: Phase{0.25, 1, 2, 1}},
	}}
	var b bytes.Buffer
	if err := WriteReports(&b, []*Report{rep}); err != nil {
		t.Fatal(err)
	}
	var back struct{ Runs []Report }
	if err := json.Unmarshal(b.Bytes(), &back); err != nil || back.Runs[0].Ops[2].BytesReceived != 2 {
		t.Errorf("report does not read back: %v", err)
	}
	b.Reset()
	if err := WriteTrace(&b, []*Report{rep}); err != nil {
		t.Fatal(err)
	}
	var trace struct {
		TraceEvents []struct {
			Name string
			Dur  float64
		}
	}
	if err := json.Unmarshal(b.Bytes(), &trace); err != nil || len(trace.TraceEvents) != 3 || trace.TraceEvents[0].Dur != 5e5 {
		t.Errorf("trace: %v %+v", err, trace)
	}
}

func TestProgramRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"needs a function @main": `module @x attributes {stage = plan, version = 2} {
  func @f(%x: private<client, 1xfx4.0>) -> private<client, 1xfx4.0> {
    return %x
  }
}`,
		"stage": `module @x attributes {stage = fx} {
  func @main(%x: tensor<1xfx4.0>) -> tensor<1xfx4.0> {
    return %x
  }
}`,
		"a result must be revealed": `module @x attributes {stage = plan, version = 2} {
  func @main(%x: private<client, 1xfx4.0>) -> ashare<1xfx4.0> {
    %s = io.share %x : ashare<1xfx4.0>
    return %s
  }
}`,
		"cot_client_sends": `module @x attributes {stage = plan, version = 2, cot_client_sends = -1} {
  func @main(%x: private<client, 1xfx4.0>) -> private<client, 1xfx4.0> {
    return %x
  }
}`,
	} {
		m, err := parser.Parse("t", text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := NewProgram(m); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Nothing secret can be printed by accident.
func TestNothingPrints(t *testing.T) {
	v := vector{V: []uint64{123456789}}
	w := Weights{"b": {987654321}}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x"} {
		text := fmt.Sprintf(verb, v) + fmt.Sprintf(verb, &v)
		if verb == "%v" || verb == "%s" || verb == "%#v" || verb == "%+v" {
			text += fmt.Sprintf(verb, w)
		}
		if strings.Contains(text, "123456789") || strings.Contains(text, "75bcd15") || strings.Contains(text, "987654321") {
			t.Errorf("%s prints %q", verb, text)
		}
	}
}

var _ transport.Conn
