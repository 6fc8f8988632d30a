package runtime

import (
	"container/heap"
	"errors"
	"fmt"

	"nimbus/ir"
)

// maxLanes bounds the ops that talk at the same time, and so the memory that
// they take.
const maxLanes = 8

// A flow is one execution of a function's body as a graph of data: an op starts
// when its arguments are there, beside others that talk at the same time, each
// in a lane of its own (runtime/transport). Ops that talk to nobody run at once,
// between the others.
//
// Both parties enter ops in program order: an op then gets its lane's number, a
// generator of its own and its correlated OTs (corr.Part), the same at both
// whatever the timing. Some ops wait before that until all before them are done:
// a call, an op that does not say how many OTs it consumes, and one for which a
// pool must be refilled; both parties find that out at the same place.
//
// Nobody waits for ever. Take the first op, in program order, that is not done at
// both parties. What it needs comes from earlier ops, so it is ready wherever it
// is not done, and it is in flight there: the last op that it waited for left a
// lane free, and the first op that is ready takes it. So both are at it, or one
// is done. Sending never waits, and a receiver is never held up by a message of
// another lane. So its protocol goes on as if it were alone.
type flow struct {
	*Session
	f      *ir.Func
	values map[*ir.Value]*slot

	entered int  // ops of f.Body that are done or may run
	open    int  // those that are not done
	alone   bool // the only one that is open must stay the only one
	flying  int  // in a goroutine
	local   steps
	ready   steps
	done    chan *step

	err      error // the first
	panicked any
}

// A slot is a value of a function that is being executed.
type slot struct {
	result
	there   bool
	readers int // arguments that will still read it; it is dropped after the last
	waiting []*step
}

// result is a value and the depth of the last message that it depends on, at
// this party.
type result struct {
	value any // share.Arith, share.Bool or vector
	depth int
}

// maxCalls bounds the nesting of calls; the verifier forbids recursion.
const maxCalls = 64

// call executes a function and returns its results.
func (s *Session) call(f *ir.Func, args []result) ([]result, error) {
	if s.nested++; s.nested > maxCalls {
		return nil, fmt.Errorf("@%s: calls nest deeper than %d", f.Name, maxCalls)
	}
	defer func() { s.nested-- }()
	w := &flow{Session: s, f: f, values: map[*ir.Value]*slot{}, done: make(chan *step)}
	for i, p := range f.Params {
		w.set(p, args[i])
	}
	return w.run()
}

func (w *flow) run() ([]result, error) {
	for {
		w.enter()
		switch {
		case w.err == nil && len(w.local) > 0:
			st := heap.Pop(&w.local).(*step)
			st.exec(&w.turns)
			w.finish(st)
		case w.err == nil && len(w.ready) > 0 && w.flying < maxLanes:
			st := heap.Pop(&w.ready).(*step)
			w.begin(st)
			w.flying++
			st.turn = w.turns.ask(st.rank()) // here, as goroutines start in any order
			go func() {
				st.exec(&w.turns)
				w.done <- st
			}()
		case w.flying > 0:
			st := <-w.done
			w.flying--
			w.finish(st)
		default:
			return w.results()
		}
	}
}

// results ends the flow, when nothing is left to do.
func (w *flow) results() ([]result, error) {
	if w.panicked != nil {
		panic(w.panicked)
	}
	if w.err != nil {
		return nil, w.err
	}
	ret := w.f.Body[len(w.f.Body)-1]
	if ret.Name != "return" || w.open > 0 {
		return nil, fmt.Errorf("@%s: %d ops have no arguments, and no return: internal error", w.f.Name, w.open)
	}
	out := make([]result, len(ret.Args))
	for i, a := range ret.Args {
		v := w.values[a.Value]
		if v == nil || !v.there {
			return nil, fmt.Errorf("@%s: return: %s has no value", w.f.Name, a)
		}
		out[i] = v.result
	}
	return out, nil
}

// enter takes in ops until one has to wait for those before it.
func (w *flow) enter() {
	for ; w.err == nil && !w.alone && w.entered < len(w.f.Body); w.entered++ {
		o := w.f.Body[w.entered]
		if o.Name == "return" {
			continue
		}
		cots, said := reserved(o)
		alone := o.Callee != "" || o.Dialect() == "ot" && !said
		short := o.Dialect() == "ot" && w.short(cots, said)
		if w.open > 0 && (alone || short) {
			return
		}
		if short {
			if err := w.fillPools(cots); err != nil {
				w.fail(fmt.Errorf("prefill: %w", err))
				return
			}
		}
		st, err := w.newStep(o, w.entered)
		if err != nil {
			w.fail(fmt.Errorf("%s: %w", opName(o), err))
			return
		}
		w.open++
		w.alone = alone
		for i, a := range o.Args {
			if a.Value == nil {
				continue
			}
			if v := w.slot(a.Value); !v.there {
				v.waiting = append(v.waiting, st)
				st.missing++
			} else {
				st.args[i] = v.result
				st.depth = max(st.depth, v.depth)
			}
		}
		if st.missing == 0 {
			w.release(st)
		}
	}
}

// release lets a step run that has its arguments.
func (w *flow) release(st *step) {
	if st.lane == 0 {
		heap.Push(&w.local, st)
	} else {
		heap.Push(&w.ready, st)
	}
}

// slot is the value's, made when it is first met.
func (w *flow) slot(v *ir.Value) *slot {
	if w.values[v] == nil {
		w.values[v] = &slot{readers: w.prog.readers[v]}
	}
	return w.values[v]
}

// set gives a value to those that wait for it.
func (w *flow) set(v *ir.Value, x result) {
	s := w.slot(v)
	s.result, s.there = x, true
	for _, st := range s.waiting {
		for i, a := range st.op.Args {
			if a.Value == v {
				st.args[i] = x
			}
		}
		st.depth = max(st.depth, x.depth)
		if st.missing--; st.missing == 0 {
			w.release(st)
		}
	}
	s.waiting = nil
	if s.readers == 0 {
		delete(w.values, v)
	}
}

// finish takes the results of a step, and drops what nobody reads any longer.
func (w *flow) finish(st *step) {
	w.open--
	if w.open == 0 {
		w.alone = false
	}
	if st.panicked != nil && w.panicked == nil {
		w.panicked = st.panicked
		w.fail(errors.New("internal error"))
		return
	}
	if err := w.end(st); err != nil {
		w.fail(err)
		return
	}
	for i, r := range st.op.Results {
		w.set(r, st.results[i])
	}
	for _, a := range st.op.Args {
		if v := w.values[a.Value]; a.Value != nil && v != nil {
			if v.readers--; v.readers == 0 {
				delete(w.values, a.Value)
			}
		}
	}
	if w.observe != nil {
		w.observe(st.op)
	}
}

// fail keeps the first error and ends the connection, so that no step waits for
// the peer any longer.
func (w *flow) fail(err error) {
	if w.err == nil {
		w.err = err
		w.conn.Close()
	}
}

// steps is a heap whose first step is the first in program order.
type steps []*step

func (s steps) Len() int           { return len(s) }
func (s steps) Less(i, j int) bool { return s[i].order < s[j].order }
func (s steps) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }
func (s *steps) Push(x any)        { *s = append(*s, x.(*step)) }

func (s *steps) Pop() any {
	last := len(*s) - 1
	st := (*s)[last]
	(*s)[last] = nil
	*s = (*s)[:last]
	return st
}
