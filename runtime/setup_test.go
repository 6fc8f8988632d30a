package runtime

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"nimbus/internal/z2k"
	"nimbus/ir/plan"
	"nimbus/runtime/transport"
	"nimbus/runtime/transport/mem"
)

// layerPlan has one weight for the artefact and one for the server alone.
const layerPlan = `module @layer attributes {stage = plan, version = 2} {
  weight @w : private<server, 4x3xfx37.12>
  weight @b : private<server, 3xfx37.24>

  func @main(%x: private<client, 2x4xfx37.12>) -> private<client, 2x3xfx25.12> {
    %s = io.share %x : ashare<2x4xfx37.12>
    %y = he.matmul %s, @w {set = n4096, tile = 2} : ashare<2x3xfx37.24>
    %z = ss.add_bias %y, @b : ashare<2x3xfx37.24>
    %t = ss.shrink %z {bits = 12} : ashare<2x3xfx25.12>
    %r = io.reveal %t {to = client} : private<client, 2x3xfx25.12>
    return %r
  }
}
`

var layerWeights = Weights{
	"w": {1 << 12, 0, 0, 0, 2 << 12, 0, 0, 0, 3 << 12, 1 << 12, 1 << 12, 1 << 12},
	"b": {0, 1 << 24, 0},
}

func parsePlan(text string) (*Program, error) {
	m, err := plan.Parse("plan", text)
	if err != nil {
		return nil, err
	}
	return NewProgram(m)
}

// testServer is a Server whose clients are in this process.
type testServer struct {
	Server
	t testing.TB
	// wrap, if set, replaces the client's end of a connection.
	wrap func(transport.Conn) transport.Conn

	mu  sync.Mutex
	log []string
}

func newTestServer(t testing.TB, p *Program, w Weights) *testServer {
	sv := &testServer{t: t}
	sv.Server = Server{
		Program: p, Weights: w, Dir: t.TempDir(), Bundle: Bundle{"vocab.txt": []byte("[PAD]\n"), "labels.json": []byte(`["a"]`)},
		Log: func(format string, args ...any) {
			sv.mu.Lock()
			defer sv.mu.Unlock()
			sv.log = append(sv.log, fmt.Sprintf(format, args...))
		},
	}
	return sv
}

var testClient = Peer{Fingerprint: Digest{1}}
var testPeer = Peer{Fingerprint: Digest{2}}

// dial connects a client; wait returns how the server's session ended.
func (sv *testServer) dial(client Peer) (conn transport.Conn, wait func() error) {
	a, b := mem.Pipe()
	done := make(chan error, 1)
	go func() { done <- sv.Handle(context.Background(), b, client) }()
	if sv.wrap != nil {
		a = sv.wrap(a)
	}
	return a, func() error { return <-done }
}

func (sv *testServer) setup(st *Store) (*Installed, bool, error) {
	conn, wait := sv.dial(testClient)
	in, reused, err := st.Setup(conn, testPeer, parsePlan, nil)
	conn.Close()
	if serr := wait(); err == nil && serr != nil {
		sv.t.Errorf("server: %v", serr)
	}
	return in, reused, err
}

// infer runs layerPlan and checks the answer.
func (sv *testServer) infer(in *Installed) error {
	stock, err := in.Open(sv.Program)
	if err != nil {
		return err
	}
	defer stock.Close()
	conn, wait := sv.dial(testClient)
	defer conn.Close()
	s, err := Connect(conn, Config{Program: sv.Program, Stock: stock})
	if err != nil {
		return errors.Join(err, wait())
	}
	x := []uint64{1 << 12, 2 << 12, 3 << 12, 4 << 12, z2k.Mask(37) - 1<<12 + 1, 0, 0, 1 << 11}
	out, _, err := s.Run(map[string][]uint64{"x": x})
	if err != nil {
		return errors.Join(err, wait())
	}
	if err := errors.Join(s.Close(), wait()); err != nil {
		return err
	}
	want := []int64{5 << 12, 9 << 12, 13 << 12, -1<<12 + 1<<11, 1<<12 + 1<<11, 1 << 11}
	for i, v := range out[0] {
		if d := z2k.Signed(v, 25) - want[i]; d < -1 || d > 1 {
			return fmt.Errorf("result %d is %d, want %d", i, z2k.Signed(v, 25), want[i])
		}
	}
	return nil
}

