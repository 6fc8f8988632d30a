package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"nimbus/frontend"
	"nimbus/frontend/bundle"
	"nimbus/frontend/tokenizer"
	"nimbus/ir"
	"nimbus/ir/eval"
	"nimbus/ir/weights"
	"nimbus/models"
	"nimbus/passes"
)

// modelFlags say which module of a model is meant.
type modelFlags struct {
	seq int
	set settings
}

func (f *modelFlags) flags(fs *flag.FlagSet) {
	f.set = settings{}
	fs.IntVar(&f.seq, "seq", 0, "`LENGTH` in tokens of an input, shorter text is padded (default: as the model says)")
	fs.Var(f.set, "set", "set a parameter of the description, `name=value`; may be repeated")
}

// settings is a flag.Value that gathers name=value.
type settings frontend.Set

func (s settings) String() string { return "" }

func (s settings) Set(text string) error {
	name, value, err := frontend.ParseSetting(text)
	if err != nil {
		return err
	}
	s[name] = value
	return nil
}

// A model is an open model at one length: its nn-level module, its weights,
// and what turns text into inputs.
type model struct {
	name   string
	module *ir.Module // nn; whoever rewrites it takes a clone
	source weights.Source
	labels []string
	seq    int

	files *bundle.Bundle
}

// openModel finds a model and builds its module. Close releases the weights.
func openModel(name string, f modelFlags) (*model, error) {
	if f.seq < 0 {
		return nil, usagef("-seq is a number of tokens, got %d", f.seq)
	}
	set := frontend.Set{}
	for k, v := range f.set {
		set[k] = v
	}
	if f.seq > 0 {
		set["seq"] = f.seq
	}
	b, err := bundle.Open(name)
	if err != nil {
		return nil, err
	}
	m := &model{name: name, files: b}
	if err := m.build(set); err != nil {
		m.close()
		return nil, err
	}
	return m, nil
}

func (m *model) build(set frontend.Set) (err error) {
	if m.module, err = m.files.Module(set); err != nil {
		return err
	}
	if m.source, err = m.files.Weights(set); err != nil {
		return err
	}
	if m.labels = m.files.Labels(); m.labels == nil {
		m.labels = m.module.Attrs.Strs("labels")
	}
	main := m.module.Func("main")
	if main == nil {
		return fmt.Errorf("%s: the description has no output", m.name)
	}
	for _, p := range main.Params {
		if !slices.Contains([]string{"ids", "types", "mask", "pool"}, p.Name) || p.Type.Rank() > 1 && p.Name != "pool" {
			return fmt.Errorf("%s: the model has an input %%%s of type %s; a text gives ids, types, mask and pool", m.name, p.Name, p.Type)
		}
		m.seq = p.Type.NumElems()
	}
	return nil
}

func (m *model) close() { m.files.Close() }

// inputs turns one text into the inputs of the model, or of a plan of it. A
// model without vocabulary takes token ids instead of words.
func (m *model) inputs(text string, truncate bool) (map[string]eval.Value, int, error) {
	if !utf8.ValidString(text) {
		return nil, 0, errors.New("the text is not UTF-8")
	}
	if strings.TrimSpace(text) == "" {
		return nil, 0, errors.New("the text is empty")
	}
	enc, err := m.encode(text, truncate)
	if err != nil {
		return nil, 0, err
	}
	all := map[string]eval.Value{"ids": eval.Ints(enc.IDs), "types": eval.Ints(enc.Types), "mask": eval.Ints(enc.Mask), "pool": eval.Floats(enc.Pool())}
	in := map[string]eval.Value{}
	for _, p := range m.module.Func("main").Params {
		in[p.Name] = all[p.Name]
	}
	return in, enc.Len, nil
}

func (m *model) encode(text string, truncate bool) (tokenizer.Encoding, error) {
	if m.files.Tokenizer != nil {
		return m.files.Tokenizer.Encode(text, m.seq, truncate)
	}
	vocab, pad := m.module.Attrs.Int("vocab", 0), m.module.Attrs.Int("pad", 0)
	var ids []int
	for _, word := range strings.Fields(text) {
		id, err := strconv.Atoi(word)
		if err != nil || id < 0 || vocab > 0 && id >= vocab {
			return tokenizer.Encoding{}, fmt.Errorf("the model has no vocabulary, so its text is token ids below %d, not words", vocab)
		}
		ids = append(ids, id)
	}
	if len(ids) > m.seq {
		if !truncate {
			return tokenizer.Encoding{}, fmt.Errorf("the text has %d tokens, the model is built for at most %d", len(ids), m.seq)
		}
		ids = ids[:m.seq]
	}
	enc := tokenizer.Encoding{Len: len(ids), Types: make([]int, m.seq), Mask: make([]int, m.seq)}
	for i := range ids {
		enc.Mask[i] = 1
	}
	for len(ids) < m.seq {
		ids = append(ids, pad)
	}
	enc.IDs = ids
	return enc, nil
}

// calibrationFile is what a model folder calls the text it brings along.
const calibrationFile = "calibration.txt"

// calibration returns the lines of the file, or of the text that the model
// brings along; display names where they come from.
func (m *model) calibration(c *console, file string) (display string, lines []string, err error) {
	text := ""
	if file != "" {
		display, text, err = readText(c, file)
	} else {
		display, text, err = m.ownCalibration(c)
	}
	if err != nil {
		return display, nil, err
	}
	if i := strings.IndexByte(text, 0); i >= 0 {
		return display, nil, hinted(fmt.Errorf("%s:%d: a zero byte: not UTF-8 text", display, 1+strings.Count(text[:i], "\n")), encodingHint)
	}
	for line := range strings.Lines(strings.TrimPrefix(text, "\ufeff")) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return display, nil, hinted(fmt.Errorf("%s: has no text to calibrate on", display), "one text a line, as the model will be asked; a few dozen lines are enough")
	}
	return display, lines, nil
}

func (m *model) ownCalibration(c *console) (display, text string, err error) {
	display = m.name + "/" + calibrationFile
	info, err := os.Stat(m.name)
	switch {
	case err == nil && info.IsDir():
		if _, err := os.Stat(filepath.Join(m.name, calibrationFile)); err == nil {
			return readText(c, filepath.Join(m.name, calibrationFile))
		}
	case err != nil:
		if dir, err := models.Open(m.name); err == nil {
			if data, err := fs.ReadFile(dir, calibrationFile); err == nil {
				return display, string(data), nil
			}
		}
	}
	return display, "", hinted(fmt.Errorf("%s: no text to calibrate on", m.name),
		"-text FILE names one: one text a line, as the model will be asked; ranges and polynomials are fitted to it")
}

// examples are the calibration inputs that a file, or the model's own text,
// gives. What is longer than the plan is cut: the rest of the line is still
// typical.
func (m *model) examples(c *console, file string) ([]passes.Example, error) {
	display, lines, err := m.calibration(c, file)
	if err != nil {
		return nil, err
	}
	var out []passes.Example
	for i, line := range lines {
		in, tokens, err := m.inputs(line, true)
		if err != nil {
			return nil, fmt.Errorf("%s: text %d: %w", display, i+1, err)
		}
		out = append(out, passes.Example{Inputs: in, Tokens: tokens})
	}
	return out, nil
}
