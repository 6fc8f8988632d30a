// Package tensor knows shapes: how many elements a shape has, where an index
// lies, and how transposing, splitting and slicing move elements.
//
// A shape is a []int of positive sizes, a tensor its elements in row-major
// order. Functions that move elements are generic: compiler and clear evaluator
// use them on float64, the runtime on ring elements and bits. They return new
// slices. A wrong shape is a bug of the caller and panics; [CheckShape] and
// [Broadcast] are for shapes that come from outside and return errors.
//
// The package must not know what an element means: no ring, no share, no IR.
//
// Read first: [NumElems], [Transpose], [Split], [Broadcast].
package tensor
