package runtime

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"

	"nimbus/internal/packing"
	"nimbus/internal/prg"
	"nimbus/ir"
	"nimbus/runtime/artifact"
	"nimbus/runtime/he"
	"nimbus/runtime/share"
)

// heWeight is one section of the artefact: a weight and how it is encrypted.
type heWeight struct {
	weight *ir.Weight
	info   artifact.SectionInfo
	// encrypt writes the section.
	encrypt func(out io.Writer, key *he.SecretKey, id he.SectionID, w []uint64, rng *prg.PRG, progress func(rows int)) error
}

// heWeights lists what a plan's setup must encrypt, in order of first use. A
// weight that several ops use must have one layout for all.
func heWeights(m *ir.Module) ([]heWeight, error) {
	var out []heWeight
	add := func(o *ir.Op, w *ir.Weight, info artifact.SectionInfo, encrypt func(io.Writer, *he.SecretKey, he.SectionID, []uint64, *prg.PRG, func(int)) error) error {
		i := slices.IndexFunc(out, func(h heWeight) bool { return h.weight == w })
		if i < 0 {
			out = append(out, heWeight{w, info, encrypt})
			return nil
		}
		if out[i].info != info {
			return fmt.Errorf("%s: @%s is used before with another layout; give it a copy of its own in the plan", opName(o), w.Name)
		}
		return nil
	}
	for _, f := range m.Funcs {
		for _, o := range f.Body {
			if err := heWeightsOf(o, add); err != nil {
				return nil, fmt.Errorf("%s: %s: %w", o.Pos, opName(o), err)
			}
		}
	}
	return out, nil
}

type addWeight = func(*ir.Op, *ir.Weight, artifact.SectionInfo, func(io.Writer, *he.SecretKey, he.SectionID, []uint64, *prg.PRG, func(int)) error) error

