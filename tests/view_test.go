package tests

import (
	"bytes"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"testing"

	"nimbus/ir"
)

// viewed has a form of each op that sends, sized so that no message has padding
// bits, and with moduli so close below a power of two that their bits are fair.
var viewed = []struct {
	op, params, weights, text string
	results                   []string
}{
	{"ot.cmp", "%x: ashare<8xfx20.4>", "", "ot.cmp %x {cuts = [-16, 40], keep = 17, drop = 3}", []string{"bshare<8x2xi1>"}},
	{"ot.cmp", "%x: ashare<8xfx24.4>", "@cuts : private<server, 2xfx24.4>", "ot.cmp %x, @cuts {keep = 21, drop = 3}", []string{"bshare<8x2xi1>"}},
	{"ot.mux", "%b: bshare<8xi1>, %x: ashare<8xfx24.4>", "", "ot.mux %b, %x", []string{"ashare<8xfx24.4>"}},
	{"ot.and", "%a: bshare<8xi1>, %b: bshare<8xi1>", "", "ot.and %a, %b", []string{"bshare<8xi1>"}},
	{"ot.trunc", "%x: ashare<8xfx24.10>", "", "ot.trunc %x {bits = 6}", []string{"ashare<8xfx28.4>"}},
	{"ot.extend", "%x: ashare<8xfx24.10>", "", "ot.extend %x", []string{"ashare<8xfx32.10>"}},
	{"ot.square", "%x: ashare<8xfx16.4>", "", "ot.square %x", []string{"ashare<8xfx16.8>"}},
	{"ot.mul_ss", "%x: ashare<8x2xfx16.4>, %y: ashare<8x1xfx16.4>", "", "ot.mul_ss %x, %y", []string{"ashare<8x2xfx16.8>"}},
	{"ot.square", "%x: ashare<8xfx16.4>", "", "ot.square %x {within = [-20, 40]}", []string{"ashare<8xfx16.8>"}},
	{"ot.mul_ss", "%x: ashare<8x2xfx16.4>, %y: ashare<8x1xfx16.4>", "", "ot.mul_ss %x, %y {within = [0, 63]}", []string{"ashare<8x2xfx16.8>"}},
	{"ot.mul", "%x: ashare<8x8xfx16.4>", "@g : private<server, 8xfx8.4>", "ot.mul %x, @g", []string{"ashare<8x8xfx16.8>"}},
	{"ot.max", "%x: ashare<8x4xfx16.4>", "", "ot.max %x {keep = 14, drop = 1}", []string{"ashare<8x1xfx16.4>"}},
	{"ot.piecewise", "%x: ashare<8xfx24.7>", "",
		"ot.piecewise %x {cuts = [-224, 0, 224], pieces = [[0], [14, 3064, -16238], [14, 5128, -16238], [1, 0]], keep = 9, drop = 3, width_acc = 24, frac_acc = 20, mid_frac = 10, width_lin = 24}",
		[]string{"ashare<8xfx32.10>"}},
	{"ot.recip", "%x: ashare<8xfx24.12>", "", "ot.recip %x {lo = 8, hi = 14}", []string{"ashare<8xfx30.12>"}},
	{"ot.rsqrt", "%x: ashare<8xfx24.17>", "", "ot.rsqrt %x {lo = 10, hi = 18}", []string{"ashare<8xfx27.8>"}},
	{"he.matmul", "%x: ashare<2x4xfx37.8>", "@w : private<server, 4x8xfx37.10>", "he.matmul %x, @w {set = n4096, tile = 2, drop_c0 = 10, drop_c1 = 6}", []string{"ashare<2x8xfx37.18>"}},
	{"he.matmul", "%x: ashare<2x4xfx37.8>", "@w : private<server, 4x8xfx37.10>", "he.matmul %x, @w {set = n4096, tile = 2, drop_c0 = 10, drop_c1 = 6, ahead}", []string{"ashare<2x8xfx37.18>"}},
	{"he.select", "%ids: private<client, 4xi32>", "@word : private<server, 6x8xfx25.10>", "he.select %ids, @word {set = n2048, drop_c0 = 12}", []string{"ashare<4x8xfx25.10>"}},
	{"he.matmul_ss", "%a: ashare<8x4xfx25.8>, %b: ashare<4x8xfx25.8>", "", "he.matmul_ss %a, %b {set = n2048, tile = [8, 4, 8, 1], drop_c1 = 4}", []string{"ashare<8x8xfx25.16>"}},
	{"he.matmul_ss", "%a: ashare<8x4xfx25.8>, %b: ashare<4x8xfx25.8>", "", "he.matmul_ss %a, %b {set = n2048, tile = [8, 4, 8, 1], drop_c1 = 4, ahead}", []string{"ashare<8x8xfx25.16>"}},
}

