package baseot

import (
	"bytes"
	"crypto/mlkem"
	"crypto/sha256"
	"fmt"
	"math"
	"math/bits"
	"os"
	"strings"
	"testing"

	"nimbus/internal/golden"
	"nimbus/internal/kernel"
	"nimbus/internal/prg"
)

var schemes = []Scheme{Ristretto{}, MLKEM{}}

func randomChoices(seed byte, n int) []uint8 {
	c := make([]uint8, n)
	prg.New(prg.Seed{seed}).Bits(c)
	return c
}

func TestSchemes(t *testing.T) {
	for _, s := range schemes {
		for _, n := range []int{0, 1, 2, 40} {
			t.Run(fmt.Sprint(s, "/", n), func(t *testing.T) {
				choices := randomChoices(1, n)
				session := []byte("test")
				r, request, err := s.Request(session, choices, prg.New(prg.Seed{2}))
				if err != nil {
					t.Fatal(err)
				}
				if len(request) != s.RequestBytes(n) {
					t.Fatalf("request of %d bytes, formula %d", len(request), s.RequestBytes(n))
				}
				pairs, reply, err := s.Reply(session, n, request, prg.New(prg.Seed{3}))
				if err != nil {
					t.Fatal(err)
				}
				if len(reply) != s.ReplyBytes(n) {
					t.Fatalf("reply of %d bytes, formula %d", len(reply), s.ReplyBytes(n))
				}
				keys, err := r.Finish(reply)
				if err != nil {
					t.Fatal(err)
				}
				seen := make(map[kernel.Block]bool)
				for j, c := range choices {
					if keys[j] != pairs[j][c] {
						t.Fatalf("OT %d: not the chosen key", j)
					}
					for _, k := range pairs[j] {
						if seen[k] {
							t.Fatalf("OT %d: a key repeats", j)
						}
						seen[k] = true
					}
				}
				if n > 0 {
					if _, err := r.Finish(reply); err == nil {
						t.Error("a second reply is accepted")
					}
				}
			})
		}
	}
}

// TestSessions: the parties agree on keys only if they agree on the session.
func TestSessions(t *testing.T) {
	for _, s := range schemes {
		r, request, err := s.Request([]byte("a"), []uint8{0, 1}, prg.New(prg.Seed{2}))
		if err != nil {
			t.Fatal(err)
		}
		pairs, reply, err := s.Reply([]byte("b"), 2, request, prg.New(prg.Seed{3}))
		if err != nil {
			t.Fatal(err)
		}
		keys, err := r.Finish(reply)
		if err != nil {
			t.Fatal(err)
		}
		for j := range keys {
			if keys[j] == pairs[j][0] || keys[j] == pairs[j][1] {
				t.Errorf("%s: OT %d works across sessions", s, j)
			}
		}
	}
}

// TestRequestView looks at the request with all choices 0 and all 1: both
// halves are uniform encodings either way, so no statistic of bits differs, and
// the same seed with other choices gives unrelated bytes in the chosen half.
func TestRequestView(t *testing.T) {
	const n = 64
	for _, s := range schemes {
		for c := range uint8(2) {
			choices := bytes.Repeat([]byte{c}, n)
			_, request, err := s.Request(nil, choices, prg.New(prg.Seed{4}))
			if err != nil {
				t.Fatal(err)
			}
			size := len(request) / n
			half := elementBytes
			if s.String() == "mlkem768" {
				half = mlkemEncoded
			}
			seen := make(map[string]bool)
			var ones [2]int
			for j := range n {
				for i := range 2 {
					b := request[j*size+i*half:][:half]
					if seen[string(b)] {
						t.Fatalf("%s: a value repeats", s)
					}
					seen[string(b)] = true
					for _, x := range b[:half-1] {
						ones[i] += bits.OnesCount8(x)
					}
				}
			}
			total := float64(n * (half - 1) * 8)
			// Coefficients below 3329 have fewer ones than uniform bits; the
			// halves must agree with each other in any case.
			if d := math.Abs(float64(ones[0] - ones[1])); d > 6*math.Sqrt(total/2) {
				t.Errorf("%s, choice %d: %d and %d ones in the halves", s, c, ones[0], ones[1])
			}
		}
	}
}

