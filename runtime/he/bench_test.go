package he

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"nimbus/internal/packing"
	"nimbus/internal/rlweparams"
	"nimbus/runtime/transport"
	"nimbus/runtime/transport/transporttest"
)

// BenchmarkMatMul runs both parties' parts of a layer's product in one process and reports the set-up of a row and the
// bytes of a run.
func BenchmarkMatMul(b *testing.B) {
	for _, s := range []struct{ k, n, t int }{{128, 384, 2}, {128, 128, 4}, {128, 512, 1}, {512, 128, 2}} {
		m := MatMul{Set: "n4096", M: 32, K: s.k, N: s.n, T: s.t, Width: 37}
		set, _ := rlweparams.Lookup(m.Set)
		m.DropC0, m.DropC1 = set.Drops(func(d0, d1 int) rlweparams.Noise {
			return set.MatMulNoise(m.K, m.T, m.Width, rlweparams.Drops{C0: d0, C1: d1})
		}, m.T*m.N, m.M*m.N, 12)
		b.Run(fmt.Sprintf("%dx%d_T%d", s.k, s.n, s.t), func(b *testing.B) {
			rng := seeded(1)
			key, _ := NewSecretKey(m.Set, rng)
			w := random(rng, m.K*m.N, m.Width)
			start := time.Now()
			stored := section(b, m, key, w, rng)
			setup := time.Since(start)
			x := random(rng, m.M*m.K, m.Width)
			sent := int64(0)
			for b.Loop() {
				res := transporttest.TwoParty(b, func(c transport.Conn) error {
					_, err := m.Client(c, stored, key.Public(), x, rng.Child("run"))
					return err
				}, func(c transport.Conn) error {
					_, err := m.Server(c, key, x, w)
					return err
				})
				sent = res.ClientStats.BytesSent
			}
			b.ReportMetric(float64(sent), "bytes/op")
			b.ReportMetric(float64(len(stored.Data)), "section-bytes")
			b.ReportMetric(float64(setup.Microseconds())/float64(m.K), "setup-us/row")
		})
	}
}

// BenchmarkSelect picks 32 rows of an 8192×128 table; its set-up is reported per ciphertext.
func BenchmarkSelect(b *testing.B) {
	s := Select{Set: "n2048", Tokens: 32, Rows: 8192, Types: 2, Cols: 128, Width: 37}
	rng := seeded(1)
	key, _ := NewSecretKey(s.Set, rng)
	start := time.Now()
	words := encryptTable(b, s.Words(), key, "word", random(rng, s.Rows*s.Cols, s.Width), rng)
	setup := time.Since(start)
	segs := encryptTable(b, s.Segments(), key, "type", random(rng, s.Types*s.Cols, s.Width), rng)
	ids, types := make([]uint64, s.Tokens), make([]uint64, s.Tokens)
	for i := range ids {
		ids[i] = uint64(i * 211)
	}
	sent := int64(0)
	for b.Loop() {
		res := transporttest.TwoParty(b, func(c transport.Conn) error {
			_, err := s.Client(c, words, segs, key.Public(), ids, types, rng.Child("run"))
			return err
		}, func(c transport.Conn) error {
			_, err := s.Server(c, key)
			return err
		})
		sent = res.ClientStats.BytesSent
	}
	b.ReportMetric(float64(sent), "bytes/op")
	b.ReportMetric(float64(len(words.Data)), "section-bytes")
	b.ReportMetric(float64(setup.Milliseconds()), "setup-ms")
}

