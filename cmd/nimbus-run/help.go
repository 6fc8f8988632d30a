package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

var helpCommand = &command{
	name:  "help",
	args:  "[COMMAND]",
	short: "say what a command does",
}

func init() {
	// Here and not in the literal: help lists all commands, itself included.
	helpCommand.flags = func(*flag.FlagSet) func(context.Context, []string) error {
		return func(_ context.Context, args []string) error { return help(os.Stdout, args) }
	}
}

func help(w io.Writer, args []string) error {
	switch len(args) {
	case 0:
		fmt.Fprint(w, "Nimbus-run computes the answer of a Transformer, or of any other program that nimbusc\n"+
			"compiles, such that the model's owner does not see the text or the numbers that it is\n"+
			"asked about, and whoever asks does not see the model.\n\n")
		for _, c := range commands() {
			if c.short != "" {
				fmt.Fprintf(w, "  nimbus-run %-8s %s\n", c.name, c.short)
			}
		}
		fmt.Fprint(w, "\nNIMBUS_HOME names the folder for keys and downloaded weights (default: nimbus in the\n"+
			"user's cache folder). \"nimbus-run help COMMAND\" says more.\n")
		return nil
	case 1:
		i := slices.IndexFunc(commands(), func(c *command) bool { return c.name == args[0] && c.short != "" })
		if i < 0 {
			return usagef("unknown command %q", args[0])
		}
		printUsage(w, commands()[i])
		return nil
	}
	return usagef("one command at most, got %d", len(args))
}

func printUsage(w io.Writer, c *command) {
	fmt.Fprintf(w, "usage: %s\n", c.usage())
	if c.short != "" { // bench-plan is bench's own
		fmt.Fprintf(w, "\n%s.\n", strings.ToUpper(c.short[:1])+c.short[1:])
	}
	if c.long != "" {
		fmt.Fprintf(w, "\n%s\n", strings.TrimSpace(c.long))
	}
	fs := flag.NewFlagSet(c.name, flag.ContinueOnError)
	c.flags(fs)
	var b strings.Builder
	fs.SetOutput(&b)
	fs.PrintDefaults()
	if b.Len() > 0 {
		fmt.Fprintf(w, "\nflags:\n%s", b.String())
	}
}
