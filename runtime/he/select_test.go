package he

import (
	"bytes"
	"fmt"
	"testing"

	"nimbus/internal/prg"
	"nimbus/internal/rlweparams"
	"nimbus/internal/z2k"
	"nimbus/runtime/artifact"
	"nimbus/runtime/transport"
	"nimbus/runtime/transport/transporttest"
)

func encryptTable(t testing.TB, tb Table, key *SecretKey, name string, v []uint64, rng *prg.PRG) artifact.Section {
	t.Helper()
	id := testID
	id.Name = name
	info, err := tb.Section(name)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	n := 0
	if err := tb.Encrypt(&b, key, id, v, rng, func(k int) { n += k }); err != nil {
		t.Fatal(err)
	}
	if n != info.Rows || int64(b.Len()) != info.Bytes {
		t.Fatalf("%d ciphertexts, %d bytes, expected %d and %d", n, b.Len(), info.Rows, info.Bytes)
	}
	return asSection(info, id, b.Bytes())
}

func TestSelect(t *testing.T) {
	for _, s := range []Select{
		{Set: "n2048", Tokens: 5, Rows: 40, Types: 2, Cols: 128, Width: 37},
		{Set: "n2048", Tokens: 1, Rows: 1, Cols: 2048, Width: 20},
		{Set: "n4096", Tokens: 9, Rows: 100, Types: 3, Cols: 100, Width: 30, DropC0: 12, DropC1: 8},
		{Set: "n4096", Tokens: 3, Rows: 33, Cols: 128, Width: 42},
		{Set: "n8192", Tokens: 3, Rows: 20, Types: 2, Cols: 768, Width: 64, DropC0: 20, DropC1: 18},
		{Set: "n2048", Tokens: 5, Rows: 40, Types: 2, Cols: 101, Width: 25, DropStored: 27, DropC0: 26, DropC1: 20},
		{Set: "n4096s", Tokens: 3, Rows: 40, Types: 2, Cols: 101, Width: 40, DropStored: 1},
		{Set: "n8192", Tokens: 3, Rows: 20, Types: 2, Cols: 769, Width: 64, DropStored: 30, DropC0: 20},
		{Set: "n8192", Tokens: 3, Rows: 20, Cols: 769, Width: 30, DropStored: 70},
	} {
		t.Run(fmt.Sprintf("%s_%dx%d_l%d_d%d", s.Set, s.Rows, s.Cols, s.Width, s.DropStored), func(t *testing.T) {
			got, res := runSelect(t, s)
			set, _ := rlweparams.Lookup(s.Set)
			bound := set.SelectNoise(1+min(s.Types, 1), s.Width, s.Drops()).MaxUlp(s.Tokens * s.Cols)
			t.Logf("worst error %d ulp, bound %d", got, bound)
			if got > int64(bound) {
				t.Errorf("error of %d ulp, bound %d", got, bound)
			}
			if sent := int64(s.Tokens * set.ResponseBytes(s.Cols, s.DropC0, s.DropC1)); res.ClientStats.BytesSent != sent {
				t.Errorf("sent %d bytes, expected %d", res.ClientStats.BytesSent, sent)
			}
		})
	}
}

// runSelect returns the worst error of a selection of random rows.
func runSelect(t *testing.T, s Select) (int64, transporttest.Result) {
	t.Helper()
	rng := seeded(3)
	key, err := NewSecretKey(s.Set, rng)
	if err != nil {
		t.Fatal(err)
	}
	wv := random(rng, s.Rows*s.Cols, s.Width)
	words := encryptTable(t, s.Words(), key, "word", wv, rng)
	var segs artifact.Section
	sv := random(rng, s.Types*s.Cols, s.Width)
	if s.Types > 0 {
		segs = encryptTable(t, s.Segments(), key, "type", sv, rng)
	}
	ids, types := make([]uint64, s.Tokens), make([]uint64, s.Tokens)
	want := make([]uint64, s.Tokens*s.Cols)
	for i := range ids {
		ids[i] = rng.Uint64() % uint64(s.Rows)
		if i == 0 {
			ids[i] = uint64(s.Rows - 1)
		}
		row := want[i*s.Cols : (i+1)*s.Cols]
		copy(row, wv[int(ids[i])*s.Cols:])
		if s.Types > 0 {
			types[i] = uint64(i % s.Types)
			z2k.Add(row, row, sv[int(types[i])*s.Cols:][:s.Cols], s.Width)
		}
	}
	var yc, ys []uint64
	res := transporttest.TwoParty(t, func(c transport.Conn) (err error) {
		yc, err = s.Client(c, words, segs, key.Public(), ids, types, rng.Child("online"))
		return err
	}, func(c transport.Conn) (err error) {
		ys, err = s.Server(c, key)
		return err
	})
	z2k.Add(yc, yc, ys, s.Width)
	return worst(yc, want, s.Width), res
}

func TestSelectRefuses(t *testing.T) {
	s := Select{Set: "n2048", Tokens: 2, Rows: 4, Types: 2, Cols: 8, Width: 20}
	rng := seeded(3)
	key, _ := NewSecretKey(s.Set, rng)
	words := encryptTable(t, s.Words(), key, "word", make([]uint64, 32), rng)
	segs := encryptTable(t, s.Segments(), key, "type", make([]uint64, 16), rng)
	for name, c := range map[string]struct{ ids, types []uint64 }{
		"id":    {[]uint64{0, 4}, []uint64{0, 0}},
		"huge":  {[]uint64{0, 1 << 63}, []uint64{0, 0}},
		"type":  {[]uint64{0, 1}, []uint64{0, 2}},
		"count": {[]uint64{0}, []uint64{0, 0}},
	} {
		if _, err := s.Client(nil, words, segs, key.Public(), c.ids, c.types, rng); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := s.Client(nil, segs, words, key.Public(), []uint64{0, 1}, []uint64{0, 0}, rng); err == nil {
		t.Error("exchanged sections accepted")
	}
	for _, bad := range []Select{
		{Set: "n1024", Tokens: 1, Rows: 1, Cols: 1, Width: 8},
		{Set: "n2048", Tokens: 1, Rows: 1, Cols: 2049, Width: 8},
		{Set: "n2048", Tokens: 1, Rows: 1, Cols: 1, Width: 45},
		{Set: "n2048", Tokens: 1, Rows: 1, Cols: 1, Width: 8, DropC0: 50},
		{Set: "n2048", Tokens: 1, Rows: 1, Cols: 1, Width: 8, DropStored: 45},
		{Set: "n2048", Tokens: 1, Rows: 1, Cols: 1, Width: 8, DropStored: -1},
		{Set: "n2048", Tokens: 0, Rows: 1, Cols: 1, Width: 8},
	} {
		if bad.Check() == nil {
			t.Errorf("%+v accepted", bad)
		}
	}
}
