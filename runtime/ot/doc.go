// Package ot holds the protocols over correlated oblivious transfer: comparison,
// selection, truncation, products, squares, maxima, and the piecewise and
// inverse functions composed of them. Two semi-honest parties, client and
// server, call the same method with their halves of the inputs and get their
// halves of the result.
//
// Everything rests on one step, [Protocol.exchange]: a set of correlated OTs in
// one or both directions at once, two half-rounds. In a correlated OT the
// sender has a correction c, the receiver a bit b, and they end with random
// values that add up to b·c. The sender's value comes from hashing its COT key,
// so it is uniform and needs no message.
//
// Below it lie the COTs of ALSZ13 (Asharov, Lindell, Schneider, Zohner, CCS
// 2013) with derandomised choices; products of shares and the truncation by
// top bits follow SIRNN (Rathee et al., S&P 2021) and Cheetah (Huang et al.,
// USENIX Security 2022), comparison CrypTFlow2 (Rathee et al., CCS 2020).
//
// The package must not know the IR, the plan, or what a value means. What a
// protocol computes is said, in the clear, by internal/fixed; what it costs, to
// the byte, by backend/cost; runtime/ideal has the same methods with a trusted
// dealer.
//
// Read first: [Protocol], then exchange.go, then [Protocol.Mux].
package ot
