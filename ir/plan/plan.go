package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"

	"nimbus/internal/fixed"
	"nimbus/ir"
	"nimbus/ir/parser"
)

// Version is the plan format that this release writes and executes. It changes
// with the meaning of any plan op.
const Version = 2

// maxCots bounds the correlated OTs of a run that one party sends.
const maxCots = 1 << 33

// ErrVersion is in the chain of the error for a plan of another version.
var ErrVersion = errors.New("plan from another version")

// A Digest is the SHA-256 of a plan's canonical print.
type Digest [sha256.Size]byte

// String is the digest in hexadecimal.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// DigestOf hashes the canonical print of m, not the file it came from: comments
// and layout do not count.
func DigestOf(m *ir.Module) Digest { return sha256.Sum256([]byte(m.String())) }

// Parse reads a plan, refuses other versions, and checks it. name is for
// positions in errors.
func Parse(name, text string) (*ir.Module, error) {
	m, err := parser.Parse(name, text)
	if err != nil {
		return nil, err
	}
	if err := checkVersion(m); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if err := Check(m); err != nil {
		return nil, err
	}
	return m, nil
}

func checkVersion(m *ir.Module) error {
	if m.Stage() != ir.StagePlan {
		return fmt.Errorf("module @%s is not a plan: its stage is %q; nimbusc compile makes plans", m.Name, m.Stage())
	}
	v, _ := m.Attrs.Get("version")
	n, ok := v.(int64)
	if !ok {
		return fmt.Errorf("plan @%s has no version", m.Name)
	}
	if n != Version {
		return fmt.Errorf("%w: plan @%s has version %d, this release executes version %d; compile the model again with this release", ErrVersion, m.Name, n, Version)
	}
	return nil
}

// Check verifies the module and whatever a plan needs besides; all flaws are
// reported, joined, in the order of the text.
func Check(m *ir.Module) error {
	if err := checkVersion(m); err != nil {
		return err
	}
	errs := ir.Verify(m)
	errs = append(errs, checkMain(m)...)
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	errs = checkOpened(m)
	for _, f := range m.Funcs {
		for _, op := range f.Body {
			if err := errors.Join(CheckOp(op), checkCots(op)); err != nil {
				errs = append(errs, ir.Diagnostic{Pos: op.Pos, Func: f.Name, Op: op.Name, Msg: err.Error()})
			}
		}
	}
	return errors.Join(errs...)
}

func checkMain(m *ir.Module) []error {
	main := m.Func("main")
	if main == nil {
		return []error{ir.Diagnostic{Msg: "a plan needs a function @main"}}
	}
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, ir.Diagnostic{Pos: main.Pos, Func: "main", Msg: fmt.Sprintf(format, args...)})
	}
	for _, p := range main.Params {
		if p.Type.Kind != ir.Private && p.Type.Kind != ir.Public {
			bad("parameter %%%s must be private or public, not %s", p.Name, p.Type)
		}
	}
	if len(main.Results) == 0 {
		bad("returns nothing")
	}
	for _, t := range main.Results {
		if t.Kind != ir.Private && t.Kind != ir.Public {
			bad("a result must be revealed, not %s", t)
		}
	}
	for _, count := range []string{"cot_client_sends", "cot_server_sends"} {
		if n := m.Attrs.Int(count, 0); n < 0 || n > maxCots {
			errs = append(errs, ir.Diagnostic{Msg: fmt.Sprintf("module attribute %s = %d is out of range", count, n)})
		}
	}
	return errs
}

// checkCots checks the correlated OTs that an op says it consumes, if it does.
func checkCots(op *ir.Op) error {
	if _, ok := op.Attrs.Get("cots"); !ok {
		return nil
	}
	n := op.Attrs.Ints("cots")
	if len(n) != 2 || n[0] < 0 || n[1] < 0 || n[0] > maxCots || n[1] > maxCots {
		return fmt.Errorf("cots = %v, expected how many the client and the server send, each 0 to %d", n, int64(maxCots))
	}
	return nil
}

// CheckOp checks what the op tables cannot, since they know no arithmetic: the
// specification of a piecewise function or an inverse, the room a truncation
// needs, constants that fit their ring. It takes plan and fx ops.
func CheckOp(op *ir.Op) error {
	row := ir.Lookup(op.Name)
	if row == nil {
		return nil // call, return
	}
	name := row.Name
	if row.Twin != "" {
		name = row.Twin
	}
	switch name {
	case "fx.piecewise":
		_, err := Piecewise(op)
		return err
	case "fx.recip", "fx.rsqrt":
		v, err := Inverse(op)
		if err != nil {
			return err
		}
		return v.Check()
	case "fx.square":
		_, err := Within(op)
		return err
	case "fx.mul":
		_, err := Product(op)
		return err
	case "fx.cmp":
		_, err := Comparison(op)
		return err
	case "fx.max":
		o, stated, err := Tournament(op)
		if err == nil {
			x := op.Args[0].Type()
			_, err = fixed.NewMaxLayout(x.Last(), x.Elem.Width, o, stated)
		}
		return err
	case "fx.trunc", "fx.extend":
		return fixed.CheckTrunc(op.Args[0].Type().Elem.Width, op.Attrs.Int("bits", 0), op.Results[0].Type.Elem.Width)
	case "fx.add_const", "fx.add_mask":
		return fits(op.Attrs.Float("value", 0), op.Results[0].Type.Elem)
	case "fx.mul_const":
		e := op.Args[0].Type().Elem
		return fits(op.Attrs.Float("value", 0), ir.FxElem(e.Width, op.Attrs.Int("frac", 0)))
	}
	return nil
}

