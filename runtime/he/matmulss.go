package he

import (
	"fmt"

	"nimbus/internal/packing"
	"nimbus/internal/prg"
	"nimbus/internal/rlweparams"
	"nimbus/internal/z2k"
	"nimbus/runtime/transport"
)

// SessionKeys are this party's key pairs for one session and the peer's public keys: products of shared matrices need a
// key of each party. They are drawn anew for every session.
type SessionKeys struct {
	own  *Keyring
	peer *PublicKeyring
}

// ExchangeKeys draws key pairs for the named sets and swaps public keys with the peer, who must name the same sets.
func ExchangeKeys(conn transport.Conn, sets []string, rng *prg.PRG) (*SessionKeys, error) {
	own, err := NewKeyring(sets, rng.Child("he session keys"))
	if err != nil {
		return nil, err
	}
	msg := own.Public().Marshal()
	if err := conn.Send(msg); err != nil {
		return nil, fmt.Errorf("he: exchange keys: send: %w", err)
	}
	got, err := conn.Recv(len(msg))
	if err != nil {
		return nil, fmt.Errorf("he: exchange keys: recv: %w", err)
	}
	peer, err := ParsePublicKeyring(got)
	if err != nil {
		return nil, fmt.Errorf("he: exchange keys: peer's keys: %w", err)
	}
	for _, s := range sets {
		if _, err := peer.Key(s); err != nil {
			return nil, fmt.Errorf("he: exchange keys: the peer sent no key for set %s", s)
		}
	}
	return &SessionKeys{own, peer.Pooled()}, nil
}

// String hides the keys.
func (k *SessionKeys) String() string {
	return fmt.Sprintf("he.SessionKeys(%v, redacted)", k.own.Sets())
}

// Format hides the keys whatever the verb.
func (k *SessionKeys) Format(f fmt.State, _ rune) { fmt.Fprint(f, k.String()) }

// MatMulSS multiplies two shared matrices, Batch times.
//
//	[Z]_A ← MatMulSS([X]_A, [Y]_A)        X[Rows][Inner], Y[Inner][Cols], Z = X·Y mod 2^Width
//
// X·Y is X0·Y0 + X1·Y1, which are local, and two cross terms. In each, one party encrypts its share of one operand under
// its own key, the other multiplies the ciphertexts by its share of the other operand and responds. Both parties do both
// at the same time:
//
//	encrypt own share of the operand    ─────▶ ◀─────    likewise
//	multiply, finish (response.go)      ─────▶ ◀─────    likewise
//	open, add up
//
// Which operand travels, and the tiles, are the plan's choice. The second polynomials of the inputs are expanded from
// seeds bound to the key and a salt drawn for this call, of the first ones the low DropIn bits are left out, which anyone
// could do to a ciphertext and which the error counts in.
//
// Error: internal/rlweparams.MatMulSSNoise(...).MaxUlp. Cost: backend/cost, MatMulSS.
type MatMulSS struct {
	Set               string
	Batch             int // heads
	Rows, Inner, Cols int
	Width             int
	Tile              packing.Tile
	// DropIn is how many low bits are left out of the inputs' first polynomials (stored.go), DropC0 and DropC1 are those left
	// out of the two polynomials of a response.
	DropIn, DropC0, DropC1 int
}

// Drops returns the low bits that are left out.
func (m MatMulSS) Drops() rlweparams.Drops {
	return rlweparams.Drops{Stored: m.DropIn, C0: m.DropC0, C1: m.DropC1}
}

func (m MatMulSS) String() string {
	return fmt.Sprintf("he.matmul_ss %d·%d×%d×%d", m.Batch, m.Rows, m.Inner, m.Cols)
}

func (m MatMulSS) product() packing.Product {
	return packing.Product{Rows: m.Rows, Inner: m.Inner, Cols: m.Cols}
}

// Check reports a spec that cannot be run.
func (m MatMulSS) Check() error {
	_, err := m.setup()
	return err
}

