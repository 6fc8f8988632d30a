// Package cli is what the command lines of this project's programs have in
// common: commands with flags, errors with hints, exit codes. It must not know
// what the commands do.
package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// A Program is a list of commands, each of which is handed an E, such as a
// context.
type Program[E any] struct {
	Name     string
	Commands []*Command[E] // in the order of List
	Named    bool          // every error begins with the name of its command
}

// A Command is one of a program's.
type Command[E any] struct {
	Name  string
	Args  string // after the name in usage lines
	Short string // one line for List, which leaves out a command without
	Long  string // for Usage
	// Setup declares the flags and returns what runs when they are parsed.
	Setup func(fs *flag.FlagSet) func(env E, args []string) error
}

// Find is the command with a name, or nil.
func (p *Program[E]) Find(name string) *Command[E] {
	for _, c := range p.Commands {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// Run executes one command line. Asked for help, it prints to out.
func (p *Program[E]) Run(env E, args []string, out io.Writer) error {
	if len(args) == 0 {
		return WithHint(Usagef("no command given"), fmt.Sprintf("%q lists them", p.Name+" help"))
	}
	name := args[0]
	if name == "-h" || name == "-help" || name == "--help" {
		name = "help"
	}
	c := p.Find(name)
	if c == nil {
		return WithHint(Usagef("unknown command %q", args[0]), fmt.Sprintf("%q lists them", p.Name+" help"))
	}
	fs := flag.NewFlagSet(c.Name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	body := c.Setup(fs)
	rest, err := parse(fs, args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		p.Usage(out, c)
		return nil
	case err != nil:
		err = usageError{err}
	default:
		err = body(env, rest)
	}
	usage := isUsage(err) && Hint(err) == ""
	if usage || p.Named && err != nil {
		err = fmt.Errorf("%s: %w", c.Name, err)
	}
	if usage {
		err = WithHint(err, "usage: "+p.line(c))
	}
	return err
}

// parse parses flags wherever they stand among the arguments; "--" ends them, and
// "-" is an argument.
func parse(fs *flag.FlagSet, args []string) ([]string, error) {
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

func (p *Program[E]) line(c *Command[E]) string {
	return strings.TrimSpace(p.Name + " " + c.Name + " " + c.Args)
}

// List prints what each command is for.
func (p *Program[E]) List(w io.Writer) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range p.Commands {
		if c.Short != "" {
			fmt.Fprintf(table, "  %s %s\t%s\n", p.Name, c.Name, c.Short)
		}
	}
	table.Flush()
}

// Usage prints all about one command.
func (p *Program[E]) Usage(w io.Writer, c *Command[E]) {
	fmt.Fprintf(w, "usage: %s\n", p.line(c))
	if c.Short != "" {
		fmt.Fprintf(w, "\n%s.\n", strings.ToUpper(c.Short[:1])+c.Short[1:])
	}
	if c.Long != "" {
		fmt.Fprintf(w, "\n%s\n", strings.TrimSpace(c.Long))
	}
	fs := flag.NewFlagSet(c.Name, flag.ContinueOnError)
	c.Setup(fs)
	var b strings.Builder
	fs.SetOutput(&b)
	fs.PrintDefaults()
	if b.Len() > 0 {
		fmt.Fprintf(w, "\nflags:\n%s", b.String())
	}
}

// A usageError is a wrong command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// Usagef makes an error of a wrong command line.
func Usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// isUsage tells whether a usageError is in err's chain.
func isUsage(err error) bool { return errors.As(err, new(usageError)) }

// ExitCode is 0 without an error, 2 for a wrong command line, otherwise 1.
func ExitCode(err error) int {
	switch {
	case err == nil:
		return 0
	case isUsage(err):
		return 2
	}
	return 1
}

// hinted is an error that says besides what is wrong what to do about it.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }

// Hint is the advice.
func (h hinted) Hint() string { return h.hint }

// WithHint attaches advice to err.
func WithHint(err error, hint string) error { return hinted{err, hint} }

// Hint returns the outermost advice in err's chain, that of any error with a
// method Hint, or "".
func Hint(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

// OneLine makes one line of an error's text.
func OneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}
