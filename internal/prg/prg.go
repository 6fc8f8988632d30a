package prg

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
)

// A Seed determines a generator and all its children. It is a secret unless
// the protocol that drew it says otherwise; it prints as a constant.
type Seed [32]byte

const (
	redactedPRG  = "prg.PRG(redacted)"
	redactedSeed = "prg.Seed(redacted)"
	bufferSize   = 1024
)

// PRG is a deterministic generator: AES-256 in counter mode. It is not safe for
// concurrent use; give each goroutine its own [PRG.Child].
type PRG struct {
	seed     Seed
	stream   cipher.Stream
	children uint64

	buf  [bufferSize]byte
	left int // unread bytes at the end of buf
}

// StreamKey is the AES-256 key of the stream of seed's generator, whose counter
// begins at 0: for kernels that expand a public seed by themselves.
func StreamKey(seed Seed) [32]byte { return derive(seed, "nimbus prg v1 stream") }

// New returns the generator of seed. Its stream depends on the seed alone, not
// on how the stream is cut into reads.
func New(seed Seed) *PRG {
	key := StreamKey(seed)
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(fmt.Sprintf("prg: internal error: %v", err))
	}
	var iv [aes.BlockSize]byte
	return &PRG{seed: seed, stream: cipher.NewCTR(block, iv[:])}
}

// Fresh returns a generator seeded by the operating system.
func Fresh() *PRG {
	var s Seed
	if _, err := rand.Read(s[:]); err != nil {
		panic(fmt.Sprintf("prg: the operating system gave no randomness: %v", err))
	}
	return New(s)
}

// Child returns an independent generator for label. Its seed is HKDF-SHA256 of
// the parent's seed, the label and the number of children the parent had
// before, so two calls with the same label give different generators. It takes
// nothing from the parent's stream.
func (p *PRG) Child(label string) *PRG {
	info := binary.LittleEndian.AppendUint64([]byte("nimbus prg v1 child"), p.children)
	p.children++
	return New(Seed(derive(p.seed, string(info)+label)))
}

// Seed returns the seed that New was given.
func (p *PRG) Seed() Seed { return p.seed }

// Read fills b with the next bytes of the stream. It never fails.
func (p *PRG) Read(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		if p.left == 0 {
			if whole := len(b) - len(b)%bufferSize; whole > 0 {
				clear(b[:whole])
				p.stream.XORKeyStream(b[:whole], b[:whole])
				b = b[whole:]
				continue
			}
			clear(p.buf[:])
			p.stream.XORKeyStream(p.buf[:], p.buf[:])
			p.left = bufferSize
		}
		k := copy(b, p.buf[bufferSize-p.left:])
		p.left -= k
		b = b[k:]
	}
	return n, nil
}

// Uint64 returns a uniform 64-bit number: the next 8 bytes of the stream,
// little-endian.
func (p *PRG) Uint64() uint64 {
	if p.left >= 8 {
		x := binary.LittleEndian.Uint64(p.buf[bufferSize-p.left:])
		p.left -= 8
		return x
	}
	var b [8]byte
	p.Read(b[:])
	return binary.LittleEndian.Uint64(b[:])
}

// Fill sets dst to uniform elements of Z_2^width, width 1..64. Each element
// takes 8 bytes of the stream.
func (p *PRG) Fill(dst []uint64, width int) {
	if width < 1 || width > 64 {
		panic(fmt.Sprintf("prg: internal error: width %d is not in 1..64", width))
	}
	mask := ^uint64(0) >> (64 - width)
	var chunk [2 * bufferSize]byte
	for len(dst) > 0 {
		n := min(len(dst), len(chunk)/8)
		p.Read(chunk[:8*n])
		for i := range n {
			dst[i] = binary.LittleEndian.Uint64(chunk[8*i:]) & mask
		}
		dst = dst[n:]
	}
}

// Bits sets each byte of dst to a uniform bit, 0 or 1. Eight bits take one byte
// of the stream, the last byte's unused bits are dropped.
func (p *PRG) Bits(dst []uint8) {
	var chunk [bufferSize]byte
	for len(dst) > 0 {
		n := min(len(dst), 8*len(chunk))
		p.Read(chunk[:(n+7)/8])
		for i := range n {
			dst[i] = chunk[i/8] >> (i % 8) & 1
		}
		dst = dst[n:]
	}
}

// String hides the state.
func (p *PRG) String() string { return redactedPRG }

// GoString hides the state.
func (p *PRG) GoString() string { return redactedPRG }

// Format hides the state whatever the verb.
func (p *PRG) Format(f fmt.State, _ rune) { io.WriteString(f, redactedPRG) }

// LogValue hides the state.
func (p *PRG) LogValue() slog.Value { return slog.StringValue(redactedPRG) }

// String hides the seed.
func (s Seed) String() string { return redactedSeed }

// GoString hides the seed.
func (s Seed) GoString() string { return redactedSeed }

// Format hides the seed whatever the verb.
func (s Seed) Format(f fmt.State, _ rune) { io.WriteString(f, redactedSeed) }

// LogValue hides the seed.
func (s Seed) LogValue() slog.Value { return slog.StringValue(redactedSeed) }

// MarshalJSON hides the seed.
func (s Seed) MarshalJSON() ([]byte, error) { return json.Marshal(redactedSeed) }

// derive is HKDF-SHA256 (RFC 5869) of seed without salt, 32 bytes long. Its two
// HMACs (RFC 2104) are written out: a generator is made for each row of a weight.
func derive(seed Seed, info string) [32]byte {
	prk := hmac([32]byte{}, seed[:], "")
	return hmac(prk, nil, info+"\x01")
}

// hmac is HMAC-SHA256 under key of a followed by b.
func hmac(key [32]byte, a []byte, b string) [32]byte {
	var room [192]byte
	pad := func(x byte) []byte {
		for i := range sha256.BlockSize {
			room[i] = x
		}
		for i, k := range key {
			room[i] ^= k
		}
		return room[:sha256.BlockSize]
	}
	inner := sha256.Sum256(append(append(pad(0x36), a...), b...))
	return sha256.Sum256(append(pad(0x5c), inner[:]...))
}
