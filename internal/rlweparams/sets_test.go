package rlweparams

import (
	"math"
	"strings"
	"testing"

	"github.com/tuneinsight/lattigo/v5/ring"
)

func TestPrimes(t *testing.T) {
	for _, s := range All() {
		bitSize := 64
		for _, q := range s.Q {
			for b := 0; b < 64; b++ {
				if q>>b == 1 {
					bitSize = b + 1
				}
			}
		}
		gen := ring.NewNTTFriendlyPrimesGenerator(uint64(bitSize), uint64(2*s.N()))
		want, err := gen.NextDownstreamPrimes(len(s.Q))
		if err != nil {
			t.Fatal(err)
		}
		for i, q := range s.Q {
			if q != want[i] {
				t.Errorf("%s: prime %d is %#x, the generator finds %#x", s.Name, i, q, want[i])
			}
			if s.MaxMatMul > 0 && q >= 1<<52 {
				t.Errorf("%s: prime %#x does not fit a 52-bit word", s.Name, q)
			}
		}
	}
}

func TestSecurityTable(t *testing.T) {
	for _, s := range All() {
		if err := CheckSecurity(s); err != nil {
			t.Error(err)
		}
	}
	s, _ := Lookup("n4096")
	wide := s
	wide.Q = append(append([]uint64{}, s.Q...), 0xfffffffffffc001)
	odd := s
	odd.Q = []uint64{0x3ffffffffc003}
	small := s
	small.LogN = 9
	for name, bad := range map[string]Set{"wide": wide, "odd": odd, "small": small} {
		if CheckSecurity(bad) == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	// 54 bits at degree 2048 pass the 2018 limit and fail the 2024 one.
	strict, _ := Lookup("n2048")
	gen := ring.NewNTTFriendlyPrimesGenerator(54, uint64(2*strict.N()))
	strict.Q, _ = gen.NextDownstreamPrimes(1)
	if err := CheckSecurity(strict); err == nil || !strings.Contains(err.Error(), "2024") {
		t.Errorf("stricter table not applied: %v", err)
	}
	if _, err := Lookup("n1024"); err == nil {
		t.Error("unknown set accepted")
	}
}

func TestLookupIsACopy(t *testing.T) {
	s, _ := Lookup("n4096")
	s.Q[0] = 7
	if again, _ := Lookup("n4096"); again.Q[0] == 7 {
		t.Error("the table can be changed through a lookup")
	}
}

func TestNoise(t *testing.T) {
	s, _ := Lookup("n4096")
	// Hand-computed: zero encryption 3.24·sqrt(1+2·4096·2/3) = 239 at 2^(37-50).
	if n := s.MatMulNoise(128, 2, 37, 0, 0); math.Abs(n.Std-239.4/8192) > 0.002 || n.Hard != 0 {
		t.Errorf("l=37: %+v", n)
	}
	if s.ZeroFirst(40) || !s.ZeroFirst(41) {
		t.Error("zero should be added before the limb drop above 40 bits")
	}
	noise := func(d0, d1 int) Noise { return s.MatMulNoise(768, 1, 37, d0, d1) }
	d0, d1 := s.Drops(noise, 768, 768, 12)
	// The design's example: about 36 bits of c1 and 30 of c0 stay at l=37, t=12.
	if left := 50 - d1; left < 35 || left > 37 {
		t.Errorf("c1 keeps %d bits", left)
	}
	if left := 50 - d0; left < 28 || left > 32 {
		t.Errorf("c0 keeps %d bits", left)
	}
	if b := noise(d0, d1).Bound(768); b > 512 {
		t.Errorf("bound %v over budget", b)
	}
	if d0, d1 := s.Drops(noise, 768, 768, 0); d0 != 0 || d1 != 0 {
		t.Error("bits dropped without truncation")
	}
	w, _ := Lookup("n8192")
	if m := w.MatMulNoise(3072, 10, 64, 0, 0).MaxUlp(1 << 20); m != 1 {
		t.Errorf("l=64: %d ulp", m)
	}
}

func TestBytes(t *testing.T) {
	s, _ := Lookup("n4096")
	if got := s.ResponseBytes(768, 20, 14); got != 4096*36/8+768*30/8 {
		t.Errorf("response %d", got)
	}
	w, _ := Lookup("n8192")
	if got := w.ResponseBytes(10, 0, 0); got != 8192*104/8+10*104/8 {
		t.Errorf("two-limb response %d", got)
	}
	if got := w.ResponsePolyBytes(3, 30); got != 3*8+(3*10+7)/8 {
		t.Errorf("two-limb polynomial %d", got)
	}
}
