package corr

import (
	"crypto/sha256"
	"fmt"
	"io"

	"nimbus/internal/kernel"
)

// COTs that are kept for a later session are a Corr of their own, which makes no
// more. All that one session makes share its Δ, as they would if they were used
// in it; each has a hash of its own, keyed by the session's salt and what tells
// it from the others, so tweaks do not repeat.
//
// They are written in the order in which they will be taken, and read in batches
// while they are (reader.go).

// saltOf is the salt of the hash of what is kept under a name, equal at both
// parties.
func saltOf(salt Block, name []byte) Block {
	b := salt.Append([]byte("nimbus corr kept salt"))
	sum := sha256.Sum256(append(b, name...))
	return kernel.LoadBlock(sum[:])
}

// Steps are the COTs that steps of a session take, in their order: how many this
// party sends, and how many it receives.
type Steps [][2]int

// total adds up.
func (s Steps) total() (asSender, asReceiver int, err error) {
	for _, n := range s {
		for _, k := range n {
			if err := checkCount(k); err != nil {
				return 0, 0, err
			}
		}
		asSender, asReceiver = asSender+n[0], asReceiver+n[1]
		if err := checkCount(max(asSender, asReceiver)); err != nil {
			return 0, 0, err
		}
	}
	return asSender, asReceiver, nil
}

// keptBatch COTs at most are a batch: keys, and behind them the choice bits of
// those that this party receives, 8 per byte.
const keptBatch = 1 << 16

// batches lists what is written, in order: for each step batches of both
// directions, in turns of the one of which the larger part is left.
func (s Steps) batches() (list []*batch) {
	for _, n := range s {
		for left := n; left[0]+left[1] > 0; {
			d := 0
			if int64(left[1])*int64(n[0]) > int64(left[0])*int64(n[1]) || left[0] == 0 {
				d = 1
			}
			b := &batch{n: min(left[d], keptBatch), chosen: d == 1}
			left[d] -= b.n
			list = append(list, b)
		}
	}
	return list
}

// KeptBytes is how much [Corr.Write] writes.
func KeptBytes(steps Steps) int64 {
	bytes := int64(2 * kernel.BlockBytes)
	for _, b := range steps.batches() {
		bytes += int64(b.bytes())
	}
	return bytes
}

// Write takes what the steps will take out of the pools and writes it, for
// [Read]. The peer writes the same with the numbers exchanged, under the same
// name, which comes once in a session. It writes [KeptBytes] bytes.
func (c *Corr) Write(w io.Writer, name []byte, steps Steps) error {
	asSender, asReceiver, err := steps.total()
	if err != nil {
		return c.fail(err)
	}
	if err := c.ready(max(asSender, asReceiver)); err != nil {
		return err
	}
	if asSender > c.sent.len || asReceiver > c.received.len || c.closed {
		return c.fail(fmt.Errorf("corr: internal error: %d and %d COTs of pools of %d and %d are kept", asSender, asReceiver, c.sent.len, c.received.len))
	}
	if _, err := w.Write(saltOf(c.ends.Salt, name).Append(c.delta.Append(nil))); err != nil {
		return err
	}
	buf := make([]byte, 0, keptBatch*kernel.BlockBytes+keptBatch/8)
	for _, b := range steps.batches() {
		from := &c.sent
		if b.chosen {
			from = &c.received
		}
		keys, choice, err := from.take(b.n)
		if err != nil {
			return c.fail(err)
		}
		if _, err := w.Write(appendBatch(buf, keys, choice)); err != nil {
			return err
		}
	}
	c.stats.AsSender.Taken += int64(asSender)
	c.stats.AsReceiver.Taken += int64(asReceiver)
	return nil
}

func appendBatch(b []byte, keys []Block, choice []uint8) []byte {
	for _, k := range keys {
		b = k.Append(b)
	}
	for len(choice) > 0 {
		m := min(8, len(choice))
		var bits byte
		for j, c := range choice[:m] {
			bits |= c << j
		}
		b, choice = append(b, bits), choice[m:]
	}
	return b
}

// Read begins to read what a session before wrote, by its party, and returns COTs
// that can be handed out, which waits for them. An error of r, when it comes to
// them, is the Corr's last word. When all is read, and when the Corr is closed,
// it closes r.
func Read(r io.ReadCloser, party int, steps Steps) (*Corr, error) {
	c, err := begin(r, party, steps)
	if err != nil {
		r.Close()
		return nil, err
	}
	go c.kept.run()
	return c, nil
}

func begin(r io.ReadCloser, party int, steps Steps) (*Corr, error) {
	asSender, asReceiver, err := steps.total()
	if err != nil {
		return nil, err
	}
	var head [2 * kernel.BlockBytes]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	c := &Corr{
		party: party, delta: kernel.LoadBlock(head[:]), hash: kernel.NewCRH(kernel.LoadBlock(head[kernel.BlockBytes:])), tweakEnd: partTweaks, closed: true,
		stats: CorrStats{Counts{Made: int64(asSender)}, Counts{Made: int64(asReceiver)}},
		kept:  newReader(r, steps.batches()),
	}
	for _, b := range c.kept.batches {
		to := &c.sent
		if b.chosen {
			to = &c.received
		}
		to.put(segment{n: b.n, late: b})
	}
	return c, nil
}

// Close ends the reading of kept COTs: none can be taken after that, from parts
// either. Other Corrs need no Close.
func (c *Corr) Close() {
	if c.kept != nil {
		c.kept.stop(errClosed)
	}
}