// TestViews: with every secret fixed, whatever the parties send in a run is
// uniform over many runs, bit for bit and byte for byte, and no message comes
// twice. That holds for the inputs' masks and the opened halves too.
func TestViews(t *testing.T) {
	covered := map[string]bool{}
	for _, c := range viewed {
		covered[c.op] = true
		t.Run(c.text, func(t *testing.T) {
			runs := 200
			if c.op[:2] == "he" {
				runs = 100
			}
			if testing.Short() {
				runs = 80
			}
			testView(t, c.op, function(c.params, c.weights, c.text, c.results...), runs)
		})
	}
	for _, r := range planRows() {
		if d := r.Dialect(); (d == "ot" || d == "he") && !covered[r.Name] {
			t.Errorf("nobody looks at what %s sends", r.Name)
		}
	}
}

func testView(t *testing.T, name, text string, runs int) {
	m := opPlan(t, name, text)
	op, _ := only(m, name)
	rng := newRand(t, 1)
	d, err := deploy(t.TempDir(), m, madeUpWeights(rng, m))
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	in := inputsFor(rng, m, op)
	session := d.start(t, options{record: true})
	defer session.stop()
	var views []*view
	seen := map[string]bool{}
	for run := range runs {
		if _, err := session.client.Prepare(); err != nil {
			t.Fatal(err)
		}
		session.wire.Take()
		session.run(in)
		sent, received := session.wire.Take()
		msgs := slices.Concat(sent[1:], received) // the request is one byte
		if run == 0 {
			for _, msg := range msgs {
				views = append(views, newView(len(msg)))
			}
		}
		if len(msgs) != len(views) {
			t.Fatalf("run %d has %d messages, the first %d", run, len(msgs), len(views))
		}
		for i, msg := range msgs {
			if err := views[i].add(msg); err != nil {
				t.Fatalf("run %d: message %d: %v", run, i, err)
			}
			if len(msg) >= 12 && seen[string(msg)] {
				t.Errorf("run %d: message %d of %d bytes was sent before", run, i, len(msg))
			}
			seen[string(msg)] = true
		}
	}
	for i, v := range views {
		if err := v.judge(); err != nil {
			t.Errorf("message %d: %v", i, err)
		}
	}
}

// A view counts bits and bytes of one message of a protocol over many runs.
type view struct {
	runs  int
	ones  []int      // by position
	bytes [256]int64 // all positions together
}

func newView(size int) *view { return &view{ones: make([]int, 8*size)} }

func (v *view) add(msg []byte) error {
	if 8*len(msg) != len(v.ones) {
		return fmt.Errorf("%d bytes, %d before", len(msg), len(v.ones)/8)
	}
	v.runs++
	for i, b := range msg {
		v.bytes[b]++
		for k := range 8 {
			v.ones[8*i+k] += int(b >> k & 1)
		}
	}
	return nil
}

// judge says what is not uniform. Each of its tests is wrong with a probability
// below 1e-14, so that all of a run of the tests are wrong with less than 1e-9.
func (v *view) judge() error {
	const sigmas = 8
	biased := 0
	for _, n := range v.ones {
		if math.Abs(float64(n)-float64(v.runs)/2) > sigmas*math.Sqrt(float64(v.runs))/2 {
			biased++
		}
	}
	if biased > 0 {
		return fmt.Errorf("%d of %d bits are not fair", biased, len(v.ones))
	}
	total := int64(0)
	for _, n := range v.bytes {
		total += n
	}
	if total < 256*10 {
		return nil
	}
	chi, expected := 0.0, float64(total)/256
	for _, n := range v.bytes {
		chi += (float64(n) - expected) * (float64(n) - expected) / expected
	}
	// Wilson and Hilferty's cube root is normal.
	const freedom = 255.0
	if z := (math.Cbrt(chi/freedom) - (1 - 2/(9*freedom))) / math.Sqrt(2/(9*freedom)); z > sigmas {
		return fmt.Errorf("its bytes are not uniform: chi square %.0f for %.0f degrees of freedom", chi, freedom)
	}
	return nil
}

