package corr

import (
	"fmt"

	"nimbus/internal/kernel"
	"nimbus/internal/otparams"
	"nimbus/internal/prg"
	"nimbus/runtime/transport"
)

// silent is what sender and receiver of [Ferret] do alike in one direction: they run
// through iterations tree by tree. A COT is made when it is asked for; what is left of a
// tree waits for the next call.
type silent struct {
	conn  transport.Conn
	hash  *kernel.CRH       // of the trees
	code  *kernel.LocalCode // the rows of A, in order over all iterations
	grown uint64            // trees grown in this direction so far: they have their tweaks by number

	set     otparams.LPN
	reserve []Block // the COTs that this iteration consumes: the secret, then d for each tree, then some in vain
	next    []Block // room for the next iteration's; holds what the last one has used up
	tree    int     // trees of this iteration so far

	hashes []Block // of half a tree's nodes
	msg    []byte
	spare  []Block // a tree that is not handed out as a whole
	left   []Block // the end of spare that was not handed out

	// plant grows the keys of the next len(out)/2^d trees, with one message; paths holds
	// their d COTs each.
	plant func(out, paths []Block) error
}

// messageTrees bounds the trees of one message.
const messageTrees = 64

// maxDepth bounds a tree's tweaks.
const maxDepth = 16

func newSilent(conn transport.Conn, salt Block, from int) silent {
	return silent{
		conn: conn,
		hash: kernel.NewCRH(silentKey("trees", salt, from)),
		code: kernel.NewLocalCode(silentKey("code", salt, from)),
	}
}

// restart begins the iterations of a set from its first reserve. What another set has left
// is dropped.
func (s *silent) restart(set otparams.LPN, reserve []Block) {
	s.set, s.tree = set, 0
	s.reserve = make([]Block, set.Refill()*set.Leaves())
	copy(s.reserve, reserve)
	s.next = make([]Block, len(s.reserve))
	s.hashes = make([]Block, set.Leaves()/2)
	s.spare, s.left = make([]Block, set.Leaves()), nil
}

// fill sets out to the next keys.
func (s *silent) fill(out []Block) error {
	n := copy(out, s.left)
	s.left, out = s.left[n:], out[n:]
	leaves := s.set.Leaves()
	for len(out) > 0 {
		if s.tree == s.set.Usable() {
			if err := s.refill(); err != nil {
				return err
			}
		}
		if whole := len(out) / leaves; whole > 0 {
			n := min(whole, s.set.Usable()-s.tree) * leaves
			if err := s.grow(out[:n]); err != nil {
				return err
			}
			out = out[n:]
			continue
		}
		if err := s.grow(s.spare); err != nil {
			return err
		}
		n := copy(out, s.spare)
		s.left, out = s.spare[n:], nil
	}
	return nil
}

// refill makes the next reserve with the last trees of the iteration and forgets the
// present one.
func (s *silent) refill() error {
	if err := s.grow(s.next); err != nil {
		return err
	}
	s.reserve, s.next, s.tree = s.next, s.reserve, 0
	return nil
}

// grow sets out to the keys of the next trees.
func (s *silent) grow(out []Block) error {
	d, leaves := s.set.Depth, s.set.Leaves()
	secret := s.reserve[:s.set.Secret()]
	for len(out) > 0 {
		n := min(messageTrees, len(out)/leaves)
		paths := s.reserve[s.set.Secret()+s.tree*d:][:n*d]
		if err := s.plant(out[:n*leaves], paths); err != nil {
			return err
		}
		clear(paths)
		s.code.Add(out[:n*leaves], secret)
		out = out[n*leaves:]
		s.tree += n
	}
	return nil
}

// tweak returns the tweak of the first node of the level of n nodes of the present tree.
// The others follow; those of the level below begin n further on.
func (s *silent) tweak(n int) uint64 { return s.grown<<maxDepth | uint64(n) }

// level replaces the n nodes of one level of a tree by their children.
func (s *silent) level(nodes []Block, n, path int) (left, right Block) {
	h := s.hashes[:n]
	s.hash.HashBlocks(h, nodes[:n], s.tweak(n))
	leafBit := Block{}
	if 2*n == s.set.Leaves() {
		leafBit[0] = 1 // leaves are keys, which have bit 0 free
	}
	return kernel.GrowLevel(nodes, h, path, leafBit)
}

