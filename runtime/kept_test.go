package runtime

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nimbus/internal/z2k"
	"nimbus/runtime/transport"
	"nimbus/runtime/transport/mem"
	"nimbus/runtime/transport/transporttest"
)

// keptPlan has correlated OTs, and of either kind a product that runs ahead.
const keptPlan = `module @kept attributes {stage = plan, version = 2, cot_client_sends = 0, cot_server_sends = 184} {
  weight @w : private<server, 4x3xfx24.10>

  func @main(%x: private<client, 2x4xfx24.10>) -> private<client, 2x4xfx24.20>, private<client, 2x3xfx14.10>, private<client, 2x2xfx14.10> {
    %s = io.share %x : ashare<2x4xfx24.10>
    %q = ot.square %s {cots = [0, 184]} : ashare<2x4xfx24.20>
    %y = he.matmul %s, @w {set = n4096, tile = 2, ahead} : ashare<2x3xfx24.20>
    %z = ss.shrink %y {bits = 10} : ashare<2x3xfx14.10>
    %t = ss.transpose %s {perm = [1, 0]} : ashare<4x2xfx24.10>
    %m = he.matmul_ss %s, %t {set = n2048, tile = [2, 4, 2, 0], ahead} : ashare<2x2xfx24.20>
    %n = ss.shrink %m {bits = 10} : ashare<2x2xfx14.10>
    %a = io.reveal %q {to = client} : private<client, 2x4xfx24.20>
    %b = io.reveal %z {to = client} : private<client, 2x3xfx14.10>
    %c = io.reveal %n {to = client} : private<client, 2x2xfx14.10>
    return %a, %b, %c
  }
}
`

// keptCase is a server and a client that is set up.
type keptCase struct {
	*testServer
	st    *Store
	in    *Installed
	stock *Stock
	last  *Session // of the client
}

var keptWeight = []uint64{1 << 10, 0, 0, 0, 1 << 10, 0, 0, 0, 1 << 10, 1 << 9, 0, 0}

func newKept(t *testing.T) *keptCase {
	t.Helper()
	return newKeptOf(t, program(t, keptPlan), Weights{"w": keptWeight})
}

func newKeptOf(t *testing.T, p *Program, w Weights) *keptCase {
	sv := newTestServer(t, p, w)
	sv.MaxKept = 1 << 30
	st := &Store{Dir: t.TempDir()}
	in, _, err := sv.setup(st)
	if err != nil {
		t.Fatal(err)
	}
	stock, err := in.Open(p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stock.Close() })
	return &keptCase{testServer: sv, st: st, in: in, stock: stock}
}

// restart is the same server as a new process.
func (k *keptCase) restart() {
	sv := newTestServer(k.t, k.Program, k.Weights)
	sv.Dir, sv.MaxKept = k.Dir, k.MaxKept
	k.testServer = sv
}

// session runs f in a session, over connections that wrap changes, and returns
// how it ended for either party and what they sent.
func (k *keptCase) session(wrap [2]func(transport.Conn) transport.Conn, f func(s *Session) error) (sent [2]int64, errs [2]error) {
	v, err := k.st.Vault(k.in, k.Program)
	if err != nil {
		k.t.Fatal(err)
	}
	a, b := mem.Pipe(transport.Timeout(500 * time.Millisecond))
	ends := [2]transport.Conn{a, b}
	for i, w := range wrap {
		if w != nil {
			ends[i] = w(ends[i])
		}
	}
	done := make(chan error, 1)
	go func() {
		done <- k.Handle(k.t.Context(), ends[1], testClient)
		b.Close()
	}()
	s, err := Connect(ends[0], Config{Program: k.Program, Stock: k.stock, Vault: v})
	k.last = s
	if err == nil {
		if err = f(s); err == nil {
			err = s.Close()
		}
	}
	sent[0], sent[1] = a.Stats().MessagesSent, b.Stats().MessagesSent
	a.Close()
	return sent, [2]error{err, <-done}
}

// keep makes n items.
func (k *keptCase) keep(n int) error {
	_, errs := k.session([2]func(transport.Conn) transport.Conn{}, func(s *Session) error {
		for range n {
			if _, err := s.Keep(); err != nil {
				return err
			}
		}
		return nil
	})
	return errors.Join(errs[:]...)
}

