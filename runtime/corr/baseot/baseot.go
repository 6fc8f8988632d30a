package baseot

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"fmt"

	"filippo.io/edwards25519"

	"nimbus/internal/kernel"
	"nimbus/internal/prg"
)

// A Scheme is a random 1-of-2 OT in two messages, run for n OTs at once.
//
// session names this run to both parties: the same bytes at both ends, never
// used for another run. Messages have the stated sizes exactly; Reply and
// Finish refuse other sizes and malformed content with an error.
type Scheme interface {
	String() string
	RequestBytes(n int) int
	ReplyBytes(n int) int
	// Request starts n = len(choices) OTs as the receiver; each choice is 0 or 1.
	Request(session []byte, choices []uint8, rng *prg.PRG) (Receiver, []byte, error)
	// Reply is the sender's part: the key pairs, and the answer for the receiver.
	Reply(session []byte, n int, request []byte, rng *prg.PRG) ([][2]kernel.Block, []byte, error)
}

// A Receiver is the state between request and reply. It serves once.
type Receiver interface {
	// Finish returns the chosen keys.
	Finish(reply []byte) ([]kernel.Block, error)
}

var errSpent = errors.New("baseot: reply for OTs that already have one")

// Ristretto is the endemic OT of Masny and Rindal (CCS 2019) with Diffie-Hellman
// over ristretto255. For OT number j with choice c, and H₀, H₁ hashing into the
// group:
//
//	receiver                                   sender
//	a ← Z_p, R_{1-c} ← group
//	R_c = a·B − H_c(R_{1-c})
//	                 ── R_0, R_1 ─→
//	                                           A_i = R_i + H_i(R_{1-i})
//	                                           b_i ← Z_p
//	                 ←─ b_0·B, b_1·B ──
//	key = KDF(c, a·(b_c·B))                    key_i = KDF(i, b_i·A_i)
//
// R_0 and R_1 are uniform and independent whatever c is. Because each A_i hangs
// on a hash of the other R, a receiver can know the logarithm of one of them
// only. b_0, b_1 are fresh for every OT, as in the generic construction; the
// variant with one b for all OTs needs a stronger assumption and saves nothing
// that matters here. Hashes carry session, j and i; the KDF carries all points.
type Ristretto struct{}

const pairBytes = 2 * elementBytes

// String returns the name that the handshake and reports use.
func (Ristretto) String() string { return "ristretto255" }

// RequestBytes is two elements per OT.
func (Ristretto) RequestBytes(n int) int { return n * pairBytes }

// ReplyBytes is two elements per OT.
func (Ristretto) ReplyBytes(n int) int { return n * pairBytes }

type ristrettoReceiver struct {
	session [32]byte
	choices []uint8
	secrets []*edwards25519.Scalar
	request []byte
	spent   bool
}

// Request implements [Scheme].
func (Ristretto) Request(session []byte, choices []uint8, rng *prg.PRG) (Receiver, []byte, error) {
	r := &ristrettoReceiver{
		session: sha256.Sum256(session),
		choices: append([]uint8(nil), choices...),
		secrets: make([]*edwards25519.Scalar, len(choices)),
	}
	for j, c := range choices {
		if c > 1 {
			return nil, nil, fmt.Errorf("baseot: choice %d is not a bit", j)
		}
		var wide [64]byte
		rng.Read(wide[:])
		var other, chosen element
		if err := other.setUniform(&wide); err != nil {
			return nil, nil, fmt.Errorf("baseot: %w", err)
		}
		otherBytes := other.encode()
		h, err := hashToGroup(&r.session, j, c, otherBytes)
		if err != nil {
			return nil, nil, err
		}
		r.secrets[j] = randomScalar(rng)
		chosen.p.ScalarBaseMult(r.secrets[j])
		chosen.p.Subtract(&chosen.p, &h.p)
		chosenBytes := chosen.encode()

		var pair [pairBytes]byte
		selectBytes(pair[:elementBytes], chosenBytes, otherBytes, c)
		selectBytes(pair[elementBytes:], otherBytes, chosenBytes, c)
		r.request = append(r.request, pair[:]...)
	}
	return r, append([]byte(nil), r.request...), nil
}

