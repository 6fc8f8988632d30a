package runtime

import (
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"nimbus/internal/prg"
	"nimbus/ir"
	"nimbus/runtime/corr"
	"nimbus/runtime/he"
	"nimbus/runtime/ot"
	"nimbus/runtime/share"
	"nimbus/runtime/transport"
)

// A step is one op while it is executed: all that its protocol may touch, so
// that steps can run side by side.
type step struct {
	op    *ir.Op
	run   func() error
	order int // of the op in its function

	missing int // arguments that are not there yet
	args    []result
	depth   int // of the last message that all arguments depend on
	results []result

	party   int
	weights Weights // server
	he      *heState
	rng     *prg.PRG        // its own
	ahead   *he.Prepared    // of an op that ran ahead of its input
	lane    uint32          // 0: the op talks to nobody
	turn    <-chan struct{} // closed when the step may compute
	conn    transport.Conn  // its lane
	ot      *ot.Protocol    // over conn, for ops that take correlated OTs
	part    *corr.Corr      // those; nil for an op that takes them from the pools

	index    int // in the session's counts
	began    time.Time
	seconds  float64
	before   meter // of an op that takes from the pools
	taken    [2]int64
	err      error
	panicked any
}

// reserved is how many correlated OTs an op says it consumes, by the party that
// sends them.
func reserved(o *ir.Op) (n [2]int, said bool) {
	if c := o.Attrs.Ints("cots"); len(c) == 2 {
		return [2]int(c), true
	}
	return n, false
}

var errLanes = errors.New("this session has had all its lanes: begin a new one")

// newStep makes the step of the next op in program order, with all that both
// parties number alike.
func (s *Session) newStep(o *ir.Op, order int) (*step, error) {
	st := &step{
		op: o, order: order, args: make([]result, len(o.Args)), results: make([]result, len(o.Results)),
		party: s.party, weights: s.weights, he: &s.he,
	}
	if o.Callee != "" {
		st.run = func() (err error) {
			callee := s.prog.funcs[o.Callee]
			if callee == nil {
				return fmt.Errorf("no such function")
			}
			results, err := s.call(callee, st.args)
			if err != nil {
				return err
			}
			for i, r := range results {
				if err := st.put(o, i, r.value); err != nil {
					return err
				}
				st.results[i].depth = r.depth
			}
			return nil
		}
		return st, nil
	}
	st.run = func() error { return dispatch[o.Name](st, o) }
	st.index = len(s.ops)
	count := OpCount{Name: o.Name, Pos: o.Pos.String()}
	if len(o.Results) > 0 {
		count.Result, count.Type = "%"+o.Results[0].Name, o.Results[0].Type.String()
	}
	s.ops = append(s.ops, count)
	if o.Dialect() == "ss" {
		return st, nil
	}
	if s.lanes++; s.lanes == 0 {
		return nil, errLanes
	}
	st.lane, st.rng = s.lanes, s.rng.Child("op")
	var err error
	if st.ahead, err = s.takeAhead(o); err != nil {
		return nil, err
	}
	if n, said := reserved(o); said {
		if st.part, err = s.c.Part(n[s.party], n[1-s.party]); err != nil {
			return nil, err
		}
	}
	return st, nil
}

// rank is the step's in turns: program order, products by weights last.
func (st *step) rank() rank {
	r := rank(st.lane)
	if st.op.Name == "he.matmul" {
		r += afterOthers
	}
	return r
}

// begin opens a step's lane.
func (s *Session) begin(st *step) {
	st.began = time.Now()
	lane := s.conn.Lane(st.lane, st.depth)
	st.conn = turnConn{lane, &s.turns, st.rank()}
	if st.op.Dialect() != "ot" {
		return
	}
	correlations := st.part
	if correlations == nil {
		correlations = s.c
		st.before = measure(s.conn)
		st.taken[share.Client], st.taken[share.Server] = s.taken()
	}
	if n := len(s.protocols); n > 0 {
		st.ot, s.protocols = s.protocols[n-1], s.protocols[:n-1]
		st.ot.Use(st.conn, correlations)
	} else {
		st.ot = ot.New(st.conn, s.party, correlations, st.rng)
	}
}

// exec executes a step. It touches nothing but the step.
func (st *step) exec(t *turns) {
	defer func() {
		if p := recover(); p != nil {
			st.panicked = fmt.Sprintf("%v\n%s", p, debug.Stack())
		}
	}()
	if st.lane != 0 {
		<-st.turn
		defer t.give()
	} else {
		st.began = time.Now()
	}
	st.err = st.run()
	st.seconds = time.Since(st.began).Seconds()
}

// end closes a step's lane and counts what it took.
func (s *Session) end(st *step) error {
	o := st.op
	if st.err != nil {
		return fmt.Errorf("%s: %w", opName(o), st.err)
	}
	for i, r := range st.results {
		if r.value == nil {
			return fmt.Errorf("%s: result %d has no value", opName(o), i)
		}
	}
	if o.Callee != "" {
		return nil
	}
	count := &s.ops[st.index]
	count.Start, count.Seconds = st.began.Sub(s.start).Seconds(), st.seconds
	depth := st.depth
	if st.lane != 0 {
		lane := st.conn.Stats()
		if err := st.conn.Close(); err != nil {
			return fmt.Errorf("%s: %w", opName(o), err)
		}
		depth = lane.Arrived
		s.deepest = max(s.deepest, lane.Depth)
		count.BytesSent, count.BytesReceived = lane.BytesSent, lane.BytesReceived
		count.Rounds = float64(lane.Depth-lane.Began) / 2
	}
	for i := range st.results {
		st.results[i].depth = depth
	}
	if st.ot == nil {
		return nil
	}
	s.protocols = append(s.protocols, st.ot)
	if st.part == nil { // what was made on the way is the op's
		p := st.before.phase()
		count.BytesSent, count.BytesReceived = p.BytesSent, p.BytesReceived
		client, server := s.taken()
		count.COTClientSends, count.COTServerSends = client-st.taken[share.Client], server-st.taken[share.Server]
		return nil
	}
	n, _ := reserved(o)
	if sends, receives := st.part.Left(); sends > 0 || receives > 0 {
		return fmt.Errorf("%s: it leaves %d and %d correlated OTs, the plan says that it consumes %v", opName(o), sends, receives, n)
	}
	count.COTClientSends, count.COTServerSends = int64(n[share.Client]), int64(n[share.Server])
	return nil
}

// opName names an op for an error: "ot.trunc %qkv".
func opName(o *ir.Op) string {
	name := o.Name
	if o.Callee != "" {
		name = "call @" + o.Callee
	}
	if len(o.Results) == 0 {
		return name
	}
	return name + " %" + o.Results[0].Name
}
