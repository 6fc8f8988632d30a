// Package frontend reads a .model description of a Transformer and builds the
// nn-level module it describes.
//
// A description declares parameters, inputs and blocks, and computes with the
// ops of the nn table; weights are named as in the checkpoint they come from,
// and only named: the numbers stay with their owner. Repetition is unrolled and
// blocks are inlined, so that the result is one straight function, main, of
// static shapes. docs: the grammar is in syntax.go, an example in
// models/bert/bert.model.
//
// The package must not know checkpoints, passes or protocols, nor any model
// family: what BERT is stands in its description. A mistake in a description is
// an Errors value with file, line and column.
//
// Read first: Compile, Set, Errors.
package frontend
