package artifact

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
)

// Header says what a file holds and for whom.
type Header struct {
	PlanDigest [32]byte
	KeyID      [32]byte
	// Public are the server's public keys, in runtime/he's form.
	Public   []byte
	Sections []SectionInfo
}

// SectionInfo describes one section: an encrypted tensor.
type SectionInfo struct {
	Name  string // of the tensor, unique in the file
	Kind  string // which layout: runtime/he knows
	Set   string // parameter set
	Rows  int    // ciphertexts
	Bytes int64
}

// Section is a section with what its ciphertexts' seeds are bound to.
type Section struct {
	SectionInfo
	PlanDigest [32]byte
	KeyID      [32]byte
	Data       []byte // read-only, valid until the file is closed
}

// ErrCorrupt is in the chain of every error about a file whose content is not what was written.
var ErrCorrupt = errors.New("file is damaged")

const (
	magic     = "NIMBUSWX"
	version   = 1
	preamble  = 16
	chunkLen  = 1 << 20
	maxHeader = 16 << 20
	maxBody   = int64(1) << 40
	maxName   = 255
	sumLen    = sha256.Size
)

func (h *Header) body() int64 {
	var n int64
	for _, s := range h.Sections {
		n += s.Bytes
	}
	return n
}

func chunks(body int64) int { return int((body + chunkLen - 1) / chunkLen) }

// Size is the length of a whole file with this header.
func (h *Header) Size() (int64, error) {
	b, err := h.marshal()
	if err != nil {
		return 0, err
	}
	body := h.body()
	return int64(len(b)) + body + int64(chunks(body)+1)*sumLen, nil
}

// marshal returns preamble and header.
func (h *Header) marshal() ([]byte, error) {
	out := append([]byte(magic), 0, 0, 0, 0, 0, 0, 0, 0)
	out = append(out, h.PlanDigest[:]...)
	out = append(out, h.KeyID[:]...)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(h.Public)))
	out = append(out, h.Public...)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(h.Sections)))
	seen := map[string]bool{}
	for _, s := range h.Sections {
		for _, str := range []string{s.Name, s.Kind, s.Set} {
			if len(str) > maxName {
				return nil, fmt.Errorf("artifact: section %.20s…: a name has %d bytes, at most %d", s.Name, len(str), maxName)
			}
			out = append(out, byte(len(str)))
			out = append(out, str...)
		}
		if seen[s.Name] || s.Rows < 0 || s.Rows > 1<<31 || s.Bytes < 0 || s.Bytes > maxBody {
			return nil, fmt.Errorf("artifact: section %s: repeated name, or %d rows and %d bytes", s.Name, s.Rows, s.Bytes)
		}
		seen[s.Name] = true
		out = binary.LittleEndian.AppendUint32(out, uint32(s.Rows))
		out = binary.LittleEndian.AppendUint64(out, uint64(s.Bytes))
	}
	if len(out) > maxHeader || h.body() > maxBody {
		return nil, fmt.Errorf("artifact: header of %d bytes, body of %d bytes: too large", len(out), h.body())
	}
	binary.LittleEndian.PutUint32(out[8:], version)
	binary.LittleEndian.PutUint32(out[12:], uint32(len(out)-preamble))
	return out, nil
}

// headerLen reads a preamble and returns the length of preamble and header.
func headerLen(b []byte) (int, error) {
	if len(b) < preamble || string(b[:8]) != magic {
		return 0, fmt.Errorf("artifact: not an encrypted weights file: %w", ErrCorrupt)
	}
	if v := binary.LittleEndian.Uint32(b[8:]); v != version {
		return 0, fmt.Errorf("artifact: file of format version %d, this release reads version %d; run setup again", v, version)
	}
	n := binary.LittleEndian.Uint32(b[12:])
	if n > maxHeader {
		return 0, fmt.Errorf("artifact: header of %d bytes, at most %d: %w", n, maxHeader, ErrCorrupt)
	}
	return preamble + int(n), nil
}

// parseHeader reads preamble and header, which must be all of b. The bytes may come from the peer.
func parseHeader(b []byte) (*Header, error) {
	n, err := headerLen(b)
	if err != nil {
		return nil, err
	}
	if n != len(b) {
		return nil, fmt.Errorf("artifact: header has %d bytes, expected %d: %w", len(b), n, ErrCorrupt)
	}
	r := reader{b: b[preamble:]}
	h := new(Header)
	copy(h.PlanDigest[:], r.take(32))
	copy(h.KeyID[:], r.take(32))
	h.Public = bytes.Clone(r.take(r.u32()))
	count := r.u32()
	for range min(count, len(r.b)) { // a section takes more than a byte
		s := SectionInfo{Name: r.str(), Kind: r.str(), Set: r.str(), Rows: r.u32()}
		if v := r.take(8); v != nil {
			s.Bytes = int64(binary.LittleEndian.Uint64(v))
		}
		h.Sections = append(h.Sections, s)
		if r.bad {
			break
		}
	}
	if r.bad || len(r.b) != 0 || len(h.Sections) != count {
		return nil, fmt.Errorf("artifact: header is malformed: %w", ErrCorrupt)
	}
	// What marshal refuses, and any other way to write the same header, is refused here.
	again, err := h.marshal()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, ErrCorrupt)
	}
	if !bytes.Equal(again, b) {
		return nil, fmt.Errorf("artifact: header is malformed: %w", ErrCorrupt)
	}
	return h, nil
}

// check refuses a header of another plan or key.
func (h *Header) check(plan, key [32]byte) error {
	if h.PlanDigest != plan {
		return fmt.Errorf("artifact: encrypted weights are for plan %x, expected %x; run setup again", h.PlanDigest[:8], plan[:8])
	}
	if h.KeyID != key {
		return fmt.Errorf("artifact: encrypted weights are under server key %x, expected %x; run setup again", h.KeyID[:8], key[:8])
	}
	return nil
}

type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.bad = true
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) u32() int {
	b := r.take(4)
	if b == nil {
		return 0
	}
	return int(binary.LittleEndian.Uint32(b))
}

func (r *reader) str() string {
	b := r.take(1)
	if b == nil {
		return ""
	}
	return string(r.take(int(b[0])))
}

func root(head []byte, sums []byte) [32]byte {
	h := sha256.New()
	h.Write(head)
	h.Write(sums)
	return [32]byte(h.Sum(nil))
}

// diskError says what to do about a full disk.
func diskError(err error, path string) error {
	if errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("artifact: write %s: the disk is full; free some space and run the same command again, it goes on where it stopped: %w", path, err)
	}
	var p *fs.PathError
	if errors.As(err, &p) {
		return fmt.Errorf("artifact: %w", err)
	}
	return fmt.Errorf("artifact: %s: %w", path, err)
}