func TestSetupAndInfer(t *testing.T) {
	sv := newTestServer(t, program(t, layerPlan), layerWeights)
	st := &Store{Dir: t.TempDir()}
	if _, err := st.Current(testPeer.Fingerprint); err == nil || Hint(err) == "" {
		t.Errorf("before setup: %v", err)
	}
	in, reused, err := sv.setup(st)
	if err != nil || reused {
		t.Fatalf("first setup: reused %v, %v", reused, err)
	}
	if err := sv.infer(in); err != nil {
		t.Fatal(err)
	}
	if _, reused, err = sv.setup(st); err != nil || !reused {
		t.Errorf("second setup: reused %v, %v", reused, err)
	}
	all, err := st.Current(testPeer.Fingerprint)
	if err != nil || len(all) != 1 {
		t.Fatalf("%d setups, %v", len(all), err)
	}
	in = all[0]
	if b, err := in.Bundle(); err != nil || string(b["labels.json"]) != `["a"]` {
		t.Errorf("bundle: %v, %v", b, err)
	}
	// A server that starts anew finds what it made.
	again := newTestServer(t, sv.Program, layerWeights)
	again.Dir = sv.Dir
	if _, reused, err = again.setup(st); err != nil || !reused {
		t.Errorf("setup with a restarted server: reused %v, %v", reused, err)
	}
	if err := again.infer(in); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(filepath.Join(sv.clientDir(testClient.Fingerprint), keyFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v, %v", info.Mode(), err)
	}
}

// Each client has a key of its own, and cannot use another's artefact.
func TestTwoClients(t *testing.T) {
	sv := newTestServer(t, program(t, layerPlan), layerWeights)
	var wg sync.WaitGroup
	keys := make([]Digest, 2)
	for i := range keys {
		wg.Go(func() {
			st := &Store{Dir: t.TempDir()}
			conn, wait := sv.dial(Peer{Fingerprint: Digest{byte(10 + i)}})
			in, _, err := st.Setup(conn, testPeer, parsePlan, nil)
			if err := errors.Join(err, wait()); err != nil {
				t.Error(err)
				return
			}
			keys[i] = in.Key
			if i == 0 { // the session of another client
				if err := sv.infer(in); err == nil || !strings.Contains(err.Error(), "weight key") {
					t.Errorf("another client's artefact: %v", err)
				}
			}
		})
	}
	wg.Wait()
	if keys[0] == keys[1] {
		t.Error("two clients share a key")
	}
}

// cutConn fails after a number of received bytes.
type cutConn struct {
	transport.Conn
	left atomic.Int64
}

func (c *cutConn) Recv(n int) ([]byte, error) {
	if c.left.Add(-int64(n)) < 0 {
		c.Close()
		return nil, transport.ErrPeer
	}
	return c.Conn.Recv(n)
}

// bigPlan's artefact is a few MiB.
var bigPlan = strings.NewReplacer("4x3x", "1024x100x", "2x4x", "2x1024x", "2x3x", "2x100x", "<server, 3x", "<server, 100x").Replace(layerPlan)

func TestInterruptedSetupResumes(t *testing.T) {
	p := program(t, bigPlan)
	sv := newTestServer(t, p, Weights{"w": make([]uint64, 102400), "b": make([]uint64, 100)})
	st := &Store{Dir: t.TempDir()}
	sv.wrap = func(c transport.Conn) transport.Conn {
		cut := &cutConn{Conn: c}
		cut.left.Store(2<<20 + 100<<10)
		return cut
	}
	conn, wait := sv.dial(testClient)
	if _, _, err := st.Setup(conn, testPeer, parsePlan, nil); !errors.Is(err, transport.ErrPeer) {
		t.Fatalf("setup over a connection that breaks: %v", err)
	}
	conn.Close()
	wait()
	part := filepath.Join(st.serverDir(testPeer.Fingerprint), p.Digest.String(), artefactFile+".part")
	info, err := os.Stat(part)
	if err != nil || info.Size() < 1<<20 {
		t.Fatalf("nothing was kept: %v", err)
	}
	sv.wrap = nil
	conn, wait = sv.dial(testClient)
	var from int64 = -1
	in, reused, err := st.Setup(conn, testPeer, parsePlan, func(p Progress) {
		if p.Stage == "download weights" && from < 0 {
			from = p.Done
		}
	})
	if err := errors.Join(err, wait()); err != nil || reused {
		t.Fatalf("second attempt: reused %v, %v", reused, err)
	}
	if from < 1<<20 {
		t.Errorf("second attempt began at byte %d", from)
	}
	stock, err := in.Open(p)
	if err != nil {
		t.Fatal(err)
	}
	stock.Close()
	if left, _ := filepath.Glob(filepath.Join(in.Dir, "*.part*")); len(left) > 0 {
		t.Errorf("files left over: %v", left)
	}
}

// Damage of any stored file is one clear error with advice, or repaired.
func TestDamagedStore(t *testing.T) {
	p := program(t, layerPlan)
	sv := newTestServer(t, p, layerWeights)
	flip := func(path string, at int64) error {
		data, err := os.ReadFile(path)
		if err == nil {
			data[(at+int64(len(data)))%int64(len(data))] ^= 1
			err = os.WriteFile(path, data, 0o600)
		}
		return err
	}
	tests := []struct {
		name   string
		damage func(in *Installed) error
		want   string
	}{
		{"weights", func(in *Installed) error { return flip(in.Artefact(), -1000) }, "damaged"},
		{"weights header", func(in *Installed) error { return flip(in.Artefact(), 40) }, "damaged"},
		{"weights truncated", func(in *Installed) error { return os.Truncate(in.Artefact(), 5000) }, "damaged"},
		{"weights gone", func(in *Installed) error { return os.Remove(in.Artefact()) }, "damaged"},
		{"plan", func(in *Installed) error { return flip(filepath.Join(in.Dir, planFile), 7) }, "plan has checksum"},
		{"plan gone", func(in *Installed) error { return os.Remove(filepath.Join(in.Dir, planFile)) }, "damaged"},
		{"tokenizer", func(in *Installed) error { return flip(filepath.Join(in.Dir, tokenizerFile), 7) }, "tokenizer has checksum"},
		{"record", func(in *Installed) error {
			return os.WriteFile(filepath.Join(in.Dir, installedFile), []byte("{"), 0o600)
		}, "done.json"},
		{"record of another plan", func(in *Installed) error {
			return os.WriteFile(filepath.Join(in.Dir, installedFile), []byte("{}"), 0o600)
		}, "does not name this plan"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			st := &Store{Dir: t.TempDir()}
			in, _, err := sv.setup(st)
			if err != nil {
				t.Fatal(err)
			}
			if err := tc.damage(in); err != nil {
				t.Fatal(err)
			}
			all, err := st.Current(testPeer.Fingerprint)
			if err == nil {
				_, err = all[0].Open(p)
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(Hint(err), "delete the folder") {
				t.Fatalf("got %v (hint %q), want %q", err, Hint(err), tc.want)
			}
			// The advice works.
			if err := os.RemoveAll(filepath.Join(st.serverDir(testPeer.Fingerprint), p.Digest.String())); err != nil {
				t.Fatal(err)
			}
			if in, _, err = sv.setup(st); err != nil {
				t.Fatal(err)
			}
			if err := sv.infer(in); err != nil {
				t.Error(err)
			}
		})
	}
}

// The server makes damaged encrypted weights anew, under a new key.
func TestDamagedServer(t *testing.T) {
	p := program(t, layerPlan)
	sv := newTestServer(t, p, layerWeights)
	st := &Store{Dir: t.TempDir()}
	old, _, err := sv.setup(st)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(sv.clientDir(testClient.Fingerprint), artefactFile)
	if err := os.Truncate(path, 1000); err != nil {
		t.Fatal(err)
	}
	again := newTestServer(t, p, layerWeights)
	again.Dir = sv.Dir
	in, reused, err := again.setup(st)
	if err != nil || reused || in.Key == old.Key {
		t.Fatalf("reused %v, same key %v, %v", reused, in != nil && in.Key == old.Key, err)
	}
	if err := again.infer(in); err != nil {
		t.Error(err)
	}
	key := filepath.Join(sv.clientDir(testClient.Fingerprint), keyFile)
	if err := os.WriteFile(key, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	last := newTestServer(t, p, layerWeights)
	last.Dir = sv.Dir
	if _, err := last.keys(testClient.Fingerprint); err == nil || !strings.Contains(Hint(err), "delete the folder") {
		t.Errorf("damaged key file: %v", err)
	}
}

// A full disk is one clear error on whichever side it happens.
func TestDiskFull(t *testing.T) {
	if f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0); err != nil {
		t.Skip("no /dev/full here")
	} else {
		f.Close()
	}
	p := program(t, layerPlan)
	sv := newTestServer(t, p, layerWeights)
	st := &Store{Dir: t.TempDir()}
	dir := filepath.Join(st.serverDir(testPeer.Fingerprint), p.Digest.String())
	if _, _, err := sv.setup(st); err != nil {
		t.Fatal(err)
	}
	sum, _, err := sumFile(filepath.Join(dir, artefactFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{artefactFile, installedFile} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	part := filepath.Join(dir, artefactFile+".part")
	if err := os.Symlink("/dev/full", part); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(part+".sha256", []byte(sum.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	conn, wait := sv.dial(testClient)
	_, _, err = st.Setup(conn, testPeer, parsePlan, nil)
	conn.Close()
	wait()
	if err == nil || !strings.Contains(err.Error(), "disk full") || !strings.Contains(Hint(err), "free space") {
		t.Errorf("client: %v (hint %q)", err, Hint(err))
	}
	os.Remove(part)
	if _, _, err := sv.setup(st); err != nil {
		t.Errorf("after making room: %v", err)
	}

	full := newTestServer(t, p, layerWeights)
	cdir := full.clientDir(testClient.Fingerprint)
	if err := os.MkdirAll(cdir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/full", filepath.Join(cdir, artefactFile+".part")); err != nil {
		t.Fatal(err)
	}
	conn, wait = full.dial(testClient)
	_, _, err = (&Store{Dir: t.TempDir()}).Setup(conn, testPeer, parsePlan, nil)
	if err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("client of a full server: %v", err)
	}
	if serr := wait(); serr == nil || !strings.Contains(serr.Error(), "disk") {
		t.Errorf("full server: %v", serr)
	}
	os.Remove(filepath.Join(cdir, artefactFile+".part"))
	if _, _, err := full.setup(&Store{Dir: t.TempDir()}); err != nil {
		t.Errorf("after making room at the server: %v", err)
	}
}

func TestStoreAddresses(t *testing.T) {
	st := &Store{Dir: t.TempDir()}
	if _, err := st.Lookup("a:1"); err == nil || Hint(err) == "" {
		t.Errorf("unknown address: %v", err)
	}
	for i := range 3 {
		if err := st.Remember(fmt.Sprint("a:", i), Digest{byte(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if fp, err := st.Lookup("a:2"); err != nil || fp != (Digest{2}) {
		t.Errorf("%v, %v", fp, err)
	}
	if err := os.WriteFile(filepath.Join(st.Dir, "servers.json"), []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := st.Lookup("a:2"); err == nil || Hint(err) == "" {
		t.Errorf("damaged notes: %v", err)
	}
}

// What a client asks for during setup is checked before it is served.
func TestSetupRefusesRequests(t *testing.T) {
	sv := newTestServer(t, program(t, layerPlan), layerWeights)
	for _, req := range [][]byte{
		{}, {1, 2, 3}, marshalRequest(7, 0, 1), marshalRequest(itemPlan, 0, 0), marshalRequest(itemPlan, 1<<40, 1),
		marshalRequest(itemPlan, 0, 1<<31), marshalRequest(itemArtefact, 1<<63, 1<<20), slices.Repeat([]byte{9}, 100),
	} {
		conn, wait := sv.dial(testClient)
		if _, err := greet(conn, hello{Version: ProtocolVersion, Mode: ModeSetup, Params: paramDigest()}); err != nil {
			t.Fatal(err)
		}
		if _, err := awaitOffer(conn, func(Progress) {}); err != nil {
			t.Fatal(err)
		}
		conn.Send(req)
		if err := wait(); err == nil {
			t.Errorf("request %x was served", req)
		}
		conn.Close()
	}
}

// What a server offers is checked before it is believed.
func TestClientRefusesOffers(t *testing.T) {
	good := func() *offer {
		o := &offer{Plan: Digest{1}, Key: Digest{2}}
		o.Size = [itemCount]uint64{10, 10, 10}
		return o
	}
	huge, none := good(), good()
	huge.Size[itemPlan] = 1 << 60
	none.Size[itemArtefact] = 0
	for name, msg := range map[string][]byte{
		"plan text":        good().marshal(), // ten bytes that are no plan
		"offers plan":      huge.marshal(),
		"offers weights":   none.marshal(),
		"offer has":        {statusOffer, 1, 2},
		"unknown status":   {77},
		"empty status":     {},
		"refused: go.away": append([]byte{statusRefusal}, "go\x1baway"...),
		"progress has":     {statusPreparing, 1},
	} {
		a, b := mem.Pipe()
		go func() {
			first, err := awaitHello(b)
			if err == nil {
				err = answerHello(b, hello{Version: ProtocolVersion, Party: 1, Mode: ModeSetup, Params: paramDigest()}, first)
			}
			if err == nil {
				err = b.Send(msg)
			}
			if err == nil && name == "plan text" {
				for {
					if _, err := b.Recv(requestLen); err != nil {
						return
					}
					b.Send(make([]byte, 10))
				}
			}
		}()
		_, _, err := (&Store{Dir: t.TempDir()}).Setup(a, testPeer, parsePlan, nil)
		want := name
		if name == "plan text" {
			want = "downloaded plan has checksum"
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
		a.Close()
	}
}

var _ fs.FS = Bundle{}.FS()
