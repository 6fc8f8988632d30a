package bristol

import (
	"bytes"
	"fmt"
	"strconv"
)

// A Circuit is what a file says. Wires are numbered from 0: first those of the
// inputs, and the last are those of the outputs.
type Circuit struct {
	Wires   int
	Inputs  []int // wires of each input value
	Outputs []int // wires of each output value
	Gates   []Gate
}

// A Gate sets wire Out. Its inputs are set by gates before it.
type Gate struct {
	Kind Kind
	A, B int // wires; B only of Xor and And; of Const, A is the constant
	Out  int
}

// A Kind is what a gate does.
type Kind uint8

// The kinds.
const (
	Xor Kind = iota
	And
	Inv   // the other bit
	Copy  // EQW
	Const // EQ: A is the bit
)

var kinds = map[string]Kind{"XOR": Xor, "AND": And, "INV": Inv, "EQW": Copy, "EQ": Const}

// Limits of what is taken for a circuit, far above what one can run.
const (
	maxGates  = 1 << 26
	maxWires  = 1 << 27
	maxValues = 1 << 10
)

// gateBytes is the length of the shortest gate, "1 1 0 1 EQ", less than which a
// file cannot have per gate.
const gateBytes = 10

// An Error is what is wrong with a line of a circuit, counted from 1.
type Error struct {
	Line int
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }
func (e *Error) Unwrap() error { return e.Err }

// reader goes through a file line by line.
type reader struct {
	rest []byte
	line int
}

// next returns the fields of the next line; ok is false at the end.
func (r *reader) next() (fields [][]byte, ok bool) {
	r.line++
	if len(r.rest) == 0 {
		return nil, false
	}
	var line []byte
	line, r.rest, _ = bytes.Cut(r.rest, []byte{'\n'})
	return bytes.Fields(line), true
}

func (r *reader) errorf(format string, args ...any) error {
	return &Error{r.line, fmt.Errorf(format, args...)}
}

// number reads a decimal number in 0..most.
func (r *reader) number(what string, field []byte, most int) (int, error) {
	n, err := strconv.ParseUint(string(field), 10, 32)
	if err != nil || n > uint64(most) {
		return 0, r.errorf("%s is %.20q, expected a number of at most %d", what, field, most)
	}
	return int(n), nil
}

// values reads "how many" and as many wire counts.
func (r *reader) values(what string, least, wires int) (sizes []int, sum int, err error) {
	fields, _ := r.next()
	if len(fields) == 0 {
		return nil, 0, r.errorf("expected the number of %s values and the wires of each", what)
	}
	n, err := r.number("the number of "+what+" values", fields[0], maxValues)
	if err != nil {
		return nil, 0, err
	}
	if n < least || len(fields) != n+1 {
		return nil, 0, r.errorf("%d %s values are announced and the wires of %d given, expected at least %d", n, what, len(fields)-1, least)
	}
	for _, f := range fields[1:] {
		size, err := r.number("the number of wires", f, wires)
		if err != nil {
			return nil, 0, err
		}
		if sum += size; size == 0 || sum > wires {
			return nil, 0, r.errorf("the %s values have %d wires so far and one has %d, of %d wires in all", what, sum, size, wires)
		}
		sizes = append(sizes, size)
	}
	return sizes, sum, nil
}

// Parse reads a circuit. Counts must be right, every wire is set once and before
// it is read, and every gate is of a known kind. An error is an [*Error].
func Parse(text []byte) (*Circuit, error) {
	r := &reader{rest: text}
	fields, _ := r.next()
	if len(fields) != 2 {
		return nil, r.errorf("expected the numbers of gates and wires; is this a circuit in Bristol Fashion?")
	}
	gates, err := r.number("the number of gates", fields[0], maxGates)
	if err != nil {
		return nil, err
	}
	c := &Circuit{}
	if c.Wires, err = r.number("the number of wires", fields[1], maxWires); err != nil {
		return nil, err
	}
	if gates > len(text)/gateBytes+1 {
		return nil, r.errorf("%d gates are announced, which is more than the file can hold", gates)
	}
	inputs := 0
	if c.Inputs, inputs, err = r.values("input", 1, c.Wires); err != nil {
		return nil, err
	}
	if inputs+gates != c.Wires {
		return nil, r.errorf("%d input wires and %d gates set %d wires, but %d are announced", inputs, gates, inputs+gates, c.Wires)
	}
	if inputs > len(text)*64 { // so that a small file takes little memory
		return nil, r.errorf("%d input wires are more than a file of %d bytes can use", inputs, len(text))
	}
	if c.Outputs, _, err = r.values("output", 1, c.Wires); err != nil {
		return nil, err
	}
	set := make([]bool, c.Wires)
	for w := range inputs {
		set[w] = true
	}
	c.Gates = make([]Gate, 0, gates)
	for {
		fields, ok := r.next()
		if !ok {
			break
		}
		if len(fields) == 0 {
			continue
		}
		if len(c.Gates) == gates {
			return nil, r.errorf("%d gates are announced, and here is another", gates)
		}
		g, err := r.gate(fields, set)
		if err != nil {
			return nil, err
		}
		c.Gates = append(c.Gates, g)
	}
	if len(c.Gates) != gates {
		return nil, r.errorf("the file ends after %d gates of %d", len(c.Gates), gates)
	}
	return c, nil
}

