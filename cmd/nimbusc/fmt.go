package main

import (
	"errors"
	"flag"
	"fmt"
	"strings"

	"nimbus/ir/parser"
)

var fmtCommand = &command{
	Name:  "fmt",
	Args:  "[-l] [-w] FILE.ir…",
	Short: "print modules in their canonical form",
	Long: `
Prints each module (- is standard input) as every tool of this project prints it: "=" aligned
within a function and ":" among weights, nothing reordered, comments gone. A module need not
verify to be printed. Because comments do not survive, -w refuses a file that has any.`,
	Setup: func(fs *flag.FlagSet) func(*console, []string) error {
		list := fs.Bool("l", false, "list the files that differ from their canonical form instead")
		write := fs.Bool("w", false, "write the result back to the file instead")
		return func(c *console, args []string) error {
			if len(args) == 0 {
				return usagef("no file given")
			}
			var errs []error
			for _, name := range args {
				errs = append(errs, formatFile(c, name, *list, *write))
			}
			return errors.Join(errs...)
		}
	},
}

func formatFile(c *console, name string, list, write bool) error {
	if write && name == "-" {
		return usagef("-w needs a file, not standard input")
	}
	display, text, err := readText(c, name)
	if err != nil {
		return err
	}
	m, err := parser.Parse(display, text)
	if err != nil {
		return err
	}
	canonical := m.String()
	if list && canonical != text {
		fmt.Fprintln(c.out, display)
	}
	switch {
	case write && canonical != text:
		if line := commentLine(text); line > 0 {
			return fmt.Errorf("%s:%d: has comments, which the canonical form drops; not overwritten", display, line)
		}
		return writeFile(c, name, canonical)
	case !write && !list:
		fmt.Fprint(c.out, canonical)
	}
	return nil
}

// commentLine is the line of the first comment of a text that parses, 0 if
// there is none.
func commentLine(text string) int {
	for line, i := 1, 0; i < len(text); i++ {
		switch {
		case text[i] == '\n':
			line++
		case text[i] == '"':
			for i++; i < len(text) && text[i] != '"'; i++ {
				switch text[i] {
				case '\\':
					i++
				case '\n':
					line++
				}
			}
		case strings.HasPrefix(text[i:], "//"):
			return line
		}
	}
	return 0
}
