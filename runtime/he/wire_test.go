package he

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	goruntime "runtime"
	"strings"
	"testing"

	"nimbus/internal/packing"
	"nimbus/runtime/transport"
	"nimbus/runtime/transport/transporttest"
)

var update = flag.Bool("update", false, "rewrite testdata/wire.golden")

// wire returns one line per protocol: digests of a section, where there is one, and of both directions.
func wire(t *testing.T) string {
	var b strings.Builder
	for _, m := range []MatMul{
		{Set: "n4096", M: 5, K: 6, N: 40, T: 2, Width: 37, DropC0: 10, DropC1: 8},
		{Set: "n4096", M: 3, K: 3, N: 40, T: 1, Width: 44},
		{Set: "n8192", M: 2, K: 3, N: 40, T: 2, Width: 64, DropC0: 20},
		{Set: "n4096", M: 5, K: 6, N: 41, T: 2, Width: 37, DropC0: 10, DropC1: 8, DropStored: 28},
		{Set: "n8192", M: 2, K: 3, N: 41, T: 2, Width: 64, DropC0: 20, DropStored: 13},
	} {
		r := runMatMul(t, m, nil)
		fmt.Fprintf(&b, "%v %s l=%d: %.16x %.16s %.16s\n", m, m.Set, m.Width, r.section, r.run.Client.SentDigest(), r.run.Server.SentDigest())
	}
	for _, s := range []Select{
		{Set: "n2048", Tokens: 3, Rows: 20, Types: 2, Cols: 100, Width: 37, DropC0: 3, DropC1: 2},
		{Set: "n2048", Tokens: 3, Rows: 20, Types: 2, Cols: 101, Width: 25, DropC0: 3, DropC1: 2, DropStored: 23},
	} {
		rng := seeded(6)
		key, err := NewSecretKey(s.Set, rng)
		if err != nil {
			t.Fatal(err)
		}
		words := encryptTable(t, s.Words(), key, "word", random(rng, s.Rows*s.Cols, s.Width), rng)
		segs := encryptTable(t, s.Segments(), key, "type", random(rng, s.Types*s.Cols, s.Width), rng)
		online := rng.Child("online")
		r := transporttest.TwoParty(t, func(c transport.Conn) error {
			_, err := s.Client(c, words, segs, key.Public(), []uint64{3, 19, 3}, []uint64{0, 1, 0}, online)
			return err
		}, func(c transport.Conn) error {
			_, err := s.Server(c, key)
			return err
		})
		sum := sha256.Sum256(words.Data)
		fmt.Fprintf(&b, "%v %s l=%d: %.16x %.16s %.16s\n", s, s.Set, s.Width, sum[:8], r.Client.SentDigest(), r.Server.SentDigest())
	}
	for _, m := range []MatMulSS{
		{Set: "n2048", Batch: 2, Rows: 5, Inner: 7, Cols: 6, Width: 25, Tile: packing.Tile{Rows: 2, Inner: 4, Cols: 6}, DropC0: 20, DropC1: 16},
		{Set: "n4096", Batch: 1, Rows: 5, Inner: 7, Cols: 6, Width: 37, Tile: packing.Tile{Rows: 5, Inner: 4, Cols: 6, EncryptA: true}},
		{Set: "n2048", Batch: 1, Rows: 5, Inner: 7, Cols: 6, Width: 25, Tile: packing.Tile{Rows: 2, Inner: 4, Cols: 6}, DropIn: 6, DropC0: 20, DropC1: 16},
	} {
		_, r := runMatMulSS(t, m, fresh{})
		fmt.Fprintf(&b, "%v %s l=%d: %.16s %.16s\n", m, m.Set, m.Width, r.Client.SentDigest(), r.Server.SentDigest())
	}
	ahead := MatMul{Set: "n4096", M: 5, K: 6, N: 40, T: 2, Width: 37, DropC0: 10, DropC1: 8}
	_, r := preparedMatMul(t, ahead)
	fmt.Fprintf(&b, "%v ahead: %.16s %.16s\n", ahead, r.Client.SentDigest(), r.Server.SentDigest())
	for _, m := range preparedSS {
		_, r := preparedMatMulSS(t, m)
		fmt.Fprintf(&b, "%v ahead: %.16s %.16s\n", m, r.Client.SentDigest(), r.Server.SentDigest())
	}
	return b.String()
}

// Bytes are frozen under a fixed seed, whatever the number of processors.
func TestWire(t *testing.T) {
	got := wire(t)
	old := goruntime.GOMAXPROCS(1)
	alone := wire(t)
	goruntime.GOMAXPROCS(old)
	if got != alone {
		t.Errorf("bytes depend on the number of processors:\n%s\n%s", got, alone)
	}
	const file = "testdata/wire.golden"
	if *update {
		if err := os.MkdirAll("testdata", 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the bytes on the wire have changed; if that is meant, run with -update and say why in the commit\ngot:\n%swant:\n%s", got, want)
	}
}
