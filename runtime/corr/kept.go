package corr

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"

	"nimbus/internal/kernel"
)

// COTs that are kept for a later session are a Corr of their own, which makes no
// more. All that one session makes share its Δ, as they would if they were used
// in it; each has a hash of its own, keyed by the session's salt and what tells
// it from the others, so tweaks do not repeat.

// saltOf is the salt of the hash of what is kept under a name, equal at both
// parties.
func saltOf(salt Block, name []byte) Block {
	b := salt.Append([]byte("nimbus corr kept salt"))
	sum := sha256.Sum256(append(b, name...))
	return kernel.LoadBlock(sum[:])
}

// Write takes COTs out of the pools and writes them, for [Read]. The peer writes
// as many with the numbers exchanged, under the same name, which comes once in a
// session. It writes [KeptBytes] bytes.
func (c *Corr) Write(w io.Writer, name []byte, asSender, asReceiver int) error {
	if err := c.ready(max(asSender, asReceiver)); err != nil {
		return err
	}
	if asSender > c.sent.len || asReceiver > c.received.len || c.closed {
		return c.fail(fmt.Errorf("corr: internal error: %d and %d COTs of pools of %d and %d are kept", asSender, asReceiver, c.sent.len, c.received.len))
	}
	if _, err := w.Write(saltOf(c.ends.Salt, name).Append(c.delta.Append(nil))); err != nil {
		return err
	}
	for _, p := range []struct {
		from *pool
		n    int
	}{{&c.sent, asSender}, {&c.received, asReceiver}} {
		for n := p.n; n > 0; {
			m := min(n, keptBatch)
			keys, choice := p.from.take(m)
			if err := writeBatch(w, keys, choice); err != nil {
				return err
			}
			n -= m
		}
	}
	c.stats.AsSender.Taken += int64(asSender)
	c.stats.AsReceiver.Taken += int64(asReceiver)
	return nil
}

// keptBatch COTs are written together: keys, and behind them the choice bits of
// those that this party receives, 8 per byte.
const keptBatch = 1 << 16

// KeptBytes is how much Write writes.
func KeptBytes(asSender, asReceiver int) int64 {
	bytes := int64(asSender+asReceiver+2) * kernel.BlockBytes
	return bytes + int64(asReceiver/keptBatch*(keptBatch/8)+(asReceiver%keptBatch+7)/8)
}

func writeBatch(w io.Writer, keys []Block, choice []uint8) error {
	b := make([]byte, 0, len(keys)*kernel.BlockBytes+len(choice)/8+1)
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
	_, err := w.Write(b)
	return err
}

// Read reads COTs that a session before wrote, by its party.
func Read(r io.Reader, party, asSender, asReceiver int) (*Corr, error) {
	for _, n := range []int{asSender, asReceiver} {
		if err := checkCount(n); err != nil {
			return nil, err
		}
	}
	var head [2 * kernel.BlockBytes]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	c := &Corr{
		party: party, delta: kernel.LoadBlock(head[:]), hash: kernel.NewCRH(kernel.LoadBlock(head[kernel.BlockBytes:])), tweakEnd: partTweaks, closed: true,
		stats: CorrStats{Counts{Made: int64(asSender)}, Counts{Made: int64(asReceiver)}},
	}
	var err error
	if c.sent, err = readPool(r, asSender, false); err == nil {
		c.received, err = readPool(r, asReceiver, true)
	}
	return c, err
}

// readPool reads n COTs into segments of whole batches.
func readPool(r io.Reader, n int, chosen bool) (p pool, err error) {
	buf := make([]byte, keptBatch*kernel.BlockBytes)
	for n > 0 {
		var s segment
		m := min(n, segmentColumns)
		s.keys = make([]Block, m)
		if chosen {
			s.choice = make([]byte, (m+7)/8)
		}
		for at := 0; at < m; at += keptBatch {
			keys := s.keys[at:min(at+keptBatch, m)]
			b := buf[:len(keys)*kernel.BlockBytes]
			if _, err := io.ReadFull(r, b); err != nil {
				return pool{}, err
			}
			for i := range keys {
				keys[i] = Block{binary.LittleEndian.Uint64(b[16*i:]), binary.LittleEndian.Uint64(b[16*i+8:])}
			}
			if chosen {
				if _, err := io.ReadFull(r, s.choice[at/8:(at+len(keys)+7)/8]); err != nil {
					return pool{}, err
				}
			}
		}
		p.put(s)
		n -= m
	}
	return p, nil
}
