package kernel

// Multiplies says whether this machine has a kernel of [AddProduct].
var Multiplies = best > plain

// AddProduct adds to eight rows of eight numbers, stride apart in dst, the product of a[8][k] and b[k][8], modulo any
// power of two up to 2^width, which is at most 2^64: of each operand the low width bits count, of each sum the low width
// bits are right. Both operands are stored by their inner index: [k][8]. It needs [Multiplies].
func AddProduct(dst []uint64, stride int, a, b []uint64, k, width int) {
	if k < 1 {
		return
	}
	_, _, _ = dst[7*stride+7], a[8*k-1], b[8*k-1]
	switch {
	case best >= avx512 && width <= 52:
		product52(&dst[0], 8*stride, &a[0], &b[0], k)
	case best >= avx512:
		product64(&dst[0], 8*stride, &a[0], &b[0], k)
	default:
		for i := 0; i < lanes; i += 4 {
			for j := 0; j < lanes; j += 4 {
				product4x4(&dst[i*stride+j], 8*stride, &a[i], &b[j], k)
			}
		}
	}
}
