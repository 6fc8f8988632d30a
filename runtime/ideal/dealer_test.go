package ideal

import (
	"errors"
	"math"
	"testing"

	"nimbus/internal/fixed"
	"nimbus/internal/prg"
	"nimbus/internal/z2k"
	"nimbus/runtime/share"
)

func seed(n byte) (s prg.Seed) {
	s[0] = n
	return s
}

// ask runs a client's and a server's call side by side.
func ask(client, server func() (share.Arith, error)) (out [2]share.Arith, errs [2]error) {
	done := make(chan struct{})
	go func() {
		out[0], errs[0] = client()
		close(done)
	}()
	out[1], errs[1] = server()
	<-done
	return out, errs
}

func TestHalvesAreFresh(t *testing.T) {
	c, s := New(prg.New(seed(1)), Options{})
	const n = 4000
	x := [2]share.Arith{share.NewArith(16, n), share.NewArith(16, n)}
	for i := range n {
		x[1].V[i] = 9
	}
	var last uint64
	for range 2 {
		out, errs := ask(func() (share.Arith, error) { return c.Square(x[0], 16, fixed.Bound{}) }, func() (share.Arith, error) { return s.Square(x[1], 16, fixed.Bound{}) })
		if errs != [2]error{} {
			t.Fatal(errs)
		}
		ones := [2]int{}
		for i := range n {
			if (out[0].V[i]+out[1].V[i])&0xffff != 81 {
				t.Fatalf("9² is %d", out[0].V[i]+out[1].V[i])
			}
			for p := range 2 {
				ones[p] += int(out[p].V[i] >> 7 & 1)
			}
		}
		for p, k := range ones {
			if math.Abs(float64(k)-n/2) > 250 {
				t.Errorf("party %d: bit 7 set in %d of %d halves", p, k, n)
			}
		}
		if out[0].V[0] == last {
			t.Error("the same half twice")
		}
		last = out[0].V[0]
	}
}

// TestErrorsAreTheProtocols: a truncation gives floor or ceiling, with the mean
// of the quotient; a comparison blurs only above its cut.
func TestErrorsAreTheProtocols(t *testing.T) {
	st := noisy{prg.New(seed(2))}
	const n = 20000
	for v := int64(-17); v <= 17; v++ {
		sum, kinds := 0.0, map[int64]bool{}
		for range n {
			y := z2k.Signed(st.Trunc(z2k.FromInt(v, 20), 20, 3, 20), 20)
			if w := z2k.Signed(st.Shrink(z2k.FromInt(v, 20), 20, 3), 17); w != y {
				kinds[w] = true
			}
			kinds[y] = true
			sum += float64(y)
		}
		if want := float64(v) / 8; math.Abs(sum/n-want) > 0.02 {
			t.Errorf("%d/8: mean %.3f", v, sum/n)
		}
		for y := range kinds {
			if y != v>>3 && y != (v+7)>>3 {
				t.Errorf("%d/8: %d", v, y)
			}
		}
		if v&7 == 0 && len(kinds) != 1 {
			t.Errorf("%d/8 is not exact", v)
		}
		seen := [2]bool{}
		for range 200 {
			seen[st.cmp(z2k.FromInt(v, 20), 20, []int64{1}, fixed.CmpOpts{Keep: 6, Drop: 3})[0]] = true
		}
		if v < 1 && seen[1] || v >= 9 && seen[0] || v > 2 && v < 8 && seen != [2]bool{true, true} {
			t.Errorf("%d >= 1: answers %v", v, seen)
		}
	}
}

func TestMismatch(t *testing.T) {
	c, s := New(prg.New(seed(3)), Options{})
	x := share.NewArith(16, 4)
	for name, calls := range map[string][2]func() (share.Arith, error){
		"ops":    {func() (share.Arith, error) { return c.Square(x, 16, fixed.Bound{}) }, func() (share.Arith, error) { return s.Trunc(x, 2, 8) }},
		"shapes": {func() (share.Arith, error) { return c.Square(x, 16, fixed.Bound{}) }, func() (share.Arith, error) { return s.Square(share.NewArith(16, 5), 16, fixed.Bound{}) }},
		"widths": {func() (share.Arith, error) { return c.Square(x, 15, fixed.Bound{}) }, func() (share.Arith, error) { return s.Square(share.NewArith(15, 4), 15, fixed.Bound{}) }},
	} {
		if _, errs := ask(calls[0], calls[1]); errs[0] == nil || errs[1] == nil {
			t.Errorf("%s: errors %v", name, errs)
		}
	}
}

func TestClose(t *testing.T) {
	c, s := New(prg.New(seed(4)), Options{})
	_, errs := ask(func() (share.Arith, error) { return c.Square(share.NewArith(16, 4), 16, fixed.Bound{}) },
		func() (share.Arith, error) { return share.Arith{}, s.Close() })
	if !errors.Is(errs[0], ErrClosed) {
		t.Errorf("error %v", errs[0])
	}
}
