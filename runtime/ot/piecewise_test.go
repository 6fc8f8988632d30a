package ot_test

import (
	"math"
	"testing"

	"nimbus/internal/fixed"
	"nimbus/internal/prg"
	"nimbus/internal/z2k"
	"nimbus/runtime/ot"
	"nimbus/runtime/share"
)

// specs are functions of every layout: groups present or not, one cut or many,
// local and non-local ends.
var specs = map[string]fixed.Piecewise{
	"gelu": {
		In: fixed.Format{Width: 24, Frac: 8}, Out: fixed.Format{Width: 18, Frac: 8},
		Cuts: []int64{-640, 640}, Keep: 9, Drop: 3,
		Pieces: []fixed.Poly{
			{},
			{Kind: fixed.Quadratic, C: [3]int64{25000, 1024, 1}},
			{Kind: fixed.Linear, C: [3]int64{0, 1, 0}},
		},
		FracAcc: 19, WidthAcc: 24, MidFrac: 8, WidthLin: 14,
	},
	"relu": {
		In: fixed.Format{Width: 16, Frac: 6}, Out: fixed.Format{Width: 16, Frac: 6},
		Cuts: []int64{0}, Keep: 16,
		Pieces:   []fixed.Poly{{}, {Kind: fixed.Linear, C: [3]int64{0, 1, 0}}},
		WidthLin: 16,
	},
	"shifted linear": {
		In: fixed.Format{Width: 16, Frac: 6}, Out: fixed.Format{Width: 20, Frac: 10},
		Cuts: []int64{-64, 64}, Keep: 9,
		Pieces: []fixed.Poly{
			{Kind: fixed.Linear, C: [3]int64{-64, 0, 0}}, {Kind: fixed.Linear, C: [3]int64{0, 1, 0}}, {Kind: fixed.Linear, C: [3]int64{64, 0, 0}},
		},
		WidthLin: 10,
	},
	"quadratic everywhere": {
		In: fixed.Format{Width: 24, Frac: 6}, Out: fixed.Format{Width: 24, Frac: 12},
		Cuts: []int64{-50, 50, 100}, Keep: 8, Drop: 1,
		Pieces: []fixed.Poly{
			{Kind: fixed.Quadratic, C: [3]int64{1, 100, 3}}, {Kind: fixed.Quadratic, C: [3]int64{5000, -40, 2}},
			{Kind: fixed.Quadratic, C: [3]int64{-9999, 7, 1}}, {Kind: fixed.Quadratic, C: [3]int64{1, 100, 3}},
		},
		FracAcc: 12, WidthAcc: 22, MidFrac: 8,
	},
	"no cut": {
		In: fixed.Format{Width: 16, Frac: 4}, Out: fixed.Format{Width: 9, Frac: 8},
		Pieces:  []fixed.Poly{{Kind: fixed.Quadratic, C: [3]int64{0, 0, 0}}},
		FracAcc: 8, WidthAcc: 16, MidFrac: 8,
	},
}

// near says whether x is in the blurred zone of a cut.
func near(f fixed.Piecewise, x int64) bool {
	for _, c := range f.Cuts {
		if f.Drop > 0 && x >= c && x < c+1<<f.Drop {
			return true
		}
	}
	return false
}

func TestPiecewise(t *testing.T) {
	for name, f := range specs {
		t.Run(name, func(t *testing.T) {
			if err := f.Check(); err != nil {
				t.Fatal(err)
			}
			everywhere(t, func(t *testing.T, exact bool, run func(func(protocols, int) error)) {
				rng := prg.New(seed(11))
				lo, hi := f.Domain()
				var x []uint64
				step := max(1, (hi-lo)/3000)
				for v := lo; v <= hi; v += step {
					x = append(x, z2k.FromInt(v, f.In.Width))
				}
				h := split(rng, x, f.In.Width)
				out := arith(run, func(p protocols, party int) (share.Arith, error) { return p.Piecewise(h[party], f) })
				for i, got := range out.open() {
					v, y := z2k.Signed(x[i], f.In.Width), z2k.Signed(got, f.Out.Width)
					dist := func(x uint64) int64 {
						d := y - z2k.Signed(f.Eval(x), f.Out.Width)
						return max(d, -d)
					}
					d := dist(x[i])
					if exact && d != 0 || d > int64(f.MaxUlp()) && !near(f, v) {
						t.Fatalf("at %d: %d, twin %d, at most %d apart", v, y, z2k.Signed(f.Eval(x[i]), f.Out.Width), f.MaxUlp())
					}
					if d > int64(f.MaxUlp()) {
						// Either piece: one of the two twins with another cut.
						g := f
						g.Cuts = append([]int64(nil), f.Cuts...)
						g.Drop = 0
						for k := range g.Cuts {
							if v >= g.Cuts[k] && v < g.Cuts[k]+1<<f.Drop {
								g.Cuts[k] = v + 1
							}
						}
						if w := z2k.Signed(g.Eval(x[i]), f.Out.Width); max(y-w, w-y) > int64(f.MaxUlp()) {
							if w = z2k.Signed(fixed.Piecewise{In: f.In, Out: f.Out, Cuts: f.Cuts, Keep: f.Keep, Pieces: f.Pieces,
								FracAcc: f.FracAcc, WidthAcc: f.WidthAcc, MidFrac: f.MidFrac, WidthLin: f.WidthLin}.Eval(x[i]), f.Out.Width); max(y-w, w-y) > int64(f.MaxUlp()) {
								t.Fatalf("at %d, above a cut: %d is neither piece", v, y)
							}
						}
					}
				}
			})
		})
	}
}

