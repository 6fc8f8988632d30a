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
	m.Attrs.Set("version", plan.Version)
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
		if r := op.Attrs.Int64s("within"); len(r) == 2 && i == len(op.Args)-1 {
			lo, hi = r[0], r[1]
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
	left := rlweparams.Drops{Stored: op.Attrs.Int("drop_stored", op.Attrs.Int("drop_in", 0)), C0: drop0, C1: drop1}
	switch op.Name {
	case "ss.shrink", "ot.trunc":
		return 1
	case "ot.mul_ss":
		o, err := plan.Product(op)
		if err != nil {
			tb.Fatal(err)
		}
		return o.MaxError()
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
		return int64(set.MatMulSSNoise(tile.Terms(p), l, left).MaxUlp(outputs))
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
