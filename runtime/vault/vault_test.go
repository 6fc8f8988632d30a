package vault

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"nimbus/internal/prg"
)

var testOwner = Owner{Party: 1, Peer: [32]byte{1}, Plan: [32]byte{2}, Key: [32]byte{3}}

func open(t testing.TB, dir string) *Vault {
	t.Helper()
	v, err := Open(dir, prg.Seed{7}, testOwner)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// put keeps an item that repeats b n times.
func put(t testing.TB, v *Vault, index uint64, b byte, n int) {
	t.Helper()
	if err := v.Begin(index); err != nil {
		t.Fatal(err)
	}
	if err := v.Put(index, func(w io.Writer) error {
		_, err := w.Write(bytes.Repeat([]byte{b}, n))
		return err
	}, nil); err != nil {
		t.Fatal(err)
	}
}

func read(v *Vault, index uint64) ([]byte, error) {
	it, err := v.Open(index)
	if err != nil {
		return nil, err
	}
	defer it.Close()
	return io.ReadAll(it.Section(0, it.Size()))
}

func state(t testing.TB, v *Vault) State {
	t.Helper()
	s, err := v.State()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Items of all kinds of lengths come back, once, in whatever process; numbers
// are never given again.
func TestEachOnce(t *testing.T) {
	dir := t.TempDir()
	v := open(t, dir)
	sizes := []int{0, 1, pieceLen - 1, pieceLen, pieceLen + 1, 2 * pieceLen}
	for i, n := range sizes {
		put(t, v, uint64(i+1), 'x', n)
	}
	for i, n := range sizes {
		index := uint64(i + 1)
		v = open(t, dir)
		if s := state(t, v); s.Floor != index || s.Next != uint64(len(sizes)+1) || len(s.Items) != len(sizes)-i || s.Items[0] != index {
			t.Fatalf("%+v before item %d", s, index)
		}
		data, err := read(v, index)
		if err != nil || len(data) != n {
			t.Errorf("item %d: %d bytes of %d, %v", index, len(data), n, err)
		}
		if err := v.Take(index); err != nil {
			t.Error(err)
		}
		for _, v := range []*Vault{v, open(t, dir)} {
			if err := v.Take(index); !errors.Is(err, ErrUsed) {
				t.Errorf("item %d is taken twice: %v", index, err)
			}
			if _, err := read(v, index); err == nil {
				t.Errorf("item %d is read after it was taken", index)
			}
			if v.Begin(index) == nil || v.Put(index, func(io.Writer) error { return nil }, nil) == nil {
				t.Errorf("item %d is made anew", index)
			}
		}
	}
	if err := v.Begin(MaxIndex); err == nil {
		t.Error("a number beyond all")
	}
}

// An item that is taken takes those before it along, but for what another
// session holds.
func TestTakeInOrder(t *testing.T) {
	v := open(t, t.TempDir())
	for i := range uint64(5) {
		put(t, v, i+1, 'x', 10)
	}
	release, ok := v.Hold(2)
	if _, again := v.Hold(2); !ok || again {
		t.Fatal("held twice, or not once")
	}
	if s := state(t, v); slices.Contains(s.Items, 2) {
		t.Error("what is held is offered")
	}
	if err := v.Take(4); err != nil {
		t.Fatal(err)
	}
	if err := v.Take(2); err != nil {
		t.Errorf("what was held is gone: %v", err)
	}
	release()
	if err := v.Take(4); !errors.Is(err, ErrUsed) {
		t.Errorf("taken twice: %v", err)
	}
	if s := state(t, v); !slices.Equal(s.Items, []uint64{5}) {
		t.Errorf("%+v is left", s)
	}
	if err := v.Drop(func(i uint64) bool { return i == 5 }); err != nil || v.Take(5) == nil {
		t.Errorf("what was dropped is there: %v", err)
	}
	put(t, v, 9, 'x', 1)
	if err := v.Discard(); err != nil {
		t.Fatal(err)
	}
	if s := state(t, v); s.Floor != 10 || s.Next != 10 || len(s.Items) != 0 {
		t.Errorf("%+v after all was discarded", s)
	}
}

// Of many that want an item at once, in several processes, one gets it.
func TestRace(t *testing.T) {
	dir := t.TempDir()
	put(t, open(t, dir), 1, 'x', 10)
	var got atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		v := open(t, dir)
		wg.Go(func() {
			switch err := v.Take(1); {
			case err == nil:
				got.Add(1)
			case !errors.Is(err, ErrUsed):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got.Load() != 1 {
		t.Errorf("%d took the item", got.Load())
	}
}

// A file that is changed, cut, extended, renamed, of another key or another
// owner does not open, wherever it was touched.
func TestSealed(t *testing.T) {
	dir := t.TempDir()
	v := open(t, dir)
	put(t, v, 1, 'x', pieceLen+1000)
	put(t, v, 2, 'y', 100)
	path := filepath.Join(dir, itemFile(1))
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(good, []byte("xxxx")) {
		t.Error("it is not encrypted")
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	refused := func(what string, data []byte) {
		t.Helper()
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := read(v, 1); err == nil {
			t.Errorf("%s: it opens", what)
		}
	}
	head := len(magic) + saltLen
	for at := 0; at < len(good); at += 1 + at/3 {
		bad := slices.Clone(good)
		bad[at] ^= 1
		refused(fmt.Sprintf("byte %d", at), bad)
	}
	for _, n := range []int{0, head - 1, head, head + 1, head + pieceLen + tagLen, len(good) - 1} {
		refused(fmt.Sprintf("cut to %d", n), good[:n])
	}
	refused("extended", append(slices.Clone(good), 0))
	second := good[head+pieceLen+tagLen:]
	refused("without its first piece", append(slices.Clone(good[:head]), second...))
	refused("with its last piece twice", append(slices.Clone(good), second...))
	other, err := os.ReadFile(filepath.Join(dir, itemFile(2)))
	if err != nil {
		t.Fatal(err)
	}
	refused("another item", other)
	if err := os.WriteFile(path, good, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := read(v, 1); err != nil {
		t.Fatal(err)
	}
	owners := []Owner{testOwner, testOwner, testOwner, testOwner}
	owners[0].Party, owners[1].Peer[5], owners[2].Plan[5], owners[3].Key[5] = 0, 1, 1, 1
	for i, o := range owners {
		w, err := Open(dir, prg.Seed{7}, o)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := read(w, 1); err == nil {
			t.Errorf("it opens for the owner %d", i)
		}
	}
	w, err := Open(dir, prg.Seed{8}, testOwner)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := read(w, 1); err == nil {
		t.Error("it opens under another key")
	}
	if _, err := w.State(); err == nil || !strings.Contains(err.Error(), "another key") {
		t.Errorf("the counters open under another key: %v", err)
	}
	if got := fmt.Sprintf("%v %+v %#v", w, w, w); strings.Contains(got, "8") && strings.Contains(got, "Seed") {
		t.Errorf("it prints %s", got)
	}
}

// What crashed while it was written is not there; a vault whose counters are
// lost does not go on with the items.
func TestCrash(t *testing.T) {
	dir := t.TempDir()
	v := open(t, dir)
	if err := v.Begin(1); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	if err := v.Put(1, func(w io.Writer) error {
		w.Write(make([]byte, 3*pieceLen))
		return broken
	}, nil); !errors.Is(err, broken) {
		t.Error(err)
	}
	if err := v.Put(1, func(io.Writer) error { return nil }, func() error { return broken }); !errors.Is(err, broken) {
		t.Error(err)
	}
	left := filepath.Join(dir, "."+itemFile(1)+".1234"+partSuffix) // of a process that was killed
	if err := os.WriteFile(left, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	v = open(t, dir)
	if s := state(t, v); s.Next != 2 || len(s.Items) != 0 {
		t.Errorf("%+v", s)
	}
	put(t, v, 2, 'x', 1)
	if err := v.Take(2); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); err == nil {
		t.Error("what a killed process left is still there")
	}
	put(t, v, 3, 'x', 1)
	if err := os.Remove(filepath.Join(dir, counterFile)); err != nil {
		t.Fatal(err)
	}
	if s, err := v.State(); err == nil {
		t.Errorf("items without counters: %+v", s)
	}
}

// A copy of a folder has no items: they may be used in the other one.
func TestCopy(t *testing.T) {
	dir, other := t.TempDir(), filepath.Join(t.TempDir(), "copy")
	v := open(t, dir)
	put(t, v, 1, 'x', 1)
	put(t, v, 2, 'x', 1)
	if v.folder() == 0 {
		t.Skip("folders have no numbers here")
	}
	if err := os.CopyFS(other, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	w := open(t, other)
	if s := state(t, w); s.Copied != 2 || len(s.Items) != 0 || s.Floor != 3 || s.Next != 3 {
		t.Errorf("a copy has %+v", s)
	}
	if err := w.Take(1); !errors.Is(err, ErrUsed) {
		t.Errorf("a copy gives: %v", err)
	}
	if s := state(t, w); s.Copied != 0 {
		t.Errorf("it is told twice: %+v", s)
	}
	put(t, w, 3, 'x', 1)
	if s := state(t, v); len(s.Items) != 2 {
		t.Errorf("the original has %+v", s)
	}
}

func TestLoadKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	a, err := LoadKey(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if b, err := LoadKey(path); err != nil || a != b || a == (prg.Seed{}) {
		t.Errorf("read again: %v", err)
	}
	if c, err := LoadKey(path + "2"); err != nil || c == a {
		t.Errorf("another file has the same key: %v", err)
	}
	if err := os.WriteFile(path, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadKey(path); err == nil {
		t.Error("a short key")
	}
}
