package bristol

import (
	"fmt"
	"slices"

	"nimbus/ir"
)

// Options say how a circuit becomes a module.
type Options struct {
	Name   string   // of the module
	Blocks int      // how many times the circuit is computed at once; 0 means 1
	Owners []string // ir.Client or ir.Server per input value; nil: the first is the server's, the others the client's
	Reveal string   // who learns the outputs; "" means ir.Client
}

// maxBits bounds the bits of all wires of all blocks.
const maxBits = 1 << 34

// A place is where a wire lies: a slice of a value.
type place struct {
	value *ir.Value
	row   int
}

// level is where a gate is computed: after so many levels of ANDs, and after so
// many XORs since then; the ANDs themselves come before any XOR.
type level struct{ and, xor int }

func (l level) after(m level) bool { return l.and > m.and || l.and == m.and && l.xor > m.xor }

// builder turns gates into ops.
type builder struct {
	c      *Circuit
	b      *ir.Builder
	blocks int
	place  []place // by wire, where it is set
	ops    int
	one    place
	zero   place
}

// Module builds the fx module: @main has one parameter per input value, named
// in1, in2, …, of type tensor<wires x blocks x i1>, and one result per output.
func (c *Circuit) Module(o Options) (*ir.Module, error) {
	if o.Blocks == 0 {
		o.Blocks = 1
	}
	if o.Blocks < 1 || o.Blocks > maxBits/c.Wires {
		return nil, fmt.Errorf("bristol: %d blocks of %d wires, expected 1 to %d blocks", o.Blocks, c.Wires, maxBits/c.Wires)
	}
	if o.Owners == nil {
		o.Owners = slices.Repeat([]string{ir.Client}, len(c.Inputs))
		o.Owners[0] = ir.Server
	}
	if len(o.Owners) != len(c.Inputs) {
		return nil, fmt.Errorf("bristol: %d owners for %d inputs, expected one each", len(o.Owners), len(c.Inputs))
	}
	if o.Reveal == "" {
		o.Reveal = ir.Client
	}
	m := ir.NewModule(o.Name, ir.StageFx)
	m.Attrs.Set("blocks", o.Blocks)
	f := m.AddFunc("main")
	f.Attrs.Set("reveal", ir.Ident(o.Reveal))
	t := &builder{c: c, blocks: o.Blocks, place: make([]place, c.Wires)}
	wire := 0
	for i, n := range c.Inputs {
		if o.Owners[i] != ir.Client && o.Owners[i] != ir.Server {
			return nil, fmt.Errorf("bristol: the owner of input %d is %q, expected %s or %s", i+1, o.Owners[i], ir.Client, ir.Server)
		}
		p := f.AddParam(fmt.Sprintf("in%d", i+1), ir.TensorType(ir.IntElem(1), n, o.Blocks), ir.A("owner", ir.Ident(o.Owners[i])))
		for r := range n {
			t.place[wire] = place{p, r}
			wire++
		}
	}
	err := ir.Catch(func() {
		t.b = ir.NewBuilder(f)
		t.build()
	})
	if err == nil {
		err = m.Verify()
	}
	if err != nil {
		return nil, fmt.Errorf("bristol: %w", err)
	}
	return m, nil
}

// op adds an op; its results are named by number.
func (t *builder) op(name string, attrs ir.Attrs, args ...*ir.Value) *ir.Value {
	t.ops++
	var operands []ir.Operand
	for _, a := range args {
		operands = append(operands, a)
	}
	return t.b.Op1(name, fmt.Sprintf("v%d", t.ops), attrs, operands...)
}

// gather makes one value of the given places, or finds that it is there.
func (t *builder) gather(from []place) *ir.Value {
	whole := from[0].value.Type.Shape[0] == len(from)
	for i, p := range from {
		whole = whole && p == place{from[0].value, i}
	}
	if whole {
		return from[0].value
	}
	var args []*ir.Value
	first := map[*ir.Value]int{} // slice that a value starts at
	rows := 0
	index := make([]int, len(from))
	for i, p := range from {
		at, ok := first[p.value]
		if !ok {
			at = rows
			first[p.value] = at
			args = append(args, p.value)
			rows += p.value.Type.Shape[0]
		}
		index[i] = at + p.row
	}
	return t.op("fx.gather", ir.A("index", index), args...)
}

// constants makes the wires that are always 0 and always 1, from any input.
func (t *builder) constants() {
	x := t.gather([]place{t.place[0]})
	zero := t.op("fx.xor", nil, x, x)
	t.zero, t.one = place{zero, 0}, place{t.op("fx.not", nil, zero), 0}
}

// build emits level after level: within one, all gates at once. Gates that only
// rename are followed to what they rename, and the others sorted by level; an
// INV is the XOR with a wire that is 1.
func (t *builder) build() {
	c := t.c
	levels := make([]level, c.Wires)
	source := make([]int, c.Wires) // the wire that a copy copies
	for w := range source {
		source[w] = w
	}
	groups := map[level][]Gate{}
	for _, g := range c.Gates {
		if (g.Kind == Const || g.Kind == Inv) && t.one.value == nil {
			t.constants()
		}
		switch g.Kind {
		case Const:
			t.place[g.Out] = []place{t.zero, t.one}[g.A]
			continue
		case Copy:
			source[g.Out] = source[g.A]
			continue
		}
		g.A, g.B = source[g.A], source[g.B]
		at := levels[g.A]
		if g.Kind != Inv && levels[g.B].after(at) {
			at = levels[g.B]
		}
		if g.Kind == And {
			at = level{at.and + 1, 0}
		} else {
			at.xor++
		}
		levels[g.Out] = at
		groups[at] = append(groups[at], g)
	}
	order := make([]level, 0, len(groups))
	for l := range groups {
		order = append(order, l)
	}
	slices.SortFunc(order, func(a, b level) int {
		if a.and != b.and {
			return a.and - b.and
		}
		return a.xor - b.xor
	})
	for _, l := range order {
		gates := groups[l]
		left, right := make([]place, len(gates)), make([]place, len(gates))
		for i, g := range gates {
			left[i], right[i] = t.place[g.A], t.one
			if g.Kind != Inv {
				right[i] = t.place[g.B]
			}
		}
		name := "fx.xor"
		if l.xor == 0 {
			name = "fx.and"
		}
		v := t.op(name, nil, t.gather(left), t.gather(right))
		for i, g := range gates {
			t.place[g.Out] = place{v, i}
		}
	}
	at := c.firstOutput()
	var results []*ir.Value
	for _, n := range c.Outputs {
		from := make([]place, n)
		for i := range from {
			from[i] = t.place[source[at+i]]
		}
		results = append(results, t.gather(from))
		at += n
	}
	t.b.Return(results...)
}
