package he

import (
	"fmt"
	goruntime "runtime"
	"strings"
	"testing"

	"nimbus/internal/packing"
	"nimbus/internal/prg"
	"nimbus/runtime/transport"
	"nimbus/runtime/transport/transporttest"
)

// counting counts the encryptions of zero that a run makes by itself.
type counting struct {
	fresh
	made *int
}

func (c counting) zero(pk *PublicKey, limbs int, rng *prg.PRG) (poly, poly) {
	*c.made++ // the pools are full, or there is one response
	return c.fresh.zero(pk, limbs, rng)
}

// A pool filled with what a protocol says it needs is empty after one run, which makes none by itself.
func TestZeroNeeds(t *testing.T) {
	rng := seeded(11)
	made := 0
	draw := counting{made: &made}
	for _, m := range []MatMul{
		{Set: "n4096", M: 7, K: 2, N: 64, T: 2, Width: 38},
		{Set: "n4096", M: 7, K: 2, N: 64, T: 3, Width: 44}, // before the limbs are dropped
		{Set: "n4096", M: 3, K: 2, N: 4100, T: 1, Width: 30},
		{Set: "n8192", M: 3, K: 2, N: 64, T: 2, Width: 64},
	} {
		key, _ := NewSecretKey(m.Set, rng)
		l, err := m.setup()
		if err != nil {
			t.Fatal(err)
		}
		l.draw = draw
		stored := section(t, m, key, make([]uint64, m.K*m.N), rng)
		ring := (&PublicKeyring{keys: []*PublicKey{key.Public()}}).Pooled()
		need := ZeroNeeds{}
		if err := m.AddZeros(need); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second time finds them made
			if err := ring.Prepare(need, rng.Child("zeros")); err != nil {
				t.Fatal(err)
			}
			if got := ring.Stocked(); got != l.lay.Responses() {
				t.Errorf("%v: %d zeros, %d responses", m, got, l.lay.Responses())
			}
		}
		pk, _ := ring.Key(m.Set)
		x := make([]uint64, m.M*m.K)
		transporttest.TwoParty(t, func(c transport.Conn) error {
			y, err := l.client(c, stored, pk, x, rng.Child("run"))
			if err == nil && len(y) != m.M*m.N {
				err = fmt.Errorf("%d results", len(y))
			}
			return err
		}, func(c transport.Conn) error {
			_, err := m.Server(c, key, x, make([]uint64, m.K*m.N))
			return err
		})
		if ring.Stocked() != 0 || made != 0 {
			t.Errorf("%v: %d zeros left, %d made during the run", m, ring.Stocked(), made)
		}
	}

	m := MatMulSS{Set: "n2048", Batch: 2, Rows: 5, Inner: 7, Cols: 6, Width: 25, Tile: packing.Tile{Rows: 2, Inner: 4, Cols: 6}}
	need := ZeroNeeds{}
	if err := m.AddZeros(need); err != nil {
		t.Fatal(err)
	}
	party := func() func(c transport.Conn) error {
		mine := rng.Child("party")
		return func(c transport.Conn) error {
			made := 0
			keys, err := ExchangeKeys(c, []string{m.Set}, mine)
			if err != nil {
				return err
			}
			if err := keys.Prepare(need, mine.Child("zeros")); err != nil {
				return err
			}
			if _, err := m.run(c, keys, make([]uint64, m.Batch*35), make([]uint64, m.Batch*42), mine, counting{made: &made}); err != nil {
				return err
			}
			if keys.Stocked() != 0 || made != 0 {
				return fmt.Errorf("%v: %d zeros left, %d made during the run", m, keys.Stocked(), made)
			}
			return nil
		}
	}
	transporttest.TwoParty(t, party(), party())

	s := Select{Set: "n2048", Tokens: 5, Rows: 8, Cols: 128, Width: 30}
	need = ZeroNeeds{}
	if err := s.AddZeros(need); err != nil || need[ZeroKind{"n2048", 1, 128}] != 5 {
		t.Errorf("%v: %v, %v", s, need, err)
	}
	if cut, err := need.Within(3 * 8 * (2048 + 128)); err != nil || cut[ZeroKind{"n2048", 1, 128}] != 3 {
		t.Errorf("cut to %v: %v", cut, err)
	}
	key, _ := NewSecretKey(s.Set, rng)
	if err := (&PublicKeyring{keys: []*PublicKey{key.Public()}}).Prepare(need, rng); err == nil {
		t.Error("a ring without pools was filled")
	}
}

