package vault

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"nimbus/internal/prg"
)

// Limits of a vault's numbers.
const (
	// MaxItems bounds the items of a vault.
	MaxItems = 1 << 12
	// MaxIndex bounds their numbers, which begin at 1.
	MaxIndex = 1 << 62
)

// An Owner says whose items a vault holds. A file sealed for one owner does not
// open for another.
type Owner struct {
	Party int      // share.Client or share.Server
	Peer  [32]byte // the other's fingerprint
	Plan  [32]byte // its digest
	Key   [32]byte // id of the server's keys
}

// A Vault is a folder of items. It may be used by several goroutines, and the
// folder by several processes.
type Vault struct {
	dir   string
	key   prg.Seed
	owner Owner
	mu    sync.Mutex
	busy  map[uint64]bool // held by a session of this process
}

// State is what a vault holds.
type State struct {
	Floor uint64   // every item below it is used or lost
	Next  uint64   // the number of the next item to be made
	Items []uint64 // ascending, from Floor on
	// Copied is how many items were dropped because the folder is not the one in
	// which they were made.
	Copied int
}

var (
	// ErrUsed is the answer to whoever wants an item that was taken before, or
	// lost.
	ErrUsed = errors.New("it was used before")
	// errMade is the answer to whoever wants to make an item anew.
	errMade = errors.New("its number was given before")
)

const (
	counterFile = "counter"
	lockFile    = "lock"
	itemSuffix  = ".item"
	partSuffix  = ".part"
)

// Open returns the vault in a folder, which is made if there is none.
func Open(dir string, key prg.Seed, owner Owner) (*Vault, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return &Vault{dir: dir, key: key, owner: owner, busy: map[uint64]bool{}}, nil
}

// Dir is the vault's folder.
func (v *Vault) Dir() string { return v.dir }

// Format hides the key whatever the verb.
func (v *Vault) Format(f fmt.State, _ rune) { io.WriteString(f, "vault.Vault("+v.dir+")") }

// counter is the content of the file of that name.
type counter struct{ floor, next, folder uint64 }

func (v *Vault) readCounter() (counter, error) {
	c := counter{1, 1, v.folder()}
	b, err := v.readAll(counterFile, 0, 24)
	if errors.Is(err, fs.ErrNotExist) {
		// Whoever deletes the counter deletes what it counts.
		if items, lerr := v.items(0); lerr != nil || len(items) == 0 {
			return c, lerr
		}
	}
	if err != nil {
		return c, fmt.Errorf("%s: %w", filepath.Join(v.dir, counterFile), err)
	}
	c.floor, c.next, c.folder = binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:])
	return c, nil
}

func (v *Vault) writeCounter(c counter) error {
	b := binary.LittleEndian.AppendUint64(nil, c.floor)
	b = binary.LittleEndian.AppendUint64(b, c.next)
	b = binary.LittleEndian.AppendUint64(b, c.folder)
	return v.seal(counterFile, 0, func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	}, nil)
}

// items lists the items from floor on.
func (v *Vault) items(floor uint64) ([]uint64, error) {
	entries, err := os.ReadDir(v.dir)
	if err != nil {
		return nil, err
	}
	var out []uint64
	for _, e := range entries {
		if i, ok := numberOf(e.Name()); ok && i >= floor {
			out = append(out, i)
		}
	}
	slices.Sort(out)
	return out, nil
}

func itemFile(index uint64) string { return fmt.Sprintf("%016x%s", index, itemSuffix) }

// numberOf is the number of the item that a file holds.
func numberOf(name string) (uint64, bool) {
	text, ok := strings.CutSuffix(name, itemSuffix)
	if !ok || len(text) != 16 {
		return 0, false
	}
	i, err := strconv.ParseUint(text, 16, 64)
	return i, err == nil && i > 0 && i < MaxIndex && itemFile(i) == name
}

// locked runs f while no other process or goroutine changes the vault. What it
// is given are the counters, after what makes them true again: a folder that is
// a copy loses its items.
func (v *Vault) locked(f func(c counter, copied int) error) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	unlock, err := lockFolder(filepath.Join(v.dir, lockFile))
	if err != nil {
		return err
	}
	defer unlock()
	c, err := v.readCounter()
	if err != nil {
		return err
	}
	copied := 0
	if here := v.folder(); c.folder != here {
		items, err := v.items(c.floor)
		if err != nil {
			return err
		}
		copied = len(items)
		c.floor, c.folder = c.next, here
		if err := v.writeCounter(c); err != nil {
			return err
		}
		if err := v.clear(func(i uint64) bool { return i < c.floor }); err != nil {
			return err
		}
	}
	return f(c, copied)
}