// once runs the plan in a session that is there, and checks the results.
func (k *keptCase) once(s *Session) (*Report, error) {
	x := []uint64{1 << 10, 2 << 10, 3 << 10, z2k.Mask(24) - 1<<10 + 1, 5, 0, 1 << 9, 1 << 11}
	out, rep, err := s.Run(map[string][]uint64{"x": x})
	if err != nil {
		return nil, err
	}
	for i, v := range out[0] {
		if want := x[i] * x[i] & z2k.Mask(24); v != want {
			return nil, fmt.Errorf("square %d is %d, want %d", i, v, want)
		}
	}
	xt := []uint64{x[0], x[4], x[1], x[5], x[2], x[6], x[3], x[7]}
	for i, m := range []struct {
		y    []uint64
		cols int
	}{{keptWeight, 3}, {xt, 2}} {
		want := make([]uint64, 2*m.cols)
		z2k.MatMul(want, x, m.y, 2, 4, m.cols, 24)
		for j, v := range out[i+1] {
			if d := z2k.Signed(v-want[j]>>10, 14); d < -1 || d > 1 {
				return nil, fmt.Errorf("product %d: element %d is off by %d", i, j, d)
			}
		}
	}
	return rep, nil
}

// run is one run in a session of its own; item is what it used.
func (k *keptCase) run() *Kept {
	k.t.Helper()
	var rep *Report
	_, errs := k.session([2]func(transport.Conn) transport.Conn{}, func(s *Session) (err error) {
		rep, err = k.once(s)
		return err
	})
	if err := errors.Join(errs[:]...); err != nil {
		k.t.Fatal(err)
	}
	return rep.Prepared
}

// expect runs once and wants the item, and so many left.
func (k *keptCase) expect(item uint64, left int, problem string) {
	k.t.Helper()
	got := k.run()
	if got.Item != item || got.Left != left || (got.Problem == "") != (problem == "") || !strings.Contains(got.Problem, problem) {
		k.t.Errorf("the run used %+v, want item %d, %d left, %q", got, item, left, problem)
	}
}

// items are the files of a party's items.
func (k *keptCase) items(party string) []string {
	dir := k.in.Dir
	if party == "server" {
		dir = k.clientDir(testClient.Fingerprint)
	}
	found, err := filepath.Glob(filepath.Join(dir, vaultFolder, "*", "*.item"))
	if err != nil {
		k.t.Fatal(err)
	}
	return found
}

// change overwrites a byte of a file.
func change(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Items are used in order, over sessions and restarts of the server; then runs
// make what they need, and more items can be kept.
func TestKept(t *testing.T) {
	k := newKept(t)
	k.expect(0, 0, "")
	if err := k.keep(3); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"client", "server"} {
		items := k.items(p)
		if len(items) != 3 {
			t.Fatalf("%s: %v", p, items)
		}
		s := &Session{party: map[string]int{"client": 0, "server": 1}[p], prog: k.Program}
		info, err := os.Stat(items[0])
		want, werr := s.itemBytes()
		if err := errors.Join(err, werr); err != nil || info.Size() != want+8+32+16 {
			t.Errorf("%s: an item has %d bytes, expected %d and what seals it: %v", p, info.Size(), want, err)
		}
	}
	k.expect(1, 2, "")
	k.restart()
	_, errs := k.session([2]func(transport.Conn) transport.Conn{}, func(s *Session) error {
		for i, want := range []uint64{2, 3, 0} { // three runs of one session
			rep, err := k.once(s)
			if err != nil {
				return err
			}
			if got := rep.Prepared; got.Item != want {
				t.Errorf("run %d used %+v, want item %d", i, got, want)
			}
			if bytes := rep.Offline.Bytes(); (bytes < 1000) != (want > 0) {
				t.Errorf("run %d: %d bytes offline", i, bytes)
			}
		}
		if _, err := s.Keep(); err != nil {
			return err
		}
		rep, err := k.once(s)
		if err == nil && rep.Prepared.Item != 4 {
			t.Errorf("what was kept a moment ago was not used: %+v", rep.Prepared)
		}
		return err
	})
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
}

