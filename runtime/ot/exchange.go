package ot

import (
	"fmt"
	"sync"

	"nimbus/internal/kernel"
	"nimbus/internal/z2k"
	"nimbus/runtime/corr"
)

// ots is a set of equal OTs in one direction, in units (one or a few COTs each)
// that are worked on in chunks. Both parties build the same set; the receiver
// calls choose and receive, the sender calls send.
type ots interface {
	// size returns the number of units and the COTs of each.
	size() (units, cots int)
	// chunk returns the units worked on at a time, a multiple of 64.
	chunk() int
	// tweaks returns the hash tweaks that one unit uses.
	tweaks() int
	// payload returns the bytes that the sender sends for so many units.
	payload(units int) int

	// choose consumes the receiver's keys of units [lo, hi): it turns the random
	// choices into corrections, random xor wanted, and adds the receiver's own
	// masks to the result.
	choose(s *scratch, h hasher, lo, hi int, choice []uint8, keys []kernel.Block, tweak uint64)
	// send consumes the sender's keys of units [lo, hi) and the peer's
	// corrections; it appends the payload to out and adds the sender's half to
	// the result.
	send(s *scratch, h hasher, lo, hi int, correction []uint8, k0 []kernel.Block, delta kernel.Block, tweak uint64, out []byte) []byte
	// receive adds what units [lo, hi) were sent, as far as chosen.
	receive(s *scratch, lo, hi int, payload []byte) error
}

// scratch is the working memory of one goroutine.
type scratch struct {
	blocks []kernel.Block
	vals   []uint64
	other  []uint64
	bytes  []byte
}

// grow returns a slice of n elements in the memory of *s if it fits. Contents
// are arbitrary.
func grow[T any](s *[]T, n int) []T {
	if cap(*s) < n {
		*s = make([]T, n)
	}
	return (*s)[:n]
}

// Messages end where they have so many bytes of corrections, or where those of
// the payload that answers them reach so many: the peer works on one while the
// next is made.
const (
	correctionBytes = 16 << 10
	payloadBytes    = 256 << 10
)

// exchange runs OTs in both directions in two half-rounds:
//
//	Receiver                               Sender
//	corrections: random ⊕ wanted choice  ──▶
//	                                     ◀──  payloads
//
// Both go in pieces: a message of corrections is answered by one of payloads,
// while the next is on its way. A party that is receiver and sender first sends
// all its corrections, then all its payloads, and reads last. A failure kills the Protocol.
func (p *Protocol) exchange(recv, send []ots) error {
	if p.err != nil {
		return p.err
	}
	if err := p.run(recv, send); err != nil {
		p.err = err
		return err
	}
	return nil
}

func (p *Protocol) run(recv, send []ots) error {
	if err := p.prefill(count(send), count(recv)); err != nil {
		return err
	}
	if len(recv) > 0 {
		if err := p.sendCorrections(recv); err != nil {
			return err
		}
	}
	if len(send) > 0 {
		if err := p.sendPayloads(send); err != nil {
			return err
		}
	}
	return p.receivePayloads(recv)
}

// count returns the COTs that sets consume.
func count(sets []ots) int {
	n := 0
	for _, s := range sets {
		units, cots := s.size()
		n += units * cots
	}
	return n
}

// minPrefill is what a short pool is filled to, at least.
const minPrefill = 1 << 12

// prefill makes the pools of both directions long enough before anything is
// taken, so that the parties never extend at different places.
func (p *Protocol) prefill(asSender, asReceiver int) error {
	st := p.corr.Stats()
	want := func(n int, left int64) int {
		if int64(n) <= left {
			return 0
		}
		return max(n, minPrefill)
	}
	s := want(asSender, st.AsSender.Made-st.AsSender.Taken)
	r := want(asReceiver, st.AsReceiver.Made-st.AsReceiver.Taken)
	if s == 0 && r == 0 {
		return nil
	}
	return p.corr.Prefill(s, r)
}

// parallelCOTs is the least work worth a second goroutine.
const parallelCOTs = 2048

// halves runs f on [lo, hi), in two goroutines on disjoint halves if there is
// enough to do. The cut is at a multiple of 64 above lo.
func (p *Protocol) halves(lo, hi, cots int, f func(s *scratch, lo, hi int)) {
	mid := lo + (hi-lo)/2/64*64
	if mid == lo || (hi-lo)*cots < parallelCOTs {
		f(&p.work[0], lo, hi)
		return
	}
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		f(&p.work[1], mid, hi)
	}()
	f(&p.work[0], lo, mid)
	wg.Wait()
}

// A piece is a chunk of a set: its units [lo, hi).
type piece struct {
	ots
	lo, hi int
}

// cots is how many COTs the piece consumes.
func (c piece) cots() int {
	_, each := c.size()
	return (c.hi - c.lo) * each
}

// A message is some pieces, of one set or of several.
type message []piece

