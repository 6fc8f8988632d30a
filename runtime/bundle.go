package runtime

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A Bundle holds the small files that a client needs beside the plan: the
// tokenizer's vocabulary and settings, the names of the labels. All of it is
// public to the client.
type Bundle map[string][]byte

const (
	bundleMaxFiles = 16
	bundleMaxBytes = 64 << 20
)

// Marshal encodes the bundle with names in order:
//
//	u32 number of files, then for each: u8 length and name, u32 length and bytes
func (b Bundle) Marshal() ([]byte, error) {
	names := make([]string, 0, len(b))
	total := 0
	for name, data := range b {
		if err := checkBundleName(name); err != nil {
			return nil, err
		}
		names = append(names, name)
		total += len(data) + len(name) + 5
	}
	if len(names) > bundleMaxFiles || total > bundleMaxBytes {
		return nil, fmt.Errorf("bundle: %d files of %d bytes together, at most %d and %d", len(names), total, bundleMaxFiles, bundleMaxBytes)
	}
	slices.Sort(names)
	out := binary.LittleEndian.AppendUint32(make([]byte, 0, total+4), uint32(len(names)))
	for _, name := range names {
		out = append(out, uint8(len(name)))
		out = append(out, name...)
		out = binary.LittleEndian.AppendUint32(out, uint32(len(b[name])))
		out = append(out, b[name]...)
	}
	return out, nil
}

// ParseBundle reads what Marshal wrote. Names are plain file names, in order
// and without repetition, and nothing may follow the last file.
func ParseBundle(data []byte) (Bundle, error) {
	if len(data) > bundleMaxBytes {
		return nil, fmt.Errorf("bundle: %d bytes, at most %d", len(data), bundleMaxBytes)
	}
	take := func(n int) ([]byte, error) {
		if n < 0 || n > len(data) {
			return nil, fmt.Errorf("bundle: truncated: %d bytes left, %d expected", len(data), n)
		}
		part := data[:n]
		data = data[n:]
		return part, nil
	}
	head, err := take(4)
	if err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(head)
	if n > bundleMaxFiles {
		return nil, fmt.Errorf("bundle: %d files, at most %d", n, bundleMaxFiles)
	}
	out, last := Bundle{}, ""
	for range n {
		length, err := take(1)
		if err != nil {
			return nil, err
		}
		name, err := take(int(length[0]))
		if err != nil {
			return nil, err
		}
		if err := checkBundleName(string(name)); err != nil {
			return nil, err
		}
		if string(name) <= last {
			return nil, fmt.Errorf("bundle: file %q is not in order", name)
		}
		last = string(name)
		size, err := take(4)
		if err != nil {
			return nil, err
		}
		body, err := take(int(binary.LittleEndian.Uint32(size)))
		if err != nil {
			return nil, err
		}
		out[last] = slices.Clone(body)
	}
	if len(data) > 0 {
		return nil, fmt.Errorf("bundle: %d bytes after the last file", len(data))
	}
	return out, nil
}

func checkBundleName(name string) error {
	ok := name != "" && len(name) < 100 && name[0] != '.' && name == filepath.Base(name)
	for _, r := range name {
		ok = ok && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r))
	}
	if !ok {
		return fmt.Errorf("bundle: %q is not a plain file name", name)
	}
	return nil
}

// FS shows the bundle as a folder of files.
func (b Bundle) FS() fs.FS { return bundleFS(b) }

type bundleFS Bundle

func (b bundleFS) Open(name string) (fs.File, error) {
	data, ok := b[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &bundleFile{bytes.NewReader(data), name}, nil
}

type bundleFile struct {
	*bytes.Reader
	name string
}

func (f *bundleFile) Stat() (fs.FileInfo, error) { return f, nil }
func (f *bundleFile) Close() error               { return nil }
func (f *bundleFile) Name() string               { return f.name }
func (f *bundleFile) Mode() fs.FileMode          { return 0o444 }
func (f *bundleFile) ModTime() time.Time         { return time.Time{} }
func (f *bundleFile) IsDir() bool                { return false }
func (f *bundleFile) Sys() any                   { return nil }
