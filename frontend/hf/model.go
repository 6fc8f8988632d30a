package hf

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"nimbus/frontend"
	"nimbus/ir"
	"nimbus/models"
)

// defaultSeq is the sequence length of a module unless it is set or the model
// is shorter.
const defaultSeq = 128

// A Model is an open model folder. It is a weights.Source.
type Model struct {
	Config  *Config
	Weights *Weights
}

// Open reads config.json of dir and opens its weights. Close releases them.
func Open(dir fs.FS) (*Model, error) {
	data, err := readFile(dir, "config.json")
	if err != nil {
		return nil, err
	}
	cfg, err := ParseConfig(data)
	if err != nil {
		return nil, fmt.Errorf("hf: config.json: %w", err)
	}
	if cfg.Family == "sentence" {
		if err := cfg.pooling(dir); err != nil {
			return nil, err
		}
	}
	w, err := OpenWeights(dir)
	if err != nil {
		return nil, err
	}
	return &Model{Config: cfg, Weights: w}, nil
}

// Close closes the weights.
func (m *Model) Close() error { return m.Weights.Close() }

// Tensor reads one tensor of the folder, row-major.
func (m *Model) Tensor(name string) (shape []int, data []float32, err error) {
	return m.Weights.Tensor(name)
}

// Set gives the values of the family's parameters.
func (c *Config) Set() frontend.Set {
	set := frontend.Set{
		"seq": min(defaultSeq, c.Seq()), "hidden": c.Hidden, "heads": c.Heads, "layers": c.Layers,
		"ffn": c.Intermediate, "act": c.Activation, "eps": c.Eps,
	}
	if c.Labels != nil {
		set["labels"] = c.Labels
	}
	if c.Family == "vit" {
		set["seq"], set["image"], set["patch"], set["channels"] = c.Seq(), c.Image, c.Patch, c.Channels
		return set
	}
	set["vocab"], set["positions"], set["pad"] = c.Vocab, c.Positions, c.Pad
	switch c.Family {
	case "albert", "electra":
		set["embedding"] = c.Embedding
		fallthrough
	case "bert", "sentence":
		set["segments"] = c.TokenTypes
	}
	if c.Head != "" {
		set["head"] = c.Head
	}
	switch c.Family {
	case "albert":
		set["groups"], set["inner"] = c.Groups, c.Inner
	case "sentence":
		set["normalize"] = c.Normalize
	}
	return set
}

// Module builds the nn-level module of the model from its family's description.
// The values in set, usually seq alone, replace those of config.json. Every
// weight of the module is then known to be in the folder with its shape.
func (m *Model) Module(set frontend.Set) (*ir.Module, error) {
	dir, err := models.Open(m.Config.Family)
	if err != nil {
		return nil, err
	}
	all := m.Config.Set()
	// An encoder saved from a model with a head names its weights with the family.
	if _, ok := m.Weights.Info("bert.embeddings.word_embeddings.weight"); ok && m.Config.Family == "sentence" {
		all["prefix"] = "bert."
	}
	for name, v := range set {
		all[name] = v
	}
	module, err := frontend.Compile(dir, m.Config.Family+".model", all)
	if err != nil {
		return nil, err
	}
	if err := m.Weights.Check(module); err != nil {
		return nil, err
	}
	return module, nil
}

// Check compares every weight that module declares with the headers of the
// files: present, of floats, and of the declared shape once its recipe is
// applied. No data is read.
func (w *Weights) Check(module *ir.Module) error {
	var errs []error
	for _, d := range module.Weights {
		if err := w.checkWeight(d); err != nil {
			errs = append(errs, fmt.Errorf("hf: weight @%s: %w", d.Name, err))
		}
	}
	const show = 5
	if n := len(errs); n > show {
		errs = append(errs[:show], fmt.Errorf("hf: and %d weights more", n-show))
	}
	return errors.Join(errs...)
}

func (w *Weights) checkWeight(d *ir.Weight) error {
	from := d.Attrs.Strs("from")
	if from == nil {
		from = []string{d.Name}
	}
	var total []int
	for _, name := range from {
		t, ok := w.Info(name)
		if !ok {
			return fmt.Errorf("the folder has no tensor %q%s", name, w.similar(name))
		}
		if decoders[t.DType] == nil {
			return fmt.Errorf("tensor %q is %s; weights can be F32, F16 or BF16", name, t.DType)
		}
		shape := slices.Clone(t.Shape)
		if view := d.Attrs.Ints("view"); view != nil {
			if elements(view) != elements(shape) {
				return fmt.Errorf("tensor %q has the shape %v and cannot be viewed as %v", name, shape, view)
			}
			shape = slices.Clone(view)
		}
		if d.Attrs.Bool("transpose") {
			if len(shape) != 2 {
				return fmt.Errorf("tensor %q has the shape %v and cannot be transposed", name, shape)
			}
			shape[0], shape[1] = shape[1], shape[0]
		}
		axis := d.Attrs.Int("axis", 0)
		switch {
		case total == nil:
			total = shape
		case len(shape) != len(total) || axis < 0 || axis >= len(total):
			return fmt.Errorf("tensor %q of shape %v cannot follow one of shape %v along axis %d", name, shape, total, axis)
		default:
			total[axis] += shape[axis]
		}
	}
	if rows := d.Attrs.Ints("rows"); len(rows) == 2 && len(total) > 0 {
		if rows[0] < 0 || rows[1] < 1 || rows[0]+rows[1] > total[0] {
			return fmt.Errorf("rows %v are not among the %d there are", rows, total[0])
		}
		total[0] = rows[1]
	}
	if !slices.Equal(total, d.Type.Shape) {
		return fmt.Errorf("tensor %q gives the shape %v, want %v", strings.Join(from, ", "), total, d.Type.Shape)
	}
	return nil
}

func elements(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// similar hints at the same tensor saved under another prefix.
func (w *Weights) similar(name string) string {
	_, bare, _ := strings.Cut(name, ".")
	for _, have := range w.Names() {
		if have == bare || strings.HasSuffix(have, "."+name) || strings.HasSuffix(have, "."+bare) {
			return fmt.Sprintf("; it has %q", have)
		}
	}
	return ""
}