func (m MatMulSS) setup() (*params, error) {
	p, err := load(m.Set)
	if err != nil {
		return nil, err
	}
	if err := p.checkWidth(m.Width, p.MaxMatMulSS, m.DropC0, m.DropC1); err != nil {
		return nil, fmt.Errorf("%v: %w", m, err)
	}
	if err := p.checkStored(p.all(), m.DropIn); err != nil {
		return nil, fmt.Errorf("%v: %w", m, err)
	}
	if m.Batch < 1 {
		return nil, fmt.Errorf("%v: nothing to multiply", m)
	}
	if err := m.Tile.Check(p.n, m.product()); err != nil {
		return nil, fmt.Errorf("%v: %w", m, err)
	}
	return p, nil
}

// Run runs one party's part; the two are alike. x, Batch×Rows×Inner, and y, Batch×Inner×Cols, are its shares; it returns
// its share of Z, Batch×Rows×Cols. rng must be fresh for this call.
func (m MatMulSS) Run(conn transport.Conn, keys *SessionKeys, x, y []uint64, rng *prg.PRG) ([]uint64, error) {
	return m.run(conn, keys, x, y, rng, fresh{})
}

func (m MatMulSS) run(conn transport.Conn, keys *SessionKeys, x, y []uint64, rng *prg.PRG, draw draws) ([]uint64, error) {
	p, err := m.setup()
	if err != nil {
		return nil, err
	}
	nx, ny, nz := m.Rows*m.Inner, m.Inner*m.Cols, m.Rows*m.Cols
	if len(x) != m.Batch*nx {
		return nil, errInput(m.String(), "first share", len(x), m.Batch*nx)
	}
	if len(y) != m.Batch*ny {
		return nil, errInput(m.String(), "second share", len(y), m.Batch*ny)
	}
	own, err := keys.own.Key(m.Set)
	if err != nil {
		return nil, err
	}
	peer, err := keys.peer.Key(m.Set)
	if err != nil {
		return nil, err
	}
	encrypted, plain := y, x
	ne, np := ny, nx
	if m.Tile.EncryptA {
		encrypted, plain, ne, np = x, y, nx, ny
	}
	inputs := rng.Child("he matmul_ss inputs")
	for h := range m.Batch {
		if err := conn.Send(m.encryptInputs(own, encrypted[h*ne:(h+1)*ne], inputs.Child("product"))); err != nil {
			return nil, fmt.Errorf("%v: send: %w", m, err)
		}
	}
	z := make([]uint64, m.Batch*nz)
	outputs := m.Tile.Outputs(m.product())
	each := tickets(rng, "he matmul_ss outputs", m.Batch*outputs, peer, m.zeroKind(p))
	resp := &responder{p: p, pk: peer, width: m.Width, drop0: m.DropC0, drop1: m.DropC1, draw: draw}
	for h := range m.Batch {
		in, err := conn.Recv(m.inputBytes(p))
		if err != nil {
			return nil, fmt.Errorf("%v: recv: %w", m, err)
		}
		msg, err := m.evaluate(resp, in, plain[h*np:(h+1)*np], z[h*nz:(h+1)*nz], each[h*outputs:])
		if err != nil {
			return nil, fmt.Errorf("%v: peer's inputs: %w", m, err)
		}
		if err := sendAll(conn, msg); err != nil {
			return nil, fmt.Errorf("%v: %w", m, err)
		}
	}
	for h := range m.Batch {
		part := make([]uint64, nz)
		z2k.MatMul(part, x[h*nx:(h+1)*nx], y[h*ny:(h+1)*ny], m.Rows, m.Inner, m.Cols, m.Width)
		zh := z[h*nz : (h+1)*nz]
		z2k.Add(zh, zh, part, m.Width)
		if err := m.open(conn, own, part); err != nil {
			return nil, fmt.Errorf("%v: %w", m, err)
		}
		z2k.Add(zh, zh, part, m.Width)
	}
	return z, nil
}

// tile is one tile of a grid: its place and the part of the matrix it covers.
type tile struct{ row, col, rows, cols int }

