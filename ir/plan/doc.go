// Package plan says what makes a module a plan: something two parties can
// execute and agree on.
//
// A plan is text. Its ops are of the dialects ss, he, ot and io alone; its types
// are shares, private or public; its parameters are all fixed; main takes
// private inputs and returns what was opened. Its identity is the SHA-256
// [Digest] of the canonical print, which both parties compare before anything
// secret moves.
//
// [Parse] reads plans of this version and refuses others, [Check] is the check
// both compiler and runtime make. [Piecewise] and [Inverse] turn the attributes
// of an op into internal/fixed's specifications.
//
// The package knows neither how a plan is made nor how it is executed.
package plan
