// Package rules says which plan op implements an fx op: one row per fx op and
// who holds the operands.
//
// It knows names and placements only; parameter sets, tiles and prices are
// backend's business. Read Rule and For.
package rules

import (
	"fmt"

	"nimbus/ir"
)

// A Rule is one row: the fx op, what its last argument must be, and the plan op.
type Rule struct {
	Fx   string
	When Placement
	Plan string
	Why  string // one line for `nimbusc explain`
}

// A Placement is who holds an op's last argument.
type Placement uint8

const (
	Any         Placement = iota // whatever
	Weights                      // the server, in the clear
	Shared                       // both, as shares
	PublicTable                  // both, in the clear
)

// table is all there is. Ops that move or add elements are local and keep
// their name.
var table = []Rule{
	{"fx.select", PublicTable, "ss.select", "the tables are public: the client looks its rows up"},
	{"fx.select", Any, "he.select", "the client picks encrypted rows, so the index never leaves it"},
	{"fx.matmul", Weights, "he.matmul", "weights are encrypted once; the client multiplies its share into them (outer product)"},
	{"fx.matmul", Shared, "he.matmul_ss", "two cross terms, one encryption direction each"},
	{"fx.mul", Weights, "ot.mul", "the server's few bits are the choices"},
	{"fx.mul", Shared, "ot.mul_ss", "the bits of the smaller operand are the choices"},
	{"fx.trunc", Any, "ot.trunc", "the ring must not shrink; two free bits make the wrap one AND"},
	{"fx.extend", Any, "ot.extend", "two free bits make the wrap one AND"},
	{"fx.max", Any, "ot.max", "tournament of exact comparisons"},
	{"fx.cmp", Any, "ot.cmp", "all cuts of a value in one batch"},
	{"fx.mux", Any, "ot.mux", "one COT each way"},
	{"fx.and", Any, "ot.and", "one COT each way"},
	{"fx.square", Any, "ot.square", "one cross term of one bit less"},
	{"fx.piecewise", Any, "ot.piecewise", "comparisons beside one square, then selection"},
	{"fx.recip", Any, "ot.recip", "normalise by powers of two, then a spline"},
	{"fx.rsqrt", Any, "ot.rsqrt", "normalise by powers of four, then a spline"},
	{"fx.add_bias", Any, "ss.add_bias", "the server adds to its share"},
	{"fx.add", Any, "ss.add", "local"},
	{"fx.sub", Any, "ss.sub", "local"},
	{"fx.add_const", Any, "ss.add_const", "local"},
	{"fx.mul_const", Any, "ss.mul_const", "local"},
	{"fx.shl", Any, "ss.shl", "local"},
	{"fx.sum", Any, "ss.sum", "local"},
	{"fx.number", Any, "ss.number", "local"},
	{"fx.low", Any, "ss.low", "local: low bits of a sum are the sum's low bits"},
	{"fx.split", Any, "ss.split", "local"},
	{"fx.split_heads", Any, "ss.split_heads", "local"},
	{"fx.merge_heads", Any, "ss.merge_heads", "local"},
	{"fx.transpose", Any, "ss.transpose", "local"},
	{"fx.slice", Any, "ss.slice", "local"},
	{"fx.gather", Any, "ss.gather", "local"},
	{"fx.concat", Any, "ss.concat", "local"},
	{"fx.reshape", Any, "ss.reshape", "local"},
	{"fx.shrink", Any, "ss.shrink", "both parties shift; the ring gets smaller instead of a message"},
	{"fx.reduce", Any, "ss.reduce", "local"},
	{"fx.add_mask", Any, "ss.add_mask", "the mask is the client's, who adds to its own share"},
	{"fx.xor", Any, "ss.xor", "local"},
	{"fx.not", Any, "ss.not", "local"},
}

// For finds the rule for op.
func For(op *ir.Op) (Rule, error) {
	for _, r := range table {
		if r.Fx != op.Name {
			continue
		}
		last := op.Args[len(op.Args)-1]
		public := last.Weight != nil && last.Weight.Type.Kind == ir.Public
		switch {
		case r.When == Any,
			r.When == PublicTable && public,
			r.When == Weights && last.Weight != nil && !public,
			r.When == Shared && last.Weight == nil:
			return r, nil
		}
	}
	return Rule{}, fmt.Errorf("%s: no protocol implements it with these operands", op.Name)
}

// All lists the table, for help and tests.
func All() []Rule { return append([]Rule(nil), table...) }
