// Nimbus-run executes a compiled plan as client or server: private inference
// between the owner of a text and the owner of a model, or any other program.
//
// Run "nimbus-run help" for its commands.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	goruntime "runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"nimbus/runtime"
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
	flags func(fs *flag.FlagSet) func(ctx context.Context, args []string) error
}

// commands is in the order help prints. It is a function because help is one
// of them.
func commands() []*command {
	return []*command{demoCommand, keygenCommand, serveCommand, setupCommand, prepareCommand, inferCommand, benchCommand, planCommand, peerCommand, helpCommand}
}

// usageError is a wrong command line: exit code 2.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func main() {
	// Most of the heap is pools of correlations, which hold no pointers: to
	// collect often costs little and keeps the memory close to what is in use.
	// While the heap is small, though, to collect each time it has grown by 30 %
	// stops everything every few milliseconds: ballast, which is never touched and
	// so takes no memory, counts as heap and makes that at least 77 MB.
	ballast := make([]byte, 256<<20)
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(30)
	}
	if os.Getenv("GOMAXPROCS") == "" {
		goruntime.GOMAXPROCS(threads(goruntime.GOMAXPROCS(0)))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second interrupt ends the program at once
	code := run(ctx, os.Args[1:], os.Stderr)
	stop()
	goruntime.KeepAlive(ballast)
	os.Exit(code)
}

// run executes one command line and returns the exit code.
func run(ctx context.Context, args []string, stderr io.Writer) int {
	err := dispatch(ctx, args)
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	}
	hint := runtime.Hint(err)
	var usage usageError
	if errors.As(err, &usage) && hint == "" {
		hint = "run \"nimbus-run help\" for the commands"
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err, hint = errors.New("interrupted"), ""
	}
	fmt.Fprintf(stderr, "nimbus-run: %s\n", oneLine(err))
	if hint != "" {
		fmt.Fprintf(stderr, "hint: %s\n", hint)
	}
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitError
}

func dispatch(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return usagef("no command given")
	}
	name := args[0]
	if name == "-h" || name == "-help" || name == "--help" {
		name = "help"
	}
	i := slices.IndexFunc(commands(), func(c *command) bool { return c.name == name })
	if i < 0 {
		return usagef("unknown command %q", args[0])
	}
	c := commands()[i]
	fs := flag.NewFlagSet(c.name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	body := c.flags(fs)
	rest, err := parseMixed(fs, args[1:])
	if errors.Is(err, flag.ErrHelp) {
		printUsage(os.Stdout, c)
		return err
	}
	if err != nil {
		return runtime.WithHint(usageError{fmt.Errorf("%s: %w", c.name, err)}, "usage: "+c.usage())
	}
	if err := body(ctx, rest); err != nil {
		var usage usageError
		if errors.As(err, &usage) && runtime.Hint(err) == "" {
			return runtime.WithHint(fmt.Errorf("%s: %w", c.name, err), "usage: "+c.usage())
		}
		return fmt.Errorf("%s: %w", c.name, err)
	}
	return nil
}

// parseMixed parses flags wherever they stand among the arguments; "--" ends
// them.
func parseMixed(fs *flag.FlagSet, args []string) ([]string, error) {
	var rest []string
	for {
		if err := fs.Parse(args); err != nil {
			return nil, err
		}
		parsed := len(args) - fs.NArg()
		if parsed > 0 && args[parsed-1] == "--" {
			return append(rest, fs.Args()...), nil
		}
		if fs.NArg() == 0 {
			return rest, nil
		}
		rest = append(rest, fs.Arg(0))
		args = fs.Args()[1:]
	}
}

func (c *command) usage() string { return strings.TrimSpace("nimbus-run " + c.name + " " + c.args) }

// oneLine makes sure that an error takes one line.
func oneLine(err error) string {
	return strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}
