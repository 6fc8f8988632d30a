package artifact

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	goruntime "runtime"
	"sync"
)

// File is a verified file, mapped into memory. It may be used by several goroutines at once.
type File struct {
	Header Header
	path   string
	data   []byte
	unmap  func() error
	start  map[string]int64
}

// Open maps the file at path and verifies all of it: every chunk against its checksum, the checksums and the header
// against the root, plan digest and key id against what the session expects.
func Open(path string, plan, key [32]byte) (*File, error) {
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	if err := f.Header.check(plan, key); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

func open(path string) (_ *File, err error) {
	osf, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("artifact: %w", err)
	}
	defer osf.Close()
	info, err := osf.Stat()
	if err != nil {
		return nil, fmt.Errorf("artifact: %w", err)
	}
	if info.Size() < preamble || info.Size() > 2*maxBody || int64(int(info.Size())) != info.Size() {
		return nil, fmt.Errorf("artifact: %s has %d bytes: %w", path, info.Size(), ErrCorrupt)
	}
	f := &File{path: path}
	if f.data, f.unmap, err = mapFile(osf, int(info.Size())); err != nil {
		return nil, fmt.Errorf("artifact: map %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	head, err := headerLen(f.data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if head > len(f.data) {
		return nil, fmt.Errorf("artifact: %s is truncated: %w", path, ErrCorrupt)
	}
	h, err := parseHeader(f.data[:head])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	f.Header = *h
	if size, err := h.Size(); err != nil || size != int64(len(f.data)) {
		return nil, fmt.Errorf("artifact: %s has %d bytes, expected %d: %w", path, len(f.data), size, ErrCorrupt)
	}
	body := f.data[head : int64(head)+h.body()]
	sums := f.data[head+len(body) : len(f.data)-sumLen]
	if r := root(f.data[:head], sums); !bytes.Equal(r[:], f.data[len(f.data)-sumLen:]) {
		return nil, fmt.Errorf("artifact: %s: header or checksums are damaged; delete the file and run setup again: %w", path, ErrCorrupt)
	}
	if bad := verify(body, sums); bad >= 0 {
		return nil, fmt.Errorf("artifact: %s: chunk %d of %d is damaged; delete the file and run setup again: %w", path, bad, chunks(int64(len(body))), ErrCorrupt)
	}
	f.start = map[string]int64{}
	at := int64(head)
	for _, s := range h.Sections {
		f.start[s.Name] = at
		at += s.Bytes
	}
	return f, nil
}

// verify returns the first chunk of body that does not have its sum, or -1.
func verify(body, sums []byte) int {
	n := chunks(int64(len(body)))
	var mu sync.Mutex
	bad := -1
	next := 0
	var wg sync.WaitGroup
	for range min(goruntime.GOMAXPROCS(0), n) {
		wg.Go(func() {
			for {
				mu.Lock()
				i := next
				next++
				mu.Unlock()
				if i >= n {
					return
				}
				chunk := body[i*chunkLen : min((i+1)*chunkLen, len(body))]
				if got := sha256.Sum256(chunk); !bytes.Equal(got[:], sums[i*sumLen:(i+1)*sumLen]) {
					mu.Lock()
					if bad < 0 || i < bad {
						bad = i
					}
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return bad
}

// Section returns the named section.
func (f *File) Section(name string) (Section, error) {
	for _, s := range f.Header.Sections {
		if s.Name == name {
			at := f.start[name]
			return Section{s, f.Header.PlanDigest, f.Header.KeyID, f.data[at : at+s.Bytes : at+s.Bytes]}, nil
		}
	}
	return Section{}, fmt.Errorf("artifact: %s holds no section %q; run setup again", f.path, name)
}

// Close unmaps the file; its sections must not be used afterwards.
func (f *File) Close() error {
	if f.unmap == nil {
		return nil
	}
	u := f.unmap
	f.unmap, f.data = nil, nil
	return u()
}

// readAll is mapping for systems that cannot.
func readAll(f *os.File, size int) ([]byte, func() error, error) {
	b := make([]byte, size)
	if _, err := io.ReadFull(f, b); err != nil {
		return nil, nil, err
	}
	return b, func() error { return nil }, nil
}
