package ot

import (
	"nimbus/internal/fixed"
	"nimbus/internal/kernel"
)

// noMasks is a hash that hides nothing.
type noMasks struct{}

func (noMasks) HashBlocks(dst, _ []kernel.Block, _ uint64)        { clear(dst) }
func (noMasks) HashGroups(dst, _ []kernel.Block, _ int, _ uint64) { clear(dst) }

// DropMasks makes p send everything unmasked.
func (p *Protocol) DropMasks() { p.hash = noMasks{} }

// Prefill fills the pools.
func (p *Protocol) Prefill(s, r int) error { return p.corr.Prefill(s, r) }

// Lookup returns this party's halves of F(bits)·c mod 2^width, c being this
// party's half of a share, or of one bit by XOR, sent by the server.
func (p *Protocol) Lookup(bits, c []uint64, k, width int, truth uint64, xor bool) ([]uint64, error) {
	dst := make([]uint64, len(bits))
	l := &lookups{n: len(bits), b: k, width: width, truth: truth, xor: xor, bits: bits, c: c, dst: dst}
	var err error
	if xor {
		err = p.exchange(p.serverSends(l))
	} else {
		err = p.exchange([]ots{l}, []ots{l})
	}
	reduce(dst, width)
	return dst, err
}

// SquareWithin squares values that lie within a bound.
func (p *Protocol) SquareWithin(x []uint64, width int, bound fixed.Bound) ([]uint64, error) {
	s := p.startSquare(x, width, bound)
	recv, send := p.serverSends(s.ots()...)
	answered, answering := p.serverSends(s.clientOTs()...)
	err := p.exchange(append(recv, answering...), append(send, answered...))
	return s.result(), err
}
