package corr_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"os"
	"slices"
	"strings"
	"testing"

	"nimbus/internal/golden"
	"nimbus/internal/otparams"
	"nimbus/internal/prg"
	"nimbus/runtime/corr"
	"nimbus/runtime/corr/baseot"
	"nimbus/runtime/corr/corrtest"
	"nimbus/runtime/transport"
	"nimbus/runtime/transport/transporttest"
)

// extensions are what the tests of a whole session run with: every kind, and of the silent
// ones the smallest set and one that starts from it.
var extensions = []corr.Extension{corr.SoftSpoken{K: 2}, corr.SoftSpoken{K: 4}, corr.SoftSpoken{K: 8}, ferret("ferret10"), ferret("ferret11")}

func ferret(name string) corr.Ferret {
	e, err := otparams.Find(name)
	if err != nil {
		panic(err)
	}
	return corr.Ferret{LPN: e.LPN}
}

// taken is what both parties hold of one direction.
type taken struct {
	delta  corr.Block
	k0     []corr.Block
	keys   []corr.Block
	choice []uint8
}

func (t *taken) sender(c *corr.Corr, n int) error {
	k0, delta, err := c.SenderTake(n)
	if err != nil {
		return err
	}
	if len(k0) != n {
		return fmt.Errorf("sender took %d of %d", len(k0), n)
	}
	if t.delta != (corr.Block{}) && t.delta != delta {
		return fmt.Errorf("delta changed")
	}
	t.delta, t.k0 = delta, append(t.k0, k0...)
	return nil
}

func (t *taken) receiver(c *corr.Corr, n int) error {
	choice, keys, err := c.ReceiverTake(n)
	if err != nil {
		return err
	}
	if len(choice) != n || len(keys) != n {
		return fmt.Errorf("receiver took %d keys and %d bits of %d", len(keys), len(choice), n)
	}
	t.keys, t.choice = append(t.keys, keys...), append(t.choice, choice...)
	return nil
}

// check tests the correlation, that no key repeats, and that keys and choice
// bits look uniform.
func (t *taken) check(tb testing.TB) {
	tb.Helper()
	seen := make(map[corr.Block]bool)
	ones, keyOnes := 0, 0
	for j, k := range t.keys {
		want := t.k0[j]
		if t.choice[j] > 1 {
			tb.Fatalf("choice %d is %d", j, t.choice[j])
		}
		if t.choice[j] == 1 {
			want = want.Xor(t.delta)
		}
		if k != want {
			tb.Fatalf("COT %d of %d: the receiver's key is not the chosen one", j, len(t.keys))
		}
		for _, x := range []corr.Block{t.k0[j], t.k0[j].Xor(t.delta)} {
			if seen[x] {
				tb.Fatalf("COT %d: a key repeats", j)
			}
			seen[x] = true
		}
		ones += int(t.choice[j])
		keyOnes += bits.OnesCount64(k[0]) + bits.OnesCount64(k[1])
	}
	balanced(tb, "choice bits", ones, len(t.choice))
	balanced(tb, "key bits", keyOnes, 128*len(t.keys))
	balanced(tb, "delta bits", bits.OnesCount64(t.delta[0])+bits.OnesCount64(t.delta[1]), 128)
}

// balanced tests that ones of n bits is within 6 standard deviations of half.
func balanced(tb testing.TB, what string, ones, n int) {
	tb.Helper()
	if d := math.Abs(float64(ones) - float64(n)/2); d > 6*math.Sqrt(float64(n))/2 {
		tb.Errorf("%s: %d of %d are one", what, ones, n)
	}
}

// session sets both parties up and runs body at each.
func session(t *testing.T, cfg corr.Config, body func(party int, conn transport.Conn, c *corr.Corr) error) transporttest.Result {
	t.Helper()
	party := func(p int) func(transport.Conn) error {
		return func(conn transport.Conn) error {
			c, err := corr.Setup(conn, p, cfg, prg.New(prg.Seed{byte(p), 7}))
			if err != nil {
				return err
			}
			return body(p, conn, c)
		}
	}
	return transporttest.TwoParty(t, party(0), party(1))
}

