package main

import (
	"cmp"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"nimbus/frontend"
	"nimbus/frontend/bundle"
	"nimbus/frontend/values"
	"nimbus/ir"
	"nimbus/ir/parser"
	"nimbus/ir/plan"
	"nimbus/ir/weights"
	"nimbus/models"
	"nimbus/passes"
)

// modelFlags say which module of a model is meant.
type modelFlags struct {
	seq     int
	set     settings
	weights list
	coefs   string // file of a plan's private coefficients
}

func (f *modelFlags) flags(fs *flag.FlagSet) {
	f.set = settings{}
	fs.IntVar(&f.seq, "seq", 0, "`LENGTH` in tokens of an input, shorter text is padded (default: as the model says)")
	fs.Var(f.set, "set", "set a parameter of the description, `name=value`; may be repeated")
	fs.Var(&f.weights, "weights", "weights of a FILE.ir or its plan: a `FILE` .safetensors or .json, or NAME=FILE.npy, which may be repeated")
}

// coefficients adds the flag of commands that read a plan.
func (f *modelFlags) coefficients(fs *flag.FlagSet) {
	fs.StringVar(&f.coefs, "coefficients", "", "private coefficients of the plan: the `FILE` that compile -private-coefficients wrote")
}

// list is a flag.Value that gathers what it is given.
type list []string

func (l *list) String() string { return strings.Join(*l, " ") }

func (l *list) Set(text string) error {
	*l = append(*l, text)
	return nil
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

// A model is an open model at one length, or a program: its nn-level module, its
// weights, and what turns text, images or numbers into inputs.
type model struct {
	name   string
	module *ir.Module // nn, of a program any stage; whoever rewrites it takes a clone
	source weights.Source
	labels []string
	seq    int

	reader  *bundle.Reader
	program bool // a FILE.ir, which is not calibrated unless -text gives inputs
	release func() error
}

// openModel finds a model, or reads a FILE.ir, and builds its module. Close
// releases the weights.
func openModel(name string, f modelFlags) (*model, error) {
	if f.seq < 0 {
		return nil, usagef("-seq is a number of tokens, got %d", f.seq)
	}
	if strings.HasSuffix(name, ".ir") {
		return openProgram(name, f)
	}
	if len(f.weights) > 0 {
		return nil, usagef("-weights goes with a FILE.ir or its plan, and %s is a model, which has weights", name)
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
	m := &model{name: name, release: b.Close}
	if err := m.build(b, set); err != nil {
		m.close()
		return nil, err
	}
	return m, nil
}

func (m *model) build(b *bundle.Bundle, set frontend.Set) (err error) {
	if m.module, err = b.Module(set); err != nil {
		return err
	}
	if m.source, err = b.Weights(set); err != nil {
		return err
	}
	if m.labels = b.Labels(); m.labels == nil {
		m.labels = m.module.Attrs.Strs("labels")
	}
	if m.module.Func("main") == nil {
		return fmt.Errorf("%s: the description has no output", m.name)
	}
	if m.reader, err = b.Reader(m.module); err != nil {
		return err
	}
	m.seq = m.reader.Seq()
	return nil
}

// openProgram reads a program written in IR.
func openProgram(name string, f modelFlags) (*model, error) {
	if len(f.set) > 0 || f.seq > 0 {
		return nil, usagef("-seq and -set go with a model's description, and %s is a module", name)
	}
	m := &model{name: name, program: true, release: func() error { return nil }}
	var err error
	if m.module, err = readProgram(name); err != nil {
		return nil, err
	}
	m.labels = m.module.Attrs.Strs("labels")
	if len(f.weights) > 0 {
		if m.source, m.release, err = bundle.OpenWeights("-weights", f.weights, m.module, openFile(nil)); err != nil {
			return nil, err
		}
	}
	m.reader, err = bundle.NewReader(m.module, noFiles{}, m.labels, "")
	return m, err
}

// readProgram reads a module of any stage. A plan need not have the attributes
// that compile adds.
func readProgram(name string) (*ir.Module, error) {
	display, text, err := readText(&console{}, name)
	if err != nil {
		return nil, err
	}
	m, err := parser.Parse(display, text)
	if err != nil {
		return nil, err
	}
	if m.Stage() == ir.StagePlan {
		m.Attrs.Set("version", plan.Version)
		return m, plan.Check(m)
	}
	return m, m.Verify()
}

// noFiles is the folder of a program, which brings no vocabulary.
type noFiles struct{}

func (noFiles) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// openFile reads files, and c's standard input for "-".
func openFile(c *console) func(string) ([]byte, error) {
	return func(name string) ([]byte, error) {
		if c == nil || c.in == nil {
			return values.Open(name, strings.NewReader(""))
		}
		return values.Open(name, c.in)
	}
}

func (m *model) close() { m.release() }

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
	if err := checkPlain(display, text); err != nil {
		return display, nil, err
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
//
// A program's are lines of numbers as -in has them, and there may be none.
func (m *model) examples(c *console, file string) ([]passes.Example, error) {
	if m.program && file == "" {
		return nil, nil
	}
	display, lines, err := m.calibration(c, file)
	if err != nil {
		return nil, err
	}
	var out []passes.Example
	for i, line := range lines {
		in, err := m.example(display, i, line)
		if err != nil {
			return nil, err
		}
		out = append(out, passes.Example{Inputs: in.Values, Tokens: cmp.Or(in.Tokens, m.module.Attrs.Int("seq", 0))})
	}
	return out, nil
}

// example reads line i of the calibration text: a text, or what -in would be
// given. Files are looked for beside the text.
func (m *model) example(display string, i int, line string) (*bundle.Input, error) {
	if m.reader.IsText() {
		in, err := m.reader.Text(line, true)
		if err != nil {
			return nil, fmt.Errorf("%s: text %d: %w", display, i+1, err)
		}
		return in, nil
	}
	what := fmt.Sprintf("%s: input %d", display, i+1)
	return m.reader.Values(what, []string{line}, func(name string) ([]byte, error) {
		if !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(display), name)
		}
		data, err := values.Open(name, strings.NewReader(""))
		if err != nil {
			return nil, fmt.Errorf("%s: %w; a line is the name of a PNG or numbers, as eval -in takes them", what, err)
		}
		return data, nil
	})
}
