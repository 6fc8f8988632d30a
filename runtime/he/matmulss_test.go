package he

import (
	"fmt"
	"testing"

	"nimbus/internal/packing"
	"nimbus/internal/rlweparams"
	"nimbus/internal/z2k"
	"nimbus/runtime/transport"
	"nimbus/runtime/transport/transporttest"
)

func matMulSSErrors(t testing.TB, m MatMulSS) []int64 {
	errs, _ := runMatMulSS(t, m, fresh{})
	return errs
}

func runMatMulSS(t testing.TB, m MatMulSS, draw draws) ([]int64, transporttest.Result) {
	t.Helper()
	rng := seeded(5)
	x0, x1 := random(rng, m.Batch*m.Rows*m.Inner, m.Width), random(rng, m.Batch*m.Rows*m.Inner, m.Width)
	y0, y1 := random(rng, m.Batch*m.Inner*m.Cols, m.Width), random(rng, m.Batch*m.Inner*m.Cols, m.Width)
	var z [2][]uint64
	party := func(i int, x, y []uint64) func(c transport.Conn) error {
		mine := rng.Child("party")
		return func(c transport.Conn) (err error) {
			keys, err := ExchangeKeys(c, []string{m.Set}, mine)
			if err != nil {
				return err
			}
			z[i], err = m.run(c, keys, x, y, mine, draw)
			return err
		}
	}
	res := transporttest.TwoParty(t, party(0, x0, y0), party(1, x1, y1))
	z2k.Add(x0, x0, x1, m.Width)
	z2k.Add(y0, y0, y1, m.Width)
	got := z[0]
	z2k.Add(got, got, z[1], m.Width)
	want := make([]uint64, len(got))
	for h := range m.Batch {
		z2k.MatMul(want[h*m.Rows*m.Cols:][:m.Rows*m.Cols], x0[h*m.Rows*m.Inner:][:m.Rows*m.Inner], y0[h*m.Inner*m.Cols:][:m.Inner*m.Cols], m.Rows, m.Inner, m.Cols, m.Width)
	}
	return errorsOf(got, want, m.Width), res
}

func TestMatMulSS(t *testing.T) {
	for _, m := range []MatMulSS{
		{Set: "n2048", Batch: 2, Rows: 32, Inner: 64, Cols: 32, Width: 25, Tile: packing.Tile{Rows: 4, Inner: 16, Cols: 32}},
		{Set: "n2048", Batch: 1, Rows: 32, Inner: 32, Cols: 64, Width: 25, Tile: packing.Tile{Rows: 8, Inner: 8, Cols: 32}, DropIn: 5, DropC0: 24, DropC1: 17},
		{Set: "n2048", Batch: 1, Rows: 5, Inner: 7, Cols: 3, Width: 20, Tile: packing.Tile{Rows: 2, Inner: 4, Cols: 2}},
		{Set: "n2048", Batch: 1, Rows: 5, Inner: 7, Cols: 3, Width: 20, Tile: packing.Tile{Rows: 2, Inner: 4, Cols: 2, EncryptA: true}},
		{Set: "n4096s", Batch: 1, Rows: 16, Inner: 16, Cols: 16, Width: 30, Tile: packing.Tile{Rows: 16, Inner: 16, Cols: 16}},
		{Set: "n4096", Batch: 1, Rows: 16, Inner: 32, Cols: 16, Width: 44, Tile: packing.Tile{Rows: 8, Inner: 32, Cols: 16, EncryptA: true}},
		{Set: "n4096", Batch: 1, Rows: 1, Inner: 32, Cols: 16, Width: 37, Tile: packing.Tile{Rows: 1, Inner: 32, Cols: 16}, DropC0: 8, DropC1: 5},
		{Set: "n8192", Batch: 1, Rows: 6, Inner: 8, Cols: 5, Width: 64, Tile: packing.Tile{Rows: 4, Inner: 8, Cols: 5}},
		{Set: "n8192", Batch: 1, Rows: 6, Inner: 8, Cols: 5, Width: 40, Tile: packing.Tile{Rows: 4, Inner: 8, Cols: 5}, DropIn: 70},
	} {
		t.Run(fmt.Sprintf("%s_%dx%dx%d_l%d", m.Set, m.Rows, m.Inner, m.Cols, m.Width), func(t *testing.T) {
			errs, res := runMatMulSS(t, m, fresh{})
			got := int64(0)
			for _, e := range errs {
				got = max(got, e, -e)
			}
			set, _ := rlweparams.Lookup(m.Set)
			bound := set.MatMulSSNoise(m.Tile.Terms(m.product()), m.Width, m.Drops())
			t.Logf("worst error %d ulp, bound %d", got, bound.MaxUlp(m.Batch*m.Rows*m.Cols))
			if got > int64(bound.MaxUlp(m.Batch*m.Rows*m.Cols)) {
				t.Errorf("error of %d ulp, bound %+v", got, bound)
			}
			keyMsg := len(m.Set) + 1 + set.PublicKeyBytes()
			want := m.Batch * (32 + m.Tile.Inputs(m.product())*set.StoredPolyBytes(set.N(), set.Limbs(), m.DropIn))
			for _, tl := range m.outputTiles() {
				want += m.Batch * set.ResponseBytes(tl.rows*tl.cols, m.DropC0, m.DropC1)
			}
			for _, s := range []transport.Stats{res.ClientStats, res.ServerStats} {
				if s.BytesSent != int64(keyMsg+want) {
					t.Errorf("sent %d bytes, expected %d and a key of %d", s.BytesSent, want, keyMsg)
				}
				if s.Depth != 3 {
					t.Errorf("depth %d, expected 3 with the keys", s.Depth)
				}
			}
		})
	}
}

