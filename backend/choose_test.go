package backend

import (
	"fmt"
	"testing"

	"nimbus/backend/cost"
	"nimbus/internal/otparams"
	"nimbus/ir"
	"nimbus/ir/parser"
)

const twoProducts = `module @two attributes {stage = fx} {
  weight @w : tensor<96x192xfx37.12>

  func @main(%x: tensor<64x96xfx37.12>, %y: tensor<64x96xfx37.12>, %z: tensor<2x64x48xfx25.10>) -> tensor<64x192xfx25.12>, tensor<2x64x64xfx19.12> {
    %a = fx.matmul %x, @w : tensor<64x192xfx37.24>
    %p = fx.shrink %a {bits = 12} : tensor<64x192xfx25.12>
    %t = fx.transpose %z {perm = [0, 2, 1]} : tensor<2x48x64xfx25.10>
    %b = fx.matmul %z, %t : tensor<2x64x64xfx25.20>
    %q = fx.trunc %b {bits = 8} : tensor<2x64x64xfx25.12>
    %r = fx.reduce %q : tensor<2x64x64xfx19.12>
    return %p, %r
  }
}
`

// lowered is the plan of twoProducts under a link, "" for bytes.
func lowered(t *testing.T, link string, o Options) (*ir.Module, Options) {
	t.Helper()
	return loweredFrom(t, twoProducts, link, o)
}

// loweredFrom is the plan of a program under a link, "" for bytes.
func loweredFrom(t *testing.T, text, link string, o Options) (*ir.Module, Options) {
	t.Helper()
	m, err := parser.Parse("test.mlir", text)
	if err != nil {
		t.Fatal(err)
	}
	if link != "" {
		o.Profile = cost.DefaultProfile()
		if err := o.Link.Set(link); err != nil {
			t.Fatal(err)
		}
	}
	if err := Lower(m, o); err != nil {
		t.Fatal(err)
	}
	return m, o
}

// Plans for different links differ, and each is the faster one under its own.
func TestLinks(t *testing.T) {
	plans, options := map[string]*ir.Module{}, map[string]Options{}
	for _, link := range []string{"lan", "wan", "20Mbps,50ms"} {
		plans[link], options[link] = lowered(t, link, Options{Objective: Objective{All: true}})
	}
	extension := func(p *ir.Module) otparams.Extension {
		e, err := otparams.Find(p.Attrs.Ident("extension", ""))
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	bytes := func(link string) int64 {
		e := extension(plans[link])
		start, _ := cost.StartBytes(e, otparams.Ristretto)
		a, b := cost.COTBytes(1<<20, e)
		return start + a + b
	}
	if a, b := bytes("lan"), bytes("20Mbps,50ms"); a <= b {
		t.Errorf("a million correlations take %d bytes on a fast link, %d on a slow one", a, b)
	}
	total := func(plan, link string) float64 {
		p, o := plans[plan], options[link]
		a, err := AccountOf(p)
		if err != nil {
			t.Fatal(err)
		}
		e := extension(p)
		tm := o.Profile.TimeOf(a.Online, o.Link, e)
		tm.Ahead += o.Profile.StartTime(o.Link, e, otparams.Ristretto)
		return tm.Online() + tm.Ahead + tm.Setup/o.reuse()
	}
	differ := map[string]bool{}
	for mine := range plans {
		for other := range plans {
			if own, theirs := total(mine, mine), total(other, mine); own > theirs*(1+1e-9) {
				t.Errorf("under %s its own plan takes %g s, that for %s %g", mine, own, other, theirs)
			}
		}
		for i, op := range plans[mine].Func("main").Body {
			if s := fmt.Sprint(op.Attrs); s != fmt.Sprint(plans["lan"].Func("main").Body[i].Attrs) {
				differ[op.Name] = true
			}
		}
	}
	if !differ["he.matmul"] && !differ["he.matmul_ss"] {
		t.Errorf("all links have the same tiles; different are %v", differ)
	}
}

// A plan tells what else could have been chosen, and has the first of it.
func TestChoices(t *testing.T) {
	for _, link := range []string{"", "lan", "wan"} {
		m, o := lowered(t, link, Options{Reuse: 3})
		all, err := Choices(m, o)
		if err != nil {
			t.Fatal(err)
		}
		seen := 0
		for op, list := range all {
			seen++
			if len(list) < 2 || !list[0].Of(op) || list[1].Of(op) || list[0].Price > list[1].Price {
				t.Errorf("%q: %s is %v, the choices are %+v", link, op.Name, op.Attrs, list[:min(2, len(list))])
			}
			c, err := cost.Of(op)
			if err != nil || c != list[0].Cost {
				t.Errorf("%q: %s costs %v, its choice %v (%v)", link, op.Name, c, list[0].Cost, err)
			}
		}
		if seen != 2 {
			t.Errorf("%d ops have choices, want both products", seen)
		}
	}
}

// Without a profile the extension is the one with fewest bytes, its start included; a given
// one stays.
func TestExtension(t *testing.T) {
	for _, c := range []struct{ link, given, want string }{
		{"", "", "softspoken8"}, {"", "softspoken2", "softspoken2"}, {"lan", "softspoken8", "softspoken8"},
		{"1kbps,1ms", "", "softspoken8"}, {"", AnyFerret, "ferret10"}, {"lan", AnyFerret, "ferret10"}, {"", "ferret13", "ferret13"},
	} {
		if m, _ := lowered(t, c.link, Options{Extension: c.given}); m.Attrs.Ident("extension", "") != c.want {
			t.Errorf("%+v: %s", c, m.Attrs.Ident("extension", ""))
		}
	}
	for _, c := range []struct {
		cots int64
		link string
		want string
	}{{1000, "", "softspoken8"}, {1 << 20, "", "ferret11"}, {1 << 30, "", "ferret12"}, {1 << 30, "20Mbps,50ms", "ferret12"}, {1 << 30, "1Mbps,50ms", "ferret13"}} {
		o := Options{}
		if c.link != "" {
			o.Profile = cost.DefaultProfile()
			if err := o.Link.Set(c.link); err != nil {
				t.Fatal(err)
			}
		}
		all, err := Extensions(cost.Cost{COTServerSends: c.cots}, o)
		if err != nil || len(all) != len(otparams.Extensions()) || all[0].Name != c.want {
			t.Errorf("%d over %q: %+v, %v", c.cots, c.link, all, err)
		}
	}
	m := &ir.Module{}
	for _, o := range []Options{{Extension: "ferret14"}, {Base: "rsa"}} {
		if err := Finish(m, o); err == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
}
