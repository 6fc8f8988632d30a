//go:build amd64 && !purego

package kernel

// What the assembly has; its generator takes names and arguments from here.

func cpuid(leaf, sub uint32) (a, b, c, d uint32)

func xgetbv() uint32

// mulAdd8x8 adds to an 8×8 tile of dst, stride bytes from row to row, k columns of x times k rows of c modulo q; x is in
// Montgomery form of 2^104, q below 2^52, inv its inverse modulo 2^52.
//
//go:noescape
func mulAdd8x8(dst *uint64, stride int, x, c *uint64, k int, q, inv uint64)

// sums4x4 sets sums[i][0][j] and sums[i][1][j] to what the product of row i of x and column j of c is made of, see
// tileFMA.
//
//go:noescape
func sums4x4(sums *[4][2][4]uint64, x, c *uint64, k int)

// product52 is AddProduct up to 52 bits, stride in bytes.
//
//go:noescape
func product52(dst *uint64, stride int, a, b *uint64, k int)

// product64 is product52 up to 64 bits.
//
//go:noescape
func product64(dst *uint64, stride int, a, b *uint64, k int)

// product4x4 is product64 for a quarter of the numbers: the first four of each row and column.
//
//go:noescape
func product4x4(dst *uint64, stride int, a, b *uint64, k int)

// panelStored is SetStored for groups groups, whose high parts have step bytes each; it returns the largest upper half.
//
//go:noescape
func panelStored(dst *uint64, stride int, lo, high *byte, groups, step int, f *storedConstants) uint64

// panelStream is SetStream for batches batches of 64 words from counter from on, stride bytes from eight to the next
// eight; not 0 where a word is not below q.
//
//go:noescape
func panelStream(dst *uint64, stride int, s *[15]Block, from uint64, batches int, mask, q uint64) uint64

// doubleTile8x16 adds to a tile of dst the product of eight rows of a and a panel of depth rows; strides are in bytes.
//
//go:noescape
func doubleTile8x16(dst *float64, stride int, a *float64, strideA int, panel *float64, depth int)

// doubleTile4x8 is doubleTile8x16 for four rows and a panel of eight columns.
//
//go:noescape
func doubleTile4x8(dst *float64, stride int, a *float64, strideA int, panel *float64, depth int)

// toDoubles is Doubles for n elements, a multiple of eight.
//
//go:noescape
func toDoubles(dst *float64, x *uint64, n int, shift uint64) float64

// fromDoubles is FromDoubles for n elements, a multiple of eight.
//
//go:noescape
func fromDoubles(dst *uint64, x *float64, n int, mask uint64)

// nttLevel does one level of butterflies: groups groups of 2·half vectors of eight.
//
//go:noescape
func nttLevel(a, w *uint64, groups, half int, q uint64)

//go:noescape
func inttLevel(a, w *uint64, groups, half int, q uint64)

// nttLast does the levels of distance 4, 2 and 1 of blocks blocks of 64 and leaves each transposed; inttFirst undoes it.
//
//go:noescape
func nttLast(a, w *uint64, blocks int, q uint64)

//go:noescape
func inttFirst(a, w *uint64, blocks int, q uint64)

// nttScale multiplies n vectors by a constant.
//
//go:noescape
func nttScale(a *uint64, n int, q, w, wq uint64)

//go:noescape
func nttMul(dst, a, b *uint64, n int, q, inv uint64)

//go:noescape
func nttMulAdd(dst, a, b *uint64, n int, q, inv uint64)

// The transform in doubles: q and its inverse, vectors of four.

//go:noescape
func nttLevelDoubles(a, w *uint64, groups, half int, q, inv float64)

//go:noescape
func inttLevelDoubles(a, w *uint64, groups, half int, q, inv float64)

//go:noescape
func nttLastDoubles(a, w *uint64, blocks int, q, inv float64)

//go:noescape
func inttFirstDoubles(a, w *uint64, blocks int, q, inv float64)

// nttLoadDoubles turns n vectors of numbers below 2^52 into doubles.
//
//go:noescape
func nttLoadDoubles(a *uint64, n int)

