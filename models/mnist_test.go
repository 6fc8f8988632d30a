package models_test

import (
	"compress/gzip"
	"fmt"
	"image"
	"io"
	"math"
	"os"
	goruntime "runtime"
	"sync"
	"testing"

	"nimbus/backend"
	"nimbus/frontend"
	"nimbus/frontend/hf"
	"nimbus/frontend/picture"
	"nimbus/ir"
	"nimbus/ir/eval"
	"nimbus/ir/weights"
	"nimbus/models"
	"nimbus/passes"
	"nimbus/tests/shared"
)

// A weightsFile is one safetensors file as a source of weights.
type weightsFile struct{ *hf.File }

func (f weightsFile) Tensor(name string) ([]int, []float32, error) {
	info, ok := f.Info(name)
	if !ok {
		return nil, nil, fmt.Errorf("no tensor %q", name)
	}
	data, err := f.Read(name)
	return info.Shape, data, err
}

var _ weights.Source = weightsFile{}

func openWeights(t *testing.T, name string) weightsFile {
	t.Helper()
	path := shared.Path(t, "models", "vit-mnist", name)
	f, err := hf.OpenFile(os.DirFS(shared.Path(t, "models", "vit-mnist")), name)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	t.Cleanup(func() { f.Close() })
	return weightsFile{f}
}

// digits reads the first n test digits of MNIST as patches of 4 by 4, and their labels.
func digits(t *testing.T, n int) (patches [][]float64, labels []int) {
	t.Helper()
	read := func(name string, header, size int) []byte {
		f, err := os.Open(shared.Path(t, "data", "mnist", name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		z, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		data := make([]byte, header+size)
		if _, err := io.ReadFull(z, data); err != nil {
			t.Fatal(err)
		}
		return data[header:]
	}
	images := read("t10k-images-idx3-ubyte.gz", 16, n*28*28)
	for _, l := range read("t10k-labels-idx1-ubyte.gz", 8, n) {
		labels = append(labels, int(l))
	}
	p := &picture.Processor{Size: 28, Patch: 4, Channels: 1, Scale: 1.0 / 255, Mean: []float64{0.1307}, Std: []float64{0.3081}}
	for i := range n {
		v, err := p.Patches(&image.Gray{Pix: images[i*784 : (i+1)*784], Stride: 28, Rect: image.Rect(0, 0, 28, 28)})
		if err != nil {
			t.Fatal(err)
		}
		patches = append(patches, v)
	}
	return patches, labels
}

// TestMNIST runs a trained ViT on test digits, in real numbers and as the plan's
// fixed-point twin: the logits of the former are the recorded ones, the latter
// answers alike. 24 digits, 200 with NIMBUS_ALL=1.
func TestMNIST(t *testing.T) {
	src := openWeights(t, "vit_mnist_gpu.safetensors")
	shape, reference, err := openWeights(t, "reference_logits_first200.safetensors").Tensor("logits")
	if err != nil {
		t.Fatal(err)
	}
	n := 24
	if os.Getenv("NIMBUS_ALL") != "" {
		n = shape[0]
	}
	const calibrate = 24 // digits behind those with references
	patches, labels := digits(t, shape[0]+calibrate)
	dir, err := models.Open("vit")
	if err != nil {
		t.Fatal(err)
	}
	m, err := frontend.Compile(dir, "mnist.model", nil)
	if err != nil {
		t.Fatal(err)
	}
	var examples []passes.Example
	for _, p := range patches[shape[0]:] {
		examples = append(examples, passes.Example{Inputs: map[string]eval.Value{"patches": eval.Floats(p)}, Tokens: 50})
	}
	plan := m.Clone()
	record := func(m *ir.Module) (*passes.Stats, error) { return passes.Record(m, src, examples) }
	if err := backend.Compile(plan, backend.Job{Source: src, Passes: passes.Options{Observe: record}}); err != nil {
		t.Fatal(err)
	}
	float, err := eval.New(m, src, eval.Options{})
	if err != nil {
		t.Fatal(err)
	}
	twin, err := eval.New(plan, src, eval.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	work := make(chan int)
	right, same, fixedRight, worst, worstTwin := 0, 0, 0, 0.0, 0.0
	for range goruntime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range work {
				in := map[string]eval.Value{"patches": eval.Floats(patches[i])}
				x, err := float.Run("main", in)
				if err != nil {
					t.Error(err)
					continue
				}
				y, err := twin.Run("main", in)
				if err != nil {
					t.Error(err)
					continue
				}
				a, b := x[0].Reals(), y[0].Reals()
				mu.Lock()
				for k := range a {
					worst = max(worst, math.Abs(a[k]-float64(reference[i*10+k])))
					worstTwin = max(worstTwin, math.Abs(a[k]-b[k]))
				}
				if argmax(a) == argmax(b) {
					same++
				}
				if argmax(a) == labels[i] {
					right++
				}
				if argmax(b) == labels[i] {
					fixedRight++
				}
				mu.Unlock()
			}
		})
	}
	for i := range n {
		work <- i
	}
	close(work)
	wg.Wait()
	t.Logf("%d digits: %d right in real numbers, %d in fixed point, %d answers alike; float logits within %.1e of the reference, the twin's within %.2f of them",
		n, right, fixedRight, same, worst, worstTwin)
	if worst > 1e-3 {
		t.Errorf("float logits are %.1e from the reference", worst)
	}
	if same < n-1-n/100 {
		t.Errorf("%d of %d answers differ", n-same, n)
	}
}

func argmax(x []float64) int {
	best := 0
	for i, v := range x {
		if v > x[best] {
			best = i
		}
	}
	return best
}
