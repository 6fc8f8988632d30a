package runtime

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"nimbus/runtime/transport"
)

// Setup is the client's side of a setup session with server over conn: it
// brings the store up to what the server offers and reports whether
// everything was there already. An interrupted download is
// continued. Of a server of several plans it sets up the first.
func (st *Store) Setup(conn transport.Conn, server Peer, parse func(plan string) (*Program, error), progress func(Progress)) (in *Installed, reused bool, err error) {
	in, _, reused, err = st.SetupPlan(conn, server, Digest{}, parse, progress)
	return in, reused, err
}

// SetupPlan is Setup of one of a server's plans: want is zero for the first, which
// makes the store forget which others there were. next is the plan that the server
// has behind this one, or zero.
func (st *Store) SetupPlan(conn transport.Conn, server Peer, want Digest, parse func(plan string) (*Program, error), progress func(Progress)) (in *Installed, next Digest, reused bool, err error) {
	greeted, err := greet(conn, hello{Version: ProtocolVersion, Party: 0, Mode: ModeSetup, Plan: want, Params: paramDigest(), Binding: server.Binding})
	if err != nil {
		return nil, next, false, err
	}
	in, reused, err = st.fetch(conn, server, want, parse, progress)
	if err == nil {
		err = st.list(in, want == Digest{})
	}
	if err == nil { // nothing more is wanted
		err = sendNow(conn, marshalRequest(itemDone, 0, 0))
	}
	return in, greeted.Key, reused, err
}

// fetch brings the store up to what the server offers after the handshake: the plan
// want, unless that is zero.
func (st *Store) fetch(conn transport.Conn, server Peer, want Digest, parse func(plan string) (*Program, error), progress func(Progress)) (in *Installed, reused bool, err error) {
	if progress == nil {
		progress = func(Progress) {}
	}
	o, err := awaitOffer(conn, progress)
	if err != nil {
		return nil, false, err
	}
	if want != (Digest{}) && o.Plan != want {
		return nil, false, WithHint(fmt.Errorf("setup: the server offers plan %s, asked was for %s", o.Plan.Short(), want.Short()),
			"it was started anew with other plans: run nimbus-run setup again")
	}
	if in, err := st.Find(server.Fingerprint, o.Plan.String()); err == nil && in.Key == o.Key && in.has(o) {
		return in, true, nil
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, false, err
	}
	in = &Installed{
		Dir:    filepath.Join(st.serverDir(server.Fingerprint), o.Plan.String()),
		Server: server.Fingerprint, Plan: o.Plan, Key: o.Key,
	}
	if err := os.MkdirAll(in.Dir, 0o700); err != nil {
		return nil, false, diskError(err, in.Dir)
	}
	if err := os.Remove(filepath.Join(in.Dir, installedFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, false, err
	}
	var prog *Program
	for item := range itemCount {
		if err := fetchItem(conn, in.Dir, item, o, progress); err != nil {
			return nil, false, err
		}
		if item == itemPlan {
			text, err := in.PlanText()
			if err != nil {
				return nil, false, err
			}
			if prog, err = parse(text); err != nil {
				return nil, false, fmt.Errorf("setup: the server's plan: %w", err)
			}
			if prog.Digest != o.Plan {
				return nil, false, fmt.Errorf("setup: the server's plan has digest %s, it offered %s", prog.Digest.Short(), o.Plan.Short())
			}
		}
	}
	if _, err := in.Bundle(); err != nil {
		return nil, false, fmt.Errorf("setup: the server's tokenizer: %w", err)
	}
	stock, err := in.Open(prog)
	if err != nil {
		return nil, false, err
	}
	if err := stock.Close(); err != nil {
		return nil, false, err
	}
	if err := st.finish(in, o); err != nil {
		return nil, false, err
	}
	return in, false, nil
}

// has tells whether the installed weights are the offered ones, by size and
// recorded checksum.
func (in *Installed) has(o *offer) bool {
	info, err := os.Stat(in.Artefact())
	return err == nil && uint64(info.Size()) == o.Size[itemArtefact]
}

// fetchItem downloads one item into dir. What an earlier download of the same
// item left in its .part file is hashed and kept.
func fetchItem(conn transport.Conn, dir string, item int, o *offer, progress func(Progress)) (err error) {
	var (
		path = filepath.Join(dir, itemFiles[item])
		part = path + ".part"
		want = part + ".sha256"
		size = o.Size[item]
	)
	if sum, n, err := sumFile(path); err == nil && uint64(n) == size && sum == o.Sum[item] {
		return nil
	}
	if text, err := os.ReadFile(want); err != nil || strings.TrimSpace(string(text)) != o.Sum[item].String() {
		if err := os.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := writeFile(want, []byte(o.Sum[item].String()+"\n"), 0o600); err != nil {
			return fmt.Errorf("setup: %w", err)
		}
	}
	f, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("setup: %w", diskError(err, part))
	}
	defer func() {
		if cerr := f.Close(); err == nil && cerr != nil {
			err = fmt.Errorf("setup: %w", diskError(cerr, part))
		}
	}()
	h := sha256.New()
	have, err := resumeAt(f, h, size)
	if err != nil {
		return fmt.Errorf("setup: %w", err)
	}
	show := func(done uint64) {
		progress(Progress{Stage: "download " + itemNames[item], Done: int64(done), Total: int64(size), Bytes: true})
	}
	show(have)
	if err := download(conn, io.MultiWriter(f, h), item, have, size, show); err != nil {
		return fmt.Errorf("setup: download %s: %w", itemNames[item], diskError(err, part))
	}
	var got Digest
	h.Sum(got[:0])
	if got != o.Sum[item] {
		os.Remove(part)
		os.Remove(want)
		return WithHint(fmt.Errorf("setup: downloaded %s has checksum %s, expected %s", itemNames[item], got.Short(), o.Sum[item].Short()),
			"the damaged file was deleted; run nimbus-run setup again")
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("setup: %w", diskError(err, part))
	}
	if err := os.Rename(part, path); err != nil {
		return fmt.Errorf("setup: %w", err)
	}
	os.Remove(want)
	return nil
}

// resumeAt hashes what f holds, cuts it to whole pieces and leaves the file's
// position behind them.
func resumeAt(f *os.File, h hash.Hash, size uint64) (uint64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() {
		return 0, nil
	}
	have := min(uint64(info.Size()), size)
	if have < size {
		have -= have % pieceLen
	}
	if err := f.Truncate(int64(have)); err != nil {
		return 0, err
	}
	_, err = io.Copy(h, f)
	return have, err
}

// download requests [from, size) of an item in pieces, window of them at a
// time, and writes them to w in order.
func download(conn transport.Conn, w io.Writer, item int, from, size uint64, show func(done uint64)) error {
	asked := from
	for got := from; got < size; {
		for asked < size && asked-got < window*pieceLen {
			n := min(size-asked, pieceLen)
			if err := sendNow(conn, marshalRequest(uint8(item), asked, uint32(n))); err != nil {
				return err
			}
			asked += n
		}
		n := min(size-got, pieceLen)
		b, err := conn.Recv(int(n))
		if err != nil {
			return err
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
		got += n
		show(got)
	}
	return nil
}

func parseDigest(s string, d *Digest) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == len(d) && copy(d[:], b) == len(d)
}
