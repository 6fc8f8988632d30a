package corr

import (
	"fmt"
	"math"

	"nimbus/internal/kernel"
	"nimbus/internal/otparams"
	"nimbus/internal/prg"
	"nimbus/runtime/corr/baseot"
	"nimbus/runtime/transport"
)

// A Block is a 128-bit key or offset. It prints as a constant.
type Block = kernel.Block

// Granule: COTs are made in multiples of it.
const Granule = 128

func roundUp(n int) int { return (n + Granule - 1) / Granule * Granule }

// The two parties, as everywhere in the runtime.
const (
	client = 0
	server = 1
)

// An Extension is a way to make COTs: a set of parameters, not a running
// protocol. Both parties use equal values.
type Extension interface {
	// String names the extension and its parameters, for the handshake.
	String() string
	// Check returns an error for parameters outside the supported set.
	Check() error
	// Setup runs the base OTs in both directions and whatever else comes once
	// per session.
	Setup(conn transport.Conn, party int, rng *prg.PRG) (*Ends, error)
	// SetupBytes is what Setup puts on the wire, exactly.
	SetupBytes() (clientToServer, serverToClient int64)
	// Bytes is what making the first n COTs of a session in one direction, rounded
	// up to a multiple of Granule, puts on the wire after Setup, exactly.
	Bytes(n int) (receiverToSender, senderToReceiver int64)
}

// Ends is one party's state in both directions after the setup.
type Ends struct {
	Sender   Sender   // of the COTs this party sends
	Receiver Receiver // of the COTs this party receives
	Salt     Block    // fresh, public and equal at both parties
	// SenderSpeaks says which of the two Extends waits for the other: the receiver's
	// if it is set, else the sender's.
	SenderSpeaks bool
}

// A Sender makes COTs as their sender.
type Sender interface {
	// Delta is the offset, fixed for the session.
	Delta() Block
	// Extend fills k0, a multiple of Granule long, with fresh keys. The peer calls its Receiver's Extend with the same length.
	Extend(k0 []Block) error
}

// A Receiver makes COTs as their receiver.
type Receiver interface {
	// Extend fills keys with fresh keys k0 ⊕ choice·Δ, and choice with the
	// random choice bits, 8 per byte from the low end. len(keys) = 8·len(choice)
	// is a multiple of Granule.
	Extend(keys []Block, choice []byte) error
}

// schemes are the base OTs by their names in plans.
var schemes = map[otparams.Base]baseot.Scheme{
	otparams.Ristretto: baseot.Ristretto{},
	otparams.MLKEM:     baseot.MLKEM{},
}

// Named returns the extension and base OT that a plan names.
func Named(extension, base string) (Extension, error) {
	e, err := otparams.Find(extension)
	if err != nil {
		return nil, err
	}
	b, err := otparams.FindBase(base)
	if err != nil {
		return nil, err
	}
	if e.Silent() {
		return Ferret{LPN: e.LPN, Base: schemes[b]}, nil
	}
	return SoftSpoken{K: e.Field, Base: schemes[b]}, nil
}

// Config selects how COTs are made.
type Config struct {
	Ext Extension // nil means SoftSpoken{K: 4}
}

func (c Config) ext() Extension {
	if c.Ext == nil {
		return SoftSpoken{K: 4}
	}
	return c.Ext
}

// ExtensionBytes returns the bytes that making n COTs puts on the wire, in one
// call and exactly, by direction with respect to these COTs.
func ExtensionBytes(cfg Config, n int) (receiverToSender, senderToReceiver int64) {
	return cfg.ext().Bytes(n)
}

// BaseBytes returns the bytes that [Setup] puts on the wire, exactly.
func BaseBytes(cfg Config) (clientToServer, serverToClient int64) {
	return cfg.ext().SetupBytes()
}

// checkCount refuses counts whose sizes would not fit.
func checkCount(n int) error {
	if n < 0 || n > math.MaxInt32*16 {
		return fmt.Errorf("corr: %d COTs asked for, expected 0..%d", n, math.MaxInt32*16)
	}
	return nil
}