// What the server sees with zeros made ahead is as uniform as with zeros made on the spot, over several runs that
// outlast the pool; and it shows if a pool hands the same zero out twice.
func TestZeroPoolView(t *testing.T) {
	s := Select{Set: "n2048", Tokens: 4, Rows: 8, Cols: 512, Width: 30}
	rng := seeded(12)
	key, _ := NewSecretKey(s.Set, rng)
	words := encryptTable(t, s.Words(), key, "word", make([]uint64, s.Rows*s.Cols), rng)
	for name, twice := range map[string]bool{"once": false, "twice": true} {
		ring := (&PublicKeyring{keys: []*PublicKey{key.Public()}}).Pooled()
		pk, _ := ring.Key(s.Set)
		if err := ring.Prepare(ZeroNeeds{{s.Set, 1, s.Cols}: 6}, rng.Child("zeros")); err != nil {
			t.Fatal(err)
		}
		stock := append([]*encryptedZero(nil), pk.zeros.stock[s.zeroKind(pk.p)]...)
		var view []seen
		for range 2 {
			if twice {
				pk.zeros.stock[s.zeroKind(pk.p)] = append([]*encryptedZero(nil), stock...)
			}
			res := transporttest.TwoParty(t, func(c transport.Conn) error {
				_, err := s.Client(c, words, words, pk, []uint64{3, 3, 3, 3}, nil, rng.Child("run"))
				return err
			}, func(c transport.Conn) error {
				_, err := s.Server(c, key)
				return err
			})
			view = append(view, look(t, key, res.Server.Received(), s.Cols)...)
		}
		if err := judge(key.p, view); (err != nil) != twice {
			t.Errorf("%s: judged %v", name, err)
		}
	}
	if text := fmt.Sprintf("%v %+v", key.Public(), &ZeroPool{}); strings.Contains(text, "stock") {
		t.Errorf("a pool prints as %s", text)
	}
}

// Bytes do not depend on how many processors filled and emptied a pool.
func TestZeroPoolDeterministic(t *testing.T) {
	run := func() string {
		rng := seeded(13)
		s := Select{Set: "n2048", Tokens: 9, Rows: 8, Cols: 128, Width: 30}
		key, _ := NewSecretKey(s.Set, rng)
		words := encryptTable(t, s.Words(), key, "word", make([]uint64, s.Rows*s.Cols), rng)
		ring := (&PublicKeyring{keys: []*PublicKey{key.Public()}}).Pooled()
		if err := ring.Prepare(ZeroNeeds{{s.Set, 1, s.Cols}: 6}, rng.Child("zeros")); err != nil {
			t.Fatal(err)
		}
		pk, _ := ring.Key(s.Set)
		online := rng.Child("run")
		res := transporttest.TwoParty(t, func(c transport.Conn) error {
			_, err := s.Client(c, words, words, pk, make([]uint64, s.Tokens), nil, online)
			return err
		}, func(c transport.Conn) error {
			_, err := s.Server(c, key)
			return err
		})
		return fmt.Sprintf("%x", res.Client.SentDigest())
	}
	old := goruntime.GOMAXPROCS(1)
	alone := run()
	goruntime.GOMAXPROCS(old)
	if got := run(); got != alone {
		t.Errorf("bytes depend on the number of processors: %s and %s", got, alone)
	}
}
