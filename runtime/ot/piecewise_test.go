package ot_test

import (
	"fmt"
	"math"
	"sync"
	"syscall"
	"testing"
	"time"

	"nimbus/backend/cost"
	"nimbus/internal/fixed"
	"nimbus/internal/prg"
	"nimbus/internal/z2k"
	"nimbus/runtime/ideal"
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
	// Its values fill the half of their ring above 0.
	"exp": {
		In: fixed.Format{Width: 23, Frac: 7}, Out: fixed.Format{Width: 27, Frac: 12},
		Cuts: []int64{-620, -292, -124}, Keep: 13, Drop: 3, NonPositive: true,
		Pieces: []fixed.Poly{
			{}, {Kind: fixed.Quadratic, C: [3]int64{1531689, 4950, 4}},
			{Kind: fixed.Quadratic, C: [3]int64{3385292, 17722, 26}}, {Kind: fixed.Quadratic, C: [3]int64{4182156, 30473, 77}},
		},
		FracAcc: 22, WidthAcc: 23, MidFrac: 12,
	},
	// Squares of 16 bits, and what is curved beside a line.
	"gelu from a line": {
		In: fixed.Format{Width: 20, Frac: 7}, Out: fixed.Format{Width: 30, Frac: 10},
		Cuts: []int64{-224, 0, 224}, Keep: 9, Drop: 3,
		Pieces: []fixed.Poly{
			{}, {Kind: fixed.Quadratic, C: [3]int64{-16211, 3064, 12}},
			{Kind: fixed.Quadratic, C: [3]int64{-16211, -3064, 12}, Slope: 1}, {Kind: fixed.Linear, C: [3]int64{0, 1, 0}},
		},
		FracAcc: 20, WidthAcc: 19, MidFrac: 10, WidthLin: 12,
	},
	"no cut": {
		In: fixed.Format{Width: 16, Frac: 4}, Out: fixed.Format{Width: 9, Frac: 8},
		Pieces:  []fixed.Poly{{Kind: fixed.Quadratic, C: [3]int64{0, 0, 0}}},
		FracAcc: 8, WidthAcc: 16, MidFrac: 8,
	},
}

// apart is the distance of y from the twin's value at x, if piece i is taken.
func apart(f fixed.Piecewise, i int, x, y uint64) int64 {
	f.Cuts, f.Pieces, f.Drop = nil, f.Pieces[i:i+1], 0
	d := z2k.Signed((y-f.Eval(x))&z2k.Mask(f.Out.Width), f.Out.Width)
	return max(d, -d)
}

// checkPiecewise runs f at about count inputs all over its domain.
func checkPiecewise(t *testing.T, f fixed.Piecewise, count int64, exact bool, run func(func(protocols, int) error)) {
	t.Helper()
	if err := f.Check(); err != nil {
		t.Fatal(err)
	}
	rng := prg.New(seed(11))
	lo, hi := f.Domain()
	var x []uint64
	for v := lo; ; v += (hi-lo)/count + 1 {
		x = append(x, z2k.FromInt(v, f.In.Width))
		if hi-v <= (hi-lo)/count {
			break
		}
	}
	for _, c := range f.Cuts {
		for d := int64(-2); d <= 2+1<<f.Drop; d++ {
			if c+d >= lo && c+d <= hi {
				x = append(x, z2k.FromInt(c+d, f.In.Width))
			}
		}
	}
	h := split(rng, x, f.In.Width)
	out := arith(run, func(p protocols, party int) (share.Arith, error) { return p.Piecewise(h[party], f) })
	for i, got := range out.open() {
		v := z2k.Signed(x[i], f.In.Width)
		if exact {
			if got != f.Eval(x[i]) {
				t.Fatalf("%+v at %d: %d, twin %d", f, v, got, f.Eval(x[i]))
			}
			continue
		}
		piece := 0
		for piece < len(f.Cuts) && v >= f.Cuts[piece] {
			piece++
		}
		d := apart(f, piece, x[i], got)
		if f.Drop > 0 && piece > 0 && v < f.Cuts[piece-1]+1<<f.Drop {
			d = min(d, apart(f, piece-1, x[i], got)) // in the zone of a cut
		}
		if d > int64(f.MaxUlp()) {
			t.Fatalf("%+v at %d: %d is %d from the twin, at most %d allowed", f, v, got, d, f.MaxUlp())
		}
	}
}

