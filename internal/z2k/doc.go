// Package z2k computes on vectors and matrices over the ring Z_2^width.
//
// An element is a uint64 below 2^width, width 1..64; a vector is a []uint64.
// Inputs are reduced and so are outputs. Functions write to their first
// argument, which may be one of the others. Wrong lengths and widths are bugs
// of the caller and panic; only [Unpack] and [UnpackBits] look at bytes of the
// peer, and they return errors.
//
// The package must not know about shares, fixed point or parties.
//
// Read first: [Mask], [Signed], [MatMul], [Pack].
package z2k
