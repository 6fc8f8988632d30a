package share

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"nimbus/internal/prg"
	"nimbus/internal/z2k"
)

// deal splits x into two halves.
func deal(rng *prg.PRG, width int, x []uint64, shape ...int) (x0, x1 Arith) {
	x0, x1 = NewArith(width, shape...), NewArith(width, shape...)
	rng.Fill(x0.V, width)
	z2k.Sub(x1.V, x, x0.V, width)
	return x0, x1
}

// open adds two halves up.
func open(t *testing.T, y0, y1 Arith) []uint64 {
	t.Helper()
	if y0.Width != y1.Width || !slices.Equal(y0.Shape, y1.Shape) {
		t.Fatalf("halves are %v and %v", y0, y1)
	}
	y0.fits()
	y1.fits()
	out := make([]uint64, y0.Len())
	z2k.Add(out, y0.V, y1.V, y0.Width)
	return out
}

// TestShrinkExhaustively goes over every value and every pair of halves.
func TestShrinkExhaustively(t *testing.T) {
	for l := 1; l <= 8; l++ {
		for d := range l {
			for x := range 1 << l {
				ups := 0
				for r := range 1 << l {
					x0 := Arith{l, nil, []uint64{uint64(r)}}
					x1 := Arith{l, nil, []uint64{uint64(x-r) & z2k.Mask(l)}}
					y := open(t, Shrink(Client, x0, d), Shrink(Server, x1, d))[0]
					low := uint64(x>>d) & z2k.Mask(l-d)
					if y != low && y != (low+1)&z2k.Mask(l-d) {
						t.Fatalf("l=%d d=%d x=%d r=%d: got %d, want %d or one more", l, d, x, r, y, low)
					}
					if y != low {
						ups++
					}
				}
				// Unbiased: rounded up for as many halves as the fraction says.
				if want := x % (1 << d) << (l - d); l-d > 0 && ups != want {
					t.Fatalf("l=%d d=%d x=%d: rounded up for %d halves of %d, want %d", l, d, x, ups, 1<<l, want)
				}
			}
		}
	}
}

func TestShrinkWide(t *testing.T) {
	rng := prg.New(prg.Seed{1})
	for _, l := range []int{29, 37, 48, 63, 64} {
		x := make([]uint64, 500)
		rng.Fill(x, l)
		for _, d := range []int{0, 1, 12, l - 1} {
			x0, x1 := deal(rng, l, x, 500)
			got := open(t, Shrink(Client, x0, d), Shrink(Server, x1, d))
			for i := range x {
				err := z2k.Signed(got[i]-x[i]>>d, l-d)
				if l-d == 1 {
					err = -err
				}
				if err != 0 && err != 1 {
					t.Fatalf("l=%d d=%d: off by %d", l, d, err)
				}
			}
		}
	}
}

// TestLinearOps compares the sum of the halves' results with the op on the
// values, on a [2, 3] tensor.
func TestLinearOps(t *testing.T) {
	const w = 13
	rng := prg.New(prg.Seed{2})
	x, y := make([]uint64, 6), make([]uint64, 6)
	rng.Fill(x, w)
	rng.Fill(y, w)
	col := []uint64{x[0] + x[1] + x[2], x[3] + x[4] + x[5]}
	each := func(f func(i int) uint64) []uint64 {
		out := make([]uint64, 6)
		for i := range out {
			out[i] = f(i)
		}
		return out
	}
	bias := []uint64{1, 1 << 12, 7}
	private := func(p, owner int, v []uint64) []uint64 {
		if p == owner {
			return v
		}
		return nil
	}
	for name, c := range map[string]struct {
		op    func(p int, x, y Arith) Arith
		want  []uint64
		width int
		shape []int
	}{
		"add":        {func(_ int, x, y Arith) Arith { return Add(x, y) }, each(func(i int) uint64 { return x[i] + y[i] }), w, []int{2, 3}},
		"sub":        {func(_ int, x, y Arith) Arith { return Sub(x, y) }, each(func(i int) uint64 { return x[i] - y[i] }), w, []int{2, 3}},
		"add_const":  {func(p int, x, _ Arith) Arith { return AddConst(p, x, ^uint64(4)) }, each(func(i int) uint64 { return x[i] - 5 }), w, []int{2, 3}},
		"mul_const":  {func(_ int, x, _ Arith) Arith { return MulConst(x, ^uint64(4)) }, each(func(i int) uint64 { return -x[i] * 5 }), w, []int{2, 3}},
		"bias row":   {func(p int, x, _ Arith) Arith { return AddBias(p, x, private(p, Server, bias)) }, each(func(i int) uint64 { return x[i] + bias[i%3] }), w, []int{2, 3}},
		"bias full":  {func(p int, x, _ Arith) Arith { return AddBias(p, x, private(p, Server, y)) }, each(func(i int) uint64 { return x[i] + y[i] }), w, []int{2, 3}},
		"mask row":   {func(p int, x, _ Arith) Arith { return AddMask(p, x, private(p, Client, bias)) }, each(func(i int) uint64 { return x[i] + bias[i%3] }), w, []int{2, 3}},
		"sum":        {func(_ int, x, _ Arith) Arith { return Sum(x) }, col, w, []int{2, 1}},
		"number":     {func(p int, x, _ Arith) Arith { return Number(p, x, 3) }, each(func(i int) uint64 { return 8*x[i] + 2 - uint64(i%3) }), w, []int{2, 3}},
		"sub column": {func(_ int, x, _ Arith) Arith { return SubBroadcast(x, Sum(x)) }, each(func(i int) uint64 { return x[i] - col[i/3] }), w, []int{2, 3}},
		"reduce":     {func(_ int, x, _ Arith) Arith { return Reduce(x, 5) }, x, 5, []int{2, 3}},
		"reshape":    {func(_ int, x, _ Arith) Arith { return Reshape(x, 3, 1, 2) }, x, w, []int{3, 1, 2}},
		"transpose":  {func(_ int, x, _ Arith) Arith { return Transpose(x, []int{1, 0}) }, []uint64{x[0], x[3], x[1], x[4], x[2], x[5]}, w, []int{3, 2}},
		"heads":      {func(_ int, x, _ Arith) Arith { return SplitHeads(x, 3) }, []uint64{x[0], x[3], x[1], x[4], x[2], x[5]}, w, []int{3, 2, 1}},
		"merge":      {func(_ int, x, _ Arith) Arith { return MergeHeads(SplitHeads(x, 3)) }, x, w, []int{2, 3}},
		"split":      {func(_ int, x, _ Arith) Arith { return Split(x, -1, 3)[1] }, []uint64{x[1], x[4]}, w, []int{2, 1}},
		"slice":      {func(_ int, x, _ Arith) Arith { return Slice(x, 0, 1, 1) }, x[3:], w, []int{1, 3}},
		"concat":     {func(_ int, x, y Arith) Arith { return Slice(Concat(0, x, y), 0, 1, 2) }, append(slices.Clone(x[3:]), y[:3]...), w, []int{2, 3}},
	} {
		x0, x1 := deal(rng, w, x, 2, 3)
		y0, y1 := deal(rng, w, y, 2, 3)
		before := [][]uint64{slices.Clone(x0.V), slices.Clone(x1.V), slices.Clone(y0.V), slices.Clone(y1.V)}
		got0 := c.op(Client, x0, y0)
		got := open(t, got0, c.op(Server, x1, y1))
		want := make([]uint64, len(c.want))
		z2k.Reduce(want, c.want, c.width)
		if !slices.Equal(got, want) || got0.Width != c.width || !slices.Equal(got0.Shape, c.shape) {
			t.Errorf("%s: got %v %v, want %v", name, got0, got, want)
		}
		for i, v := range [][]uint64{x0.V, x1.V, y0.V, y1.V} {
			if !slices.Equal(v, before[i]) {
				t.Errorf("%s changes its argument %d", name, i)
			}
		}
	}
}

