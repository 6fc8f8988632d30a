package he

import (
	"bytes"
	"fmt"
	"testing"

	"nimbus/internal/packing"
	"nimbus/internal/prg"
	"nimbus/runtime/transport"
	"nimbus/runtime/transport/transporttest"
)

// What a key's holder sees: for each response the second polynomial and the decrypted coefficients, first limb.
type seen struct{ c1, u []uint64 }

// look reads responses sent without compression.
func look(t *testing.T, key *SecretKey, msgs [][]byte, sent int) []seen {
	t.Helper()
	p := key.p
	var out []seen
	for _, msg := range msgs {
		size := p.ResponseBytes(sent, 0, 0)
		if len(msg)%size != 0 {
			t.Fatalf("message of %d bytes, responses of %d", len(msg), size)
		}
		for ; len(msg) > 0; msg = msg[size:] {
			split := p.ResponsePolyBytes(p.n, 0)
			c1, c0 := newPoly(p.Resp, p.n), newPoly(p.Resp, sent)
			if err := p.unpackResponse(c1, msg[:split], 0); err != nil {
				t.Fatal(err)
			}
			if err := p.unpackResponse(c0, msg[split:size], 0); err != nil {
				t.Fatal(err)
			}
			s := seen{append([]uint64(nil), c1[0]...), c0[0]}
			key.timesSecret(c1[0], 0)
			p.limbs[0].addTo(s.u, c1[0][:sent]) // responses below sit at 0..sent-1
			out = append(out, s)
		}
	}
	return out
}

// judge says what is wrong with a view of responses whose product is zero: everything in it must be uniform, alone and
// relative to every other response.
func judge(p *params, view []seen) error {
	l := &p.limbs[0]
	const limit = 75 // chi square, 15 degrees of freedom: probability below 1e-9
	for i, s := range view {
		if x := chi(s.u, l.q); x > limit {
			return fmt.Errorf("response %d: decrypted coefficients are not uniform (%.0f)", i, x)
		}
		if x := chi(s.c1, l.q); x > limit {
			return fmt.Errorf("response %d: second polynomial is not uniform (%.0f)", i, x)
		}
		for j, o := range view[:i] {
			d := append([]uint64(nil), s.u...)
			l.subFrom(d, o.u)
			if x := chi(d, l.q); x > limit {
				return fmt.Errorf("responses %d and %d: masks are related (%.0f)", j, i, x)
			}
			d = append(d[:0], s.c1...)
			l.subFrom(d, o.c1)
			if x := chi(d, l.q); x > limit {
				return fmt.Errorf("responses %d and %d: encryptions of zero are related (%.0f)", j, i, x)
			}
		}
	}
	return nil
}

// Ways to break the draws, each of which a view must show.
type noMask struct{ fresh }

func (noMask) mask(*params, poly, *prg.PRG) {}

type sameMask struct{ fresh }

func (sameMask) mask(p *params, r poly, _ *prg.PRG) { fresh{}.mask(p, r, seeded(99)) }

type sameZero struct{ fresh }

func (sameZero) zero(pk *PublicKey, limbs int, _ *prg.PRG) (poly, poly) {
	return fresh{}.zero(pk, limbs, seeded(99))
}

type noZero struct{ fresh }

func (noZero) zero(pk *PublicKey, limbs int, _ *prg.PRG) (poly, poly) {
	return newPoly(limbs, pk.p.n), newPoly(limbs, pk.p.n)
}

var drawn = map[string]struct {
	draw draws
	ok   bool
}{
	"fresh": {fresh{}, true}, "no mask": {noMask{}, false}, "same mask": {sameMask{}, false},
	"same zero": {sameZero{}, false}, "no zero": {noZero{}, false},
}

