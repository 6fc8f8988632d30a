package corr

import (
	"crypto/sha256"
	"fmt"

	"nimbus/internal/kernel"
	"nimbus/internal/otparams"
	"nimbus/internal/prg"
	"nimbus/runtime/corr/baseot"
	"nimbus/runtime/transport"
)

// Ferret is the silent OT extension of Yang, Weng, Lan, Zhang and Wang ("Ferret: Fast
// Extension for Correlated OT with Small Communication", CCS 2020), semi-honest: primal LPN
// over F_2 with regular noise and a local code, single-point COTs from half-trees (Guo, Yang,
// Wang, Zhang, Xie, Liu and Zhao, "Half-Tree", EUROCRYPT 2023).
//
// An iteration turns k + t·d COTs into t·2^d. Let A be a public random t·2^d × k matrix
// with ten ones in a row. The first k COTs (sender w, receiver w ⊕ u·Δ) are the secret: A·w and
// A·w ⊕ (A·u)·Δ are COTs of the choice bits A·u, which would be no secret of the receiver's.
// So noise is added. For each block of 2^d rows a tree gives the sender 2^d random
// keys v and the receiver v ⊕ e·Δ, e being 0 but for one place α of the receiver's:
//
//	sender key A·w ⊕ v       receiver key A·(w ⊕ u·Δ) ⊕ v ⊕ e·Δ       choice bits A·u ⊕ e
//
// That is LPN: choice bits look random to the sender, who knows neither u nor e. Rows
// left over at the end of an iteration, k + t·d of them and more, are the reserve of the next.
//
// A tree. Its two uppermost nodes are r and r ⊕ Δ for a random r, the children of a node p are
// H(p) and H(p) ⊕ p, so the nodes of a level add up to Δ. The receiver is to know all leaves
// but α. For each level i the parties have a COT, sender q_i, receiver q_i ⊕ b_i·Δ; the
// complements of the random bits b_i are the bits of α.
//
//	sender                              receiver
//	K_i = sum of the left nodes of level i
//	           ── c_i = K_i ⊕ q_i, i = 1..d ─→
//	                                    c_i ⊕ (q_i ⊕ b_i·Δ) = K_i ⊕ b_i·Δ
//
// which is the sum of the nodes on the side that the path to α does not take, and gives
// the one node there that the receiver cannot compute from the level above. Its key at α is the
// sum of all other leaves, which is the leaf ⊕ Δ. Nothing else is sent, 16·d bytes for 2^d COTs.
//
// H is the tweaked hash of [kernel.CRH] under a key of its own for each direction, every
// node of a session has a tweak of its own.
//
// Bit 0 of Δ is 1, bit 0 of every sender's key is 0, so bit 0 of a receiver's key is its choice
// bit, and A·u costs nothing beyond A·(w ⊕ u·Δ). Δ keeps 127 bits.
//
// Start: SoftSpoken with k = 8 makes the reserve of the smallest set; the others
// start from an iteration of that one. A set must be in the table of package otparams.
//
// Secrets at their owner: the receiver's α decides neither a branch nor an address (see
// [kernel.GrowLevel]); the addresses that the code reads are public.
//
// No consistency check is made, so this is secure against semi-honest parties only: a
// malicious sender could learn bits of u.
type Ferret struct {
	LPN  otparams.LPN
	Base baseot.Scheme // nil means baseot.Ristretto
}

// String names the extension with its parameters.
func (f Ferret) String() string {
	return fmt.Sprintf("ferret-t%d-k%d-d%d-%s", f.LPN.Trees, f.LPN.LogSecret, f.LPN.Depth, f.soft().base())
}

// Check implements [Extension].
func (f Ferret) Check() error {
	if err := f.LPN.Check(); err != nil {
		return fmt.Errorf("corr: ferret: %w", err)
	}
	return nil
}

// soft is what makes the first COTs.
func (f Ferret) soft() SoftSpoken { return SoftSpoken{K: 8, Base: f.Base} }

// Bytes implements [Extension].
func (f Ferret) Bytes(n int) (receiverToSender, senderToReceiver int64) {
	return 0, f.LPN.Bytes(int64(roundUp(n)))
}

// SetupBytes implements [Extension].
func (f Ferret) SetupBytes() (clientToServer, serverToClient int64) {
	first, n := f.LPN, int64(0)
	if start, ok := f.LPN.Start(); ok {
		first, n = start, start.Bytes(int64(f.LPN.Reserve()))
	}
	corrections, _ := f.soft().Bytes(first.Reserve())
	base, _ := f.soft().SetupBytes() // the same in both directions
	n += base + corrections
	return n, n
}

// Setup implements [Extension]. After the base OTs each party sends the corrections of
// SoftSpoken as the receiver of COTs; and if an iteration of the smallest set comes
// first, its trees as their sender.
func (f Ferret) Setup(conn transport.Conn, party int, rng *prg.PRG) (*Ends, error) {
	if err := f.Check(); err != nil {
		return nil, err
	}
	start, nested := f.LPN.Start()
	if !nested {
		return f.soft().silent(conn, party, f.LPN, rng)
	}
	ends, err := f.soft().silent(conn, party, start, rng)
	if err != nil {
		return nil, err
	}
	sender, receiver := ends.Sender.(*ferretSender), ends.Receiver.(*ferretReceiver)
	reserve := make([]Block, f.LPN.Reserve())
	if err := sender.fill(reserve); err != nil {
		return nil, fmt.Errorf("corr: ferret: first reserve: %w", err)
	}
	sender.restart(f.LPN, reserve)
	reserve = make([]Block, f.LPN.Reserve())
	if err := receiver.fill(reserve); err != nil {
		return nil, fmt.Errorf("corr: ferret: first reserve: %w", err)
	}
	receiver.restart(f.LPN, reserve)
	return ends, nil
}

// silent runs SoftSpoken for the first reserve of a set.
func (s SoftSpoken) silent(conn transport.Conn, party int, set otparams.LPN, rng *prg.PRG) (*Ends, error) {
	soft, err := s.setup(conn, party, Block{1}, rng)
	if err != nil {
		return nil, err
	}
	n := roundUp(set.Reserve())
	theirs, choice := make([]Block, n), make([]byte, n/8)
	if err := soft.Receiver.Extend(theirs, choice); err != nil {
		return nil, err
	}
	mine := make([]Block, n)
	if err := soft.Sender.Extend(mine); err != nil {
		return nil, err
	}
	for j := range n {
		mine[j][0] &^= 1
		theirs[j][0] = theirs[j][0]&^1 | uint64(choice[j/8]>>(j%8)&1)
	}
	sender := &ferretSender{silent: newSilent(conn, soft.Salt, party), delta: soft.Sender.Delta(), rng: rng.Child("corr ferret trees")}
	sender.silent.plant = sender.trees
	sender.restart(set, mine)
	receiver := &ferretReceiver{silent: newSilent(conn, soft.Salt, 1-party)}
	receiver.silent.plant = receiver.trees
	receiver.restart(set, theirs)
	return &Ends{Sender: sender, Receiver: receiver, Salt: soft.Salt, SenderSpeaks: true}, nil
}

// silentKey is the public key of a part of one direction, by the party that sends.
func silentKey(part string, salt Block, from int) Block {
	sum := sha256.Sum256(append(salt.Append([]byte("nimbus ferret v1 "+part)), byte(from)))
	return kernel.LoadBlock(sum[:])
}
