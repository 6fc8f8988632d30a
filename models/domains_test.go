package models_test

import (
	"fmt"
	"io/fs"
	"math"
	"testing"

	"nimbus/ir"
	"nimbus/ir/parser"
	"nimbus/ir/plan"
	"nimbus/models"
)

// proved is the range that a plan states for v: that of the op, or what follows
// from those it reads.
func proved(v *ir.Value) (lo, hi float64, err error) {
	op := v.Def
	if op == nil {
		return 0, 0, fmt.Errorf("%%%s is a parameter", v.Name)
	}
	ulp := math.Ldexp(1, -v.Type.Elem.Frac)
	if r := op.Attrs.Floats("range"); len(r) == 2 {
		if b := op.Attrs.Ident("bound", ""); b != "proved" && b != "clamped" || op.Attrs.Bool("modular") {
			return 0, 0, fmt.Errorf("%s %%%s: its range is %s, modular %v", op.Name, v.Name, b, op.Attrs.Bool("modular"))
		}
		return r[0], r[1], nil
	}
	switch op.Name {
	case "ss.add_mask": // by what masked elements are lowered
		lo, hi, err = proved(op.X(0))
		return lo + min(op.Attrs.Float("value", 0), 0), hi, err
	case "ss.add_const":
		c := op.Attrs.Float("value", 0)
		lo, hi, err = proved(op.X(0))
		return lo + c, hi + c, err
	case "ss.shrink", "ot.trunc": // rounds
		lo, hi, err = proved(op.X(0))
		return lo - ulp, hi + ulp, err
	case "ss.reduce", "ss.shl", "ss.slice", "ss.split", "ss.reshape", "ss.transpose", "ot.extend":
		return proved(op.X(0))
	case "ss.concat":
		lo, hi = math.Inf(1), math.Inf(-1)
		for i := range op.Args {
			a, b, err := proved(op.X(i))
			if err != nil {
				return 0, 0, err
			}
			lo, hi = min(lo, a), max(hi, b)
		}
		return lo, hi, nil
	}
	return 0, 0, fmt.Errorf("%s %%%s states no range", op.Name, v.Name)
}

// leaves tells how an op's operand may leave what the op compares in, by what is
// proved of it; "" if it cannot, and whether the op compares at all.
func leaves(op *ir.Op) (how string, compares bool) {
	x := op.X(0)
	scale := math.Ldexp(1, x.Type.Elem.Frac)
	switch op.Name {
	case "ot.max":
		lo, hi, err := proved(x)
		if err != nil {
			return err.Error(), true
		}
		keep := op.Attrs.Int("keep", x.Type.Elem.Width) + op.Attrs.Int("drop", 0)
		if spread := (hi - lo) * scale; spread >= math.Ldexp(1, keep-1) {
			return fmt.Sprintf("elements are up to %g apart, and %d bits are compared", spread, keep), true
		}
		return "", true
	case "ot.piecewise":
		spec, err := plan.Piecewise(op)
		if err != nil {
			return err.Error(), true
		}
		if len(spec.Cuts) == 0 {
			return "", false
		}
		lo, hi, err := proved(x)
		if err != nil {
			return err.Error(), true
		}
		if spec.NonPositive {
			hi = min(hi, 0)
		}
		if from, to := spec.Domain(); lo*scale < float64(from) || hi*scale > float64(to) {
			return fmt.Sprintf("the input lies in [%g, %g], the domain is [%d, %d]", lo*scale, hi*scale, from, to), true
		}
		return "", true
	}
	return "", false
}

// checkDomains wants that no input at all leaves what the plan's comparisons of
// maxima and functions are made for, and that a bit less would be noticed.
func checkDomains(t *testing.T, p *ir.Module) {
	t.Helper()
	compared, tight := 0, 0
	for _, op := range p.Func("main").Body {
		if len(op.Args) == 0 || op.Args[0].Value == nil {
			continue
		}
		how, compares := leaves(op)
		if how != "" {
			t.Errorf("%s of %%%s: %s", op.Name, op.Result().Name, how)
		}
		if !compares {
			continue
		}
		compared++
		less := op.Attrs.Int("keep", 0) - 1
		was := op.Attrs.Clone()
		op.Attrs.Set("keep", less)
		if how, _ := leaves(op); how != "" {
			tight++
		}
		op.Attrs = was
	}
	if compared > 0 && tight == 0 {
		t.Errorf("of %d comparisons none needs all its bits: this test would not find one with too few", compared)
	}
}

func TestEmbeddedDomains(t *testing.T) {
	dir, err := models.Open("nimbus-sst2-tiny")
	if err != nil {
		t.Fatal(err)
	}
	files, err := fs.Glob(dir, "*.plan")
	if err != nil || len(files) == 0 {
		t.Fatalf("no plans: %v", err)
	}
	for _, name := range files {
		text, err := fs.ReadFile(dir, name)
		if err != nil {
			t.Fatal(err)
		}
		p, err := parser.Parse(name, string(text))
		if err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) { checkDomains(t, p) })
	}
}
