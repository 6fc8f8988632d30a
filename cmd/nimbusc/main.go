// Nimbusc compiles a Transformer to a plan that two parties execute, and shows
// what is in the text on the way: it prints, rewrites, evaluates and prices
// modules of the IR.
//
// Run "nimbusc help" for its commands.
package main

import (
	"io"
	"os"

	"nimbus/internal/cli"
)

// A command is one subcommand, in its own file.
type command = cli.Command[*console]

// A console is where a command reads and writes.
type console struct {
	in       io.Reader
	out, err io.Writer
}

// program is a function because help is one of its commands.
func program() *cli.Program[*console] {
	return &cli.Program[*console]{Name: "nimbusc", Commands: []*command{
		compileCommand, fitCommand, optCommand, fmtCommand, evalCommand, accuracyCommand, explainCommand, helpCommand()}}
}

func main() { os.Exit(run(os.Args[1:], &console{os.Stdin, os.Stdout, os.Stderr})) }

// run executes one command line and returns the exit code.
func run(args []string, c *console) int {
	err := program().Run(c, args, c.out)
	if err != nil {
		report(c.err, err)
	}
	return cli.ExitCode(err)
}
