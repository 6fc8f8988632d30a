package fixed

import (
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"nimbus/internal/z2k"
)

// gelu is 0 below -2.5, a quadratic up to 2.5, the identity above; 8 fraction
// bits in, 10 out.
func gelu() Piecewise {
	return Piecewise{
		In: Format{28, 8}, Out: Format{18, 10},
		Cuts: []int64{-640, 640}, Keep: 9, Drop: 3,
		Pieces: []Poly{
			{},
			{Kind: Quadratic, C: [3]int64{200000, 8192, 10}}, // about 0.048 + x/2 + 0.156 x²
			{Kind: Linear, C: [3]int64{0, 1, 0}},
		},
		FracAcc: 22, WidthAcc: 26, MidFrac: 8, WidthLin: 14,
	}
}

func TestPiecewiseEval(t *testing.T) {
	p := gelu()
	if err := p.Check(); err != nil {
		t.Fatal(err)
	}
	lo, hi := p.Domain()
	if lo != 640+8-2048 || hi != -640+2047 {
		t.Errorf("domain [%d, %d]", lo, hi)
	}
	for x := lo; x <= hi; x++ {
		got := p.Out.Decode(p.Eval(z2k.FromInt(x, p.In.Width)))
		real := p.In.Decode(z2k.FromInt(x, p.In.Width))
		want := p.Real(real)
		for _, c := range p.Cuts {
			if x >= c && x < c+1<<p.Drop { // either piece
				want = got
			}
		}
		if math.Abs(got-want) > math.Ldexp(1, -8) {
			t.Fatalf("at %v: %v, want %v", real, got, want)
		}
	}
	if p.MaxUlp() != 4 {
		t.Errorf("max ulp %d, want 4", p.MaxUlp())
	}
}

