// Package hf reads a Hugging Face model folder: config.json to a description,
// safetensors to weights by name.
//
// Open checks both and gives a Model, whose Module goes through the .model
// description of its family, so that there is one definition of BERT, and which
// is the weights.Source of that module. A folder may be any fs.FS. Everything
// in it is untrusted: lengths are checked before memory is taken, and what is
// not understood is an error that names what is.
//
// The package must not know passes, protocols or the tokenizer.
//
// Read first: Model, Config, Weights.
//
// Formats: the safetensors README (header rules), Hugging Face's BertConfig.
package hf
