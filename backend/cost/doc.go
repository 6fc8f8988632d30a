// Package cost says what each step of a plan costs: bytes each way, the length
// of the message chain, correlations and ciphertext operations, as formulas
// over shapes and widths.
//
// Formulas for protocols over OT are exact, and the tests of runtime/ot hold
// the measured bytes, depth and COTs against them. The plain-arithmetic files
// (cost.go, ot.go, he.go) take numbers only and must not know the IR.
//
// Read first: [Cost].
package cost