func TestMatMulView(t *testing.T) {
	m := MatMul{Set: "n4096", M: 5, K: 4, N: 512, T: 1, Width: 37}
	rng := seeded(1)
	key, _ := NewSecretKey(m.Set, rng)
	w := random(rng, m.K*m.N, m.Width)
	for name, d := range drawn {
		l, _ := m.setup()
		l.draw = d.draw
		stored := section(t, m, key, w, rng)
		x := make([]uint64, m.M*m.K) // zeros: the server may learn nothing, not even that
		res := transporttest.TwoParty(t, func(c transport.Conn) error {
			_, err := l.client(c, stored, key.Public(), x, rng.Child("run"))
			return err
		}, func(c transport.Conn) error {
			_, err := m.Server(c, key, x, w)
			return err
		})
		view := look(t, key, res.Server.Received(), m.N)
		if len(view) != m.M {
			t.Fatalf("%d responses", len(view))
		}
		if err := judge(l.p, view); (err == nil) != d.ok {
			t.Errorf("%s: judged %v", name, err)
		}
	}
}

func TestSelectView(t *testing.T) {
	s := Select{Set: "n2048", Tokens: 4, Rows: 8, Cols: 512, Width: 30}
	rng := seeded(2)
	key, _ := NewSecretKey(s.Set, rng)
	words := encryptTable(t, s.Words(), key, "word", make([]uint64, s.Rows*s.Cols), rng)
	for name, d := range drawn {
		if name == "no zero" {
			// The stored second polynomial is uniform by itself; that it appears unchanged is checked below.
			continue
		}
		res := transporttest.TwoParty(t, func(c transport.Conn) error {
			_, err := s.client(c, words, words, key.Public(), []uint64{3, 3, 3, 3}, nil, rng.Child("run"), d.draw)
			return err
		}, func(c transport.Conn) error {
			_, err := s.Server(c, key)
			return err
		})
		view := look(t, key, res.Server.Received(), s.Cols)
		if err := judge(key.p, view); (err == nil) != d.ok {
			t.Errorf("%s: judged %v", name, err)
		}
	}
	// A response must not be linkable to what is stored: its second polynomial minus the stored one, moved by any offset,
	// is uniform with a fresh encryption of zero and vanishes without one.
	for _, fails := range []bool{false, true} {
		var draw draws = fresh{}
		if fails {
			draw = noZero{}
		}
		res := transporttest.TwoParty(t, func(c transport.Conn) error {
			_, err := s.client(c, words, words, key.Public(), []uint64{1, 2, 4, 7}, nil, rng.Child("run"), draw)
			return err
		}, func(c transport.Conn) error {
			_, err := s.Server(c, key)
			return err
		})
		view := look(t, key, res.Server.Received(), s.Cols)
		tb, _ := s.Words().setup()
		linked := false
		for _, v := range view {
			for id := range s.Rows {
				acc0, acc1 := newPoly(1, s.Cols), newPoly(1, key.p.n)
				if err := tb.addSecretRow(acc0, acc1, words, id); err != nil {
					t.Fatal(err)
				}
				d := append([]uint64(nil), v.c1...)
				key.p.limbs[0].subFrom(d, acc1[0])
				if chi(d, key.p.limbs[0].q) > 75 {
					linked = true
				}
			}
		}
		if linked != fails {
			t.Errorf("without a zero %v: linked %v", fails, linked)
		}
	}
}

