package passes

import (
	"fmt"
	"regexp"

	"nimbus/ir"
)

// Tidy gives values and weights short names.
var Tidy = Pass{
	Name: "tidy",
	Doc: `give values and weights the shortest names that are still unique

Rewriting leaves names with trails of numbers. Names mean nothing, but plans are
read by people and compared as text.`,
	Run: func(m *ir.Module, _ *Options) error {
		taken := map[string]bool{}
		for _, w := range m.Weights {
			if w.Attrs.Has("from") { // otherwise the name is the file tensor's
				w.Name = short(w.Name, taken)
			}
			taken[w.Name] = true
		}
		for _, f := range m.Funcs {
			taken := map[string]bool{}
			for _, p := range f.Params {
				taken[p.Name] = true
			}
			for _, op := range f.Body {
				for _, v := range op.Results {
					v.Name = short(v.Name, taken)
					taken[v.Name] = true
				}
			}
		}
		return nil
	},
}

var trail = regexp.MustCompile(`(_[0-9]+)+$`)

// short is name without its trail of numbers, or with the first free one.
func short(name string, taken map[string]bool) string {
	base := trail.ReplaceAllString(name, "")
	if base == "" {
		base = name
	}
	for n := 1; ; n++ {
		s := base
		if n > 1 {
			s = fmt.Sprintf("%s_%d", base, n)
		}
		if !taken[s] {
			return s
		}
	}
}
