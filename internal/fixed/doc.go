// Package fixed says what every step of a private computation means: fixed
// point numbers as elements of Z_2^width, and the exact twin, in the clear, of
// each step that is computed on shares.
//
// A real r is stored as round(r·2^frac) mod 2^width. Width is at most 64 and
// elements are uint64, reduced. A twin rounds to nearest, halves up; the
// protocol for the same step is off by at most the number of ulps that the
// twin's comment states, without bias.
//
// The package must not know about shares, parties, messages or the IR: the
// compiler, the clear evaluator, the ideal dealer and the protocols all take
// their arithmetic from here.
//
// Read first: [Format], [Trunc], [Piecewise], [Inverse].
package fixed