func heWeightsOf(o *ir.Op, add addWeight) error {
	switch o.Name {
	case "he.matmul":
		if o.W(1).Type.Kind == ir.Public {
			return errors.New("a public weight needs no encryption; this release has no op for it")
		}
		spec := matMulSpec(o)
		if err := spec.Check(); err != nil {
			return err
		}
		info, err := spec.Section(o.W(1).Name)
		if err != nil {
			return err
		}
		return add(o, o.W(1), info, spec.Encrypt)
	case "he.select":
		return selectWeights(o, add)
	case "he.matmul_ss":
		_, err := matMulSSSpec(o)
		return err
	case "ss.select":
		for i := range o.Args {
			if w := o.W(i); w != nil {
				if err := add(o, w, publicSection(w), writePublic(w)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// heSets lists the parameter sets of the weight sections, in order of first
// use.
func heSets(weights []heWeight) []string {
	var sets []string
	for _, w := range weights {
		if w.info.Set != "" && !slices.Contains(sets, w.info.Set) {
			sets = append(sets, w.info.Set)
		}
	}
	return sets
}

// matMulSpec reads a he.matmul: x [..., K] times w [K, N].
func matMulSpec(o *ir.Op) he.MatMul {
	x, w := o.Args[0].Type(), o.Args[1].Type()
	return he.MatMul{
		Set: o.Attrs.Ident("set", ""),
		M:   x.NumElems() / x.Last(), K: x.Last(), N: w.Last(),
		T: o.Attrs.Int("tile", 1), Width: x.Elem.Width,
		DropC0: o.Attrs.Int("drop_c0", 0), DropC1: o.Attrs.Int("drop_c1", 0),
		DropStored: o.Attrs.Int("drop_stored", 0),
	}
}

func heMatmul(s *step, o *ir.Op, x share.Arith, w vector) (share.Arith, error) {
	spec := matMulSpec(o)
	y := share.NewArith(x.Width, o.Results[0].Type.Shape...)
	var err error
	if s.party == share.Server {
		if w.V == nil {
			return y, fmt.Errorf("argument %s has no value", o.Args[1])
		}
		if s.ahead != nil {
			y.V, err = spec.ServerPrepared(s.conn, s.ahead, x.V, w.V)
			return y, err
		}
		key, kerr := s.he.keys.Key(spec.Set)
		if kerr != nil {
			return y, kerr
		}
		y.V, err = spec.Server(s.conn, key, x.V, w.V)
		return y, err
	}
	if s.ahead != nil {
		y.V, err = spec.ClientPrepared(s.conn, s.ahead, x.V)
		return y, err
	}
	sec, pk, err := s.he.weight(o)
	if err != nil {
		return y, err
	}
	y.V, err = spec.Client(s.conn, sec, pk, x.V, s.rng.Child("he.matmul"))
	return y, err
}

// weight is what a client has of a he.matmul's weight: its section and the key
// under which it is encrypted.
func (h *heState) weight(o *ir.Op) (sec artifact.Section, pk *he.PublicKey, err error) {
	if sec, err = h.stock.section(o.W(1).Name); err == nil {
		pk, err = h.public.Key(o.Attrs.Ident("set", ""))
	}
	return sec, pk, err
}

// selectSpec reads a he.select: ids [S], types [S], word [V, D], type [C, D],
// or without the types.
func selectSpec(o *ir.Op) (spec he.Select, word, segment *ir.Weight) {
	word = o.W(len(o.Args) - 1)
	if len(o.Args) == 4 {
		word, segment = o.W(2), o.W(3)
	}
	spec = he.Select{
		Set:    o.Attrs.Ident("set", ""),
		Tokens: o.Args[0].Type().NumElems(), Rows: word.Type.Shape[0], Cols: word.Type.Last(),
		Width:  word.Type.Elem.Width,
		DropC0: o.Attrs.Int("drop_c0", 0), DropC1: o.Attrs.Int("drop_c1", 0),
		DropStored: o.Attrs.Int("drop_stored", 0),
	}
	if segment != nil {
		spec.Types = segment.Type.Shape[0]
	}
	return spec, word, segment
}

func selectWeights(o *ir.Op, add addWeight) error {
	spec, word, segment := selectSpec(o)
	if err := spec.Check(); err != nil {
		return err
	}
	for _, t := range []struct {
		w     *ir.Weight
		table he.Table
	}{{word, spec.Words()}, {segment, spec.Segments()}} {
		if t.w == nil {
			continue
		}
		if t.w.Type.Kind == ir.Public {
			return errors.New("a public table needs no selection under encryption; this release has no op for it")
		}
		info, err := t.table.Section(t.w.Name)
		if err != nil {
			return err
		}
		if err := add(o, t.w, info, t.table.Encrypt); err != nil {
			return err
		}
	}
	return nil
}

func heSelect(s *step, o *ir.Op) error {
	spec, word, segment := selectSpec(o)
	y := share.NewArith(spec.Width, o.Results[0].Type.Shape...)
	if s.party == share.Server {
		key, err := s.he.keys.Key(spec.Set)
		if err != nil {
			return err
		}
		if y.V, err = spec.Server(s.conn, key); err != nil {
			return err
		}
		return s.put(o, 0, y)
	}
	pk, err := s.he.public.Key(spec.Set)
	if err != nil {
		return err
	}
	words, err := s.he.stock.section(word.Name)
	if err != nil {
		return err
	}
	var segments artifact.Section
	var types []uint64
	ids, err := s.clear(o, 0)
	if err == nil && segment != nil {
		if segments, err = s.he.stock.section(segment.Name); err != nil {
			return err
		}
		var v vector
		v, err = s.clear(o, 1)
		types = v.V
	}
	if err != nil {
		return err
	}
	if y.V, err = spec.Client(s.conn, words, segments, pk, ids.V, types, s.rng.Child("he.select")); err != nil {
		return err
	}
	return s.put(o, 0, y)
}

// matMulSSSpec reads a he.matmul_ss: a [..., m, k] times b [..., k, n].
func matMulSSSpec(o *ir.Op) (he.MatMulSS, error) {
	a, b := o.Args[0].Type(), o.Args[1].Type()
	n := a.Rank()
	spec := he.MatMulSS{
		Set:  o.Attrs.Ident("set", ""),
		Rows: a.Shape[n-2], Inner: a.Shape[n-1], Cols: b.Last(), Width: a.Elem.Width,
		DropIn: o.Attrs.Int("drop_in", 0), DropC0: o.Attrs.Int("drop_c0", 0), DropC1: o.Attrs.Int("drop_c1", 0),
	}
	spec.Batch = a.NumElems() / (spec.Rows * spec.Inner)
	t := o.Attrs.Ints("tile")
	if len(t) != 4 {
		return spec, fmt.Errorf("tile = %v, expected [rows, inner, columns, 1 if the first operand is encrypted]", t)
	}
	spec.Tile = packing.Tile{Rows: t[0], Inner: t[1], Cols: t[2], EncryptA: t[3] != 0}
	return spec, spec.Check()
}

func heMatmulSS(s *step, o *ir.Op, x, y share.Arith) (share.Arith, error) {
	z := share.NewArith(x.Width, o.Results[0].Type.Shape...)
	spec, err := matMulSSSpec(o)
	if err != nil {
		return z, err
	}
	if s.ahead != nil {
		z.V, err = spec.RunPrepared(s.conn, s.ahead, x.V, y.V)
		return z, err
	}
	z.V, err = spec.Run(s.conn, s.he.session, x.V, y.V, s.rng.Child("he.matmul_ss"))
	return z, err
}

// heState is what a session needs for the he ops.
type heState struct {
	keys    *he.Keyring       // server: of the weights
	stock   *Stock            // client: the weights under them
	public  *he.PublicKeyring // client: the stock's, with this session's pools
	session *he.SessionKeys   // both: for products of shares
}

// open exchanges the session's keys, once, if the plan has products of shares.
func (h *heState) open(s *Session) error {
	if len(s.prog.sessionSets) == 0 || h.session != nil {
		return nil
	}
	var err error
	h.session, err = he.ExchangeKeys(s.conn, s.prog.sessionSets, s.rng.Child("he session"))
	return err
}

// sessionSets lists the parameter sets of a plan's products of shares.
func sessionSets(m *ir.Module) []string {
	var sets []string
	for _, f := range m.Funcs {
		for _, o := range f.Body {
			if set := o.Attrs.Ident("set", ""); o.Name == "he.matmul_ss" && !slices.Contains(sets, set) {
				sets = append(sets, set)
			}
		}
	}
	return sets
}

// keyFile is where a server keeps its secret keys for one client.
const keyFile = "key"

// keyID identifies a keyring; nil has none.
func keyID(k *he.Keyring) Digest {
	if k == nil {
		return Digest{}
	}
	return k.ID()
}

// loadKeys reads a server's keys for a client, nil if there are none yet.
func loadKeys(path string) (*he.Keyring, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	keys, err := he.ParseKeyring(data)
	if err != nil {
		return nil, WithHint(fmt.Errorf("read %s: %w", path, err), "delete the folder "+filepath.Dir(path)+"; the client must run setup again")
	}
	return keys, nil
}

// encryptWeights makes new keys for a client and encrypts the plan's weights
// under them, into dir. The keys are stored before the artefact appears under
// its name, so that there is never an artefact without keys.
func encryptWeights(dir string, p *Program, weights Weights, progress func(done, total int)) (*he.Keyring, error) {
	rng := prg.Fresh()
	keys, err := he.NewKeyring(heSets(p.weights), rng.Child("keys"))
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, artefactFile)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := writeFile(filepath.Join(dir, keyFile), keys.Marshal(), 0o600); err != nil {
		return nil, err
	}
	head := artifact.Header{PlanDigest: p.Digest, KeyID: keys.ID(), Public: keys.Public().Marshal()}
	total := 0
	for _, h := range p.weights {
		head.Sections = append(head.Sections, h.info)
		total += h.info.Rows
	}
	out, err := artifact.Create(path, head)
	if err != nil {
		return nil, diskError(err, path)
	}
	defer out.Abort()
	var done atomic.Int64
	for _, h := range p.weights {
		w, ok := weights[h.weight.Name]
		if !ok || len(w) != h.weight.Type.NumElems() {
			return nil, fmt.Errorf("weight @%s: %d elements loaded, %s expected", h.weight.Name, len(w), h.weight.Type)
		}
		var key *he.SecretKey // none for a public table
		if h.info.Set != "" {
			if key, err = keys.Key(h.info.Set); err != nil {
				return nil, err
			}
		}
		sec, err := out.Section(h.info.Name)
		if err != nil {
			return nil, err
		}
		id := he.SectionID{Key: keys.ID(), Plan: p.Digest, Name: h.info.Name}
		err = h.encrypt(sec, key, id, w, rng.Child("weight "+h.info.Name), func(rows int) {
			progress(int(done.Add(int64(rows))), total)
		})
		if err != nil {
			return nil, fmt.Errorf("encrypt weight @%s: %w", h.weight.Name, diskError(err, path))
		}
	}
	if err := out.Close(); err != nil {
		return nil, diskError(err, path)
	}
	return keys, nil
}

// verifyArtefact tells whether the file holds a plan's weights under a key,
// undamaged.
func verifyArtefact(path string, p *Program, key Digest) error {
	f, err := artifact.Open(path, p.Digest, key)
	if err != nil {
		return err
	}
	return f.Close()
}

// Stock is a client's encrypted weights, mapped into memory.
type Stock struct {
	file   *artifact.File
	public *he.PublicKeyring

	mu     sync.Mutex
	tables map[string][]uint64 // public ones, unpacked when first used
}

// Open verifies and maps the encrypted weights of a setup for a plan.
func (in *Installed) Open(p *Program) (*Stock, error) {
	f, err := artifact.Open(in.Artefact(), p.Digest, in.Key)
	if err != nil {
		return nil, WithHint(fmt.Errorf("stored setup is damaged: %w", err),
			fmt.Sprintf("delete the folder %s and run nimbus-run setup again", in.Dir))
	}
	public, err := he.ParsePublicKeyring(f.Header.Public)
	if err == nil && Digest(public.ID()) != in.Key {
		err = errors.New("its public keys are not those of its key id")
	}
	if err != nil {
		f.Close()
		return nil, in.damaged(artefactFile + ": " + err.Error())
	}
	return &Stock{file: f, public: public}, nil
}

// Close unmaps the weights; sessions that use them must have ended.
func (st *Stock) Close() error { return st.file.Close() }

func (st *Stock) keyID() Digest {
	if st == nil {
		return Digest{}
	}
	return st.public.ID()
}

func (st *Stock) section(name string) (artifact.Section, error) {
	if st == nil {
		return artifact.Section{}, errors.New("the session has no encrypted weights")
	}
	return st.file.Section(name)
}
