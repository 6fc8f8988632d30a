// Command asm writes the assembly of package kernel, one file for each kind of kernel:
//
//	go run . [DIR]
//
// DIR is that package's if not given. It must run in its own directory, as go generate does. What a function is called and takes
// is read from its declaration in package kernel, where it is described; here is its body.
// Loops over registers are loops here, registers are named by what they hold, and avo
// (github.com/mmcloughlin/avo) finds their numbers.
//
// It is a module of its own, so that those who build Nimbus need no avo. What it writes is
// committed, and .ci/run compares the two.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/mmcloughlin/avo/pass"
	"github.com/mmcloughlin/avo/printer"
)

// files are the files by name.
var files = map[string]func(*file){
	"cpu_amd64.s":  cpu,
	"gemm_amd64.s": gemm,
}

func main() {
	out := ".."
	if len(os.Args) == 2 {
		out = os.Args[1]
	}
	if err := generate(out); err != nil {
		fmt.Fprintln(os.Stderr, "asm:", err)
		os.Exit(1)
	}
}

// generate writes all files to directory out.
func generate(out string) error {
	out, err := filepath.Abs(out)
	if err != nil {
		return err
	}
	// Declarations are looked up from here, and are those of this processor.
	if err := os.Chdir(".."); err != nil {
		return err
	}
	os.Setenv("GOARCH", "amd64")
	for name, body := range files {
		f := newFile()
		body(f)
		ir, err := f.Result()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := pass.Compile.Execute(ir); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		text, err := printer.NewGoAsm(printer.Config{Name: "internal/kernel/asm"}).Print(ir)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := os.WriteFile(filepath.Join(out, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
