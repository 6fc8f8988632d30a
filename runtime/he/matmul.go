package he

import (
	"errors"
	"fmt"
	goruntime "runtime"
	"slices"
	"sync"

	"nimbus/internal/kernel"
	"nimbus/internal/packing"
	"nimbus/internal/prg"
	"nimbus/internal/rlweparams"
	"nimbus/internal/z2k"
	"nimbus/runtime/artifact"
	"nimbus/runtime/transport"
)

// MatMul multiplies a shared matrix by the server's private one, which the client holds encrypted.
//
//	[Y]_A ← MatMul([X]_A, W)        X[M][K], W[K][N], Y = X·W mod 2^Width
//
// The client's share X_c and the ciphertexts c_b of W's rows give, for every row i of X, Σ_b X_c[i][b]·c_b: integers times
// ciphertexts. T rows share a response, row t multiplied by X^(t·n), and where columns are few S rows of W share a
// ciphertext: a response is then a sum of ciphertexts times polynomials, laid out as [packing.Linear] says. It is computed
// row by row, or in classes of the ring (matmul_split.go), or by transforms (matmul_transform.go), whichever is less work;
// the result is the same modulo every prime. The server decrypts X_c·W - R and adds X_s·W.
//
//	Client (X_c, artefact)                      Server (key, X_s, W)
//	finish (response.go): share R     ─────▶    open, add X_s·W
//
// Error: |Y - X·W| ≤ internal/rlweparams.MatMulNoise(...).MaxUlp. Cost: backend/cost, MatMul.
// Reference: Nimbus, section 3.2 and Algorithm 1, with the shifts by multiples of n; packing.Linear, and the classes our own.
type MatMul struct {
	Set     string // parameter set
	M, K, N int    // rows of X, inner dimension, columns of W
	T       int    // rows of Y in a response
	Width   int    // of the ring
	// DropC0 and DropC1 are the low bits left out of the two polynomials of a response.
	DropC0, DropC1 int
	// DropStored is the low bits left out of each stored coefficient.
	DropStored int
}

// Drops is what the error depends on.
func (m MatMul) Drops() rlweparams.Drops {
	return rlweparams.Drops{Stored: m.DropStored, C0: m.DropC0, C1: m.DropC1}
}

// blockRows and blockCols are how many stored rows, and how many coefficients of each, are expanded at a time; fewer rows
// of more coefficients.
const blockRows, blockCols = 256, 512

// batch is how many responses travel in one message.
const batch = 8

// errInput says that a caller's share has the wrong size.
func errInput(op, what string, got, want int) error {
	return fmt.Errorf("%s: %s has %d elements, expected %d", op, what, got, want)
}

func (m MatMul) String() string {
	return fmt.Sprintf("he.matmul %d×%d×%d", m.M, m.K, m.N)
}

// Check reports a spec that cannot be run: an unknown or insecure set, a width beyond the set's, rows that do not fit.
func (m MatMul) Check() error {
	_, err := m.setup()
	return err
}

func (m MatMul) setup() (*linear, error) {
	p, err := load(m.Set)
	if err != nil {
		return nil, err
	}
	if err := p.checkWidth(m.Width, p.MaxMatMul, m.DropC0, m.DropC1); err != nil {
		return nil, fmt.Errorf("%v: %w", m, err)
	}
	if err := p.checkStored(p.all(), m.DropStored); err != nil {
		return nil, fmt.Errorf("%v: %w", m, err)
	}
	l := &linear{MatMul: m, p: p, lay: packing.Linear{N: p.n, M: m.M, K: m.K, Cols: m.N, T: m.T}, draw: fresh{}}
	if err := l.lay.Check(); err != nil {
		return nil, fmt.Errorf("%v: %w", m, err)
	}
	l.classes = l.lay.Classes()
	return l, nil
}

func (p *params) checkWidth(width, limit, drop0, drop1 int) error {
	if limit == 0 {
		return fmt.Errorf("he: set %s is not offered for this protocol", p.Name)
	}
	if width < 1 || width > limit {
		return fmt.Errorf("he: set %s serves widths up to %d here, not %d", p.Name, limit, width)
	}
	if most := p.resp().bits - 8; drop0 < 0 || drop1 < 0 || drop0 > most || drop1 > most {
		return fmt.Errorf("he: %d and %d bits left out of a response of %d, expected 0 to %d", drop0, drop1, p.resp().bits, most)
	}
	return nil
}

