// Package baseot runs the few public-key oblivious transfers from which OT
// extension starts.
//
// A [Scheme] is a two-message random OT: the receiver sends a request that
// hides its choice bits, the sender answers, and the sender ends with two random
// keys per OT of which the receiver knows the chosen one. The functions return
// and take bytes; who sends them when is the caller's business, so the package
// must not know connections, extensions or pools.
//
// Both schemes are the endemic OT of Masny and Rindal ("Endemic Oblivious
// Transfer", CCS 2019): [Ristretto] with Diffie-Hellman over ristretto255
// (RFC 9496), [MLKEM] with ML-KEM-768 (FIPS 203). The construction is UC secure
// against malicious parties in the random oracle model: the receiver's request
// looks uniform whatever its choices are, and at most one of the two keys can be
// computed from it. "Endemic" means that a cheating party may choose its own
// output, but neither learn nor bias the other's; that is enough for OT
// extension. Ristretto falls to a quantum computer, also one built after the
// session was recorded; MLKEM does not, as far as is known.
//
// Read first: [Scheme], [Ristretto].
package baseot