// nttStoreDoubles turns n vectors, multiplied by a constant, into numbers in [0, q).
//
//go:noescape
func nttStoreDoubles(a *uint64, n int, q, inv, scale float64)

//go:noescape
func nttMulDoubles(dst, a, b *uint64, n int, q, inv float64)

//go:noescape
func nttMulAddDoubles(dst, a, b *uint64, n int, q, inv float64)

// expandKey sets s to the round keys of key.
//
//go:noescape
func expandKey(s *schedule, key *Block)

// expandKey256 sets s to the round keys of a key of AES-256.
//
//go:noescape
func expandKey256(s *[15]Block, key *[32]byte)

// encryptBlock encrypts b in place.
//
//go:noescape
func encryptBlock(b *Block, s *schedule)

// hash8 hashes n times 8 blocks, n > 0; lane i of batch j has the tweak offset[i][0] + tweak + j·step.
//
//go:noescape
func hash8(dst, src *Block, n int, s *schedule, offset *[16]Block, tweak, step uint64)

// hash16 is hash8 for batches of 16, with 512-bit AES instructions.
//
//go:noescape
func hash16(dst, src *Block, n int, s *schedule, offset *[16]Block, tweak, step uint64)

// foldWide is fold512 with 512-bit AES instructions.
//
//go:noescape
func foldWide(u, rows *byte, stride int, keys *schedule, first, n, top int, counters *[FoldChunk / BlockBytes]Block)

// foldNarrow is fold512 with 128-bit AES instructions.
//
//go:noescape
func foldNarrow(u, rows *byte, stride int, keys *schedule, first, n, top int, counters *[FoldChunk / BlockBytes]Block)

// streamWide sets chunks times 512 bytes of dst to the key stream from counter block {0, from} on, from being big-endian
// there, with 512-bit AES instructions.
//
//go:noescape
func streamWide(dst *byte, chunks int, s *schedule, from uint64)

// streamNarrow is streamWide with 128-bit AES instructions.
//
//go:noescape
func streamNarrow(dst *byte, chunks int, s *schedule, from uint64)

// growWide is GrowLevel for n nodes, a multiple of four; keep are the bits of children that stay. The sums are those of
// four blocks each.
//
//go:noescape
func growWide(nodes, hashes *Block, n, path int, keep *Block, sums *[2][4]Block)

// growNarrow is growWide with 256-bit instructions.
//
//go:noescape
func growNarrow(nodes, hashes *Block, n, path int, keep *Block, sums *[2][4]Block)

// patchWide is PatchPair for n times two pairs.
//
//go:noescape
func patchWide(nodes *Block, n, pair int, values *[2]Block)

// patchNarrow is PatchPair for n pairs.
//
//go:noescape
func patchNarrow(nodes *Block, n, pair int, values *[2]Block)

// gather10 adds to n > 0 blocks of dst the ten elements of secret that each 32 bytes of rows name; mask is the size of
// secret in bytes, less BlockBytes.
//
//go:noescape
func gather10(dst *Block, n int, secret *Block, mask uint32, rows *byte)

// indexKeysWide is IndexKeys for n > 0 blocks and four times quads multiples.
//
//go:noescape
func indexKeysWide(dst, base *Block, digits *uint8, n int, multiples *Block, quads int)

// pairKeysWide is IndexKeys for n > 0 times two blocks and two multiples.
//
//go:noescape
func pairKeysWide(dst, base *Block, digits *uint8, n int, multiples *Block)

// packLowWide is PackLow for n > 0 words of four times quads blocks.
//
//go:noescape
func packLowWide(dst *uint64, n int, blocks *Block, quads int, mask, width uint64)

// transposeTiles transposes tiles times 128 rows of 64 columns, tiles > 0.
//
//go:noescape
func transposeTiles(dst *Block, src *byte, stride, tiles int)

// transposeWide is transposeTiles for tiles of 256 columns.
//
//go:noescape
func transposeWide(dst *Block, src *byte, stride, tiles int, scratch *[128][4]uint64)
