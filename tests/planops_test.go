package tests

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"nimbus/backend"
	"nimbus/backend/cost"
	lowering "nimbus/backend/rules"
	"nimbus/internal/packing"
	"nimbus/internal/rlweparams"
	"nimbus/internal/z2k"
	"nimbus/ir"
	"nimbus/ir/eval"
	"nimbus/ir/parser"
	"nimbus/ir/plan"
	"nimbus/ir/weights"
	"nimbus/runtime"
	"nimbus/runtime/ideal"
)

// planRows are the ops that two parties execute.
func planRows() (rows []*ir.Row) {
	for _, r := range ir.Rows() {
		if slices.Contains([]string{"ss", "he", "ot", "io"}, r.Dialect()) {
			rows = append(rows, r)
		}
	}
	return rows
}

// TestEveryPlanOp walks the table of plan ops: each must have an entry in the
// runtime's dispatch, a price, a rule that leads to it, a meaning in the clear
// and, if it is a protocol over OT, an ideal twin.
func TestEveryPlanOp(t *testing.T) {
	ruled := map[string]bool{}
	for _, r := range lowering.All() {
		ruled[r.Plan] = true
		if ir.Lookup(r.Fx) == nil || ir.Lookup(r.Plan) == nil {
			t.Errorf("the rule %s -> %s names an unknown op", r.Fx, r.Plan)
		} else if twin := ir.Lookup(r.Plan).Twin; twin != r.Fx {
			t.Errorf("the rule says that %s implements %s, the op's row that it computes %s", r.Plan, r.Fx, twin)
		}
		if r.Why == "" {
			t.Errorf("the rule %s -> %s gives no reason", r.Fx, r.Plan)
		}
	}
	party := reflect.TypeFor[*ideal.Party]()
	for _, r := range planRows() {
		m := opPlan(t, r.Name, r.Example)
		if _, err := runtime.NewProgram(m); err != nil {
			t.Errorf("%s: runtime: %v", r.Name, err)
		}
		if _, err := eval.New(m, zeros(m), eval.Options{}); err != nil {
			t.Errorf("%s: eval: %v", r.Name, err)
		}
		if _, err := backend.AccountOf(m); err != nil {
			t.Errorf("%s: account: %v", r.Name, err)
		}
		if r.Dialect() != "ss" && cost.Rows[r.Name] == nil {
			t.Errorf("%s has no cost row", r.Name)
		}
		if r.Dialect() != "io" && !ruled[r.Name] {
			t.Errorf("no rule leads to %s", r.Name)
		}
		if r.Dialect() == "ot" && r.Name != "ot.extend" { // a truncation by no bits
			if _, ok := party.MethodByName(methodName(r.Name)); !ok {
				t.Errorf("runtime/ideal has no %s for %s", methodName(r.Name), r.Name)
			}
		}
	}
	for name := range cost.Rows {
		if ir.Lookup(name) == nil {
			t.Errorf("there is a cost row for %s, which is no op", name)
		}
	}
}

