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
func (v *Vault) seal(name string, index uint64, write func(io.Writer) error) error {
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
	})
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

// open hands what a file holds to parse, which must read all of it.
func (v *Vault) open(name string, index uint64, parse func(io.Reader) error) error {
	f, err := os.Open(filepath.Join(v.dir, name))
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	var head [len(magic) + saltLen]byte
	if _, err := io.ReadFull(f, head[:]); err != nil || string(head[:len(magic)]) != magic {
		return errSealed
	}
	aead, data, err := v.cipherOf(name, index, head[len(magic):])
	if err != nil {
		return err
	}
	o := &opener{r: f, left: info.Size() - int64(len(head)), aead: aead, data: data, buf: make([]byte, pieceLen+tagLen)}
	if err := parse(o); err != nil {
		return err
	}
	if _, err := o.Read(make([]byte, 1)); err != io.EOF {
		return errors.Join(errors.New("it is longer than it should be"), err)
	}
	return nil
}

// An opener decrypts. It hands out a piece after it has checked its tag.
type opener struct {
	r      io.Reader
	left   int64 // of the file
	aead   cipher.AEAD
	data   []byte
	buf    []byte
	clear  []byte // of buf
	pieces uint64
	done   bool
}

func (o *opener) Read(b []byte) (int, error) {
	for len(o.clear) == 0 {
		if o.done {
			return 0, io.EOF
		}
		n := min(o.left, pieceLen+tagLen)
		o.left -= n
		o.done = o.left == 0
		if _, err := io.ReadFull(o.r, o.buf[:n]); err != nil {
			return 0, err
		}
		var err error
		if o.clear, err = o.aead.Open(o.buf[:0], nonceOf(o.pieces, o.done), o.buf[:n], o.data); err != nil {
			return 0, errSealed
		}
		o.pieces++
	}
	n := copy(b, o.clear)
	o.clear = o.clear[n:]
	return n, nil
}

// Replace writes a file as a whole: after a crash it is the old one or the new
// one, and when Replace returns it is the new one.
func Replace(path string, perm fs.FileMode, write func(io.Writer) error) error {
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