// A server keeps what it wants to keep, and says so.
func TestKeptBound(t *testing.T) {
	k := newKept(t)
	need, err := (&Session{party: 1, prog: k.Program}).itemBytes()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		most int64
		want string
	}{{0, "keeps nothing"}, {need - 1, "at most"}, {2*need + 500, "at most"}} {
		most, want := test.most, test.want
		k.restart()
		k.MaxKept = most
		_, errs := k.session([2]func(transport.Conn) transport.Conn{}, func(s *Session) error {
			var refused RefusedError
			for range 3 {
				_, err := s.Keep()
				if err != nil && !errors.As(err, &refused) {
					return err
				}
			}
			if !strings.Contains(refused.Error(), want) || refused.Most != most {
				t.Errorf("with room for %d bytes: %+v", most, refused)
			}
			rep, err := k.once(s) // the session lives
			if err == nil && (rep.Prepared.Item > 0) != (most > need) {
				t.Errorf("with room for %d bytes the run used %+v", most, rep.Prepared)
			}
			return err
		})
		if err := errors.Join(errs[:]...); err != nil {
			t.Errorf("%d bytes: %v", most, err)
		}
	}
}

// A file that was changed, at either party, is dropped, and the next is used.
func TestKeptDamaged(t *testing.T) {
	k := newKept(t)
	if err := k.keep(4); err != nil {
		t.Fatal(err)
	}
	change(t, k.items("client")[0])
	k.expect(2, 2, "does not open")
	change(t, k.items("server")[0])
	k.expect(4, 0, "")
	if log := strings.Join(k.log, "\n"); !strings.Contains(log, "item 3") {
		t.Errorf("the server's log: %s", log)
	}
	if err := k.keep(1); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(k.items("server")[0]); err != nil { // only the client has it
		t.Fatal(err)
	}
	k.expect(0, 0, "they were dropped")
	if err := k.keep(1); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(k.items("client")[0]); err != nil { // only the server has it: dropped when the client comes to prepare
		t.Fatal(err)
	}
	k.expect(0, 0, "")
	if err := k.keep(1); err != nil || len(k.items("server")) != 1 {
		t.Errorf("%v, %v", k.items("server"), err)
	}
	k.expect(7, 0, "")
	// Another key, as of another machine.
	if err := k.keep(1); err != nil {
		t.Fatal(err)
	}
	change(t, filepath.Join(k.st.Dir, vaultKeyFile))
	k.expect(0, 0, "sealed under another key")
	if err := k.keep(1); err == nil || Hint(err) == "" {
		t.Errorf("kept under another key: %v", err)
	}
}

// What is damaged behind the first piece is found when the run takes it: the run
// fails, and its item is not used again.
func TestKeptDamagedWithin(t *testing.T) {
	p := program(t, `module @long attributes {stage = plan, version = 2, cot_client_sends = 0, cot_server_sends = 188416} {
  func @main(%x: private<client, 8192xfx24.10>) -> private<client, 8192xfx24.20> {
    %s = io.share %x : ashare<8192xfx24.10>
    %q = ot.square %s {cots = [0, 188416]} : ashare<8192xfx24.20>
    %a = io.reveal %q {to = client} : private<client, 8192xfx24.20>
    return %a
  }
}
`)
	k := newKeptOf(t, p, nil)
	if err := k.keep(3); err != nil {
		t.Fatal(err)
	}
	x := make([]uint64, 8192)
	x[8191] = 3
	run := func() (item uint64, errs error) {
		_, all := k.session([2]func(transport.Conn) transport.Conn{}, func(s *Session) error {
			out, rep, err := s.Run(map[string][]uint64{"x": x})
			if err != nil {
				return err
			}
			if out[0][8191] != 9 {
				t.Errorf("3² is %d", out[0][8191])
			}
			item = rep.Prepared.Item
			return nil
		})
		return item, errors.Join(all[:]...)
	}
	for _, party := range []string{"client", "server"} {
		change(t, k.items(party)[0])
		if _, err := run(); err == nil || !strings.Contains(err.Error(), "does not open") {
			t.Errorf("damaged at the %s: %v", party, err)
		}
	}
	if item, err := run(); item != 3 || err != nil {
		t.Errorf("then item %d was used, %v", item, err)
	}
}

