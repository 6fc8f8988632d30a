package bristol

import "fmt"

// Unpack lays blocks of bytes out as a value [8·bytes, blocks]: wire w of a
// block is bit w of the number that its bytes make, most significant first.
// This is the order of the published AES and SHA circuits.
func Unpack(blocks [][]byte) ([]uint64, error) {
	if len(blocks) == 0 {
		return nil, fmt.Errorf("bristol: no block")
	}
	size := len(blocks[0])
	out := make([]uint64, 8*size*len(blocks))
	for k, b := range blocks {
		if len(b) != size {
			return nil, fmt.Errorf("bristol: block %d has %d bytes, the first %d", k+1, len(b), size)
		}
		for w := range 8 * size {
			out[w*len(blocks)+k] = uint64(b[size-1-w/8]>>(w%8)) & 1
		}
	}
	return out, nil
}

// Pack undoes Unpack for a value [wires, blocks] of whole bytes.
func Pack(v []uint64, blocks int) ([][]byte, error) {
	if blocks < 1 || len(v)%(8*blocks) != 0 {
		return nil, fmt.Errorf("bristol: %d bits are not %d blocks of whole bytes", len(v), blocks)
	}
	size := len(v) / (8 * blocks)
	out := make([][]byte, blocks)
	for k := range out {
		out[k] = make([]byte, size)
		for w := range 8 * size {
			out[k][size-1-w/8] |= byte(v[w*blocks+k]&1) << (w % 8)
		}
	}
	return out, nil
}
