package runtime

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"nimbus/internal/prg"
	"nimbus/ir"
	"nimbus/runtime/vault"
)

// What a run consumes may be made in one session and used in a later one. Either
// party keeps its part in a vault (runtime/vault), one item a run: correlated
// OTs and the products that run ahead. Both give an item the same number.
//
// keep, which makes one:
//
//	client   u8 4, holdings, tag        tag: 16 random bytes that name the item
//	server   u8 status, u64             its next number, or why it refuses
//	         … what prepare exchanges …
//	client   u8 1                       its part is on the disk
//	server   u8 1                       so is the server's; 0: it is not
//
// restore, which uses one:
//
//	client   u8 5, holdings
//	server   u64 floor, u64 number, tag     zeros: it has none of these
//	client   u64 number                     0: not this one
//
//	holdings   u64 floor, u64 next, then the numbers of items, u64 each
//
// The server offers the smallest number that both have and has opened its part by
// then. The client opens its own, takes it out of its vault, and says so; then
// the server takes it out of its own. Neither sends a byte that depends on the
// item before its own vault has forgotten it on the disk. So whatever the peer
// claims, and whenever either process dies, no item serves twice.
//
// As the client is always first to take, the server's floor is never above the
// client's, unless a folder went back in time. The client then drops all it has.

const (
	tagLen      = 16
	holdingsMax = 8 * (2 + vault.MaxItems)

	keepOK   = 0
	keepNone = 1 // the server keeps nothing
	keepFull = 2 // the bytes that it keeps at most
	keepFail = 3
)

// keeper is a session's side of its party's vault.
type keeper struct {
	vault   *vault.Vault
	open    func() (*vault.Vault, error) // of a server, which opens it when it is asked to
	most    int64
	log     func(format string, args ...any)
	item    uint64 // that the run uses; 0: none
	problem string
}

// report is the run's part of a report; it begins anew for the next run.
func (k *keeper) report() *Kept {
	if k.vault == nil {
		return nil
	}
	out := &Kept{Item: k.item, Problem: k.problem}
	if st, err := k.vault.State(); err == nil {
		out.Left = len(st.Items)
	}
	k.item, k.problem = 0, ""
	return out
}

// note keeps what went wrong for the report, and logs it.
func (k *keeper) note(format string, args ...any) {
	k.problem = fmt.Sprintf(format, args...)
	if k.log != nil {
		k.log("prepared material: %s", k.problem)
	}
}

// state reads the vault's; ok tells whether it can be used.
func (k *keeper) state() (st vault.State, ok bool) {
	if k.vault == nil {
		return st, false
	}
	st, err := k.vault.State()
	if err != nil {
		k.note("%v; delete the folder %s to begin anew", err, k.vault.Dir())
		return st, false
	}
	if st.Copied > 0 {
		k.note("the folder was copied or restored: %d items were dropped, since they may have been used", st.Copied)
	}
	return st, true
}

func marshalHoldings(st vault.State) []byte {
	b := binary.LittleEndian.AppendUint64(nil, st.Floor)
	b = binary.LittleEndian.AppendUint64(b, st.Next)
	for _, i := range st.Items {
		b = binary.LittleEndian.AppendUint64(b, i)
	}
	return b
}

func parseHoldings(b []byte) (st vault.State, err error) {
	if len(b) < 16 || len(b)%8 != 0 {
		return st, fmt.Errorf("peer's list of items has %d bytes, expected 16 and 8 an item", len(b))
	}
	st.Floor, st.Next = binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
	for b = b[16:]; len(b) > 0; b = b[8:] {
		st.Items = append(st.Items, binary.LittleEndian.Uint64(b))
	}
	if st.Floor == 0 || st.Floor > st.Next || st.Next > vault.MaxIndex || !slices.IsSorted(st.Items) ||
		len(st.Items) > 0 && (st.Items[0] < st.Floor || st.Items[len(st.Items)-1] >= st.Next) {
		return st, errors.New("peer's list of items contradicts itself")
	}
	return st, nil
}

// Keep makes what one run consumes, for a later session, at both parties. An
// error of kind RefusedError leaves the session alive.
func (s *Session) Keep() (Phase, error) {
	if s.err != nil {
		return Phase{}, s.err
	}
	if s.kept.vault == nil {
		return Phase{}, errors.New("keep: the session has no vault")
	}
	st, err := s.kept.vault.State()
	if err != nil {
		return Phase{}, WithHint(err, "delete the folder "+s.kept.vault.Dir()+" to begin anew")
	}
	m := measure(s.conn)
	if err := s.keep(st); err != nil {
		var refused RefusedError
		if errors.As(err, &refused) {
			return Phase{}, err
		}
		return Phase{}, s.fail(fmt.Errorf("keep: %w", err))
	}
	return m.phase(), nil
}

// RefusedError is a server's answer to a client that wants it to keep more.
type RefusedError struct {
	Status uint8
	Most   int64 // bytes that the server keeps for this client and plan
}

