package vault

import (
	"bufio"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"nimbus/internal/prg"
)

// A sealed file:
//
//	magic   8 bytes "nimbusv1"
//	salt    32 bytes; the file's key is derived from the vault's key and it
//	pieces  of pieceLen bytes, the last shorter or empty, each with a tag of 16
//
// A piece's nonce is whether it is the last, u32, and its number, u64.

const (
	magic    = "nimbusv1"
	saltLen  = 32
	tagLen   = 16
	pieceLen = 1 << 20
)

// errSealed says that a file does not open: nobody can tell why.
var errSealed = errors.New("it does not open: the file is damaged, or was sealed under another key or for another party, peer or plan")

// LoadKey reads a vault's key from a file, which is made, with mode 0600, if
// there is none.
func LoadKey(path string) (key prg.Seed, err error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		fresh := prg.Fresh().Seed()
		f, cerr := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if cerr != nil {
			return key, cerr
		}
		_, err = f.Write(fresh[:])
		if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
			os.Remove(path)
		}
		return fresh, err
	}
	if err == nil && len(data) != len(key) {
		err = fmt.Errorf("%s: %d bytes, a key has %d", path, len(data), len(key))
	}
	copy(key[:], data)
	return key, err
}

// cipherOf is a file's cipher and its associated data.
func (v *Vault) cipherOf(name string, index uint64, salt []byte) (aead cipher.AEAD, data []byte, err error) {
	var key [32]byte
	prg.New(v.key).Child("vault file " + string(salt)).Read(key[:])
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, nil, err
	}
	aead, err = cipher.NewGCM(block)
	data = append([]byte(magic), byte(v.owner.Party))
	data = append(data, v.owner.Peer[:]...)
	data = append(data, v.owner.Plan[:]...)
	data = append(data, v.owner.Key[:]...)
	data = binary.LittleEndian.AppendUint64(data, index)
	return aead, append(data, name...), err
}

func nonceOf(piece uint64, last bool) []byte {
	var n [12]byte
	if last {
		n[0] = 1
	}
	binary.LittleEndian.PutUint64(n[4:], piece)
	return n[:]
}

// seal writes a file as a whole: after a crash it is there or not.
func (v *Vault) seal(name string, index uint64, write func(io.Writer) error, ready func() error) error {
	var salt [saltLen]byte
	prg.Fresh().Read(salt[:])
	aead, data, err := v.cipherOf(name, index, salt[:])
	if err != nil {
		return err
	}
	return Replace(filepath.Join(v.dir, name), 0o600, func(w io.Writer) error {
		if _, err := w.Write(append([]byte(magic), salt[:]...)); err != nil {
			return err
		}
		s := &sealer{w: w, aead: aead, data: data, buf: make([]byte, 0, pieceLen+tagLen)}
		if err := write(s); err != nil {
			return err
		}
		return s.flush(true)
	}, ready)
}

// A sealer encrypts what is written to it.
type sealer struct {
	w      io.Writer
	aead   cipher.AEAD
	data   []byte
	buf    []byte
	pieces uint64
}

func (s *sealer) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		if len(s.buf) == pieceLen {
			if err := s.flush(false); err != nil {
				return 0, err
			}
		}
		m := min(len(b), pieceLen-len(s.buf))
		s.buf, b = append(s.buf, b[:m]...), b[m:]
	}
	return n, nil
}

func (s *sealer) flush(last bool) error {
	_, err := s.w.Write(s.aead.Seal(s.buf[:0], nonceOf(s.pieces, last), s.buf, s.data))
	s.buf, s.pieces = s.buf[:0], s.pieces+1
	return err
}

// A file is one that can be read anywhere; folder_*.go open it.
type file interface {
	io.ReaderAt
	io.Closer
}

// An Item is a file that is being read. Whatever its readers hand out is what
// was sealed, at the place where it was: each piece is checked, with its number,
// before a byte of it. An item that was taken stays readable until it is closed.
type Item struct {
	f    file
	aead cipher.AEAD
	data []byte
	size int64
}

