// Package bristol reads boolean circuits in Bristol Fashion and builds modules
// of bits from them, which run as two-party plans.
//
// A circuit is XOR, AND and INV gates on wires; EQ sets a wire to a constant and
// EQW copies one. [Parse] checks all of it, with the line of what is wrong: a
// file is untrusted. [Circuit.Module] sorts the gates into levels, so that all
// ANDs of equal depth become one op over all blocks, which is one round trip:
// a plan takes as many rounds as the circuit is deep in ANDs.
//
// A value of n wires is a tensor [n, blocks] of bits, wire by wire in the file's
// order. What a wire means is the circuit's business; by convention the first
// wire of a value is the lowest bit of the number that its bytes, most
// significant first, make ([Pack] and [Unpack]).
//
// The package must not know passes, protocols or the plan.
//
// Read first: [Circuit].
//
// Format: Archer, Abril, Lu, Maene, Mertens, Sijacic, Smart, "Bristol Fashion"
// MPC circuits, https://nigelsmart.github.io/MPC-Circuits/.
package bristol
