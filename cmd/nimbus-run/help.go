package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
)

func helpCommand() *command {
	return &command{
		Name:  "help",
		Args:  "[COMMAND]",
		Short: "say what a command does",
		Setup: func(*flag.FlagSet) func(context.Context, []string) error {
			return func(_ context.Context, args []string) error { return help(os.Stdout, args) }
		},
	}
}

func help(w io.Writer, args []string) error {
	switch len(args) {
	case 0:
		fmt.Fprint(w, "Nimbus-run computes the answer of a Transformer, or of any other program that nimbusc\n"+
			"compiles, such that the model's owner does not see the text or the numbers that it is\n"+
			"asked about, and whoever asks does not see the model.\n\n")
		program().List(w)
		fmt.Fprint(w, "\nNIMBUS_HOME names the folder for keys and downloaded weights (default: nimbus in the\n"+
			"user's cache folder). \"nimbus-run help COMMAND\" says more.\n")
		return nil
	case 1:
		c := program().Find(args[0])
		if c == nil || c.Short == "" {
			return usagef("unknown command %q", args[0])
		}
		program().Usage(w, c)
		return nil
	}
	return usagef("one command at most, got %d", len(args))
}