func (e RefusedError) Error() string {
	switch e.Status {
	case keepNone:
		return "the server keeps nothing that is prepared"
	case keepFull:
		return fmt.Sprintf("the server is full: it keeps at most %s of prepared material for this client and plan", FormatBytes(e.Most))
	}
	return "the server cannot keep anything; its log says why"
}

func (s *Session) keep(st vault.State) error {
	var tag [tagLen]byte
	prg.Fresh().Read(tag[:])
	if err := s.conn.Send([]byte{requestKeep}); err != nil {
		return err
	}
	if err := s.conn.Send(marshalHoldings(st)); err != nil {
		return err
	}
	if err := sendNow(s.conn, tag[:]); err != nil {
		return err
	}
	b, err := s.conn.Recv(9)
	if err != nil {
		return err
	}
	theirs := binary.LittleEndian.Uint64(b[1:])
	if b[0] != keepOK {
		return RefusedError{b[0], int64(theirs)}
	}
	index := max(st.Next, theirs)
	if err := s.makeItem(index, tag); err != nil {
		return err
	}
	if err := s.putItem(index, tag, nil); err != nil {
		return err
	}
	if err := sendNow(s.conn, []byte{1}); err != nil {
		return err
	}
	if b, err = s.conn.Recv(1); err == nil && b[0] != 1 {
		err = errors.New("the server could not keep its part; its log says why")
	}
	if err != nil {
		err = errors.Join(err, s.kept.vault.Drop(func(i uint64) bool { return i == index }))
	}
	return err
}

// answerKeep is the server's side of Keep.
func (s *Session) answerKeep() error {
	b, err := s.conn.RecvMax(holdingsMax)
	if err != nil {
		return fmt.Errorf("keep: %w", err)
	}
	theirs, err := parseHoldings(b)
	if err != nil {
		return fmt.Errorf("keep: %w", err)
	}
	if b, err = s.conn.Recv(tagLen); err != nil {
		return fmt.Errorf("keep: %w", err)
	}
	tag := [tagLen]byte(b)
	status, value := s.room(theirs)
	if err := sendNow(s.conn, binary.LittleEndian.AppendUint64([]byte{status}, value)); err != nil || status != keepOK {
		return err
	}
	index := max(theirs.Next, value)
	if err := s.makeItem(index, tag); err != nil {
		return fmt.Errorf("keep: %w", err)
	}
	// Both write at once, but the client's part counts first, so that it never lacks
	// what this party lists.
	if err := s.putItem(index, tag, func() error {
		_, err := s.conn.Recv(1)
		return err
	}); err != nil {
		return errors.Join(fmt.Errorf("keep: %w", err), sendNow(s.conn, []byte{0}))
	}
	return sendNow(s.conn, []byte{1})
}

// opened opens a server's vault, if it has one.
func (k *keeper) opened() bool {
	if k.vault == nil && k.open != nil && k.most > 0 {
		var err error
		if k.vault, err = k.open(); err != nil {
			k.note("%v", err)
		}
	}
	return k.vault != nil
}

// room tells whether there is room for one more item: then value is the vault's
// next number. What the client lacks is dropped first.
func (s *Session) room(theirs vault.State) (status uint8, value uint64) {
	if !s.kept.opened() {
		return keepNone, 0
	}
	fail := func(err error) (uint8, uint64) {
		s.kept.note("%v", err)
		return keepFail, 0
	}
	if err := s.kept.vault.Drop(func(i uint64) bool {
		_, there := slices.BinarySearch(theirs.Items, i)
		return !there
	}); err != nil {
		return fail(err)
	}
	st, ok := s.kept.state()
	if !ok {
		return keepFail, 0
	}
	size, err := s.kept.vault.Size()
	if err != nil {
		return fail(err)
	}
	need, err := s.itemBytes()
	if err != nil {
		return fail(err)
	}
	if size+need > s.kept.most || len(st.Items) >= vault.MaxItems {
		return keepFull, uint64(s.kept.most)
	}
	return keepOK, st.Next
}

// makeItem gives the number away and makes what is kept under it.
func (s *Session) makeItem(index uint64, tag [tagLen]byte) error {
	if err := s.kept.vault.Begin(index); err != nil {
		return err
	}
	s.ready = false
	return s.inOrder(s.openOTs, s.openKeys, s.fillOTs, s.prepareAhead)
}

// Restore takes what the next run consumes out of both parties' vaults, and
// tells whether both had it. Where they do not the run makes it.
func (s *Session) Restore() (bool, error) {
	if s.err != nil || s.ready {
		return s.ready, s.err
	}
	m := measure(s.conn)
	for again := true; again; {
		st, ok := s.kept.state()
		if !ok || len(st.Items) == 0 {
			break
		}
		var err error
		if again, err = s.restore(st); err != nil {
			return false, s.fail(fmt.Errorf("restore: %w", err))
		}
	}
	s.offline = s.offline.Add(m.phase())
	return s.ready, nil
}

