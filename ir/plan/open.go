package plan

import (
	"fmt"
	"slices"

	"nimbus/ir"
)

// checkOpened refuses to open a product that was computed under encryption and of
// which no low bits were dropped since. Its last bits are wrong by an error that
// is linear in the key holder's secret, so who sees them learns of the key
// (docs/threat-model.md, rounding). The same holds for a product of shares that
// rounds low bits away: its error depends on the shares. A reveal with the attribute undropped is
// meant so.
func checkOpened(m *ir.Module) []error {
	noisy := map[*ir.Value]bool{} // through calls too, hence to the fixed point
	mark := func(v *ir.Value) bool {
		if v == nil || noisy[v] {
			return false
		}
		noisy[v] = true
		return true
	}
	for changed := true; changed; {
		changed = false
		for _, f := range m.Funcs {
			for _, op := range f.Body {
				var ret *ir.Op
				var callee *ir.Func
				if callee = m.Func(op.Callee); op.Callee != "" && callee != nil {
					ret = callee.Body[len(callee.Body)-1]
				}
				any := op.Dialect() == "he" || op.Name == "ot.mul_ss" && op.Attrs.Int("drop", 0) > 0
				for i, a := range op.Args {
					if a.Value == nil || !noisy[a.Value] {
						continue
					}
					if ret == nil {
						any = any || !drops(op)
					} else {
						changed = mark(callee.Params[i]) || changed
					}
				}
				for i, r := range op.Results {
					if any || ret != nil && noisy[ret.Args[i].Value] {
						changed = mark(r) || changed
					}
				}
			}
		}
	}
	var errs []error
	for _, f := range m.Funcs {
		for _, op := range f.Body {
			if op.Name == "io.reveal" && noisy[op.Args[0].Value] && !op.Attrs.Bool("undropped") {
				errs = append(errs, ir.Diagnostic{Pos: op.Pos, Func: f.Name, Op: op.Name, Msg: fmt.Sprintf(
					"%s comes from a product whose last bits are wrong, and no bits were dropped from it: the errors tell of the key or of shares; end with a conversion to fewer fraction bits, or say undropped if that is meant", op.Args[0])})
			}
		}
	}
	return errs
}

// drops tells whether an op's results do not have the last bits of its arguments.
func drops(op *ir.Op) bool {
	if slices.Contains([]string{"ss.shrink", "ot.trunc"}, op.Name) {
		return op.Attrs.Int("bits", 0) > 0
	}
	return slices.Contains([]string{"ot.cmp", "ot.piecewise", "ot.recip", "ot.rsqrt"}, op.Name)
}