// methodName is the Go method of an op: MulSS for ot.mul_ss.
func methodName(op string) string {
	_, name, _ := strings.Cut(op, ".")
	var b strings.Builder
	for part := range strings.SplitSeq(name, "_") {
		if part == "ss" {
			part = "SS"
		}
		b.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return b.String()
}

// zeros is a source of weights for a module whose numbers do not matter.
func zeros(m *ir.Module) weights.Map {
	src := weights.Map{}
	for _, w := range m.Weights {
		src[w.Name] = weights.Tensor{Shape: w.Type.Shape, Data: make([]float32, w.Type.NumElems())}
	}
	return src
}

// opPlan makes a plan of a function f of plan ops: main shares f's parameters,
// does what f does and opens the results to the client.
func opPlan(tb testing.TB, name, text string) *ir.Module {
	tb.Helper()
	return openedPlan(tb, name, text, false)
}

// openedPlan is opPlan; with sync, something is opened to the client just
// before f's ops, so that it is the client who knows more.
func openedPlan(tb testing.TB, name, text string, sync bool) *ir.Module {
	tb.Helper()
	example, err := parser.Parse(name, text)
	if err != nil {
		tb.Fatalf("%s: %v\n%s", name, err, text)
	}
	f := example.Funcs[0]
	m := ir.NewModule("op", ir.StagePlan)
	m.Attrs.Set("version", backend.Version)
	renamed := map[*ir.Weight]*ir.Weight{}
	for _, w := range example.Weights {
		renamed[w] = m.AddWeight(w.Name, w.Type, w.Attrs)
	}
	main := m.AddFunc("main")
	values := map[*ir.Value]*ir.Value{}
	secret := func(t ir.Type) bool { return t.Kind == ir.AShare || t.Kind == ir.BShare }
	for _, p := range f.Params {
		typ := p.Type
		if secret(typ) {
			typ = typ.WithKind(ir.Private, ir.Client)
		}
		values[p] = main.AddParam(p.Name, typ, nil)
	}
	var ahead *ir.Value
	if sync && !slices.ContainsFunc(f.Params, func(p *ir.Value) bool { return secret(p.Type) }) {
		ahead = main.AddParam("ahead", ir.PrivateType(ir.Client, ir.FxElem(8, 0), 1), nil)
	}
	var opened []*ir.Value
	err = ir.Catch(func() {
		b := ir.NewBuilder(main)
		var last *ir.Value
		for _, p := range f.Params {
			if secret(p.Type) {
				last = b.OpT("io.share", []string{p.Name}, nil, []ir.Type{p.Type}, values[p])[0]
				values[p] = last
			}
		}
		if sync {
			if ahead != nil {
				last = b.Op1("io.share", "ahead", nil, ahead)
			}
			opened = append(opened, b.Op1("io.reveal", "known", ir.A("to", ir.Ident(ir.Client)), last))
		}
		for _, op := range f.Body[:len(f.Body)-1] {
			var args []ir.Operand
			for _, a := range op.Args {
				if a.Weight != nil {
					args = append(args, renamed[a.Weight])
				} else {
					args = append(args, values[a.Value])
				}
			}
			var hints []string
			var types []ir.Type
			for _, r := range op.Results {
				hints, types = append(hints, r.Name), append(types, r.Type)
			}
			for i, v := range b.OpT(op.Name, hints, op.Attrs.Clone(), types, args...) {
				values[op.Results[i]] = v
			}
		}
		for _, a := range f.Return().Args {
			v := values[a.Value]
			if secret(v.Type) {
				v = b.Op1("io.reveal", "out", ir.A("to", ir.Ident(ir.Client), "undropped", true), v)
			}
			opened = append(opened, v)
		}
		b.Return(opened...)
	})
	if err == nil {
		err = m.Verify()
	}
	if err != nil {
		tb.Fatalf("%s: %v\n%s", name, err, text)
	}
	account, err := backend.AccountOf(m)
	if err != nil {
		tb.Fatalf("%s: %v\n%s", name, err, text)
	}
	account.Reserve(m)
	// As a peer would read it.
	m, err = plan.Parse(name, m.String())
	if err != nil {
		tb.Fatalf("%s: the plan does not read back: %v", name, err)
	}
	return m
}

// function writes the text of a module around one op.
func function(params, weights, op string, results ...string) string {
	var names []string
	for i := range results {
		names = append(names, fmt.Sprintf("%%r%d", i))
	}
	var decls string
	for w := range strings.SplitSeq(weights, ";") {
		if w = strings.TrimSpace(w); w != "" {
			decls += "  weight " + w + "\n"
		}
	}
	types, list := strings.Join(results, ", "), strings.Join(names, ", ")
	return fmt.Sprintf("module @f attributes {stage = plan} {\n%s  func @f(%s) -> %s {\n    %s = %s : %s\n    return %s\n  }\n}\n",
		decls, params, types, list, op, types, list)
}

// An opCase is one op with shapes, widths and attributes.
type opCase struct {
	op, text string
	example  bool
}

// opCases are the examples of all plan ops and n random forms of each.
func opCases(rng *rand.Rand, n int) (cases []opCase) {
	for _, r := range planRows() {
		cases = append(cases, opCase{r.Name, r.Example, true})
		for range n {
			if text := randomForm(rng, r.Name); text != "" {
				cases = append(cases, opCase{r.Name, text, false})
			}
		}
	}
	return cases
}

// randomForm draws a form of an op, "" for an op that has none beyond its
// example.
func randomForm(rng *rand.Rand, op string) string {
	between := func(lo, hi int) int { return lo + rng.IntN(hi-lo+1) }
	s, d := between(1, 5), between(1, 9)
	l := between(4, 64)
	f := between(0, min(l-2, 12))
	fx := func(kind string, shape string, l, f int) string {
		return fmt.Sprintf("%s<%sxfx%d.%d>", kind, shape, l, f)
	}
	sd := fmt.Sprintf("%dx%d", s, d)
	x := fx("ashare", sd, l, f)
	ahead := []string{"", ", ahead"}[rng.IntN(2)]
	switch op {
	case "ss.add":
		return function("%a: "+x+", %b: "+x, "", "ss.add %a, %b", x)
	case "ss.sub":
		y := x
		if rng.IntN(2) == 0 {
			y = fx("ashare", fmt.Sprintf("%dx1", s), l, f)
		}
		return function("%a: "+x+", %b: "+y, "", "ss.sub %a, %b", x)
	case "ss.sum":
		return function("%a: "+x, "", "ss.sum %a", fx("ashare", fmt.Sprintf("%dx1", s), l, f))
	case "ss.add_bias":
		return function("%a: "+x, "@b : "+fx("private", "server, "+fmt.Sprint(d), l, f), "ss.add_bias %a, @b", x)
	case "ss.shrink":
		bits := between(1, l-3)
		f := max(f, bits)
		if f > l-2 {
			f = l - 2
		}
		bits = min(bits, f)
		return function("%a: "+fx("ashare", sd, l, f), "", fmt.Sprintf("ss.shrink %%a {bits = %d}", bits), fx("ashare", sd, l-bits, f-bits))
	case "ss.reduce":
		to := between(2, l)
		f := min(f, to-2)
		return function("%a: "+fx("ashare", sd, l, f), "", "ss.reduce %a", fx("ashare", sd, to, f))
	case "ot.mux":
		return function("%b: bshare<"+sd+"xi1>, %x: "+x, "", "ot.mux %b, %x", x)
	case "ot.and":
		b := "bshare<" + sd + "xi1>"
		return function("%a: "+b+", %b: "+b, "", "ot.and %a, %b", b)
	case "ss.gather":
		var index []string
		for range between(1, 12) {
			index = append(index, fmt.Sprint(rng.IntN(s+2)))
		}
		return function("%a: "+x+", %b: "+fx("ashare", fmt.Sprintf("2x%d", d), l, f), "",
			"ss.gather %a, %b {index = ["+strings.Join(index, ", ")+"]}", fx("ashare", fmt.Sprintf("%dx%d", len(index), d), l, f))
	case "ss.concat":
		n := between(1, 5)
		return function("%a: "+x+", %b: "+fx("ashare", fmt.Sprintf("%dx%d", s, n), l, f), "",
			"ss.concat %a, %b {axis = 1}", fx("ashare", fmt.Sprintf("%dx%d", s, d+n), l, f))
	case "ot.square":
		to := between(2, l)
		f := min(f, (to-2)/2)
		return function("%x: "+fx("ashare", sd, l, f), "", "ot.square %x", fx("ashare", sd, l, 2*f))
	case "ot.trunc":
		l := max(l, 6)
		bits := between(1, l-3)
		f := between(bits, l-2)
		to := between(max(2, f-bits+2), 64)
		return function("%x: "+fx("ashare", sd, l, f), "", fmt.Sprintf("ot.trunc %%x {bits = %d}", bits), fx("ashare", sd, to, f-bits))
	case "ot.extend":
		return function("%x: "+x, "", "ot.extend %x", fx("ashare", sd, between(l, 64), f))
	case "ot.mul_ss":
		f := min(f, (l-2)/2)
		a, y := fx("ashare", sd, l, f), fx("ashare", sd, l, f)
		if rng.IntN(2) == 0 {
			y = fx("ashare", fmt.Sprintf("%dx1", s), l, f)
		}
		return function("%a: "+a+", %b: "+y, "", "ot.mul_ss %a, %b", fx("ashare", sd, l, 2*f))
	case "ot.mul":
		v := between(2, l)
		g := between(0, min(v-2, l-2-f))
		return function("%x: "+x, "@g : "+fx("private", "server, "+fmt.Sprint(d), v, g), "ot.mul %x, @g", fx("ashare", sd, l, f+g))
	case "ot.cmp":
		cuts := slices.Sorted(slices.Values([]int{rng.IntN(1 << min(l-3, 20)), -1 - rng.IntN(1<<min(l-3, 20))}))[:between(1, 2)]
		drop := rng.IntN(min(l-2, 5))
		list := strings.ReplaceAll(fmt.Sprint(cuts), " ", ", ")
		return function("%x: "+x, "", fmt.Sprintf("ot.cmp %%x {cuts = %s, keep = %d, drop = %d}", list, l-drop, drop), fmt.Sprintf("bshare<%sx%dxi1>", sd, len(cuts)))
	case "ot.max":
		drop := rng.IntN(min(l-2, 4))
		return function("%x: "+x, "", fmt.Sprintf("ot.max %%x {keep = %d, drop = %d}", between(3, l-drop), drop), fx("ashare", fmt.Sprintf("%dx1", s), l, f))
	case "ot.piecewise": // those of the embedded model
		forms := []string{
			`ot.piecewise %x {fn = gelu, cuts = [-224, 0, 224], pieces = [[0], [14, 3064, -16238], [14, 5128, -16238], [1, 0]], keep = 9, drop = 3, width_acc = 24, frac_acc = 20, mid_frac = 10, width_lin = 24}`,
			`ot.piecewise %x {fn = exp, cuts = [-548, -228, -96], pieces = [[0], [7, 7659, 2095072], [39, 22252, 3758861], [87, 31313, 4186269]], nonpositive, keep = 11, drop = 3, width_acc = 24, frac_acc = 22, mid_frac = 12}`,
		}
		form := forms[rng.IntN(len(forms))]
		out := 10 + rng.IntN(3)
		if strings.Contains(form, "mid_frac = 12") {
			out = 12
		}
		return function("%x: "+fx("ashare", sd, 26, 7), "", form, fx("ashare", sd, between(24, 40), out))
	case "ot.recip":
		lo := between(4, 10)
		return function("%x: "+fx("ashare", sd, 27, 12), "", fmt.Sprintf("ot.recip %%x {lo = %d, hi = %d}", lo, between(lo+2, 18)), fx("ashare", sd, 30, 12))
	case "ot.rsqrt":
		lo := between(4, 12)
		return function("%x: "+fx("ashare", sd, 26, 17), "", fmt.Sprintf("ot.rsqrt %%x {lo = %d, hi = %d}", lo, between(lo+2, 22)), fx("ashare", sd, 27, 8))
	case "io.share":
		owner := []string{ir.Client, ir.Server}[rng.IntN(2)]
		return function("%x: "+fx("private", owner+", "+sd, l, f), "", "io.share %x", x)
	case "io.reveal":
		return function("%x: "+x, "", "io.reveal %x {to = client}", fx("private", "client, "+sd, l, f))
	case "he.matmul":
		l := between(20, 44)
		fa, fw := between(0, 8), between(0, 8)
		k, n, m := between(1, 6), between(1, 40), between(1, 5)
		return function("%x: "+fx("ashare", fmt.Sprintf("%dx%d", m, k), l, fa), "@w : "+fx("private", fmt.Sprintf("server, %dx%d", k, n), l, fw),
			fmt.Sprintf("he.matmul %%x, @w {set = n4096, tile = %d, drop_c0 = %d, drop_c1 = %d%s}", between(1, m), rng.IntN(15), rng.IntN(10), ahead),
			fx("ashare", fmt.Sprintf("%dx%d", m, n), l, fa+fw))
	case "he.select":
		cols, rows, tokens := between(1, 40), between(2, 30), between(1, 4)
		typ, types, arg := "", "", ""
		if rng.IntN(2) == 0 {
			typ, types, arg = fmt.Sprintf("; @type : private<server, 2x%dxfx25.13>", cols), fmt.Sprintf(", %%types: private<client, %dxi32>", tokens), "%types, "
		}
		op := "he.select %ids, " + arg + "@word" + map[bool]string{true: ", @type"}[typ != ""]
		return function(fmt.Sprintf("%%ids: private<client, %dxi32>", tokens)+types, fmt.Sprintf("@word : private<server, %dx%dxfx25.13>", rows, cols)+typ,
			op+fmt.Sprintf(" {set = n2048, drop_c0 = %d, drop_c1 = %d}", rng.IntN(10), rng.IntN(8)), fmt.Sprintf("ashare<%dx%dxfx25.13>", tokens, cols))
	case "he.matmul_ss":
		l := between(10, 25)
		h, m, k, n := between(1, 3), between(1, 6), between(1, 6), between(1, 6)
		return function(fmt.Sprintf("%%a: ashare<%dx%dx%dxfx%d.2>, %%b: ashare<%dx%dx%dxfx%d.3>", h, m, k, l, h, k, n, l), "",
			fmt.Sprintf("he.matmul_ss %%a, %%b {set = n2048, tile = [%d, %d, %d, %d], drop_c0 = %d, drop_c1 = %d%s}",
				between(1, m), between(1, k), between(1, n), rng.IntN(2), rng.IntN(8), rng.IntN(8), ahead),
			fmt.Sprintf("ashare<%dx%dx%dxfx%d.5>", h, m, n, l))
	}
	return ""
}

// uniform draws from lo..hi.
func uniform(rng *rand.Rand, lo, hi int64) int64 {
	span := uint64(hi) - uint64(lo)
	if span == math.MaxUint64 {
		return int64(rng.Uint64())
	}
	return lo + int64(rng.Uint64N(span+1))
}

// inputsFor draws inputs for the plan of one op, in the range that the op
// assumes: the whole ring where it assumes nothing.
func inputsFor(rng *rand.Rand, m *ir.Module, op *ir.Op) map[string][]uint64 {
	in := map[string][]uint64{}
	for i, p := range m.Func("main").Params {
		e := p.Type.Elem
		lo, hi := -int64(z2k.Mask(e.Width)>>1)-1, int64(z2k.Mask(e.Width)>>1)
		if e.Kind == ir.Int {
			lo, hi = 0, 1 // bits, and indices that every table has
		}
		if i == 0 {
			lo, hi = assumed(rng, op, lo, hi)
		}
		v := make([]uint64, p.Type.NumElems())
		for j := range v {
			x := uniform(rng, lo, hi)
			for try := 0; i == 0 && blurred(op, x) && try < 1000; try++ {
				x = uniform(rng, lo, hi)
			}
			v[j] = z2k.FromInt(x, e.Width)
		}
		in[p.Name] = v
	}
	return in
}

// assumed narrows lo..hi to what op assumes of its first argument.
func assumed(rng *rand.Rand, op *ir.Op, lo, hi int64) (int64, int64) {
	l, drop := op.Args[0].Type().Elem.Width, op.Attrs.Int("drop", 0)
	switch op.Name {
	case "ot.trunc", "ot.extend":
		most := int64(1)<<(l-2) - int64(1)<<op.Attrs.Int("bits", 0) - 1
		return -most, most
	case "ot.cmp":
		cuts := op.Attrs.Int64s("cuts")
		if len(cuts) == 0 { // a weight's
			return lo, hi
		}
		reach := int64(z2k.Mask(op.Attrs.Int("keep", l)+drop) >> 1) // 2^(keep+drop-1) - 1
		return max(lo, lo+cuts[len(cuts)-1]+int64(1)<<drop, cuts[len(cuts)-1]-reach-1+int64(1)<<drop),
			min(hi, max(hi, hi+slices.Min(append(cuts, 0))), slices.Min(append(cuts, math.MaxInt64>>1))+reach)
	case "ot.max": // of differences
		span := int64(z2k.Mask(op.Attrs.Int("keep", l)+drop)>>1) - int64(1)<<drop
		base := uniform(rng, lo, hi-span)
		return base, base + span
	case "ot.piecewise":
		spec, err := plan.Piecewise(op)
		if err != nil {
			panic(err)
		}
		return spec.Domain()
	case "ot.recip", "ot.rsqrt":
		return int64(1) << op.Attrs.Int("lo", 0), int64(1)<<op.Attrs.Int("hi", 0) - 1
	}
	return lo, hi
}

// blurred tells whether a comparison that op makes of x may go either way.
func blurred(op *ir.Op, x int64) bool {
	if op.Name != "ot.cmp" && op.Name != "ot.piecewise" {
		return false
	}
	for _, cut := range op.Attrs.Int64s("cuts") {
		if x >= cut && x < cut+int64(1)<<op.Attrs.Int("drop", 0) {
			return op.Attrs.Int("drop", 0) > 0
		}
	}
	return false
}

// errorOf is by how many units of the result's last bit two parties may differ
// from the twin.
func errorOf(tb testing.TB, op *ir.Op) int64 {
	tb.Helper()
	set, outputs := rlweparams.Set{}, op.Results[0].Type.NumElems()
	if op.Dialect() == "he" {
		var err error
		if set, err = rlweparams.Lookup(op.Attrs.Ident("set", "")); err != nil {
			tb.Fatal(err)
		}
	}
	l, drop0, drop1 := op.Results[0].Type.Elem.Width, op.Attrs.Int("drop_c0", 0), op.Attrs.Int("drop_c1", 0)
	left := rlweparams.Drops{Stored: op.Attrs.Int("drop_stored", 0), C0: drop0, C1: drop1}
	switch op.Name {
	case "ss.shrink", "ot.trunc":
		return 1
	case "ot.max":
		rounds := int64(math.Ceil(math.Log2(float64(op.Args[0].Type().Last()))))
		if drop := op.Attrs.Int("drop", 0); drop > 0 {
			return rounds << drop
		}
	case "ot.piecewise":
		spec, err := plan.Piecewise(op)
		if err != nil {
			tb.Fatal(err)
		}
		return int64(spec.MaxUlp())
	case "ot.recip", "ot.rsqrt":
		spec, err := plan.Inverse(op)
		if err != nil {
			tb.Fatal(err)
		}
		return int64(spec.MaxUlp())
	case "he.matmul":
		return int64(set.MatMulNoise(op.Args[0].Type().Last(), op.Attrs.Int("tile", 1), l, left).MaxUlp(outputs))
	case "he.matmul_ss":
		p, _ := cost.ProductOf(op)
		tile := packing.Tile{Rows: p.Rows, Inner: p.Inner, Cols: p.Cols}
		if t := op.Attrs.Ints("tile"); len(t) >= 3 {
			tile = packing.Tile{Rows: t[0], Inner: t[1], Cols: t[2], EncryptA: len(t) > 3 && t[3] != 0}
		}
		return int64(set.MatMulSSNoise(tile.Terms(p), l, drop0, drop1).MaxUlp(outputs))
	case "he.select":
		return int64(set.SelectNoise(len(op.Args)/2, l, left).MaxUlp(outputs))
	}
	return 0
}

// madeUpWeights fills the weights of a module with numbers that their rings hold.
func madeUpWeights(rng *rand.Rand, m *ir.Module) weights.Map {
	src := weights.Map{}
	for _, w := range m.Weights {
		e := w.Type.Elem
		v := make([]float32, w.Type.NumElems())
		for i := range v {
			v[i] = float32(math.Ldexp(float64(uniform(rng, -1<<min(e.Width-1, 20), 1<<min(e.Width-1, 20)-1)), -e.Frac))
		}
		src[w.Name] = weights.Tensor{Shape: w.Type.Shape, Data: v}
	}
	return src
}

// only is the op that a plan of opPlan is about.
func only(m *ir.Module, name string) (op *ir.Op, index int) {
	for i, o := range m.Func("main").Body {
		if o.Name == name {
			return o, i
		}
	}
	return nil, -1
}

// TestPlanOps runs every plan op, its example and random forms, as two parties:
// the result is the twin's within the op's error, and what was sent is what the
// account says, to the byte and the correlation. A cost row's half-rounds count
// from the party that knows most; so the examples run with either ahead.
func TestPlanOps(t *testing.T) {
	n := 2
	if testing.Short() {
		n = 0
	}
	rng := newRand(t, 7)
	for i, c := range opCases(rng, n) {
		t.Run(fmt.Sprintf("%s#%d", c.op, i), func(t *testing.T) {
			ahead := []bool{false, true}
			if !c.example {
				ahead = ahead[rng.IntN(2):][:1]
			}
			depth, want := 0.0, 0.0
			for _, client := range ahead {
				m := openedPlan(t, c.op, c.text, client)
				op, index := only(m, c.op)
				account, err := backend.AccountOf(m)
				if err != nil {
					t.Fatal(err)
				}
				want = float64(account.Ops[index].Cost.Depth()) / 2
				client, server := runOp(t, rng, m, op, account)
				depth = max(depth, client.Ops[index].Rounds, server.Ops[index].Rounds)
			}
			if c.example && depth != want && !strings.HasPrefix(c.op, "io.") {
				t.Errorf("%g rounds, the cost row says %g", depth, want)
			}
			if t.Failed() {
				t.Log(c.text)
			}
		})
	}
}

func runOp(t *testing.T, rng *rand.Rand, m *ir.Module, op *ir.Op, account *backend.Account) (client, server *runtime.Report) {
	t.Helper()
	src := madeUpWeights(rng, m)
	d, err := deploy(t.TempDir(), m, src)
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	in := inputsFor(rng, m, op)
	want, err := eval.Run(m, "main", clearInputs(in), src)
	if err != nil {
		t.Fatal(err)
	}
	mine, theirs := map[string][]uint64{}, map[string][]uint64{}
	for _, p := range m.Func("main").Params {
		if p.Type.Party == ir.Server {
			theirs[p.Name] = in[p.Name]
		} else {
			mine[p.Name] = in[p.Name]
		}
	}
	session := d.start(t, options{server: theirs})
	defer session.stop()
	got, client, server := session.run(mine)
	for k, w := range want {
		if w.Type.Party == ir.Server {
			if got[k] != nil {
				t.Errorf("result %d is the server's, and the client has it", k)
			}
			continue
		}
		if worst, most := distance(w.Type.Elem, got[k], w.Ring), errorOf(t, op); worst > most {
			t.Errorf("result %d is %d units of the last bit from the twin's, at most %d are allowed", k, worst, most)
		}
	}
	checkAccount(t, account, client, server)
	return client, server
}