// BenchmarkMatMulSS multiplies two heads of 32×64×32 and of 32×32×64 at 25 bits, the shapes of small attention, and a
// head of BERT-base.
func BenchmarkMatMulSS(b *testing.B) {
	for _, p := range []struct {
		batch int
		packing.Product
	}{
		{2, packing.Product{Rows: 32, Inner: 64, Cols: 32}}, {2, packing.Product{Rows: 32, Inner: 32, Cols: 64}},
		{1, packing.Product{Rows: 128, Inner: 64, Cols: 128}}, {1, packing.Product{Rows: 128, Inner: 128, Cols: 64}},
	} {
		set, _ := rlweparams.Lookup("n2048")
		all, err := packing.Choices(set, p.Product, p.batch, 25, 10)
		if err != nil {
			b.Fatal(err)
		}
		c := slices.MinFunc(all, func(x, y packing.Choice) int {
			return cmp.Compare(packing.Weigh(set, p.Product, x), packing.Weigh(set, p.Product, y))
		})
		m := MatMulSS{Set: "n2048", Batch: p.batch, Rows: p.Rows, Inner: p.Inner, Cols: p.Cols, Width: 25, Tile: c.Tile, DropIn: c.Drops.Stored, DropC0: c.Drops.C0, DropC1: c.Drops.C1}
		b.Run(fmt.Sprintf("%dx%dx%dx%d", p.batch, p.Rows, p.Inner, p.Cols), func(b *testing.B) {
			rng := seeded(1)
			x, y := random(rng, m.Batch*m.Rows*m.Inner, m.Width), random(rng, m.Batch*m.Inner*m.Cols, m.Width)
			var keys [2]*SessionKeys
			exchange := func(i int) func(c transport.Conn) error {
				mine := rng.Child("party")
				return func(c transport.Conn) (err error) {
					keys[i], err = ExchangeKeys(c, []string{m.Set}, mine)
					return err
				}
			}
			transporttest.TwoParty(b, exchange(0), exchange(1))
			sent := int64(0)
			for b.Loop() {
				run := func(i int) func(c transport.Conn) error {
					mine := rng.Child("party")
					return func(c transport.Conn) error {
						_, err := m.Run(c, keys[i], x, y, mine)
						return err
					}
				}
				res := transporttest.TwoParty(b, run(0), run(1))
				sent = res.ClientStats.BytesSent + res.ClientStats.BytesReceived
			}
			b.ReportMetric(float64(sent), "bytes/op")
			b.Logf("%+v", c)
		})
	}
}

// BenchmarkMatMulClient is the client's part of the linear layers of BERT-base, on a quarter of the rows of each weight
// (the work is proportional to them), for a whole text and for half of one: what a stored coefficient costs is shared by
// all rows of the operand. ns/mac counts a multiplication per limb.
func BenchmarkMatMulClient(b *testing.B) {
	for _, s := range []struct {
		name            string
		k, n, t, stored int
	}{{"qkv", 192, 2304, 1, 25}, {"out", 192, 768, 1, 30}, {"ffn_in", 192, 3072, 1, 29}, {"ffn_out", 768, 768, 1, 30}} {
		for _, rows := range []int{128, 64} {
			m := MatMul{Set: "n4096", M: rows, K: s.k, N: s.n, T: s.t, Width: 38, DropStored: s.stored, DropC0: 18, DropC1: 11}
			b.Run(fmt.Sprintf("%s/%d", s.name, rows), func(b *testing.B) {
				rng := seeded(1)
				key, _ := NewSecretKey(m.Set, rng)
				stored := section(b, m, key, random(rng, m.K*m.N, m.Width), rng)
				l, err := m.setup()
				if err != nil {
					b.Fatal(err)
				}
				x := random(rng, m.M*m.K, m.Width)
				keys := PublicKeyring{keys: []*PublicKey{key.Public()}}
				pool := keys.Pooled()
				need := ZeroNeeds{}
				if err := m.AddZeros(need); err != nil {
					b.Fatal(err)
				}
				for b.Loop() {
					b.StopTimer()
					if err := pool.Prepare(need, rng.Child("zeros")); err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
					if _, err := m.Client(discard{}, stored, pool.keys[0], x, rng.Child("run")); err != nil {
						b.Fatal(err)
					}
				}
				macs := float64(2*m.M*m.K) * float64(l.stored(0).Len+l.p.n)
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/macs, "ns/mac")
			})
		}
	}
}

// discard is a connection that forgets what is sent.
type discard struct{ transport.Conn }

func (discard) Send([]byte) error { return nil }
func (discard) Flush() error      { return nil }
