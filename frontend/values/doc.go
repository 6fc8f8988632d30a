// Package values reads what goes into a program that is no language model:
// numbers and bits from JSON, NumPy files or plain text, given by the name of a
// parameter or of a weight.
//
// A file becomes a [List] per name, which knows nothing of types; [Bind] makes
// a module's inputs of lists, in fixed point where the parameter is, and checks
// count, shape, and the range and norm that the parameter declares: whoever wrote
// the file learns of what is wrong before anything runs. [Tensors] and [Weights] do the same for weights.
//
// The package must not know passes, protocols or the network. Its errors name
// the element that is wrong and never its value, which may be a secret.
//
// Read first: [Parse], [Bind].
package values
