// Nimbus-run executes a compiled plan as client or server: private inference
// between the owner of a text and the owner of a model, or any other program.
//
// Run "nimbus-run help" for its commands.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	goruntime "runtime"
	"runtime/debug"
	"syscall"

	"nimbus/internal/cli"
)

// A command is one subcommand, in its own file.
type command = cli.Command[context.Context]

// program is a function because help is one of its commands. Bench has two for
// itself.
func program() *cli.Program[context.Context] {
	return &cli.Program[context.Context]{Name: "nimbus-run", Named: true, Commands: []*command{
		demoCommand, keygenCommand, serveCommand, setupCommand, prepareCommand, inferCommand, benchCommand, planCommand, peerCommand, helpCommand()}}
}

func usagef(format string, args ...any) error { return cli.Usagef(format, args...) }

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
	err := program().Run(ctx, args, os.Stdout)
	if err == nil {
		return cli.ExitCode(nil)
	}
	hint := cli.Hint(err)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err, hint = errors.New("interrupted"), ""
	}
	fmt.Fprintf(stderr, "nimbus-run: %s\n", cli.OneLine(err.Error()))
	if hint != "" {
		fmt.Fprintf(stderr, "hint: %s\n", hint)
	}
	return cli.ExitCode(err)
}