func TestHostileRequest(t *testing.T) {
	rng := prg.New(prg.Seed{5})
	for _, s := range schemes {
		_, good, err := s.Request(nil, []uint8{0, 1}, prg.New(prg.Seed{6}))
		if err != nil {
			t.Fatal(err)
		}
		size := len(good) / 2
		for name, bad := range map[string][]byte{
			"empty": nil, "short": good[1:], "long": append(bytes.Clone(good), 0),
			"ones": bytes.Repeat([]byte{0xff}, len(good)),
			"OT 1": append(bytes.Clone(good[:size]), bytes.Repeat([]byte{0xff}, size)...),
		} {
			if _, _, err := s.Reply(nil, 2, bad, rng); err == nil {
				t.Errorf("%s: %s request accepted", s, name)
			}
		}
		if _, _, err := s.Request(nil, []uint8{2}, rng); err == nil {
			t.Errorf("%s: choice 2 accepted", s)
		}
	}
	// R_0 = -H_0(R_1), so that A_0 is the identity.
	_, request, err := Ristretto{}.Request(nil, []uint8{0}, prg.New(prg.Seed{6}))
	if err != nil {
		t.Fatal(err)
	}
	id := sha256.Sum256(nil)
	h, err := hashToGroup(&id, 0, 0, request[elementBytes:])
	if err != nil {
		t.Fatal(err)
	}
	h.p.Negate(&h.p)
	copy(request, h.encode())
	if _, _, err := (Ristretto{}).Reply(nil, 1, request, rng); err == nil || !strings.Contains(err.Error(), "identity") {
		t.Errorf("element that cancels its hash: error %v", err)
	}
}

func TestHostileReply(t *testing.T) {
	// In both halves, so that the receiver's choice does not decide.
	for choice := range uint8(2) {
		for at, content := range map[int]string{0: "not the canonical", 1: "not the canonical"} {
			r, request, err := Ristretto{}.Request(nil, []uint8{choice}, prg.New(prg.Seed{7}))
			if err != nil {
				t.Fatal(err)
			}
			_, reply, err := Ristretto{}.Reply(nil, 1, request, prg.New(prg.Seed{8}))
			if err != nil {
				t.Fatal(err)
			}
			reply[at*elementBytes] ^= 1 // negative now
			if _, err := r.Finish(reply); err == nil || !strings.Contains(err.Error(), content) {
				t.Errorf("choice %d, element %d: error %v", choice, at, err)
			}
			r, _, _ = Ristretto{}.Request(nil, []uint8{choice}, prg.New(prg.Seed{7}))
			reply[at*elementBytes] ^= 1
			clear(reply[at*elementBytes:][:elementBytes])
			if _, err := r.Finish(reply); err == nil || !strings.Contains(err.Error(), "identity") {
				t.Errorf("choice %d, identity as element %d: error %v", choice, at, err)
			}
		}
	}
	for _, s := range schemes {
		r, _, err := s.Request(nil, []uint8{0}, prg.New(prg.Seed{7}))
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{0, s.ReplyBytes(1) - 1, s.ReplyBytes(1) + 1} {
			if _, err := r.Finish(make([]byte, n)); err == nil {
				t.Errorf("%s: reply of %d bytes accepted", s, n)
			}
		}
	}
}

// TestMLKEMCiphertext: a wrong ciphertext gives another key and no error, so
// that a cheating sender sees no reaction.
func TestMLKEMCiphertext(t *testing.T) {
	r, request, err := MLKEM{}.Request(nil, []uint8{1}, prg.New(prg.Seed{7}))
	if err != nil {
		t.Fatal(err)
	}
	pairs, reply, err := MLKEM{}.Reply(nil, 1, request, nil)
	if err != nil {
		t.Fatal(err)
	}
	reply[mlkem.CiphertextSize768] ^= 1
	keys, err := r.Finish(reply)
	if err != nil {
		t.Fatal(err)
	}
	if keys[0] == pairs[0][0] || keys[0] == pairs[0][1] {
		t.Error("a wrong ciphertext gives a right key")
	}
}

