package corr

import (
	"crypto/sha256"
	"fmt"

	"nimbus/internal/kernel"
	"nimbus/internal/prg"
	"nimbus/runtime/corr/baseot"
	"nimbus/runtime/transport"
)

// SoftSpoken is the OT extension of Roy (CRYPTO 2022), semi-honest: subspace
// VOLE over F_{2^K} with the repetition code.
//
// Δ is cut into m = 128/K digits Δ_i of K bits. For each digit a punctured tree
// gives the receiver 2^K streams r_{i,x} and the sender all of them but
// r_{i,Δ_i}. With
//
//	u_i = ⊕_x r_{i,x}   v_i = ⊕_x x·r_{i,x}           (receiver; v_i has K rows)
//	w_i = ⊕_x (x ⊕ Δ_i)·r_{i,x} = v_i ⊕ Δ_i·u_i       (sender; x = Δ_i drops out)
//
// the receiver takes c = u_0 as its choice bits and sends d_i = u_i ⊕ c for
// i = 1..m-1; the sender adds Δ_i·d_i to w_i and has v_i ⊕ Δ_i·c. Column j of the
// 128 rows is COT j: receiver key v, sender key v ⊕ c·Δ.
//
//	receiver                         sender
//	            ── d_1..d_{m-1} ─→              (m-1)/8 bytes per COT
//
// The corrections d_i are uniform to the sender: each contains the stream
// r_{i,Δ_i} that it does not know. No consistency check is made, so this is
// secure against semi-honest parties only. Each stream moves forward from call
// to call; a position is used once.
//
// Per COT and party: 2^K·m/8 bytes of AES-CTR and about as many of
// XOR; bytes on the wire 7.875, 3.875, 1.875 for K = 2, 4, 8.
type SoftSpoken struct {
	K    int           // 2, 4 or 8
	Base baseot.Scheme // nil means baseot.Ristretto
}

const (
	kappa = 128 // bits of Δ

	// blockColumns COTs are made at a time: reads of 2 KiB per stream, so that a
	// key stream runs at full speed and the 128 rows stay in the cache.
	blockColumns = 1 << 14
	// messageColumns COTs have their corrections in one message.
	messageColumns = 4 * blockColumns
)

// String names the extension with its parameters.
func (s SoftSpoken) String() string { return fmt.Sprintf("softspoken-k%d-%s", s.K, s.base()) }

func (s SoftSpoken) base() baseot.Scheme {
	if s.Base == nil {
		return baseot.Ristretto{}
	}
	return s.Base
}

// Check implements [Extension].
func (s SoftSpoken) Check() error {
	if s.K != 2 && s.K != 4 && s.K != 8 {
		return fmt.Errorf("corr: softspoken with k = %d, expected 2, 4 or 8", s.K)
	}
	return nil
}

// digits returns m.
func (s SoftSpoken) digits() int { return kappa / s.K }

// Bytes implements [Extension].
func (s SoftSpoken) Bytes(n int) (receiverToSender, senderToReceiver int64) {
	return int64(roundUp(n)) / 8 * int64(s.digits()-1), 0
}

// SetupBytes implements [Extension].
func (s SoftSpoken) SetupBytes() (clientToServer, serverToClient int64) {
	n := int64(s.requestBytes() + s.replyBytes())
	return n, n
}

func (s SoftSpoken) requestBytes() int { return kernel.BlockBytes + s.base().RequestBytes(kappa) }

func (s SoftSpoken) replyBytes() int {
	return s.base().ReplyBytes(kappa) + kappa*2*kernel.BlockBytes
}

// Setup implements [Extension]. Both parties send a salt and the base OT request
// of the direction in which they send COTs, then both answer the peer's request
// and append the corrections of their trees: two messages each way, one round.
func (s SoftSpoken) Setup(conn transport.Conn, party int, rng *prg.PRG) (*Ends, error) {
	return s.setup(conn, party, Block{}, rng)
}

