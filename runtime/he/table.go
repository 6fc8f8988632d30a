package he

import (
	"fmt"
	"io"

	"nimbus/internal/packing"
	"nimbus/internal/prg"
	"nimbus/internal/rlweparams"
	"nimbus/internal/z2k"
	"nimbus/runtime/artifact"
	"nimbus/runtime/transport"
)

// Table is a matrix of the server whose rows a client picks: an embedding. Whole rows are packed side by side, and only
// the response limbs are stored, since nothing is multiplied.
type Table struct {
	Set        string
	Rows, Cols int
	Width      int
	// DropStored is the low bits left out of each stored coefficient.
	DropStored int
}

// Select shares rows of a private table that the client picks, and adds to each a row of a second, small one.
//
//	[Y]_A ← Select(ids, types, W, S)        Y[t] = W[ids[t]] + S[types[t]] mod 2^Width
//
// ids and types are the client's secrets. Per token the client takes the ciphertext that holds the row, multiplies it by
// X^(-offset), adds the one of the segment likewise, and finishes the sum as any response (response.go): with a fresh
// encryption of zero and a full mask, which also make it unlinkable to what is stored.
//
// Error: internal/rlweparams.SelectNoise(...).MaxUlp. Cost: backend/cost, Select.
type Select struct {
	Set    string
	Tokens int // rows of Y
	Rows   int // of W
	Types  int // rows of S; 0 leaves S out
	Cols   int
	Width  int
	// DropC0 and DropC1 are the low bits left out of the two polynomials of a response.
	DropC0, DropC1 int
	// DropStored is the low bits left out of each stored coefficient.
	DropStored int
}

// Drops is what the error depends on.
func (s Select) Drops() rlweparams.Drops {
	return rlweparams.Drops{Stored: s.DropStored, C0: s.DropC0, C1: s.DropC1}
}

func (s Select) String() string {
	return fmt.Sprintf("he.select %d of %d+%d×%d", s.Tokens, s.Rows, s.Types, s.Cols)
}

// Words is the table of W, Segments that of S.
func (s Select) Words() Table    { return Table{s.Set, s.Rows, s.Cols, s.Width, s.DropStored} }
func (s Select) Segments() Table { return Table{s.Set, s.Types, s.Cols, s.Width, s.DropStored} }

// Check reports a spec that cannot be run.
func (s Select) Check() error {
	if s.Tokens < 1 || s.Types < 0 {
		return fmt.Errorf("%v: %d tokens, %d types", s, s.Tokens, s.Types)
	}
	if s.Types > 0 {
		if _, err := s.Segments().setup(); err != nil {
			return err
		}
	}
	t, err := s.Words().setup()
	if err != nil {
		return err
	}
	if err := t.p.checkWidth(s.Width, t.p.MaxSelect, s.DropC0, s.DropC1); err != nil {
		return fmt.Errorf("%v: %w", s, err)
	}
	return nil
}

type table struct {
	Table
	p   *params
	lay packing.Rows
}

func (t Table) setup() (*table, error) {
	p, err := load(t.Set)
	if err != nil {
		return nil, err
	}
	if err := p.checkWidth(t.Width, p.MaxSelect, 0, 0); err != nil {
		return nil, fmt.Errorf("table %d×%d: %w", t.Rows, t.Cols, err)
	}
	if err := p.checkStored(p.resp(), t.DropStored); err != nil {
		return nil, fmt.Errorf("table %d×%d: %w", t.Rows, t.Cols, err)
	}
	lay := packing.Rows{N: p.n, Count: t.Rows, Cols: t.Cols}
	if err := lay.Check(); err != nil {
		return nil, err
	}
	return &table{t, p, lay}, nil
}

func (t *table) polyBytes() int { return t.p.StoredPolyBytes(t.lay.Stored(), t.p.Resp, t.DropStored) }

func (t *table) sectionBytes() int64 {
	return saltLen + int64(t.lay.Polys())*int64(t.polyBytes())
}

// Section describes the table's section, for the artefact's header.
func (t Table) Section(name string) (artifact.SectionInfo, error) {
	l, err := t.setup()
	if err != nil {
		return artifact.SectionInfo{}, err
	}
	return artifact.SectionInfo{Name: name, Kind: KindTable, Set: t.Set, Rows: l.lay.Polys(), Bytes: l.sectionBytes()}, nil
}

// Encrypt writes the section of the table v, Rows×Cols elements of Z_2^Width. See [MatMul.Encrypt].
func (t Table) Encrypt(out io.Writer, key *SecretKey, id SectionID, v []uint64, rng *prg.PRG, progress func(rows int)) error {
	l, err := t.setup()
	if err != nil {
		return err
	}
	if len(v) != t.Rows*t.Cols {
		return errInput("he.select", "table", len(v), t.Rows*t.Cols)
	}
	if key.p != l.p {
		return fmt.Errorf("he.select: key of set %s, expected %s", key.p.Name, l.p.Name)
	}
	e := newEncryptor(key, "table", id, rng)
	if _, err := out.Write(e.salt[:]); err != nil {
		return err
	}
	per := l.lay.PerPoly() * t.Cols
	return e.rows(out, l.lay.Polys(), l.polyBytes(), progress, func(dst []byte, i int, noise *prg.PRG) []byte {
		return e.row(dst, v[i*per:min((i+1)*per, len(v))], i, 0, l.lay.Stored(), l.p.resp(), t.DropStored, t.Width, noise)
	})
}

func (t *table) check(sec artifact.Section) error {
	if sec.Kind != KindTable || sec.Set != t.Set || int64(len(sec.Data)) != t.sectionBytes() {
		return fmt.Errorf("he.select: section %s is %s of set %s with %d bytes, expected %s of set %s with %d; run setup again",
			sec.Name, sec.Kind, sec.Set, len(sec.Data), KindTable, t.Set, t.sectionBytes())
	}
	return nil
}

