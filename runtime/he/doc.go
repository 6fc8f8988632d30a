// Package he runs the protocols over RLWE: [MatMul] (shared matrix times the server's weight), [Select] (secret rows of an
// encrypted table) and [MatMulSS] (product of two shared matrices).
//
// All three end alike. The party without the key holds a ciphertext of the product scaled by Q/2^l; it adds a fresh
// public-key encryption of zero, subtracts a mask R uniform over the whole response modulus from every coefficient of the
// first polynomial that it sends, and keeps round(2^l·R/q) as its share; the key's holder decrypts and rounds the rest.
// The mask hides the first polynomial, noise included, so nothing is flooded; the encryption of zero hides the second.
// Each is drawn once, for one response. response.go is that code; the three protocols only differ in what leads there.
//
// A sum of the two shares may differ from the exact product by a few ulp, bounded in internal/rlweparams: never open a
// product that is not truncated next without counting that error.
//
// What setup stores is the first polynomial of a ciphertext without the low bits that the error budget allows to leave
// out (stored.go). Encryptions of zero may be made ahead, before an input is known, and are used once (zeros.go).
//
// The package must not know plans or sessions. It is the only importer of lattigo, whose types stay inside: it
// provides the number theoretic transform where internal/kernel has none for the machine or the prime; samplers, keys,
// encodings and every byte on the wire are this package's own.
// Parameter sets come from internal/rlweparams by name, and no other set can be used.
//
// Reference: Nimbus (NeurIPS 2024, arXiv 2411.15707), section 3.2 for MatMul; Cheetah (USENIX Security 2022) for the
// products of MatMulSS.
//
// Read first: [SecretKey], [MatMul], [MatMulSS].
package he
