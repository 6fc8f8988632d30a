package artifact

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"os"
)

// Writer makes a file. Sections are written in the header's order, each to its full length; nothing appears at path
// until Close has succeeded.
type Writer struct {
	path string
	f    *os.File
	w    *bufio.Writer
	h    *Header
	head []byte
	sums []byte
	sum  hash.Hash
	in   int // bytes of the current chunk hashed
	next int // section
	left int64
	err  error
}

// Create begins the file of h at path.
func Create(path string, h Header) (*Writer, error) {
	head, err := h.marshal()
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path+".part", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, diskError(err, path)
	}
	w := &Writer{path: path, f: f, w: bufio.NewWriterSize(f, chunkLen), h: &h, head: head, sum: sha256.New()}
	if _, err := w.w.Write(head); err != nil {
		w.Abort()
		return nil, diskError(err, path)
	}
	return w, nil
}

// Section returns the writer of the named section, which must be the next in the header; the one before must be complete.
func (w *Writer) Section(name string) (io.Writer, error) {
	if w.left != 0 {
		return nil, fmt.Errorf("artifact: section %s lacks %d bytes", w.h.Sections[w.next-1].Name, w.left)
	}
	if w.next >= len(w.h.Sections) || w.h.Sections[w.next].Name != name {
		return nil, fmt.Errorf("artifact: section %s is not the next in the header", name)
	}
	w.left = w.h.Sections[w.next].Bytes
	w.next++
	return sectionWriter{w}, nil
}

type sectionWriter struct{ w *Writer }

func (s sectionWriter) Write(b []byte) (int, error) {
	w := s.w
	if w.err != nil {
		return 0, w.err
	}
	if int64(len(b)) > w.left {
		return 0, fmt.Errorf("artifact: section %s: %d bytes too many", w.h.Sections[w.next-1].Name, int64(len(b))-w.left)
	}
	if _, err := w.w.Write(b); err != nil {
		w.err = diskError(err, w.path)
		return 0, w.err
	}
	w.left -= int64(len(b))
	for rest := b; len(rest) > 0; {
		n := min(len(rest), chunkLen-w.in)
		w.sum.Write(rest[:n])
		rest = rest[n:]
		if w.in += n; w.in == chunkLen {
			w.endChunk()
		}
	}
	return len(b), nil
}

func (w *Writer) endChunk() {
	w.sums = w.sum.Sum(w.sums)
	w.sum.Reset()
	w.in = 0
}

// Close completes the file and puts it at its path. An incomplete file is an error and is removed.
func (w *Writer) Close() error {
	if w.f == nil {
		return fmt.Errorf("artifact: %s is already closed", w.path)
	}
	if w.err == nil && (w.left != 0 || w.next != len(w.h.Sections)) {
		w.err = fmt.Errorf("artifact: %s is incomplete: %d of %d sections begun, %d bytes missing in the last", w.path, w.next, len(w.h.Sections), w.left)
	}
	if w.err != nil {
		w.Abort()
		return w.err
	}
	if w.in > 0 {
		w.endChunk()
	}
	r := root(w.head, w.sums)
	err := func() error {
		if _, err := w.w.Write(append(w.sums, r[:]...)); err != nil {
			return err
		}
		if err := w.w.Flush(); err != nil {
			return err
		}
		if err := w.f.Sync(); err != nil {
			return err
		}
		if err := w.f.Close(); err != nil {
			return err
		}
		return os.Rename(w.path+".part", w.path)
	}()
	if err != nil {
		w.Abort()
		return diskError(err, w.path)
	}
	w.f = nil
	return nil
}

// Abort gives the file up. It is safe after Close.
func (w *Writer) Abort() {
	if w.f != nil {
		w.f.Close()
		os.Remove(w.path + ".part")
		w.f = nil
	}
}
