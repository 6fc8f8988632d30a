package artifact

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

var testHeader = Header{
	PlanDigest: [32]byte{1}, KeyID: [32]byte{2}, Public: []byte("keys"),
	Sections: []SectionInfo{
		{Name: "word", Kind: "table", Set: "n2048", Rows: 3, Bytes: 2*chunkLen + 77},
		{Name: "none", Kind: "matmul", Set: "n4096"},
		{Name: "w", Kind: "matmul", Set: "n4096", Rows: 9, Bytes: 1000},
	},
}

func content(h Header) [][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	var out [][]byte
	for _, s := range h.Sections {
		b := make([]byte, s.Bytes)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		out = append(out, b)
	}
	return out
}

func write(t testing.TB, h Header) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "weights.nwx")
	w, err := Create(path, h)
	if err != nil {
		t.Fatal(err)
	}
	for i, data := range content(h) {
		sec, err := w.Section(h.Sections[i].Name)
		if err != nil {
			t.Fatal(err)
		}
		for len(data) > 0 {
			n := min(len(data), 12345)
			if _, err := sec.Write(data[:n]); err != nil {
				t.Fatal(err)
			}
			data = data[n:]
		}
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the file is there before it is complete")
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRoundTrip(t *testing.T) {
	path := write(t, testHeader)
	f, err := Open(path, testHeader.PlanDigest, testHeader.KeyID)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if string(f.Header.Public) != "keys" || len(f.Header.Sections) != 3 {
		t.Errorf("header %+v", f.Header)
	}
	for i, want := range content(testHeader) {
		s, err := f.Section(testHeader.Sections[i].Name)
		if err != nil {
			t.Fatal(err)
		}
		if s.SectionInfo != testHeader.Sections[i] || s.KeyID != testHeader.KeyID || s.PlanDigest != testHeader.PlanDigest || !bytes.Equal(s.Data, want) {
			t.Errorf("section %s differs", s.Name)
		}
	}
	if _, err := f.Section("other"); err == nil {
		t.Error("a missing section was found")
	}
	info, _ := os.Stat(path)
	if size, err := testHeader.Size(); err != nil || size != info.Size() {
		t.Errorf("size %d (%v), file has %d", size, err, info.Size())
	}
	if _, err := os.Stat(path + ".part"); err == nil {
		t.Error("the part file is left")
	}
}

func TestOpenRefuses(t *testing.T) {
	path := write(t, testHeader)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, [32]byte{9}, testHeader.KeyID); err == nil || !strings.Contains(err.Error(), "plan") {
		t.Errorf("another plan: %v", err)
	}
	if _, err := Open(path, testHeader.PlanDigest, [32]byte{9}); err == nil || !strings.Contains(err.Error(), "key") {
		t.Errorf("another key: %v", err)
	}
	if _, err := Open(path+"x", testHeader.PlanDigest, testHeader.KeyID); err == nil {
		t.Error("a missing file was opened")
	}
	refuse := func(what string, data []byte) {
		t.Helper()
		bad := filepath.Join(t.TempDir(), "bad.nwx")
		if err := os.WriteFile(bad, data, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := Open(bad, testHeader.PlanDigest, testHeader.KeyID)
		if err == nil {
			f.Close()
			t.Errorf("%s: accepted", what)
		} else if !errors.Is(err, ErrCorrupt) && !strings.Contains(err.Error(), "run setup again") {
			t.Errorf("%s: %v", what, err)
		}
	}
	head, _ := headerLen(good)
	flips := []int{0, 9, 13, 20, 60, 90, head - 1, head, head + chunkLen + 5, len(good) - 40, len(good) - 1}
	for _, at := range flips {
		bad := bytes.Clone(good)
		bad[at] ^= 0x10
		refuse("flipped bit", bad)
	}
	for _, n := range []int{0, 1, preamble, head, head + 10, len(good) - 1} {
		refuse("truncated", good[:n])
	}
	refuse("longer", append(bytes.Clone(good), 0))
}

func TestWriterRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "w.nwx")
	h := Header{Sections: []SectionInfo{{Name: "a", Bytes: 4}, {Name: "b", Bytes: 4}}}
	w, err := Create(path, h)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Section("b"); err == nil {
		t.Error("sections out of order")
	}
	s, _ := w.Section("a")
	if _, err := s.Write(make([]byte, 5)); err == nil {
		t.Error("section too long")
	}
	s.Write(make([]byte, 3))
	if _, err := w.Section("b"); err == nil {
		t.Error("section too short")
	}
	if err := w.Close(); err == nil {
		t.Error("incomplete file closed")
	}
	if left, _ := filepath.Glob(path + "*"); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	if _, err := Create(path, Header{Sections: []SectionInfo{{Name: "a"}, {Name: "a"}}}); err == nil {
		t.Error("repeated name accepted")
	}
	if _, err := Create(filepath.Join(dir, "no", "w.nwx"), h); err == nil {
		t.Error("missing folder accepted")
	}
}