// clear deletes the items that are not wanted, and what is left of those that
// never came about (.NUMBER.item.RANDOM.part).
func (v *Vault) clear(unwanted func(uint64) bool) error {
	entries, err := os.ReadDir(v.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := e.Name()
		if strings.HasSuffix(name, partSuffix) {
			name = strings.TrimPrefix(name, ".")
			name = name[:min(len(name), len(itemFile(0)))]
		}
		if i, ok := numberOf(name); ok && unwanted(i) {
			if err := os.Remove(filepath.Join(v.dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return syncFolder(v.dir)
}

// State reads the counters and lists the items.
func (v *Vault) State() (s State, err error) {
	err = v.locked(func(c counter, copied int) error {
		items, err := v.items(c.floor)
		items = slices.DeleteFunc(items, func(i uint64) bool { return v.busy[i] })
		s = State{c.floor, c.next, items, copied}
		return err
	})
	return s, err
}

// Size is how many bytes the items take on the disk.
func (v *Vault) Size() (n int64, err error) {
	err = v.locked(func(counter, int) error {
		entries, err := os.ReadDir(v.dir)
		for _, e := range entries {
			if info, ierr := e.Info(); ierr == nil {
				n += info.Size()
			}
		}
		return err
	})
	return n, err
}

// Begin gives away an item's number, of State's Next or above: none from it down
// will be given again.
func (v *Vault) Begin(index uint64) error {
	return v.locked(func(c counter, _ int) error {
		if index < c.next || index >= MaxIndex {
			return fmt.Errorf("item %d: %w", index, errMade)
		}
		c.next = index + 1
		return v.writeCounter(c)
	})
}

// Put keeps an item, which write writes, under a number that Begin gave. It
// returns when the item is on the disk. It calls ready, which may be nil, when
// nothing is left to do but to show the item, and does not show it if that is an
// error. The folder is not locked meanwhile.
func (v *Vault) Put(index uint64, write func(io.Writer) error, ready func() error) error {
	s, err := v.State()
	switch {
	case err != nil:
		return err
	case index < s.Floor || index >= s.Next || slices.Contains(s.Items, index):
		return fmt.Errorf("item %d: %w", index, errMade)
	case len(s.Items) >= MaxItems:
		return fmt.Errorf("item %d: %d items are there, which is the most", index, len(s.Items))
	}
	release, ok := v.Hold(index)
	if !ok {
		return fmt.Errorf("item %d: %w", index, errMade)
	}
	defer release()
	return v.seal(itemFile(index), index, write, ready)
}

// Open begins to read an item. Nothing of it may be used before [Vault.Take],
// after which it still can be read. An error, of Open or of a reader, means that
// the item is of no use.
func (v *Vault) Open(index uint64) (*Item, error) {
	it, err := v.openFile(itemFile(index), index)
	if err != nil {
		return nil, fmt.Errorf("item %d: %w", index, err)
	}
	return it, nil
}

// Hold keeps an item from other sessions of this process until release is
// called; ok tells whether it was free.
func (v *Vault) Hold(index uint64) (release func(), ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.busy[index] {
		return nil, false
	}
	v.busy[index] = true
	return func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		delete(v.busy, index)
	}, true
}

// Take makes an item the caller's, and deletes it and all before it that nobody
// holds. When it returns without an error that is on the disk, and nobody else
// has had the item or will have it.
func (v *Vault) Take(index uint64) error {
	return v.locked(func(c counter, _ int) error {
		if index < c.floor || index >= c.next {
			return fmt.Errorf("item %d: %w", index, ErrUsed)
		}
		floor := index + 1
		for i := range v.busy {
			if i != index {
				floor = min(floor, i)
			}
		}
		c.floor = max(c.floor, floor)
		if err := v.writeCounter(c); err != nil {
			return err
		}
		// Where folders cannot be locked this decides among processes.
		if err := os.Remove(filepath.Join(v.dir, itemFile(index))); err != nil {
			return fmt.Errorf("item %d: %w", index, ErrUsed)
		}
		return v.clear(func(i uint64) bool { return i < c.floor && !v.busy[i] })
	})
}

// Discard makes all items used.
func (v *Vault) Discard() error {
	return v.locked(func(c counter, _ int) error {
		c.floor = c.next
		if err := v.writeCounter(c); err != nil {
			return err
		}
		return v.clear(func(i uint64) bool { return i < c.floor })
	})
}

// Drop deletes the items that are not wanted.
func (v *Vault) Drop(unwanted func(index uint64) bool) error {
	return v.locked(func(counter, int) error {
		return v.clear(func(i uint64) bool { return unwanted(i) && !v.busy[i] })
	})
}
