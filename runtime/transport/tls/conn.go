package tls

import (
	"context"
	"crypto/sha256"
	ctls "crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"nimbus/runtime/transport"
)

// DefaultHandshakeTimeout bounds connecting and the TLS handshake.
const DefaultHandshakeTimeout = 15 * time.Second

// Config says who this party is and whom it talks to.
type Config struct {
	Identity *Identity
	Peers    []Fingerprint // certificates that are accepted; a client has one

	// HandshakeTimeout bounds connecting and the handshake; 0 means
	// DefaultHandshakeTimeout.
	HandshakeTimeout time.Duration

	// Options go to the connection.
	Options []transport.Option
}

// Conn is an authenticated connection.
type Conn struct {
	transport.Conn

	// Peer is the certificate that the peer proved to own.
	Peer Fingerprint

	// Binding is a value that only the two ends of this connection know (RFC
	// 8446, section 7.5): a session's handshake includes it, so that it cannot
	// be relayed into another connection.
	Binding [32]byte
}

// errRefused is the answer of a peer that does not accept our certificate.
var errRefused = errors.New("the peer refused this party's certificate: tell the peer its fingerprint, and check that it has not expired")

// Connect opens a plain connection to host:port or unix:path.
func Connect(ctx context.Context, address string) (net.Conn, error) {
	network, address := split(address)
	return new(net.Dialer).DialContext(ctx, network, address)
}

// Listen accepts plain connections on host:port or unix:path. Give each one to
// [Server], in a goroutine of its own. A socket file that a dead process left
// behind is replaced, a live one is an error.
func Listen(address string) (net.Listener, error) {
	network, address := split(address)
	l, err := net.Listen(network, address)
	if err == nil || network != "unix" {
		return l, err
	}
	info, serr := os.Stat(address)
	if serr != nil || info.Mode().Type() != fs.ModeSocket {
		return nil, err
	}
	if c, derr := net.Dial(network, address); derr == nil {
		c.Close()
		return nil, fmt.Errorf("listen: another process listens on %s", address)
	}
	if rerr := os.Remove(address); rerr != nil {
		return nil, err
	}
	return net.Listen(network, address)
}

func split(address string) (network, rest string) {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return "unix", path
	}
	return "tcp", address
}

// Dial connects to the server at address and authenticates both sides.
func Dial(ctx context.Context, address string, cfg Config) (*Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, cfg.timeout())
	defer cancel()
	raw, err := Connect(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", address, err)
	}
	c, err := Client(ctx, raw, cfg)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", address, err)
	}
	return c, nil
}

// Client is the connecting side's handshake on raw, which it owns from here
// on: an error closes it.
func Client(ctx context.Context, raw net.Conn, cfg Config) (*Conn, error) {
	return shake(ctx, raw, cfg, ctls.Client, func(c *ctls.Conn) error {
		// In TLS 1.3 the client is done before the server has looked at its
		// certificate: wait for the server's word.
		var b [1]byte
		_, err := io.ReadFull(c, b[:])
		if err == nil && b[0] != accepted {
			err = errors.New("the peer does not speak this protocol")
		}
		return err
	})
}

// Server is the accepting side's handshake on raw, which it owns from here on:
// an error closes it.
func Server(ctx context.Context, raw net.Conn, cfg Config) (*Conn, error) {
	return shake(ctx, raw, cfg, ctls.Server, func(c *ctls.Conn) error {
		_, err := c.Write([]byte{accepted})
		return err
	})
}

// accepted is the byte with which the server says that it accepts the client.
const accepted = 1

func (cfg Config) timeout() time.Duration {
	if cfg.HandshakeTimeout > 0 {
		return cfg.HandshakeTimeout
	}
	return DefaultHandshakeTimeout
}

func shake(ctx context.Context, raw net.Conn, cfg Config, side func(net.Conn, *ctls.Config) *ctls.Conn, confirm func(*ctls.Conn) error) (*Conn, error) {
	c, err := handshake(ctx, raw, cfg, side, confirm)
	if err != nil {
		raw.Close()
		return nil, fmt.Errorf("tls: %w", err)
	}
	return c, nil
}

