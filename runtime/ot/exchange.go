package ot

import (
	"fmt"
	"slices"
	"sync"

	"nimbus/internal/kernel"
	"nimbus/internal/z2k"
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

// messageBytes is where a payload is cut into messages, so that the peer works
// while the rest is made.
const messageBytes = 1 << 20

// exchange runs OTs in both directions in two half-rounds:
//
//	Receiver                               Sender
//	corrections: random ⊕ wanted choice  ──▶
//	                                     ◀──  payloads
//
// A party that is receiver and sender first sends all its corrections, then all
// its payloads, and reads last. A failure kills the Protocol.
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

// sendCorrections takes the receiver's COTs of all sets and sends one message
// with a bit for each, packed per set.
func (p *Protocol) sendCorrections(recv []ots) error {
	total := 0
	for _, s := range recv {
		units, cots := s.size()
		total += z2k.PackedLen(units*cots, 1)
	}
	msg := grow(&p.msg, total)[:0]
	p.msg = msg
	for _, s := range recv {
		units, cots := s.size()
		tweak := p.corr.NextTweak(units*s.tweaks(), false)
		for lo := 0; lo < units; lo += s.chunk() {
			hi := min(lo+s.chunk(), units)
			choice, keys, err := p.corr.ReceiverTake((hi - lo) * cots)
			if err != nil {
				return err
			}
			p.halves(lo, hi, cots, func(w *scratch, a, b int) {
				i, j := (a-lo)*cots, (b-lo)*cots
				s.choose(w, p.hash, a, b, choice[i:j], keys[i:j], tweak+uint64(a*s.tweaks()))
			})
			msg = z2k.PackBits(msg, choice)
			clear(choice)
		}
	}
	if err := p.conn.Send(msg); err != nil {
		return fmt.Errorf("send corrections: %w", err)
	}
	return nil
}

// sendPayloads reads the peer's corrections for all sets and answers.
func (p *Protocol) sendPayloads(send []ots) error {
	want := 0
	for _, s := range send {
		units, cots := s.size()
		want += z2k.PackedLen(units*cots, 1)
	}
	msg, err := p.conn.Recv(want)
	if err != nil {
		return fmt.Errorf("receive corrections: %w", err)
	}
	out := p.msg[:0]
	for _, s := range send {
		units, cots := s.size()
		n := z2k.PackedLen(units*cots, 1)
		bits := grow(&p.bits, units*cots)
		p.bits = bits
		if err := z2k.UnpackBits(bits, msg[:n]); err != nil {
			return fmt.Errorf("receive corrections: %w", err)
		}
		msg = msg[n:]
		tweak := p.corr.NextTweak(units*s.tweaks(), true)
		for lo := 0; lo < units; lo += s.chunk() {
			hi := min(lo+s.chunk(), units)
			k0, delta, err := p.corr.SenderTake((hi - lo) * cots)
			if err != nil {
				return err
			}
			at := len(out)
			total := s.payload(hi - lo)
			out = slices.Grow(out, total)[:at+total]
			p.halves(lo, hi, cots, func(w *scratch, a, b int) {
				i, j := (a-lo)*cots, (b-lo)*cots
				// The cut is a multiple of 64 units, so both parts start at a byte.
				from := at + s.payload(a-lo)
				part := out[from:from:min(from+s.payload(b-a), at+total)]
				s.send(w, p.hash, a, b, bits[lo*cots+i:lo*cots+j], k0[i:j], delta, tweak+uint64(a*s.tweaks()), part)
			})
			if len(out) >= messageBytes {
				if err := p.conn.Send(out); err != nil {
					return fmt.Errorf("send payloads: %w", err)
				}
				out = out[:0]
			}
		}
	}
	p.msg = out
	if len(out) > 0 {
		if err := p.conn.Send(out); err != nil {
			return fmt.Errorf("send payloads: %w", err)
		}
	}
	return nil
}

// receivePayloads reads the payloads of all sets, cut as sendPayloads cuts.
func (p *Protocol) receivePayloads(recv []ots) error {
	type part struct {
		s      ots
		lo, hi int
	}
	var parts []part
	bytes := 0
	read := func() error {
		if bytes == 0 {
			return nil
		}
		msg, err := p.conn.Recv(bytes)
		if err != nil {
			return fmt.Errorf("receive payloads: %w", err)
		}
		for _, c := range parts {
			n := c.s.payload(c.hi - c.lo)
			if err := p.receive(c.s, c.lo, c.hi, msg[:n]); err != nil {
				return fmt.Errorf("receive payloads: %w", err)
			}
			msg = msg[n:]
		}
		parts, bytes = parts[:0], 0
		return nil
	}
	for _, s := range recv {
		units, _ := s.size()
		for lo := 0; lo < units; lo += s.chunk() {
			hi := min(lo+s.chunk(), units)
			parts = append(parts, part{s, lo, hi})
			if bytes += s.payload(hi - lo); bytes >= messageBytes {
				if err := read(); err != nil {
					return err
				}
			}
		}
	}
	return read()
}

// receive runs s.receive in halves.
func (p *Protocol) receive(s ots, lo, hi int, payload []byte) error {
	var first, second error
	_, cots := s.size()
	p.halves(lo, hi, cots, func(w *scratch, a, b int) {
		part := payload[s.payload(a-lo):s.payload(b-lo)]
		if a == lo {
			first = s.receive(w, a, b, part)
		} else {
			second = s.receive(w, a, b, part)
		}
	})
	if first != nil {
		return first
	}
	return second
}