// setup is Setup with those bits of Δ set that are set in ones.
func (s SoftSpoken) setup(conn transport.Conn, party int, ones Block, rng *prg.PRG) (*Ends, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	base := s.base()

	// Request, as the sender of COTs.
	var deltaBytes [kernel.BlockBytes]byte
	rng.Child("corr delta").Read(deltaBytes[:])
	delta := kernel.LoadBlock(deltaBytes[:])
	delta[0], delta[1] = delta[0]|ones[0], delta[1]|ones[1]
	choices := s.baseChoices(delta)
	salts := make([][]byte, 2)
	salts[party] = make([]byte, kernel.BlockBytes)
	rng.Child("corr salt").Read(salts[party])
	pending, request, err := base.Request(sessionID(party, salts[party]), choices, rng.Child("corr base request"))
	if err != nil {
		return nil, fmt.Errorf("corr: base OT: %w", err)
	}
	if err := conn.Send(append(append([]byte(nil), salts[party]...), request...)); err != nil {
		return nil, fmt.Errorf("corr: base OT: send request: %w", err)
	}
	if err := conn.Flush(); err != nil {
		return nil, fmt.Errorf("corr: base OT: send request: %w", err)
	}
	msg, err := conn.Recv(s.requestBytes())
	if err != nil {
		return nil, fmt.Errorf("corr: base OT: receive request: %w", err)
	}
	salts[1-party] = append([]byte(nil), msg[:kernel.BlockBytes]...)

	// Reply, as the receiver of COTs.
	pairs, reply, err := base.Reply(sessionID(1-party, salts[1-party]), kappa, msg[kernel.BlockBytes:], rng.Child("corr base reply"))
	if err != nil {
		return nil, fmt.Errorf("corr: base OT: %w", err)
	}
	salt := sessionSalt(salts)
	receiver, corrections := s.newReceiver(conn, salt, pairs, rng.Child("corr trees"))
	if err := conn.Send(append(reply, corrections...)); err != nil {
		return nil, fmt.Errorf("corr: base OT: send reply: %w", err)
	}
	if err := conn.Flush(); err != nil {
		return nil, fmt.Errorf("corr: base OT: send reply: %w", err)
	}
	msg, err = conn.Recv(s.replyBytes())
	if err != nil {
		return nil, fmt.Errorf("corr: base OT: receive reply: %w", err)
	}
	keys, err := pending.Finish(msg[:base.ReplyBytes(kappa)])
	if err != nil {
		return nil, fmt.Errorf("corr: base OT: %w", err)
	}
	sender := s.newSender(conn, salt, delta, choices, keys, msg[base.ReplyBytes(kappa):])
	return &Ends{Sender: sender, Receiver: receiver, Salt: salt}, nil
}

// baseChoices lists the bits of delta in the order of the base OTs: digit by
// digit, in a digit from the root of its tree down, which is from the top bit.
func (s SoftSpoken) baseChoices(delta Block) []uint8 {
	choices := make([]uint8, kappa)
	for i := range s.digits() {
		for t := range s.K {
			choices[i*s.K+t] = deltaBit(delta, i*s.K+s.K-1-t)
		}
	}
	return choices
}

func deltaBit(delta Block, r int) uint8 { return uint8(delta[r/64] >> (r % 64) & 1) }

// sessionID names the base OTs in which party receives.
func sessionID(party int, salt []byte) []byte {
	return append([]byte{byte(party)}, salt...)
}

func sessionSalt(salts [][]byte) Block {
	h := sha256.New()
	h.Write([]byte("nimbus corr v1 salt"))
	h.Write(salts[client])
	h.Write(salts[server])
	return kernel.LoadBlock(h.Sum(nil))
}

// newReceiver grows the trees and returns what the sender needs of them. Per
// level that is the sum of the left children under the base OT key of a path
// that goes right, then the sum of the right children under the other key.
func (s SoftSpoken) newReceiver(conn transport.Conn, salt Block, pairs [][2]Block, rng *prg.PRG) (*softReceiver, []byte) {
	r := &softReceiver{conn: conn, ext: s}
	g := kernel.NewDoubler(salt)
	var corrections []byte
	for i := range s.digits() {
		var root [kernel.BlockBytes]byte
		rng.Read(root[:])
		leaves, sums := growTree(g, kernel.LoadBlock(root[:]), s.K)
		for t, sum := range sums {
			pair := pairs[i*s.K+t]
			corrections = sum[0].Xor(pair[1]).Append(corrections)
			corrections = sum[1].Xor(pair[0]).Append(corrections)
		}
		r.streams = append(r.streams, newStreams(leaves, salt, i, false))
	}
	return r, corrections
}

// newSender rebuilds the punctured trees from the base OT keys of its choices
// and the receiver's corrections.
func (s SoftSpoken) newSender(conn transport.Conn, salt, delta Block, choices []uint8, keys []Block, corrections []byte) *softSender {
	d := &softSender{conn: conn, ext: s, delta: delta}
	g := kernel.NewDoubler(salt)
	for i := range s.digits() {
		alpha := choices[i*s.K : (i+1)*s.K]
		known := make([]Block, s.K)
		for t, a := range alpha {
			left := kernel.LoadBlock(corrections)
			right := kernel.LoadBlock(corrections[kernel.BlockBytes:])
			corrections = corrections[2*kernel.BlockBytes:]
			known[t] = selectBlock(right, left, a).Xor(keys[i*s.K+t])
		}
		// Leaf Δ_i, at 0, stays unknown.
		d.streams = append(d.streams, newStreams(puncturedTree(g, alpha, known), salt, i, true))
	}
	return d
}

// newStreams starts the streams of digit i from its leaf seeds, of which the
// sender does not know the first.
func newStreams(leaves []Block, salt Block, i int, punctured bool) *kernel.Streams {
	return kernel.NewStreams(leaves, salt.Xor(Block{uint64(i)}), punctured)
}

// selectBlock returns a when bit is 0 and b when it is 1, in constant time.
func selectBlock(a, b Block, bit uint8) Block {
	mask := -uint64(bit)
	return Block{a[0] ^ mask&(a[0]^b[0]), a[1] ^ mask&(a[1]^b[1])}
}