// tilesOf cuts a rows×cols matrix into tiles of tr×tc, row by row.
func tilesOf(rows, cols, tr, tc int) []tile {
	var out []tile
	for r := 0; r < rows; r += tr {
		for c := 0; c < cols; c += tc {
			out = append(out, tile{r, c, min(tr, rows-r), min(tc, cols-c)})
		}
	}
	return out
}

// operand lists the tiles of the left operand (first) or the right one, and where an element of a tile sits.
func (m MatMulSS) operand(first bool) (tiles []tile, stride int, at func(r, c int) int) {
	t := m.Tile
	if first {
		return tilesOf(m.Rows, m.Inner, t.Rows, t.Inner), m.Inner, t.A
	}
	return tilesOf(m.Inner, m.Cols, t.Inner, t.Cols), m.Cols, t.B
}

// place calls f with the coefficient and the value of every element of a tile of v.
func (tl tile) place(v []uint64, stride int, at func(r, c int) int, f func(coeff int, x uint64)) {
	for r := range tl.rows {
		for c := range tl.cols {
			f(at(r, c), v[(tl.row+r)*stride+tl.col+c])
		}
	}
}

// outputTiles lists the tiles of the product.
func (m MatMulSS) outputTiles() []tile { return tilesOf(m.Rows, m.Cols, m.Tile.Rows, m.Tile.Cols) }

// results are the coefficients of an output tile's elements.
func (m MatMulSS) results(tl tile) []int {
	pos := make([]int, 0, tl.rows*tl.cols)
	for r := range tl.rows {
		for c := range tl.cols {
			pos = append(pos, m.Tile.Result(r, c))
		}
	}
	return pos
}

func (m MatMulSS) inputBytes(p *params) int {
	return saltLen + m.Tile.Inputs(m.product())*m.inputSize(p)
}

// inputSize is the size of one encrypted tile.
func (m MatMulSS) inputSize(p *params) int { return p.StoredPolyBytes(p.n, len(p.limbs), m.DropIn) }

// encryptInputs returns the message with one product's encrypted tiles: a salt, then the first polynomials.
func (m MatMulSS) encryptInputs(key *SecretKey, v []uint64, rng *prg.PRG) []byte {
	p := key.p
	e := newEncryptor(key, "matmul_ss", SectionID{Key: key.pub.id}, rng)
	tiles, stride, at := m.operand(m.Tile.EncryptA)
	size := m.inputSize(p)
	out := make([]byte, saltLen+len(tiles)*size)
	copy(out, e.salt[:])
	gens := make([]*prg.PRG, len(tiles))
	for i := range gens {
		gens[i] = e.errors.Child("row")
	}
	parallel(len(tiles), func(i int) error {
		msg := make([]uint64, p.n)
		tiles[i].place(v, stride, at, func(coeff int, x uint64) { msg[coeff] = x })
		at := saltLen + i*size
		e.row(out[at:at:at+size], msg, i, 0, p.n, p.all(), m.DropIn, m.Width, gens[i])
		return nil
	})
	return out
}

