package ot

import "nimbus/internal/kernel"

// noMasks is a hash that hides nothing.
type noMasks struct{}

func (noMasks) HashBlocks(dst, _ []kernel.Block, _ uint64)        { clear(dst) }
func (noMasks) HashGroups(dst, _ []kernel.Block, _ int, _ uint64) { clear(dst) }

// DropMasks makes p send everything unmasked.
func (p *Protocol) DropMasks() { p.hash = noMasks{} }

// Prefill fills the pools.
func (p *Protocol) Prefill(s, r int) error { return p.corr.Prefill(s, r) }
