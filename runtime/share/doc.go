// Package share holds the two sharings of a value and every operation on them
// that needs no message: the ss ops of a plan.
//
// An arithmetic share [Arith] is one party's half of x = x0 + x1 mod 2^Width,
// a boolean share [Bool] one party's half of b = b0 ⊕ b1. Both parties call
// the same function with their own halves; where the parties do different
// things the function takes the party.
//
// The package must not know about transport, randomness or fixed point: it
// sends nothing, draws nothing, and a fraction is the plan's business. A shape
// or width that does not fit is a bug of the caller, who executes a verified
// plan, and panics; contents never decide anything.
//
// Both types print as shape and width, whatever the verb, so no log line can
// hold a share.
//
// Read first: [Arith], [Bool], [Shrink].
package share
