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

// dial connects to the server at addr, which must have the given fingerprint.
func dial(ctx context.Context, addr string, id *tls.Identity, server tls.Fingerprint, timeout time.Duration) (*tls.Conn, error) {
	conn, err := tls.Dial(ctx, addr, tls.Config{
		Identity: id, Peers: []tls.Fingerprint{server},
		Options: []transport.Option{transport.Timeout(timeout)},
	})
	if errors.Is(err, syscall.ECONNREFUSED) {
		err = runtime.WithHint(err, "nothing listens there: is the server running?")
	}
	return conn, err
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
