package corr_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"nimbus/internal/kernel"
	"nimbus/internal/prg"
	"nimbus/runtime/corr"
	"nimbus/runtime/corr/corrtest"
)

// What is kept comes back as what would have been handed out, in parts too;
// nothing is handed out twice, and no two hashes are the same.
func TestKept(t *testing.T) {
	party := [2]*corr.Corr{}
	party[0], party[1] = corrtest.Dealer(prg.Seed{5})
	numbers := [][2]int{{0, 0}, {1, 7}, {3000, 5}, {1<<19 + 11, 1<<16 + 3}, {130, 1 << 16}}
	total := [2]int{}
	for _, n := range numbers {
		total[0], total[1] = total[0]+n[0], total[1]+n[1]
	}
	done := make(chan error, 1)
	go func() { done <- party[1].Prefill(total[1], total[0]) }()
	if err := errors.Join(party[0].Prefill(total[0], total[1]), <-done); err != nil {
		t.Fatal(err)
	}
	probe := []kernel.Block{{1, 2}}
	seen, hashes := map[kernel.Block]bool{}, map[kernel.Block]bool{}
	hash := func(c *corr.Corr) kernel.Block {
		out := make([]kernel.Block, 1)
		c.Hash().HashBlocks(out, probe, 1)
		return out[0]
	}
	hashes[hash(party[0])] = true
	for i, n := range numbers {
		var back [2]*corr.Corr
		for p, c := range party {
			sends, receives := n[p], n[1-p]
			steps := corr.Steps{{sends / 3, receives / 3}, {sends - sends/3, receives - receives/3}}
			var b bytes.Buffer
			if err := c.Write(&b, []byte{byte(i)}, steps); err != nil {
				t.Fatal(err)
			}
			if int64(b.Len()) != corr.KeptBytes(steps) {
				t.Errorf("%d and %d COTs: %d bytes, expected %d", sends, receives, b.Len(), corr.KeptBytes(steps))
			}
			cut, err := corr.Read(io.NopCloser(bytes.NewReader(b.Bytes()[:b.Len()-1])), p, steps)
			if err == nil {
				_, _, serr := cut.SenderTake(sends)
				_, _, rerr := cut.ReceiverTake(receives)
				err = errors.Join(serr, rerr)
			}
			if err == nil {
				t.Error("read from fewer bytes than there are")
			}
			if back[p], err = corr.Read(io.NopCloser(&b), p, steps); err != nil {
				t.Fatal(err)
			}
			if s, r := back[p].Left(); s != sends || r != receives {
				t.Errorf("%d and %d COTs, kept were %d and %d", s, r, sends, receives)
			}
		}
		h := hash(back[0])
		if h != hash(back[1]) {
			t.Error("the parties' hashes differ")
		}
		if hashes[h] {
			t.Error("a hash comes twice")
		}
		hashes[h] = true
		var parts [2]*corr.Corr
		for p, c := range back {
			var err error
			if parts[p], err = c.Part(n[p]/3, n[1-p]/3); err != nil {
				t.Fatal(err)
			}
		}
		for p := range back { // who sends
			var got taken
			first, rest := n[p]/3, n[p]-n[p]/3
			if err := errors.Join(got.sender(parts[p], first), got.receiver(parts[1-p], first), got.sender(back[p], rest), got.receiver(back[1-p], rest)); err != nil {
				t.Fatal(err)
			}
			got.check(t)
			for _, k := range got.k0 {
				if seen[k] {
					t.Fatal("a key comes twice")
				}
				seen[k] = true
			}
		}
		for p, c := range back {
			if _, _, err := c.SenderTake(n[p] + 1); err == nil {
				t.Error("it hands out more than was kept")
			}
		}
	}
	if err := party[0].Write(&bytes.Buffer{}, nil, corr.Steps{{1 << 23, 0}}); err == nil {
		t.Error("more is kept than there is")
	}
}

// Steps take what was kept in any order, from any goroutine, however much more
// waits than is read ahead.
func TestKeptAnyOrder(t *testing.T) {
	steps := corr.Steps{{1 << 20, 3 << 20}, {5, 1 << 21}, {3 << 20, 0}, {1 << 10, 1 << 10}}
	read := func() *corr.Corr {
		c, err := corr.Read(io.NopCloser(bytes.NewReader(make([]byte, corr.KeptBytes(steps)))), 0, steps)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := read()
	done := make(chan error, len(steps))
	for i := range steps {
		n := steps[i]
		part, err := c.Part(n[0], n[1])
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			go func() {
				_, _, rerr := part.ReceiverTake(n[1])
				_, _, serr := part.SenderTake(n[0])
				done <- errors.Join(rerr, serr)
			}()
			if err := <-done; err != nil { // the last step first
				t.Error(err)
			}
		}()
	}
	// One that is closed hands out nothing that it has not read.
	c = read()
	part, err := c.Part(steps[0][0], steps[0][1])
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if _, _, err := c.SenderTake(1 << 10); err == nil {
		t.Error("it hands out after it was closed")
	}
	part.Close()
}

// BenchmarkRead reads 4 Mi correlated OTs.
func BenchmarkRead(b *testing.B) {
	const n = 2 << 20
	steps := corr.Steps{{n, n}}
	data := make([]byte, corr.KeptBytes(steps))
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		c, err := corr.Read(io.NopCloser(bytes.NewReader(data)), 0, steps)
		if err != nil {
			b.Fatal(err)
		}
		_, _, serr := c.SenderTake(n)
		_, _, rerr := c.ReceiverTake(n)
		if err := errors.Join(serr, rerr); err != nil {
			b.Fatal(err)
		}
	}
}
