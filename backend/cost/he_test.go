package cost_test

import (
	"bytes"
	"testing"

	"nimbus/backend/cost"
	"nimbus/internal/packing"
	"nimbus/internal/prg"
	"nimbus/internal/rlweparams"
	"nimbus/runtime/artifact"
	"nimbus/runtime/he"
	"nimbus/runtime/transport"
	"nimbus/runtime/transport/transporttest"
)

// measured compares what a run sent with its formula.
func measured(t *testing.T, name string, c cost.Cost, err error, r transporttest.Result) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	if got := r.ClientStats; got.BytesSent != c.C2S || got.BytesReceived != c.S2C {
		t.Errorf("%s: client sent %d bytes and received %d, the formula says %d and %d", name, got.BytesSent, got.BytesReceived, c.C2S, c.S2C)
	}
	if got := max(r.ClientStats.Depth, r.ServerStats.Depth); got != c.Depth() {
		t.Errorf("%s: depth %d, the formula says %d", name, got, c.Depth())
	}
}

func section(info artifact.SectionInfo, err error, data []byte) artifact.Section {
	if err != nil {
		panic(err)
	}
	return artifact.Section{SectionInfo: info, Data: data}
}

func TestMatMulCost(t *testing.T) {
	rng := prg.New(prg.Seed{1})
	for _, m := range []he.MatMul{
		{Set: "n4096", M: 5, K: 3, N: 40, T: 2, Width: 30, DropC0: 10, DropC1: 8},
		{Set: "n4096", M: 9, K: 2, N: 100, T: 9, Width: 37},
		{Set: "n4096", M: 2, K: 2, N: 5000, T: 1, Width: 37, DropC0: 3},
		{Set: "n8192", M: 3, K: 2, N: 30, T: 3, Width: 64, DropC1: 20},
		{Set: "n4096", M: 5, K: 3, N: 41, T: 2, Width: 30, DropStored: 29, DropC0: 10},
		{Set: "n4096", M: 2, K: 2, N: 4101, T: 1, Width: 37, DropStored: 37},
		{Set: "n8192", M: 3, K: 2, N: 30, T: 3, Width: 64, DropStored: 11},
	} {
		key, err := he.NewSecretKey(m.Set, rng)
		if err != nil {
			t.Fatal(err)
		}
		x, w := make([]uint64, m.M*m.K), make([]uint64, m.K*m.N)
		var data bytes.Buffer
		if err := m.Encrypt(&data, key, he.SectionID{}, w, rng, nil); err != nil {
			t.Fatal(err)
		}
		info, err := m.Section("w")
		sec := section(info, err, data.Bytes())
		r := transporttest.TwoParty(t, func(c transport.Conn) error {
			_, err := m.Client(c, sec, key.Public(), x, rng.Child("run"))
			return err
		}, func(c transport.Conn) error {
			_, err := m.Server(c, key, x, w)
			return err
		})
		c, err := cost.MatMulCost(m.Set, m.M, m.K, m.N, m.T, m.Width, m.Drops())
		measured(t, m.String(), c, err, r)
		if c.Setup != int64(data.Len()) {
			t.Errorf("%v: section of %d bytes, the formula says %d", m, data.Len(), c.Setup)
		}
	}
	if _, err := cost.MatMulCost("n4096", 1, 1, 4096, 2, 37, rlweparams.Drops{}); err == nil {
		t.Error("two rows of 4096 in a response")
	}
}

func TestSelectCost(t *testing.T) {
	rng := prg.New(prg.Seed{1})
	for _, s := range []he.Select{
		{Set: "n2048", Tokens: 3, Rows: 50, Types: 2, Cols: 100, Width: 30, DropC0: 5, DropC1: 4},
		{Set: "n8192", Tokens: 2, Rows: 5, Cols: 700, Width: 64},
		{Set: "n2048", Tokens: 3, Rows: 50, Types: 2, Cols: 101, Width: 25, DropStored: 23},
		{Set: "n8192", Tokens: 2, Rows: 5, Cols: 700, Width: 64, DropStored: 10},
	} {
		key, err := he.NewSecretKey(s.Set, rng)
		if err != nil {
			t.Fatal(err)
		}
		var words, segs bytes.Buffer
		if err := s.Words().Encrypt(&words, key, he.SectionID{}, make([]uint64, s.Rows*s.Cols), rng, nil); err != nil {
			t.Fatal(err)
		}
		wi, err := s.Words().Section("word")
		ws := section(wi, err, words.Bytes())
		var ss artifact.Section
		if s.Types > 0 {
			if err := s.Segments().Encrypt(&segs, key, he.SectionID{}, make([]uint64, s.Types*s.Cols), rng, nil); err != nil {
				t.Fatal(err)
			}
			si, err := s.Segments().Section("type")
			ss = section(si, err, segs.Bytes())
		}
		ids := make([]uint64, s.Tokens)
		r := transporttest.TwoParty(t, func(c transport.Conn) error {
			_, err := s.Client(c, ws, ss, key.Public(), ids, ids, rng.Child("run"))
			return err
		}, func(c transport.Conn) error {
			_, err := s.Server(c, key)
			return err
		})
		c, err := cost.SelectCost(s.Set, s.Tokens, s.Rows, s.Types, s.Cols, s.Drops())
		measured(t, s.String(), c, err, r)
		if got := int64(words.Len() + segs.Len()); c.Setup != got {
			t.Errorf("%v: sections of %d bytes, the formula says %d", s, got, c.Setup)
		}
	}
}

func TestMatMulSSCost(t *testing.T) {
	rng := prg.New(prg.Seed{1})
	for _, m := range []he.MatMulSS{
		{Set: "n2048", Batch: 2, Rows: 9, Inner: 7, Cols: 10, Width: 20, Tile: packing.Tile{Rows: 4, Inner: 4, Cols: 8}, DropIn: 3, DropC0: 4, DropC1: 6},
		{Set: "n4096", Batch: 1, Rows: 5, Inner: 6, Cols: 7, Width: 30, Tile: packing.Tile{Rows: 5, Inner: 4, Cols: 2, EncryptA: true}},
	} {
		x, y := make([]uint64, m.Batch*m.Rows*m.Inner), make([]uint64, m.Batch*m.Inner*m.Cols)
		var keys [2]*he.SessionKeys
		exchange := func(i int) func(c transport.Conn) error {
			mine := rng.Child("party")
			return func(c transport.Conn) (err error) {
				keys[i], err = he.ExchangeKeys(c, []string{m.Set}, mine)
				return err
			}
		}
		r := transporttest.TwoParty(t, exchange(0), exchange(1))
		c, err := cost.SessionKeysCost(m.Set)
		measured(t, "session keys", c, err, r)
		run := func(i int) func(c transport.Conn) error {
			mine := rng.Child("party")
			return func(c transport.Conn) error {
				_, err := m.Run(c, keys[i], x, y, mine)
				return err
			}
		}
		r = transporttest.TwoParty(t, run(0), run(1))
		c, err = cost.MatMulSSCost(m.Set, m.Batch, m.Width, packing.Product{Rows: m.Rows, Inner: m.Inner, Cols: m.Cols},
			packing.Choice{Tile: m.Tile, Drops: m.Drops()})
		measured(t, m.String(), c, err, r)
	}
}
