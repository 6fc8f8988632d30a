package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"nimbus/backend"
	"nimbus/frontend/bristol"
	"nimbus/ir"
)

// circuitSuffix is how a boolean circuit in Bristol Fashion ends, as published.
const circuitSuffix = ".txt"

// isCircuit tells whether the argument of compile is a circuit and no model.
func isCircuit(name string) bool { return strings.HasSuffix(name, circuitSuffix) }

// circuitFlags say how a circuit is run.
type circuitFlags struct {
	blocks int
	owners string
}

func (f *circuitFlags) flags(fs *flag.FlagSet) {
	fs.IntVar(&f.blocks, "blocks", 1, "of a circuit: compute it `N` times at once")
	fs.StringVar(&f.owners, "owners", "", "of a circuit: a `LIST` of client and server, one per input (default: the server's first, then the client's)")
}

// check refuses flags that are for the other kind of thing.
func (f *circuitFlags) check(fs *flag.FlagSet, circuit bool) (err error) {
	fs.Visit(func(g *flag.Flag) {
		switch g.Name {
		case "o", "base", "extension", "link", "profile", "minimise":
		case "blocks", "owners":
			if !circuit {
				err = usagef("-%s goes with a circuit, a file that ends in %s", g.Name, circuitSuffix)
			}
		default:
			if circuit {
				err = usagef("-%s goes with a model, not with a circuit", g.Name)
			}
		}
	})
	if err == nil && f.blocks < 1 {
		err = usagef("-blocks is a number of at least 1, got %d", f.blocks)
	}
	return err
}

// compile takes a circuit to a plan.
func (f *circuitFlags) compile(file string, lower backend.Options) (*ir.Module, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fileError(err)
	}
	c, err := bristol.Parse(text)
	if err != nil {
		return nil, hinted(fmt.Errorf("%s: %w", file, err), "a file that ends in %s is taken for a boolean circuit in Bristol Fashion", circuitSuffix)
	}
	o := bristol.Options{Name: circuitName(file), Blocks: f.blocks}
	if f.owners != "" {
		o.Owners = strings.Split(f.owners, ",")
	}
	m, err := c.Module(o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if err := backend.Lower(m, lower); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return m, nil
}

// circuitName makes a module name of a file's.
func circuitName(file string) string {
	name := strings.TrimSuffix(filepath.Base(file), circuitSuffix)
	return "circuit_" + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, name)
}