func TestPiecewise(t *testing.T) {
	for name, f := range specs {
		t.Run(name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, exact bool, run func(func(protocols, int) error)) {
				checkPiecewise(t, f, 3000, exact, run)
			})
		})
	}
}

// TestPiecewiseRandom tries layouts at random and keeps those that pass the
// check.
func TestPiecewiseRandom(t *testing.T) {
	rng := prg.New(seed(15))
	intn := func(n int) int { return int(rng.Uint64() % uint64(n)) }
	kinds := map[[2]bool]int{}
	for found := 0; found < 60; {
		f := fixed.Piecewise{In: fixed.Format{Width: 8 + intn(57), Frac: intn(9)}, Out: fixed.Format{Width: 6 + intn(59), Frac: intn(20)}}
		k := intn(5)
		at := int64(-100)
		for range k {
			at += int64(1 + intn(80))
			f.Cuts = append(f.Cuts, at)
		}
		if k > 0 {
			f.Keep, f.Drop = 5+intn(7), intn(4)
		}
		for range k + 1 {
			q := fixed.Poly{Kind: fixed.PolyKind(intn(3))}
			small := func(n int) int64 { return int64(intn(2*n)) - int64(n) }
			switch q.Kind {
			case fixed.Linear:
				q.C = [3]int64{small(200), int64(intn(3)) - 1, 0}
			case fixed.Quadratic:
				q.C = [3]int64{small(5000), small(300), small(20)}
				if intn(3) == 0 {
					q.C[2] *= 4
					q.Slope = small(2)
				}
			}
			f.Pieces = append(f.Pieces, q)
		}
		if f.HasQuadratic() {
			f.FracAcc = 2*f.In.Frac + intn(12)
			f.WidthAcc = 10 + intn(f.In.Width)
			f.MidFrac = intn(f.FracAcc + 1)
		}
		if f.HasLinear() {
			f.WidthLin = 3 + intn(f.In.Width)
		}
		if all := fixed.CmpLayouts(f.Keep, false); len(all) > 0 {
			f.Layout = all[intn(len(all))]
		}
		if f.Check() != nil {
			continue
		}
		lo, hi := f.Domain()
		if hi-lo > 1<<40 {
			continue // the walk over the domain overflows
		}
		found++
		kinds[[2]bool{f.HasLinear(), f.HasQuadratic()}]++
		checkPiecewise(t, f, 60, false, func(body func(protocols, int) error) { real(t, 16, asReal(body)) })
		checkPiecewise(t, f, 60, true, func(body func(protocols, int) error) { dealer(t, 17, ideal.Options{}, body) })
	}
	if len(kinds) < 4 {
		t.Errorf("kinds of layouts: %v", kinds)
	}
}

var inverses = []fixed.Inverse{
	{Kind: fixed.Recip, In: fixed.Format{Width: 24, Frac: 12}, Lo: 11, Hi: 20, Out: fixed.Format{Width: 17, Frac: 12}},
	{Kind: fixed.Recip, In: fixed.Format{Width: 15, Frac: 12}, Lo: 12, Hi: 13, Out: fixed.Format{Width: 16, Frac: 12}},
	{Kind: fixed.Recip, In: fixed.Format{Width: 48, Frac: 24}, Lo: 23, Hi: 40, Out: fixed.Format{Width: 24, Frac: 16}},
	{Kind: fixed.Recip, In: fixed.Format{Width: 20, Frac: 4}, Lo: 3, Hi: 12, Out: fixed.Format{Width: 24, Frac: 18}},
	{Kind: fixed.Recip, In: fixed.Format{Width: 20, Frac: 8}, Lo: 7, Hi: 16, Out: fixed.Format{Width: 20, Frac: 16}},
	{Kind: fixed.Rsqrt, In: fixed.Format{Width: 20, Frac: 8}, Lo: 4, Hi: 16, Out: fixed.Format{Width: 20, Frac: 12}},
	{Kind: fixed.Rsqrt, In: fixed.Format{Width: 28, Frac: 12}, Lo: 4, Hi: 22, Out: fixed.Format{Width: 20, Frac: 10}},
	{Kind: fixed.Rsqrt, In: fixed.Format{Width: 50, Frac: 24}, Lo: 14, Hi: 34, Out: fixed.Format{Width: 20, Frac: 10}},
	{Kind: fixed.Rsqrt, In: fixed.Format{Width: 14, Frac: 3}, Lo: 0, Hi: 9, Out: fixed.Format{Width: 20, Frac: 12}},
}