// linear is a checked MatMul.
type linear struct {
	MatMul
	p       *params
	lay     packing.Linear
	classes int // see [packing.Linear.Classes]
	draw    draws
	// narrow makes tests store too little on purpose.
	narrow bool
}

func (m *linear) stored(b int) packing.Span {
	if m.narrow {
		return packing.Span{Start: 0, Len: m.lay.Stack() * m.lay.Block(b).Len}
	}
	return m.lay.Stored(b)
}

// Client runs the client's part: sec is the weight's section, pk the server's key of the set, x its share of X, M×K. It
// returns its share of Y, M×N. rng must be fresh for this call.
func (m MatMul) Client(conn transport.Conn, sec artifact.Section, pk *PublicKey, x []uint64, rng *prg.PRG) ([]uint64, error) {
	l, err := m.setup()
	if err != nil {
		return nil, err
	}
	return l.client(conn, sec, pk, x, rng)
}

func (m *linear) client(conn transport.Conn, sec artifact.Section, pk *PublicKey, x []uint64, rng *prg.PRG) ([]uint64, error) {
	if len(x) != m.M*m.K {
		return nil, errInput(m.String(), "share", len(x), m.M*m.K)
	}
	if pk.p != m.p {
		return nil, fmt.Errorf("%v: key of set %s, expected %s", m, pk.p.Name, m.p.Name)
	}
	rows, err := m.open(sec)
	if err != nil {
		return nil, err
	}
	xs := make([]int64, len(x))
	for i, v := range x {
		xs[i] = z2k.Signed(v, m.Width)
	}
	y := make([]uint64, m.M*m.N)
	resp := &responder{p: m.p, pk: pk, width: m.Width, drop0: m.DropC0, drop1: m.DropC1, draw: m.draw}
	each := tickets(rng, "he matmul", m.lay.Responses(), pk, m.zeroKind())
	for b := range m.lay.Blocks() {
		multiply, release, err := m.multiplier(conn, rows, b, xs)
		if err != nil {
			return nil, fmt.Errorf("%v: section %s: %w", m, sec.Name, err)
		}
		if err := m.respond(conn, resp, b, multiply, y, each[b*m.lay.Groups():]); err != nil {
			return nil, fmt.Errorf("%v: %w", m, err)
		}
		release()
	}
	return y, nil
}

// A factor multiplies ciphertexts from the left: the matrix X_c, or in each class of the ring a matrix of its own.
type factor struct {
	rows    int
	scalars func(r0, r, limb int) []*kernel.Scalars // for each class, of the ciphertexts r0, ..., r0+r-1
	splits  []*kernel.Split                         // of each limb; nil if the ring is one class
}

// integers is the factor x, rows×cols, for as many ciphertexts as columns.
func (m *linear) integers(x []int64, rows, cols int) factor {
	return factor{rows: rows, scalars: func(r0, r, limb int) []*kernel.Scalars {
		return []*kernel.Scalars{kernel.NewScalars(x[r0:], rows, r, cols, m.p.limbs[limb].mod)}
	}}
}

// classes is how many classes the ring has.
func (f factor) classes(m *linear) int {
	if f.splits == nil {
		return 1
	}
	return m.classes
}

// first is how many columns of an accumulated row the first polynomial has: the stored coefficients in one class, and
// otherwise all. second is the column where the second polynomial begins.
func (m *linear) first(b, classes int) int {
	if classes > 1 {
		return m.p.n
	}
	return m.stored(b).Len
}

func (m *linear) second(b, classes int) int { return (m.first(b, classes) + 7) / 8 * 8 }