func TestDiskFullIsClear(t *testing.T) {
	err := diskError(&os.PathError{Op: "write", Path: "w.nwx", Err: syscall.ENOSPC}, "w.nwx")
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "the disk is full; free some space") {
		t.Errorf("%v", err)
	}
	// /dev/full says so on every write.
	f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no /dev/full here")
	}
	w, err := Create(filepath.Join(t.TempDir(), "w.nwx"), Header{Sections: []SectionInfo{{Name: "a", Bytes: 8 << 20}}})
	if err != nil {
		t.Fatal(err)
	}
	w.f.Close()
	w.f = f
	w.w.Reset(f)
	s, err := w.Section("a")
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Write(make([]byte, 8<<20))
	if !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("write to a full disk: %v", err)
	}
	if cerr := w.Close(); !errors.Is(cerr, syscall.ENOSPC) {
		t.Errorf("close after a full disk: %v", cerr)
	}
}

// FuzzOpen: whatever the file holds, checksums that fit or not, it is opened or
// refused, and what is opened has its sections.
func FuzzOpen(f *testing.F) {
	small := testHeader
	small.Sections = []SectionInfo{{Name: "word", Kind: "table", Set: "n2048", Rows: 3, Bytes: 77}, {Name: "none", Kind: "matmul", Set: "n4096"}}
	good, err := os.ReadFile(write(f, small))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good, true)
	f.Add(good[:len(good)-40], false)
	f.Fuzz(func(t *testing.T, data []byte, fit bool) {
		if head, err := headerLen(data); fit && err == nil && head >= 0 && head+sumLen <= len(data) {
			data = bytes.Clone(data)
			if h, err := parseHeader(data[:head]); err == nil && int64(head)+h.body() <= int64(len(data)-sumLen) && h.body() >= 0 {
				body := data[head : int64(head)+h.body()]
				sums := data[head+len(body) : len(data)-sumLen]
				for i := 0; (i+1)*sumLen <= len(sums) && i < chunks(int64(len(body))); i++ {
					sum := sha256.Sum256(body[i*chunkLen : min((i+1)*chunkLen, len(body))])
					copy(sums[i*sumLen:], sum[:])
				}
				r := root(data[:head], sums)
				copy(data[len(data)-sumLen:], r[:])
			}
		}
		path := filepath.Join(t.TempDir(), "a.nwx")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		a, err := Open(path, testHeader.PlanDigest, testHeader.KeyID)
		if err != nil {
			return
		}
		defer a.Close()
		for _, info := range a.Header.Sections {
			if s, err := a.Section(info.Name); err != nil || int64(len(s.Data)) != info.Bytes {
				t.Errorf("section %s: %d bytes, %v", info.Name, len(s.Data), err)
			}
		}
	})
}

func FuzzParseHeader(f *testing.F) {
	good, err := testHeader.marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:20])
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := parseHeader(b)
		if err != nil {
			return
		}
		again, err := h.marshal()
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("header does not survive a round trip: %v", err)
		}
	})
}
