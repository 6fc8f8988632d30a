package corr

import (
	"fmt"
	"testing"

	"nimbus/internal/kernel"
	"nimbus/internal/prg"
	"nimbus/runtime/transport/mem"
)

// TestTree: for every leaf α the sender ends with all other leaves, in relative
// order.
func TestTree(t *testing.T) {
	g := kernel.NewDoubler(Block{1})
	for _, k := range []int{1, 2, 4, 8} {
		leaves, sums := growTree(g, Block{5, uint64(k)}, k)
		if len(leaves) != 1<<k || len(sums) != k {
			t.Fatalf("k=%d: %d leaves, %d levels", k, len(leaves), len(sums))
		}
		for a := range 1 << k {
			alpha, known := make([]uint8, k), make([]Block, k)
			for l := range k {
				alpha[l] = uint8(a >> (k - 1 - l) & 1)
				known[l] = sums[l][1-alpha[l]]
			}
			got := puncturedTree(g, alpha, known)
			for y := 1; y < 1<<k; y++ {
				if got[y] != leaves[y^a] {
					t.Fatalf("k=%d, α=%d: leaf %d is wrong", k, a, y^a)
				}
			}
			for y, leaf := range got {
				if leaf == leaves[a] {
					t.Fatalf("k=%d, α=%d: the punctured leaf is at %d", k, a, y)
				}
			}
		}
	}
}

// TestFold compares with the definition of the sums.
func TestFold(t *testing.T) {
	for _, k := range []int{2, 4, 8} {
		for _, punctured := range []bool{false, true} {
			const n = 48
			var leaves []Block
			want := make([][]byte, k+1)
			for b := range want {
				want[b] = make([]byte, n)
			}
			for x := range 1 << k {
				key := Block{uint64(x), uint64(k)}
				leaves = append(leaves, key)
				if x == 0 && punctured {
					continue
				}
				for b := range want {
					if b == k || x>>b&1 == 1 {
						kernel.NewStream(key, Block{}).XOR(want[b], want[b])
					}
				}
			}
			var buf foldBuffers
			buf.init()
			u := buf.fold(3, n, kernel.NewStreams(leaves, Block{}, punctured))
			for b := range want {
				got := u
				if b < k {
					got = buf.row(3+b, n)
				}
				if string(got) != string(want[b]) {
					t.Errorf("k=%d, punctured %v: sum %d is wrong", k, punctured, b)
				}
			}
		}
	}
}

// TestSmallCalls makes COTs in many calls and segments, and takes them across
// their borders.
func TestSmallCalls(t *testing.T) {
	a, b := mem.Pipe()
	defer a.Close()
	defer b.Close()
	var ends [2]*Corr
	both := func(f func(p int) error) {
		t.Helper()
		done := make(chan error, 2)
		for p := range 2 {
			go func() { done <- f(p) }()
		}
		for range 2 {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
	}
	both(func(p int) (err error) {
		conn := a
		if p == 1 {
			conn = b
		}
		ends[p], err = Setup(conn, p, Config{}, prg.New(prg.Seed{byte(p)}))
		return err
	})
	for _, c := range ends {
		c.call, c.segment = 3*Granule, 2*Granule
	}
	both(func(p int) error { return ends[p].Prefill(2000*(1-p), 2000*p) })
	for _, n := range []int{3, 1000, 0, 255, 1, 256, 400} {
		var k0, keys []Block
		var delta Block
		var choice []uint8
		both(func(p int) (err error) {
			if p == 0 {
				k0, delta, err = ends[p].SenderTake(n)
			} else {
				choice, keys, err = ends[p].ReceiverTake(n)
			}
			return err
		})
		for j := range keys {
			if want := selectBlock(k0[j], k0[j].Xor(delta), choice[j]); keys[j] != want {
				t.Fatalf("take of %d: COT %d is wrong", n, j)
			}
		}
	}
	for p, c := range ends {
		if got, want := fmt.Sprintf("%+v", c.Stats()), [2]string{
			"{AsSender:{Taken:1915 Made:2048} AsReceiver:{Taken:0 Made:0}}",
			"{AsSender:{Taken:0 Made:0} AsReceiver:{Taken:1915 Made:2048}}",
		}[p]; got != want {
			t.Errorf("party %d: counts %s, want %s", p, got, want)
		}
	}
}

// TestFreshTrees: no two trees of a session, and no two sessions, share a node.
func TestFreshTrees(t *testing.T) {
	for _, k := range []int{2, 4, 8} {
		seen := make(map[Block]bool)
		for seed := range byte(3) {
			// With base OT keys of zero the corrections are sums of tree nodes.
			_, sums := SoftSpoken{K: k}.newReceiver(nil, Block{1}, make([][2]Block, kappa), prg.New(prg.Seed{seed}))
			if len(sums) != 2*kappa*kernel.BlockBytes {
				t.Fatalf("k=%d: %d bytes of corrections", k, len(sums))
			}
			for ; len(sums) > 0; sums = sums[kernel.BlockBytes:] {
				if b := kernel.LoadBlock(sums); seen[b] {
					t.Fatalf("k=%d: a sum of nodes repeats", k)
				} else {
					seen[b] = true
				}
			}
		}
	}
}

func TestUnpackBits(t *testing.T) {
	src := []byte{0x35, 0xc1, 0xff, 0x00, 0x80, 0x6e}
	for skip := range 8 {
		for n := 0; skip+n <= 8*len(src); n++ {
			dst := make([]uint8, n)
			unpackBits(dst, src, skip)
			for j, got := range dst {
				if want := src[(skip+j)/8] >> ((skip + j) % 8) & 1; got != want {
					t.Fatalf("skip %d, bit %d of %d: %d, want %d", skip, j, n, got, want)
				}
			}
		}
	}
}
