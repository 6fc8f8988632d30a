package ir

import (
	"fmt"
	"strings"
)

// example writes the module of a row's Example: one function around one op.
// weights is "@name: type, …"; the op's results get the given types.
func example(stage, params, weights, op string, types ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "module @example attributes {stage = %s} {\n", stage)
	var names, decls []string
	wide := 0
	for w := range strings.SplitSeq(weights, "@") {
		if name, typ, ok := strings.Cut(strings.TrimSuffix(strings.TrimSpace(w), ","), ": "); ok {
			names, decls = append(names, name), append(decls, typ)
			wide = max(wide, len(name))
		}
	}
	for i, n := range names {
		fmt.Fprintf(&b, "  weight @%-*s : %s\n", wide, n, decls[i])
	}
	if len(names) > 0 {
		b.WriteByte('\n')
	}
	list := strings.Join(types, ", ")
	var results []string
	for i := range types {
		results = append(results, fmt.Sprintf("%%r%d", i))
	}
	r := strings.Join(results, ", ")
	fmt.Fprintf(&b, "  func @f(%s) -> %s {\n    %s = %s : %s\n    return %s\n  }\n}\n", params, list, r, op, list, r)
	return b.String()
}
