package main

import (
	"errors"
	"fmt"
	"math/bits"
	"math/rand/v2"
	goruntime "runtime"
	"sync"
	"time"

	"nimbus/backend/cost"
	"nimbus/internal/kernel"
	"nimbus/internal/z2k"
)

// kernelResult is what bench -json prints of gemm, ot and cmp.
type kernelResult struct {
	What   string       `json:"what"`
	Link   string       `json:"link,omitempty"`
	Cores  int          `json:"cores"`
	Pinned bool         `json:"pinned"`
	CPUs   int          `json:"cpus"`
	GOARCH string       `json:"goarch"`
	Rates  []kernelRate `json:"rates"`

	profile *cost.Profile // of the machine, if that was measured, and
	samples []cost.Sample // what it was fitted to
}

// kernelRate is one line: a number of things in some time.
type kernelRate struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
	Count   int     `json:"count"`
	// PerSecond is Count / Seconds, Nanoseconds the inverse.
	PerSecond   float64 `json:"per_second"`
	Nanoseconds float64 `json:"nanoseconds"`
	Bytes       int64   `json:"bytes,omitempty"` // both ways
}

func newRate(name string, count int, took time.Duration) kernelRate {
	s := took.Seconds()
	return kernelRate{Name: name, Seconds: s, Count: count, PerSecond: float64(count) / s, Nanoseconds: s * 1e9 / float64(count)}
}

func newKernelResult(o benchOptions, h *holder) *kernelResult {
	return &kernelResult{What: o.what, Link: o.plan.link.String(), Cores: o.cores, Pinned: h.pinned, CPUs: goruntime.NumCPU(), GOARCH: goruntime.GOARCH}
}

func (r *kernelResult) print() {
	link := ""
	if r.Link != "" {
		link = "; link " + r.Link
	}
	fmt.Printf("machine   %d CPUs, %s; %s%s\n\n", r.CPUs, r.GOARCH, coresText(r.Cores, r.Pinned), link)
	fmt.Printf("%-40s %12s %12s %10s\n", r.What, "per second", "ns each", "bytes each")
	for _, k := range r.Rates {
		fmt.Printf("%-40s %12.4g %12.4g %10.4g\n", k.Name, k.PerSecond, k.Nanoseconds, float64(k.Bytes)/float64(k.Count))
	}
}

// fastest returns the shortest of some runs of f, for half a second at least.
func fastest(f func()) time.Duration {
	f() // caches and pages
	least, begin := time.Duration(1<<62), time.Now()
	for n := 0; n < 3 || time.Since(begin) < 500*time.Millisecond; n++ {
		start := time.Now()
		f()
		least = min(least, time.Since(start))
	}
	return least
}

// benchGemm measures the two products that a linear layer consists of: of a
// share and the encrypted weights modulo a 50-bit prime, and of the server's
// share and its weights modulo a power of two.
func benchGemm(o benchOptions) (*kernelResult, error) {
	h := holdTo(o.cores)
	defer h.release()
	if err := h.self(); err != nil {
		return nil, err
	}
	r := newKernelResult(o, h)
	r.Link = ""
	m, k, cols := o.tokens, 128, 4608
	rng := rand.New(rand.NewPCG(1, 2))
	mod := kernel.NewModulus(0x3ffffffffc001)
	x := make([]int64, m*k)
	for i := range x {
		x[i] = rng.Int64N(1<<37) - 1<<36
	}
	panels, rows := kernel.NewPanels(k, cols), make([][]uint64, k)
	for i := range rows {
		rows[i] = make([]uint64, cols)
		for j := range rows[i] {
			rows[i][j] = rng.Uint64N(mod.Q)
		}
		panels.SetRow(i, 0, rows[i])
	}
	scalars := kernel.NewScalars(x, m, k, k, mod)
	var dst *kernel.Residues
	// As in a linear layer: each processor takes panels of its own.
	procs := goruntime.GOMAXPROCS(0)
	took := fastest(func() {
		dst = kernel.NewResidues(m, cols)
		var wg sync.WaitGroup
		for p := range procs {
			wg.Go(func() {
				from, to := p*panels.Count()/procs*8, (p+1)*panels.Count()/procs*8
				kernel.MulAdd(dst.Columns(from, to-from), scalars, panels.Columns(from, to-from), mod)
			})
		}
		wg.Wait()
	})
	for range 1000 { // the sums are right
		i, j := rng.IntN(m), rng.IntN(cols)
		var want uint64
		for l := range k {
			hi, lo := bits.Mul64(uint64((x[i*k+l]+int64(mod.Q))%int64(mod.Q)), rows[l][j])
			_, rem := bits.Div64(hi, lo, mod.Q)
			want = (want + rem) % mod.Q
		}
		if dst.Row(i)[j] != want {
			return nil, errors.New("gemm: a sum modulo the prime is wrong")
		}
	}
	r.Rates = append(r.Rates, newRate(fmt.Sprintf("modulo a 50-bit prime, %d×%d×%d", m, k, cols), m*k*cols, took))

	n := 768
	a, b, c := make([]uint64, m*n), make([]uint64, n*n), make([]uint64, m*n)
	for i := range a {
		a[i] = rng.Uint64()
	}
	for i := range b {
		b[i] = rng.Uint64()
	}
	for _, width := range []int{38, 64} {
		took = fastest(func() { z2k.MatMul(c, a, b, m, n, n, width) })
		for range 1000 {
			i, j := rng.IntN(m), rng.IntN(n)
			var want uint64
			for l := range n {
				want += a[i*n+l] * b[l*n+j]
			}
			if c[i*n+j] != want&z2k.Mask(width) {
				return nil, fmt.Errorf("gemm: a sum modulo 2^%d is wrong", width)
			}
		}
		r.Rates = append(r.Rates, newRate(fmt.Sprintf("modulo 2^%d, %d×%d×%d", width, m, n, n), m*n*n, took))
	}
	return r, nil
}
