package baseot

import (
	"crypto/mlkem"
	"crypto/sha256"
	"crypto/sha3"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"

	"nimbus/internal/kernel"
	"nimbus/internal/prg"
)

// MLKEM is the endemic OT of Masny and Rindal (CCS 2019) with ML-KEM-768
// (FIPS 203) as its key agreement. An encapsulation key is a vector t of 768
// numbers mod 3329 and a seed ρ of the public matrix; the vectors are the group
// in which the request is blinded, ρ is one for both keys of an OT. For OT
// number j with choice c, and H₀, H₁ hashing to uniform vectors:
//
//	receiver                                       sender
//	(dk, (t, ρ)) ← KeyGen, R_{1-c} ← vectors
//	R_c = t − H_c(R_{1-c}, ρ)
//	                ── R_0, R_1, ρ ─→
//	                                               t_i = R_i + H_i(R_{1-i}, ρ)
//	                                               (k_i, ct_i) ← Encaps(t_i, ρ)
//	                ←─ ct_0, ct_1 ──
//	key = KDF(c, Decaps(dk, ct_c))                 key_i = KDF(i, k_i)
//
// The request hides c because t is pseudorandom given ρ (module LWE). At most
// one t_i comes from a key generation, the other is the value of a hash taken
// after everything else was fixed; encapsulating to a random vector hides k_i
// (module LWE again). A malformed ciphertext gives the receiver an unrelated
// key and the sender no reaction. The proof is in the classical random oracle
// model.
//
// Encapsulation takes its randomness from the operating system, as crypto/mlkem
// offers no other way: replies are not a function of the seed.
type MLKEM struct{}

const (
	mlkemQ       = 3329
	mlkemVector  = 768                  // coefficients of t
	mlkemEncoded = mlkemVector * 12 / 8 // bytes of t
	mlkemRho     = 32
	mlkemRequest = 2*mlkemEncoded + mlkemRho
	mlkemReply   = 2 * mlkem.CiphertextSize768
)

// String returns the name that the handshake and reports use.
func (MLKEM) String() string { return "mlkem768" }

// RequestBytes is two vectors and a seed per OT.
func (MLKEM) RequestBytes(n int) int { return n * mlkemRequest }

// ReplyBytes is two ciphertexts per OT.
func (MLKEM) ReplyBytes(n int) int { return n * mlkemReply }

type mlkemReceiver struct {
	session [32]byte
	choices []uint8
	secrets []*mlkem.DecapsulationKey768
	request []byte
	spent   bool
}

// Request implements [Scheme].
func (MLKEM) Request(session []byte, choices []uint8, rng *prg.PRG) (Receiver, []byte, error) {
	r := &mlkemReceiver{
		session: sha256.Sum256(session),
		choices: append([]uint8(nil), choices...),
		secrets: make([]*mlkem.DecapsulationKey768, len(choices)),
	}
	for j, c := range choices {
		if c > 1 {
			return nil, nil, fmt.Errorf("baseot: choice %d is not a bit", j)
		}
		seed := make([]byte, mlkem.SeedSize)
		rng.Read(seed)
		dk, err := mlkem.NewDecapsulationKey768(seed)
		if err != nil {
			return nil, nil, fmt.Errorf("baseot: %w", err)
		}
		r.secrets[j] = dk
		ek := dk.EncapsulationKey().Bytes()
		rho := ek[mlkemEncoded:]

		var t, other vector
		if err := t.decode(ek[:mlkemEncoded]); err != nil {
			return nil, nil, fmt.Errorf("baseot: %w", err)
		}
		wide := make([]byte, wideVector)
		rng.Read(wide)
		other.setUniform(wide)
		otherBytes := other.encode()
		t.sub(hashToVector(&r.session, j, c, otherBytes, rho))
		chosenBytes := t.encode()

		request := make([]byte, mlkemRequest)
		selectBytes(request[:mlkemEncoded], chosenBytes, otherBytes, c)
		selectBytes(request[mlkemEncoded:2*mlkemEncoded], otherBytes, chosenBytes, c)
		copy(request[2*mlkemEncoded:], rho)
		r.request = append(r.request, request...)
	}
	return r, append([]byte(nil), r.request...), nil
}

// Reply implements [Scheme].
func (MLKEM) Reply(session []byte, n int, request []byte, _ *prg.PRG) ([][2]kernel.Block, []byte, error) {
	if len(request) != n*mlkemRequest {
		return nil, nil, fmt.Errorf("baseot: request of %d bytes for %d OTs, expected %d", len(request), n, n*mlkemRequest)
	}
	id := sha256.Sum256(session)
	keys := make([][2]kernel.Block, n)
	reply := make([]byte, 0, n*mlkemReply)
	for j := range n {
		req := request[j*mlkemRequest : (j+1)*mlkemRequest]
		rho := req[2*mlkemEncoded:]
		for i := range 2 {
			own, other := req[i*mlkemEncoded:][:mlkemEncoded], req[(1-i)*mlkemEncoded:][:mlkemEncoded]
			var t vector
			if err := t.decode(own); err != nil {
				return nil, nil, fmt.Errorf("baseot: request, OT %d, vector %d: %w", j, i, err)
			}
			t.add(hashToVector(&id, j, uint8(i), other, rho))
			ek, err := mlkem.NewEncapsulationKey768(append(t.encode(), rho...))
			if err != nil {
				return nil, nil, fmt.Errorf("baseot: request, OT %d, vector %d: %w", j, i, err)
			}
			shared, ct := ek.Encapsulate()
			keys[j][i] = deriveMLKEM(&id, j, uint8(i), req, ct, shared)
			reply = append(reply, ct...)
		}
	}
	return keys, reply, nil
}

