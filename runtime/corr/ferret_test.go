package corr

import (
	"bytes"
	"fmt"
	"math"
	"testing"

	"nimbus/internal/otparams"
	"nimbus/internal/prg"
	"nimbus/runtime/transport"
	"nimbus/runtime/transport/mem"
	"nimbus/runtime/transport/transporttest"
)

// tiny are sets for tests, of no security. The first has a tree for each leaf and depth, the
// last iterations that end within a message of trees.
var tiny = []otparams.LPN{
	{Trees: 24, LogSecret: 4, Depth: 2},
	{Trees: 30, LogSecret: 6, Depth: 4},
	{Trees: 150, LogSecret: 5, Depth: 3},
	{Trees: 100, LogSecret: 7, Depth: 7},
}

// dealtSilent returns the two ends of one direction, with the first reserve from a dealer.
func dealtSilent(set otparams.LPN, a, b transport.Conn, seed byte) (*ferretSender, *ferretReceiver) {
	rng := prg.New(prg.Seed{seed})
	random := func() Block { return Block{rng.Uint64(), rng.Uint64()} }
	delta := random()
	delta[0] |= 1
	mine, theirs := make([]Block, set.Reserve()), make([]Block, set.Reserve())
	for j := range mine {
		mine[j] = random()
		mine[j][0] &^= 1
		theirs[j] = selectBlock(mine[j], mine[j].Xor(delta), uint8(rng.Uint64()&1))
	}
	s := &ferretSender{silent: newSilent(a, Block{uint64(seed)}, 0), delta: delta, rng: rng.Child("trees")}
	s.plant = s.trees
	s.restart(set, mine)
	r := &ferretReceiver{silent: newSilent(b, Block{uint64(seed)}, 0)}
	r.plant = r.trees
	r.restart(set, theirs)
	return s, r
}

