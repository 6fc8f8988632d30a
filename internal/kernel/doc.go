// Package kernel holds the hot loops: modular matrix products, transforms ([NTT], [Split]) and products of
// doubles, batched AES hashing and expansion, bit transposes, GF(2^128).
//
// It must not know protocols: no party, no message, no ring width. Functions
// take the destination first, allocate nothing that grows with the input, and
// run in time that depends on sizes only, never on the values of keys, masks or
// shares. Most of it is plain Go; where there is assembly, the plain Go twin
// stays, serves every other machine, and a test compares the two.
//
// Read first: [CRH] (the hash that breaks the correlation of correlated OT),
// [Streams], [Doubler] and [LocalCode] (the generators of OT extension),
// [Transpose128], [Combine].
//
// The assembly is written by the program in asm, a module of its own, for two
// [level]s of processors; -tags purego does without.
package kernel

//go:generate go -C asm run .