// TestViewNotices feeds a view what a broken protocol would send.
func TestViewNotices(t *testing.T) {
	rng := newRand(t, 1)
	for _, c := range []struct {
		name string
		fair bool
		msg  func(msg []byte)
	}{
		{"uniform", true, func([]byte) {}},
		{"a constant bit", false, func(msg []byte) { msg[17] |= 4 }},
		{"a constant message", false, func(msg []byte) { clear(msg) }},
		{"small numbers", false, func(msg []byte) { msg[3] &= 0x7f }},
		{"fair bits in bytes of even parity", false, func(msg []byte) {
			for i := range msg {
				msg[i] ^= byte(bits.OnesCount8(msg[i]) & 1)
			}
		}},
	} {
		v := newView(64)
		for range 100 {
			msg := make([]byte, 64)
			for i := range msg {
				msg[i] = byte(rng.Uint32())
			}
			c.msg(msg)
			if err := v.add(msg); err != nil {
				t.Fatal(err)
			}
		}
		if err := v.judge(); (err == nil) != c.fair {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestSessionsAreFresh: two sessions of one client with one server, one plan
// and one input have no message in common but the greetings: keys, base OTs,
// seeds and masks are new each time. Nor do two runs of one session.
func TestSessionsAreFresh(t *testing.T) {
	m := freshPlan(t)
	rng := newRand(t, 1)
	d, err := deploy(t.TempDir(), m, madeUpWeights(rng, m))
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	in := map[string][]uint64{"x": {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, "ids": {1, 2, 3, 3}}
	seen := map[string]string{}
	for n := range 3 {
		session := d.start(t, options{record: true})
		session.run(in)
		session.run(in)
		sent, received := session.wire.Sent(), session.wire.Received()
		session.stop()
		if n > 0 && !bytes.Equal(sent[0], []byte(seen["hello"])) {
			t.Error("the client's greeting has changed")
		}
		seen["hello"] = string(sent[0])
		for who, msgs := range map[string][][]byte{"client": sent[1:], "server": received[1:]} {
			for i, msg := range msgs {
				if len(msg) < 12 {
					continue // requests and short vectors
				}
				name := fmt.Sprintf("message %d (%d bytes) of the %s in session %d", i, len(msg), who, n)
				if before := seen[string(msg)]; before != "" {
					t.Errorf("%s is also %s", name, before)
				}
				seen[string(msg)] = name
				// A seed or a key that comes again need not fill its message.
				for at := 0; len(msg) >= 64 && at < 64; at += 32 {
					part := "part " + string(msg[at:at+32])
					if before := seen[part]; before != "" {
						t.Errorf("bytes %d to %d of %s are also in %s", at, at+32, name, before)
					}
					seen[part] = name
				}
			}
		}
	}
}

// freshPlan uses every way of talking once.
func freshPlan(t *testing.T) *ir.Module {
	return opPlan(t, "fresh", `module @fresh attributes {stage = plan} {
  weight @w    : private<server, 4x4xfx37.10>
  weight @word : private<server, 6x4xfx37.8>

  func @f(%x: ashare<4x4xfx37.8>, %ids: private<client, 4xi32>) -> ashare<4x4xfx25.4> {
    %rows = he.select %ids, @word {set = n2048} : ashare<4x4xfx37.8>
    %sum  = ss.add %x, %rows : ashare<4x4xfx37.8>
    %y    = he.matmul %sum, @w {set = n4096, tile = 2} : ashare<4x4xfx37.18>
    %v    = ss.shrink %y {bits = 10} : ashare<4x4xfx27.8>
    %w    = ot.extend %v : ashare<4x4xfx37.8>
    %z    = he.matmul %w, @w {set = n4096, tile = 2, ahead} : ashare<4x4xfx37.18>
    %s    = ss.shrink %z {bits = 14} : ashare<4x4xfx23.4>
    %t    = ot.extend %s : ashare<4x4xfx25.4>
    %o    = he.matmul_ss %t, %t {set = n2048, tile = [4, 4, 4, 0], ahead} : ashare<4x4xfx25.8>
    %n    = ot.trunc %o {bits = 4} : ashare<4x4xfx25.4>
    %p    = he.matmul_ss %t, %n {set = n2048, tile = [4, 4, 4, 0]} : ashare<4x4xfx25.8>
    %q    = ot.trunc %p {bits = 4} : ashare<4x4xfx25.4>
    %m    = ot.max %q {keep = 24, drop = 0} : ashare<4x1xfx25.4>
    %r    = ss.sub %q, %m : ashare<4x4xfx25.4>
    return %r
  }
}
`)
}
