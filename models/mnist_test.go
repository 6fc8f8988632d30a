package models_test

import (
	"compress/gzip"
	"image"
	"io"
	"math"
	"os"
	"sync"
	"testing"

	"nimbus/frontend/bundle"
	"nimbus/frontend/picture"
	"nimbus/ir/eval"
	"nimbus/passes"
	"nimbus/tests/modeltest"
	"nimbus/tests/shared"
)

func openWeights(t *testing.T, name string) bundle.Source {
	t.Helper()
	src, done, err := bundle.OpenWeights("weights", []string{shared.Path(t, "models", "vit-mnist", name)}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { done() })
	return src
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
	m := modeltest.Open(t, "vit/mnist", nil)
	m.Source = openWeights(t, "vit_mnist_gpu.safetensors")
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
	var examples []passes.Example
	for _, p := range patches[shape[0]:] {
		examples = append(examples, passes.Example{Inputs: map[string]eval.Value{"patches": eval.Floats(p)}, Tokens: 50})
	}
	float, twin := m.Program(t, m.Module, eval.Options{}), m.Program(t, m.Compile(t, examples, passes.Options{}), eval.Options{})
	var mu sync.Mutex
	right, same, fixedRight, worst, worstTwin := 0, 0, 0, 0.0, 0.0
	modeltest.Each(t, n, func(i int) error {
		in := map[string]eval.Value{"patches": eval.Floats(patches[i])}
		x, err := float.Run("main", in)
		if err != nil {
			return err
		}
		y, err := twin.Run("main", in)
		if err != nil {
			return err
		}
		a, b := x[0].Reals(), y[0].Reals()
		mu.Lock()
		defer mu.Unlock()
		for k := range a {
			worst = max(worst, math.Abs(a[k]-float64(reference[i*10+k])))
			worstTwin = max(worstTwin, math.Abs(a[k]-b[k]))
		}
		p, q := modeltest.Argmax(a), modeltest.Argmax(b)
		if p == q {
			same++
		}
		if p == labels[i] {
			right++
		}
		if q == labels[i] {
			fixedRight++
		}
		return nil
	})
	t.Logf("%d digits: %d right in real numbers, %d in fixed point, %d answers alike; float logits within %.1e of the reference, the twin's within %.2f of them",
		n, right, fixedRight, same, worst, worstTwin)
	if worst > 1e-3 {
		t.Errorf("float logits are %.1e from the reference", worst)
	}
	if same < n-1-n/100 {
		t.Errorf("%d of %d answers differ", n-same, n)
	}
}
