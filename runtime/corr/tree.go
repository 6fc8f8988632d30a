package corr

import "nimbus/internal/kernel"

// A tree stretches a root seed into 2^k leaf seeds by the doubling generator G
// (Goldreich, Goldwasser and Micali). Its owner, the receiver of the COTs,
// knows all leaves; the sender learns all but leaf α, α being k bits of its Δ,
// through k base OTs (Roy, section 6 of SoftSpokenOT: the punctured PRF).
//
// Level t = 0 is below the root and branches on the top bit of the leaf index,
// bit k-1-t.

// growTree returns the 2^k leaves of root, and for each level the sums (XOR) of
// all left and of all right children.
func growTree(g *kernel.Doubler, root Block, k int) (leaves []Block, sums [][2]Block) {
	leaves = []Block{root}
	for range k {
		next := make([]Block, 2*len(leaves))
		g.Double(next, leaves)
		var sum [2]Block
		for j, node := range next {
			sum[j%2] = sum[j%2].Xor(node)
		}
		leaves, sums = next, append(sums, sum)
	}
	return leaves, sums
}

// puncturedTree returns the leaves that the sender learns, in relative order:
// entry y is leaf y ⊕ α, entry 0 is the unknown leaf α and stays zero.
// alpha[t] is the branch that the path to α takes at level t, known[t] the sum
// of all children on the other side.
//
// Nodes are kept in relative order on every level: node 0 is the one on the
// path, and the children of a pair are swapped when the path goes right. So no
// index depends on α.
func puncturedTree(g *kernel.Doubler, alpha []uint8, known []Block) []Block {
	leaves := []Block{{}}
	for t, a := range alpha {
		next := make([]Block, 2*len(leaves))
		g.Double(next, leaves)
		swap := -uint64(a)
		for j := 0; j < len(next); j += 2 {
			d := next[j].Xor(next[j+1])
			d = Block{d[0] & swap, d[1] & swap}
			next[j], next[j+1] = next[j].Xor(d), next[j+1].Xor(d)
		}
		// The children of node 0 are garbage. Its off-path child is what is
		// missing from the sum of all odd (relative) children.
		next[0], next[1] = Block{}, known[t]
		for j := 3; j < len(next); j += 2 {
			next[1] = next[1].Xor(next[j])
		}
		leaves = next
	}
	return leaves
}
