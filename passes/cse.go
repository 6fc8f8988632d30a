package passes

import (
	"strings"

	"nimbus/ir"
)

// CSE computes equal things once.
var CSE = Pass{
	Name: "cse",
	Doc: `compute equal things once

Two ops are equal if name, arguments, attributes and result types are. Every op
is a function of its arguments, so the later one can read the earlier one's
results.`,
	Run: func(m *ir.Module, _ *Options) error {
		for _, f := range m.Funcs {
			seen := map[string]*ir.Op{}
			f.Rewrite(func(_ *ir.Builder, op *ir.Op) []*ir.Value {
				if op.Name == "return" {
					return nil
				}
				k := key(op)
				if old := seen[k]; old != nil {
					return old.Results
				}
				seen[k] = op
				return nil
			})
		}
		return nil
	},
}

func key(op *ir.Op) string {
	var b strings.Builder
	b.WriteString(op.Name + "@" + op.Callee)
	for _, a := range op.Args {
		b.WriteString(" " + a.String())
	}
	b.WriteString(op.Attrs.String())
	for _, r := range op.Results {
		b.WriteString(" " + r.Type.String())
	}
	return b.String()
}