// gate reads "inputs outputs wire… wire… KIND" and marks the wire it sets.
func (r *reader) gate(fields [][]byte, set []bool) (g Gate, err error) {
	kind, ok := kinds[string(fields[len(fields)-1])]
	if !ok {
		return g, r.errorf("%.20q is no gate, expected XOR, AND, INV, EQW or EQ", fields[len(fields)-1])
	}
	want := 1
	if kind == Xor || kind == And {
		want = 2
	}
	if len(fields) != 4+want || string(fields[0]) != strconv.Itoa(want) || string(fields[1]) != "1" {
		return g, r.errorf("expected \"%d 1\", %d input and one output wire before %s", want, want, fields[len(fields)-1])
	}
	g.Kind = kind
	in := []*int{&g.A, &g.B}[:want]
	for i, to := range in {
		if kind == Const {
			if *to, err = r.number("the constant", fields[2], 1); err != nil {
				return g, err
			}
			continue
		}
		if *to, err = r.number("a wire", fields[2+i], len(set)-1); err != nil {
			return g, err
		}
		if !set[*to] {
			return g, r.errorf("wire %d is read before it is set", *to)
		}
	}
	if g.Out, err = r.number("a wire", fields[2+want], len(set)-1); err != nil {
		return g, err
	}
	if set[g.Out] {
		return g, r.errorf("wire %d is set a second time", g.Out)
	}
	set[g.Out] = true
	return g, nil
}

// Depth returns the number of ANDs on the longest path.
func (c *Circuit) Depth() int {
	depth, most := make([]int, c.Wires), 0
	for _, g := range c.Gates {
		d := 0
		if g.Kind != Const {
			d = max(depth[g.A], depth[g.B])
		}
		if g.Kind == Inv || g.Kind == Copy {
			d = depth[g.A]
		}
		if g.Kind == And {
			d++
		}
		depth[g.Out] = d
		most = max(most, d)
	}
	return most
}

// Ands counts the AND gates.
func (c *Circuit) Ands() (n int) {
	for _, g := range c.Gates {
		if g.Kind == And {
			n++
		}
	}
	return n
}

// Eval computes the circuit on one block, in the clear: a bit per wire of each
// input, a bit per wire of each output.
func (c *Circuit) Eval(in ...[]uint8) ([][]uint8, error) {
	if len(in) != len(c.Inputs) {
		return nil, fmt.Errorf("bristol: %d inputs, the circuit has %d", len(in), len(c.Inputs))
	}
	wires := make([]uint8, 0, c.Wires)
	for i, v := range in {
		if len(v) != c.Inputs[i] {
			return nil, fmt.Errorf("bristol: input %d has %d bits, the circuit wants %d", i+1, len(v), c.Inputs[i])
		}
		wires = append(wires, v...)
	}
	wires = wires[:c.Wires]
	for _, g := range c.Gates {
		switch g.Kind {
		case Xor:
			wires[g.Out] = wires[g.A] ^ wires[g.B]
		case And:
			wires[g.Out] = wires[g.A] & wires[g.B]
		case Inv:
			wires[g.Out] = wires[g.A] ^ 1
		case Copy:
			wires[g.Out] = wires[g.A]
		case Const:
			wires[g.Out] = uint8(g.A)
		}
	}
	var out [][]uint8
	at := c.firstOutput()
	for _, n := range c.Outputs {
		out = append(out, wires[at:at+n:at+n])
		at += n
	}
	return out, nil
}

// firstOutput is the first wire of the first output.
func (c *Circuit) firstOutput() int {
	at := c.Wires
	for _, n := range c.Outputs {
		at -= n
	}
	return at
}