// ferretSender is the sender of [Ferret].
type ferretSender struct {
	silent
	delta Block // bit 0 is 1
	rng   *prg.PRG
}

// Delta implements [Sender].
func (s *ferretSender) Delta() Block { return s.delta }

// Extend implements [Sender]: it needs nothing from the receiver.
func (s *ferretSender) Extend(k0 []Block) error {
	if len(k0)%Granule != 0 {
		panic(fmt.Sprintf("corr: internal error: extend to %d keys", len(k0)))
	}
	if err := s.fill(k0); err != nil {
		return fmt.Errorf("corr: extend as sender: %w", err)
	}
	return nil
}

// trees grows trees and sends what the receiver needs of them.
func (s *ferretSender) trees(out, paths []Block) error {
	d, leaves := s.set.Depth, s.set.Leaves()
	msg := s.msg[:0]
	for ; len(out) > 0; out, paths = out[leaves:], paths[d:] {
		nodes := out[:leaves]
		var root [kernel.BlockBytes]byte
		s.rng.Read(root[:])
		nodes[0] = kernel.LoadBlock(root[:])
		nodes[1] = nodes[0].Xor(s.delta)
		msg = nodes[0].Xor(paths[0]).Append(msg)
		for i := 1; i < d; i++ {
			left, _ := s.level(nodes, 1<<i, -1)
			msg = left.Xor(paths[i]).Append(msg)
		}
		s.grown++
	}
	s.msg = msg
	if err := s.conn.Send(msg); err != nil {
		return fmt.Errorf("send trees: %w", err)
	}
	if err := s.conn.Flush(); err != nil {
		return fmt.Errorf("send trees: %w", err)
	}
	return nil
}

// ferretReceiver is the receiver of [Ferret].
type ferretReceiver struct {
	silent
}

// Extend implements [Receiver].
func (r *ferretReceiver) Extend(keys []Block, choice []byte) error {
	if len(keys)%Granule != 0 || len(choice)*8 != len(keys) {
		panic(fmt.Sprintf("corr: internal error: extend to %d keys and %d bytes of choice bits", len(keys), len(choice)))
	}
	if err := r.fill(keys); err != nil {
		return fmt.Errorf("corr: extend as receiver: %w", err)
	}
	for j := range choice {
		b := uint64(0)
		for i, k := range keys[8*j : 8*j+8] {
			b |= k[0] & 1 << i
		}
		choice[j] = byte(b)
	}
	return nil
}

// trees grows trees with one leaf unknown each, from the sender's message.
func (r *ferretReceiver) trees(out, paths []Block) error {
	d, leaves := r.set.Depth, r.set.Leaves()
	msg, err := r.conn.Recv(len(paths) * kernel.BlockBytes)
	if err != nil {
		return fmt.Errorf("receive trees: %w", err)
	}
	for ; len(out) > 0; out, paths = out[leaves:], paths[d:] {
		r.punctured(out[:leaves], paths[:d], msg[:d*kernel.BlockBytes])
		msg = msg[d*kernel.BlockBytes:]
		r.grown++
	}
	return nil
}

// punctured grows one tree: nodes become its leaves, but for the one at α, where the sum of
// all others is put and bit 0 set.
func (r *ferretReceiver) punctured(nodes, paths []Block, msg []byte) {
	path := 0 // the node of the present level that leads to α
	var sums [2]Block
	for i, key := range paths {
		if i > 0 {
			sums[0], sums[1] = r.level(nodes, 1<<i, path)
		} else {
			nodes[0], nodes[1] = Block{}, Block{}
		}
		// The sum of the side that the path does not take: 0 is left.
		side := uint8(key[0] & 1)
		known := kernel.LoadBlock(msg[i*kernel.BlockBytes:]).Xor(key)
		last := i == len(paths)-1
		if last {
			known[0] &^= 1
		}
		off := known.Xor(selectBlock(sums[0], sums[1], side))
		on := Block{}
		if last {
			on = sums[0].Xor(sums[1]).Xor(off)
			on[0] |= 1
		}
		kernel.PatchPair(nodes[:2<<i], path, selectBlock(off, on, side), selectBlock(on, off, side))
		path = 2*path + 1 - int(side)
	}
}