func TestPiecewiseCheck(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(p *Piecewise)
		want string
	}{
		"pieces":    {func(p *Piecewise) { p.Pieces = p.Pieces[:2] }, "pieces for 2 cuts"},
		"order":     {func(p *Piecewise) { p.Cuts[0], p.Cuts[1] = p.Cuts[1], p.Cuts[0] }, "closer than"},
		"close":     {func(p *Piecewise) { p.Cuts[0] = p.Cuts[1] - 7 }, "closer than"},
		"keep":      {func(p *Piecewise) { p.Keep = 26 }, "sum of at most"},
		"few":       {func(p *Piecewise) { p.Keep = 7 }, "outside the domain"},
		"width lin": {func(p *Piecewise) { p.WidthLin = 11 }, "widen it"},
		"width acc": {func(p *Piecewise) { p.WidthAcc = 24 }, "widen it"},
		"acc > in":  {func(p *Piecewise) { p.WidthAcc = 29 }, "accumulator width"},
		"frac acc":  {func(p *Piecewise) { p.FracAcc = 15 }, "accumulator fraction"},
		"mid frac":  {func(p *Piecewise) { p.MidFrac = 11 }, "middle fraction"},
		"out":       {func(p *Piecewise) { p.Out.Width = 2 }, "left shift"},
		"in":        {func(p *Piecewise) { p.In.Width = 65 }, "width 65"},
		"zero coef": {func(p *Piecewise) { p.Pieces[0].C[0] = 1 }, "zero piece"},
		"lin quad":  {func(p *Piecewise) { p.Pieces[2].C[2] = 1 }, "linear piece"},
		"kind":      {func(p *Piecewise) { p.Pieces[0].Kind = 9 }, "unknown kind"},
		"stray lin": {func(p *Piecewise) { p.Pieces[2] = Poly{} }, "linear width"},
		"stray acc": {func(p *Piecewise) { p.Pieces[1] = Poly{} }, "accumulator fields"},
		"huge keep": {func(p *Piecewise) { p.Keep, p.Drop = math.MaxInt, math.MaxInt }, "keep"},
	} {
		t.Run(name, func(t *testing.T) {
			p := gelu()
			c.edit(&p)
			err := p.Check()
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestPiecewiseAttrs(t *testing.T) {
	p := gelu()
	q, err := p.Attrs().Piecewise(p.In, p.Out)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(p, q) {
		t.Errorf("%+v came back as %+v", p, q)
	}
	a := p.Attrs()
	a.Pieces[1] = []int64{1, 2, 3, 4, 5}
	if _, err := a.Piecewise(p.In, p.Out); err == nil {
		t.Error("a piece of five numbers passed")
	}
}

// TestTerms checks that a group's base and selections sum to its piece, for
// random layouts and every piece.
func TestTerms(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 3000 {
		k := rng.IntN(6)
		p := Piecewise{Pieces: make([]Poly, k+1), Cuts: make([]int64, k)}
		val := func(i int, kind PolyKind) int64 {
			if i < 0 {
				return 0
			}
			c := p.Pieces[i].Part(kind).C
			return c[0] + 10*c[1]
		}
		for i := range p.Pieces {
			p.Pieces[i].Kind = PolyKind(rng.IntN(3))
			if p.Pieces[i].Kind != Zero {
				p.Pieces[i].C[0] = int64(1 + rng.IntN(3))
			}
			if p.Pieces[i].Kind == Quadratic {
				p.Pieces[i].Slope = int64(rng.IntN(3))
			}
		}
		for _, kind := range []PolyKind{Linear, Quadratic} {
			base, terms := p.Terms(kind)
			for at := 0; at <= k; at++ {
				bit := func(i int) int64 { // b_i = 1{piece at or above i}
					if at >= i {
						return 1
					}
					return 0
				}
				got := val(base, kind)
				for _, m := range terms {
					got += (bit(m.Lo) - bit(m.Hi)) * (val(m.P, kind) - val(m.Q, kind))
				}
				if got != val(at, kind) {
					t.Fatalf("kinds %v, group %d, piece %d: %d, want %d", p.Pieces, kind, at, got, val(at, kind))
				}
			}
		}
	}
}

func TestInverse(t *testing.T) {
	for _, v := range []Inverse{
		{Recip, Format{24, 12}, 11, 20, Format{17, 12}, InverseLayout{}},
		{Recip, Format{32, 12}, 12, 13, Format{16, 12}, InverseLayout{}},
		{Recip, Format{20, 4}, 3, 12, Format{24, 16}, InverseLayout{}},
		{Recip, Format{48, 24}, 23, 40, Format{24, 16}, InverseLayout{}},
		{Rsqrt, Format{28, 12}, 4, 22, Format{20, 10}, InverseLayout{}},
		{Rsqrt, Format{28, 13}, 4, 22, Format{20, 10}, InverseLayout{}},
		{Rsqrt, Format{50, 24}, 14, 34, Format{20, 10}, InverseLayout{}},
		{Rsqrt, Format{14, 3}, 0, 9, Format{20, 12}, InverseLayout{}},
	} {
		if err := v.Check(); err != nil {
			t.Errorf("%+v: %v", v, err)
			continue
		}
		s, _ := v.Steps()
		rng := rand.New(rand.NewPCG(7, 8))
		worst := 0.0
		for range 20000 {
			x := int64(math.Exp2(float64(v.Lo) + rng.Float64()*float64(v.Hi-v.Lo)))
			x = min(max(x, 1<<v.Lo), 1<<v.Hi-1)
			got := v.Out.Decode(s.Eval(v.In.Width, uint64(x)))
			want := v.Real(math.Ldexp(float64(x), -v.In.Frac))
			e := math.Max(0, math.Abs(got-want)-math.Ldexp(1, -v.Out.Frac)) / want
			worst = math.Max(worst, e)
		}
		if worst > math.Exp2(-10) {
			t.Errorf("%v: relative error 2^%.2f, want 2^-10", v, math.Log2(worst))
		}
		for _, x := range []uint64{0, 1, 1 << v.Lo, 1<<v.Hi - 1, 1 << v.Hi, z2k.Mask(v.In.Width), z2k.Mask(v.In.Width) >> 1} {
			v.Eval(x & z2k.Mask(v.In.Width)) // any value, no crash
		}
		t.Logf("%v: 2^%.2f, steps X %d M %d D %d, spline %v, trunc %d to %d shl %d, keep %d drop %d, max ulp %d", v, math.Log2(worst),
			s.WidthX, s.WidthM, s.WidthD, s.Spline.In, s.TruncD, s.OutWidth, s.ShlD, s.Keep, s.Drop, v.MaxUlp())
	}
}

// TestInverseBounded: no input from 0 on gives a negative result or a huge one.
func TestInverseBounded(t *testing.T) {
	for _, v := range []Inverse{
		{Recip, Format{24, 12}, 11, 20, Format{17, 12}, InverseLayout{}},
		{Recip, Format{20, 4}, 3, 12, Format{24, 16}, InverseLayout{}},
		{Rsqrt, Format{28, 12}, 4, 22, Format{20, 10}, InverseLayout{}},
		{Rsqrt, Format{28, 13}, 4, 22, Format{20, 10}, InverseLayout{}},
		{Rsqrt, Format{24, 17}, 12, 20, Format{27, 9}, InverseLayout{}},
		{Rsqrt, Format{14, 3}, 0, 9, Format{20, 12}, InverseLayout{}},
	} {
		s, err := v.Steps()
		if err != nil {
			t.Fatal(err)
		}
		largest := 0.0
		for x := uint64(0); x < 1<<v.Hi; {
			got := v.Out.Decode(s.Eval(v.In.Width, x))
			if got < 0 || got > v.Largest() {
				t.Fatalf("%+v at %d: %v, want 0 to %v", v, x, got, v.Largest())
			}
			largest = max(largest, got)
			if x++; x > 1<<(v.Lo+3) {
				x += x >> 9
			}
		}
		if largest < v.Largest()/1.2 {
			t.Errorf("%+v: at most %v, far from the bound %v", v, largest, v.Largest())
		}
	}
}

func TestInverseCheck(t *testing.T) {
	for _, v := range []Inverse{
		{Recip, Format{24, 12}, 11, 24, Format{16, 12}, InverseLayout{}}, // hi beyond the width
		{Recip, Format{24, 12}, 12, 12, Format{16, 12}, InverseLayout{}},
		{Recip, Format{24, 12}, -1, 12, Format{16, 12}, InverseLayout{}},
		{Recip, Format{24, 12}, 0, 12, Format{16, 12}, InverseLayout{}}, // result too wide
		{7, Format{24, 12}, 11, 12, Format{16, 12}, InverseLayout{}},
		{Recip, Format{65, 12}, 11, 12, Format{16, 12}, InverseLayout{}},
		{Recip, Format{24, 12}, 11, 12, Format{16, 63}, InverseLayout{}},
	} {
		if v.Check() == nil {
			t.Errorf("%+v passed", v)
		}
	}
}