// bothEnds runs f and g at once.
func bothEnds(t *testing.T, f, g func() error) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	if err := g(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// TestPunctured grows a tree for every leaf: the receiver has all leaves but that one, for which
// it has the sender's ⊕ Δ.
func TestPunctured(t *testing.T) {
	for _, d := range []int{2, 3, 6} {
		set := otparams.LPN{Trees: 1 << d, LogSecret: 1, Depth: d}
		a, b := mem.Pipe()
		s, r := dealtSilent(set, a, b, byte(d))
		// Tree α punctures leaf α.
		paths := func(x *silent) []Block { return x.reserve[:set.Trees*d] }
		s.reserve, r.reserve = make([]Block, set.Trees*d), make([]Block, set.Trees*d)
		rng := prg.New(prg.Seed{byte(d), 1})
		for alpha := range set.Trees {
			for i := range d {
				q := Block{rng.Uint64() &^ 1, rng.Uint64()}
				s.reserve[alpha*d+i] = q
				r.reserve[alpha*d+i] = selectBlock(q.Xor(s.delta), q, uint8(alpha>>(d-1-i)&1))
			}
		}
		n := set.Trees * set.Leaves()
		v, w := make([]Block, n), make([]Block, n)
		bothEnds(t, func() error { return s.plant(v, paths(&s.silent)) }, func() error { return r.plant(w, paths(&r.silent)) })
		seen := map[Block]bool{}
		for j := range v {
			if v[j][0]&1 != 0 {
				t.Fatalf("depth %d: bit 0 of leaf %d is set", d, j)
			}
			if seen[v[j]] {
				t.Fatalf("depth %d: leaf %d repeats", d, j)
			}
			seen[v[j]] = true
			want := v[j]
			if j%set.Leaves() == j/set.Leaves() {
				want = want.Xor(s.delta)
			}
			if w[j] != want {
				t.Fatalf("depth %d: leaf %d of tree %d is wrong", d, j%set.Leaves(), j/set.Leaves())
			}
		}
		a.Close()
		b.Close()
	}
}

// TestIterations runs tiny sets through many iterations in calls of all sizes: every COT is
// right, no key comes back, choice bits and noise look uniform, the bytes are those of the
// formula, and what a reserve held is not handed out.
func TestIterations(t *testing.T) {
	for i, set := range tiny {
		t.Run(fmt.Sprint(set), func(t *testing.T) {
			a, b := mem.Pipe()
			defer a.Close()
			defer b.Close()
			s, r := dealtSilent(set, a, b, byte(i))
			if set.Usable() < 1 {
				t.Fatalf("no usable trees")
			}
			seen := map[Block]bool{}
			used := func(x []Block) {
				for _, k := range x {
					if seen[k] {
						t.Fatal("a key comes back")
					}
					seen[k] = true
				}
			}
			total, ones := 0, 0
			for call := range 20 {
				n := roundUp(1 + call*call*37%(3*set.Usable()*set.Leaves()))
				k0, keys, choice := make([]Block, n), make([]Block, n), make([]byte, n/8)
				bothEnds(t, func() error { return s.Extend(k0) }, func() error { return r.Extend(keys, choice) })
				used(k0)
				for j, k := range keys {
					c := choice[j/8] >> (j % 8) & 1
					if k != selectBlock(k0[j], k0[j].Xor(s.delta), c) {
						t.Fatalf("call %d: COT %d of %d is wrong", call, j, n)
					}
					ones += int(c)
				}
				total += n
				if got, want := a.Stats().BytesSent, set.Bytes(int64(total)); got != want {
					t.Fatalf("%d COTs took %d bytes, formula %d", total, got, want)
				}
				if b.Stats().BytesSent != 0 {
					t.Fatal("the receiver is not silent")
				}
				for _, k := range s.reserve[:set.Secret()] {
					if seen[k] {
						t.Fatal("a reserve was handed out before")
					}
				}
			}
			if set.TreesFor(int64(total)) < int64(6*set.Trees) {
				t.Fatalf("%d COTs take fewer than 6 iterations", total)
			}
			if d := math.Abs(float64(ones) - float64(total)/2); d > 6*math.Sqrt(float64(total))/2 {
				t.Errorf("%d of %d choice bits are one", ones, total)
			}
		})
	}
}

// TestFerretView looks at what the receiver is sent: uniform, but for the bit that all
// leaves have free, and fresh from iteration to iteration and from session to session.
func TestFerretView(t *testing.T) {
	set := otparams.LPN{Trees: 150, LogSecret: 6, Depth: 6}
	var count [256]int
	total := 0
	seen := map[[16]byte]bool{}
	for session := range byte(8) {
		r := transporttest.TwoParty(t,
			func(conn transport.Conn) error {
				s, _ := dealtSilent(set, conn, nil, session)
				return s.Extend(make([]Block, 1<<15))
			},
			func(conn transport.Conn) error {
				_, r := dealtSilent(set, nil, conn, session)
				return r.Extend(make([]Block, 1<<15), make([]byte, 1<<12))
			})
		for _, msg := range r.Server.Received() {
			for at := 0; at < len(msg); at += 16 {
				c := [16]byte(msg[at:])
				if seen[c] {
					t.Fatal("a correction comes back")
				}
				seen[c] = true
				if leaf := at/16%set.Depth == set.Depth-1; leaf && c[0]&1 != 0 {
					t.Fatal("bit 0 of a sum of leaves")
				}
				for _, x := range c[1:] {
					count[x]++
					total++
				}
			}
		}
	}
	chi, mean := 0.0, float64(total)/256
	for _, c := range count {
		chi += (float64(c) - mean) * (float64(c) - mean) / mean
	}
	if chi > 255+6*math.Sqrt(2*255) {
		t.Errorf("corrections are not uniform: chi² = %.0f over 255 degrees", chi)
	}
}

// TestNoise: the place of the noise bit is uniform, and differs from tree to tree and from
// iteration to iteration.
func TestNoise(t *testing.T) {
	set := otparams.LPN{Trees: 200, LogSecret: 5, Depth: 4}
	a, b := mem.Pipe()
	defer a.Close()
	defer b.Close()
	s, r := dealtSilent(set, a, b, 77)
	// Look at the trees alone.
	count := make([]int, set.Leaves())
	n := 0
	inner, other := s.plant, r.plant
	var v, w []Block
	s.plant = func(out, paths []Block) error { err := inner(out, paths); v = append(v, out...); return err }
	r.plant = func(out, paths []Block) error { err := other(out, paths); w = append(w, out...); return err }
	keys, choice := make([]Block, 1<<14), make([]byte, 1<<11)
	bothEnds(t, func() error { return s.Extend(make([]Block, 1<<14)) }, func() error { return r.Extend(keys, choice) })
	for at := 0; at < len(v); at += set.Leaves() {
		noise := 0
		for j := range set.Leaves() {
			if v[at+j] != w[at+j] {
				noise++
				count[j]++
			}
		}
		if noise != 1 {
			t.Fatalf("%d noise bits in a block", noise)
		}
		n++
	}
	for j, c := range count {
		mean := float64(n) / float64(len(count))
		if math.Abs(float64(c)-mean) > 6*math.Sqrt(mean) {
			t.Errorf("the noise is at place %d in %d of %d blocks", j, c, n)
		}
	}
}

// TestFerretHostile: a sender whose messages have a wrong length.
func TestFerretHostile(t *testing.T) {
	set := tiny[1]
	for name, bad := range map[string]func([]byte) []byte{
		"short": func(b []byte) []byte { return b[1:] },
		"long":  func(b []byte) []byte { return append(bytes.Clone(b), 0) },
		"empty": func([]byte) []byte { return nil },
	} {
		a, b := mem.Pipe()
		s, _ := dealtSilent(set, changer{a, bad}, nil, 3)
		_, r := dealtSilent(set, nil, b, 3)
		go func() { s.Extend(make([]Block, 128)) }()
		err := r.Extend(make([]Block, 128), make([]byte, 16))
		if err == nil || !bytes.Contains([]byte(err.Error()), []byte("receive trees")) {
			t.Errorf("%s: error %v", name, err)
		}
		a.Close()
		b.Close()
	}
}

type changer struct {
	transport.Conn
	change func([]byte) []byte
}

func (c changer) Send(b []byte) error { return c.Conn.Send(c.change(b)) }

// TestSilentKeys: the parts of the two directions have keys of their own.
func TestSilentKeys(t *testing.T) {
	seen := map[Block]bool{}
	for _, salt := range []Block{{1}, {2}} {
		for _, part := range []string{"trees", "code"} {
			for from := range 2 {
				k := silentKey(part, salt, from)
				if seen[k] {
					t.Fatal("a key repeats")
				}
				seen[k] = true
			}
		}
	}
}

// TestTreeTweaks: no two nodes of a direction are hashed under one tweak.
func TestTreeTweaks(t *testing.T) {
	seen := map[uint64]bool{}
	s := silent{set: otparams.LPN{Depth: 5}}
	for range 100 {
		for n := 2; n < s.set.Leaves(); n *= 2 {
			for j := range n {
				if k := s.tweak(n) + uint64(j); seen[k] {
					t.Fatalf("tweak %x repeats", k)
				} else {
					seen[k] = true
				}
			}
		}
		s.grown++
	}
	for _, e := range otparams.Extensions() {
		if e.LPN.Depth >= maxDepth {
			t.Errorf("%s: trees of depth %d, tweaks for %d", e.Name, e.LPN.Depth, maxDepth)
		}
	}
}
