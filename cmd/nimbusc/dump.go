package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"nimbus/passes"
)

// A dumper writes the module after each pass that changed it, as NN_pass.ir.
type dumper struct{ dir, pass string }

func (d *dumper) flags(fs *flag.FlagSet) {
	fs.StringVar(&d.dir, "dump", "", "write the module after each pass that changed it to `DIR`/NN_pass.ir")
	fs.StringVar(&d.pass, "dump-pass", "", "dump after the pass of this `NAME` only")
}

// open checks the flags and makes the folder, so that a wrong one is known
// before the work.
func (d *dumper) open() error {
	if d.pass != "" && d.dir == "" {
		return usagef("-dump-pass needs -dump DIR")
	}
	if d.pass != "" && d.pass != lowerPass {
		if _, err := passes.ByName(d.pass); err != nil {
			return usagef("-dump-pass: %w", err)
		}
	}
	if d.dir == "" {
		return nil
	}
	return fileError(os.MkdirAll(d.dir, 0o777))
}

// dump is a passes.Dump.
func (d *dumper) dump(n int, pass, text string) error {
	if d.dir == "" || d.pass != "" && d.pass != pass {
		return nil
	}
	return fileError(os.WriteFile(filepath.Join(d.dir, fmt.Sprintf("%02d_%s.ir", n, pass)), []byte(text), 0o666))
}

// lowerPass is what the dump of the finished plan is called.
const lowerPass = "lower"
