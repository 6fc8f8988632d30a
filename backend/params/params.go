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
		return width <= s.MaxSelect && s.SelectNoise(2, width, 0, 0).Bound(outputs) < 1
	})
}

// MatMulSS chooses the set of a product of two shared matrices over Z_2^width of which the next step drops drop bits, for
// products of 512 error terms; [ChooseMatMulSS] decides better once shapes are known.
func MatMulSS(width, drop int) (rlweparams.Set, error) {
	return first(width, "a product of shared matrices", func(s rlweparams.Set) bool {
		return width <= s.MaxMatMulSS && s.MatMulSSNoise(512, width, 0, 0).Bound(outputs) <= hidden(drop)
	})
}

// hidden is the error that dropping drop bits hides, as packing.BestTile counts it.
func hidden(drop int) float64 {
	if drop == 0 {
		return 2
	}
	return float64(uint64(1)<<min(drop, 60)) / 8
}

func first(width int, what string, ok func(rlweparams.Set) bool) (rlweparams.Set, error) {
	for _, s := range rlweparams.All() {
		if width >= 1 && ok(s) {
			return s, rlweparams.CheckSecurity(s)
		}
	}
	return rlweparams.Set{}, fmt.Errorf("params: no parameter set serves %s over a ring of %d bits", what, width)
}

// ChooseMatMulSS chooses set, tile and response compression for batch products over Z_2^width of which the next step
// drops drop bits, by bytes and transforms.
func ChooseMatMulSS(p packing.Product, batch, width, drop int) (rlweparams.Set, packing.Choice, error) {
	var best rlweparams.Set
	var choice packing.Choice
	var least float64
	var errs []error
	for _, s := range rlweparams.All() {
		c, cost, err := packing.BestTile(s, p, batch, width, drop)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if best.Name == "" || cost < least {
			best, choice, least = s, c, cost
		}
	}
	if best.Name == "" {
		return best, choice, fmt.Errorf("params: no parameter set serves %d×%d×%d over a ring of %d bits: %w", p.Rows, p.Inner, p.Cols, width, errors.Join(errs...))
	}
	return best, choice, rlweparams.CheckSecurity(best)
}

// MatMulDrops chooses the response compression of a linear layer with t rows in a response.
func MatMulDrops(set rlweparams.Set, m, k, n, t, width, drop int) (dropC0, dropC1 int) {
	return set.Drops(func(a, b int) rlweparams.Noise { return set.MatMulNoise(k, t, width, a, b) }, min(t*n, set.N()), m*n, drop)
}

// SelectDrops chooses the response compression of a selection of tokens rows that adds terms rows each.
func SelectDrops(set rlweparams.Set, tokens, cols, terms, width, drop int) (dropC0, dropC1 int) {
	return set.Drops(func(a, b int) rlweparams.Noise { return set.SelectNoise(terms, width, a, b) }, cols, tokens*cols, drop)
}