// accumulate returns f times the ciphertexts of column block b: for each limb the rows, each with the columns of the
// first polynomial and, from column [linear.second] on, all of the second; with classes, they are in these. It takes some
// rows and a stretch of columns at a time, so that what is expanded stays in the cache until it is multiplied. Between
// stretches it flushes conn, which lets others compute whose peer waits.
func (m *linear) accumulate(conn transport.Conn, rows *matMulRows, b int, f factor) ([]*kernel.Residues, error) {
	p, classes := m.p, f.classes(m)
	size := p.n / classes
	acc := make([]*kernel.Residues, len(p.limbs))
	for i := range acc {
		used, _ := p.accs.Get().(*kernel.Residues)
		acc[i] = used.Resize(f.rows, m.second(b, classes)+p.n)
	}
	stretches, most := rows.stretches(b, classes)
	cts := m.lay.Ciphertexts()
	step := min(cts, blockRows, max(blockRows*blockCols/most, blockRows/16))
	free := sync.Pool{New: func() any { return kernel.NewPanels(step, most) }}
	gens := make([]rowStream, step)
	for r0 := 0; r0 < cts; r0 += step {
		r := min(step, cts-r0)
		for i := range p.limbs {
			l := &p.limbs[i]
			scalars := f.scalars(r0, r, i)
			rows.streams(gens[:r], b, r0, i)
			for some := range slices.Chunk(stretches, goruntime.GOMAXPROCS(0)) {
				err := parallel(len(some), func(j int) error {
					s := some[j]
					buf := free.Get().(*kernel.Panels)
					defer free.Put(buf)
					panels := buf.Resize(r, classes*s.Len)
					if err := rows.fill(panels, b, r0, i, s, gens); err != nil {
						return err
					}
					if f.splits != nil {
						f.splits[i].Forward(panels)
					}
					for c, x := range scalars {
						kernel.MulAdd(acc[i].Columns(s.base+c*size+s.Start, s.Len), x, panels.Columns(c*s.Len, s.Len), l.mod)
					}
					return nil
				})
				if err != nil {
					return nil, err
				}
				if err := conn.Flush(); err != nil {
					return nil, err
				}
			}
		}
	}
	return acc, nil
}

// A multiplier returns the product that one response holds, of those rows of X: the needed coefficients of the first
// polynomial and all of the second, to be given back.
type multiplier = func(rows packing.Span) (acc0, acc1 poly)

// multiplier multiplies X_c into block b. release ends its use.
func (m *linear) multiplier(conn transport.Conn, rows *matMulRows, b int, xs []int64) (multiply multiplier, release func(), err error) {
	switch m.classes {
	case 1:
		acc, err := m.accumulate(conn, rows, b, m.integers(xs, m.M, m.K))
		return func(group packing.Span) (acc0, acc1 poly) { return m.pack(acc, b, group) }, func() { m.p.release(acc) }, err
	case m.p.n:
		multiply, err = m.transformed(conn, rows, b, xs)
		return multiply, func() {}, err
	}
	return m.split(conn, rows, b, xs)
}

// respond finishes and sends the responses of block b, and writes the client's share to y.
func (m *linear) respond(conn transport.Conn, resp *responder, b int, multiply multiplier, y []uint64, each []ticket) error {
	groups := m.lay.Groups()
	blk, at := m.lay.Block(b), m.lay.At(b, m.T)
	for g0 := 0; g0 < groups; g0 += batch {
		g1 := min(g0+batch, groups)
		msgs := make([][]byte, g1-g0)
		parallel(g1-g0, func(i int) error {
			g := g0 + i
			rows := m.lay.GroupRows(g)
			acc0, acc1 := multiply(rows)
			out := make([]uint64, rows.Len*blk.Len)
			msgs[i] = resp.finish(make([]byte, 0, resp.bytes(len(out))), out, acc0, acc1, at[:len(out)], each[g])
			m.p.give(acc0, acc1)
			for t := range rows.Len {
				copy(y[(rows.Start+t)*m.N+blk.Start:], out[t*blk.Len:(t+1)*blk.Len])
			}
			return nil
		})
		if err := sendAll(conn, msgs); err != nil {
			return err
		}
	}
	return nil
}

