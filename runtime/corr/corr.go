package corr

import (
	"fmt"
	"io"

	"nimbus/internal/kernel"
	"nimbus/internal/prg"
	"nimbus/runtime/transport"
)

// A Corr makes and keeps the COTs of one session, in both directions. The two
// parties call it in step: whenever one takes n COTs as sender the other takes n
// as receiver, at the same place of the protocol.
//
// After the first error a Corr is dead: every further call returns that error.
// It is not safe for concurrent use. It prints as a constant.
type Corr struct {
	party int
	ends  *Ends
	hash  *kernel.CRH
	err   error

	sent, received pool
	stats          CorrStats
	tweaks         [2]uint64 // next tweak, by the party that sends
	tweakSpace     uint64    // bits that all tweaks have, see below
	tweakEnd       uint64    // where the counter ends
	parts          uint64    // handed out; a part has none of its own
	part           bool
	delta          Block   // of the COTs that this party sends
	closed         bool    // makes no more: a part, or what was read
	kept           *reader // of what was read

	call, segment int // callColumns, segmentColumns
}

// Counts are numbers of COTs in one direction.
type Counts struct {
	Taken int64 // handed out
	Made  int64 // made by the extension; Made - Taken are in the pool
}

// CorrStats counts what a [Corr] did.
type CorrStats struct {
	AsSender, AsReceiver Counts
}

const (
	// callColumns bounds one call of an extension. Both parties alternate
	// between the directions at this size, so that a large Prefill does not pile
	// up unread messages.
	callColumns = 1 << 22
	// minColumns is what a take from a short pool makes at least.
	minColumns = 1 << 13
)

// A tweak is made of the direction, 1 bit: whether the server sends; of 1 bit
// that tells parts; and of a counter of 62 bits, or in a part the part's number
// in 26 bits and a counter in 36. So none comes twice in a session.
const (
	serverTweaks = 1 << 63
	partTweaks   = 1 << 62
	partBits     = 26
	counterBits  = 36
	// maxPart bounds a part's COTs, of which each takes at most 8 tweaks.
	maxPart = 1 << 32
)

// Setup runs the base OTs in both directions with the peer. party is 0 (client)
// or 1 (server). All randomness comes from children of rng.
func Setup(conn transport.Conn, party int, cfg Config, rng *prg.PRG) (*Corr, error) {
	if party != client && party != server {
		return nil, fmt.Errorf("corr: party %d, expected 0 (client) or 1 (server)", party)
	}
	ext := cfg.ext()
	if err := ext.Check(); err != nil {
		return nil, err
	}
	ends, err := ext.Setup(conn, party, rng)
	if err != nil {
		return nil, err
	}
	return &Corr{
		party: party, ends: ends, delta: ends.Sender.Delta(), hash: kernel.NewCRH(ends.Salt), tweakEnd: partTweaks,
		call: callColumns, segment: segmentColumns,
	}, nil
}

// Hash returns the session's correlation-robust hash, equal at both parties.
// Its tweaks come from [Corr.NextTweak] and nowhere else.
func (c *Corr) Hash() *kernel.CRH { return c.hash }

// Part reserves COTs for one step of a session: it takes them out of the pools,
// in the order of the calls, and returns them as a Corr that makes no more. The
// peer calls Part at the same place with the numbers exchanged. Parts can be
// used at the same time, by a goroutine each, in whatever order.
func (c *Corr) Part(asSender, asReceiver int) (*Corr, error) {
	for _, n := range []int{asSender, asReceiver} {
		if err := c.ready(n); err != nil {
			return nil, err
		}
		if n > maxPart {
			return nil, c.fail(fmt.Errorf("corr: a part of %d COTs, expected at most %d", n, int64(maxPart)))
		}
	}
	if asSender > c.sent.len || asReceiver > c.received.len || c.part {
		return nil, c.fail(fmt.Errorf("corr: internal error: a part of %d and %d COTs from pools of %d and %d", asSender, asReceiver, c.sent.len, c.received.len))
	}
	if c.parts++; c.parts >= 1<<partBits {
		return nil, c.fail(fmt.Errorf("corr: %d parts in one session: begin a new one", c.parts))
	}
	c.stats.AsSender.Taken += int64(asSender)
	c.stats.AsReceiver.Taken += int64(asReceiver)
	return &Corr{
		party: c.party, delta: c.delta, hash: c.hash,
		sent: c.sent.split(asSender), received: c.received.split(asReceiver),
		stats:      CorrStats{Counts{Made: int64(asSender)}, Counts{Made: int64(asReceiver)}},
		tweakSpace: partTweaks | c.parts<<counterBits, tweakEnd: 1 << counterBits, part: true, closed: true,
	}, nil
}

// Left returns how many COTs the pools hold.
func (c *Corr) Left() (asSender, asReceiver int) { return c.sent.len, c.received.len }

// Prefill makes COTs until at least asSender can be sent and asReceiver received
// without talking to the peer; what the pools hold already counts. The peer
// calls it with the two numbers exchanged. From empty pools it puts exactly
// [ExtensionBytes] of each number on the wire.
func (c *Corr) Prefill(asSender, asReceiver int) error {
	if c.err != nil {
		return c.err
	}
	for _, n := range []int{asSender, asReceiver} {
		if err := checkCount(n); err != nil {
			return c.fail(err)
		}
	}
	return c.extend(max(0, asSender-c.sent.len), max(0, asReceiver-c.received.len))
}

