package he

import (
	"errors"
	"fmt"
	"io"

	"nimbus/internal/prg"
	"nimbus/internal/z2k"
	"nimbus/runtime/artifact"
	"nimbus/runtime/transport"
)

// Products made ahead of their input: [MatMul] and [MatMulSS] run on uniform masks, and what is left for later is to
// send differences from them and to multiply in the clear.
//
//	[Y]_A ← MatMul([X]_A, W)        R uniform, M×K, the client's own
//
//	ahead:   [R·W]_A ← MatMul((R, 0), W)
//	Client (X_c, R, [R·W]_c)                    Server (X_s, W, [R·W]_s)
//	D = X_c - R mod 2^Width           ─────▶
//	Y_c = [R·W]_c                               Y_s = (X_s + D)·W + [R·W]_s
//
//	[Z]_A ← MatMulSS([X]_A, [Y]_A)        A, B uniform: each party draws its own shares of them
//
//	ahead:   [A·B]_A ← MatMulSS([A]_A, [B]_A)
//	D_p = X_p - A_p, E_p = Y_p - B_p  ─────▶ ◀─────    likewise
//	D = X - A, E = Y - B
//	Z_p = D·Y_p + A_p·E + [A·B]_p
//
// The last line adds up to D·Y + A·E + A·B = X·Y. D and E are uniform whatever X and Y are, as long as no mask serves
// twice, which [Prepared] sees to; that they were multiplied under encryption before shows nothing of them, see the
// package comment.
//
// Error: that of the product of the masks, with the same bounds; the rest is exact. Cost: backend/cost, Ahead.
// Reference: Beaver (CRYPTO 1991); for a matrix that one party holds, Delphi (USENIX Security 2020), section 3.

// Prepared is a party's part of a product of masks. It serves one product, and is empty after that, whether or not the
// product came about.
type Prepared struct {
	what    string
	width   int
	masks   prg.Seed // of the masks that this party drew
	product []uint64 // its share of their product
}

// String hides what is prepared.
func (p *Prepared) String() string { return "he.Prepared(redacted)" }

// Format hides what is prepared whatever the verb.
func (p *Prepared) Format(f fmt.State, _ rune) { io.WriteString(f, p.String()) }

// take empties p.
func (p *Prepared) take(what fmt.Stringer) (masks *prg.PRG, product []uint64, err error) {
	if p == nil || p.product == nil {
		return nil, nil, fmt.Errorf("%v: nothing is prepared, or it was used before", what)
	}
	if p.what != what.String() {
		return nil, nil, fmt.Errorf("%v: what is prepared is for %s", what, p.what)
	}
	masks, product = prg.New(p.masks), p.product
	*p = Prepared{}
	return masks, product, nil
}

// Write writes p, for [MatMul.ReadPrepared] or [MatMulSS.ReadPrepared], and empties it: the masks, if there are any, and
// the product.
func (p *Prepared) Write(w io.Writer) error {
	if p == nil || p.product == nil {
		return errors.New("he: nothing is prepared, or it was used before")
	}
	b := z2k.Pack(p.masks[:], p.product, p.width)
	*p = Prepared{}
	_, err := w.Write(b)
	return err
}

// keptBytes is how much Write writes of a product of n numbers.
func keptBytes(n, width int) int64 { return int64(len(prg.Seed{}) + z2k.PackedLen(n, width)) }

func readPrepared(r io.Reader, what fmt.Stringer, n, width int) (*Prepared, error) {
	b := make([]byte, keptBytes(n, width))
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, fmt.Errorf("%v: %w", what, err)
	}
	p := &Prepared{what: what.String(), width: width, product: make([]uint64, n)}
	b = b[copy(p.masks[:], b):]
	return p, z2k.Unpack(p.product, b, width)
}

// KeptBytes is what [Prepared.Write] writes of this product.
func (m MatMul) KeptBytes() int64 { return keptBytes(m.M*m.N, m.Width) }

// ReadPrepared reads what was prepared for this product in a session before.
func (m MatMul) ReadPrepared(r io.Reader) (*Prepared, error) {
	return readPrepared(r, m, m.M*m.N, m.Width)
}

// KeptBytes is what [Prepared.Write] writes of this product.
func (m MatMulSS) KeptBytes() int64 { return keptBytes(m.Batch*m.Rows*m.Cols, m.Width) }

// ReadPrepared reads what was prepared for this product in a session before.
func (m MatMulSS) ReadPrepared(r io.Reader) (*Prepared, error) {
	return readPrepared(r, m, m.Batch*m.Rows*m.Cols, m.Width)
}

// PrepareClient runs the client's part on a mask in the place of its share; see [MatMul.Client].
func (m MatMul) PrepareClient(conn transport.Conn, sec artifact.Section, pk *PublicKey, rng *prg.PRG) (*Prepared, error) {
	p := &Prepared{what: m.String(), width: m.Width, masks: rng.Child("he matmul mask").Seed()}
	r := make([]uint64, m.M*m.K)
	prg.New(p.masks).Fill(r, m.Width)
	var err error
	p.product, err = m.Client(conn, sec, pk, r, rng)
	return p, err
}

