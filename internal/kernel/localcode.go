package kernel

import (
	"crypto/cipher"
	"encoding/binary"
	"fmt"
)

// A LocalCode is an endless public matrix over F_2 with ten random ones in each row, which
// may coincide and then cancel: the local linear code of Ferret (Yang, Weng, Lan, Zhang and
// Wang, CCS 2020). It hands out each row once. Not safe for concurrent use.
//
// A row takes 32 bytes of AES-CTR; one j is at bits 4.. of its bytes 3j..3j+3. The key
// changes every [codeChunk] rows: it is AES of the chunk's number under the code's key.
type LocalCode struct {
	keys  cipher.Block
	chunk uint64 // number of the next chunk
	rows  [codeChunk * rowBytes]byte
	left  int // rows not yet used, at the end of rows
}

const (
	codeWeight = 10
	codeChunk  = 256
	rowBytes   = 32
	maxSecret  = 1 << 20 // what 24 bits address, four of them the bytes of a block
)

// NewLocalCode returns the code of a public key.
func NewLocalCode(key Block) *LocalCode { return &LocalCode{keys: newAES(key)} }

// Add adds to dst[i] the sum of those elements of secret that the next row number i
// selects. len(secret) is a power of two, at most 2^20. Memory is read where the public
// matrix says.
func (c *LocalCode) Add(dst, secret []Block) {
	k := len(secret)
	if k == 0 || k&(k-1) != 0 || k > maxSecret {
		panic(fmt.Sprintf("kernel: internal error: local code over %d blocks", k))
	}
	for len(dst) > 0 {
		if c.left == 0 {
			c.refill()
		}
		n := min(len(dst), c.left)
		gather(dst[:n], secret, c.rows[len(c.rows)-c.left*rowBytes:])
		dst, c.left = dst[n:], c.left-n
	}
}

func (c *LocalCode) refill() {
	var key [BlockBytes]byte
	binary.LittleEndian.PutUint64(key[:], c.chunk)
	c.keys.Encrypt(key[:], key[:])
	Expand(c.rows[:], LoadBlock(key[:]))
	c.chunk, c.left = c.chunk+1, codeChunk
}

// gather adds to dst[i] the elements of secret that the ith 32 bytes of rows name.
func gather(dst, secret []Block, rows []byte) {
	if best < avx2 || len(dst) == 0 {
		gatherGo(dst, secret, rows)
		return
	}
	_ = rows[len(dst)*rowBytes-1]
	gather10(&dst[0], len(dst), &secret[0], uint32(len(secret)-1)*BlockBytes, &rows[0])
}

// gatherGo is gather anywhere.
func gatherGo(dst, secret []Block, rows []byte) {
	mask := uint32(len(secret) - 1)
	for i := range dst {
		row := (*[rowBytes]byte)(rows[i*rowBytes:])
		lo, hi := dst[i][0], dst[i][1]
		for j := 0; j < codeWeight; j++ {
			x := &secret[binary.LittleEndian.Uint32(row[3*j:])>>4&mask]
			lo ^= x[0]
			hi ^= x[1]
		}
		dst[i] = Block{lo, hi}
	}
}