// SenderTake removes n COTs from the pool in which this party is the sender: the
// keys k0 for choice 0; the keys for choice 1 are k0 ⊕ delta. When fewer are
// left it first makes more together with the peer, who is in
// [Corr.ReceiverTake] with the same n.
func (c *Corr) SenderTake(n int) (k0 []Block, delta Block, err error) {
	if err := c.ready(n); err != nil {
		return nil, Block{}, err
	}
	if short := n - c.sent.len; short > 0 {
		if err := c.extend(max(short, minColumns), 0); err != nil {
			return nil, Block{}, err
		}
	}
	if k0, _, err = c.sent.take(n); err != nil {
		return nil, Block{}, c.fail(err)
	}
	c.stats.AsSender.Taken += int64(n)
	return k0, c.delta, nil
}

// ReceiverTake removes n COTs from the pool in which this party is the receiver:
// uniform choice bits, one per byte, and the keys k0 ⊕ choice·delta. When fewer
// are left it first makes more together with the peer, who is in
// [Corr.SenderTake] with the same n.
func (c *Corr) ReceiverTake(n int) (choice []uint8, keys []Block, err error) {
	if err := c.ready(n); err != nil {
		return nil, nil, err
	}
	if short := n - c.received.len; short > 0 {
		if err := c.extend(0, max(short, minColumns)); err != nil {
			return nil, nil, err
		}
	}
	if keys, choice, err = c.received.take(n); err != nil {
		return nil, nil, c.fail(err)
	}
	c.stats.AsReceiver.Taken += int64(n)
	return choice, keys, nil
}

// NextTweak reserves n consecutive hash tweaks for OTs that this party sends
// (asSender) or receives, and returns the first. The peer makes the same calls
// with asSender negated and gets the same numbers; the two directions never
// share a tweak.
func (c *Corr) NextTweak(n int, asSender bool) uint64 {
	from := c.party
	if !asSender {
		from = 1 - c.party
	}
	first := c.tweaks[from]
	if n < 0 || first+uint64(n) >= c.tweakEnd {
		panic(fmt.Sprintf("corr: internal error: %d tweaks after %d", n, first))
	}
	c.tweaks[from] += uint64(n)
	return uint64(from)*serverTweaks | c.tweakSpace | first
}

// Stats returns the counts so far.
func (c *Corr) Stats() CorrStats { return c.stats }

// ready checks a request for n COTs.
func (c *Corr) ready(n int) error {
	if c.err != nil {
		return c.err
	}
	if err := checkCount(n); err != nil {
		return c.fail(err)
	}
	return nil
}

// extend makes at least the given numbers of COTs.
func (c *Corr) extend(asSender, asReceiver int) error {
	if c.closed && (asSender > 0 || asReceiver > 0) {
		return c.fail(fmt.Errorf("corr: a step takes more COTs than its part holds: %d as sender, %d as receiver were reserved", c.stats.AsSender.Made, c.stats.AsReceiver.Made))
	}
	asSender, asReceiver = roundUp(asSender), roundUp(asReceiver)
	for asSender > 0 || asReceiver > 0 {
		// First as the one that speaks, so that the two directions cross on the
		// wire.
		s, r := min(asSender, c.call), min(asReceiver, c.call)
		first, second := func() error { return c.receive(r) }, func() error { return c.send(s) }
		if c.ends.SenderSpeaks {
			first, second = second, first
		}
		if err := first(); err != nil {
			return c.fail(err)
		}
		if err := second(); err != nil {
			return c.fail(err)
		}
		asSender, asReceiver = asSender-s, asReceiver-r
	}
	return nil
}

func (c *Corr) receive(n int) error {
	for n > 0 {
		m := min(n, c.segment)
		s := segment{n: m, keys: make([]Block, m), choice: make([]byte, m/8)}
		if err := c.ends.Receiver.Extend(s.keys, s.choice); err != nil {
			return err
		}
		c.received.put(s)
		c.stats.AsReceiver.Made += int64(m)
		n -= m
	}
	return nil
}

func (c *Corr) send(n int) error {
	for n > 0 {
		m := min(n, c.segment)
		s := segment{n: m, keys: make([]Block, m)}
		if err := c.ends.Sender.Extend(s.keys); err != nil {
			return err
		}
		c.sent.put(s)
		c.stats.AsSender.Made += int64(m)
		n -= m
	}
	return nil
}

// fail makes err the Corr's last word and drops its secrets.
func (c *Corr) fail(err error) error {
	c.err = err
	c.Close()
	c.sent, c.received, c.ends, c.delta = pool{}, pool{}, nil, Block{}
	return err
}

const redactedCorr = "corr.Corr(redacted)"

// String hides keys and pools.
func (c *Corr) String() string { return redactedCorr }

// GoString hides keys and pools.
func (c *Corr) GoString() string { return redactedCorr }

// Format hides keys and pools whatever the verb.
func (c *Corr) Format(f fmt.State, _ rune) { io.WriteString(f, redactedCorr) }
