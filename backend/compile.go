package backend

import (
	"fmt"
	"strings"
	"sync"

	"nimbus/internal/prg"
	"nimbus/internal/z2k"
	"nimbus/ir"
	"nimbus/ir/eval"
	"nimbus/ir/weights"
	"nimbus/passes"
)

// A Job is everything that turning a model into a plan needs.
type Job struct {
	Source   weights.Source   // the owner's weights
	Examples []passes.Example // calibration inputs
	Pipeline []passes.Pass    // nil means passes.Default
	Passes   passes.Options   // Observe, Stats, Source, Examples and Price are filled in
	Lower    Options          // how cost decides
	Dump     passes.Dump      // told of every change
	// Hidden, if it is not nil, gets the cuts and coefficients of fitted functions,
	// which then are weights of the plan instead of being written in it.
	Hidden weights.Map
}

// Compile takes an nn module to a plan, in place: passes, then Lower, then a
// measured tolerance.
func Compile(m *ir.Module, j Job) error {
	pipeline := j.Pipeline
	if pipeline == nil {
		pipeline = passes.Default()
	}
	o := j.Passes
	if j.Hidden != nil {
		var err error
		if pipeline, err = hiding(pipeline, j.Hidden, &o); err != nil {
			return err
		}
		j.Source = weights.Overlay{Map: j.Hidden, Under: j.Source}
	}
	if o.Stats == nil && o.Observe == nil {
		o.Observe = func(m *ir.Module) (*passes.Stats, error) { return passes.Record(m, j.Source, j.Examples) }
	}
	if o.Source == nil {
		o.Source = j.Source
	}
	if o.Examples == nil {
		o.Examples = j.Examples
	}
	o.Price = j.Lower.Pricer()
	if err := passes.Run(m, pipeline, &o, j.Dump); err != nil {
		return err
	}
	if err := Lower(m, j.Lower); err != nil {
		return err
	}
	if len(j.Examples) == 0 {
		return nil
	}
	ulp, err := Tolerance(m, j.Source, j.Examples)
	if err != nil {
		return err
	}
	m.Attrs.Set("tolerance", ulp)
	return nil
}

// hiding adds to a pipeline the passes that keep coefficients out of a plan, and
// to its options that they are kept in hidden.
func hiding(pipeline []passes.Pass, hidden weights.Map, o *passes.Options) ([]passes.Pass, error) {
	o.Hidden = func(w *ir.Weight, values []float64) {
		t := weights.Tensor{Shape: w.Type.Shape}
		for _, x := range values {
			t.Data = append(t.Data, float32(x))
		}
		hidden[w.Name] = t
	}
	pipeline, err := passes.Before(pipeline, passes.InsertTrunc.Name, passes.HideCoefficients)
	return append(pipeline, passes.ForgetRanges), err
}

// toleranceMargin multiplies the largest difference seen. The tail is long,
// since a rounding error in a small variance or a large score is magnified: of
// the embedded model's sentences the hundredth has five times the median's
// difference, the largest of two thousand runs thirteen times.
const toleranceMargin = 8

// toleranceRuns is how often each example is run with fresh errors.
const toleranceRuns = 3

// toleranceExamples bounds the examples that are run, and toleranceWork the
// products that all runs compute: an example of BERT-base at 128 tokens takes 44
// thousand million. The first example is always run.
const (
	toleranceExamples = 16
	toleranceWork     = 64 << 30
)

// products counts the multiplications in matrix products of one run of main.
func products(m *ir.Module) int64 {
	var n int64
	for _, op := range m.Func("main").Body {
		if op.Name == "he.matmul" || op.Name == "he.matmul_ss" {
			n += int64(op.Result().Type.NumElems()) * int64(op.X(0).Type.Last())
		}
	}
	return n
}

// Tolerance measures by how many units of its last bit the protocols' output may
// differ from the twin's: the plan is run with the rounding errors that the
// protocols make (each step's ideal functionality with its error inside), and
// the largest difference over all outputs and runs is multiplied by a margin.
func Tolerance(m *ir.Module, src weights.Source, examples []passes.Example) (int, error) {
	noisy, err := eval.New(m, src, eval.Options{Perturb: prg.New(prg.Seed{1})})
	if err != nil {
		return 0, err
	}
	var outside []string
	twin := noisy.With(eval.Options{Exceeded: func(_ *ir.Func, op *ir.Op, n int) {
		outside = append(outside, fmt.Sprintf("%s %%%s (%d values)", op.Name, op.Results[0].Name, n))
	}})
	var most int64
	each := (1 + toleranceRuns) * products(m)
	for i, e := range examples {
		if i == toleranceExamples || i > 0 && int64(i+1)*each > toleranceWork {
			break
		}
		var want []eval.Value
		var twinErr error
		var wg sync.WaitGroup
		wg.Go(func() { want, twinErr = twin.Run("main", e.Inputs) })
		var runs [][]eval.Value
		for range toleranceRuns {
			got, err := noisy.Run("main", e.Inputs)
			if err != nil {
				wg.Wait()
				return 0, fmt.Errorf("tolerance: %w", err)
			}
			runs = append(runs, got)
		}
		wg.Wait()
		if twinErr != nil {
			return 0, fmt.Errorf("tolerance: %w", twinErr)
		}
		if outside != nil {
			return 0, fmt.Errorf("calibration example %d leaves the ranges that the plan rests on, at %s; calibrate with more text or a larger margin", i+1, strings.Join(outside, ", "))
		}
		for _, got := range runs {
			for k, v := range want {
				w := v.Type.Elem.Width
				for x := range v.Ring {
					d := z2k.Signed((got[k].Ring[x]-v.Ring[x])&z2k.Mask(w), w)
					most = max(most, d, -d)
				}
			}
		}
	}
	return int(most) * toleranceMargin, nil
}
