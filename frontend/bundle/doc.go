// Package bundle finds a model by the name a person gives it and holds its
// three parts together: the module, the weights, the tokenizer.
//
// A name is, in this order: a folder as Hugging Face lays it out; a .model
// description; an embedded model such as "nimbus-sst2-tiny"; an embedded
// description such as "bert" or "bert/tiny". Where there are no weights they
// are synthetic, which Synthetic says.
//
// The package must not know passes or protocols.
//
// Read first: Open, Bundle.
package bundle