func TestVector(t *testing.T) {
	rng := prg.New(prg.Seed{9})
	wide := make([]byte, wideVector)
	var sum float64
	for range 20 {
		var v, w, x vector
		rng.Read(wide)
		v.setUniform(wide)
		rng.Read(wide)
		w.setUniform(wide)
		x = v
		x.add(&w)
		for k := range x {
			if x[k] != uint16((int(v[k])+int(w[k]))%mlkemQ) {
				t.Fatalf("%d + %d = %d", v[k], w[k], x[k])
			}
			sum += float64(v[k])
		}
		x.sub(&w)
		if x != v {
			t.Fatal("sub does not undo add")
		}
		if err := w.decode(v.encode()); err != nil || w != v {
			t.Fatalf("encoding does not survive: %v", err)
		}
	}
	// The mean of 15360 numbers, σ = 961/√15360 = 7.75.
	if mean := sum / (20 * mlkemVector); math.Abs(mean-1664) > 6*7.75 {
		t.Errorf("mean coefficient %.1f", mean)
	}
	for _, extreme := range []byte{0, 0xff} {
		var v vector
		v.setUniform(bytes.Repeat([]byte{extreme}, wideVector))
		if want := uint16(extreme) / 0xff * (mlkemQ - 1); v[0] != want || v[767] != want {
			t.Errorf("extreme %#x gives %d", extreme, v[0])
		}
	}
	b := make([]byte, mlkemEncoded)
	b[1151] = 0xff // 4080 or more
	if new(vector).decode(b) == nil {
		t.Error("coefficient above 3328 accepted")
	}
}

// TestWire freezes the messages under fixed seeds. ML-KEM replies are not a
// function of the seed.
func TestWire(t *testing.T) {
	const file = "testdata/wire.golden"
	var got strings.Builder
	for _, s := range schemes {
		_, request, err := s.Request([]byte("wire"), randomChoices(1, 8), prg.New(prg.Seed{2}))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&got, "%s request %x\n", s, sha256.Sum256(request))
		if s.String() == "mlkem768" {
			continue
		}
		_, reply, err := s.Reply([]byte("wire"), 8, request, prg.New(prg.Seed{3}))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&got, "%s reply %x\n", s, sha256.Sum256(reply))
	}
	if golden.Updating() {
		if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("wire digests changed:\n%s\nwant\n%s", got.String(), want)
	}
}

// FuzzReply: no request makes the sender panic.
func FuzzReply(f *testing.F) {
	for i, s := range schemes {
		_, request, err := s.Request(nil, []uint8{1}, prg.New(prg.Seed{2}))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(i), request)
		f.Add(uint8(i), make([]byte, len(request)))
	}
	f.Fuzz(func(t *testing.T, which uint8, request []byte) {
		s := schemes[int(which)%len(schemes)]
		_, reply, err := s.Reply(nil, 1, request, prg.New(prg.Seed{3}))
		if err == nil && len(reply) != s.ReplyBytes(1) {
			t.Errorf("reply of %d bytes", len(reply))
		}
	})
}

func BenchmarkBaseOT(b *testing.B) {
	for _, s := range schemes {
		b.Run(s.String(), func(b *testing.B) {
			choices := randomChoices(1, 128)
			for b.Loop() {
				r, request, err := s.Request(nil, choices, prg.New(prg.Seed{2}))
				if err != nil {
					b.Fatal(err)
				}
				_, reply, err := s.Reply(nil, 128, request, prg.New(prg.Seed{3}))
				if err != nil {
					b.Fatal(err)
				}
				if _, err := r.Finish(reply); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