// inverseLayouts cut and join in all ways, where the inverse allows it.
var inverseLayouts = []fixed.InverseLayout{
	{},
	{Cmp: fixed.CmpLayout{Count: 2, Join: fixed.Selection}, Joint: true},
	{Cmp: fixed.CmpLayout{Count: 3, Join: fixed.Table}, Spline: fixed.CmpLayout{Count: 2, Join: fixed.Table}},
	{Cmp: fixed.CmpLayout{Count: 2, Join: fixed.Tree}, Spline: fixed.CmpLayout{Count: 1}, Joint: true},
	{Cmp: fixed.CmpLayout{Count: 2, Join: fixed.Selection}},
}

func inverse(p protocols, x share.Arith, v fixed.Inverse) (share.Arith, error) {
	if v.Kind == fixed.Rsqrt {
		return p.Rsqrt(x, v)
	}
	return p.Recip(x, v)
}

func TestInverse(t *testing.T) {
	ran := 0
	for _, v := range inverses {
		t.Run(v.Kind.String()+v.In.String(), func(t *testing.T) {
			everywhere(t, func(t *testing.T, exact bool, run func(func(protocols, int) error)) {
				for i, l := range inverseLayouts {
					if v.Layout = l; v.Check() == nil {
						ran++
						checkInverse(t, v, []int{2, 300, 1501}[i%3], exact, run)
					}
				}
			})
		})
	}
	if ran < 3*len(inverses) {
		t.Errorf("%d layouts tried in all: too few suit", ran)
	}
}

func checkInverse(t *testing.T, v fixed.Inverse, n int, exact bool, run func(func(protocols, int) error)) {
	t.Helper()
	rng := prg.New(seed(12))
	var x []uint64
	for i := range n {
		e := float64(v.Lo) + float64(i)/float64(n-1)*float64(v.Hi-v.Lo)
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
	// What is too small gives a bounded result.
	small := make([]uint64, 300)
	for i := range small {
		small[i] = uint64(i) << v.Lo / uint64(len(small))
	}
	sh := split(rng, small, v.In.Width)
	out = arith(run, func(p protocols, party int) (share.Arith, error) { return inverse(p, sh[party], v) })
	for i, got := range out.open() {
		if y := v.Out.Decode(got); y < 0 || y > v.Largest() {
			t.Fatalf("at %d, below 2^%d: %v, want 0 to %v", small[i], v.Lo, y, v.Largest())
		}
	}
	// Any value at all is computed without a crash or an error.
	wild := make([]uint64, 50)
	rng.Fill(wild, v.In.Width)
	copy(wild, []uint64{0, 1, z2k.Mask(v.In.Width)})
	w := split(rng, wild, v.In.Width)
	arith(run, func(p protocols, party int) (share.Arith, error) { return inverse(p, w[party], v) })
}

// BenchmarkPiecewise is GELU's size and layout: two cuts, 12 kept bits, a
// 24-bit square, pools full. Both parties share the machine; cpu-ms/party is
// half of what the process used.
func BenchmarkPiecewise(b *testing.B) {
	for _, n := range []int{16384, 393216} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			f := specs["gelu"]
			f.Keep, f.Drop = 12, 1
			rng := prg.New(seed(13))
			x := make([]uint64, n)
			for i := range x {
				x[i] = z2k.FromInt(int64(rng.Uint64()%4000)-2000, f.In.Width)
			}
			h := split(rng, x, f.In.Width)
			c := cost.PiecewiseCost(n, f)
			cots := [2]int64{c.COTClientSends, c.COTServerSends}
			var busy time.Duration
			runs := 0
			for b.Loop() {
				b.StopTimer()
				var ready sync.WaitGroup
				ready.Add(2)
				m := real(b, 14, func(p *ot.Protocol, party int) error {
					if err := p.Prefill(int(cots[party]), int(cots[1-party])); err != nil {
						return err
					}
					ready.Done()
					ready.Wait()
					if party == share.Client {
						b.StartTimer()
						busy -= processTime()
					}
					_, err := p.Piecewise(h[party], f)
					return err
				})
				busy += processTime()
				runs++
				b.ReportMetric(float64(busy.Microseconds())/1000/2/float64(runs), "cpu-ms/party")
				b.ReportMetric(float64(m.ClientStats.BytesSent+m.ServerStats.BytesSent)/float64(n), "B/elem")
				b.ReportMetric(float64(c.COTs())/float64(n), "COT/elem")
			}
		})
	}
}

// processTime is the processor time of this process.
func processTime() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
