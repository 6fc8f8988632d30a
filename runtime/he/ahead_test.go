package he

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"nimbus/internal/packing"
	"nimbus/internal/prg"
	"nimbus/internal/rlweparams"
	"nimbus/internal/z2k"
	"nimbus/runtime/transport"
	"nimbus/runtime/transport/transporttest"
)

// kept is p as a later session finds it.
func kept(t testing.TB, p *Prepared, size int64, read func(io.Reader) (*Prepared, error)) *Prepared {
	t.Helper()
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	if int64(b.Len()) != size {
		t.Errorf("%d bytes are kept, expected %d", b.Len(), size)
	}
	if err := p.Write(&b); err == nil {
		t.Error("it is kept twice")
	}
	if _, err := read(bytes.NewReader(b.Bytes()[:b.Len()-1])); err == nil {
		t.Error("it is read from fewer bytes than it has")
	}
	q, err := read(&b)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// dealMatMul is the ideal product of a mask: exact, split at random.
func dealMatMul(m MatMul, w []uint64, rng *prg.PRG) (client, server *Prepared) {
	client, server = &Prepared{what: m.String(), width: m.Width, masks: rng.Child("masks").Seed()}, &Prepared{what: m.String(), width: m.Width}
	r := random(prg.New(client.masks), m.M*m.K, m.Width)
	server.product = make([]uint64, m.M*m.N)
	z2k.MatMul(server.product, r, w, m.M, m.K, m.N, m.Width)
	client.product = random(rng, m.M*m.N, m.Width)
	z2k.Sub(server.product, server.product, client.product, m.Width)
	return client, server
}

func dealMatMulSS(m MatMulSS, rng *prg.PRG) (out [2]*Prepared) {
	var a, b [2][]uint64
	for i := range out {
		out[i] = &Prepared{what: m.String(), width: m.Width, masks: rng.Child("masks").Seed()}
		a[i], b[i] = m.masks(prg.New(out[i].masks))
	}
	z2k.Add(a[0], a[0], a[1], m.Width)
	z2k.Add(b[0], b[0], b[1], m.Width)
	out[0].product = random(rng, m.Batch*m.Rows*m.Cols, m.Width)
	out[1].product = m.clear(a[0], b[0])
	z2k.Sub(out[1].product, out[1].product, out[0].product, m.Width)
	return out
}

// clear multiplies in the clear.
func (m MatMulSS) clear(x, y []uint64) []uint64 {
	nx, ny, nz := m.Rows*m.Inner, m.Inner*m.Cols, m.Rows*m.Cols
	z := make([]uint64, m.Batch*nz)
	for h := range m.Batch {
		z2k.MatMul(z[h*nz:(h+1)*nz], x[h*nx:(h+1)*nx], y[h*ny:(h+1)*ny], m.Rows, m.Inner, m.Cols, m.Width)
	}
	return z
}

// All shares of all operands of the rings of 1 to 3 bits: exact where the product of masks is.
func TestPreparedExhaustive(t *testing.T) {
	for width := 1; width <= 3; width++ {
		n := 1 << (4 * width)
		var all [4][]uint64 // every combination of the four numbers, one a batch
		for i := range n {
			for j := range all {
				all[j] = append(all[j], uint64(i)>>(j*width)&z2k.Mask(width))
			}
		}
		ss := MatMulSS{Batch: n, Rows: 1, Inner: 1, Cols: 1, Width: width}
		deal := dealMatMulSS(ss, seeded(3))
		deal[0] = kept(t, deal[0], ss.KeptBytes(), ss.ReadPrepared)
		var z [2][]uint64
		transporttest.TwoParty(t, func(c transport.Conn) (err error) {
			z[0], err = ss.RunPrepared(c, deal[0], all[0], all[1])
			return err
		}, func(c transport.Conn) (err error) {
			z[1], err = ss.RunPrepared(c, deal[1], all[2], all[3])
			return err
		})
		for i := range n {
			want := (all[0][i] + all[2][i]) * (all[1][i] + all[3][i]) & z2k.Mask(width)
			if got := (z[0][i] + z[1][i]) & z2k.Mask(width); got != want {
				t.Fatalf("width %d: (%d + %d)·(%d + %d) is %d, want %d", width, all[0][i], all[2][i], all[1][i], all[3][i], got, want)
			}
		}
		for w := range z2k.Mask(width) + 1 {
			m := MatMul{M: n, K: 1, N: 1, Width: width}
			client, server := dealMatMul(m, []uint64{w}, seeded(byte(w)))
			server = kept(t, server, m.KeptBytes(), m.ReadPrepared)
			transporttest.TwoParty(t, func(c transport.Conn) (err error) {
				z[0], err = m.ClientPrepared(c, client, all[0])
				return err
			}, func(c transport.Conn) (err error) {
				z[1], err = m.ServerPrepared(c, server, all[1], []uint64{w})
				return err
			})
			for i := range n {
				if got, want := (z[0][i]+z[1][i])&z2k.Mask(width), (all[0][i]+all[1][i])*w&z2k.Mask(width); got != want {
					t.Fatalf("width %d: (%d + %d)·%d is %d, want %d", width, all[0][i], all[1][i], w, got, want)
				}
			}
		}
	}
}

// preparedMatMul runs a product ahead and then with its input.
func preparedMatMul(t testing.TB, m MatMul) ([]int64, transporttest.Result) {
	t.Helper()
	rng := seeded(9)
	key, err := NewSecretKey(m.Set, rng)
	if err != nil {
		t.Fatal(err)
	}
	xc, xs, w := random(rng, m.M*m.K, m.Width), random(rng, m.M*m.K, m.Width), random(rng, m.K*m.N, m.Width)
	stored := section(t, m, key, w, rng)
	var yc, ys []uint64
	res := transporttest.TwoParty(t, func(c transport.Conn) error {
		p, err := m.PrepareClient(c, stored, key.Public(), rng.Child("client"))
		if err != nil {
			return err
		}
		yc, err = m.ClientPrepared(c, p, xc)
		return err
	}, func(c transport.Conn) error {
		p, err := m.PrepareServer(c, key)
		if err != nil {
			return err
		}
		ys, err = m.ServerPrepared(c, p, xs, w)
		return err
	})
	want := make([]uint64, m.M*m.N)
	z2k.Add(xc, xc, xs, m.Width)
	z2k.MatMul(want, xc, w, m.M, m.K, m.N, m.Width)
	z2k.Add(yc, yc, ys, m.Width)
	return errorsOf(yc, want, m.Width), res
}

func preparedMatMulSS(t testing.TB, m MatMulSS) ([]int64, transporttest.Result) {
	t.Helper()
	rng := seeded(5)
	var x, y, z [2][]uint64
	party := func(i int) func(c transport.Conn) error {
		x[i], y[i] = random(rng, m.Batch*m.Rows*m.Inner, m.Width), random(rng, m.Batch*m.Inner*m.Cols, m.Width)
		mine := rng.Child("party")
		return func(c transport.Conn) error {
			keys, err := ExchangeKeys(c, []string{m.Set}, mine)
			if err != nil {
				return err
			}
			p, err := m.Prepare(c, keys, mine)
			if err != nil {
				return err
			}
			z[i], err = m.RunPrepared(c, p, x[i], y[i])
			return err
		}
	}
	res := transporttest.TwoParty(t, party(0), party(1))
	for _, v := range []*[2][]uint64{&x, &y, &z} {
		z2k.Add(v[0], v[0], v[1], m.Width)
	}
	return errorsOf(z[0], m.clear(x[0], y[0]), m.Width), res
}

// The error is that of the product of masks, within its bound.
func TestPrepared(t *testing.T) {
	check := func(what fmt.Stringer, errs []int64, most int) {
		for _, e := range errs {
			if max(e, -e) > int64(most) {
				t.Errorf("%v: error of %d ulp, at most %d are allowed", what, e, most)
			}
		}
	}
	for _, m := range []MatMul{
		{Set: "n4096", M: 5, K: 16, N: 40, T: 2, Width: 37, DropC0: 10, DropC1: 8, DropStored: 20},
		{Set: "n4096", M: 2, K: 2, N: 5000, T: 1, Width: 37, DropC0: 3},
		{Set: "n8192", M: 2, K: 3, N: 40, T: 2, Width: 64, DropC0: 20},
	} {
		set, _ := rlweparams.Lookup(m.Set)
		errs, _ := preparedMatMul(t, m)
		check(m, errs, set.MatMulNoise(m.K, m.T, m.Width, m.Drops()).MaxUlp(m.M*m.N))
	}
	for _, m := range preparedSS {
		set, _ := rlweparams.Lookup(m.Set)
		errs, _ := preparedMatMulSS(t, m)
		check(m, errs, set.MatMulSSNoise(m.Tile.Terms(m.product()), m.Width, m.Drops()).MaxUlp(m.Batch*m.Rows*m.Cols))
	}
}

var preparedSS = []MatMulSS{
	{Set: "n2048", Batch: 2, Rows: 8, Inner: 9, Cols: 7, Width: 25, Tile: packing.Tile{Rows: 4, Inner: 8, Cols: 7}, DropC0: 20, DropC1: 16},
	{Set: "n4096", Batch: 1, Rows: 5, Inner: 7, Cols: 6, Width: 37, Tile: packing.Tile{Rows: 5, Inner: 4, Cols: 6, EncryptA: true}},
}

// What the peer sees of a product that was prepared, and kept on a disk, is uniform whatever the operands, and unrelated to what it sees of
// the next one; a mask that serves twice shows.
func TestPreparedView(t *testing.T) {
	const width, limit = 37, 75 // chi square as in judge
	m := MatMul{M: 32, K: 64, N: 1, Width: width}
	ss := MatMulSS{Batch: 1, Rows: 32, Inner: 32, Cols: 32, Width: width}
	w, zero := make([]uint64, m.K), make([]uint64, m.M*m.K)
	for _, twice := range []bool{false, true} {
		for _, what := range []fmt.Stringer{m, ss} {
			rng := seeded(4)
			var before []uint64
			for i := range 3 {
				if twice {
					rng = seeded(4)
				}
				res := transporttest.TwoParty(t, func(c transport.Conn) error {
					var err error
					if what == fmt.Stringer(m) {
						p, _ := dealMatMul(m, w, rng)
						_, err = m.ClientPrepared(c, kept(t, p, m.KeptBytes(), m.ReadPrepared), zero)
					} else {
						p := kept(t, dealMatMulSS(ss, rng)[0], ss.KeptBytes(), ss.ReadPrepared)
						_, err = ss.RunPrepared(c, p, zero[:32*32], zero[:32*32])
					}
					return err
				}, func(c transport.Conn) error {
					if what == fmt.Stringer(ss) {
						if err := c.Send(z2k.Pack(nil, zero, width)); err != nil {
							return err
						}
					}
					_, err := c.Recv(z2k.PackedLen(len(zero), width))
					return err
				})
				seen := make([]uint64, len(zero))
				if err := z2k.Unpack(seen, slices.Concat(res.Server.Received()...), width); err != nil {
					t.Fatal(err)
				}
				if x := chi(seen, 1<<width); x > limit {
					t.Errorf("%v: what is opened is not uniform (%.0f)", what, x)
				}
				if i > 0 {
					z2k.Sub(before, seen, before, width)
					if x := chi(before, 1<<width); x > limit != twice {
						t.Errorf("%v: masks used twice: %v, chi square of the difference %.0f", what, twice, x)
					}
				}
				before = seen
			}
		}
	}
}

// What is prepared serves one product of its shape, and a peer that sends anything else ends it.
func TestPreparedOnce(t *testing.T) {
	m := MatMul{M: 3, K: 2, N: 2, Width: 13}
	ss := MatMulSS{Batch: 1, Rows: 2, Inner: 2, Cols: 3, Width: 13}
	x, w := make([]uint64, 6), make([]uint64, 4)
	var left *Prepared
	run := map[string]func(c transport.Conn, p *Prepared) error{
		"he.matmul": func(c transport.Conn, p *Prepared) error {
			_, err := m.ServerPrepared(c, p, x, w)
			return err
		},
		"he.matmul_ss": func(c transport.Conn, p *Prepared) error {
			_, err := ss.RunPrepared(c, p, x[:4], x)
			return err
		},
	}
	for name, f := range run {
		deal := func() *Prepared {
			_, p := dealMatMul(m, w, seeded(1))
			if name != "he.matmul" {
				p = dealMatMulSS(ss, seeded(1))[0]
			}
			left = p
			return p
		}
		size := map[string]int{"he.matmul": 6, "he.matmul_ss": 10}[name]
		good := z2k.Pack(nil, make([]uint64, size), m.Width)
		stray := slices.Clone(good)
		stray[len(stray)-1] = 0xff // bits after the last number
		for _, c := range []struct {
			what string
			msg  []byte
			want string
		}{
			{"good", good, ""}, {"short", good[1:], "recv"}, {"long", append(slices.Clone(good), 0), "recv"},
			{"none", nil, "recv"}, {"stray bits", stray, "differences"},
		} {
			p := deal()
			err, _ := transporttest.TwoPartyErr(t, func(conn transport.Conn) error { return f(conn, p) }, func(conn transport.Conn) error {
				if err := conn.Send(c.msg); err != nil {
					return err
				}
				conn.RecvMax(1 << 10)
				return nil
			})
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: a message that is %s: %v", name, c.what, err)
			}
			if left.product != nil || left.masks != (prg.Seed{}) {
				t.Errorf("%s: a message that is %s leaves something prepared", name, c.what)
			}
			if err := f(nil, left); err == nil || !strings.Contains(err.Error(), "used before") {
				t.Errorf("%s: used twice: %v", name, err)
			}
		}
		if err := f(nil, nil); err == nil {
			t.Errorf("%s: used without being prepared", name)
		}
		if err := f(nil, &Prepared{what: "another", product: x}); err == nil || !strings.Contains(err.Error(), "another") {
			t.Errorf("%s: took what is prepared for another product: %v", name, err)
		}
	}
	if text := fmt.Sprintf("%v %+v %#v %d", left, left, left, &Prepared{product: []uint64{123456789}}); strings.Contains(text, "123456789") || !strings.Contains(text, "redacted") {
		t.Errorf("printed as %s", text)
	}
}
