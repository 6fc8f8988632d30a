package runtime

import (
	"fmt"

	"nimbus/ir"
	"nimbus/runtime/he"
)

// maxZeroMemory bounds the encryptions of zero that a session makes ahead; a
// run makes by itself what is missing.
const maxZeroMemory = 64 << 20

// prepare makes encryptions of zero for one run.
func (h *heState) prepare(s *Session) error {
	rng := s.rng.Child("he zeros")
	if h.public != nil {
		if err := h.public.Prepare(s.prog.zeros, rng.Child("weights")); err != nil {
			return err
		}
	}
	if h.session != nil {
		return h.session.Prepare(s.prog.sessionZeros, rng.Child("session"))
	}
	return nil
}

// countZeros counts the encryptions of zero of one run of main.
func (p *Program) countZeros() error {
	c := zeroCounter{p, map[*ir.Func]zeroCount{}}
	n, err := c.of(p.Main, 0)
	if err != nil {
		return err
	}
	if p.zeros, err = n.weights.Within(maxZeroMemory / 2); err != nil {
		return err
	}
	p.sessionZeros, err = n.session.Within(maxZeroMemory / 2)
	return err
}

type zeroCount struct{ weights, session he.ZeroNeeds }

// zeroCounter counts each function once, however often it is called.
type zeroCounter struct {
	p    *Program
	done map[*ir.Func]zeroCount
}

func (c zeroCounter) of(f *ir.Func, depth int) (zeroCount, error) {
	if n, ok := c.done[f]; ok {
		return n, nil
	}
	n := zeroCount{he.ZeroNeeds{}, he.ZeroNeeds{}}
	if depth > maxCalls {
		return n, fmt.Errorf("@%s: calls nest deeper than %d", f.Name, maxCalls)
	}
	for _, o := range f.Body {
		var err error
		switch {
		case isAhead(o): // makes its own as it goes
		case o.Callee != "":
			var callee zeroCount
			if g := c.p.funcs[o.Callee]; g != nil {
				callee, err = c.of(g, depth+1)
			}
			n.weights.Add(callee.weights)
			n.session.Add(callee.session)
		case o.Name == "he.matmul":
			err = matMulSpec(o).AddZeros(n.weights)
		case o.Name == "he.select":
			spec, _, _ := selectSpec(o)
			err = spec.AddZeros(n.weights)
		case o.Name == "he.matmul_ss":
			var spec he.MatMulSS
			if spec, err = matMulSSSpec(o); err == nil {
				err = spec.AddZeros(n.session)
			}
		}
		if err != nil {
			return n, fmt.Errorf("%s: %s: %w", o.Pos, opName(o), err)
		}
	}
	c.done[f] = n
	return n, nil
}
