package runtime

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"nimbus/runtime/corr"
	"nimbus/runtime/share"
	"nimbus/runtime/vault"
)

// An item of a vault is, at either party:
//
//	tag         of both parties' items
//	COTs        in the order in which the run's ops take them (runtime/corr/kept.go)
//	products    that ran ahead
//
// The tag and the products, which are small, are read before the item is taken. The
// COTs are read while the run takes them: they are most of the bytes, and the run
// computes meanwhile. What is found damaged by then is a run that fails, and its
// item is gone.

// keepsOTs tells whether items hold correlated OTs: where a run consumes more of
// them than fit in memory, or does not say how many, they are made in the run's
// own session.
func (p *Program) keepsOTs() bool { return p.saysOTs && p.ClientSends+p.ServerSends <= p.pool }

// steps are the correlated OTs of one run in the order in which ops take them, at
// this party. Ops that do not say how many they take come last.
func (s *Session) steps() corr.Steps {
	rest := [2]int{s.prog.ClientSends, s.prog.ServerSends}
	all := make([][2]int, 0, len(s.prog.reserves)+1)
	for _, n := range s.prog.reserves {
		for p := range n {
			n[p] = min(n[p], rest[p])
			rest[p] -= n[p]
		}
		all = append(all, n)
	}
	steps := corr.Steps(append(all, rest))
	for i, n := range steps {
		steps[i][0], steps[i][1] = s.ownFirst(n[share.Client], n[share.Server])
	}
	return steps
}

// otBytes is what the correlated OTs of an item take.
func (s *Session) otBytes() int64 {
	if !s.prog.keepsOTs() {
		return 0
	}
	return corr.KeptBytes(s.steps())
}

// itemBytes is what an item of this party takes.
func (s *Session) itemBytes() (int64, error) {
	n := tagLen + s.otBytes()
	for _, o := range s.prog.ahead {
		p, err := s.productOf(o)
		if err != nil {
			return 0, err
		}
		n += p.bytes
	}
	return n, nil
}

// putItem writes an item. ready, which may be nil, is called with the item on the
// disk, before it counts; where it fails, it never does.
func (s *Session) putItem(index uint64, tag [tagLen]byte, ready func() error) error {
	err := s.kept.vault.Put(index, func(w io.Writer) error {
		if _, err := w.Write(tag[:]); err != nil {
			return err
		}
		if s.prog.keepsOTs() {
			if err := s.own.Write(w, binary.LittleEndian.AppendUint64(tag[:], index), s.steps()); err != nil {
				return err
			}
		}
		for _, p := range s.ahead {
			if err := p.got.Write(w); err != nil {
				return err
			}
		}
		return nil
	}, ready)
	s.ahead = nil
	return diskError(err, s.kept.vault.Dir())
}

// An item is what one run consumes, as it lies in a vault.
type item struct {
	index uint64
	tag   [tagLen]byte
	file  *vault.Item // with the COTs; nil: they are made in the session
	ahead []prepared
}

// close ends the reading of an item that is not used; nil is none.
func (it *item) close() {
	if it != nil && it.file != nil {
		it.file.Close()
	}
}

// openItem reads an item up to its COTs, which [Session.readCOTs] begins to read.
func (s *Session) openItem(index uint64) (*item, error) {
	file, err := s.kept.vault.Open(index)
	if err != nil {
		return nil, err
	}
	it := &item{index: index}
	if err := s.readItem(it, file); err != nil {
		file.Close()
		return nil, fmt.Errorf("item %d: %w", index, err)
	}
	if !s.prog.keepsOTs() {
		return it, file.Close()
	}
	it.file = file
	return it, nil
}

func (s *Session) readItem(it *item, file *vault.Item) error {
	size, err := s.itemBytes()
	if err != nil {
		return err
	}
	if file.Size() != size {
		return fmt.Errorf("it has %d bytes, expected %d", file.Size(), size)
	}
	if _, err := io.ReadFull(file.Section(0, tagLen), it.tag[:]); err != nil {
		return err
	}
	first := tagLen + s.otBytes()
	products := file.Section(first, size-first)
	for _, o := range s.prog.ahead {
		p, err := s.productOf(o)
		if err != nil {
			return err
		}
		got, err := p.read(products)
		if err != nil {
			return err
		}
		it.ahead = append(it.ahead, prepared{o, got})
	}
	return nil
}

// readCOTs begins to read an item's COTs for the next run.
func (s *Session) readCOTs(it *item) (err error) {
	s.c, err = corr.Read(struct {
		io.Reader
		io.Closer
	}{it.file.Section(tagLen, s.otBytes()), it.file}, s.party, s.steps())
	return err
}

const (
	vaultFolder  = "prepared"
	vaultKeyFile = "prepared.key"
)

// openVault opens what a party keeps below the folder of a plan. What was made
// under another key of the server's is of no use any longer.
func openVault(state, plan string, party int, peer Digest, prog *Program, key Digest) (*vault.Vault, error) {
	dir := filepath.Join(plan, vaultFolder)
	if old, err := os.ReadDir(dir); err == nil {
		for _, e := range old {
			if e.Name() != key.String() {
				os.RemoveAll(filepath.Join(dir, e.Name()))
			}
		}
	}
	k, err := vault.LoadKey(filepath.Join(state, vaultKeyFile))
	if err != nil {
		return nil, diskError(err, state)
	}
	v, err := vault.Open(filepath.Join(dir, key.String()), k, vault.Owner{Party: party, Peer: peer, Plan: prog.Digest, Key: key})
	return v, diskError(err, dir)
}

// Prepared opens what the client has prepared with a setup's server; nil if that
// is nothing.
func (st *Store) Prepared(in *Installed, prog *Program) (*vault.Vault, error) {
	if _, err := os.Stat(filepath.Join(in.Dir, vaultFolder)); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return st.Vault(in, prog)
}

// Vault opens what the client has prepared with a setup's server, or will.
func (st *Store) Vault(in *Installed, prog *Program) (*vault.Vault, error) {
	return openVault(st.Dir, in.Dir, share.Client, in.Server, prog, in.Key)
}

// keeper is what a session of a client has to do with its vault, which all its
// sessions share.
func (sv *Server) keeper(client Digest, key Digest) keeper {
	return keeper{
		most: sv.MaxKept,
		log: func(format string, args ...any) {
			sv.logf("client "+client.Short()+": "+format, args...)
		},
		open: func() (*vault.Vault, error) {
			sv.mu.Lock()
			defer sv.mu.Unlock()
			id := [2]Digest{client, key}
			if v := sv.vaults[id]; v != nil {
				return v, nil
			}
			v, err := openVault(sv.Dir, sv.clientDir(client), share.Server, client, sv.Program, key)
			if err == nil {
				if sv.vaults == nil {
					sv.vaults = map[[2]Digest]*vault.Vault{}
				}
				sv.vaults[id] = v
			}
			return v, err
		},
	}
}
