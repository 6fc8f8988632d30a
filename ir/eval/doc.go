// Package eval computes a module in the clear, obviously: it is the reference
// for what every op means.
//
// At the nn stage it computes with float64. At the fx stage it is exact: every
// rounding is internal/fixed's. A plan is computed like its fx twins, so the
// three stages of one model can be compared value by value.
//
//	p, err := eval.New(m, source, eval.Options{})
//	out, err := p.Run("main", map[string]eval.Value{"ids": eval.Ints(ids), "mask": eval.Ints(mask)})
//	logits := out[0].Reals()
//
// A [Program] loads the weights once and serves any number of Runs, also at
// once. [Options] watch the values (calibration), count values outside what an
// op assumes, and add the random errors that the protocols make, so that the
// tolerance of a plan can be measured.
//
// Read first: [Program], [Value], [Options]. The package knows no shares,
// parties or messages.
package eval
