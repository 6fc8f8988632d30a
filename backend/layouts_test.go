package backend

import (
	"fmt"
	"testing"

	"nimbus/backend/cost"
	"nimbus/ir"
	"nimbus/ir/plan"
)

// comparing has every op that has layouts, on many values and on few.
const comparing = `module @comparing attributes {stage = fx} {
  func @main(%x: tensor<64x256xfx26.7>, %s: tensor<64x1xfx27.12>) -> tensor<64x256xfx27.12>, tensor<64x1xfx27.12>, tensor<64x1x2xi1> {
    %m = fx.max %x {keep = 14} : tensor<64x1xfx26.7>
    %z = fx.sub %x, %m : tensor<64x256xfx26.7>
    %e = fx.piecewise %z {cuts = [-628, -300, -132], pieces = [[0], [4, 4950, 1531689], [26, 17722, 3385292], [77, 30473, 4182156]], nonpositive, keep = 12, drop = 4, width_acc = 23, frac_acc = 22, mid_frac = 12} : tensor<64x256xfx27.12>
    %r = fx.recip %s {lo = 11, hi = 20} : tensor<64x1xfx27.12>
    %b = fx.cmp %s {cuts = [5000, 9000], keep = 27} : tensor<64x1x2xi1>
    return %e, %r, %b
  }
}
`

// laid is the plan of comparing under a link, "" for bytes, and an extension.
func laid(t *testing.T, link, extension string) (*ir.Module, Options) {
	t.Helper()
	m, o := loweredFrom(t, comparing, link, Options{Extension: extension})
	if err := plan.Check(m); err != nil {
		t.Fatal(err)
	}
	return m, o
}

func opsOf(m *ir.Module) map[string]*ir.Op {
	ops := map[string]*ir.Op{}
	for _, op := range m.Func("main").Body {
		ops[op.Name] = op
	}
	return ops
}

// Every op that has layouts states the cheapest; a plan for one link or extension
// costs least under its own, and some of them differ.
func TestLayouts(t *testing.T) {
	type setting struct{ link, extension string }
	settings := []setting{{"", ""}, {"lan", "ferret11"}, {"wan", "ferret11"}, {"100Mbps,0.1ms", "softspoken8"}, {"100Mbps,0.1ms", "ferret13"}, {"10Mbps,200ms", "ferret13"}}
	stated := map[string]map[string]bool{} // by op, what plans state
	plans := map[setting]*ir.Module{}
	for _, s := range settings {
		m, o := laid(t, s.link, s.extension)
		plans[s] = m
		all, err := Choices(m, o)
		if err != nil {
			t.Fatal(err)
		}
		for name, op := range opsOf(m) {
			if layouts[name] == nil {
				continue
			}
			list := all[op]
			if len(list) < 2 || !list[0].Of(op) || list[1].Of(op) || list[0].Price > list[1].Price {
				t.Fatalf("%+v: %s is %v, the choices are %+v", s, name, op.Attrs, list[:min(2, len(list))])
			}
			if c, err := cost.Of(op); err != nil || c != list[0].Cost {
				t.Errorf("%+v: %s costs %v, its choice %v (%v)", s, name, c, list[0].Cost, err)
			}
			if stated[name] == nil {
				stated[name] = map[string]bool{}
			}
			stated[name][fmt.Sprint(op.Attrs.Ints("layout"))] = true
		}
	}
	for _, name := range []string{"ot.cmp", "ot.max", "ot.piecewise", "ot.recip"} {
		if len(stated[name]) == 0 {
			t.Errorf("%s states nothing", name)
		}
	}
	for _, name := range []string{"ot.max", "ot.piecewise"} {
		if len(stated[name]) < 2 {
			t.Errorf("%s is the same under all links and extensions: %v", name, stated[name])
		}
	}
	for _, s := range settings {
		_, o := laid(t, s.link, s.extension)
		o.Extension = plans[s].Attrs.Ident("extension", "")
		price, err := o.pricing(1)
		if err != nil {
			t.Fatal(err)
		}
		own := opsOf(plans[s])
		for _, other := range settings {
			for name, op := range opsOf(plans[other]) {
				if layouts[name] == nil {
					continue
				}
				mine, err1 := cost.Of(own[name])
				theirs, err2 := cost.Of(op)
				// The spline of an inverse is chosen apart, and the levels of a tournament are
				// priced one by one: messages that they share may count twice.
				if err1 != nil || err2 != nil || price(mine) > price(theirs)*1.02 {
					t.Errorf("%s under %+v: %g with its own layout, %g with that of %+v (%v, %v)", name, s, price(mine), price(theirs), other, err1, err2)
				}
			}
		}
	}
}

// A layout that a plan states stays.
func TestStatedLayout(t *testing.T) {
	m, o := laid(t, "", "")
	op := opsOf(m)["ot.piecewise"]
	op.Attrs.Set("layout", []int{11, 0})
	if err := Finish(m, o); err != nil {
		t.Fatal(err)
	}
	if got := op.Attrs.Ints("layout"); fmt.Sprint(got) != "[11 0]" {
		t.Errorf("it became %v", got)
	}
}
