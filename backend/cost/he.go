package cost

import (
	"nimbus/internal/packing"
	"nimbus/internal/rlweparams"
)

// The formulas below follow the protocols of runtime/he and are exact in bytes and depth. HEMul counts integer multiples of
// a ciphertext as well as products of polynomials.

// saltBytes begins every section and every message of inputs.
const saltBytes = 32

// MatMulCost is that of x[m][k] times an encrypted weight [k][n] of width bits under the named set, t rows to a response,
// d the bits left out: one message.
func MatMulCost(set string, m, k, n, t, width int, d rlweparams.Drops) (Cost, error) {
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
	c := Cost{Chain: toServer, Setup: saltBytes, HEEnc: int64(l.Responses()), HEDec: int64(l.Responses())}
	classes := l.Classes()
	limbs, rows, factors := int64(s.Limbs()), int64(l.Ciphertexts()), l.Groups()
	if classes == 1 {
		factors = m
	}
	c.HEMul = int64(factors) * rows * int64(l.Blocks()) * limbs
	var client, server, setup Counts
	for b := range l.Blocks() {
		stored := int64(l.Stored(b).Len)
		c.Setup += rows * int64(s.StoredPolyBytes(l.Stored(b).Len, s.Limbs(), d.Stored))
		client[Unpack] += limbs * rows * stored
		client[Expand] += limbs * rows * int64(s.N())
		setup[Encrypt] += limbs * rows * (stored + int64(s.N()))
		for g := range l.Groups() {
			sent := l.GroupRows(g).Len * l.Block(b).Len
			c.C2S += int64(s.ResponseBytes(sent, d.C0, d.C1))
			client[Finish] += int64(s.N() + sent)
			server[Open] += int64(s.N() + sent)
		}
	}
	products, levels := l.Work(classes)
	client[MAC] += limbs * products
	client[ntt(s)] += limbs * levels / int64(s.LogN)
	c.Work = inTurn(client, server, c.C2S)
	c.Work.Server[Product] = int64(m) * int64(k) * int64(n) // while the client works
	c.Work.Ahead[Zero] = zeros(s, l.Responses(), width)
	c.Work.Setup = setup
	return c, nil
}

// zeros is the work of count encryptions of zero for responses of so many bits.
func zeros(s rlweparams.Set, count, width int) int64 {
	limbs := s.Resp
	if s.ZeroFirst(width) {
		limbs = s.Limbs()
	}
	return int64(count) * int64(limbs) * int64(s.N())
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
	c := Cost{Chain: toServer, C2S: n * int64(s.ResponseBytes(cols, d.C0, d.C1)), HEEnc: n, HEDec: n}
	limbs := int64(s.Resp)
	var client, server, setup Counts
	client[Finish], server[Open] = n*int64(s.N()+cols), n*int64(s.N()+cols)
	for _, count := range []int{rows, types} {
		if count == 0 {
			continue
		}
		r := packing.Rows{N: s.N(), Count: count, Cols: cols}
		if err := r.Check(); err != nil {
			return Cost{}, err
		}
		c.Setup += saltBytes + int64(r.Polys())*int64(s.StoredPolyBytes(r.Stored(), s.Resp, d.Stored))
		client[Unpack] += n * limbs * int64(r.Stored())
		client[Expand] += n * limbs * int64(s.N())
		setup[Encrypt] += limbs * int64(r.Polys()) * int64(r.Stored()+s.N())
	}
	c.Work = inTurn(client, server, c.C2S)
	c.Work.Setup = setup
	c.Work.Ahead[Zero] = n * limbs * int64(s.N())
	return c, nil
}

// MatMulSSCost is that of batch products of two shared matrices of width bits: both parties send inputs, then responses.
func MatMulSSCost(set string, batch, width int, p packing.Product, choice packing.Choice) (Cost, error) {
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
	cost := Cost{
		C2S: n * (in + out), S2C: n * (in + out), Chain: crossing.Then(crossing),
		HEEnc: 2 * n * int64(t.Inputs(p)+t.Outputs(p)),
		HEMul: 2 * n * int64(r) * int64(k) * int64(c) * int64(s.Limbs()),
		HEDec: 2 * n * int64(t.Outputs(p)),
	}
	plain := r * k
	if t.EncryptA {
		plain = k * c
	}
	inputs, outputs := int64(t.Inputs(p)), int64(t.Outputs(p))
	// Two transforms of an input, two of an output; a product takes a seventh.
	transforms := 2*inputs + int64(plain) + 2*outputs + int64(2*r*k*c)/7
	poly := n * int64(s.N()) * int64(s.Limbs())
	each := Counts{
		Encrypt: 2 * poly * inputs, Unpack: poly * inputs, Expand: poly * inputs,
		Finish:  n * (outputs*int64(s.N()) + int64(p.Rows*p.Cols)),
		Open:    n * (outputs*int64(s.N()) + int64(p.Rows*p.Cols)),
		Product: n * int64(p.Rows) * int64(p.Inner) * int64(p.Cols),
	}
	each[ntt(s)] = poly * transforms
	cost.Work = atOnce(each, n*(in+out))
	cost.Work.Ahead[Zero] = zeros(s, batch*t.Outputs(p), width)
	return cost, nil
}

// ntt is the step that transforms residues of a set.
func ntt(s rlweparams.Set) Step {
	for _, q := range s.Q {
		if q >= 1<<52 {
			return WideNTT
		}
	}
	return NTT
}

// SessionKeysCost is that of swapping public keys of the named sets at the start of a session.
func SessionKeysCost(sets ...string) (Cost, error) {
	c := Cost{Chain: crossing}
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
