package he

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"

	"nimbus/internal/prg"
	"nimbus/internal/z2k"
)

// SecretKey is a ternary secret of one parameter set and the public key that belongs to it. It may be used by several
// goroutines at once. It prints as its set's name.
type SecretKey struct {
	p   *params
	s   []int8
	ntt poly // transform of s in its form, all limbs
	pub *PublicKey
}

// PublicKey encrypts zeros. Its two polynomials are b = e - a·s and a, a expanded from a seed.
type PublicKey struct {
	p      *params
	seed   [32]byte
	b      poly // coefficients, as sent
	an, bn poly // transforms in their form
	id     [32]byte
	zeros  *ZeroPool // of one session; nil for a key at rest
}

// NewSecretKey draws a key for the named set.
func NewSecretKey(set string, rng *prg.PRG) (*SecretKey, error) {
	p, err := load(set)
	if err != nil {
		return nil, err
	}
	k := &SecretKey{p: p, s: make([]int8, p.n)}
	ternary(rng.Child("he secret key"), k.s)
	k.prepare()

	pub := &PublicKey{p: p, b: newPoly(len(p.limbs), p.n)}
	rng.Child("he public key seed").Read(pub.seed[:])
	e := make([]int8, p.n)
	binomial(rng.Child("he public key error"), e)
	t := make([]uint64, p.n)
	for i := range p.limbs {
		l := &p.limbs[i]
		expand(keySeed(pub.seed, i), t, l)
		k.timesSecret(t, i)
		for j, v := range t {
			pub.b[i][j] = l.minus(l.small(e[j]), v)
		}
	}
	pub.prepare()
	k.pub = pub
	return k, nil
}

func keySeed(seed [32]byte, limb int) [32]byte {
	return publicSeed("public key", [32]byte{}, [32]byte{}, "", seed, 0, limb)
}

func (k *SecretKey) prepare() {
	p := k.p
	k.ntt = newPoly(len(p.limbs), p.n)
	for i := range p.limbs {
		l := &p.limbs[i]
		for j, e := range k.s {
			k.ntt[i][j] = l.small(e)
		}
		l.tr.Forward(k.ntt[i])
		l.tr.Form(k.ntt[i])
	}
}

// timesSecret multiplies a polynomial of limb i, given by coefficients, by the secret, in place.
func (k *SecretKey) timesSecret(t []uint64, i int) {
	tr := k.p.limbs[i].tr
	tr.Forward(t)
	tr.Mul(t, t, k.ntt[i])
	tr.Inverse(t)
}

func (pk *PublicKey) prepare() {
	p := pk.p
	h := sha256.New()
	h.Write([]byte("nimbus he v1 key " + p.Name + "\x00"))
	h.Write(pk.Marshal())
	h.Sum(pk.id[:0])
	pk.an, pk.bn = newPoly(len(p.limbs), p.n), newPoly(len(p.limbs), p.n)
	for i := range p.limbs {
		tr := p.limbs[i].tr
		expand(keySeed(pk.seed, i), pk.an[i], &p.limbs[i])
		copy(pk.bn[i], pk.b[i])
		for _, x := range [][]uint64{pk.an[i], pk.bn[i]} {
			tr.Forward(x)
			tr.Form(x)
		}
	}
}

// Public returns the public key.
func (k *SecretKey) Public() *PublicKey { return k.pub }

// Set is the name of the key's parameter set.
func (k *SecretKey) Set() string { return k.p.Name }

// Set is the name of the key's parameter set.
func (pk *PublicKey) Set() string { return pk.p.Name }

// String hides the key.
func (k *SecretKey) String() string { return "he.SecretKey(" + k.p.Name + ", redacted)" }

// GoString hides the key.
func (k *SecretKey) GoString() string { return k.String() }

// Format hides the key whatever the verb.
func (k *SecretKey) Format(f fmt.State, _ rune) { fmt.Fprint(f, k.String()) }

// LogValue hides the key.
func (k *SecretKey) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalJSON hides the key.
func (k *SecretKey) MarshalJSON() ([]byte, error) { return []byte(`"` + k.String() + `"`), nil }

// Marshal returns the key on the wire: the seed, then each limb of b, bit-packed. Its length is the set's
// PublicKeyBytes.
func (pk *PublicKey) Marshal() []byte {
	out := append(make([]byte, 0, pk.p.PublicKeyBytes()), pk.seed[:]...)
	for i := range pk.p.limbs {
		out = z2k.Pack(out, pk.b[i], pk.p.limbs[i].bits)
	}
	return out
}