func handshake(ctx context.Context, raw net.Conn, cfg Config, side func(net.Conn, *ctls.Config) *ctls.Conn, confirm func(*ctls.Conn) error) (*Conn, error) {
	switch {
	case cfg.Identity == nil:
		return nil, errors.New("no identity: make one with nimbus-run keygen")
	case len(cfg.Peers) == 0:
		return nil, errors.New("no fingerprint of the peer's certificate is given")
	}
	if err := inForce("this party's", cfg.Identity.cert, time.Now()); err != nil {
		return nil, err
	}
	// verify's error comes back through crypto/tls; keep it to tell it from
	// the peer's.
	var refusal error
	c := side(raw, &ctls.Config{
		Certificates:           []ctls.Certificate{cfg.Identity.certificate()},
		ClientAuth:             ctls.RequireAnyClientCert,
		InsecureSkipVerify:     true, // no authorities: VerifyConnection pins
		MinVersion:             ctls.VersionTLS13,
		NextProtos:             []string{"nimbus/1"},
		SessionTicketsDisabled: true, // every connection proves both keys
		VerifyConnection: func(s ctls.ConnectionState) error {
			refusal = cfg.verify(s.PeerCertificates, time.Now())
			return refusal
		},
		// Records of full size from the start: messages are long.
		DynamicRecordSizingDisabled: true,
	})
	ctx, cancel := context.WithTimeout(ctx, cfg.timeout())
	defer cancel()
	if err := c.HandshakeContext(ctx); err != nil {
		if refusal != nil {
			return nil, refusal
		}
		return nil, explain(ctx, err)
	}
	deadline, _ := ctx.Deadline()
	c.SetDeadline(deadline)
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	err := confirm(c)
	if !stop() || err != nil {
		return nil, explain(ctx, err)
	}
	c.SetDeadline(time.Time{})
	state := c.ConnectionState()
	if state.NegotiatedProtocol != "nimbus/1" {
		return nil, errors.New("the peer does not speak this protocol")
	}
	binding, err := state.ExportKeyingMaterial("EXPORTER-nimbus-session", nil, 32)
	if err != nil {
		return nil, err
	}
	return &Conn{
		Conn:    transport.FromNet(c, cfg.Options...),
		Peer:    sha256.Sum256(state.PeerCertificates[0].Raw),
		Binding: [32]byte(binding),
	}, nil
}

// verify accepts a chain of one certificate that is pinned and in force. That
// the peer owns its key is the handshake's affair.
func (cfg Config) verify(chain []*x509.Certificate, now time.Time) error {
	if len(chain) != 1 {
		return fmt.Errorf("the peer sent %d certificates, want 1", len(chain))
	}
	got := Fingerprint(sha256.Sum256(chain[0].Raw))
	if !slices.Contains(cfg.Peers, got) {
		return fmt.Errorf("the peer's certificate %v is not trusted: if it is the right one, give its fingerprint to this party", got)
	}
	return inForce("the peer's", chain[0], now)
}

// explain turns the handshake's failure into one sentence.
func explain(ctx context.Context, err error) error {
	var alert ctls.AlertError
	var op *net.OpError
	switch {
	case ctx.Err() != nil && errors.Is(ctx.Err(), context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("handshake: %w", transport.ErrTimeout)
	case ctx.Err() != nil:
		return fmt.Errorf("handshake: %w", ctx.Err())
	case errors.As(err, &alert), errors.As(err, &op) && op.Op == "remote error":
		if strings.Contains(err.Error(), "certificate") {
			return errRefused
		}
		return fmt.Errorf("the peer ended the handshake: %w", err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNRESET):
		return fmt.Errorf("handshake: %w", transport.ErrPeer)
	}
	return fmt.Errorf("handshake: %w", err)
}
