package kernel

// Low52 says whether this machine has the kernel of [AddProduct].
var Low52 = best >= avx512

// AddProduct adds to eight rows of eight numbers, stride apart in dst, the product of a[8][k] and b[k][8], modulo any
// power of two up to 2^52: of each operand the low 52 bits count, of each sum the low 52 bits are right. Both operands
// are stored by their inner index: [k][8]. It needs [Low52].
func AddProduct(dst []uint64, stride int, a, b []uint64, k int) {
	if k < 1 {
		return
	}
	_, _, _ = dst[7*stride+7], a[8*k-1], b[8*k-1]
	addProduct8x8(&dst[0], 8*stride, &a[0], &b[0], k)
}
