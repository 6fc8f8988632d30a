package params

import (
	"cmp"
	"slices"
	"testing"

	"nimbus/internal/packing"
	"nimbus/internal/rlweparams"
)

func TestChoices(t *testing.T) {
	for _, c := range []struct {
		choose func() (string, error)
		want   string
	}{
		{func() (string, error) { s, err := MatMul(37); return s.Name, err }, "n4096"},
		{func() (string, error) { s, err := MatMul(44); return s.Name, err }, "n4096"},
		{func() (string, error) { s, err := MatMul(45); return s.Name, err }, "n8192"},
		{func() (string, error) { s, err := MatMul(64); return s.Name, err }, "n8192"},
		{func() (string, error) { s, err := MatMul(65); return s.Name, err }, ""},
		{func() (string, error) { s, err := MatMul(0); return s.Name, err }, ""},
		{func() (string, error) { s, err := Select(37); return s.Name, err }, "n2048"},
		{func() (string, error) { s, err := Select(48); return s.Name, err }, "n4096s"},
		{func() (string, error) { s, err := Select(64); return s.Name, err }, "n8192"},
		{func() (string, error) { s, err := Lookup("n4096"); return s.Name, err }, "n4096"},
	} {
		got, err := c.choose()
		if (err != nil) != (c.want == "") || got != c.want {
			t.Errorf("got %q (%v), want %q", got, err, c.want)
		}
	}
	if _, err := Lookup("n512"); err == nil {
		t.Error("a set outside the table was accepted")
	}
}

func TestMatMulSSChoices(t *testing.T) {
	// BERT-base attention: the design's choice or something cheaper.
	p := packing.Product{Rows: 128, Inner: 64, Cols: 128}
	all, err := MatMulSSChoices(p, 12, 25, 10)
	if err != nil {
		t.Fatal(err)
	}
	best := slices.MinFunc(all, func(a, b SSChoice) int { return cmp.Compare(a.Weight, b.Weight) })
	set, c := best.Set, best.Choice
	if set.Name != "n2048" {
		t.Fatal(set.Name)
	}
	if err := c.Tile.Check(set.N(), p); err != nil {
		t.Fatal(err)
	}
	in, out := packing.ProductBytes(set, p, c)
	t.Logf("%+v: %d bytes in, %d out", c, in, out)
	if total := 2 * 12 * (in + out); total > 15<<20 {
		t.Errorf("12 heads take %d bytes with %+v", total, c)
	}
	if b := set.MatMulSSNoise(c.Tile.Terms(p), 25, c.Drops).Bound(12 * 128 * 128); b > rlweparams.Hidden(10) {
		t.Errorf("error of %f ulp", b)
	}
	if _, err := MatMulSSChoices(p, 1, 65, 10); err == nil {
		t.Error("65 bits accepted")
	}
}
