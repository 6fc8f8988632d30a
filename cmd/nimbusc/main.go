// Nimbusc compiles a Transformer to a plan that two parties execute, and shows
// what is in the text on the way: it prints, rewrites, evaluates and prices
// modules of the IR.
//
// Run "nimbusc help" for its commands.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// Exit codes.
const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

// A command is one subcommand, in its own file.
type command struct {
	name  string
	args  string // after the name in usage lines
	short string // one line for help
	long  string // for help NAME
	// setup declares the flags and returns what runs when they are parsed.
	setup func(fs *flag.FlagSet) func(c *console, args []string) error
}

// A console is where a command reads and writes.
type console struct {
	in       io.Reader
	out, err io.Writer
}

// commands is in the order help prints. It is a function because help is one
// of them.
func commands() []*command {
	return []*command{compileCommand, fitCommand, optCommand, fmtCommand, evalCommand, accuracyCommand, explainCommand, helpCommand()}
}

func main() { os.Exit(run(os.Args[1:], &console{os.Stdin, os.Stdout, os.Stderr})) }

// run executes one command line and returns the exit code.
func run(args []string, c *console) int {
	err := dispatch(args, c)
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return exitOK
	}
	report(c.err, err)
	if errors.As(err, new(usageError)) {
		return exitUsage
	}
	return exitError
}

func dispatch(args []string, c *console) error {
	if len(args) == 0 {
		return hinted(usagef("no command given"), `"nimbusc help" lists them`)
	}
	name := args[0]
	if name == "-h" || name == "-help" || name == "--help" {
		name = "help"
	}
	cmd := commandNamed(name)
	if cmd == nil {
		return hinted(usagef("unknown command %q", args[0]), `"nimbusc help" lists them`)
	}
	fs := flag.NewFlagSet(cmd.name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	body := cmd.setup(fs)
	rest, err := parseMixed(fs, args[1:])
	if errors.Is(err, flag.ErrHelp) {
		printUsage(c.out, cmd)
		return err
	}
	if err != nil {
		err = usageError{err}
	} else {
		err = body(c, rest)
	}
	if errors.As(err, new(usageError)) && hintOf(err) == "" {
		return hinted(fmt.Errorf("%s: %w", cmd.name, err), "usage: %s", cmd.usage())
	}
	return err
}

func commandNamed(name string) *command {
	all := commands()
	if i := slices.IndexFunc(all, func(c *command) bool { return c.name == name }); i >= 0 {
		return all[i]
	}
	return nil
}

// parseMixed parses flags wherever they stand among the arguments; "--" ends
// them, and "-" is an argument.
func parseMixed(fs *flag.FlagSet, args []string) ([]string, error) {
	var rest []string
	for {
		if err := fs.Parse(args); err != nil {
			return nil, err
		}
		if done := len(args) - fs.NArg(); done > 0 && args[done-1] == "--" {
			return append(rest, fs.Args()...), nil
		}
		if fs.NArg() == 0 {
			return rest, nil
		}
		rest = append(rest, fs.Arg(0))
		args = fs.Args()[1:]
	}
}

func (c *command) usage() string { return strings.TrimSpace("nimbusc " + c.name + " " + c.args) }
