package runtime

import (
	"fmt"

	"nimbus/ir"
	"nimbus/runtime/he"
	"nimbus/runtime/share"
)

// An op whose plan says ahead runs its protocol on masks while the session
// prepares a run, and the run itself only multiplies in the clear
// (runtime/he/ahead.go). Both parties walk the plan in program order, calls
// included, and the run enters ops in the same order: so what is prepared is a
// queue, from which each op takes the first.

// prepared is what one op has that ran ahead.
type prepared struct {
	op  *ir.Op
	got *he.Prepared
}

// isAhead tells whether an op runs ahead of its input.
func isAhead(o *ir.Op) bool { return o.Attrs.Bool("ahead") }

// prepareAhead runs what the next run finds prepared.
func (s *Session) prepareAhead() error {
	s.ahead = nil
	return s.prepareFunc(s.prog.Main, 0)
}

func (s *Session) prepareFunc(f *ir.Func, depth int) error {
	if depth > maxCalls {
		return fmt.Errorf("@%s: calls nest deeper than %d", f.Name, maxCalls)
	}
	for _, o := range f.Body {
		if g := s.prog.funcs[o.Callee]; o.Callee != "" && g != nil {
			if err := s.prepareFunc(g, depth+1); err != nil {
				return err
			}
		}
		if !isAhead(o) {
			continue
		}
		got, err := s.prepareOp(o)
		if err != nil {
			return fmt.Errorf("%s: %w", opName(o), err)
		}
		s.ahead = append(s.ahead, prepared{o, got})
	}
	return nil
}

// prepareOp runs an op's protocol on masks.
func (s *Session) prepareOp(o *ir.Op) (*he.Prepared, error) {
	rng := s.rng.Child("ahead")
	if o.Name == "he.matmul_ss" {
		spec, err := matMulSSSpec(o)
		if err != nil {
			return nil, err
		}
		return spec.Prepare(s.conn, s.he.session, rng)
	}
	spec := matMulSpec(o)
	if s.party == share.Server {
		key, err := s.he.keys.Key(spec.Set)
		if err != nil {
			return nil, err
		}
		return spec.PrepareServer(s.conn, key)
	}
	sec, pk, err := s.he.weight(o)
	if err != nil {
		return nil, err
	}
	return spec.PrepareClient(s.conn, sec, pk, rng)
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