func TestMatMulSSRefuses(t *testing.T) {
	good := MatMulSS{Set: "n2048", Batch: 1, Rows: 4, Inner: 4, Cols: 4, Width: 20, Tile: packing.Tile{Rows: 4, Inner: 4, Cols: 4}}
	for name, change := range map[string]func(m *MatMulSS){
		"set":    func(m *MatMulSS) { m.Set = "n1024" },
		"width":  func(m *MatMulSS) { m.Width = 26 },
		"tile":   func(m *MatMulSS) { m.Tile.Cols = 5 },
		"none":   func(m *MatMulSS) { m.Tile = packing.Tile{} },
		"batch":  func(m *MatMulSS) { m.Batch = 0 },
		"drop":   func(m *MatMulSS) { m.DropC1 = 60 },
		"matmul": func(m *MatMulSS) { m.Rows = -1 },
	} {
		m := good
		change(&m)
		if m.Check() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	// A peer whose inputs hold residues that are too large, or whose responses do.
	p, _ := load(good.Set)
	for _, broken := range []int{0, 1} {
		ours, _ := transporttest.TwoPartyErr(t, func(c transport.Conn) error {
			rng := seeded(1)
			keys, err := ExchangeKeys(c, []string{good.Set}, rng)
			if err != nil {
				return err
			}
			if _, err := good.Run(c, keys, make([]uint64, 15), make([]uint64, 16), rng); err == nil {
				t.Error("a share of 15 elements accepted")
			}
			_, err = good.Run(c, keys, make([]uint64, 16), make([]uint64, 16), rng)
			return err
		}, func(c transport.Conn) error {
			rng := seeded(2)
			keys, err := ExchangeKeys(c, []string{good.Set}, rng)
			if err != nil {
				return err
			}
			key, _ := keys.own.Key(good.Set)
			msgs := [][]byte{good.encryptInputs(key, make([]uint64, 16), rng), make([]byte, p.ResponseBytes(16, 0, 0))}
			for i := range msgs[broken] {
				msgs[broken][i] = 0xff
			}
			for _, m := range msgs {
				if err := c.Send(m); err != nil {
					return err
				}
			}
			_, err = c.RecvMax(1 << 20)
			if err == nil {
				_, err = c.RecvMax(1 << 20)
			}
			return err
		})
		if ours == nil {
			t.Errorf("hostile message %d accepted", broken)
		}
	}
}
