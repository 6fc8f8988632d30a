// Package analyzers holds the checks of this repository's own rules, on the
// go/analysis framework; cmd/nimbus-vet runs them.
//
//	secretfmt      nothing prints, compares, branches on or indexes by a secret
//	norandom       randomness comes through internal/prg
//	lattigoimport  lattigo stays inside runtime/he
//
// The checks are there to catch slips, not to prove anything: secretfmt looks
// at one function at a time.
//
// Read first: [All], [SecretFmt].
package analyzers
