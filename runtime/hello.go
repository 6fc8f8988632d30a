package runtime

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	"nimbus/runtime/transport"
)

// ProtocolVersion counts incompatible changes of what the parties send.
const ProtocolVersion = 3

// Mode says what a session is for.
type Mode uint8

const (
	// ModeSetup downloads plan, tokenizer and encrypted weights.
	ModeSetup Mode = 1
	// ModeInfer runs the plan.
	ModeInfer Mode = 2
)

func (m Mode) String() string {
	switch m {
	case ModeSetup:
		return "setup"
	case ModeInfer:
		return "infer"
	}
	return fmt.Sprintf("mode(%d)", uint8(m))
}

// Digest is a SHA-256 hash that names a plan, a parameter table or a key.
type Digest [32]byte

// String returns the digest in hexadecimal.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// Short returns the first eight bytes in hexadecimal, for people.
func (d Digest) Short() string {
	if d == (Digest{}) {
		return "none"
	}
	return hex.EncodeToString(d[:8])
}

// Peer is what the secure channel knows of the other end.
type Peer struct {
	// Fingerprint is the SHA-256 of the certificate that the peer proved to own.
	Fingerprint Digest
	// Binding is a value that only the two ends of this connection know.
	Binding Digest
}

// hello is the first message of either party. The client speaks first. It
// holds nothing secret.
//
//	magic      6 bytes "nimbus"
//	version    u16, little endian like everything after it
//	party      u8
//	mode       u8
//	plan       32 bytes; from a client that asks for setup the plan it wants, zero for the first
//	params     32 bytes
//	key        32 bytes: id of the weight key; during setup zero, from the server the next plan that it has
//	binding    32 bytes: the secure channel's own value, equal at both ends
type hello struct {
	Version uint16
	Party   uint8
	Mode    Mode
	Plan    Digest
	Params  Digest
	Key     Digest
	Binding Digest
}

const (
	helloMagic = "nimbus"
	helloLen   = len(helloMagic) + 2 + 1 + 1 + 4*32
	helloMax   = 1024 // what another version's hello may take
)

func (h hello) marshal() []byte {
	b := make([]byte, 0, helloLen)
	b = append(b, helloMagic...)
	b = binary.LittleEndian.AppendUint16(b, h.Version)
	b = append(b, h.Party, uint8(h.Mode))
	b = append(b, h.Plan[:]...)
	b = append(b, h.Params[:]...)
	b = append(b, h.Key[:]...)
	return append(b, h.Binding[:]...)
}

// parseHello reads a hello. The version is looked at before anything whose
// place depends on it.
func parseHello(b []byte) (hello, error) {
	var h hello
	rest, ok := bytes.CutPrefix(b, []byte(helloMagic))
	if !ok || len(rest) < 2 {
		return h, errors.New("handshake: the peer does not speak the nimbus protocol")
	}
	h.Version = binary.LittleEndian.Uint16(rest)
	if h.Version != ProtocolVersion {
		return h, WithHint(
			fmt.Errorf("handshake: protocol version: this party has %d, the peer has %d", ProtocolVersion, h.Version),
			"both parties must run the same release of nimbus-run")
	}
	if len(b) != helloLen {
		return h, fmt.Errorf("handshake: hello has %d bytes, expected %d", len(b), helloLen)
	}
	h.Party, h.Mode = rest[2], Mode(rest[3])
	if h.Party > 1 {
		return h, fmt.Errorf("handshake: party %d, expected 0 (client) or 1 (server)", h.Party)
	}
	if h.Mode != ModeSetup && h.Mode != ModeInfer {
		return h, fmt.Errorf("handshake: unknown mode %d", uint8(h.Mode))
	}
	rest = rest[4:]
	rest = rest[copy(h.Plan[:], rest):]
	rest = rest[copy(h.Params[:], rest):]
	rest = rest[copy(h.Key[:], rest):]
	copy(h.Binding[:], rest)
	return h, nil
}

// check compares what both parties said; mine is this party's hello. The
// first difference is the error, with both values in it.
func (mine hello) check(peer hello) error {
	if mine.Party == peer.Party {
		return fmt.Errorf("handshake: role: both parties are %s", partyName(int(mine.Party)))
	}
	if mine.Mode != peer.Mode {
		return fmt.Errorf("handshake: mode: this party wants %s, the peer %s", mine.Mode, peer.Mode)
	}
	if mine.Binding != peer.Binding {
		return errors.New("handshake: the two ends are not of one connection: somebody relays it")
	}
	differ := func(what string, a, b Digest, hint string) error {
		return WithHint(fmt.Errorf("handshake: %s: this party has %s, the peer has %s", what, a.Short(), b.Short()), hint)
	}
	if mine.Params != peer.Params {
		return differ("parameter digest", mine.Params, peer.Params,
			"both parties must run the same release of nimbus-run")
	}
	if mine.Mode == ModeSetup {
		return nil
	}
	if mine.Plan != peer.Plan {
		return differ("plan digest", mine.Plan, peer.Plan,
			"the server runs another plan than the one this client was set up for; run nimbus-run setup again")
	}
	if mine.Key != peer.Key {
		return differ("weight key", mine.Key, peer.Key,
			"the client's encrypted weights belong to another key; run nimbus-run setup again")
	}
	return nil
}

// greet is the client's handshake: it sends mine and checks the answer.
func greet(conn transport.Conn, mine hello) (hello, error) {
	if err := sendNow(conn, mine.marshal()); err != nil {
		return hello{}, fmt.Errorf("handshake: send: %w", err)
	}
	b, err := conn.RecvMax(helloMax)
	if err != nil {
		return hello{}, fmt.Errorf("handshake: recv: %w", err)
	}
	peer, err := parseHello(b)
	if err != nil {
		return hello{}, err
	}
	return peer, mine.check(peer)
}

// awaitHello is the first half of the server's handshake.
func awaitHello(conn transport.Conn) (hello, error) {
	b, err := conn.RecvMax(helloMax)
	if err != nil {
		return hello{}, fmt.Errorf("handshake: recv: %w", err)
	}
	return parseHello(b)
}

// answerHello is the second half: mine is always sent, so that a mismatch is
// reported on both sides.
func answerHello(conn transport.Conn, mine, peer hello) error {
	if err := sendNow(conn, mine.marshal()); err != nil {
		return fmt.Errorf("handshake: send: %w", err)
	}
	return mine.check(peer)
}

func sendNow(conn transport.Conn, msg []byte) error {
	if err := conn.Send(msg); err != nil {
		return err
	}
	return conn.Flush()
}
