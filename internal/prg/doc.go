// Package prg is the one door to randomness: seeded generators with
// domain-separation labels.
//
// A [PRG] is AES-256 in counter mode under a key derived from a [Seed]. A
// session seeds one generator from the operating system with [Fresh] and hands
// a [PRG.Child] to every protocol; everything that follows is a function of
// that one seed, so a test with a fixed seed freezes every byte sent.
//
// The package must not know what its output is for: no ring, no share, no
// transport. It never prints a seed: every formatting verb gives a constant.
//
// Read first: [PRG], [Seed].
//
// Sources: NIST SP 800-38A (counter mode), RFC 5869 (HKDF), FIPS 197 (AES).
package prg
