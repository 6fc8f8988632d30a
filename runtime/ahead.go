package runtime

import (
	"fmt"
	"io"

	"nimbus/internal/prg"
	"nimbus/ir"
	"nimbus/runtime/he"
	"nimbus/runtime/share"
	"nimbus/runtime/transport"
)

// An op whose plan says ahead runs its protocol on masks while the session
// prepares a run, and the run itself only multiplies in the clear
// (runtime/he/ahead.go). The list of these ops is in program order, calls
// included, and the run enters ops in the same order: so what is prepared is a
// queue, from which each op takes the first. It may wait on a disk between, for
// a later session (kept.go).

// prepared is what one op has that ran ahead.
type prepared struct {
	op  *ir.Op
	got *he.Prepared
}

// isAhead tells whether an op runs ahead of its input.
func isAhead(o *ir.Op) bool { return o.Attrs.Bool("ahead") }

// eachOp visits the ops of a run of f in program order, those of calls included.
func (p *Program) eachOp(f *ir.Func, depth int, visit func(*ir.Op)) error {
	if depth > maxCalls {
		return fmt.Errorf("@%s: calls nest deeper than %d", f.Name, maxCalls)
	}
	for _, o := range f.Body {
		if g := p.funcs[o.Callee]; o.Callee != "" && g != nil {
			if err := p.eachOp(g, depth+1, visit); err != nil {
				return err
			}
			continue
		}
		visit(o)
	}
	return nil
}

// A product is what all products that run ahead have in common.
type product struct {
	bytes int64 // that it takes on the disk
	read  func(io.Reader) (*he.Prepared, error)
	// prepare runs the protocol on masks.
	prepare func(conn transport.Conn, rng *prg.PRG) (*he.Prepared, error)
}

// productOf is the product of an op that runs ahead, at this party.
func (s *Session) productOf(o *ir.Op) (product, error) {
	if o.Name == "he.matmul_ss" {
		spec, err := matMulSSSpec(o)
		return product{spec.KeptBytes(), spec.ReadPrepared, func(conn transport.Conn, rng *prg.PRG) (*he.Prepared, error) {
			return spec.Prepare(conn, s.he.session, rng)
		}}, err
	}
	spec := matMulSpec(o)
	return product{spec.KeptBytes(), spec.ReadPrepared, func(conn transport.Conn, rng *prg.PRG) (*he.Prepared, error) {
		if s.party == share.Server {
			key, err := s.he.keys.Key(spec.Set)
			if err != nil {
				return nil, err
			}
			return spec.PrepareServer(conn, key)
		}
		sec, pk, err := s.he.weight(o)
		if err != nil {
			return nil, err
		}
		return spec.PrepareClient(conn, sec, pk, rng)
	}}, nil
}

// prepareAhead runs what the next run finds prepared: side by side, in lanes, as
// a flow runs ops that do not depend on each other.
func (s *Session) prepareAhead() error {
	s.ahead = make([]prepared, len(s.prog.ahead))
	var (
		asked = s.conn.Stats().Arrived
		slots = make(chan struct{}, maxLanes)
		errs  = make(chan error, len(s.ahead)) // one of each op
	)
	begun := 0
	for i, o := range s.prog.ahead {
		slots <- struct{}{}
		p, err := s.productOf(o)
		if s.lanes++; s.lanes == 0 {
			err = errLanes
		}
		if err != nil {
			errs <- err
			s.conn.Close()
			begun++
			break
		}
		s.ahead[i].op = o
		lane, rng := s.conn.Lane(s.lanes, asked), s.rng.Child("ahead")
		st := &step{op: o, conn: turnConn{lane, &s.turns, rank(s.lanes)}, lane: s.lanes, turn: s.turns.ask(rank(s.lanes))}
		st.run = func() (err error) {
			s.ahead[i].got, err = p.prepare(st.conn, rng)
			return err
		}
		begun++
		go func() {
			st.exec(&s.turns)
			if st.panicked != nil {
				st.err = fmt.Errorf("internal error: %v", st.panicked)
			}
			if st.err == nil {
				st.err = lane.Close()
			}
			if st.err != nil {
				s.conn.Close() // so that none waits any longer
				st.err = fmt.Errorf("%s: %w", opName(o), st.err)
			}
			errs <- st.err
			<-slots
		}()
	}
	var first error
	for range begun {
		if err := <-errs; err != nil && first == nil {
			first = fmt.Errorf("ahead: %w", err)
		}
	}
	return first
}

// takeAhead hands an op what was prepared for it, nil to one that runs at once.
// It is called in program order.
func (s *Session) takeAhead(o *ir.Op) (*he.Prepared, error) {
	if !isAhead(o) {
		return nil, nil
	}
	if len(s.ahead) == 0 || s.ahead[0].op != o {
		return nil, fmt.Errorf("nothing is prepared for it: internal error")
	}
	first := s.ahead[0].got
	s.ahead[0] = prepared{}
	s.ahead = s.ahead[1:]
	return first, nil
}