// restore asks for one item. Where it shall be asked again the vault has fewer
// items than before.
func (s *Session) restore(st vault.State) (again bool, err error) {
	if err := s.conn.Send([]byte{requestRestore}); err != nil {
		return false, err
	}
	if err := sendNow(s.conn, marshalHoldings(st)); err != nil {
		return false, err
	}
	b, err := s.conn.Recv(16 + tagLen)
	if err != nil {
		return false, err
	}
	floor, index := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
	if floor == 0 {
		s.kept.note("the server keeps nothing, or cannot read it")
		return false, nil
	}
	it, err := s.take(st, floor, index, [tagLen]byte(b[16:]))
	if err != nil {
		return false, err
	}
	if it == nil {
		return true, sendNow(s.conn, make([]byte, 8))
	}
	if err := sendNow(s.conn, b[8:16]); err != nil {
		it.close()
		return false, err
	}
	return false, s.install(it)
}

// take takes the item that the server offers out of the vault. It returns nil,
// and has dropped something, where it is of no use.
func (s *Session) take(st vault.State, floor, index uint64, tag [tagLen]byte) (*item, error) {
	v := s.kept.vault
	switch {
	case floor > st.Floor:
		s.kept.note("the server has used items up to %d, this party up to %d: a folder was restored from a backup; %d items were dropped", floor-1, st.Floor-1, len(st.Items))
		return nil, v.Discard()
	case index == 0:
		s.kept.note("the server has none of the %d items that this party has: they were dropped", len(st.Items))
		return nil, v.Discard()
	case !slices.Contains(st.Items, index):
		return nil, fmt.Errorf("the server offers item %d, which is not one of this party's", index)
	}
	it, err := s.openItem(index)
	if err == nil && !bytes.Equal(it.tag[:], tag[:]) {
		err = fmt.Errorf("item %d: it is not the server's", index)
	}
	if terr := v.Take(index); terr != nil && !errors.Is(terr, vault.ErrUsed) {
		it.close()
		return nil, terr
	} else if err == nil {
		err = terr // another process was faster
	}
	if err != nil {
		it.close()
		s.kept.note("%v: it was dropped", err)
		return nil, nil
	}
	return it, nil
}

// answerRestore is the server's side of Restore.
func (s *Session) answerRestore() error {
	b, err := s.conn.RecvMax(holdingsMax)
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	theirs, err := parseHoldings(b)
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	if s.ready {
		return errors.New("restore: the peer has prepared a run already")
	}
	floor, index, it, release := s.choose(theirs)
	defer release()
	installed := false
	defer func() {
		if !installed {
			it.close()
		}
	}()
	answer := binary.LittleEndian.AppendUint64(nil, floor)
	answer = binary.LittleEndian.AppendUint64(answer, index)
	answer = append(answer, it.tag[:]...)
	if err := sendNow(s.conn, answer); err != nil || floor == 0 {
		return err
	}
	if b, err = s.conn.Recv(8); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	switch taken := binary.LittleEndian.Uint64(b); {
	case taken == 0:
		return nil
	case taken != index:
		return fmt.Errorf("restore: the peer takes item %d, offered was %d", taken, index)
	}
	if err := s.kept.vault.Take(index); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	installed = true
	return s.install(it)
}

// choose picks the smallest item that both have and reads it; index is 0 where
// there is none, floor where there is no vault.
func (s *Session) choose(theirs vault.State) (floor, index uint64, it *item, release func()) {
	release = func() {}
	s.kept.opened()
	st, ok := s.kept.state()
	if !ok {
		return 0, 0, new(item), release
	}
	if theirs.Floor < st.Floor {
		s.kept.note("the client's counter is at %d, this party's at %d: its folder was restored from a backup", theirs.Floor, st.Floor)
	}
	if err := s.kept.vault.Drop(func(i uint64) bool { return i < theirs.Floor }); err != nil {
		s.kept.note("%v", err)
	}
	for _, i := range st.Items {
		if _, there := slices.BinarySearch(theirs.Items, i); !there {
			continue
		}
		release, ok := s.kept.vault.Hold(i)
		if !ok {
			continue
		}
		it, err := s.openItem(i)
		if err == nil {
			return st.Floor, i, it, release
		}
		release()
		s.kept.note("%v: it was dropped", errors.Join(err, s.kept.vault.Drop(func(j uint64) bool { return j == i })))
	}
	return st.Floor, 0, new(item), release
}

// install makes an item what the next run consumes, with what items do not hold.
func (s *Session) install(it *item) error {
	begin := func() error { return s.readCOTs(it) }
	if it.file == nil {
		begin = func() error { return s.inOrder(s.openOTs, s.fillOTs) }
	}
	if err := begin(); err != nil {
		return err
	}
	if s.prog.keysOnline {
		if err := s.openKeys(); err != nil {
			return err
		}
	}
	if err := s.fillZeros(); err != nil {
		return err
	}
	s.ahead, s.ready, s.kept.item = it.ahead, true, it.index
	return nil
}

// needsKeys tells whether a run's products of shares do not all run ahead.
func needsKeys(m *ir.Module) bool {
	for _, f := range m.Funcs {
		for _, o := range f.Body {
			if o.Name == "he.matmul_ss" && !isAhead(o) {
				return true
			}
		}
	}
	return false
}
