// Package models holds model descriptions and small models as data, embedded
// into the programs: one folder per family with its .model descriptions, and
// one folder per model as Hugging Face lays it out. A new folder is embedded
// without a change here.
//
// The package has no logic and must not know what is in the folders.
//
// Read first: Open, Names, bert/bert.model.
package models
