package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"nimbus/backend/cost"
	"nimbus/runtime"
	"nimbus/runtime/transport"
	"nimbus/runtime/transport/tls"
)

// identityFile is where a state folder keeps its party's identity.
const identityFile = "identity.pem"

// makeIdentity returns the identity in dir, a new one if there is none.
func makeIdentity(dir string) (*tls.Identity, error) {
	path := filepath.Join(dir, identityFile)
	id, err := tls.Load(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return id, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if id, err = tls.Generate("nimbus", tls.DefaultValidity); err != nil {
		return nil, err
	}
	return id, id.Save(path)
}

// loadIdentity returns the identity in dir.
func loadIdentity(dir string) (*tls.Identity, error) {
	id, err := tls.Load(filepath.Join(dir, identityFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, runtime.WithHint(err, "run nimbus-run keygen -out "+dir)
	}
	return id, err
}

// A route is a client's way to a server.
type route struct {
	addr    string
	id      *tls.Identity   // the client's
	server  tls.Fingerprint // that the server must have
	timeout time.Duration   // for which the server may be silent
	link    cost.Link       // that what the client sends is shaped like
}

func (r *route) dial(ctx context.Context) (conn *tls.Conn, err error) {
	ctx, cancel := context.WithTimeout(ctx, tls.DefaultHandshakeTimeout)
	defer cancel()
	raw, err := tls.Connect(ctx, r.addr)
	if err == nil {
		conn, err = tls.Client(ctx, shape(r.link, raw), tls.Config{
			Identity: r.id, Peers: []tls.Fingerprint{r.server},
			Options: []transport.Option{transport.Timeout(r.timeout)},
		})
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		err = runtime.WithHint(err, "nothing listens there: is the server running?")
	}
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", r.addr, err)
	}
	return conn, nil
}

// connected runs f with a connection of its own, which the end of ctx closes.
func (r *route) connected(ctx context.Context, f func(*tls.Conn) error) error {
	conn, err := r.dial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if err = f(conn); err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// setup sets up one plan of the server's in st, the first if want is zero; accept
// reads it or refuses it. next is the one behind it.
func (r *route) setup(ctx context.Context, st *runtime.Store, want runtime.Digest, accept func(plan string) (*runtime.Program, error), progress func(runtime.Progress)) (res *setupResult, next runtime.Digest, err error) {
	start := time.Now()
	err = r.connected(ctx, func(conn *tls.Conn) error {
		in, after, reused, err := st.SetupPlan(conn, peerOf(conn), want, accept, progress)
		stats := conn.Stats()
		res, next = &setupResult{in, reused, runtime.Phase{
			Seconds: time.Since(start).Seconds(), BytesSent: stats.BytesSent, BytesReceived: stats.BytesReceived,
			Rounds: float64(stats.Depth) / 2,
		}}, after
		return err
	})
	return res, next, err
}

// session opens a session for f and closes it.
func (r *route) session(ctx context.Context, cfg runtime.Config, f func(*runtime.Session) error) error {
	return r.connected(ctx, func(conn *tls.Conn) error {
		cfg.Binding = conn.Binding
		s, err := runtime.Connect(conn, cfg)
		if err != nil {
			return err
		}
		return errors.Join(f(s), s.Close())
	})
}

// listen opens a port and explains when it is taken.
func listen(addr string) (net.Listener, error) {
	l, err := tls.Listen(addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, runtime.WithHint(fmt.Errorf("port in use: %w", err), "stop the program that listens there, or choose another port with -listen")
	}
	return l, err
}

// authenticator returns what a server does with an accepted connection: TLS
// with one of the trusted clients, over a link of the given shape.
func authenticator(ctx context.Context, id *tls.Identity, trust []tls.Fingerprint, timeout time.Duration, l cost.Link) func(net.Conn) (transport.Conn, runtime.Peer, error) {
	cfg := tls.Config{Identity: id, Peers: trust, Options: []transport.Option{transport.Timeout(timeout)}}
	return func(raw net.Conn) (transport.Conn, runtime.Peer, error) {
		conn, err := tls.Server(ctx, shape(l, raw), cfg)
		if err != nil {
			return nil, runtime.Peer{}, err
		}
		return conn, peerOf(conn), nil
	}
}

func peerOf(conn *tls.Conn) runtime.Peer {
	return runtime.Peer{Fingerprint: runtime.Digest(conn.Peer), Binding: conn.Binding}
}
