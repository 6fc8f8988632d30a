package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	boom := WithHint(errors.New("boom"), "duck")
	echo := &Command[io.Writer]{Name: "echo", Args: "WORD…", Short: "say words", Setup: func(fs *flag.FlagSet) func(io.Writer, []string) error {
		n := fs.Int("n", 1, "say them `N` times")
		return func(w io.Writer, args []string) error {
			switch {
			case len(args) == 0:
				return Usagef("no words")
			case args[0] == "boom":
				return boom
			}
			_, err := fmt.Fprintf(w, "%d %q", *n, args)
			return err
		}
	}}
	for _, c := range []struct {
		args, out, err, hint string
		code                 int
	}{
		{"echo a -n 2 b", `2 ["a" "b"]`, "", "", 0},
		{"echo -n 2 - -- -n 3", `2 ["-" "-n" "3"]`, "", "", 0},
		{"echo -h", "usage: p echo WORD…\n\nSay words.\n\nflags:\n  -n N\n    \tsay them N times (default 1)\n", "", "", 0},
		{"", "", "no command given", `"p help" lists them`, 2},
		{"-h", "", `unknown command "-h"`, `"p help" lists them`, 2},
		{"echo", "", "echo: no words", "usage: p echo WORD…", 2},
		{"echo -x", "", "echo: flag provided but not defined: -x", "usage: p echo WORD…", 2},
		{"echo boom", "", "boom", "duck", 1},
	} {
		for _, named := range []bool{false, true} {
			p := &Program[io.Writer]{Name: "p", Commands: []*Command[io.Writer]{echo}, Named: named}
			var out strings.Builder
			err := p.Run(&out, strings.Fields(c.args), &out)
			text, want := "", c.err
			if err != nil {
				text = err.Error()
			}
			if named && c.code == 1 {
				want = "echo: " + want
			}
			if out.String() != c.out || text != want || Hint(err) != c.hint || ExitCode(err) != c.code {
				t.Errorf("%s: %q, error %q, hint %q, code %d", c.args, out.String(), text, Hint(err), ExitCode(err))
			}
		}
	}
}