func TestCorrelation(t *testing.T) {
	for _, ext := range extensions {
		t.Run(ext.String(), func(t *testing.T) {
			var dir [2]taken // by sending party
			sizes := []int{1, 7, 0, 128, 1000, 8192, 8193, 3, 40001}
			session(t, corr.Config{Ext: ext}, func(p int, _ transport.Conn, c *corr.Corr) error {
				if err := c.Prefill(500*(1+p), 500*(2-p)); err != nil {
					return err
				}
				for _, n := range sizes {
					for from := range 2 {
						take := dir[from].receiver
						if from == p {
							take = dir[from].sender
						}
						if err := take(c, n+from); err != nil {
							return err
						}
					}
				}
				return nil
			})
			for from := range dir {
				dir[from].check(t)
			}
			if dir[0].delta == dir[1].delta {
				t.Error("both directions have the same delta")
			}
		})
	}
}

func TestBaseSchemes(t *testing.T) {
	f := ferret("ferret10")
	f.Base = baseot.MLKEM{}
	for _, ext := range []corr.Extension{corr.SoftSpoken{K: 8}, corr.SoftSpoken{K: 8, Base: baseot.MLKEM{}}, f} {
		cfg := corr.Config{Ext: ext}
		var dir [2]taken
		session(t, cfg, func(p int, conn transport.Conn, c *corr.Corr) error {
			c2s, s2c := corr.BaseBytes(cfg)
			if got := conn.Stats(); got.BytesSent != []int64{c2s, s2c}[p] || got.BytesReceived != []int64{s2c, c2s}[p] {
				return fmt.Errorf("setup sent %d and received %d, formula %d and %d", got.BytesSent, got.BytesReceived, c2s, s2c)
			}
			if p == 0 {
				return dir[0].sender(c, 2000)
			}
			return dir[0].receiver(c, 2000)
		})
		dir[0].check(t)
	}
}

