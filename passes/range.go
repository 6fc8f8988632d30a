package passes

import (
	"fmt"
	"math"
	"slices"

	"nimbus/ir"
)

// Range says what the width of a ring may rest on.
type Range string

const (
	Proved     Range = "proved"     // a proof for every input; without one it is an error
	Clamped    Range = "clamped"    // a proof, or a clamp that is paid for where the proof is dear
	Calibrated Range = "calibrated" // what calibration saw, times a margin: other values wrap
)

// Ranges lists the choices, the default first.
func Ranges() []Range { return []Range{Clamped, Proved, Calibrated} }

// Set reads a choice: with String it makes a Range a flag.
func (r *Range) Set(s string) error {
	if !slices.Contains(Ranges(), Range(s)) {
		return fmt.Errorf("ranges may be proved, clamped or calibrated, not %q", s)
	}
	*r = Range(s)
	return nil
}

func (r *Range) String() string { return string(*r) }

// A span is what the quantiser knows of a value's magnitude.
type span struct {
	typical float64 // on text, margin included: what fraction bits follow
	most    float64 // what ring widths follow
	proof   string  // the argument for most; "": calibration saw no more
	least   float64 // the value, not its magnitude, is at least this; for reciprocals
}

// plus is the span of what has c added.
func (s span) plus(c float64) span {
	s.typical += c
	s.most += c
	return s
}

// rests is what s.most rests on, as plans say it.
func (s span) rests() ir.Ident {
	switch s.proof {
	case "":
		return ir.Ident(Calibrated)
	case "clamp":
		return ir.Ident(Clamped)
	}
	return ir.Ident(Proved)
}

// known is the span that op's attributes say its result has.
func (q *quantizer) known(op *ir.Op) (s span, ok bool) {
	seen, proved := op.Attrs.Floats("range"), op.Attrs.Floats("proved")
	s = span{typical: math.Inf(1), most: math.Inf(1)}
	if len(seen) == 2 {
		s.typical = q.margin * max(math.Abs(seen[0]), math.Abs(seen[1]))
	}
	// A range that neither calibration wrote nor a proof is what the author of a
	// program states, and answers for.
	if len(seen) == 2 && len(proved) != 2 && op.Attrs.Ident("bound", "") != string(Calibrated) {
		s.most, s.proof, s.least = s.typical, "stated", seen[0]
	}
	if len(proved) == 2 {
		s.most, s.proof, s.least = max(math.Abs(proved[0]), math.Abs(proved[1])), op.Attrs.Ident("proof", "stated"), proved[0]
	}
	if q.mode == Calibrated && s.typical < s.most {
		s.most, s.proof = s.typical, ""
	}
	s.typical = min(s.typical, s.most)
	return s, !math.IsInf(s.most, 0)
}

// spanOf is known, or an error.
func (q *quantizer) spanOf(op *ir.Op) span {
	s, ok := q.known(op)
	switch {
	case ok:
	case op.Attrs.Has("range"):
		q.fail(op, "no proof says how large the result may get; -range calibrated goes by its calibrated range, outside which it wraps")
	default:
		q.fail(op, "result has no range; calibrate with text, or write range = [lo, hi]")
	}
	return s
}

// set records the span of a new value.
func (q *quantizer) set(v *ir.Value, s span) *ir.Value {
	q.span[v] = s
	return v
}

// state writes the span of an op's result into the text, unless it is a mask's.
func (q *quantizer) state(v *ir.Value) {
	s, ok := q.span[v]
	if _, masked := q.masked[v]; !ok || masked || v.Def == nil || v.Def.Attrs.Has("range") || v.Type.Elem.Kind != ir.Fx {
		return
	}
	to := &v.Def.Attrs
	if s.proof == "" { // its ring may hold more: conversions say what must fit
		to.Set("bound", s.rests())
		return
	}
	to.Set("range", outward(-s.most, s.most))
	to.Set("bound", s.rests())
	to.Set("proof", ir.Ident(s.proof))
}
