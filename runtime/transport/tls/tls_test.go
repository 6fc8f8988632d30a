package tls

import (
	"context"
	"crypto/ed25519"
	ctls "crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nimbus/runtime/transport"
	"nimbus/runtime/transport/mem"
	"nimbus/runtime/transport/transporttest"
)

func identity(t testing.TB) *Identity {
	t.Helper()
	id, err := Generate("test", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// connect runs both handshakes on a pair of streams.
func connect(a, b net.Conn, client, server Config) (c, s *Conn, cerr, serr error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		s, serr = Server(context.Background(), b, server)
	}()
	c, cerr = Client(context.Background(), a, client)
	<-done
	return c, s, cerr, serr
}

// unix returns both ends of a socket.
func unix(t testing.TB) (a, b net.Conn) {
	t.Helper()
	address := "unix:" + filepath.Join(t.TempDir(), "s")
	l, err := Listen(address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if a, err = Connect(context.Background(), address); err != nil {
		t.Fatal(err)
	}
	if b, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return a, b
}

func TestConn(t *testing.T) {
	x, y := identity(t), identity(t)
	transporttest.TestConn(t, func(t testing.TB, o ...transport.Option) (transport.Conn, transport.Conn) {
		a, b := unix(t)
		c, s, cerr, serr := connect(a, b,
			Config{Identity: x, Peers: []Fingerprint{y.Fingerprint()}, Options: o},
			Config{Identity: y, Peers: []Fingerprint{x.Fingerprint()}, Options: o})
		if cerr != nil || serr != nil {
			t.Fatal(cerr, serr)
		}
		return c, s
	})
}

func TestPeerAndBinding(t *testing.T) {
	x, y := identity(t), identity(t)
	bindings := map[[32]byte]bool{}
	for range 2 {
		a, b := mem.NetPipe()
		c, s, cerr, serr := connect(a, b,
			Config{Identity: x, Peers: []Fingerprint{y.Fingerprint()}},
			Config{Identity: y, Peers: []Fingerprint{identity(t).Fingerprint(), x.Fingerprint()}})
		if cerr != nil || serr != nil {
			t.Fatal(cerr, serr)
		}
		if c.Peer != y.Fingerprint() || s.Peer != x.Fingerprint() {
			t.Errorf("peers are %v and %v", c.Peer, s.Peer)
		}
		if c.Binding != s.Binding || c.Binding == [32]byte{} || bindings[c.Binding] {
			t.Error("the binding is not one fresh value on both sides")
		}
		bindings[c.Binding] = true
		c.Close()
		s.Close()
	}
}

func TestRefusals(t *testing.T) {
	x, y, z := identity(t), identity(t), identity(t)
	now := time.Now()
	old, err := generate("old", now.Add(-48*time.Hour), now.Add(-24*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	early, err := generate("early", now.Add(24*time.Hour), now.Add(48*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	pin := func(id *Identity) []Fingerprint { return []Fingerprint{id.Fingerprint()} }
	for _, c := range []struct {
		name           string
		client, server Config
		cwant, swant   string
	}{
		{"server not trusted", Config{Identity: x, Peers: pin(z)}, Config{Identity: y, Peers: pin(x)},
			"the peer's certificate " + y.Fingerprint().String() + " is not trusted", "refused this party's certificate"},
		{"client not trusted", Config{Identity: x, Peers: pin(y)}, Config{Identity: y, Peers: pin(z)},
			"refused this party's certificate", "the peer's certificate " + x.Fingerprint().String() + " is not trusted"},
		{"own certificate expired", Config{Identity: old, Peers: pin(y)}, Config{Identity: y, Peers: pin(old)},
			"this party's certificate expired on 2", "closed the connection"},
		{"own certificate not valid yet", Config{Identity: x, Peers: pin(early)}, Config{Identity: early, Peers: pin(x)},
			"closed the connection", "this party's certificate is not valid before 2"},
		{"no identity", Config{Peers: pin(y)}, Config{Identity: y, Peers: pin(x)}, "no identity", "closed the connection"},
		{"no pin", Config{Identity: x}, Config{Identity: y, Peers: pin(x)}, "no fingerprint", "closed the connection"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := unix(t)
			_, _, cerr, serr := connect(a, b, c.client, c.server)
			for i, err := range []error{cerr, serr} {
				want := [2]string{c.cwant, c.swant}[i]
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("party %d: got %v, want %q in it", i, err, want)
				} else if strings.Contains(err.Error(), "\n") {
					t.Errorf("party %d: more than one line: %v", i, err)
				}
			}
		})
	}
}

// TestExpiredPeer looks at the check alone: a party refuses its own expired
// certificate before the peer can.
func TestExpiredPeer(t *testing.T) {
	x := identity(t)
	cfg := Config{Identity: x, Peers: []Fingerprint{x.Fingerprint()}}
	chain := x.certificate().Leaf
	if err := inForce("the peer's", chain, time.Now().Add(2*time.Hour)); err == nil || !strings.Contains(err.Error(), "the peer's certificate expired on") {
		t.Errorf("got %v", err)
	}
	if err := cfg.verify(nil, time.Now()); err == nil {
		t.Error("no certificate passes")
	}
}

// TestStrangers connects peers that are not this package.
func TestStrangers(t *testing.T) {
	x, y := identity(t), identity(t)
	server := Config{Identity: y, Peers: []Fingerprint{x.Fingerprint()}, HandshakeTimeout: 200 * time.Millisecond}
	dial := func(cfg *ctls.Config) func(net.Conn) {
		return func(raw net.Conn) {
			c := ctls.Client(raw, cfg)
			c.Handshake()
			c.Read(make([]byte, 1))
		}
	}
	id := []ctls.Certificate{x.certificate()}
	for name, c := range map[string]struct {
		peer func(net.Conn)
		want string
	}{
		"garbage":        {func(raw net.Conn) { raw.Write([]byte("GET / HTTP/1.1\r\n\r\n")) }, "does not look like a TLS handshake"},
		"silence":        {func(net.Conn) { time.Sleep(400 * time.Millisecond) }, "silent for too long"},
		"TLS 1.2":        {dial(&ctls.Config{InsecureSkipVerify: true, Certificates: id, NextProtos: []string{"nimbus/1"}, MaxVersion: ctls.VersionTLS12}), "version"},
		"no certificate": {dial(&ctls.Config{InsecureSkipVerify: true, NextProtos: []string{"nimbus/1"}}), "certificate"},
		"no protocol":    {dial(&ctls.Config{InsecureSkipVerify: true, Certificates: id}), "does not speak this protocol"},
		"other protocol": {dial(&ctls.Config{InsecureSkipVerify: true, Certificates: id, NextProtos: []string{"h2"}}), "protocol"},
		"stolen certificate": {dial(&ctls.Config{InsecureSkipVerify: true, NextProtos: []string{"nimbus/1"}, Certificates: []ctls.Certificate{{
			Certificate: [][]byte{x.der}, PrivateKey: ed25519.NewKeyFromSeed(make([]byte, 32))}}}), "signature"},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := unix(t)
			go func() { c.peer(a); a.Close() }()
			if _, err := Server(context.Background(), b, server); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
	t.Run("cancelled", func(t *testing.T) {
		a, _ := mem.NetPipe()
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(20*time.Millisecond, cancel)
		if _, err := Client(ctx, a, server); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

func TestIdentityFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "id.pem")
	id := identity(t)
	if err := id.Save(path); err != nil {
		t.Fatal(err)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	got, err := Load(path)
	if err != nil || got.Fingerprint() != id.Fingerprint() || !got.key.Equal(id.key) {
		t.Errorf("got %v %v", got, err)
	}
	if err := id.Save(path); err == nil || !strings.Contains(err.Error(), "not overwritten") {
		t.Errorf("overwriting: %v", err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(dir, "other.pem")
	if err := identity(t).Save(other); err != nil {
		t.Fatal(err)
	}
	foreign, _ := os.ReadFile(other)
	at := strings.Index(string(foreign), "-----BEGIN PRIVATE")
	cut := strings.Index(string(text), "-----BEGIN PRIVATE")
	for name, c := range map[string]struct{ text, want string }{
		"empty":       {"", "want one CERTIFICATE"},
		"no key":      {string(text[:cut]), "want one CERTIFICATE"},
		"foreign key": {string(text[:cut]) + string(foreign[at:]), "do not belong together"},
		"two":         {string(text) + string(text), "unexpected PEM block"},
		"damaged":     {strings.Replace(string(text), string(text[cut+30:cut+40]), "AAAAAAAAAA", 1), ""},
		"long":        {strings.Repeat("x", maxIdentityFile+1), "too many"},
	} {
		bad := filepath.Join(dir, "bad.pem")
		if err := os.WriteFile(bad, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(bad); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q in it", name, err, c.want)
		}
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a key for all to read: %v", err)
	}
	if s := fmt.Sprintf("%v %+v %#v %s %x", id, id, id, id, id); strings.Contains(s, fmt.Sprintf("%x", []byte(id.key))) || strings.Contains(s, "key") {
		t.Errorf("prints %s", s)
	}
}

func TestFingerprint(t *testing.T) {
	f := identity(t).Fingerprint()
	if got, err := ParseFingerprint(f.String()); err != nil || got != f {
		t.Errorf("got %v %v", got, err)
	}
	for _, s := range []string{"", "sha256:", f.String()[7:], f.String() + "00", "sha256:" + strings.Repeat("x", 64)} {
		if _, err := ParseFingerprint(s); err == nil {
			t.Errorf("%q passes", s)
		}
	}
}

func TestListen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := Listen("unix:" + path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Listen("unix:" + path); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("a live socket: %v", err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	if l, err = Listen("unix:" + path); err != nil {
		t.Errorf("a dead socket: %v", err)
	} else {
		l.Close()
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen("unix:" + path); err == nil {
		t.Error("a file is replaced")
	}
	x := identity(t)
	_, err = Dial(context.Background(), "unix:"+path, Config{Identity: x, Peers: []Fingerprint{x.Fingerprint()}})
	if err == nil || !strings.HasPrefix(err.Error(), "connect to unix:") {
		t.Errorf("got %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if id, err := parse(text); (id == nil) == (err == nil) {
			t.Errorf("got %v and %v", id, err)
		}
	})
}
