package tls

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	ctls "crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"strings"
	"time"
)

// DefaultValidity is how long keygen's certificates are valid: two years.
const DefaultValidity = 2 * 365 * 24 * time.Hour

// maxIdentityFile bounds what Load reads.
const maxIdentityFile = 64 << 10

// A Fingerprint is the SHA-256 of a certificate's DER form.
type Fingerprint [sha256.Size]byte

const fingerprintPrefix = "sha256:"

// String gives "sha256:" and 64 hex digits.
func (f Fingerprint) String() string { return fingerprintPrefix + hex.EncodeToString(f[:]) }

// ParseFingerprint reads String's form.
func ParseFingerprint(s string) (Fingerprint, error) {
	var f Fingerprint
	digits, ok := strings.CutPrefix(s, fingerprintPrefix)
	b, err := hex.DecodeString(digits)
	if !ok || err != nil || len(b) != len(f) {
		return f, fmt.Errorf("fingerprint %q: want %s and %d hex digits", s, fingerprintPrefix, 2*len(f))
	}
	return Fingerprint(b), nil
}

// An Identity is a party's certificate and private key. It prints as its
// fingerprint.
type Identity struct {
	der  []byte
	cert *x509.Certificate
	key  ed25519.PrivateKey
}

// Generate makes an identity that is valid from now on. name is for people: it
// is in the certificate and decides nothing.
func Generate(name string, validity time.Duration) (*Identity, error) {
	now := time.Now()
	// An hour's grace for a peer whose clock is behind.
	return generate(name, now.Add(-time.Hour), now.Add(validity))
}

func generate(name string, from, until time.Time) (*Identity, error) {
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    from,
		NotAfter:     until,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, key)
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	return &Identity{der, cert, key}, nil
}

// Fingerprint returns what the peer pins.
func (id *Identity) Fingerprint() Fingerprint { return sha256.Sum256(id.der) }

// NotAfter returns when the certificate expires.
func (id *Identity) NotAfter() time.Time { return id.cert.NotAfter }

// Format prints the fingerprint, whatever the verb.
func (id *Identity) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "identity %s", id.Fingerprint())
}

// String gives the fingerprint.
func (id *Identity) String() string { return fmt.Sprint(id) }

// Save writes the identity to a new file that only its owner may read. It
// refuses to overwrite one.
func (id *Identity) Save(path string) error {
	key, err := x509.MarshalPKCS8PrivateKey(id.key)
	if err != nil {
		return fmt.Errorf("identity: %w", err)
	}
	var text bytes.Buffer
	pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: id.der})
	pem.Encode(&text, &pem.Block{Type: "PRIVATE KEY", Bytes: key})
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("identity %s: the file exists and is not overwritten: remove it first if it is no longer needed", path)
	}
	if err != nil {
		return fmt.Errorf("identity: %w", err)
	}
	_, err = f.Write(text.Bytes())
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		os.Remove(path)
		return fmt.Errorf("identity: %w", err)
	}
	return nil
}

// Load reads an identity that Save wrote. A file that others may read is
// refused.
func Load(path string) (*Identity, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("identity %s: others may read the private key (mode %#o): run chmod 600 on it", path, mode)
	}
	if info.Size() > maxIdentityFile {
		return nil, fmt.Errorf("identity %s: %d bytes are too many for an identity", path, info.Size())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	id, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("identity %s: %w", path, err)
	}
	return id, nil
}

func parse(text []byte) (*Identity, error) {
	id := &Identity{}
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		text = rest
		switch {
		case block.Type == "CERTIFICATE" && id.der == nil:
			cert, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return nil, fmt.Errorf("certificate: %w", err)
			}
			id.der, id.cert = block.Bytes, cert
		case block.Type == "PRIVATE KEY" && id.key == nil:
			key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
			if err != nil {
				return nil, errors.New("the private key is damaged")
			}
			ed, ok := key.(ed25519.PrivateKey)
			if !ok {
				return nil, errors.New("the private key is not an Ed25519 key")
			}
			id.key = ed
		default:
			return nil, fmt.Errorf("unexpected PEM block %q", block.Type)
		}
	}
	if id.der == nil || id.key == nil {
		return nil, errors.New("want one CERTIFICATE and one PRIVATE KEY in PEM form: make an identity with nimbus-run keygen")
	}
	if public, ok := id.cert.PublicKey.(ed25519.PublicKey); !ok || !public.Equal(id.key.Public()) {
		return nil, errors.New("certificate and private key do not belong together")
	}
	return id, nil
}

func (id *Identity) certificate() ctls.Certificate {
	return ctls.Certificate{Certificate: [][]byte{id.der}, PrivateKey: id.key, Leaf: id.cert}
}

// inForce returns an error, about whose certificate, unless cert is valid now.
func inForce(whose string, cert *x509.Certificate, now time.Time) error {
	const day = "2006-01-02 15:04 MST"
	switch {
	case now.After(cert.NotAfter):
		return fmt.Errorf("%s certificate expired on %s: make a new identity with nimbus-run keygen and tell the peer its fingerprint", whose, cert.NotAfter.UTC().Format(day))
	case now.Before(cert.NotBefore):
		return fmt.Errorf("%s certificate is not valid before %s: check the clocks of both machines", whose, cert.NotBefore.UTC().Format(day))
	}
	return nil
}
