package he

import (
	"fmt"
	"io"

	"nimbus/internal/kernel"
	"nimbus/internal/packing"
	"nimbus/internal/prg"
	"nimbus/runtime/artifact"
)

// Kinds of sections.
const (
	KindMatMul = "matmul"
	KindTable  = "table"
)

// SectionID is what the seeds of a section are bound to, with the section's own salt.
type SectionID struct {
	Key  [32]byte // id of the keyring
	Plan [32]byte // digest of the plan
	Name string   // of the tensor
}

const saltLen = 32

// A section is a salt and its rows one after the other. A row is one ciphertext: the stored coefficients of the first
// polynomial (stored.go). The second polynomial is what the seed
//
//	SHA-256(label, name, key id, plan digest, salt, row, limb)
//
// expands to. A salt is drawn anew whenever a section is made, so no seed is ever used twice under one key.

// Section describes the weight's section, for the artefact's header.
func (m MatMul) Section(name string) (artifact.SectionInfo, error) {
	l, err := m.setup()
	if err != nil {
		return artifact.SectionInfo{}, err
	}
	return artifact.SectionInfo{Name: name, Kind: KindMatMul, Set: m.Set, Rows: l.lay.Blocks() * l.lay.Ciphertexts(), Bytes: l.sectionBytes()}, nil
}

func (m *linear) rowBytes(b int) int {
	return m.p.StoredPolyBytes(m.stored(b).Len, len(m.p.limbs), m.DropStored)
}

func (m *linear) sectionBytes() int64 {
	n := int64(saltLen)
	for b := range m.lay.Blocks() {
		n += int64(m.lay.Ciphertexts()) * int64(m.rowBytes(b))
	}
	return n
}

// Encrypt writes the section of the weight w, K×N elements of Z_2^Width, encrypted under key. Rows are encrypted in
// parallel and written in order; progress, if not nil, is called with the number of ciphertexts just written. rng must be
// fresh for this call. M and what is left out of responses play no part.
func (m MatMul) Encrypt(out io.Writer, key *SecretKey, id SectionID, w []uint64, rng *prg.PRG, progress func(rows int)) error {
	l, err := m.setup()
	if err != nil {
		return err
	}
	return l.encrypt(out, key, id, w, rng, progress)
}

func (m *linear) encrypt(out io.Writer, key *SecretKey, id SectionID, w []uint64, rng *prg.PRG, progress func(rows int)) error {
	if len(w) != m.K*m.N {
		return errInput(m.String(), "weight", len(w), m.K*m.N)
	}
	if key.p != m.p {
		return fmt.Errorf("%v: key of set %s, expected %s", m, key.p.Name, m.p.Name)
	}
	e := newEncryptor(key, "matmul", id, rng)
	if _, err := out.Write(e.salt[:]); err != nil {
		return err
	}
	for b := range m.lay.Blocks() {
		blk, st, cts, stack := m.lay.Block(b), m.stored(b), m.lay.Ciphertexts(), m.lay.Stack()
		err := e.rows(out, cts, m.rowBytes(b), progress, func(dst []byte, r int, noise *prg.PRG) []byte {
			var msg []uint64
			for k := r * stack; k < min((r+1)*stack, m.K); k++ {
				msg = append(msg, w[k*m.N+blk.Start:][:blk.Len]...)
			}
			return e.row(dst, msg, b*cts+r, st.Start, st.Len, m.p.all(), m.DropStored, m.Width, noise)
		})
		if err != nil {
			return fmt.Errorf("%v: %w", m, err)
		}
	}
	return nil
}

// encryptor makes seeded secret-key encryptions. The salt is public; the errors come from a generator that neither salt
// nor any seed is related to.
type encryptor struct {
	key    *SecretKey
	label  string
	id     SectionID
	salt   [saltLen]byte
	errors *prg.PRG
}