// Two items of different sessions under one number are not taken for one.
func TestKeptOfAnother(t *testing.T) {
	k := newKept(t)
	if err := k.keep(1); err != nil {
		t.Fatal(err)
	}
	old, err := os.ReadFile(k.items("client")[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, party := range []string{"client", "server"} { // both begin anew
		if err := os.RemoveAll(filepath.Dir(k.items(party)[0])); err != nil {
			t.Fatal(err)
		}
	}
	k.restart()
	if err := k.keep(1); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(k.items("client")[0], old, 0o600); err != nil {
		t.Fatal(err)
	}
	k.expect(0, 0, "it is not the server's")
}

// snapshot is a folder's content, for a backup that is restored in place.
func snapshot(t *testing.T, dir string) (restore func()) {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files[path], err = os.ReadFile(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		for path, b := range files {
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A client's folder that went back in time, in place, is noticed by the server's
// counter; a copy elsewhere by its folder; and neither gives an item again.
func TestKeptRollback(t *testing.T) {
	k := newKept(t)
	if err := k.keep(3); err != nil {
		t.Fatal(err)
	}
	restore := snapshot(t, k.in.Dir)
	copied := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(copied, os.DirFS(k.in.Dir)); err != nil {
		t.Fatal(err)
	}
	k.expect(1, 2, "")
	here := *k.in
	k.in = &Installed{Dir: copied, Server: here.Server, Plan: here.Plan, Key: here.Key}
	k.expect(0, 0, "copied or restored")
	k.in = &here
	k.expect(2, 1, "")
	restore()
	k.expect(0, 0, "restored from a backup")
	if log := strings.Join(k.log, "\n"); !strings.Contains(log, "restored from a backup") {
		t.Errorf("the server's log: %s", log)
	}
	// A server that goes back has nothing that the client would use again.
	if err := k.keep(2); err != nil {
		t.Fatal(err)
	}
	restore = snapshot(t, k.clientDir(testClient.Fingerprint))
	k.expect(4, 1, "")
	restore()
	k.expect(5, 0, "")
}

// Whatever message of a session is the last that arrives, or is not what it
// should be, at either side: no party uses an item twice, and the next runs are
// right.
func TestKeptOnceWhateverBreaks(t *testing.T) {
	k := newKept(t)
	body := func(s *Session) error {
		if _, err := s.Keep(); err != nil {
			return err
		}
		_, err := k.once(s)
		return err
	}
	sent, errs := k.session([2]func(transport.Conn) transport.Conn{}, body)
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	hows := []string{"flip", "drop", "extend"}
	used := map[uint64]string{1: "the first run"}
	uses := func(item uint64, who string) {
		if old := used[item]; item > 0 && old != "" {
			t.Errorf("%s uses item %d, which %s used", who, item, old)
		}
		used[item] = who
	}
	k.t = t
	for from := range 2 {
		for n := 1 + from; n <= int(sent[from]); n += 2 {
			how := "close"
			if n%3 == 0 {
				how = hows[n/3%len(hows)]
			}
			name := fmt.Sprintf("%s message %d of the %s", how, n, partyName(from))
			var wrap [2]func(transport.Conn) transport.Conn
			wrap[from] = func(c transport.Conn) transport.Conn { return transporttest.Mangle(c, n, how) }
			k.restart()
			_, errs := k.session(wrap, body)
			if s := k.last; s != nil && errors.Join(errs[:]...) != nil {
				uses(s.kept.item, name)
			}
			v, err := k.st.Vault(k.in, k.Program)
			if err != nil {
				t.Fatal(err)
			}
			before, err := v.State()
			if err != nil {
				t.Fatal(err)
			}
			got := k.run()
			uses(got.Item, "the run after: "+name)
			if got.Item > 0 && (got.Item < before.Floor || got.Item >= before.Next) {
				t.Errorf("%s: %+v, then item %d was used", name, before, got.Item)
			}
		}
	}
}