// Finish implements [Receiver].
func (r *mlkemReceiver) Finish(reply []byte) ([]kernel.Block, error) {
	if len(reply) != len(r.choices)*mlkemReply {
		return nil, fmt.Errorf("baseot: reply of %d bytes for %d OTs, expected %d", len(reply), len(r.choices), len(r.choices)*mlkemReply)
	}
	if r.spent {
		return nil, errSpent
	}
	r.spent = true
	keys := make([]kernel.Block, len(r.choices))
	for j, c := range r.choices {
		pair := reply[j*mlkemReply : (j+1)*mlkemReply]
		ct := make([]byte, mlkem.CiphertextSize768)
		selectBytes(ct, pair[:len(ct)], pair[len(ct):], c)
		shared, err := r.secrets[j].Decapsulate(ct)
		if err != nil { // a wrong length only
			return nil, fmt.Errorf("baseot: reply, OT %d: %w", j, err)
		}
		keys[j] = deriveMLKEM(&r.session, j, c, r.request[j*mlkemRequest:(j+1)*mlkemRequest], ct, shared)
	}
	clear(r.secrets)
	return keys, nil
}

func deriveMLKEM(session *[32]byte, j int, i uint8, request, ct, shared []byte) kernel.Block {
	h := sha256.New()
	h.Write([]byte("nimbus baseot v1 mlkem768 key"))
	h.Write(session[:])
	h.Write(binary.LittleEndian.AppendUint32(nil, uint32(j)))
	h.Write([]byte{i})
	h.Write(request)
	h.Write(ct)
	h.Write(shared)
	return kernel.LoadBlock(h.Sum(nil))
}

// A vector is the t of an encapsulation key: coefficients mod 3329.
type vector [mlkemVector]uint16

var errVector = errors.New("a coefficient is not below 3329")

// decode reads two coefficients from each three bytes (ByteDecode₁₂).
func (v *vector) decode(b []byte) error {
	for k := 0; k < mlkemVector; k += 2 {
		c := b[k/2*3:][:3]
		v[k] = uint16(c[0]) | uint16(c[1]&15)<<8
		v[k+1] = uint16(c[1])>>4 | uint16(c[2])<<4
		if v[k] >= mlkemQ || v[k+1] >= mlkemQ {
			return errVector
		}
	}
	return nil
}

// encode is ByteEncode₁₂.
func (v *vector) encode() []byte {
	b := make([]byte, 0, mlkemEncoded+mlkemRho)
	for k := 0; k < mlkemVector; k += 2 {
		b = append(b, byte(v[k]), byte(v[k]>>8|v[k+1]<<4), byte(v[k+1]>>4))
	}
	return b
}

func (v *vector) add(w *vector) {
	for k := range v {
		v[k] = reduceOnce(v[k] + w[k])
	}
}

func (v *vector) sub(w *vector) {
	for k := range v {
		v[k] = reduceOnce(v[k] + mlkemQ - w[k])
	}
}

// reduceOnce returns x mod 3329 for x < 2·3329, in constant time.
func reduceOnce(x uint16) uint16 {
	x -= mlkemQ
	return x + mlkemQ&-(x>>15)
}

// wideVector bytes give a uniform vector, 16 per coefficient.
const wideVector = 16 * mlkemVector

// setUniform sets each coefficient to ⌊q·x/2^128⌋ of 128 bits x: at a distance
// of 2^-107 from uniform, and, unlike rejection, in constant time, for how long
// the hash of a request takes must not tell which hash it was.
func (v *vector) setUniform(wide []byte) {
	for k := range v {
		x := kernel.LoadBlock(wide[16*k:])
		carry, _ := bits.Mul64(x[0], mlkemQ)
		hi, lo := bits.Mul64(x[1], mlkemQ)
		_, c := bits.Add64(lo, carry, 0)
		v[k] = uint16(hi + c)
	}
}

// hashToVector is H_i for OT number j.
func hashToVector(session *[32]byte, j int, i uint8, other, rho []byte) *vector {
	h := sha3.NewSHAKE128()
	h.Write([]byte("nimbus baseot v1 hash to mlkem768"))
	h.Write(session[:])
	h.Write(binary.LittleEndian.AppendUint32(nil, uint32(j)))
	h.Write([]byte{i})
	h.Write(rho)
	h.Write(other)
	wide := make([]byte, wideVector)
	h.Read(wide)
	v := new(vector)
	v.setUniform(wide)
	return v
}