// Reply implements [Scheme].
func (Ristretto) Reply(session []byte, n int, request []byte, rng *prg.PRG) ([][2]kernel.Block, []byte, error) {
	if len(request) != n*pairBytes {
		return nil, nil, fmt.Errorf("baseot: request of %d bytes for %d OTs, expected %d", len(request), n, n*pairBytes)
	}
	id := sha256.Sum256(session)
	keys := make([][2]kernel.Block, n)
	reply := make([]byte, 0, n*pairBytes)
	for j := range n {
		pair := request[j*pairBytes : (j+1)*pairBytes]
		var publics, shared [2][]byte
		for i := range 2 {
			own, other := pair[i*elementBytes:][:elementBytes], pair[(1-i)*elementBytes:][:elementBytes]
			var a, b element
			if err := a.decode(own); err != nil {
				return nil, nil, fmt.Errorf("baseot: request, OT %d, element %d: %w", j, i, err)
			}
			h, err := hashToGroup(&id, j, uint8(i), other)
			if err != nil {
				return nil, nil, err
			}
			a.p.Add(&a.p, &h.p)
			if a.isIdentity() {
				return nil, nil, fmt.Errorf("baseot: request, OT %d, element %d: cancels to the identity", j, i)
			}
			secret := randomScalar(rng)
			b.p.ScalarBaseMult(secret)
			publics[i] = b.encode()
			a.p.ScalarMult(secret, &a.p)
			shared[i] = a.encode()
			reply = append(reply, publics[i]...)
		}
		for i := range 2 {
			keys[j][i] = deriveKey(&id, j, uint8(i), pair, publics[i], shared[i])
		}
	}
	return keys, reply, nil
}

// Finish implements [Receiver].
func (r *ristrettoReceiver) Finish(reply []byte) ([]kernel.Block, error) {
	if len(reply) != len(r.choices)*pairBytes {
		return nil, fmt.Errorf("baseot: reply of %d bytes for %d OTs, expected %d", len(reply), len(r.choices), len(r.choices)*pairBytes)
	}
	if r.spent {
		return nil, errSpent
	}
	r.spent = true
	keys := make([]kernel.Block, len(r.choices))
	for j, c := range r.choices {
		pair := reply[j*pairBytes : (j+1)*pairBytes]
		// Both elements are checked whatever the choice is: an error that came
		// for one of them only would tell the sender which one was read.
		for i := range 2 {
			var b element
			if err := b.decode(pair[i*elementBytes:][:elementBytes]); err != nil {
				return nil, fmt.Errorf("baseot: reply, OT %d, element %d: %w", j, i, err)
			}
			if b.isIdentity() {
				return nil, fmt.Errorf("baseot: reply, OT %d, element %d: the identity", j, i)
			}
		}
		public := make([]byte, elementBytes)
		selectBytes(public, pair[:elementBytes], pair[elementBytes:], c)
		var b element
		if err := b.decode(public); err != nil {
			return nil, fmt.Errorf("baseot: reply, OT %d: %w", j, err)
		}
		b.p.ScalarMult(r.secrets[j], &b.p)
		keys[j] = deriveKey(&r.session, j, c, r.request[j*pairBytes:(j+1)*pairBytes], public, b.encode())
	}
	clear(r.secrets)
	return keys, nil
}

// hashToGroup is H_i for OT number j, a random oracle into the group.
func hashToGroup(session *[32]byte, j int, i uint8, other []byte) (*element, error) {
	h := sha512.New()
	h.Write([]byte("nimbus baseot v1 hash to ristretto255"))
	h.Write(session[:])
	h.Write(binary.LittleEndian.AppendUint32(nil, uint32(j)))
	h.Write([]byte{i})
	h.Write(other)
	var wide [64]byte
	h.Sum(wide[:0])
	e := new(element)
	if err := e.setUniform(&wide); err != nil {
		return nil, fmt.Errorf("baseot: %w", err)
	}
	return e, nil
}

func deriveKey(session *[32]byte, j int, i uint8, request, public, shared []byte) kernel.Block {
	h := sha256.New()
	h.Write([]byte("nimbus baseot v1 ristretto255 key"))
	h.Write(session[:])
	h.Write(binary.LittleEndian.AppendUint32(nil, uint32(j)))
	h.Write([]byte{i})
	h.Write(request)
	h.Write(public)
	h.Write(shared)
	return kernel.LoadBlock(h.Sum(nil))
}

func randomScalar(rng *prg.PRG) *edwards25519.Scalar {
	var wide [64]byte
	rng.Read(wide[:])
	s, err := new(edwards25519.Scalar).SetUniformBytes(wide[:])
	if err != nil {
		panic(fmt.Sprintf("baseot: internal error: %v", err))
	}
	return s
}

// selectBytes sets dst to a when choice is 0 and to b when it is 1, in constant
// time.
func selectBytes(dst, a, b []byte, choice uint8) {
	mask := -choice
	for i := range dst {
		dst[i] = a[i] ^ mask&(a[i]^b[i])
	}
}
