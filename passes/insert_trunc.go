package passes

import (
	"fmt"
	"math"

	"nimbus/internal/fixed"
	"nimbus/ir"
)

// InsertTrunc turns conversions into ring steps.
var InsertTrunc = Pass{
	Name: "insert-trunc",
	Doc: `turn every conversion into the cheapest step that is correct

Dropping bits is local where the ring stays wide enough: shift and keep a
smaller ring (shrink), then drop high bits (reduce). Only where the result needs
more ring than is left does a truncation protocol run, which widens at no extra
cost. Conversions of one value to equal fraction bits share the widest one. Each
step keeps the range that its width rests on.`,
	In: "fx", Out: "fx",
	Run: func(m *ir.Module, _ *Options) error {
		return ir.Catch(func() {
			for _, f := range m.Funcs {
				insertTrunc(f)
			}
		})
	},
}

// A goal is a value wanted with a number of fraction bits.
type goal struct {
	from *ir.Value
	frac int
}

func insertTrunc(f *ir.Func) {
	widest := map[goal]int{}
	for _, op := range f.Body {
		if op.Name == "fx.cast" {
			e := op.Result().Type.Elem
			g := goal{op.X(0), e.Frac}
			widest[g] = max(widest[g], e.Width)
		}
	}
	made := map[goal]*ir.Value{}
	f.Rewrite(func(b *ir.Builder, op *ir.Op) []*ir.Value {
		if op.Name != "fx.cast" {
			return nil
		}
		x, e := op.X(0), op.Result().Type.Elem
		// A cast of a cast has a new x, of which widest knows nothing: its casts
		// share the widest one so far.
		g := goal{x, e.Frac}
		v := made[g]
		if v == nil || v.Type.Elem.Width < e.Width {
			w := max(widest[g], e.Width)
			if needsProtocol(x.Type.Elem, e.Frac, w) && !needsProtocol(x.Type.Elem, e.Frac, e.Width) {
				w = e.Width
				return []*ir.Value{rests(convert(b, op, x, ir.FxElem(w, e.Frac)), op)}
			}
			v = convert(b, op, x, ir.FxElem(w, e.Frac))
			made[g] = v
		}
		return []*ir.Value{rests(reduce(b, v, e.Width), op)}
	})
}

// rests notes on the step that made v which range its width rests on, and what
// the range rests on in turn: outside it the value wraps.
func rests(v *ir.Value, cast *ir.Op) *ir.Value {
	r := cast.Attrs.Floats("range")
	if v == cast.X(0) || v.Def.Attrs.Has("range") || len(r) != 2 {
		return v
	}
	to := &v.Def.Attrs
	to.Set("range", outward(r[0], r[1]))
	for _, name := range []string{"bound", "proof"} {
		if w := cast.Attrs.Ident(name, ""); w != "" {
			to.Set(name, ir.Ident(w))
		}
	}
	to.Set("modular", cast.Attrs.Bool("modular"))
	return v
}

// needsProtocol reports whether converting from e takes a message.
func needsProtocol(e ir.Elem, frac, width int) bool {
	return width > e.Width-max(e.Frac-frac, 0)
}

func reduce(b *ir.Builder, v *ir.Value, width int) *ir.Value {
	if v.Type.Elem.Width == width {
		return v
	}
	return b.Op1T("fx.reduce", v.Name, nil, v.Type.WithElem(ir.FxElem(width, v.Type.Elem.Frac)), v)
}

// convert emits the steps from x to e. The protocol steps need two free bits
// above the value, which the cast's range proves.
func convert(b *ir.Builder, op *ir.Op, x *ir.Value, e ir.Elem) *ir.Value {
	have := x.Type.Elem
	drop := have.Frac - e.Frac
	if drop < 0 {
		if e.Width > have.Width {
			x = widen(b, op, x, 0, e.Width)
		}
		return reduce(b, b.Op1("fx.shl", x.Name, ir.A("bits", -drop), x), e.Width)
	}
	if needsProtocol(have, e.Frac, e.Width) {
		return widen(b, op, x, drop, e.Width)
	}
	if drop > 0 {
		x = b.Op1("fx.shrink", x.Name, ir.A("bits", drop), x)
	}
	return reduce(b, x, e.Width)
}

func widen(b *ir.Builder, op *ir.Op, x *ir.Value, drop, width int) *ir.Value {
	have := x.Type.Elem
	r := op.Attrs.Floats("range")
	if len(r) != 2 {
		panic(&ir.OpError{Pos: op.Pos, Op: op.Name, Err: fmt.Errorf("a widening conversion of %%%s needs range = [lo, hi]", x.Name)})
	}
	most := math.Ldexp(max(math.Abs(r[0]), math.Abs(r[1])), have.Frac)
	err := fixed.CheckTrunc(have.Width, drop, width)
	if err == nil && most >= math.Ldexp(1, have.Width-2)-math.Ldexp(1, drop) {
		err = fmt.Errorf("range ±%.4g leaves no two free bits in %s, which the protocol needs", max(math.Abs(r[0]), math.Abs(r[1])), have)
	}
	if err != nil {
		panic(&ir.OpError{Pos: op.Pos, Op: op.Name, Err: err})
	}
	t := x.Type.WithElem(ir.FxElem(width, have.Frac-drop))
	if drop == 0 {
		return b.Op1T("fx.extend", x.Name, nil, t, x)
	}
	return b.Op1T("fx.trunc", x.Name, ir.A("bits", drop), t, x)
}
