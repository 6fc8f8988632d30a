// Package rlweparams is the table of RLWE parameter sets Nimbus may use, the security limits they are held to, and the
// arithmetic of their noise and of their sizes on the wire.
//
// It is data and closed formulas only: it knows nothing of polynomials, keys or messages, imports no cryptography, and is
// shared by the compiler (which chooses) and the runtime (which refuses whatever is not in the table). Read [Set] first,
// then [Noise].
//
// Every set uses a uniform ternary secret and errors of standard deviation 3.24 (centred binomial of 21 pairs, as in SEAL).
// The limits on log2 Q are those for 128 bits of classical security in the HomomorphicEncryption.org standard (2018) and in
// the stricter tables of Bossuat et al., "Security Guidelines for Implementing Homomorphic Encryption" (2024); a set stays
// under both.
package rlweparams