func TestDealer(t *testing.T) {
	client, server := corrtest.Dealer(prg.Seed{9})
	var dir [2]taken
	for _, n := range []int{1, 5000, 9000, 3} {
		for _, err := range []error{
			dir[0].sender(client, n), dir[0].receiver(server, n),
			dir[1].sender(server, n), dir[1].receiver(client, n),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	for from := range dir {
		dir[from].check(t)
	}
	x, y := []corr.Block{{1, 2}}, []corr.Block{{1, 2}}
	client.Hash().HashBlocks(x, x, client.NextTweak(1, true))
	server.Hash().HashBlocks(y, y, server.NextTweak(1, false))
	if x[0] != y[0] {
		t.Error("the parties hash differently")
	}
}

func TestBytes(t *testing.T) {
	for _, ext := range extensions {
		cfg := corr.Config{Ext: ext}
		for _, n := range [][2]int{{0, 0}, {1, 0}, {129, 8192}, {8193, 70000}} {
			r := session(t, cfg, func(p int, conn transport.Conn, c *corr.Corr) error {
				base := conn.Stats()
				c2s, s2c := corr.BaseBytes(cfg)
				want := [2]int64{c2s, s2c}
				if base.BytesSent != want[p] || base.BytesReceived != want[1-p] {
					return fmt.Errorf("setup sent %d and received %d, formula %v", base.BytesSent, base.BytesReceived, want)
				}
				if err := c.Prefill(n[p], n[1-p]); err != nil {
					return err
				}
				got := conn.Stats().Sub(base)
				in, out := corr.ExtensionBytes(cfg, n[p]) // as sender
				out2, in2 := corr.ExtensionBytes(cfg, n[1-p])
				if got.BytesSent != out+out2 || got.BytesReceived != in+in2 {
					return fmt.Errorf("prefill %v sent %d and received %d, formula %d and %d", n, got.BytesSent, got.BytesReceived, out+out2, in+in2)
				}
				s := c.Stats()
				if s.AsSender.Made < int64(n[p]) || s.AsSender.Made >= int64(n[p]+corr.Granule) || s.AsSender.Taken != 0 {
					return fmt.Errorf("counts %+v", s)
				}
				// The pools suffice: no more bytes.
				if _, _, err := c.SenderTake(n[p]); err != nil {
					return err
				}
				if _, _, err := c.ReceiverTake(n[1-p]); err != nil {
					return err
				}
				if conn.Stats().BytesSent != base.BytesSent+out+out2 {
					return fmt.Errorf("taking from a full pool sent bytes")
				}
				return nil
			})
			most := 3
			if f, ok := ext.(corr.Ferret); ok {
				most = 4 // SoftSpoken's corrections
				if _, nested := f.LPN.Start(); nested {
					most = 5
				}
			}
			if r.ClientStats.Depth > most {
				t.Errorf("%v %v: depth %d, expected at most %d", ext, n, r.ClientStats.Depth, most)
			}
		}
	}
	if r, s := corr.ExtensionBytes(corr.Config{Ext: corr.SoftSpoken{K: 4}}, 128); r != 31*16 || s != 0 {
		t.Errorf("128 COTs at k=4 cost %d and %d bytes", r, s)
	}
}

// TestView looks at what the sender sees: the corrections must be uniform even
// when the choice bits are known to have structure, and fresh in every call.
func TestView(t *testing.T) {
	for _, k := range []int{2, 4, 8} {
		const n = 1 << 14
		calls := 3
		r := session(t, corr.Config{Ext: corr.SoftSpoken{K: k}}, func(p int, _ transport.Conn, c *corr.Corr) error {
			for range calls {
				var err error
				if p == 0 {
					_, _, err = c.SenderTake(n)
				} else {
					_, _, err = c.ReceiverTake(n)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		view := r.Client.Received()[2:] // after the base OTs
		if len(view) != calls {
			t.Fatalf("k=%d: %d messages in %d calls", k, len(view), calls)
		}
		seen := make(map[[16]byte]bool)
		all := bytes.Join(view, nil)
		var count [256]int
		for _, b := range all {
			count[b]++
		}
		chi := 0.0
		mean := float64(len(all)) / 256
		for _, c := range count {
			chi += (float64(c) - mean) * (float64(c) - mean) / mean
		}
		if chi > 255+6*math.Sqrt(2*255) {
			t.Errorf("k=%d: corrections are not uniform: chi² = %.0f over 255 degrees", k, chi)
		}
		for ; len(all) >= 16; all = all[16:] {
			b := [16]byte(all)
			if seen[b] {
				t.Fatalf("k=%d: 16 bytes of the corrections repeat", k)
			}
			seen[b] = true
		}
		// Rows of different digits must not cancel: d_i ⊕ d_j is uniform too.
		m := 128/k - 1
		for i := 1; i < m; i++ {
			ones := 0
			for b := range n / 8 {
				ones += bits.OnesCount8(view[0][b] ^ view[0][i*n/8+b])
			}
			balanced(t, fmt.Sprintf("k=%d: d_1 ^ d_%d", k, i+1), ones, n)
		}
	}
}

func TestTweaks(t *testing.T) {
	client, server := corrtest.Dealer(prg.Seed{1})
	seen := make(map[uint64]bool)
	for n := range 50 {
		for _, asSender := range []bool{true, false} {
			a, b := client.NextTweak(n, asSender), server.NextTweak(n, !asSender)
			if a != b {
				t.Fatalf("the parties disagree: %x, %x", a, b)
			}
			for i := range uint64(n) {
				if seen[a+i] {
					t.Fatalf("tweak %x repeats", a+i)
				}
				seen[a+i] = true
			}
		}
	}
}

// TestParts uses parts out of order, with takes from the whole in between: they
// hold the COTs that the whole would have handed out, hash tweaks come once, and
// a part makes none of its own.
func TestParts(t *testing.T) {
	plain, _ := corrtest.Dealer(prg.Seed{1})
	client, server := corrtest.Dealer(prg.Seed{1})
	sizes := []int{3, 0, 700, 129, 5, 1 << 20}
	total := 0
	for _, n := range sizes {
		total += n
	}
	for _, c := range []*corr.Corr{plain, client, server} {
		if err := c.Prefill(total+9, total+9); err != nil {
			t.Fatal(err)
		}
	}
	parts := map[*corr.Corr][]*corr.Corr{}
	for _, c := range []*corr.Corr{client, server} {
		for _, n := range sizes {
			part, err := c.Part(n, n)
			if err != nil {
				t.Fatal(err)
			}
			parts[c] = append(parts[c], part)
		}
		if s, r := c.Left(); s < 9 || r < 9 || c.Stats().AsSender.Taken != int64(total) {
			t.Errorf("%d and %d are left, %d taken", s, r, c.Stats().AsSender.Taken)
		}
	}
	wantKeys, _, err := plain.SenderTake(total)
	if err != nil {
		t.Fatal(err)
	}
	wantChoice, wantReceived, err := plain.ReceiverTake(total)
	if err != nil {
		t.Fatal(err)
	}
	tweaks := map[uint64]bool{}
	at := total
	for i := len(sizes) - 1; i >= 0; i-- {
		n := sizes[i]
		at -= n
		a, b := parts[client][i], parts[server][i]
		for _, asSender := range []bool{true, false, true} {
			first := a.NextTweak(100, asSender)
			if first != b.NextTweak(100, !asSender) || tweaks[first] || tweaks[first+99] {
				t.Errorf("part %d: tweak %x", i, first)
			}
			tweaks[first], tweaks[first+99] = true, true
		}
		var got taken
		if err := errors.Join(got.sender(a, n/3), got.receiver(b, n/3), got.sender(a, n-n/3), got.receiver(b, n-n/3)); err != nil {
			t.Fatal(err)
		}
		got.check(t)
		if !slices.Equal(got.k0, wantKeys[at:at+n]) {
			t.Errorf("part %d has other keys than the whole would have handed out", i)
		}
		choice, keys, err := a.ReceiverTake(n)
		if err != nil || !slices.Equal(choice, wantChoice[at:at+n]) || !slices.Equal(keys, wantReceived[at:at+n]) {
			t.Errorf("part %d: other received COTs than the whole would have handed out: %v", i, err)
		}
		if s, r := a.Left(); s != 0 || r != 0 {
			t.Errorf("part %d: %d and %d are left", i, s, r)
		}
		if _, _, err := a.SenderTake(1); err == nil || !strings.Contains(err.Error(), "more COTs than its part holds") {
			t.Errorf("part %d hands out more than it has: %v", i, err)
		}
	}
	if first := client.NextTweak(1, true); tweaks[first] {
		t.Errorf("the whole uses tweak %x again", first)
	}
	if _, err := client.Part(1<<22, 0); err == nil {
		t.Error("a part larger than the pool")
	}
	if _, err := client.Part(0, 0); err == nil {
		t.Error("alive after an error")
	}
}

func TestPrintsNothing(t *testing.T) {
	c, _ := corrtest.Dealer(prg.Seed{5})
	k0, delta, err := c.SenderTake(2)
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("%v %+v %#v %s %x %v", c, c, c, c, delta, k0)
	if strings.Count(got, "redacted") != 7 || strings.Contains(got, hex.EncodeToString(delta.Append(nil))[:8]) {
		t.Errorf("printed %q", got)
	}
}

// TestWire freezes the bytes of both directions under fixed seeds. Changing a
// line of the golden file means a new protocol version.
func TestWire(t *testing.T) {
	const file = "testdata/wire.golden"
	var got strings.Builder
	for _, ext := range extensions {
		r := session(t, corr.Config{Ext: ext}, func(p int, _ transport.Conn, c *corr.Corr) error {
			return c.Prefill(3000+67000*p, 70000-67000*p)
		})
		fmt.Fprintf(&got, "%v client %s\n", ext, r.Client.SentDigest())
		fmt.Fprintf(&got, "%v server %s\n", ext, r.Server.SentDigest())
	}
	if golden.Updating() {
		if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("wire digests changed:\n%s\nwant\n%s", got.String(), want)
	}
}
