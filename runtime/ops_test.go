package runtime

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"nimbus/internal/z2k"
	"nimbus/ir"
	"nimbus/ir/eval"
	"nimbus/ir/parser"
	"nimbus/ir/plan"
	"nimbus/ir/weights"
	"nimbus/runtime/transport/mem"
)

// TestEveryPlanOp fails for a plan op that has no entry in dispatch, and for
// an entry without an op.
func TestEveryPlanOp(t *testing.T) {
	known := map[string]bool{}
	for _, r := range ir.Rows() {
		switch r.Dialect() {
		case "ss", "he", "ot", "io":
			known[r.Name] = true
			if dispatch[r.Name] == nil {
				t.Errorf("op %s has no entry in dispatch", r.Name)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(dispatch)) {
		if !known[name] {
			t.Errorf("dispatch has %s, which is no op", name)
		}
	}
}

// wrap makes a plan of a row's example: main shares the example's parameters,
// calls it, and reveals what it returns.
func wrap(t *testing.T, r *ir.Row) *ir.Module {
	m, err := parser.Parse(r.Name, r.Example)
	if err != nil {
		t.Fatal(err)
	}
	f := m.Funcs[0]
	var params, types, args, rets, results, body []string
	for _, p := range f.Params {
		typ, arg := p.Type, "%"+p.Name
		if typ.Kind == ir.AShare || typ.Kind == ir.BShare {
			typ = typ.WithKind(ir.Private, ir.Client)
			arg = "%s_" + p.Name
			body = append(body, fmt.Sprintf("%s = io.share %%%s : %s", arg, p.Name, p.Type))
		}
		params = append(params, fmt.Sprintf("%%%s: %s", p.Name, typ))
		args = append(args, arg)
	}
	for i, typ := range f.Results {
		types = append(types, typ.String())
		ret := fmt.Sprintf("%%q%d", i)
		results = append(results, ret)
		if typ.Kind == ir.AShare || typ.Kind == ir.BShare {
			typ = typ.WithKind(ir.Private, ir.Client)
			ret = fmt.Sprintf("%%v%d", i)
		}
		rets = append(rets, ret)
		f.Results[i] = typ
	}
	body = append(body, fmt.Sprintf("%s = call @f(%s) : %s", strings.Join(results, ", "), strings.Join(args, ", "), strings.Join(types, ", ")))
	var outs []string
	for i, ret := range rets {
		if ret != results[i] {
			body = append(body, fmt.Sprintf("%s = io.reveal %s {to = client, undropped} : %s", ret, results[i], f.Results[i]))
		}
		outs = append(outs, f.Results[i].String())
	}
	body = append(body, "return "+strings.Join(rets, ", "))
	text := strings.Replace(r.Example, "stage = plan", "stage = plan, version = 2", 1)
	text = strings.TrimSuffix(strings.TrimSpace(text), "}") +
		fmt.Sprintf("  func @main(%s) -> %s {\n    %s\n  }\n}\n", strings.Join(params, ", "), strings.Join(outs, ", "), strings.Join(body, "\n    "))
	m, err = plan.Parse(r.Name, text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return m
}

// tolerance is how many ulps a protocol may be off its twin, in these
// examples. Ops that are not here are exact.
var tolerance = map[string]int64{
	"he.matmul": 3, "he.matmul_ss": 8, "he.select": 3, "ss.shrink": 1, "ot.trunc": 1,
	"ot.piecewise": 1, "ot.recip": 1 << 9, "ot.rsqrt": 4,
}

// TestOpsMatchEval runs every plan op's example as two parties and compares
// with the clear-text evaluator.
func TestOpsMatchEval(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, r := range ir.Rows() {
		if dispatch[r.Name] == nil {
			continue
		}
		t.Run(r.Name, func(t *testing.T) {
			m := wrap(t, r)
			p, err := NewProgram(m)
			if err != nil {
				t.Fatal(err)
			}
			src, ring := weights.Map{}, Weights{}
			for _, w := range m.Weights {
				data := make([]float32, w.Type.NumElems())
				for i := range data {
					data[i] = float32(rng.IntN(64)-32) / 32
				}
				src[w.Name] = weights.Tensor{Shape: w.Type.Shape, Data: data}
				if ring[w.Name], err = weights.Encode(w, src); err != nil {
					t.Fatal(err)
				}
			}
			in, clear := map[string][]uint64{}, map[string]eval.Value{}
			for _, v := range p.Main.Params {
				in[v.Name] = example(rng, m, r.Name, v)
				clear[v.Name] = eval.Value{Ring: in[v.Name]}
			}
			want, err := eval.Run(m, "main", clear, src)
			if err != nil {
				t.Fatal(err)
			}
			got := runPlan(t, p, ring, in)
			for i, w := range want {
				if w.Type.Party == ir.Server {
					continue
				}
				for j := range w.Ring {
					d := z2k.Signed((got[i][j]-w.Ring[j])&z2k.Mask(w.Type.Elem.Width), w.Type.Elem.Width)
					if d < -tolerance[r.Name] || d > tolerance[r.Name] {
						t.Errorf("result %d element %d: %d ulp off", i, j, d)
					}
				}
			}
		})
	}
}

// example draws an input in the range that the op assumes.
func example(rng *rand.Rand, m *ir.Module, name string, v *ir.Value) []uint64 {
	out := make([]uint64, v.Type.NumElems())
	op := m.Func("f").Body[0]
	for i := range out {
		switch e := v.Type.Elem; {
		case e.Kind == ir.Int && e.Width > 1: // indices
			out[i] = uint64(rng.IntN(2))
		case e.Kind == ir.Int:
			out[i] = uint64(rng.IntN(2))
		case name == "ot.recip" || name == "ot.rsqrt":
			lo, hi := op.Attrs.Int("lo", 0), op.Attrs.Int("hi", 0)
			out[i] = uint64(1)<<lo + rng.Uint64N(1<<hi-1<<lo)
		default:
			out[i] = z2k.FromInt(rng.Int64N(1<<11)-1<<10, e.Width)
		}
	}
	return out
}

// runPlan sets a client up and runs the plan once.
func runPlan(t *testing.T, p *Program, w Weights, in map[string][]uint64) [][]uint64 {
	t.Helper()
	if len(p.weights) == 0 {
		return pair(t, p, w, in)[0]
	}
	sv := newTestServer(t, p, w)
	st := &Store{Dir: t.TempDir()}
	conn, wait := sv.dial(testClient)
	inst, _, err := st.Setup(conn, testPeer, func(text string) (*Program, error) { return parsePlan(text) }, nil)
	if err != nil {
		t.Fatalf("setup: %v; server: %v", err, wait())
	}
	wait()
	stock, err := inst.Open(p)
	if err != nil {
		t.Fatal(err)
	}
	defer stock.Close()
	a, b := mem.Pipe()
	done := make(chan error, 1)
	go func() { done <- sv.Handle(context.Background(), b, testClient) }()
	s, err := Connect(a, Config{Program: p, Stock: stock})
	if err != nil {
		t.Fatalf("client: %v; server: %v", err, <-done)
	}
	out, _, err := s.Run(in)
	if err != nil {
		t.Fatalf("client: %v; server: %v", err, <-done)
	}
	s.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return out
}
