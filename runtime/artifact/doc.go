// Package artifact reads and writes .nwx files: the encrypted weights that a server makes once per plan and key and a
// client keeps on disk.
//
//	preamble   8 bytes magic, u32 version, u32 length of the header
//	header     plan digest, key id, public keys, section table
//	body       the sections, one after the other
//	sums       SHA-256 of each MiB of the body
//	root       SHA-256 of preamble, header and sums: it identifies the file
//
// All integers are little-endian. A [Writer] makes a file, [Open] maps one into memory after checking every byte of it. A
// file of another plan or key, or with a flipped bit, is refused. How it travels is the session's business: a file is
// immutable once written, so a broken download resumes where it stopped.
//
// The package must not know what sections mean: rows, seeds and keys are the business of runtime/he. A .nwx file holds no
// secret of either party, only ciphertexts.
//
// Read first: [Header], [File].
package artifact
