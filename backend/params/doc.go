// Package params chooses RLWE parameter sets for a plan: the smallest that serves a width within the stated error.
//
// The table itself, its security limits and its noise are internal/rlweparams, which the runtime shares: a plan that names
// a set outside it is refused there too. This package must not know ops or layouts beyond what a choice needs.
//
// Read first: [MatMul], [ChooseMatMulSS].
package params
