package ir

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A Row describes one op. The three tables of rows (ops_nn.go, ops_fx.go,
// ops_plan.go) are the only list of ops there is; help texts, verifier,
// evaluator, cost and dispatch tests walk them.
type Row struct {
	Name    string // dialect.op
	Doc     string // one line, then details
	Example string // ops in canonical text that exercise the row, for tests and help

	// Args are the argument lists the op takes: the first that fits counts.
	Args []Sig
	// Attrs are the attributes besides the common ones.
	Attrs []AttrSpec
	// Stated is set where the arguments do not determine the result type: the
	// width and fraction bits must be given (Builder.Op1T), and are checked.
	Stated bool
	// Many is set where the op has any number of results; otherwise it has one.
	Many bool
	// Twin names the fx op a plan op computes; empty outside the plan tables
	// and for io.
	Twin string

	infer func(*Op) ([]Type, error)
}

// A Sig is one argument list.
type Sig []ArgSpec

// An ArgSpec is one argument: its name in the docs and what may stand there.
type ArgSpec struct {
	Name string
	Is   ArgClass
	Many bool // the last one may repeat
}

// An ArgClass is what may stand at one argument.
type ArgClass uint8

// The classes. "Number" is f32 in nn, fxL.F in fx and an ashare in a plan.
const (
	Number       ArgClass = iota // a value of numbers
	Bits                         // a value of bits (i1; bshare in a plan)
	NumberOrBits                 // either
	Indices                      // the client's integers: tensor<…xiL>, private<client, …xiL>
	MaskBits                     // the client's 0/1 mask: tensor<…xi1>, private<client, …xi1>
	AWeight                      // a weight of numbers (server's, or public)
	Own                          // plan: a private value
	Shared                       // plan: an ashare or bshare
)

// Dialect is the part of the name before the dot.
func (r *Row) Dialect() string { d, _, _ := strings.Cut(r.Name, "."); return d }

// Takes tells whether the op has an attribute of its own of that name.
func (r *Row) Takes(attr string) bool {
	return slices.ContainsFunc(r.Attrs, func(s AttrSpec) bool { return s.Name == attr })
}

// Title is the first line of the doc.
func (r *Row) Title() string { t, _, _ := strings.Cut(r.Doc, "\n"); return t }

// An AttrSpec is one attribute an op may have.
type AttrSpec struct {
	Name     string
	Kind     AttrKind
	Required bool
	Doc      string
	OneOf    []string // of a Word: the words allowed; nil: any
}

// An AttrKind is the form of an attribute's value.
type AttrKind uint8

// The forms.
const (
	Flag     AttrKind = iota // bare name
	Whole                    // integer
	Real                     // number
	Word                     // bare word
	Text                     // string
	Wholes                   // list of integers
	Reals                    // list of numbers
	Texts                    // list of strings
	WholeLst                 // list of lists of integers
	RealLst                  // list of lists of numbers
)

func (k AttrKind) String() string {
	return [...]string{"a bare name", "an integer", "a number", "a word", "a string", "a list of integers",
		"a list of numbers", "a list of strings", "a list of lists of integers", "a list of lists of numbers"}[k]
}

// common are the attributes any op may have.
var common = []AttrSpec{
	{Name: "layer", Kind: Whole, Doc: "which layer of the model the op belongs to"},
	{Name: "part", Kind: Word, Doc: "which part of a layer: qkv, softmax, gelu and so on, for accounts and reports"},
	{Name: "range", Kind: Reals, Doc: "[lo, hi]: where the result's real values lie"},
	{Name: "bound", Kind: Word, Doc: "what range rests on", OneOf: []string{"proved", "clamped", "calibrated"}},
	{Name: "modular", Kind: Flag, Doc: "range need not fit the ring: a product reads the value, modulo that ring"},
	{Name: "proved", Kind: Reals, Doc: "[lo, hi]: where the result's real values lie for every input"},
	{Name: "proof", Kind: Word, Doc: "the argument that proves it; nimbusc help passes, bound"},
	{Name: "wraps", Kind: Flag, Doc: "the result is meant modulo 2^l: it may wrap, which later ops undo"},
}

// CommonAttrs lists the attributes that every op may have.
func CommonAttrs() []AttrSpec { return slices.Clone(common) }

// tagNames are the common attributes that what replaces an op inherits.
func tagNames() []string { return []string{"layer", "part"} }

// weightAttrs are the attributes of a weight declaration.
var weightAttrs = []AttrSpec{
	{Name: "owner", Kind: Word, Doc: "who holds it (nn and fx; a plan says it in the type)", OneOf: []string{Server}},
	{Name: "from", Kind: Texts, Doc: "names of the file tensors, concatenated along axis; absent: the weight's own name"},
	{Name: "axis", Kind: Whole, Doc: "axis of the concatenation, after transposing (default 0)"},
	{Name: "mul", Kind: Reals, Doc: "one factor per source"},
	{Name: "view", Kind: Wholes, Doc: "the shape that every source is read as, before all else: its elements in their order"},
	{Name: "transpose", Kind: Flag, Doc: "sources are two-dimensional and are transposed first"},
	{Name: "diagonal", Kind: Wholes, Doc: "these sources, by number, are vectors, and stand for diagonal matrices"},
	{Name: "gain", Kind: Text, Doc: "file tensor whose elements multiply the rows (first axis) of the result"},
	{Name: "shift", Kind: Text, Doc: "file tensor b of a bias: to source i is added b·W, W being the file tensor through[i]"},
	{Name: "through", Kind: Texts, Doc: "file tensors, one per source, see shift"},
	{Name: "through_transposed", Kind: Flag, Doc: "those are transposed first"},
	{Name: "rows", Kind: Wholes, Doc: "[start, len]: these rows (first axis) of the result only"},
	{Name: "range", Kind: Reals, Doc: "[lo, hi]: where the values lie, if the owner cares to say"},
	{Name: "fitted", Kind: Flag, Doc: "cuts or coefficients of a fitted function, which no file of the model has: the compiler made them"},
	{Name: "norm", Kind: Real, Doc: "largest Euclidean norm of a column, if the owner cares to say"},
}

// paramAttrs are the attributes of a function parameter.
var paramAttrs = []AttrSpec{
	{Name: "owner", Kind: Word, Doc: "whose input it is (nn and fx; a plan says it in the type)", OneOf: []string{Client, Server}},
	{Name: "range", Kind: Reals, Doc: "[lo, hi]: where the values lie"},
	{Name: "norm", Kind: Real, Doc: "largest Euclidean norm of a row, along the last axis, if the owner promises one"},
	{Name: "bound", Kind: Word, Doc: "what range rests on", OneOf: []string{"proved", "clamped", "calibrated"}},
}

// Rows lists every op: nn, fx, then plan.
func Rows() []*Row {
	var all []*Row
	for _, table := range [][]Row{nnRows, fxRows, planRows} {
		for i := range table {
			all = append(all, &table[i])
		}
	}
	return all
}

var rowByName = func() map[string]*Row {
	m := map[string]*Row{}
	for _, table := range [][]Row{nnRows, fxRows, planRows} {
		for i := range table {
			r := &table[i]
			if m[r.Name] != nil {
				panic("ir: internal error: two rows for " + r.Name)
			}
			m[r.Name] = r
		}
	}
	return m
}()

// Lookup finds the row of an op; nil if there is none.
func Lookup(name string) *Row { return rowByName[name] }

// Infer checks the op's arguments and attributes against its row and returns
// its result types. Results whose Type is set count as stated where the row
// wants that; elsewhere they are not read.
func (o *Op) Infer() ([]Type, error) {
	r := Lookup(o.Name)
	if r == nil {
		return nil, errors.New("unknown op")
	}
	if err := r.checkArgs(o.Args); err != nil {
		return nil, err
	}
	if err := checkAttrs(o.Attrs, r.Attrs, common); err != nil {
		return nil, err
	}
	if !r.Many && len(o.Results) != 1 {
		return nil, fmt.Errorf("has one result, not %d", len(o.Results))
	}
	if r.Many && len(o.Results) == 0 {
		return nil, errors.New("has no result")
	}
	if r.Stated {
		if o.Results[0].Type.IsZero() {
			return nil, errors.New("the result type must be stated")
		}
		if err := o.Results[0].Type.Check(); err != nil {
			return nil, fmt.Errorf("result: %w", err)
		}
	}
	types, err := r.infer(o)
	if err != nil {
		return nil, err
	}
	for _, t := range types {
		if err := t.Check(); err != nil {
			return nil, fmt.Errorf("result would be %w", err)
		}
	}
	return types, nil
}

// checkArgs returns nil if one of the row's argument lists fits, else what is
// wrong with the one that fits furthest.
func (r *Row) checkArgs(args []Arg) error {
	var best error
	depth := -2
	for _, sig := range r.Args {
		d, err := sig.check(r.Dialect(), args)
		if err == nil {
			return nil
		}
		if d > depth {
			best, depth = err, d
		}
	}
	if depth < 0 {
		return fmt.Errorf("takes %s, got %d arguments", r.ArgText(), len(args))
	}
	return best
}

// check returns, with an error, how far the arguments fit: -1 if their number
// is wrong, else twice the index of the first that does not, plus one if it is
// a value or a weight as it should be.
func (s Sig) check(dialect string, args []Arg) (int, error) {
	many := len(s) > 0 && s[len(s)-1].Many
	if len(args) != len(s) && (!many || len(args) < len(s)) {
		return -1, errors.New("wrong number of arguments")
	}
	for i, a := range args {
		spec := s[min(i, len(s)-1)]
		if err := spec.Is.check(dialect, a); err != nil {
			far := 2 * i
			if (spec.Is == AWeight) == (a.Weight != nil) {
				far++
			}
			return far, fmt.Errorf("argument %s, %s, %w", spec.Name, a, err)
		}
	}
	return 0, nil
}

// String lists the arguments with their sigils.
func (s Sig) String() string {
	var names []string
	for _, a := range s {
		sigil := "%"
		if a.Is == AWeight {
			sigil = "@"
		}
		n := sigil + a.Name
		if a.Many {
			n += "…"
		}
		names = append(names, n)
	}
	return strings.Join(names, ", ")
}

// ArgText lists the argument lists the row allows.
func (r *Row) ArgText() string {
	var all []string
	for _, s := range r.Args {
		all = append(all, s.String())
	}
	return strings.Join(all, " or ")
}

func (c ArgClass) check(dialect string, a Arg) error {
	t := a.Type()
	if c == AWeight {
		if a.Weight == nil {
			return errors.New("must be a weight")
		}
	} else if a.Value == nil {
		return errors.New("must be a value, not a weight")
	}
	plan := dialect != "nn" && dialect != "fx"
	elem := Fx
	if dialect == "nn" {
		elem = F32
	}
	ok := false
	want := ""
	number := func() bool {
		if plan {
			return t.Kind == AShare
		}
		return t.Kind == Tensor && t.Elem.Kind == elem
	}
	bits := func() bool {
		if plan {
			return t.Kind == BShare
		}
		return t.Kind == Tensor && t.Elem == IntElem(1)
	}
	clients := func() bool {
		if plan {
			return t.Kind == Private && t.Party == Client
		}
		return t.Kind == Tensor
	}
	switch c {
	case Number:
		ok, want = number(), map[bool]string{true: "an ashare", false: "a tensor of " + map[bool]string{true: "f32", false: "fixed point"}[dialect == "nn"]}[plan]
	case Bits:
		ok, want = bits(), map[bool]string{true: "a bshare", false: "a tensor of i1"}[plan]
	case NumberOrBits:
		ok, want = number() || bits(), "numbers or bits"
	case Indices:
		ok, want = clients() && t.Elem.Kind == Int && t.Elem.Width > 1, "the client's integers"
	case MaskBits:
		ok, want = clients() && t.Elem == IntElem(1), "the client's i1"
	case AWeight:
		if plan {
			ok = (t.Kind == Private && t.Party == Server || t.Kind == Public) && t.Elem.Kind == Fx
			want = "private to the server, or public, fixed point"
		} else {
			ok, want = t.Kind == Tensor && t.Elem.Kind == elem, "of the stage's numbers"
		}
	case Own:
		ok, want = t.Kind == Private, "private"
	case Shared:
		ok, want = t.Kind == AShare || t.Kind == BShare, "a share"
	}
	if !ok {
		return fmt.Errorf("must be %s, not %s", want, t)
	}
	return nil
}

func checkAttrs(attrs Attrs, specs ...[]AttrSpec) error {
	seen := map[string]bool{}
	for _, at := range attrs {
		if !isIdent(at.Name) {
			return fmt.Errorf("attribute name %q is not a word", at.Name)
		}
		if seen[at.Name] {
			return fmt.Errorf("attribute %s is given twice", at.Name)
		}
		seen[at.Name] = true
		if err := checkValue(at.Value); err != nil {
			return fmt.Errorf("attribute %s: %w", at.Name, err)
		}
		spec := findSpec(at.Name, specs)
		if spec == nil {
			return fmt.Errorf("unknown attribute %s", at.Name)
		}
		if err := spec.check(attrs); err != nil {
			return err
		}
	}
	for _, list := range specs {
		for _, s := range list {
			if s.Required && !seen[s.Name] {
				return fmt.Errorf("attribute %s (%s) is missing", s.Name, s.Kind)
			}
		}
	}
	return nil
}

func findSpec(name string, specs [][]AttrSpec) *AttrSpec {
	for _, list := range specs {
		for i := range list {
			if list[i].Name == name {
				return &list[i]
			}
		}
	}
	return nil
}

func (s *AttrSpec) check(attrs Attrs) error {
	v, _ := attrs.Get(s.Name)
	ok := false
	switch s.Kind {
	case Flag:
		_, ok = v.(bool)
	case Whole:
		_, ok = v.(int64)
	case Real:
		_, ok = toFloat(v)
	case Word:
		_, ok = v.(Ident)
	case Text:
		_, ok = v.(string)
	case Wholes:
		ok = attrs.Ints(s.Name) != nil
	case Reals:
		ok = attrs.Floats(s.Name) != nil
	case Texts:
		ok = allStrings(v)
	case WholeLst:
		ok = attrs.Int64Lists(s.Name) != nil
	case RealLst:
		ok = attrs.FloatLists(s.Name) != nil
	}
	if !ok {
		return fmt.Errorf("attribute %s must be %s", s.Name, s.Kind)
	}
	if w, _ := v.(Ident); s.OneOf != nil && !slices.Contains(s.OneOf, string(w)) {
		return fmt.Errorf("attribute %s must be one of %s", s.Name, strings.Join(s.OneOf, ", "))
	}
	if s.Name == "range" {
		if r := attrs.Floats(s.Name); len(r) != 2 || r[0] > r[1] {
			return errors.New("attribute range must be [lo, hi]")
		}
	}
	return nil
}

func allStrings(v any) bool {
	list, ok := v.([]any)
	for _, e := range list {
		if _, isString := e.(string); !isString {
			return false
		}
	}
	return ok
}