// addSecretRow adds row id of the table, moved to coefficient 0, to an accumulated ciphertext.
//
// This is the one function in Nimbus that indexes memory by a secret: which ciphertext it reads, and by how much it
// shifts, depends on id, a token of the client's text. It runs on the client's own machine, over a section that is
// verified, hence read in full, when the file is opened; whoever can watch that machine's caches or page faults could
// learn ids. Everything after it is independent of id.
func (t *table) addSecretRow(acc0, acc1 poly, sec artifact.Section, id int) error {
	at, offset := t.lay.At(id)
	data := sec.Data[saltLen+at*t.polyBytes():][:t.polyBytes()]
	stored, scratch := make([]uint64, t.lay.Stored()), make([]uint64, 2*t.lay.Stored())
	a := make([]uint64, t.p.n)
	for i := range t.p.Resp {
		l := &t.p.limbs[i]
		if err := t.p.unpackStored(stored, scratch, data, i, t.p.resp(), t.DropStored); err != nil {
			return fmt.Errorf("section %s: a ciphertext is malformed: %w", sec.Name, err)
		}
		l.addTo(acc0[i], stored[offset:offset+t.Cols])
		expand(publicSeed("table", sec.KeyID, sec.PlanDigest, sec.Name, [saltLen]byte(sec.Data), at, i), a, l)
		l.addTo(acc1[i][:t.p.n-offset], a[offset:])
		l.subFrom(acc1[i][t.p.n-offset:], a[:offset])
	}
	return nil
}

// Client runs the client's part: sections of the two tables, the server's key of the set, the ids of the rows (types is
// ignored if the spec has none). It returns its share of Y, Tokens×Cols. rng must be fresh for this call.
func (s Select) Client(conn transport.Conn, words, segments artifact.Section, pk *PublicKey, ids, types []uint64, rng *prg.PRG) ([]uint64, error) {
	return s.client(conn, words, segments, pk, ids, types, rng, fresh{})
}

func (s Select) client(conn transport.Conn, words, segments artifact.Section, pk *PublicKey, ids, types []uint64, rng *prg.PRG, draw draws) ([]uint64, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	w, err := s.Words().setup()
	if err != nil {
		return nil, err
	}
	if pk.p != w.p {
		return nil, fmt.Errorf("%v: key of set %s, expected %s", s, pk.p.Name, w.p.Name)
	}
	if err := w.check(words); err != nil {
		return nil, err
	}
	if err := checkIDs(s, "ids", ids, s.Tokens, s.Rows); err != nil {
		return nil, err
	}
	var seg *table
	if s.Types > 0 {
		if seg, err = s.Segments().setup(); err != nil {
			return nil, err
		}
		if err := seg.check(segments); err != nil {
			return nil, err
		}
		if err := checkIDs(s, "types", types, s.Tokens, s.Types); err != nil {
			return nil, err
		}
	}
	resp := &responder{p: w.p, pk: pk, width: s.Width, drop0: s.DropC0, drop1: s.DropC1, draw: draw}
	each := tickets(rng, "he select", s.Tokens, pk, s.zeroKind(w.p))
	y := make([]uint64, s.Tokens*s.Cols)
	for t0 := 0; t0 < s.Tokens; t0 += batch {
		t1 := min(t0+batch, s.Tokens)
		msgs := make([][]byte, t1-t0)
		err := parallel(t1-t0, func(i int) error {
			t := t0 + i
			acc0, acc1 := newPoly(w.p.Resp, s.Cols), newPoly(w.p.Resp, w.p.n)
			if err := w.addSecretRow(acc0, acc1, words, int(ids[t])); err != nil {
				return err
			}
			if seg != nil {
				if err := seg.addSecretRow(acc0, acc1, segments, int(types[t])); err != nil {
					return err
				}
			}
			msgs[i] = resp.finish(make([]byte, 0, resp.bytes(s.Cols)), y[t*s.Cols:(t+1)*s.Cols], acc0, acc1, positions(s.Cols), each[t])
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("%v: %w", s, err)
		}
		if err := sendAll(conn, msgs); err != nil {
			return nil, fmt.Errorf("%v: %w", s, err)
		}
	}
	return y, nil
}

// checkIDs refuses ids outside the table; it does not say which or where.
func checkIDs(s Select, what string, ids []uint64, n, limit int) error {
	if len(ids) != n {
		return errInput(s.String(), what, len(ids), n)
	}
	var bad uint64
	for _, v := range ids {
		bad |= uint64(limit-1) - v | v
	}
	if bad>>63 != 0 {
		return fmt.Errorf("%v: one of the %s is not below %d; tokenizer and model do not match", s, what, limit)
	}
	return nil
}

// Server runs the server's part and returns its share of Y.
func (s Select) Server(conn transport.Conn, key *SecretKey) ([]uint64, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	if key.p.Name != s.Set {
		return nil, fmt.Errorf("%v: key of set %s, expected %s", s, key.p.Name, s.Set)
	}
	y := make([]uint64, s.Tokens*s.Cols)
	pos := positions(s.Cols)
	size := key.p.ResponseBytes(s.Cols, s.DropC0, s.DropC1)
	err := recvAll(conn, s.Tokens, func(int) int { return size }, func(t int, msg []byte) error {
		if err := key.open(y[t*s.Cols:(t+1)*s.Cols], msg, pos, s.Width, s.DropC0, s.DropC1); err != nil {
			return fmt.Errorf("response %d: %w", t, err)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%v: %w", s, err)
	}
	// Nothing to add: the client holds no plain part of the table.
	z2k.Reduce(y, y, s.Width)
	return y, nil
}
