package main

import (
	"flag"

	"nimbus/passes"
)

var optCommand = &command{
	Name:  "opt",
	Args:  "-passes=a,b [-margin M] [-parts N] [-dump DIR] [-dump-pass NAME] FILE.ir",
	Short: "run exactly the named passes, text in and text out",
	Long: `
Reads a module (- is standard input), verifies it, runs the passes in the order given, verifies
after each, and prints the result. As both ends are text, a pass of one's own can stand between
two calls, in any language. "nimbusc help passes" lists the passes.

A bare module has no text to calibrate on: ranges are those written in it.`,
	Setup: func(fs *flag.FlagSet) func(*console, []string) error {
		list := fs.String("passes", "", "comma-separated `NAMES` of passes")
		margin := fs.Float64("margin", passes.DefaultMargin, "head room over ranges, a `FACTOR`")
		parts := fs.Int("parts", 0, partsUsage)
		ranges := passes.Clamped
		fs.Var(&ranges, "range", rangeUsage)
		var d dumper
		d.flags(fs)
		return func(c *console, args []string) error {
			if len(args) != 1 {
				return usagef("wants one file, got %d", len(args))
			}
			if *list == "" {
				return hinted(usagef("no passes given"), `-passes=a,b names them; "nimbusc help passes" lists them`)
			}
			ps, err := passes.ByName(*list)
			if err != nil {
				return usagef("%w", err)
			}
			if err := checkMargin(*margin); err != nil {
				return err
			}
			if err := checkParts(*parts); err != nil {
				return err
			}
			if err := d.open(); err != nil {
				return err
			}
			m, err := readModule(c, args[0])
			if err != nil {
				return err
			}
			if err := passes.Run(m, ps, &passes.Options{Margin: *margin, Range: ranges, Parts: *parts}, d.dump); err != nil {
				return err
			}
			return writeFile(c, "-", m.String())
		}
	},
}

// partsUsage explains the flag of pass interleave.
const partsUsage = "cut the work of a layer into `N` parts that overlap (default: 2 for 128 tokens and more, else 1)"

func checkParts(n int) error {
	if n < 0 || n > 16 {
		return usagef("-parts is a number from 1 to 16, or 0 for the default, got %d", n)
	}
	return nil
}

func checkMargin(margin float64) error {
	if !(margin >= 1 && margin <= 1024) {
		return usagef("-margin is a factor from 1 to 1024, got %g", margin)
	}
	return nil
}
