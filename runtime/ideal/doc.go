// Package ideal computes what the protocols of runtime/ot compute, with a
// trusted dealer in one process: both parties hand their halves to the dealer,
// who adds them up, computes in the clear with internal/fixed, and deals fresh
// halves of the result. It is for tests and for bringing up new models.
//
// With Errors set the dealer also draws the errors that the protocols' own
// ideal functionalities contain (a dropped carry in a truncation, the blurred
// zone above a cut), with the protocols' distribution.
//
// The package must not be part of a real session: the dealer sees everything.
//
// Read first: [New].
package ideal
