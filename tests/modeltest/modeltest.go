// Package modeltest opens, compiles and runs models for tests, which are its
// only importers. What fails ends the test.
package modeltest

import (
	"io/fs"
	"math/rand/v2"
	goruntime "runtime"
	"strings"
	"sync"
	"testing"

	"nimbus/backend"
	"nimbus/frontend"
	"nimbus/frontend/bundle"
	"nimbus/ir"
	"nimbus/ir/eval"
	"nimbus/models"
	"nimbus/passes"
)

// A Model is a bundle's model with some of its parameters set.
type Model struct {
	*bundle.Bundle
	Module *ir.Module // in real numbers
	Source bundle.Source
}

// Open opens a model until the end of the test.
func Open(tb testing.TB, name string, set frontend.Set) *Model {
	tb.Helper()
	b, err := bundle.Open(name)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { b.Close() })
	return (&Model{Bundle: b}).With(tb, set)
}

// With is the model with other parameters.
func (m *Model) With(tb testing.TB, set frontend.Set) *Model {
	tb.Helper()
	module, err := m.Bundle.Module(set)
	if err != nil {
		tb.Fatal(err)
	}
	src, err := m.Bundle.Weights(set)
	if err != nil {
		tb.Fatal(err)
	}
	return &Model{m.Bundle, module, src}
}

// Text is the input that a text is, cut if it is too long.
func (m *Model) Text(text string) (passes.Example, error) {
	r, err := m.Reader(m.Module)
	if err != nil {
		return passes.Example{}, err
	}
	in, err := r.Text(text, true)
	if err != nil {
		return passes.Example{}, err
	}
	return passes.Example{Inputs: in.Values, Tokens: in.Tokens}, nil
}

// Calibration is the embedded model's calibration text, for a model of text.
func (m *Model) Calibration(tb testing.TB) (examples []passes.Example) {
	tb.Helper()
	dir, err := models.Open("nimbus-sst2-tiny")
	if err != nil {
		tb.Fatal(err)
	}
	text, err := fs.ReadFile(dir, "calibration.txt")
	if err != nil {
		tb.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		e, err := m.Text(line)
		if err != nil {
			tb.Fatal(err)
		}
		examples = append(examples, e)
	}
	return examples
}

// Compile makes a plan, calibrated on examples. Its tolerance, which costs many
// runs, is not measured.
func (m *Model) Compile(tb testing.TB, examples []passes.Example, o passes.Options) *ir.Module {
	tb.Helper()
	plan := m.Module.Clone()
	o.Observe = func(m2 *ir.Module) (*passes.Stats, error) { return passes.Record(m2, m.Source, examples) }
	if err := backend.Compile(plan, backend.Job{Source: m.Source, Passes: o}); err != nil {
		tb.Fatalf("compile: %v", err)
	}
	return plan
}

// Program makes p, the model's module or a plan of it, ready to run in the clear.
func (m *Model) Program(tb testing.TB, p *ir.Module, o eval.Options) *eval.Program {
	tb.Helper()
	prog, err := eval.New(p, m.Source, o)
	if err != nil {
		tb.Fatal(err)
	}
	return prog
}

// Input makes one up for m's main function: token numbers, a mask of a prefix,
// normal reals within the parameter's range, and as "pool" the mask's share of
// each token.
func Input(rng *rand.Rand, m *ir.Module) passes.Example {
	in := map[string]eval.Value{}
	vocab := m.Attrs.Int("vocab", 2)
	tokens := 0
	for _, p := range m.Func("main").Params {
		n := p.Type.NumElems()
		switch {
		case p.Type.Elem.Kind != ir.Int:
			v := make([]float64, n)
			for i := range v {
				v[i] = rng.NormFloat64()
				if r := p.Attrs.Floats("range"); len(r) == 2 {
					v[i] = min(max(v[i], r[0]), r[1])
				}
			}
			in[p.Name] = eval.Floats(v)
		case p.Type.Elem.Width == 1:
			tokens = 1 + rng.IntN(n)
			v := make([]int, n)
			for i := range tokens {
				v[i] = 1
			}
			in[p.Name] = eval.Ints(v)
		default:
			v := make([]int, n)
			for i := range v {
				v[i] = rng.IntN(vocab)
				if p.Name == "types" {
					v[i] = rng.IntN(2)
				}
			}
			in[p.Name] = eval.Ints(v)
		}
	}
	if pool, mask := in["pool"].Real, in["mask"].Ring; len(pool) == len(mask) {
		for i := range pool {
			pool[i] = float64(mask[i]) / float64(tokens)
		}
	}
	if tokens == 0 {
		tokens = m.Attrs.Int("seq", 0)
	}
	return passes.Example{Inputs: in, Tokens: tokens}
}

// Each calls f with the numbers below n, on all processors at once, and waits.
// Their errors are the test's.
func Each(tb testing.TB, n int, f func(i int) error) {
	tb.Helper()
	work := make(chan int)
	var wg sync.WaitGroup
	for range goruntime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range work {
				if err := f(i); err != nil {
					tb.Errorf("%d: %v", i, err)
				}
			}
		})
	}
	for i := range n {
		work <- i
	}
	close(work)
	wg.Wait()
	if tb.Failed() {
		tb.FailNow()
	}
}

// Argmax is where the largest element stands.
func Argmax(x []float64) int {
	best := 0
	for i, v := range x {
		if v > x[best] {
			best = i
		}
	}
	return best
}
