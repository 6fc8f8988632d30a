//go:build amd64 && !purego

package kernel

// gather10 adds to n > 0 blocks of dst the ten elements of secret that each 32 bytes of
// rows name; mask is the size of secret in bytes, less BlockBytes.
//
//go:noescape
func gather10(dst *Block, n int, secret *Block, mask uint32, rows *byte)

// gather adds to dst[i] the elements of secret that the ith 32 bytes of rows name.
func gather(dst, secret []Block, rows []byte) {
	if bestAES != wideAES || len(dst) == 0 {
		gatherGo(dst, secret, rows)
		return
	}
	_ = rows[len(dst)*rowBytes-1]
	gather10(&dst[0], len(dst), &secret[0], uint32(len(secret)-1)*BlockBytes, &rows[0])
}
