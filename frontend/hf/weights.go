package hf

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

const (
	singleFile = "model.safetensors"
	indexFile  = "model.safetensors.index.json"
	maxJSON    = 64 << 20 // bytes of config.json or the index
	maxShards  = 1024
)

// Weights reads the tensors of a model folder by name, from one safetensors
// file or from the shards that an index lists. It is a weights.Source.
type Weights struct {
	files []*File
	where map[string]*File
}

// OpenWeights opens model.safetensors, or the shards of
// model.safetensors.index.json.
func OpenWeights(dir fs.FS) (*Weights, error) {
	w := &Weights{where: map[string]*File{}}
	f, err := OpenFile(dir, singleFile)
	switch {
	case err == nil:
		w.add(f)
		return w, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	index, err := readFile(dir, indexFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, noWeights(dir)
	}
	if err != nil {
		return nil, err
	}
	if err := w.openShards(dir, index); err != nil {
		w.Close()
		return nil, fmt.Errorf("hf: %s: %w", indexFile, err)
	}
	return w, nil
}

func noWeights(dir fs.FS) error {
	for _, other := range []string{"pytorch_model.bin", "tf_model.h5", "flax_model.msgpack", "model.onnx"} {
		if _, err := fs.Stat(dir, other); err == nil {
			return fmt.Errorf("hf: the folder has %s but no %s; save the model again with safe_serialization=True", other, singleFile)
		}
	}
	return fmt.Errorf("hf: the folder has neither %s nor %s: %w", singleFile, indexFile, fs.ErrNotExist)
}

func (w *Weights) openShards(dir fs.FS, index []byte) error {
	var x struct {
		Map map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(index, &x); err != nil {
		return describe(err)
	}
	if len(x.Map) == 0 {
		return fmt.Errorf("weight_map is empty or missing")
	}
	shards := map[string]*File{}
	names := make([]string, 0, len(x.Map))
	for name := range x.Map {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		shard := x.Map[name]
		f := shards[shard]
		if f == nil {
			if !fs.ValidPath(shard) || strings.ContainsAny(shard, `/\`) || shard == "." {
				return fmt.Errorf("tensor %q: the shard %q is not the name of a file in the folder", name, shard)
			}
			if len(shards) == maxShards {
				return fmt.Errorf("there are more than %d shards", maxShards)
			}
			var err error
			if f, err = OpenFile(dir, shard); err != nil {
				return err
			}
			shards[shard] = f
			w.files = append(w.files, f)
		}
		if _, ok := f.Info(name); !ok {
			return fmt.Errorf("tensor %q is not in its shard %s", name, shard)
		}
		w.where[name] = f
	}
	return nil
}

func (w *Weights) add(f *File) {
	w.files = append(w.files, f)
	for _, t := range f.Tensors() {
		w.where[t.Name] = f
	}
}

// Close closes every file.
func (w *Weights) Close() error {
	var errs []error
	for _, f := range w.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// Names lists all tensors, sorted.
func (w *Weights) Names() []string {
	names := make([]string, 0, len(w.where))
	for name := range w.where {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// find resolves name. Files written from TensorFlow checkpoints call the
// parameters of a LayerNorm gamma and beta.
func (w *Weights) find(name string) (*File, string, bool) {
	if f := w.where[name]; f != nil {
		return f, name, true
	}
	for _, alias := range [][2]string{{"LayerNorm.weight", "LayerNorm.gamma"}, {"LayerNorm.bias", "LayerNorm.beta"}} {
		if base, ok := strings.CutSuffix(name, alias[0]); ok {
			if f := w.where[base+alias[1]]; f != nil {
				return f, base + alias[1], true
			}
		}
	}
	return nil, "", false
}

// Info returns the type and shape of one tensor.
func (w *Weights) Info(name string) (TensorInfo, bool) {
	f, actual, ok := w.find(name)
	if !ok {
		return TensorInfo{}, false
	}
	return f.Info(actual)
}

// Tensor reads one tensor, row-major. It is read anew at each call.
func (w *Weights) Tensor(name string) (shape []int, data []float32, err error) {
	f, actual, ok := w.find(name)
	if !ok {
		return nil, nil, fmt.Errorf("hf: the folder has no tensor %q among its %d", name, len(w.where))
	}
	info, _ := f.Info(actual)
	data, err = f.Read(actual)
	return info.Shape, data, err
}
