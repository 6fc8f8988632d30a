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
	if n := s.MatMulNoise(128, 2, 37, Drops{}); math.Abs(n.Std-239.4/8192) > 0.002 || n.Hard != 0 {
		t.Errorf("l=37: %+v", n)
	}
	if s.ZeroFirst(40) || !s.ZeroFirst(41) {
		t.Error("zero should be added before the limb drop above 40 bits")
	}
	noise := func(d0, d1 int) Noise { return s.MatMulNoise(768, 1, 37, Drops{C0: d0, C1: d1}) }
	d0, d1 := s.Drops(noise, 768, 768, 12)
	// The design's example, with its budget of 2^9 ulp and not 2^11: about 36 bits of c1 and 30 of c0 stay at l=37, t=12.
	if left := 50 - d1; left < 33 || left > 35 {
		t.Errorf("c1 keeps %d bits", left)
	}
	if left := 50 - d0; left < 26 || left > 30 {
		t.Errorf("c0 keeps %d bits", left)
	}
	if b := noise(d0, d1).Bound(768); b > Hidden(12) {
		t.Errorf("bound %v over budget", b)
	}
	if d0, d1 := s.Drops(noise, 768, 768, 0); d0 != 0 || d1 != 0 {
		t.Error("bits dropped without truncation")
	}
	// Stored bits go for next to nothing as long as they matter less than the response's, and share its budget.
	for _, reuse := range []float64{1, 8, 100} {
		matmul := func(d Drops) Noise { return s.MatMulNoise(128, 2, 38, d) }
		size := DropSizes{Limbs: 2, Stored: 128 * 3 * 384 / reuse, Responses: 16, Sent: 768, Outputs: 32 * 384}
		alone0, alone1 := s.Drops(func(c0, c1 int) Noise { return matmul(Drops{C0: c0, C1: c1}) }, 768, 32*384, 12)
		d := s.StoredDrops(matmul, size, 12)
		t.Logf("reuse %v: %+v, responses alone %d and %d", reuse, d, alone0, alone1)
		if d.Stored < 24 || d.Stored > 31 || d.C1 > alone1 || matmul(d).Bound(size.Outputs) > Hidden(12) {
			t.Errorf("reuse %v: %+v with a bound of %v", reuse, d, matmul(d).Bound(size.Outputs))
		}
		if d := s.StoredDrops(matmul, size, 0); d != (Drops{}) {
			t.Errorf("%+v left out without truncation", d)
		}
	}
	w, _ := Lookup("n8192")
	if m := w.MatMulNoise(3072, 10, 64, Drops{}).MaxUlp(1 << 20); m != 1 {
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
	if got := s.StoredPolyBytes(3, 2, 0); got != 2*19 {
		t.Errorf("stored polynomial %d", got)
	}
	if got := s.StoredPolyBytes(3, 2, 28); got != 3*8+3 {
		t.Errorf("stored polynomial without 28 bits %d", got)
	}
	if got := w.StoredPolyBytes(3, 3, 12); got != 3*8+3*8+(3*16+7)/8 {
		t.Errorf("stored three-limb polynomial without 12 bits %d", got)
	}
	if s.CheckStored(2, 92) != nil || s.CheckStored(2, 93) == nil || s.CheckStored(1, 43) == nil || s.CheckStored(2, -1) == nil {
		t.Error("CheckStored")
	}
	if got := w.ResponsePolyBytes(3, 30); got != 3*8+(3*10+7)/8 {
		t.Errorf("two-limb polynomial %d", got)
	}
}
