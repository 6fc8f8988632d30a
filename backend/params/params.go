package params

import (
	"errors"
	"fmt"

	"nimbus/internal/packing"
	"nimbus/internal/rlweparams"
)

// outputs is the number of results that a set must serve with failure below 2^-40 where the caller names no number.
const outputs = 1 << 20

// Lookup returns a set by name if it is in the table and within its security limits.
func Lookup(name string) (rlweparams.Set, error) {
	set, err := rlweparams.Lookup(name)
	if err != nil {
		return set, err
	}
	return set, rlweparams.CheckSecurity(set)
}

// MatMul chooses the set of a linear layer over Z_2^width: n4096 up to 44 bits, n8192 up to 64.
func MatMul(width int) (rlweparams.Set, error) {
	return first(width, "a linear layer", func(s rlweparams.Set) bool { return width <= s.MaxMatMul })
}

// Select chooses the set of an encrypted table over Z_2^width: the smallest whose error is at most one ulp.
func Select(width int) (rlweparams.Set, error) {
	return first(width, "an encrypted table", func(s rlweparams.Set) bool {
		return width <= s.MaxSelect && s.SelectNoise(2, width, rlweparams.Drops{}).Bound(outputs) < 1
	})
}

func first(width int, what string, ok func(rlweparams.Set) bool) (rlweparams.Set, error) {
	for _, s := range rlweparams.All() {
		if width >= 1 && ok(s) {
			return s, rlweparams.CheckSecurity(s)
		}
	}
	return rlweparams.Set{}, fmt.Errorf("params: no parameter set serves %s over a ring of %d bits", what, width)
}

// SSChoice is a way to run products of shared matrices. Weight is by bytes and transforms, as packing.Weigh counts them.
type SSChoice struct {
	Set    rlweparams.Set
	Choice packing.Choice
	Weight float64
}

// MatMulSSChoices lists the sets and tiles, each with its response compression, that serve batch products over Z_2^width
// of which the next step drops drop bits.
func MatMulSSChoices(p packing.Product, batch, width, drop int) ([]SSChoice, error) {
	var all []SSChoice
	var errs []error
	for _, s := range rlweparams.All() {
		if err := rlweparams.CheckSecurity(s); err != nil {
			return nil, err
		}
		choices, err := packing.Choices(s, p, batch, width, drop)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, c := range choices {
			all = append(all, SSChoice{s, c, float64(batch) * packing.Weigh(s, p, c)})
		}
	}
	if all == nil {
		return nil, fmt.Errorf("params: no parameter set serves %d×%d×%d over a ring of %d bits: %w", p.Rows, p.Inner, p.Cols, width, errors.Join(errs...))
	}
	return all, nil
}

// MatMulDrops chooses the compression of a linear layer with t rows in a response, of the weight that is stored once and
// of the responses that each of reuse runs sends, where the next step drops drop bits.
func MatMulDrops(set rlweparams.Set, m, k, n, t, width, drop int, reuse float64) rlweparams.Drops {
	l := packing.Linear{N: set.N(), M: m, K: k, Cols: n, T: t}
	stored := 0
	for b := range l.Blocks() {
		stored += l.Ciphertexts() * l.Stored(b).Len
	}
	return set.StoredDrops(func(d rlweparams.Drops) rlweparams.Noise { return set.MatMulNoise(k, t, width, d) }, rlweparams.DropSizes{
		Limbs: set.Limbs(), Stored: float64(stored) / reuse,
		Responses: l.Responses(), Sent: min(t*n, set.N()), Outputs: m * n,
	}, drop)
}

// SelectDrops chooses the compression of a selection of tokens rows of a table of rows rows, each with one of types rows
// added unless that is 0. See [MatMulDrops].
func SelectDrops(set rlweparams.Set, tokens, rows, types, cols, width, drop int, reuse float64) rlweparams.Drops {
	terms, stored := 0, 0
	for _, count := range []int{rows, types} {
		if count > 0 {
			r := packing.Rows{N: set.N(), Count: count, Cols: cols}
			stored += r.Polys() * r.Stored()
			terms++
		}
	}
	return set.StoredDrops(func(d rlweparams.Drops) rlweparams.Noise { return set.SelectNoise(terms, width, d) }, rlweparams.DropSizes{
		Limbs: set.Resp, Stored: float64(stored) / reuse,
		Responses: tokens, Sent: cols, Outputs: tokens * cols,
	}, drop)
}
