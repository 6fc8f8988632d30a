package otparams

import (
	"fmt"
	"testing"
)

// TestSets: derived sizes of the sets, and what a set must have to run at all.
func TestSets(t *testing.T) {
	var got string
	for _, e := range Extensions() {
		if !e.Silent() {
			continue
		}
		s := e.LPN
		if err := s.Check(); err != nil {
			t.Error(err)
		}
		if s.Usable() < s.Trees/2 {
			t.Errorf("%s: %d of %d trees are usable", e.Name, s.Usable(), s.Trees)
		}
		if start, ok := s.Start(); ok && start.Usable()*start.Leaves() < s.Reserve() {
			t.Errorf("%s: an iteration of %v does not make its reserve", e.Name, start)
		}
		got += fmt.Sprintf("%s: %d of 2^%d, reserve %d, %d trees of refill, %.4f B\n", e.Name, s.Trees, s.LogSecret, s.Reserve(), s.Refill(),
			float64(s.Bytes(1<<40))/(1<<40))
	}
	const want = `ferret10: 850 of 2^16, reserve 74036, 73 trees of refill, 0.1709 B
ferret11: 1170 of 2^17, reserve 143942, 71 trees of refill, 0.0915 B
ferret12: 1520 of 2^18, reserve 280384, 69 trees of refill, 0.0491 B
ferret13: 1900 of 2^19, reserve 548988, 68 trees of refill, 0.0263 B
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for _, s := range []LPN{{}, {1280, 19, 13}, {1900, 19, 14}, {849, 16, 10}} {
		if s.Check() == nil {
			t.Errorf("%v is accepted", s)
		}
	}
}

// TestTreesFor compares with the iterations counted one by one.
func TestTreesFor(t *testing.T) {
	s := LPN{Trees: 30, LogSecret: 6, Depth: 4}
	trees, tree := int64(0), 0
	for n := int64(0); n < 5000; n++ {
		if n > 0 && (n-1)%int64(s.Leaves()) == 0 { // COT number n is the first of a tree
			if tree == s.Usable() {
				trees, tree = trees+int64(s.Refill()), 0
			}
			trees, tree = trees+1, tree+1
		}
		if got := s.TreesFor(n); got != trees {
			t.Fatalf("%d COTs: %d trees, want %d", n, got, trees)
		}
	}
}

func TestFind(t *testing.T) {
	for _, name := range Names() {
		if e, err := Find(name); err != nil || e.Name != name {
			t.Errorf("%s: %v, %v", name, e, err)
		}
	}
	if _, err := Find(DefaultExtension); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"", "ferret", "ferret9", "softspoken3"} {
		if _, err := Find(name); err == nil {
			t.Errorf("%q is found", name)
		}
	}
	for _, b := range Bases() {
		if got, err := FindBase(string(b)); err != nil || got != b {
			t.Errorf("%s: %v, %v", b, got, err)
		}
	}
	if _, err := FindBase("rsa"); err == nil {
		t.Error("rsa is a base OT")
	}
}