func TestMatMulSSView(t *testing.T) {
	// One tile per product; the results sit at 0..511 because the inner side is 1.
	m := MatMulSS{Set: "n2048", Batch: 4, Rows: 2, Inner: 1, Cols: 256, Width: 20, Tile: packing.Tile{Rows: 2, Inner: 1, Cols: 256}}
	rng := seeded(3)
	for name, d := range drawn {
		var keys [2]*SessionKeys
		zero := func(n int) []uint64 { return make([]uint64, n) }
		party := func(i int) func(c transport.Conn) error {
			mine := rng.Child("party")
			return func(c transport.Conn) (err error) {
				if keys[i], err = ExchangeKeys(c, []string{m.Set}, mine); err != nil {
					return err
				}
				_, err = m.run(c, keys[i], zero(m.Batch*2), zero(m.Batch*256), mine, d.draw)
				return err
			}
		}
		res := transporttest.TwoParty(t, party(0), party(1))
		for i, r := range []*transport.Recorder{res.Client, res.Server} {
			key, _ := keys[i].own.Key(m.Set)
			got := r.Received()
			view := look(t, key, got[len(got)-m.Batch:], 512)
			if err := judge(key.p, view); (err == nil) != d.ok {
				t.Errorf("party %d, %s: judged %v", i, name, err)
			}
		}
	}
}

// The errors of stored and sent ciphertexts are no function of public data: with every public input the same, salt
// included, another secret generator gives other errors; and no generator a public seed could start gives these.
func TestErrorsAreSecret(t *testing.T) {
	rng := seeded(4)
	for _, set := range []string{"n4096", "n2048"} {
		key, _ := NewSecretKey(set, rng)
		p := key.p
		mod := p.resp()
		drawnBy := func(e *encryptor) []uint64 {
			row := e.row(nil, make([]uint64, p.n), 7, 0, p.n, mod, 0, 20, e.errors.Child("row"))
			c0, a := make([]uint64, p.n), make([]uint64, p.n)
			if _, err := p.limbs[0].unpack(c0, row); err != nil {
				t.Fatal(err)
			}
			expand(e.seed(7, 0), a, &p.limbs[0])
			key.timesSecret(a, 0)
			p.limbs[0].addTo(c0, a)
			return c0
		}
		e1, e2 := newEncryptor(key, "matmul", testID, rng.Child("one")), newEncryptor(key, "matmul", testID, rng.Child("two"))
		if e1.salt == e2.salt {
			t.Fatal("a salt was used twice")
		}
		e2.salt = e1.salt
		v1, v2 := drawnBy(e1), drawnBy(e2)
		same, small := 0, 0
		for i := range v1 {
			if v1[i] == v2[i] {
				same++
			}
			if v1[i] <= 21 || v1[i] >= p.limbs[0].q-21 {
				small++
			}
		}
		if small != p.n || same > p.n/5 {
			t.Errorf("%s: %d of %d errors are small, %d equal under one salt", set, small, p.n, same)
		}
		guess := make([]int8, p.n)
		for name, seed := range map[string][32]byte{
			"salt": e1.salt, "row seed": e1.seed(7, 0), "other limb": e1.seed(7, 1), "key id": testID.Key, "plan": testID.Plan,
		} {
			for _, g := range []*prg.PRG{prg.New(seed), prg.New(seed).Child("row"), prg.New(seed).Child("he secret errors").Child("row")} {
				binomial(g, guess)
				same := 0
				for i, e := range guess {
					if p.limbs[0].small(e) == v1[i] {
						same++
					}
				}
				if same > p.n/5 {
					t.Errorf("%s: %d of %d errors follow from the %s", set, same, p.n, name)
				}
			}
		}
	}
}

// Two set-ups of the same weight share no seed.
func TestSaltIsFresh(t *testing.T) {
	m := MatMul{Set: "n4096", M: 1, K: 2, N: 4, T: 1, Width: 20}
	rng := seeded(5)
	key, _ := NewSecretKey(m.Set, rng)
	var a, b bytes.Buffer
	for _, out := range []*bytes.Buffer{&a, &b} {
		if err := m.Encrypt(out, key, testID, make([]uint64, 8), rng, nil); err != nil {
			t.Fatal(err)
		}
	}
	if bytes.Equal(a.Bytes()[:saltLen], b.Bytes()[:saltLen]) || bytes.Equal(a.Bytes()[saltLen:], b.Bytes()[saltLen:]) {
		t.Error("a second set-up repeats the first")
	}
}
