package cost

import (
	"nimbus/internal/packing"
	"nimbus/internal/rlweparams"
)

// The formulas below follow the protocols of runtime/he and are exact in bytes and depth. HEMul counts integer multiples of
// a stored row as well as products of polynomials.

// saltBytes begins every section and every message of inputs.
const saltBytes = 32

// MatMulCost is that of x[m][k] times an encrypted weight [k][n] under the named set, t rows to a response, d the bits
// left out: one message.
func MatMulCost(set string, m, k, n, t int, d rlweparams.Drops) (Cost, error) {
	s, err := rlweparams.Lookup(set)
	if err != nil {
		return Cost{}, err
	}
	l := packing.Linear{N: s.N(), M: m, K: k, Cols: n, T: t}
	if err := l.Check(); err != nil {
		return Cost{}, err
	}
	if err := s.CheckStored(s.Limbs(), d.Stored); err != nil {
		return Cost{}, err
	}
	c := Cost{Depth: 1, Setup: saltBytes, HEEnc: int64(l.Responses()), HEDec: int64(l.Responses())}
	c.HEMul = int64(m) * int64(k) * int64(l.Blocks()) * int64(s.Limbs())
	for b := range l.Blocks() {
		c.Setup += int64(k) * int64(s.StoredPolyBytes(l.Stored(b).Len, s.Limbs(), d.Stored))
		for g := range l.Groups() {
			c.C2S += int64(s.ResponseBytes(l.GroupRows(g).Len*l.Block(b).Len, d.C0, d.C1))
		}
	}
	return c, nil
}

// SelectCost is that of picking tokens rows of an encrypted table [rows][cols], and one of types rows to add to each (0:
// none): one message.
func SelectCost(set string, tokens, rows, types, cols int, d rlweparams.Drops) (Cost, error) {
	s, err := rlweparams.Lookup(set)
	if err != nil {
		return Cost{}, err
	}
	if err := s.CheckStored(s.Resp, d.Stored); err != nil {
		return Cost{}, err
	}
	n := int64(tokens)
	c := Cost{Depth: 1, C2S: n * int64(s.ResponseBytes(cols, d.C0, d.C1)), HEEnc: n, HEDec: n}
	for _, count := range []int{rows, types} {
		if count == 0 {
			continue
		}
		r := packing.Rows{N: s.N(), Count: count, Cols: cols}
		if err := r.Check(); err != nil {
			return Cost{}, err
		}
		c.Setup += saltBytes + int64(r.Polys())*int64(s.StoredPolyBytes(r.Stored(), s.Resp, d.Stored))
	}
	return c, nil
}

// MatMulSSCost is that of batch products of two shared matrices: both parties send inputs, then responses.
func MatMulSSCost(set string, batch int, p packing.Product, choice packing.Choice) (Cost, error) {
	s, err := rlweparams.Lookup(set)
	if err != nil {
		return Cost{}, err
	}
	t := choice.Tile
	if err := t.Check(s.N(), p); err != nil {
		return Cost{}, err
	}
	in, out := packing.ProductBytes(s, p, choice)
	r, k, c := t.Grid(p)
	n := int64(batch)
	return Cost{
		C2S: n * (in + out), S2C: n * (in + out), Depth: 2,
		HEEnc: 2 * n * int64(t.Inputs(p)+t.Outputs(p)),
		HEMul: 2 * n * int64(r) * int64(k) * int64(c) * int64(s.Limbs()),
		HEDec: 2 * n * int64(t.Outputs(p)),
	}, nil
}

// SessionKeysCost is that of swapping public keys of the named sets at the start of a session.
func SessionKeysCost(sets ...string) (Cost, error) {
	c := Cost{Depth: 1}
	for _, name := range sets {
		s, err := rlweparams.Lookup(name)
		if err != nil {
			return Cost{}, err
		}
		n := int64(1 + len(name) + s.PublicKeyBytes())
		c.C2S += n
		c.S2C += n
	}
	return c, nil
}