// evaluate multiplies the peer's encrypted tiles by this party's share v of the other operand. It returns the responses
// and adds this party's share of the product to z.
func (m MatMulSS) evaluate(resp *responder, in []byte, v, z []uint64, each []ticket) ([][]byte, error) {
	p := resp.p
	limbs := len(p.limbs)
	salt, body := [saltLen]byte(in), in[saltLen:]
	count := m.Tile.Inputs(m.product())
	size := m.inputSize(p)
	ct0, ct1 := make([]poly, count), make([]poly, count)
	err := parallel(count, func(i int) error {
		ct0[i], ct1[i] = p.borrow(limbs), p.borrow(limbs)
		data, scratch := body[i*size:(i+1)*size], make([]uint64, 2*p.n)
		for j := range limbs {
			l := &p.limbs[j]
			if err := p.unpackStored(ct0[i][j], scratch, data, j, p.all(), m.DropIn); err != nil {
				return fmt.Errorf("ciphertext %d: %w", i, err)
			}
			expand(publicSeed("matmul_ss", resp.pk.id, [32]byte{}, "", salt, i, j), ct1[i][j], l)
			l.tr.Forward(ct0[i][j])
			l.tr.Forward(ct1[i][j])
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	// A tile of v meets the ciphertexts of its inner index, all in one line of the product: a column where the left
	// operand is encrypted, else a row. So lines are made one by one, and of v one tile is there at a time.
	tiles, stride, at := m.operand(!m.Tile.EncryptA)
	used := m.Tile.Used(!m.Tile.EncryptA)
	outs := m.outputTiles()
	rows, inner, cols := m.Tile.Grid(m.product())
	lines, length := rows, cols
	if m.Tile.EncryptA {
		lines, length = cols, rows
	}
	msgs := make([][]byte, len(outs))
	parallel(lines, func(line int) error {
		acc0, acc1, pt := make([]poly, length), make([]poly, length), p.borrow(limbs)
		for o := range acc0 {
			acc0[o], acc1[o] = p.borrow(limbs), p.borrow(limbs)
		}
		for k := range inner {
			mine := tiles[line*inner+k]
			if m.Tile.EncryptA {
				mine = tiles[k*cols+line]
			}
			for j := range limbs {
				l := &p.limbs[j]
				clear(pt[j])
				mine.place(v, stride, at, func(coeff int, x uint64) {
					pt[j][coeff] = l.mod.Reduce(0, l.mod.MontSigned(z2k.Signed(x, m.Width)))
				})
				l.tr.ForwardShort(pt[j], used)
				l.tr.Form(pt[j])
				for o := range acc0 {
					ct := k*cols + o // right operand encrypted
					if m.Tile.EncryptA {
						ct = o*inner + k
					}
					l.tr.MulAdd(acc0[o][j], ct0[ct][j], pt[j])
					l.tr.MulAdd(acc1[o][j], ct1[ct][j], pt[j])
				}
			}
		}
		for o := range acc0 {
			i := line*cols + o
			if m.Tile.EncryptA {
				i = o*cols + line
			}
			pos := m.results(outs[i])
			sel := make(poly, limbs)
			for j := range limbs {
				sel[j] = acc0[o][j][:len(pos)]
				p.limbs[j].tr.Inverse(acc0[o][j])
				p.limbs[j].tr.Inverse(acc1[o][j])
				for k, at := range pos { // they ascend: none is written before it is read
					sel[j][k] = acc0[o][j][at]
				}
			}
			share := make([]uint64, len(pos))
			msgs[i] = resp.finish(make([]byte, 0, resp.bytes(len(pos))), share, sel, acc1[o], pos, each[i])
			outs[i].scatter(z, m.Cols, share)
		}
		p.give(pt)
		p.give(acc0...)
		p.give(acc1...)
		return nil
	})
	p.give(ct0...)
	p.give(ct1...)
	return msgs, nil
}

// scatter writes the elements of a tile to their places in a matrix of cols columns.
func (tl tile) scatter(z []uint64, cols int, v []uint64) {
	for r := range tl.rows {
		copy(z[(tl.row+r)*cols+tl.col:][:tl.cols], v[r*tl.cols:])
	}
}

// open receives the responses of one product and sets z to this party's share of them.
func (m MatMulSS) open(conn transport.Conn, key *SecretKey, z []uint64) error {
	outs := m.outputTiles()
	at := []int{0}
	for _, tl := range outs {
		at = append(at, at[len(at)-1]+key.p.ResponseBytes(tl.rows*tl.cols, m.DropC0, m.DropC1))
	}
	msg, err := conn.Recv(at[len(at)-1])
	if err != nil {
		return fmt.Errorf("recv: %w", err)
	}
	return parallel(len(outs), func(i int) error {
		pos := m.results(outs[i])
		share := make([]uint64, len(pos))
		if err := key.open(share, msg[at[i]:at[i+1]], pos, m.Width, m.DropC0, m.DropC1); err != nil {
			return fmt.Errorf("response %d: %w", i, err)
		}
		outs[i].scatter(z, m.Cols, share)
		return nil
	})
}