// ParsePublicKey reads a public key of the named set. The bytes may come from the peer: another length or a residue
// that is not below its prime is an error.
func ParsePublicKey(set string, data []byte) (*PublicKey, error) {
	p, err := load(set)
	if err != nil {
		return nil, err
	}
	if want := p.PublicKeyBytes(); len(data) != want {
		return nil, fmt.Errorf("he: public key of set %s has %d bytes, expected %d", set, len(data), want)
	}
	pk := &PublicKey{p: p, b: newPoly(len(p.limbs), p.n)}
	data = data[copy(pk.seed[:], data):]
	for i := range p.limbs {
		if data, err = p.limbs[i].unpack(pk.b[i], data); err != nil {
			return nil, fmt.Errorf("he: public key of set %s: %w", set, err)
		}
	}
	pk.prepare()
	return pk, nil
}

// unpack reads len(dst) bit-packed residues from the front of data and returns the rest.
func (l *limb) unpack(dst []uint64, data []byte) ([]byte, error) {
	n := z2k.PackedLen(len(dst), l.bits)
	if len(data) < n {
		return nil, fmt.Errorf("%d bytes left, expected %d", len(data), n)
	}
	if err := z2k.Unpack(dst, data[:n], l.bits); err != nil {
		return nil, err
	}
	var bad uint64
	for _, v := range dst {
		bad |= l.q - 1 - v // top bit set if v >= q, both below 2^60
	}
	if bad>>63 != 0 {
		return nil, errors.New("a residue is not below its prime")
	}
	return data[n:], nil
}

// ID identifies the key pair: a digest of its public key. Whatever is encrypted names the key by it.
func (pk *PublicKey) ID() [32]byte { return pk.id }

const secretMagic = "NIMBUSK1"

// Marshal returns the secret key for the server's key file: magic, set name (one length byte), two bits per coefficient,
// the public key, and a SHA-256 of all that. The caller keeps the file's mode at 0600.
func (k *SecretKey) Marshal() []byte {
	out := append([]byte(secretMagic), byte(len(k.p.Name)))
	out = append(out, k.p.Name...)
	v := make([]uint64, len(k.s))
	for i, c := range k.s {
		v[i] = uint64(c + 1)
	}
	out = z2k.Pack(out, v, 2)
	out = append(out, k.pub.Marshal()...)
	sum := sha256.Sum256(out)
	return append(out, sum[:]...)
}

// ParseSecretKey reads what Marshal wrote and checks that the two keys belong together.
func ParseSecretKey(data []byte) (*SecretKey, error) {
	bad := func(what string) error {
		return fmt.Errorf("he: not a key file of this version: %s; make a new key and run setup again", what)
	}
	if len(data) < len(secretMagic)+1 || string(data[:len(secretMagic)]) != secretMagic {
		return nil, bad("wrong magic")
	}
	rest := data[len(secretMagic)+1:]
	nameLen := int(data[len(secretMagic)])
	if len(rest) < nameLen {
		return nil, bad("truncated")
	}
	p, err := load(string(rest[:nameLen]))
	if err != nil {
		return nil, err
	}
	rest = rest[nameLen:]
	packed := z2k.PackedLen(p.n, 2)
	if want := packed + p.PublicKeyBytes() + 32; len(rest) != want {
		return nil, bad(fmt.Sprintf("%d bytes after the name, expected %d", len(rest), want))
	}
	sum := sha256.Sum256(data[:len(data)-32])
	if subtle.ConstantTimeCompare(sum[:], data[len(data)-32:]) != 1 {
		return nil, bad("wrong checksum")
	}
	v := make([]uint64, p.n)
	if err := z2k.Unpack(v, rest[:packed], 2); err != nil {
		return nil, bad(err.Error())
	}
	k := &SecretKey{p: p, s: make([]int8, p.n)}
	for i, c := range v {
		if c > 2 {
			return nil, bad("a coefficient is not -1, 0 or 1")
		}
		k.s[i] = int8(c) - 1
	}
	k.prepare()
	if k.pub, err = ParsePublicKey(p.Name, rest[packed:len(rest)-32]); err != nil {
		return nil, err
	}
	if !k.owns(k.pub) {
		return nil, bad("the public key belongs to another secret")
	}
	return k, nil
}

// owns tells whether b + a·s is small.
func (k *SecretKey) owns(pk *PublicKey) bool {
	l := &k.p.limbs[0]
	t := make([]uint64, k.p.n)
	expand(keySeed(pk.seed, 0), t, l)
	k.timesSecret(t, 0)
	for j, v := range t {
		if e := l.add(v, pk.b[0][j]); e > 21 && e < l.q-21 {
			return false
		}
	}
	return true
}

// Keyring is a server's key pairs, one per parameter set that its plan uses.
type Keyring struct{ keys []*SecretKey }

// PublicKeyring is what the client knows of a [Keyring].
type PublicKeyring struct{ keys []*PublicKey }

