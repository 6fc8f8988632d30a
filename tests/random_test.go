package tests

import (
	"math/rand/v2"
	"testing"
)

// newRand is a generator that is the same in every run of one test.
func newRand(tb testing.TB, seed uint64) *rand.Rand {
	for _, c := range tb.Name() {
		seed = seed*1099511628211 + uint64(c)
	}
	return rand.New(rand.NewPCG(seed, 1))
}