var inverses = []fixed.Inverse{
	{Kind: fixed.Recip, In: fixed.Format{Width: 24, Frac: 12}, Lo: 11, Hi: 20, Out: fixed.Format{Width: 16, Frac: 12}},
	{Kind: fixed.Recip, In: fixed.Format{Width: 15, Frac: 12}, Lo: 12, Hi: 13, Out: fixed.Format{Width: 16, Frac: 12}},
	{Kind: fixed.Recip, In: fixed.Format{Width: 48, Frac: 24}, Lo: 23, Hi: 40, Out: fixed.Format{Width: 24, Frac: 16}},
	{Kind: fixed.Recip, In: fixed.Format{Width: 20, Frac: 4}, Lo: 3, Hi: 12, Out: fixed.Format{Width: 24, Frac: 18}},
	{Kind: fixed.Rsqrt, In: fixed.Format{Width: 28, Frac: 12}, Lo: 4, Hi: 22, Out: fixed.Format{Width: 20, Frac: 10}},
	{Kind: fixed.Rsqrt, In: fixed.Format{Width: 50, Frac: 24}, Lo: 14, Hi: 34, Out: fixed.Format{Width: 20, Frac: 10}},
	{Kind: fixed.Rsqrt, In: fixed.Format{Width: 14, Frac: 3}, Lo: 0, Hi: 9, Out: fixed.Format{Width: 20, Frac: 12}},
}

func inverse(p protocols, x share.Arith, v fixed.Inverse) (share.Arith, error) {
	if v.Kind == fixed.Rsqrt {
		return p.Rsqrt(x, v)
	}
	return p.Recip(x, v)
}

func TestInverse(t *testing.T) {
	for _, v := range inverses {
		t.Run(v.Kind.String()+v.In.String(), func(t *testing.T) {
			everywhere(t, func(t *testing.T, exact bool, run func(func(protocols, int) error)) {
				rng := prg.New(seed(12))
				var x []uint64
				for i := range 1501 {
					e := float64(v.Lo) + float64(i)/1500*float64(v.Hi-v.Lo)
					x = append(x, min(uint64(math.Exp2(e)), 1<<v.Hi-1))
				}
				h := split(rng, x, v.In.Width)
				out := arith(run, func(p protocols, party int) (share.Arith, error) { return inverse(p, h[party], v) })
				worst := 0.0
				for i, got := range out.open() {
					twin := v.Eval(x[i])
					d := z2k.Signed(got, v.Out.Width) - z2k.Signed(twin, v.Out.Width)
					if exact && d != 0 || max(d, -d) > int64(v.MaxUlp()) {
						t.Fatalf("at %d: %d, twin %d, at most %d apart", x[i], got, twin, v.MaxUlp())
					}
					want := v.Real(math.Ldexp(float64(x[i]), -v.In.Frac))
					e := math.Max(0, math.Abs(v.Out.Decode(got)-want)-math.Ldexp(1, -v.Out.Frac)) / want
					worst = max(worst, e)
				}
				if worst > math.Exp2(-10) {
					t.Errorf("relative error 2^%.2f, want 2^-10", math.Log2(worst))
				}
				// Any value at all is computed without a crash or an error.
				wild := make([]uint64, 50)
				rng.Fill(wild, v.In.Width)
				copy(wild, []uint64{0, 1, z2k.Mask(v.In.Width)})
				w := split(rng, wild, v.In.Width)
				arith(run, func(p protocols, party int) (share.Arith, error) { return inverse(p, w[party], v) })
			})
		})
	}
}

// big is the 16384-element function of the performance target: two cuts, 12
// kept bits, a 24-bit square.
func bigPiecewise() fixed.Piecewise {
	f := specs["gelu"]
	f.Keep, f.Drop = 12, 1
	return f
}

func BenchmarkPiecewise16384(b *testing.B) {
	const n = 16384
	f := bigPiecewise()
	rng := prg.New(seed(13))
	x := make([]uint64, n)
	for i := range x {
		x[i] = z2k.FromInt(int64(rng.Uint64()%4000)-2000, f.In.Width)
	}
	h := split(rng, x, f.In.Width)
	for b.Loop() {
		b.StopTimer()
		m := real(b, 14, func(p *ot.Protocol, party int) error {
			// Pools first: their making is not the point here.
			if err := p.Prefill(n*60, n*60); err != nil {
				return err
			}
			if party == share.Client {
				b.StartTimer()
			}
			_, err := p.Piecewise(h[party], f)
			return err
		})
		b.ReportMetric(float64(m.ClientStats.BytesSent+m.ServerStats.BytesSent)/n, "B/elem")
		b.ReportMetric(float64(m.client.AsSender.Taken+m.client.AsReceiver.Taken)/n, "COT/elem")
	}
}