// unseal reads the head of a file of size bytes.
func (v *Vault) unseal(f file, size int64, name string, index uint64) (*Item, error) {
	var head [len(magic) + saltLen]byte
	if _, err := f.ReadAt(head[:], 0); err != nil || string(head[:len(magic)]) != magic {
		return nil, errSealed
	}
	aead, data, err := v.cipherOf(name, index, head[len(magic):])
	if err != nil {
		return nil, err
	}
	size -= int64(len(head))
	pieces := max(1, (size+pieceLen+tagLen-1)/(pieceLen+tagLen))
	if size -= pieces * tagLen; size < (pieces-1)*pieceLen { // no room for the last one's tag
		return nil, errSealed
	}
	return &Item{f, aead, data, size}, nil
}

// openFile is unseal of a file of the vault's folder.
func (v *Vault) openFile(name string, index uint64) (*Item, error) {
	f, size, err := openFile(filepath.Join(v.dir, name))
	if err != nil {
		return nil, err
	}
	it, err := v.unseal(f, size, name, index)
	if err != nil {
		f.Close()
	}
	return it, err
}

// Size is how many bytes there are to read, if nothing was cut off: a reader of
// the last of them finds out.
func (it *Item) Size() int64 { return it.size }

// Close ends all reading.
func (it *Item) Close() error { return it.f.Close() }

// Section reads n bytes, or as many as there are, from a place on. Sections can be
// read at the same time.
func (it *Item) Section(from, n int64) io.Reader {
	return &section{it: it, piece: from / pieceLen, skip: int(from % pieceLen), left: max(0, min(n, it.size-from))}
}

// section decrypts.
type section struct {
	it    *Item
	piece int64 // the next
	skip  int   // bytes at its front
	left  int64 // bytes to hand out
	buf   []byte
	clear []byte // of buf
}

func (s *section) Read(b []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	if len(s.clear) == 0 {
		if err := s.open(); err != nil {
			return 0, err
		}
	}
	n := copy(b[:min(int64(len(b)), s.left)], s.clear)
	s.clear, s.left = s.clear[n:], s.left-int64(n)
	return n, nil
}

// open decrypts the next piece.
func (s *section) open() error {
	at := s.piece * pieceLen
	n := min(s.it.size-at, pieceLen)
	if s.buf == nil {
		s.buf = make([]byte, n+tagLen)
	}
	b := s.buf[:n+tagLen]
	if _, err := s.it.f.ReadAt(b, int64(len(magic)+saltLen)+s.piece*(pieceLen+tagLen)); err != nil {
		return err
	}
	clear, err := s.it.aead.Open(b[:0], nonceOf(uint64(s.piece), at+n == s.it.size), b, s.it.data)
	if err != nil {
		return errSealed
	}
	s.clear, s.piece, s.skip = clear[s.skip:], s.piece+1, 0
	return nil
}

// readAll reads a small file.
func (v *Vault) readAll(name string, index uint64, n int64) ([]byte, error) {
	it, err := v.openFile(name, index)
	if err != nil {
		return nil, err
	}
	defer it.Close()
	if it.size != n {
		return nil, errSealed
	}
	return io.ReadAll(it.Section(0, n))
}

// Replace writes a file as a whole: after a crash it is the old one or the new
// one, and when Replace returns it is the new one. ready, which may be nil, is
// called in between, with the new one on the disk; its error leaves the old one.
func Replace(path string, perm fs.FileMode, write func(io.Writer) error, ready func() error) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*"+partSuffix)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	err = write(w)
	for _, step := range []func() error{w.Flush, func() error { return f.Chmod(perm) }, f.Sync} {
		if err == nil {
			err = step()
		}
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil && ready != nil {
		err = ready()
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return err
	}
	return syncFolder(dir)
}

// syncFolder makes what was created, renamed and deleted in a folder last.
func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
