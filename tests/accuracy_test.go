package tests

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"sync"
	"testing"

	"nimbus/frontend"
	"nimbus/ir"
	"nimbus/ir/eval"
	"nimbus/passes"
	"nimbus/tests/modeltest"
	"nimbus/tests/shared"
)

const (
	// maxLogitError is how far the float evaluator's logits may be from those
	// that the reference implementation recorded.
	maxLogitError = 1e-3
	// maxAccuracyLoss is how many points of accuracy fixed point may cost.
	maxAccuracyLoss = 0.5
)

// allBuckets are the lengths compiled for: a sentence runs in the shortest that
// holds it, which is what makes all sentences of both models affordable. For a
// sample, compiling costs more than running.
var allBuckets, shortBuckets = []int{16, 24, 32, 40, 64}, []int{32, 64}

// watchEvery says which sentences are checked for values out of range.
const watchEvery = 8

// A reference is one line of a model's dev_reference.jsonl.
type reference struct {
	Text     string    `json:"text"` // one model's file says text, the other's sentence
	Sentence string    `json:"sentence"`
	Label    int       `json:"label"`
	IDs      []int     `json:"input_ids"`
	Logits   []float64 `json:"logits"`
}

// TestAccuracy runs every development sentence through both trained models, in
// real numbers and as the plan's fixed-point twin: the logits of the former are
// the recorded ones, the latter is as accurate within half a point, and no value
// leaves what its protocol assumes. With -short it takes a sample.
func TestAccuracy(t *testing.T) {
	for _, m := range []struct {
		name string
		open func(t *testing.T) string
	}{
		{"nimbus-sst2-tiny", func(*testing.T) string { return "nimbus-sst2-tiny" }},
		{"bert-tiny-sst2", func(t *testing.T) string { return shared.Path(t, "models", "bert-tiny-sst2") }},
	} {
		t.Run(m.name, func(t *testing.T) {
			refs := readReferences(t, shared.Path(t, "models", m.name, "dev_reference.jsonl"))
			buckets := allBuckets
			if testing.Short() {
				refs, buckets = everyNth(refs, 16), shortBuckets
			}
			testAccuracy(t, m.open(t), refs, buckets)
		})
	}
}

func testAccuracy(t *testing.T, model string, refs []reference, buckets []int) {
	m := modeltest.Open(t, model, nil)
	outcomes := make([]outcome, len(refs))
	shorter := 0
	for _, seq := range buckets {
		var in []int
		for i, r := range refs {
			if n := len(r.IDs); n > shorter && n <= seq {
				in = append(in, i)
			}
		}
		shorter = seq
		if len(in) > 0 {
			runBucket(t, m.With(t, frontend.Set{"seq": seq}), seq, refs, in, outcomes)
		}
	}

	float, fixed, differ, worst := 0, 0, 0, 0.0
	for i, o := range outcomes {
		if o.float == nil {
			t.Fatalf("sentence %d has %d tokens, more than any bucket", i+1, len(refs[i].IDs))
		}
		for k, x := range o.float {
			worst = math.Max(worst, math.Abs(x-refs[i].Logits[k]))
		}
		a, c := modeltest.Argmax(o.float), modeltest.Argmax(o.fixed)
		if a == refs[i].Label {
			float++
		}
		if c == refs[i].Label {
			fixed++
		}
		if a != c {
			differ++
		}
	}
	n := float64(len(refs))
	t.Logf("%d sentences: float %.2f %%, fixed point %.2f %%, %d labels differ; float logits within %.1e of the reference",
		len(refs), 100*float64(float)/n, 100*float64(fixed)/n, differ, worst)
	if worst > maxLogitError {
		t.Errorf("float logits are %.1e from the reference, want at most %.0e", worst, maxLogitError)
	}
	loss := 100 * math.Abs(float64(float-fixed)) / n
	if allowed := math.Max(maxAccuracyLoss, 100/n); loss > allowed { // one sentence of a sample may flip
		t.Errorf("fixed point differs from float by %.2f points of accuracy, want at most %.2f", loss, allowed)
	}
}

// outcome is what one sentence gave.
type outcome struct{ float, fixed []float64 }

// runBucket evaluates the sentences in at length seq.
func runBucket(t *testing.T, m *modeltest.Model, seq int, refs []reference, in []int, outcomes []outcome) {
	t.Helper()
	examples := m.Calibration(t)
	plan := m.Compile(t, examples, passes.Options{Examples: examples})
	float, twin := m.Program(t, m.Module, eval.Options{}), m.Program(t, plan, eval.Options{})
	// The protocols compute what the twin does only where no value leaves what
	// its op assumes: the twin does not wrap where a comparison would. Looking
	// costs as much as computing, so some sentences must do.
	var mu sync.Mutex
	left := map[string]int{}
	watched := m.Program(t, plan, eval.Options{Exceeded: func(_ *ir.Func, op *ir.Op, n int) {
		mu.Lock()
		defer mu.Unlock()
		left[op.Name+" of %"+op.Results[0].Name] += n
	}})
	defer func() {
		for op, n := range left {
			t.Errorf("%d tokens: %s: %d elements are outside what it assumes", seq, op, n)
		}
	}()
	modeltest.Each(t, len(in), func(k int) (err error) {
		i, twin := in[k], twin
		if i%watchEvery == 0 {
			twin = watched
		}
		if outcomes[i], err = runBoth(m, float, twin, refs[i].Text); err != nil {
			return fmt.Errorf("sentence %d: %w", i+1, err)
		}
		return nil
	})
}

func runBoth(m *modeltest.Model, float, twin *eval.Program, text string) (o outcome, err error) {
	in, err := m.Text(text)
	if err != nil {
		return o, err
	}
	x, err := float.Run("main", in.Inputs)
	if err != nil {
		return o, err
	}
	y, err := twin.Run("main", in.Inputs)
	if err != nil {
		return o, err
	}
	return outcome{x[0].Reals(), y[0].Reals()}, nil
}

func readReferences(t *testing.T, path string) []reference {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []reference
	for s := bufio.NewScanner(f); s.Scan(); {
		var r reference
		if err := json.Unmarshal(s.Bytes(), &r); err != nil {
			t.Fatal(fmt.Errorf("%s:%d: %w", path, len(out)+1, err))
		}
		if r.Text == "" {
			r.Text = r.Sentence
		}
		out = append(out, r)
	}
	if len(out) != 872 {
		t.Fatalf("%s has %d sentences, want 872", path, len(out))
	}
	return out
}

func everyNth[T any](xs []T, n int) (out []T) {
	for i := 0; i < len(xs); i += n {
		out = append(out, xs[i])
	}
	return out
}