func newEncryptor(key *SecretKey, label string, id SectionID, rng *prg.PRG) *encryptor {
	e := &encryptor{key: key, label: label, id: id, errors: rng.Child("he secret errors")}
	rng.Child("he public salt").Read(e.salt[:])
	return e
}

func (e *encryptor) seed(row, limb int) [32]byte {
	return publicSeed(e.label, e.id.Key, e.id.Plan, e.id.Name, e.salt, row, limb)
}

// rows writes count rows of size bytes each, made by f in parallel.
func (e *encryptor) rows(out io.Writer, count, size int, progress func(int), f func(dst []byte, i int, noise *prg.PRG) []byte) error {
	const step = 64
	for r0 := 0; r0 < count; r0 += step {
		n := min(step, count-r0)
		gens := make([]*prg.PRG, n)
		for i := range gens {
			gens[i] = e.errors.Child("row")
		}
		buf := make([]byte, n*size)
		parallel(n, func(i int) error {
			f(buf[i*size:i*size:(i+1)*size], r0+i, gens[i])
			return nil
		})
		if _, err := out.Write(buf); err != nil {
			return err
		}
		if progress != nil {
			progress(n)
		}
	}
	return nil
}

// row appends an encryption of msg over mod: msg + e - a·s on the length coefficients from start on, taken modulo N,
// without their low drop bits.
func (e *encryptor) row(dst []byte, msg []uint64, index, start, length int, mod *modulus, drop, width int, noise *prg.PRG) []byte {
	p := e.key.p
	errs := make([]int8, p.n)
	binomial(noise, errs)
	enc := newPoly(mod.count, len(msg))
	p.encode(enc, msg, mod, width)
	work, cut := p.borrow(1), newPoly(mod.count, length)
	defer p.give(work)
	t := work[0]
	for i := range mod.count {
		l := &p.limbs[i]
		expand(e.seed(index, i), t, l)
		e.key.timesSecret(t, i)
		for j, v := range t {
			t[j] = l.minus(l.small(errs[j]), v)
		}
		for j, v := range enc[i] {
			t[j] = l.add(t[j], v)
		}
		n := copy(cut[i], t[start:])
		copy(cut[i][n:], t)
	}
	clear(errs)
	return p.packStored(dst, cut, mod, drop)
}

// matMulRows reads a weight's section.
type matMulRows struct {
	m    *linear
	sec  artifact.Section
	salt [saltLen]byte
	form *kernel.Stored // nil where the stored coefficients are not of that form
	from []int          // where each block begins in the section
	size []int          // bytes of a row of each block
}

func (m *linear) open(sec artifact.Section) (*matMulRows, error) {
	count := m.lay.Blocks() * m.lay.Ciphertexts()
	if sec.Kind != KindMatMul || sec.Set != m.Set || sec.Rows != count || int64(len(sec.Data)) != m.sectionBytes() {
		return nil, fmt.Errorf("%v: section %s is %s of set %s with %d ciphertexts of %d bytes, expected %s of set %s with %d of %d; run setup again",
			m, sec.Name, sec.Kind, sec.Set, sec.Rows, len(sec.Data), KindMatMul, m.Set, count, m.sectionBytes())
	}
	r := &matMulRows{m: m, sec: sec, salt: [saltLen]byte(sec.Data)}
	at := saltLen
	for b := range m.lay.Blocks() {
		n := m.rowBytes(b)
		r.from, r.size = append(r.from, at), append(r.size, n)
		at += m.lay.Ciphertexts() * n
	}
	if mod := m.p.all(); m.DropStored > 0 {
		var qs []kernel.Modulus
		for i := range mod.count {
			qs = append(qs, m.p.limbs[i].mod)
		}
		if f, ok := kernel.NewStored(qs, mod.max[0], mod.max[1], m.DropStored); ok {
			r.form = f
		}
	}
	return r, nil
}

// row returns the bytes of ciphertext k of block b.
func (r *matMulRows) row(b, k int) []byte {
	return r.sec.Data[r.from[b]+k*r.size[b]:][:r.size[b]]
}

