package kernel

import "fmt"

// GrowLevel replaces the n nodes of one level of a half-tree, nodes[:n], by their 2n
// children, in place, and returns the sums of all left and of all right children. The
// children of node p with hash h are h and h ⊕ p (Guo, Yang, Wang, Zhang, Xie, Liu and
// Zhao, "Half-Tree", EUROCRYPT 2023); hashes holds those of nodes[:n]. The bits of clear
// are cleared in all children.
//
// Node number path is unknown and 0: its hash counts as 0, and so its children and what
// they add to the sums. The path is a secret: it does not decide what memory is read or
// written. A tree that is known as a whole has the path -1.
func GrowLevel(nodes, hashes []Block, path int, clear Block) (left, right Block) {
	n := len(hashes)
	if len(nodes) < 2*n {
		panic(fmt.Sprintf("kernel: internal error: %d children in %d nodes", 2*n, len(nodes)))
	}
	if best > plain && n > 0 && n%4 == 0 {
		var sums [2][4]Block
		keep := Block{^clear[0], ^clear[1]}
		if best >= avx512 {
			growWide(&nodes[0], &hashes[0], n, path, &keep, &sums)
		} else {
			growNarrow(&nodes[0], &hashes[0], n, path, &keep, &sums)
		}
		for i := range 4 {
			left, right = left.Xor(sums[0][i]), right.Xor(sums[1][i])
		}
		return left, right
	}
	var l0, l1, r0, r1 uint64
	keep0, keep1 := ^clear[0], ^clear[1]
	for j := n - 1; j >= 0; j-- {
		known := ^equalMask(j, path)
		p, h := &nodes[j], &hashes[j]
		two := (*[2]Block)(nodes[2*j:])
		a0, a1 := h[0]&known, h[1]&known
		b0, b1 := (a0^p[0])&keep0, (a1^p[1])&keep1
		a0, a1 = a0&keep0, a1&keep1
		two[0][0], two[0][1], two[1][0], two[1][1] = a0, a1, b0, b1
		l0, l1, r0, r1 = l0^a0, l1^a1, r0^b0, r1^b1
	}
	return Block{l0, l1}, Block{r0, r1}
}

// PatchPair adds left and right to nodes 2·pair and 2·pair + 1. The pair is a secret: all
// nodes are read and written.
func PatchPair(nodes []Block, pair int, left, right Block) {
	n := len(nodes) / 2
	if best > plain && n > 0 && n%2 == 0 {
		values := [2]Block{left, right}
		if best >= avx512 {
			patchWide(&nodes[0], n/2, pair, &values)
		} else {
			patchNarrow(&nodes[0], n, pair, &values)
		}
		return
	}
	for j := range n {
		m := equalMask(j, pair)
		two := nodes[2*j : 2*j+2 : 2*j+2]
		two[0][0] ^= m & left[0]
		two[0][1] ^= m & left[1]
		two[1][0] ^= m & right[0]
		two[1][1] ^= m & right[1]
	}
}

// equalMask is all ones if a = b and 0 if not, in constant time.
func equalMask(a, b int) uint64 {
	x := uint64(a ^ b)
	return uint64(int64((x|-x)^1<<63) >> 63)
}
