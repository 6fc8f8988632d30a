// Package synth makes synthetic weights: pseudo-random numbers of the sizes
// that trained weights have, the same on every machine, for tests and
// measurements of models nobody trained.
//
// A Source answers for the tensors that a module's recipes name. It must not
// know any model family: it looks only at which op reads a weight.
package synth
