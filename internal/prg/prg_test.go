package prg

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"
)

// TestStreamIsFrozen pins the stream: a change here changes every transcript.
func TestStreamIsFrozen(t *testing.T) {
	b := make([]byte, 16)
	New(Seed{1}).Read(b)
	if got, want := hex.EncodeToString(b), "732d223f0968842e7a4858632b174867"; got != want {
		t.Errorf("stream of seed 01: got %s, want %s", got, want)
	}
	New(Seed{1}).Child("x").Read(b)
	if got, want := hex.EncodeToString(b), "00483ea8e1eef279ee48429fb4bfe07d"; got != want {
		t.Errorf("child x of seed 01: got %s, want %s", got, want)
	}
}

func TestReadDoesNotDependOnCuts(t *testing.T) {
	want := make([]byte, 10000)
	New(Seed{7}).Read(want)
	for _, cut := range []int{1, 3, 8, 1000, 1023, 1024, 1025, 4096} {
		p := New(Seed{7})
		var got []byte
		for len(got) < len(want) {
			b := bytes.Repeat([]byte{0xff}, min(cut, len(want)-len(got)))
			p.Read(b)
			got = append(got, b...)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("reads of %d bytes give another stream", cut)
		}
	}
	p, q := New(Seed{7}), New(Seed{7})
	v := make([]uint64, 777)
	p.Fill(v, 64)
	for i := range v {
		if x := q.Uint64(); x != v[i] {
			t.Fatalf("Fill and Uint64 differ at %d", i)
		}
	}
}

func TestChildrenDiffer(t *testing.T) {
	p := New(Seed{})
	seen := map[Seed]string{p.Seed(): "parent"}
	for _, label := range []string{"a", "a", "b", "", "a\x00", "aa"} {
		c := p.Child(label)
		if who, dup := seen[c.Seed()]; dup {
			t.Errorf("child %q has the seed of %s", label, who)
		}
		seen[c.Seed()] = label
	}
	if again := New(Seed{}).Child("a").Seed(); seen[again] != "a" {
		t.Error("the same child twice gives different seeds")
	}
	if a, b := Fresh(), Fresh(); a.Seed() == b.Seed() {
		t.Error("two fresh generators have the same seed")
	}
}

func TestChildTakesNothingFromTheParent(t *testing.T) {
	p, q := New(Seed{3}), New(Seed{3})
	p.Child("x")
	if p.Uint64() != q.Uint64() {
		t.Error("making a child moved the parent's stream")
	}
}

func TestFillAndBits(t *testing.T) {
	p := New(Seed{9})
	for _, w := range []int{1, 2, 7, 31, 32, 33, 63, 64} {
		v := make([]uint64, 4000)
		p.Fill(v, w)
		for bit := range 64 {
			ones := 0
			for _, x := range v {
				ones += int(x >> bit & 1)
			}
			if bit >= w && ones != 0 {
				t.Errorf("width %d: bit %d is set", w, bit)
			}
			if bit < w && math.Abs(float64(ones)-2000) > 6*math.Sqrt(1000) {
				t.Errorf("width %d: bit %d is set %d times in 4000", w, bit, ones)
			}
		}
	}
	b := make([]uint8, 20001)
	p.Bits(b)
	ones := 0
	for _, x := range b {
		if x > 1 {
			t.Fatalf("bit is %d", x)
		}
		ones += int(x)
	}
	if math.Abs(float64(ones)-10000) > 6*math.Sqrt(5000) {
		t.Errorf("%d ones in 20001 bits", ones)
	}
}

func TestPrintsNoSecret(t *testing.T) {
	p := New(Seed{0xab, 0xcd})
	p.Uint64()
	s := p.Seed()
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
		fmt.Fprintf(&out, verb+verb+verb+verb, p, s, []any{p}, struct{ S Seed }{s})
	}
	fmt.Fprint(&out, p, s)
	noTime := func(_ []string, a slog.Attr) slog.Attr { // its digits are no leak
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{ReplaceAttr: noTime})).Info("x", "p", p, "s", s)
	j, _ := json.Marshal([]any{p, s})
	out.Write(j)
	got := strings.ReplaceAll(strings.ReplaceAll(out.String(), redactedPRG, ""), redactedSeed, "")
	for _, leak := range []string{"ab", "171", "cd", "205"} {
		if strings.Contains(got, leak) {
			t.Errorf("the output contains %q: %s", leak, got)
		}
	}
}

func BenchmarkFill(b *testing.B) {
	p, v := New(Seed{}), make([]uint64, 1<<14)
	b.SetBytes(int64(8 * len(v)))
	for b.Loop() {
		p.Fill(v, 37)
	}
}

// TestDerive compares with the standard library's HKDF.
func TestDerive(t *testing.T) {
	for i := range 200 {
		seed, info := Seed{byte(i), 31: byte(7 * i)}, strings.Repeat("x", i)
		want, err := hkdf.Key(sha256.New, seed[:], nil, info, 32)
		if err != nil {
			t.Fatal(err)
		}
		if got := derive(seed, info); !bytes.Equal(got[:], want) {
			t.Errorf("info of %d bytes: another key than HKDF's", i)
		}
	}
}

// TestStreamKey expands a seed as a kernel does.
func TestStreamKey(t *testing.T) {
	got, want := make([]byte, 100), make([]byte, 100)
	New(Seed{7}).Read(want)
	key := StreamKey(Seed{7})
	block, err := aes.NewCipher(key[:])
	if err != nil {
		t.Fatal(err)
	}
	cipher.NewCTR(block, make([]byte, aes.BlockSize)).XORKeyStream(got, got)
	if !bytes.Equal(got, want) {
		t.Error("another stream under the key")
	}
}
