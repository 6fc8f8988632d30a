package bundle

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"nimbus/frontend"
	"nimbus/frontend/hf"
	"nimbus/frontend/synth"
	"nimbus/frontend/tokenizer"
	"nimbus/ir"
	"nimbus/models"
)

// syntheticSeed makes synthetic weights the same for both parties and every run.
const syntheticSeed = 1

// A Source gives the tensors that a module's recipes name, as weights.Source.
type Source interface {
	Tensor(name string) (shape []int, data []float32, err error)
}

// A Bundle is one model: what it computes, its weights, its tokenizer.
type Bundle struct {
	Name      string
	Tokenizer *tokenizer.Tokenizer // nil for a description without vocabulary
	Synthetic bool                 // the weights are made up

	model       *hf.Model // of a Hugging Face folder
	dir         fs.FS
	description string // file in dir
	files       *hf.Weights
}

// Open finds name; see the package's doc. Close releases the weights.
func Open(name string) (*Bundle, error) {
	clean := filepath.Clean(name)
	info, err := os.Stat(clean)
	switch {
	case name == "":
		return nil, fmt.Errorf("bundle: no model is named")
	case err == nil && info.IsDir():
		return openFolder(clean, filepath.Base(clean), os.DirFS(clean))
	case err == nil:
		if !strings.HasSuffix(clean, ".model") {
			return nil, fmt.Errorf("bundle: %s is neither a folder nor a .model description", name)
		}
		return open(clean, os.DirFS(filepath.Dir(clean)), filepath.Base(clean))
	case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrInvalid):
		return nil, fmt.Errorf("bundle: %w", err)
	}

	folder, file := path.Split(strings.TrimSuffix(filepath.ToSlash(clean), ".model"))
	if folder = strings.TrimSuffix(folder, "/"); folder == "" {
		folder = file
	}
	dir, err := models.Open(folder)
	if err != nil {
		return nil, fmt.Errorf("bundle: there is no file or folder %s, nor an embedded model of that name; embedded are %s", name, strings.Join(models.Names(), ", "))
	}
	if file == folder {
		return openFolder(name, file, dir)
	}
	if _, err := fs.Stat(dir, file+".model"); err != nil {
		return nil, fmt.Errorf("bundle: the embedded %s has no description %s.model", folder, file)
	}
	return open(name, dir, file+".model")
}

// openFolder prefers config.json over a description named as the folder.
func openFolder(name, base string, dir fs.FS) (*Bundle, error) {
	if _, err := fs.Stat(dir, "config.json"); err == nil {
		return open(name, dir, "config.json")
	}
	if _, err := fs.Stat(dir, base+".model"); err == nil {
		return open(name, dir, base+".model")
	}
	return nil, fmt.Errorf("bundle: the folder %s has neither config.json nor %s.model", name, base)
}

func open(name string, dir fs.FS, file string) (b *Bundle, err error) {
	b = &Bundle{Name: name, dir: dir}
	if file == "config.json" {
		if b.model, err = hf.Open(dir); err != nil {
			return nil, fmt.Errorf("bundle: %s: %w", name, err)
		}
	} else {
		b.description = file
		if b.files, err = hf.OpenWeights(dir); err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				return nil, fmt.Errorf("bundle: %s: %w", name, err)
			}
			b.files, b.Synthetic = nil, true
		}
	}
	if b.Tokenizer, err = openTokenizer(dir); err != nil {
		b.Close()
		return nil, fmt.Errorf("bundle: %s: %w", name, err)
	}
	if b.model != nil && b.Tokenizer != nil && b.Tokenizer.Size() > b.model.Config.Vocab {
		b.Close()
		return nil, fmt.Errorf("bundle: %s: the tokenizer has %d tokens, but the model's vocab_size is %d", name, b.Tokenizer.Size(), b.model.Config.Vocab)
	}
	return b, nil
}

// sentencePieces are vocabularies that are read only as part of a tokenizer.json.
var sentencePieces = []string{"spiece.model", "sentencepiece.bpe.model", "tokenizer.model"}

// openTokenizer returns nil where there is no vocabulary at all.
func openTokenizer(dir fs.FS) (*tokenizer.Tokenizer, error) {
	for _, file := range []string{"tokenizer.json", "vocab.txt", "vocab.json"} {
		if _, err := fs.Stat(dir, file); err == nil {
			return tokenizer.Load(dir)
		}
	}
	for _, file := range sentencePieces {
		if _, err := fs.Stat(dir, file); err == nil {
			return nil, fmt.Errorf("there is a %s without a tokenizer.json, which is read in its place: save the tokenizer as a fast one of Hugging Face's, which writes it", file)
		}
	}
	return nil, nil
}

// Module builds the nn-level module; set replaces parameters, usually seq. With
// a tokenizer its digest is among the attributes, as tokenizer_digest, so that
// a client can tell whether its own fits.
func (b *Bundle) Module(set frontend.Set) (*ir.Module, error) {
	m, err := b.module(set)
	if err != nil {
		return nil, err
	}
	if b.Tokenizer != nil {
		m.Attrs.Set("tokenizer_digest", b.Tokenizer.Digest())
	}
	return m, nil
}

func (b *Bundle) module(set frontend.Set) (*ir.Module, error) {
	if b.model != nil {
		return b.model.Module(set)
	}
	m, err := frontend.Compile(b.dir, b.description, set)
	if err != nil {
		return nil, err
	}
	if b.files != nil {
		if err := b.files.Check(m); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// Weights returns the source of the weights; the model must not be closed
// while it is in use. Synthetic ones are made for the module that set describes.
func (b *Bundle) Weights(set frontend.Set) (Source, error) {
	switch {
	case b.model != nil:
		return b.model, nil
	case b.files != nil:
		return b.files, nil
	}
	m, err := b.Module(set)
	if err != nil {
		return nil, err
	}
	return synth.New(m, syntheticSeed)
}

// Labels names the logits, nil where only a description knows them; then they
// are the labels attribute of its module.
func (b *Bundle) Labels() []string {
	if b.model == nil {
		return nil
	}
	return b.model.Config.Labels
}

// Reader reads inputs for m, the model's module or a plan of it.
func (b *Bundle) Reader(m *ir.Module) (*Reader, error) {
	labels := b.Labels()
	if labels == nil {
		labels = m.Attrs.Strs("labels")
	}
	return newReader(m, b.Tokenizer, b.dir, labels, "")
}

// Files reads what a client needs of the model beside its plan.
func (b *Bundle) Files() (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, name := range clientFiles {
		data, err := fs.ReadFile(b.dir, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("bundle: %s: %w", b.Name, err)
		}
		files[name] = data
	}
	return files, nil
}

// Close releases the weights.
func (b *Bundle) Close() error {
	switch {
	case b.model != nil:
		return b.model.Close()
	case b.files != nil:
		return b.files.Close()
	}
	return nil
}