// corrections and payloads are how many bytes its corrections and its payloads have.
func (m message) corrections() (n int) {
	for _, c := range m {
		n += z2k.PackedLen(c.cots(), 1)
	}
	return n
}

func (m message) payloads() (n int) {
	for _, c := range m {
		n += c.payload(c.hi - c.lo)
	}
	return n
}

// messages cuts sets into messages, the same at both parties.
func messages(sets []ots) (all []message) {
	var m message
	for _, s := range sets {
		units, _ := s.size()
		for lo := 0; lo < units; lo += s.chunk() {
			m = append(m, piece{s, lo, min(lo+s.chunk(), units)})
			if m.corrections() >= correctionBytes || m.payloads() >= payloadBytes {
				all, m = append(all, m), nil
			}
		}
	}
	if m != nil {
		all = append(all, m)
	}
	return all
}

// tweaks are the hash tweaks of one direction of an exchange.
type tweaks struct {
	corr   *corr.Corr
	sender bool
	set    ots
	first  uint64 // of the set
}

// at is the first tweak of a piece; a set's are drawn with its first piece.
func (t *tweaks) at(c piece) uint64 {
	if t.set != c.ots {
		units, _ := c.size()
		t.set, t.first = c.ots, t.corr.NextTweak(units*c.tweaks(), t.sender)
	}
	return t.first + uint64(c.lo*c.tweaks())
}

// sendCorrections takes the receiver's COTs of all sets and sends a bit for each.
func (p *Protocol) sendCorrections(recv []ots) error {
	tw := tweaks{corr: p.corr}
	for _, m := range messages(recv) {
		out := p.msg[:0]
		for _, c := range m {
			tweak := tw.at(c)
			choice, keys, err := p.corr.ReceiverTake(c.cots())
			if err != nil {
				return err
			}
			_, each := c.size()
			p.halves(c.lo, c.hi, each, func(w *scratch, a, b int) {
				i, j := (a-c.lo)*each, (b-c.lo)*each
				c.choose(w, p.hash, a, b, choice[i:j], keys[i:j], tweak+uint64((a-c.lo)*c.tweaks()))
			})
			out = z2k.PackBits(out, choice)
			clear(choice)
		}
		p.msg = out
		if err := p.conn.Send(out); err != nil {
			return fmt.Errorf("send corrections: %w", err)
		}
	}
	return nil
}

// sendPayloads reads the peer's corrections for all sets and answers.
func (p *Protocol) sendPayloads(send []ots) error {
	tw := tweaks{corr: p.corr, sender: true}
	for _, m := range messages(send) {
		msg, err := p.conn.Recv(m.corrections())
		if err != nil {
			return fmt.Errorf("receive corrections: %w", err)
		}
		total := m.payloads()
		out := grow(&p.msg, total)
		p.msg = out
		for _, c := range m {
			bits := grow(&p.bits, c.cots())
			p.bits = bits
			n := z2k.PackedLen(len(bits), 1)
			if err := z2k.UnpackBits(bits, msg[:n]); err != nil {
				return fmt.Errorf("receive corrections: %w", err)
			}
			msg = msg[n:]
			tweak := tw.at(c)
			k0, delta, err := p.corr.SenderTake(len(bits))
			if err != nil {
				return err
			}
			_, each := c.size()
			p.halves(c.lo, c.hi, each, func(w *scratch, a, b int) {
				i, j := (a-c.lo)*each, (b-c.lo)*each
				// The cut is a multiple of 64 units, so both parts start at a byte.
				part := out[c.payload(a-c.lo):c.payload(b-c.lo)]
				c.send(w, p.hash, a, b, bits[i:j], k0[i:j], delta, tweak+uint64((a-c.lo)*c.tweaks()), part[:0:len(part)])
			})
			out = out[c.payload(c.hi-c.lo):]
		}
		if err := p.conn.Send(p.msg[:total]); err != nil {
			return fmt.Errorf("send payloads: %w", err)
		}
	}
	return nil
}

// receivePayloads reads the payloads of all sets.
func (p *Protocol) receivePayloads(recv []ots) error {
	for _, m := range messages(recv) {
		msg, err := p.conn.Recv(m.payloads())
		if err != nil {
			return fmt.Errorf("receive payloads: %w", err)
		}
		for _, c := range m {
			n := c.payload(c.hi - c.lo)
			if err := p.receive(c, msg[:n]); err != nil {
				return fmt.Errorf("receive payloads: %w", err)
			}
			msg = msg[n:]
		}
	}
	return nil
}

// receive runs c.receive in halves.
func (p *Protocol) receive(c piece, payload []byte) error {
	var first, second error
	_, each := c.size()
	p.halves(c.lo, c.hi, each, func(w *scratch, a, b int) {
		part := payload[c.payload(a-c.lo):c.payload(b-c.lo)]
		if a == c.lo {
			first = c.ots.receive(w, a, b, part)
		} else {
			second = c.ots.receive(w, a, b, part)
		}
	})
	if first != nil {
		return first
	}
	return second
}
