// Package packing says where each tensor element sits in RLWE polynomials: index arithmetic and counting, nothing else.
//
// It knows no key and no message; of a parameter set, only what [Choices] and [Weigh] need to weigh bytes and noise. [Linear] is the layout of a shared matrix times an encrypted weight,
// [Rows] that of a table of which rows are picked, [Tile] and [Product] those of a product of two encrypted-and-plain
// tiles. All polynomials live modulo X^N + 1: going past either end changes the sign.
//
// Reference: the Nimbus paper (NeurIPS 2024, arXiv 2411.15707), section 3.2 for the row-wise layout; Cheetah (USENIX
// Security 2022) for the coefficient layout of products.
package packing