// NewKeyring draws a key pair for each of the named sets, in that order. Names must differ.
func NewKeyring(sets []string, rng *prg.PRG) (*Keyring, error) {
	r := &Keyring{}
	for _, set := range sets {
		if _, err := r.Key(set); err == nil {
			return nil, fmt.Errorf("he: two keys for set %s", set)
		}
		k, err := NewSecretKey(set, rng)
		if err != nil {
			return nil, err
		}
		r.keys = append(r.keys, k)
	}
	return r, nil
}

// Key returns the key of a set.
func (r *Keyring) Key(set string) (*SecretKey, error) {
	for _, k := range r.keys {
		if k.p.Name == set {
			return k, nil
		}
	}
	return nil, fmt.Errorf("he: the key file has no key for set %q; make a new key for this plan", set)
}

// Public returns the public keys.
func (r *Keyring) Public() *PublicKeyring {
	pub := &PublicKeyring{}
	for _, k := range r.keys {
		pub.keys = append(pub.keys, k.pub)
	}
	return pub
}

// ID identifies the keyring: a digest of its public keys.
func (r *Keyring) ID() [32]byte { return r.Public().ID() }

// Sets lists the parameter sets, in order.
func (r *Keyring) Sets() []string { return r.Public().Sets() }

// Key returns the public key of a set.
func (r *PublicKeyring) Key(set string) (*PublicKey, error) {
	for _, k := range r.keys {
		if k.p.Name == set {
			return k, nil
		}
	}
	return nil, fmt.Errorf("he: the server has no key for set %q", set)
}

// Sets lists the parameter sets, in order.
func (r *PublicKeyring) Sets() []string {
	var out []string
	for _, k := range r.keys {
		out = append(out, k.p.Name)
	}
	return out
}

// ID is a digest of the public keys.
func (r *PublicKeyring) ID() [32]byte {
	h := sha256.New()
	h.Write([]byte("nimbus he v1 keyring"))
	h.Write(r.Marshal())
	return [32]byte(h.Sum(nil))
}

// Marshal returns the keys one after the other: one length byte, the set's name, the key.
func (r *PublicKeyring) Marshal() []byte {
	var out []byte
	for _, k := range r.keys {
		out = append(out, byte(len(k.p.Name)))
		out = append(out, k.p.Name...)
		out = append(out, k.Marshal()...)
	}
	return out
}

// ParsePublicKeyring reads what Marshal wrote; the bytes may come from the peer.
func ParsePublicKeyring(data []byte) (*PublicKeyring, error) {
	r := &PublicKeyring{}
	for len(data) > 0 {
		name, rest, err := cut(data[1:], int(data[0]))
		if err != nil {
			return nil, err
		}
		p, err := load(string(name))
		if err != nil {
			return nil, err
		}
		if _, err := r.Key(p.Name); err == nil {
			return nil, fmt.Errorf("he: two public keys for set %s", p.Name)
		}
		var body []byte
		if body, data, err = cut(rest, p.PublicKeyBytes()); err != nil {
			return nil, err
		}
		k, err := ParsePublicKey(p.Name, body)
		if err != nil {
			return nil, err
		}
		r.keys = append(r.keys, k)
	}
	return r, nil
}

// Marshal returns the secret keys for the server's key file: for each a length of four bytes and the key.
func (r *Keyring) Marshal() []byte {
	var out []byte
	for _, k := range r.keys {
		b := k.Marshal()
		out = binary.LittleEndian.AppendUint32(out, uint32(len(b)))
		out = append(out, b...)
	}
	return out
}

// ParseKeyring reads what Marshal wrote.
func ParseKeyring(data []byte) (*Keyring, error) {
	r := &Keyring{}
	for len(data) > 0 {
		head, rest, err := cut(data, 4)
		if err != nil {
			return nil, err
		}
		body, rest, err := cut(rest, int(binary.LittleEndian.Uint32(head)))
		if err != nil {
			return nil, err
		}
		k, err := ParseSecretKey(body)
		if err != nil {
			return nil, err
		}
		if _, err := r.Key(k.p.Name); err == nil {
			return nil, fmt.Errorf("he: two keys for set %s", k.p.Name)
		}
		r.keys = append(r.keys, k)
		data = rest
	}
	return r, nil
}

// String hides the keys.
func (r *Keyring) String() string { return fmt.Sprintf("he.Keyring(%v, redacted)", r.Sets()) }

// Format hides the keys whatever the verb.
func (r *Keyring) Format(f fmt.State, _ rune) { fmt.Fprint(f, r.String()) }

func cut(b []byte, n int) (head, rest []byte, err error) {
	if n < 0 || n > len(b) {
		return nil, nil, fmt.Errorf("he: truncated: %d bytes left, expected %d", len(b), n)
	}
	return b[:n], b[n:], nil
}
