// Package weights makes the tensors that a module's weight declarations
// describe, from the owner's files: it applies recipes and encodes.
//
// A recipe is the attributes of a declaration:
//
//	from = ["a", "b"]   names of file tensors; absent: the weight's own name
//	transpose           each of them, two-dimensional, is transposed
//	diagonal = [1]      a vector that stands for a diagonal matrix
//	mul = [0.125, 1.0]  and multiplied by its factor
//	axis = 1            then all are joined along this axis (default 0)
//	shift = "d"         to tensor i, a bias, is added d·W, W being the file tensor
//	through = ["w"]     through[i], which through_transposed transposes, times its factor
//	gain = "g"          of the joined tensor, row i is multiplied by element i of this one
//	rows = [0, 128]     and of the result only these rows are kept
//
// The numbers never enter the IR, and never an error message: errors name
// tensors, shapes and widths. The package knows no file format; whoever does
// implements [Source].
package weights
