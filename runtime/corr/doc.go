// Package corr makes correlated randomness: correlated OTs (COTs) in both
// directions between two parties, from 128 base OTs per direction, kept in pools
// until a protocol takes them.
//
// One COT: the sender holds a key K and the session-wide offset Δ; the receiver
// holds a random choice bit b and K ⊕ b·Δ. All other kinds of OT are made from
// COTs where they are used, by hashing the keys with [kernel.CRH] under tweaks
// from [Corr.NextTweak].
//
// An [Extension] turns base OTs into COTs. [SoftSpoken] is the small-field
// subspace VOLE of Roy ("SoftSpokenOT: Quieter OT Extension from Small-Field
// Silent VOLE in the Minicrypt Model", CRYPTO 2022) in its semi-honest form.
// [Ferret] is a silent one (Yang, Weng, Lan, Zhang and Wang, CCS 2020), which starts
// from SoftSpoken and then puts a tenth of a byte per COT on the wire.
//
// The package must not know what COTs are used for: no ring, no share, no
// comparison. Security is semi-honest after the base OTs: there is no consistency
// check, so a malicious receiver of SoftSpoken could learn bits of Δ, a malicious
// sender of Ferret choice bits.
//
// Read first: [Corr], [Extension], [SoftSpoken], [Ferret]; then baseot.
package corr
