// Pass-go is a compiler with a pass of its own: it uses what the packages of
// Nimbus export, as a program outside the tree would.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"nimbus/backend"
	"nimbus/frontend/bundle"
	"nimbus/ir"
	"nimbus/ir/parser"
	"nimbus/ir/weights"
	"nimbus/passes"
)

func main() {
	bound := flag.Float64("bound", 0.01, "relative `error` that a projection may have")
	out := flag.String("o", "monarch", "write `NAME`.plan and NAME.json, its weights")
	flag.Parse()
	if err := run(os.Stdout, *bound, *out, flag.Args()); err != nil {
		fmt.Fprintf(os.Stderr, "pass-go: %v\n", err)
		os.Exit(1)
	}
}

func run(w io.Writer, bound float64, out string, args []string) error {
	if len(args) != 2 {
		return errors.New("usage: pass-go [-bound ERROR] [-o NAME] PROGRAM.ir WEIGHTS.json")
	}
	text, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	m, err := parser.Parse(args[0], string(text))
	if err != nil {
		return err
	}
	src, done, err := bundle.OpenWeights("weights", args[1:], m, os.ReadFile)
	if err != nil {
		return err
	}
	defer done()

	// As it is, to compare with.
	dense := m.Clone()
	if err := compile(dense, src, passes.Default()); err != nil {
		return err
	}
	made := weights.Map{}
	pass := monarch(src, made, bound, func(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) })
	pipeline, err := passes.Before(passes.Default(), passes.FuseQKV.Name, pass)
	if err != nil {
		return err
	}
	all := both{made, src}
	if err := compile(m, all, pipeline); err != nil {
		return err
	}
	for _, p := range []struct {
		name string
		m    *ir.Module
	}{{"without", dense}, {"with", m}} {
		a, err := backend.AccountOf(p.m)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%-8s setup %d B, %d ciphertext products, online %d B to the server\n", p.name, a.Online.Setup, a.Online.HEMul, a.Online.C2S)
	}
	return write(out, m, all)
}

// compile takes a program with ranges in its text to a plan.
func compile(m *ir.Module, src weights.Source, pipeline []passes.Pass) error {
	return backend.Compile(m, backend.Job{
		Source: src, Pipeline: pipeline,
		Passes: passes.Options{Observe: func(*ir.Module) (*passes.Stats, error) { return nil, nil }},
	})
}

// both is a source of new weights and of the old.
type both struct {
	made weights.Map
	rest weights.Source
}

// Tensor implements weights.Source.
func (b both) Tensor(name string) ([]int, []float32, error) {
	if _, ok := b.made[name]; ok {
		return b.made.Tensor(name)
	}
	return b.rest.Tensor(name)
}

// write saves the plan, and its weights as serve -weights takes them.
func write(name string, m *ir.Module, src weights.Source) error {
	tensors := map[string]any{}
	for _, w := range m.Weights {
		for _, from := range weights.Sources(w) {
			shape, data, err := src.Tensor(from)
			if err != nil {
				return err
			}
			tensors[from] = nest(shape, data)
		}
	}
	text, err := json.Marshal(tensors)
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(name+".plan", []byte(m.String()), 0o644), os.WriteFile(name+".json", text, 0o600))
}

// nest is data as lists of lists.
func nest(shape []int, data []float32) any {
	if len(shape) < 2 {
		return data
	}
	step := len(data) / shape[0]
	rows := make([]any, shape[0])
	for i := range rows {
		rows[i] = nest(shape[1:], data[i*step:(i+1)*step])
	}
	return rows
}