func fits(value float64, e ir.Elem) error {
	if math.IsNaN(value) {
		return errors.New("value is not a number")
	}
	_, err := fixed.Encode(value, e.Width, e.Frac)
	return err
}

func format(t ir.Type) fixed.Format { return fixed.Format{Width: t.Elem.Width, Frac: t.Elem.Frac} }

// Within is the checked bound of a product's last argument, none if nothing is
// said.
func Within(op *ir.Op) (fixed.Bound, error) {
	r := op.Attrs.Int64s("within")
	if !op.Attrs.Has("within") {
		return fixed.Bound{}, nil
	}
	if len(r) != 2 || r[0] > r[1] || r[0] < -1<<61 || r[1] > 1<<61 {
		return fixed.Bound{}, fmt.Errorf("within = %v: want [lo, hi], lo <= hi, of at most 61 bits", r)
	}
	b := fixed.Within(r[0], r[1])
	if l := op.X(0).Type.Elem.Width; b.Bits >= l {
		return fixed.Bound{}, fmt.Errorf("within = %v does not fit a ring of %d bits four times", r, l)
	}
	return b, nil
}

// Product is the checked way of an fx.mul or ot.mul_ss op.
func Product(op *ir.Op) (fixed.ProductOpts, error) {
	b, err := Within(op)
	if err != nil {
		return fixed.ProductOpts{}, err
	}
	if op.W(1) != nil {
		if b.Bits > 0 {
			err = errors.New("within bounds a shared factor; a weight's width is its bound")
		}
		return fixed.ProductOpts{}, err
	}
	o := fixed.ProductOpts{Within: b, Drop: op.Attrs.Int("drop", 0)}
	return o, o.Check(op.X(0).Type.Elem.Width)
}

// Piecewise is the checked specification of an fx.piecewise or ot.piecewise op.
func Piecewise(op *ir.Op) (fixed.Piecewise, error) {
	a := fixed.Attrs{
		Cuts: op.Attrs.Int64s("cuts"), Pieces: op.Attrs.Int64Lists("pieces"),
		Keep: op.Attrs.Int("keep", 0), Drop: op.Attrs.Int("drop", 0),
		WidthAcc: op.Attrs.Int("width_acc", 0), FracAcc: op.Attrs.Int("frac_acc", 0),
		MidFrac: op.Attrs.Int("mid_frac", 0), WidthLin: op.Attrs.Int("width_lin", 0),
		NonPositive: op.Attrs.Bool("nonpositive"), Layout: op.Attrs.Ints("layout"),
	}
	return a.Piecewise(format(op.Args[0].Type()), format(op.Results[0].Type))
}

// SetPiecewise writes p's attributes, all but its formats, which are types.
func SetPiecewise(attrs *ir.Attrs, p fixed.Piecewise) {
	a := p.Attrs()
	attrs.Set("cuts", a.Cuts)
	attrs.Set("pieces", a.Pieces)
	attrs.Set("nonpositive", a.NonPositive)
	for _, f := range []struct {
		name string
		n    int
	}{{"keep", a.Keep}, {"drop", a.Drop}, {"width_acc", a.WidthAcc}, {"frac_acc", a.FracAcc}, {"mid_frac", a.MidFrac}, {"width_lin", a.WidthLin}} {
		attrs.Del(f.name)
		if f.n != 0 {
			attrs.Set(f.name, f.n)
		}
	}
}

// Comparison is how a cmp op of fx or ot compares, checked.
func Comparison(op *ir.Op) (fixed.CmpOpts, error) {
	o, err := comparison(op)
	if err == nil {
		o.Layout, err = fixed.CmpLayoutOf(op.Attrs.Ints("layout"))
	}
	if err != nil {
		return o, err
	}
	return o.Resolve(op.Args[0].Type().Elem.Width)
}

// Tournament is how a max op of fx or ot compares, and the layout that it states,
// which fixed.NewMaxLayout reads.
func Tournament(op *ir.Op) (fixed.CmpOpts, []int, error) {
	o, err := comparison(op)
	return o, op.Attrs.Ints("layout"), err
}

func comparison(op *ir.Op) (fixed.CmpOpts, error) {
	width := op.Args[0].Type().Elem.Width
	o := fixed.CmpOpts{Keep: op.Attrs.Int("keep", width), Drop: op.Attrs.Int("drop", 0)}
	return o.Resolve(width)
}

// Inverse is the specification of a recip or rsqrt op of fx or ot, unchecked:
// call its Check or Steps.
func Inverse(op *ir.Op) (fixed.Inverse, error) {
	v := fixed.Inverse{
		In: format(op.Args[0].Type()), Lo: op.Attrs.Int("lo", 0), Hi: op.Attrs.Int("hi", 0), Out: format(op.Results[0].Type),
	}
	switch op.Name {
	case "fx.recip", "ot.recip":
		v.Kind = fixed.Recip
	case "fx.rsqrt", "ot.rsqrt":
		v.Kind = fixed.Rsqrt
	default:
		return v, fmt.Errorf("%s is neither recip nor rsqrt", op.Name)
	}
	var err error
	v.Layout, err = fixed.InverseLayoutOf(op.Attrs.Ints("layout"))
	return v, err
}