func TestBool(t *testing.T) {
	for v := range 16 {
		a0, a1 := Bool{nil, []uint8{uint8(v & 1)}}, Bool{nil, []uint8{uint8(v >> 1 & 1)}}
		b0, b1 := Bool{nil, []uint8{uint8(v >> 2 & 1)}}, Bool{nil, []uint8{uint8(v >> 3)}}
		a, b := a0.V[0]^a1.V[0], b0.V[0]^b1.V[0]
		if got := Not(Client, a0).V[0] ^ Not(Server, a1).V[0]; got != 1^a {
			t.Errorf("not %d: got %d", a, got)
		}
		if got := Xor(a0, b0).V[0] ^ Xor(a1, b1).V[0]; got != a^b {
			t.Errorf("%d xor %d: got %d", a, b, got)
		}
	}
}

func TestPrintsNoSecret(t *testing.T) {
	a := Arith{37, []int{2, 1}, []uint64{0xabcdef, 987654}}
	b := Bool{[]int{5}, []uint8{1, 0, 1, 1, 0}}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x", "%q", "%08b"} {
		if got := fmt.Sprintf(verb, a); got != "ashare<2x1xi37>" {
			t.Errorf("%s of a share: %s", verb, got)
		}
		if got := fmt.Sprintf(verb, &a); got != "ashare<2x1xi37>" {
			t.Errorf("%s of a pointer to a share: %s", verb, got)
		}
		if got := fmt.Sprintf(verb, b); got != "bshare<5xi1>" {
			t.Errorf("%s of a boolean share: %s", verb, got)
		}
	}
	var out strings.Builder
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "a", a, "b", b, "both", []any{a, b})
	j, err := json.Marshal(map[string]any{"a": a, "b": b})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(&out, a, b, string(j), struct {
		A Arith
		B []Bool
	}{a, []Bool{b}})
	for _, leak := range []string{"987654", "11259375", "abcdef", "1 0 1"} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("the output contains %q: %s", leak, out.String())
		}
	}
}

func TestMisuseNamesShapesOnly(t *testing.T) {
	a, b := NewArith(8, 2), NewArith(9, 2)
	a.V[0] = 201
	for name, f := range map[string]func(){
		"widths":    func() { Add(a, b) },
		"shapes":    func() { Sub(a, NewArith(8, 3)) },
		"wider":     func() { Reduce(a, 9) },
		"all bits":  func() { Shrink(Client, a, 8) },
		"bias size": func() { AddBias(Server, a, []uint64{1, 2, 3}) },
		"party":     func() { AddConst(2, a, 1) },
		"broken":    func() { MulConst(Arith{8, []int{3}, a.V}, 5) },
	} {
		func() {
			defer func() {
				r := recover()
				if s, ok := r.(string); !ok || !strings.Contains(s, "internal error") || strings.Contains(s, "201") {
					t.Errorf("%s: panic %v", name, r)
				}
			}()
			f()
		}()
	}
}