// A stretch is a part of an accumulated row that is expanded at a time: of the polynomial that begins in column base, so
// many coefficients of each class, from Start on.
type stretch struct {
	base, classes int
	packing.Span
}

// stretches are the stretches of a row in so many classes, and the largest number of coefficients of one.
func (r *matMulRows) stretches(b, classes int) (all []stretch, most int) {
	m := r.m
	add := func(base, n, step int) {
		for at := 0; at < n; at += step {
			all = append(all, stretch{base, classes, packing.Span{Start: at, Len: min(step, n-at)}})
			most = max(most, classes*all[len(all)-1].Len)
		}
	}
	cols := max(blockCols/classes, 64) // as streams come
	first := m.first(b, classes) / classes
	if r.byColumns(b) {
		add(0, first, cols)
	} else {
		add(0, first, first)
	}
	add(m.second(b, classes), m.p.n/classes, cols)
	return all, most
}

// byColumns tells whether some of the stored coefficients can be read without the others.
func (r *matMulRows) byColumns(b int) bool { return r.form != nil && r.m.stored(b).Len%8 == 0 }

// A rowStream is what a limb of the second polynomial of a row is expanded from.
type rowStream struct {
	seed  prg.Seed
	words kernel.Words
}

// streams sets gens to those of limb i of rows k0, k0+1, ... of block b.
func (r *matMulRows) streams(gens []rowStream, b, k0, i int) {
	parallel(len(gens), func(j int) error {
		g := &gens[j]
		g.seed = publicSeed("matmul", r.sec.KeyID, r.sec.PlanDigest, r.sec.Name, r.salt, b*r.m.lay.Ciphertexts()+k0+j, i)
		key := prg.StreamKey(g.seed)
		g.words.Set(&key)
		return nil
	})
}

// fill expands a stretch of limb i of rows k0, k0+1, ... of block b, as many as panels has.
func (r *matMulRows) fill(panels *kernel.Panels, b, k0, i int, s stretch, gens []rowStream) error {
	m := r.m
	l := &m.p.limbs[i]
	if s.base == 0 {
		return r.fillStored(panels, b, k0, i, s)
	}
	for j := range panels.K {
		var all []uint64
		for c := range s.classes {
			col, from := c*s.Len, c*m.p.n/s.classes+s.Start
			if panels.SetStream(j, col, s.Len, &gens[j].words, from, l.mod) {
				continue
			}
			if all == nil { // some are drawn again
				all = make([]uint64, m.p.n)
				expand(gens[j].seed, all, l)
			}
			panels.SetRow(j, col, all[from:from+s.Len])
		}
	}
	return nil
}

// fillStored is fill for the first polynomial. What is not stored of it is taken as zero: no coefficient of a response
// that is sent depends on it.
func (r *matMulRows) fillStored(panels *kernel.Panels, b, k0, i int, s stretch) error {
	m := r.m
	st := m.stored(b)
	if s.classes == 1 { // which has the stored ones only
		st.Start = 0
	}
	for j := range panels.K {
		data := r.row(b, k0+j)
		var row []uint64
		for c := range s.classes {
			col, from := c*s.Len, (c*m.p.n/s.classes+s.Start-st.Start+m.p.n)%m.p.n
			if from >= st.Len {
				panels.Clear(j, col, s.Len)
				continue
			}
			if r.byColumns(b) {
				high := data[8*st.Len+from/8*r.form.High:]
				if panels.SetStored(j, col, s.Len, data[8*from:], high, r.form, i) {
					continue
				}
			}
			if row == nil {
				row = make([]uint64, st.Len)
				if err := m.p.unpackStored(row, make([]uint64, 2*st.Len), data, i, m.p.all(), m.DropStored); err != nil {
					return fmt.Errorf("row %d: %w", k0+j, err)
				}
			}
			panels.SetRow(j, col, row[from:from+s.Len])
		}
	}
	return nil
}
