package cost

import "fmt"

// Cost is what a step consumes. C2S and S2C are online payload bytes (frame
// headers and the making of correlations excluded), client to server and back.
type Cost struct {
	C2S, S2C int64
	Chain    Chain

	// AheadC2S and AheadS2C are what a product that runs ahead of its input sends
	// before; such products run one after the other.
	AheadC2S, AheadS2C int64
	AheadChain         Chain

	COTClientSends int64 // correlated OTs with the client as sender
	COTServerSends int64

	HEEnc int64 // encryptions, one ring polynomial pair each
	HEMul int64 // products of a ciphertext and a plaintext polynomial, per limb
	HEAdd int64 // additions of ciphertexts, per limb
	HEDec int64 // decryptions

	Setup int64 // bytes once per model, server to client: encrypted weights

	Work Work // what the parties compute: exact counts, but a model of what takes time
}

// Add returns the cost of a and b in sequence.
func (a Cost) Add(b Cost) Cost {
	chain := a.Chain.Then(b.Chain)
	a = a.With(b)
	a.Chain = chain
	return a
}

// With returns the cost of b running alongside a, in the same rounds: all
// counts add up, and of the chains the longer ones count.
func (a Cost) With(b Cost) Cost {
	a.Chain = a.Chain.With(b.Chain)
	a.C2S += b.C2S
	a.S2C += b.S2C
	a.AheadC2S += b.AheadC2S
	a.AheadS2C += b.AheadS2C
	a.AheadChain = a.AheadChain.With(b.AheadChain) // in lanes
	a.COTClientSends += b.COTClientSends
	a.COTServerSends += b.COTServerSends
	a.HEEnc += b.HEEnc
	a.HEMul += b.HEMul
	a.HEAdd += b.HEAdd
	a.HEDec += b.HEDec
	a.Setup += b.Setup
	a.Work = a.Work.plus(b.Work)
	return a
}

// Depth is the length of the longest chain of dependent messages, counted from
// a fresh start: in half-rounds.
func (a Cost) Depth() int { return a.Chain.Depth() }

// Bytes returns the online payload bytes of both directions.
func (a Cost) Bytes() int64 { return a.C2S + a.S2C }

// COTs returns the correlated OTs of both directions.
func (a Cost) COTs() int64 { return a.COTClientSends + a.COTServerSends }

// Rounds returns the round trips: two messages each, a lone one counts whole.
func (a Cost) Rounds() int { return (a.Depth() + 1) / 2 }

// String prints the online part in one line.
func (a Cost) String() string {
	return fmt.Sprintf("%d B up, %d B down, %d half-rounds, %d COTs", a.C2S, a.S2C, a.Depth(), a.COTs())
}