// pack adds up the rows of one response, row t multiplied by X^(t·n): the needed coefficients of the first polynomial
// and all of the second.
func (m *linear) pack(acc []*kernel.Residues, b int, rows packing.Span) (acc0, acc1 poly) {
	p, n := m.p, m.lay.Block(b).Len
	st := m.stored(b)
	acc0, acc1 = p.borrow(len(p.limbs)), p.borrow(len(p.limbs))
	for i := range p.limbs {
		l := &p.limbs[i]
		acc0[i] = acc0[i][:rows.Len*n]
		first := acc[i].Row(rows.Start)
		copy(acc0[i], first[min((p.n-st.Start)%p.n, st.Len):st.Len])
		copy(acc1[i], first[m.second(b, 1):])
		for t := 1; t < rows.Len; t++ {
			row := acc[i].Row(rows.Start + t)
			c0, c1 := row[:st.Len], row[m.second(b, 1):]
			shift := t * n
			d := acc1[i]
			l.addTo(d[shift:], c1[:p.n-shift])
			l.subFrom(d[:shift], c1[p.n-shift:])
			for j := range acc0[i] {
				at := j - shift // of the row's own polynomial
				neg := at < 0
				if neg {
					at += p.n
				}
				if at = (at - st.Start + p.n) % p.n; at >= st.Len {
					continue // not stored; only where a test cuts the range
				}
				if neg {
					acc0[i][j] = l.minus(acc0[i][j], c0[at])
				} else {
					acc0[i][j] = l.add(acc0[i][j], c0[at])
				}
			}
		}
	}
	return acc0, acc1
}

// Server runs the server's part: key of the set, x its share of X, M×K, w the weight, K×N. It returns its share of Y.
func (m MatMul) Server(conn transport.Conn, key *SecretKey, x, w []uint64) ([]uint64, error) {
	if len(x) != m.M*m.K {
		return nil, errInput(m.String(), "share", len(x), m.M*m.K)
	}
	if len(w) != m.K*m.N {
		return nil, errInput(m.String(), "weight", len(w), m.K*m.N)
	}
	own := make(chan []uint64, 1)
	go func() {
		y := make([]uint64, m.M*m.N)
		z2k.MatMul(y, x, w, m.M, m.K, m.N, m.Width)
		own <- y
	}()
	y, err := m.responses(conn, key)
	mine := <-own
	if err != nil {
		return nil, err
	}
	z2k.Add(y, y, mine, m.Width)
	return y, nil
}

// responses opens what the client sends: the server's share of X_c·W.
func (m MatMul) responses(conn transport.Conn, key *SecretKey) ([]uint64, error) {
	l, err := m.setup()
	if err != nil {
		return nil, err
	}
	if key.p != l.p {
		return nil, fmt.Errorf("%v: key of set %s, expected %s", m, key.p.Name, l.p.Name)
	}
	y := make([]uint64, m.M*m.N)
	for b := range l.lay.Blocks() {
		blk, at := l.lay.Block(b), l.lay.At(b, m.T)
		bytes := func(g int) int { return l.p.ResponseBytes(l.lay.GroupRows(g).Len*blk.Len, m.DropC0, m.DropC1) }
		err := recvAll(conn, l.lay.Groups(), bytes, func(g int, msg []byte) error {
			rows := l.lay.GroupRows(g)
			out := make([]uint64, rows.Len*blk.Len)
			if err := key.open(out, msg, at[:len(out)], m.Width, m.DropC0, m.DropC1); err != nil {
				return fmt.Errorf("response %d: %w", g, err)
			}
			for t := range rows.Len {
				copy(y[(rows.Start+t)*m.N+blk.Start:], out[t*blk.Len:(t+1)*blk.Len])
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("%v: %w", m, err)
		}
	}
	return y, nil
}

// sendAll sends responses as one message.
func sendAll(conn transport.Conn, msgs [][]byte) error {
	n := 0
	for _, b := range msgs {
		n += len(b)
	}
	all := make([]byte, 0, n)
	for _, b := range msgs {
		all = append(all, b...)
	}
	if err := conn.Send(all); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	return nil
}

// recvAll receives count responses of known lengths, batch to a message, and hands them to f in parallel. It opens one
// batch while the next is on its way.
func recvAll(conn transport.Conn, count int, bytes func(i int) int, f func(i int, msg []byte) error) error {
	for g0 := 0; g0 < count; g0 += batch {
		g1 := min(g0+batch, count)
		at := []int{0}
		for g := g0; g < g1; g++ {
			at = append(at, at[len(at)-1]+bytes(g))
		}
		msg, err := conn.Recv(at[len(at)-1])
		if err != nil {
			return fmt.Errorf("recv: %w", err)
		}
		if len(msg) != at[len(at)-1] {
			return errors.New("recv: message of another length")
		}
		if err := parallel(g1-g0, func(i int) error { return f(g0+i, msg[at[i]:at[i+1]]) }); err != nil {
			return err
		}
	}
	return nil
}

// positions are the coefficients 0 to n-1.
func positions(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}
