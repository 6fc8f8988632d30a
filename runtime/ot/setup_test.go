package ot_test

import (
	"encoding/binary"
	"fmt"
	"testing"

	"nimbus/internal/fixed"
	"nimbus/internal/prg"
	"nimbus/internal/z2k"
	"nimbus/runtime/corr"
	"nimbus/runtime/corr/corrtest"
	"nimbus/runtime/ideal"
	"nimbus/runtime/ot"
	"nimbus/runtime/share"
	"nimbus/runtime/transport"
	"nimbus/runtime/transport/transporttest"
)

// protocols is what ot.Protocol and ideal.Party have in common: all of it.
type protocols interface {
	Cmp(x share.Arith, cuts []int64, n int, o fixed.CmpOpts) (share.Bool, error)
	Mux(b share.Bool, x share.Arith) (share.Arith, error)
	And(a, b share.Bool) (share.Bool, error)
	Trunc(x share.Arith, bits, to int) (share.Arith, error)
	Square(x share.Arith, outWidth int, within fixed.Bound) (share.Arith, error)
	MulSS(x, y share.Arith, o fixed.ProductOpts) (share.Arith, error)
	Mul(x share.Arith, v []uint64, vbits int) (share.Arith, error)
	Max(x share.Arith, o fixed.CmpOpts, stated []int) (share.Arith, error)
	Recip(x share.Arith, v fixed.Inverse) (share.Arith, error)
	Rsqrt(x share.Arith, v fixed.Inverse) (share.Arith, error)
	Piecewise(x share.Arith, f fixed.Piecewise) (share.Arith, error)
}

var (
	_ protocols = (*ot.Protocol)(nil)
	_ protocols = (*ideal.Party)(nil)
)

func seed(n int) (s prg.Seed) {
	binary.LittleEndian.PutUint64(s[:], uint64(n))
	return s
}

// measured is what a run of the real protocols used, per party.
type measured struct {
	transporttest.Result
	client, server corr.CorrStats
}

// real runs f for both parties over correlations dealt from a seed.
func real(t testing.TB, from int, f func(p *ot.Protocol, party int) error) measured {
	t.Helper()
	c, s := corrtest.Dealer(seed(from))
	party := func(n int, c *corr.Corr) func(transport.Conn) error {
		return func(conn transport.Conn) error { return f(ot.New(conn, n, c, prg.New(seed(n))), n) }
	}
	r := transporttest.TwoParty(t, party(share.Client, c), party(share.Server, s))
	return measured{r, c.Stats(), s.Stats()}
}

// dealer runs f for both parties against the trusted dealer.
func dealer(t testing.TB, from int, o ideal.Options, f func(p protocols, party int) error) {
	t.Helper()
	c, s := ideal.New(prg.New(seed(from)), o)
	errs := make(chan error)
	for n, p := range []*ideal.Party{c, s} {
		go func() {
			err := f(p, n)
			p.Close()
			errs <- err
		}()
	}
	for range 2 {
		if err := <-errs; err != nil && err != ideal.ErrClosed {
			t.Error(err)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
}

// everywhere runs one test body against the real protocols, the exact dealer,
// and the dealer with the protocols' errors. exact says that results equal the twins.
func everywhere(t *testing.T, body func(t *testing.T, exact bool, run func(f func(p protocols, party int) error))) {
	t.Run("real", func(t *testing.T) {
		body(t, false, func(f func(protocols, int) error) {
			t.Helper()
			real(t, 1, func(p *ot.Protocol, party int) error { return f(p, party) })
		})
	})
	for _, errors := range []bool{false, true} {
		t.Run(fmt.Sprintf("ideal errors=%v", errors), func(t *testing.T) {
			body(t, !errors, func(f func(protocols, int) error) {
				t.Helper()
				dealer(t, 2, ideal.Options{Errors: errors}, f)
			})
		})
	}
}

// halves is a shared tensor.
type halves [2]share.Arith

// split shares v with a uniform client's half.
func split(rng *prg.PRG, v []uint64, width int, shape ...int) halves {
	if shape == nil {
		shape = []int{len(v)}
	}
	h := halves{share.NewArith(width, shape...), share.NewArith(width, shape...)}
	rng.Fill(h[0].V, width)
	z2k.Sub(h[1].V, v, h[0].V, width)
	return h
}

// given shares v with the given client's half.
func given(v, client []uint64, width int) halves {
	h := halves{share.NewArith(width, len(v)), share.NewArith(width, len(v))}
	copy(h[0].V, client)
	z2k.Sub(h[1].V, v, client, width)
	return h
}

func (h halves) open() []uint64 {
	out := make([]uint64, len(h[0].V))
	if len(out) > 0 {
		z2k.Add(out, h[0].V, h[1].V, h[0].Width)
	}
	return out
}

type bools [2]share.Bool

func splitBits(rng *prg.PRG, b []uint8, shape ...int) bools {
	if shape == nil {
		shape = []int{len(b)}
	}
	h := bools{share.NewBool(shape...), share.NewBool(shape...)}
	rng.Bits(h[0].V)
	for i := range b {
		h[1].V[i] = b[i] ^ h[0].V[i]
	}
	return h
}

func (h bools) open() []uint8 {
	out := make([]uint8, len(h[0].V))
	for i := range out {
		out[i] = h[0].V[i] ^ h[1].V[i]
	}
	return out
}

// arith runs an op with an arithmetic result and opens it.
func arith(run func(func(protocols, int) error), op func(p protocols, party int) (share.Arith, error)) (out halves) {
	run(func(p protocols, party int) (err error) {
		out[party], err = op(p, party)
		return err
	})
	return out
}

// onlyServer returns v at the server and nil at the client.
func onlyServer[T any](party int, v []T) []T {
	if party == share.Server {
		return v
	}
	return nil
}

// pairs returns all (x, client's half) of a width.
func pairs(l int) (x, client []uint64) {
	for a := range uint64(1) << l {
		for b := range uint64(1) << l {
			x, client = append(x, a), append(client, b)
		}
	}
	return x, client
}

func asReal(f func(protocols, int) error) func(p *ot.Protocol, party int) error {
	return func(p *ot.Protocol, party int) error { return f(p, party) }
}

// anyMax draws the levels of a tournament.
func anyMax(rng *prg.PRG, cols int, o fixed.CmpOpts) (stated []int) {
	for cols > 1 {
		all := fixed.MaxLevels(cols, o)
		l := all[rng.Uint64()%uint64(len(all))]
		stated, cols = append(stated, l.Ints()...), l.Winners()
	}
	return stated
}
