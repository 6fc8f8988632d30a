package bundle

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"nimbus/frontend/hf"
	"nimbus/frontend/values"
	"nimbus/ir"
)

// IsWeightFile tells a file of weights, or NAME=FILE, from the name of a model.
func IsWeightFile(name string) bool {
	return strings.HasSuffix(name, ".json") || strings.HasSuffix(name, ".safetensors") || strings.HasSuffix(name, ".npy") ||
		strings.Contains(name, "=") || strings.HasPrefix(strings.TrimSpace(name), "{")
}

// OpenWeights reads weights of m that do not come from a model: of one
// safetensors file, or of JSON and NumPy files as package values has them. The
// function that it returns releases them.
func OpenWeights(what string, args []string, m *ir.Module, open func(string) ([]byte, error)) (Source, func() error, error) {
	for _, a := range args {
		if !strings.HasSuffix(a, ".safetensors") {
			continue
		}
		if len(args) > 1 {
			return nil, nil, fmt.Errorf("%s: %s is given with other files; a safetensors file has all weights", what, a)
		}
		f, err := hf.OpenFile(os.DirFS(filepath.Dir(a)), filepath.Base(a))
		if err != nil {
			return nil, nil, err
		}
		return file{f}, f.Close, nil
	}
	lists, err := values.Flags(what, args, open)
	if err != nil {
		return nil, nil, err
	}
	if l, ok := lists[values.Lone]; ok && len(m.Weights) == 1 {
		delete(lists, values.Lone)
		lists[m.Weights[0].Name] = l
	}
	t, err := values.Tensors(what, m, lists)
	return t, func() error { return nil }, err
}

// A file is one safetensors file as a Source.
type file struct{ *hf.File }

// Tensor implements Source.
func (f file) Tensor(name string) ([]int, []float32, error) {
	info, ok := f.Info(name)
	if !ok {
		return nil, nil, fmt.Errorf("the file has no tensor %q: %w", name, fs.ErrNotExist)
	}
	data, err := f.Read(name)
	return info.Shape, data, err
}