// PrepareServer runs the server's part on zeros; see [MatMul.Server].
func (m MatMul) PrepareServer(conn transport.Conn, key *SecretKey) (*Prepared, error) {
	y, err := m.responses(conn, key)
	return &Prepared{what: m.String(), width: m.Width, product: y}, err
}

// ClientPrepared is [MatMul.Client] where the product of a mask is there.
func (m MatMul) ClientPrepared(conn transport.Conn, p *Prepared, x []uint64) ([]uint64, error) {
	if len(x) != m.M*m.K {
		return nil, errInput(m.String(), "share", len(x), m.M*m.K)
	}
	masks, y, err := p.take(m)
	if err != nil {
		return nil, err
	}
	d := make([]uint64, len(x))
	masks.Fill(d, m.Width)
	z2k.Sub(d, x, d, m.Width)
	if err := conn.Send(z2k.Pack(nil, d, m.Width)); err != nil {
		return nil, fmt.Errorf("%v: send: %w", m, err)
	}
	return y, nil
}

// ServerPrepared is [MatMul.Server] where the product of the client's mask is there.
func (m MatMul) ServerPrepared(conn transport.Conn, p *Prepared, x, w []uint64) ([]uint64, error) {
	if len(x) != m.M*m.K {
		return nil, errInput(m.String(), "share", len(x), m.M*m.K)
	}
	if len(w) != m.K*m.N {
		return nil, errInput(m.String(), "weight", len(w), m.K*m.N)
	}
	_, y, err := p.take(m)
	if err != nil {
		return nil, err
	}
	d, err := differences(conn, m.Width, len(x))
	if err != nil {
		return nil, fmt.Errorf("%v: %w", m, err)
	}
	z2k.Add(d, d, x, m.Width)
	own := make([]uint64, m.M*m.N)
	z2k.MatMul(own, d, w, m.M, m.K, m.N, m.Width)
	z2k.Add(y, y, own, m.Width)
	return y, nil
}

// differences receives n numbers of width bits.
func differences(conn transport.Conn, width, n int) ([]uint64, error) {
	msg, err := conn.Recv(z2k.PackedLen(n, width))
	if err != nil {
		return nil, fmt.Errorf("recv: %w", err)
	}
	d := make([]uint64, n)
	if err := z2k.Unpack(d, msg, width); err != nil {
		return nil, errors.Join(errors.New("peer's differences"), err)
	}
	return d, nil
}

// masks draws a party's shares of the masks of a product.
func (m MatMulSS) masks(from *prg.PRG) (a, b []uint64) {
	a, b = make([]uint64, m.Batch*m.Rows*m.Inner), make([]uint64, m.Batch*m.Inner*m.Cols)
	from.Fill(a, m.Width)
	from.Fill(b, m.Width)
	return a, b
}

// Prepare runs one party's part on masks in the place of its shares; see [MatMulSS.Run].
func (m MatMulSS) Prepare(conn transport.Conn, keys *SessionKeys, rng *prg.PRG) (*Prepared, error) {
	p := &Prepared{what: m.String(), width: m.Width, masks: rng.Child("he matmul_ss masks").Seed()}
	a, b := m.masks(prg.New(p.masks))
	var err error
	p.product, err = m.Run(conn, keys, a, b, rng)
	return p, err
}

// RunPrepared is [MatMulSS.Run] where the product of masks is there.
func (m MatMulSS) RunPrepared(conn transport.Conn, p *Prepared, x, y []uint64) ([]uint64, error) {
	nx, ny, nz := m.Rows*m.Inner, m.Inner*m.Cols, m.Rows*m.Cols
	if len(x) != m.Batch*nx {
		return nil, errInput(m.String(), "first share", len(x), m.Batch*nx)
	}
	if len(y) != m.Batch*ny {
		return nil, errInput(m.String(), "second share", len(y), m.Batch*ny)
	}
	masks, z, err := p.take(m)
	if err != nil {
		return nil, err
	}
	a, b := m.masks(masks)
	both := make([]uint64, len(x)+len(y))
	d, e := both[:len(x)], both[len(x):]
	z2k.Sub(d, x, a, m.Width)
	z2k.Sub(e, y, b, m.Width)
	if err := conn.Send(z2k.Pack(nil, both, m.Width)); err != nil {
		return nil, fmt.Errorf("%v: send: %w", m, err)
	}
	theirs, err := differences(conn, m.Width, len(both))
	if err != nil {
		return nil, fmt.Errorf("%v: %w", m, err)
	}
	z2k.Add(both, both, theirs, m.Width)
	part := make([]uint64, nz)
	for h := range m.Batch {
		zh := z[h*nz : (h+1)*nz]
		z2k.MatMul(part, d[h*nx:(h+1)*nx], y[h*ny:(h+1)*ny], m.Rows, m.Inner, m.Cols, m.Width)
		z2k.Add(zh, zh, part, m.Width)
		z2k.MatMul(part, a[h*nx:(h+1)*nx], e[h*ny:(h+1)*ny], m.Rows, m.Inner, m.Cols, m.Width)
		z2k.Add(zh, zh, part, m.Width)
	}
	return z, nil
}
