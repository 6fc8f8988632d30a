// Package passes holds the compiler's rewrites of the IR, one file each, the
// table that orders them, and the loop that runs them.
//
// The package is exported for users: a pass of one's own is a Pass value, put
// into a pipeline made from Default and run with Run (examples in
// docs/adding.md). Passes take a module at the nn stage (real numbers) to a
// module at the fx stage (ring elements, every width and truncation explicit):
//
//	slice-early   what one row's answer does not read goes
//	fold-gain     LayerNorm's gain moves into the layer after it
//	expand        softmax and layernorm become their steps
//	fuse-qkv      linear layers that read one value become one
//	fold-scale    constant factors move into weights
//	gain-first    LayerNorm's gain multiplies before its row's factor
//	cse, dce      common and dead ops go
//	calibrate     ranges and densities come from text
//	approximate   scalar functions become fitted piecewise quadratics
//	widths        each role gets its fraction bits, under an error budget
//	bound         ranges are proved from the weights
//	clamp         layernorm's input is clamped where its proof is dear
//	quantize      every value gets its ring width and fraction bits
//	insert-trunc  conversions become the cheapest step that is correct
//	interleave    a sequence's rows go in parts, that steps may overlap
//	tidy          names get short
//
// On demand hide-coefficients makes the numbers of fitted functions weights of the
// server's, and forget-ranges removes what else tells of them.
//
// The package must not know protocols, their messages or their parties: that is
// backend's. Weights reach it through the calibration record and
// the source that the caller hands in.
//
// Read Pass, Options and Default first. The approximations and the widths
// follow Nimbus (NeurIPS 2024), sections 4.2 and 4.3, with the departures that
// docs/rationale.md explains.
package passes
