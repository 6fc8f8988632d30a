package he

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"nimbus/internal/rlweparams"
	"nimbus/runtime/transport"
	"nimbus/runtime/transport/transporttest"
)

func TestKeysRoundTrip(t *testing.T) {
	ring, err := NewKeyring([]string{"n4096", "n2048"}, seeded(1))
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseKeyring(ring.Marshal())
	if err != nil {
		t.Fatal(err)
	}
	pub, err := ParsePublicKeyring(ring.Public().Marshal())
	if err != nil {
		t.Fatal(err)
	}
	if again.ID() != ring.ID() || pub.ID() != ring.ID() {
		t.Error("the id changes on the way")
	}
	for _, set := range ring.Sets() {
		a, _ := ring.Key(set)
		b, err := again.Key(set)
		if err != nil || !bytes.Equal(a.Marshal(), b.Marshal()) {
			t.Errorf("%s: secret key changes on the way: %v", set, err)
		}
		pk, err := pub.Key(set)
		if err != nil || pk.ID() != a.Public().ID() || !a.owns(pk) {
			t.Errorf("%s: public key changes on the way: %v", set, err)
		}
		s, _ := rlweparams.Lookup(set)
		if n := len(pk.Marshal()); n != s.PublicKeyBytes() {
			t.Errorf("%s: public key of %d bytes, expected %d", set, n, s.PublicKeyBytes())
		}
	}
	other, _ := NewKeyring([]string{"n4096", "n2048"}, seeded(2))
	if other.ID() == ring.ID() {
		t.Error("two keyrings with one id")
	}
	if _, err := NewKeyring([]string{"n2048", "n2048"}, seeded(1)); err == nil {
		t.Error("two keys for one set")
	}
	if _, err := NewKeyring([]string{"n1024"}, seeded(1)); err == nil {
		t.Error("a set outside the table")
	}
	if _, err := ring.Key("n8192"); err == nil {
		t.Error("a key that is not there")
	}
}

func TestKeysDoNotPrint(t *testing.T) {
	ring, _ := NewKeyring([]string{"n2048"}, seeded(1))
	k, _ := ring.Key("n2048")
	for _, v := range []any{k, ring, &SessionKeys{ring, ring.Public()}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%s"} {
			if s := fmt.Sprintf(verb, v); len(s) > 60 || !strings.Contains(s, "redacted") {
				t.Errorf("%T with %s prints %.80s", v, verb, s)
			}
		}
	}
	if b, err := json.Marshal(k); err != nil || len(b) > 60 {
		t.Errorf("json: %.80s (%v)", b, err)
	}
}

func TestHostileKeys(t *testing.T) {
	k, _ := NewSecretKey("n2048", seeded(1))
	good := k.Public().Marshal()
	over := bytes.Clone(good)
	for i := range 8 {
		over[32+i] = 0xff // first residue 2^52-1
	}
	for name, bad := range map[string][]byte{"short": good[:len(good)-1], "long": append(bytes.Clone(good), 0), "empty": nil, "residue": over} {
		if _, err := ParsePublicKey("n2048", bad); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	secret := k.Marshal()
	for at := 0; at < len(secret); at += 97 {
		bad := bytes.Clone(secret)
		bad[at] ^= 1
		if _, err := ParseSecretKey(bad); err == nil {
			t.Errorf("flipped bit at %d accepted", at)
		}
	}
	for _, n := range []int{0, 8, 9, 12, 100, len(secret) - 1} {
		if _, err := ParseSecretKey(secret[:n]); err == nil {
			t.Errorf("%d bytes accepted", n)
		}
	}
	// A peer that answers with a key of another set, or with noise.
	other, _ := NewSecretKey("n4096s", seeded(2))
	for name, msg := range map[string][]byte{
		"noise":    bytes.Repeat([]byte{7}, 6+1+len(good)),
		"residues": append(append([]byte{5}, "n2048"...), over...),
		"other":    append(append([]byte{6}, "n4096s"...), other.Public().Marshal()...),
	} {
		err, _ := transporttest.TwoPartyErr(t, func(c transport.Conn) error {
			_, err := ExchangeKeys(c, []string{"n2048"}, seeded(3))
			return err
		}, func(c transport.Conn) error {
			if _, err := c.RecvMax(1 << 20); err != nil {
				return err
			}
			return c.Send(msg)
		})
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestHostileResponses(t *testing.T) {
	for _, set := range []string{"n2048", "n8192"} {
		key, _ := NewSecretKey(set, seeded(1))
		p := key.p
		pos := positions(10)
		for _, drop := range []int{0, 3, 20, 40} {
			n := p.ResponseBytes(10, drop, drop)
			out := make([]uint64, 10)
			if err := key.open(out, make([]byte, n), pos, 20, drop, drop); err != nil {
				t.Fatal(err)
			}
			for _, k := range []int{0, 1, n - 1, n + 1} {
				if key.open(out, make([]byte, k), pos, 20, drop, drop) == nil {
					t.Errorf("%s: %d bytes instead of %d accepted", set, k, n)
				}
			}
			if drop == 0 {
				if key.open(out, bytes.Repeat([]byte{0xff}, n), pos, 20, drop, drop) == nil {
					t.Errorf("%s: residues of all ones accepted", set)
				}
			}
		}
	}
}

func TestHostileSection(t *testing.T) {
	m := MatMul{Set: "n4096", M: 1, K: 2, N: 4, T: 1, Width: 20}
	key, _ := NewSecretKey(m.Set, seeded(1))
	info, _ := m.Section("w")
	var data bytes.Buffer
	if err := m.Encrypt(&data, key, testID, make([]uint64, 8), seeded(2), nil); err != nil {
		t.Fatal(err)
	}
	bad := bytes.Clone(data.Bytes())
	for i := saltLen; i < len(bad); i++ {
		bad[i] = 0xff
	}
	x := make([]uint64, 2)
	if _, err := m.Client(nil, asSection(info, testID, bad), key.Public(), x, seeded(3)); err == nil {
		t.Error("residues that are too large accepted")
	}
	if _, err := m.Client(nil, asSection(info, testID, bad[:len(bad)-1]), key.Public(), x, seeded(3)); err == nil {
		t.Error("truncated section accepted")
	}
	info.Kind = KindTable
	if _, err := m.Client(nil, asSection(info, testID, data.Bytes()), key.Public(), x, seeded(3)); err == nil {
		t.Error("section of another kind accepted")
	}
	for _, spec := range []MatMul{
		{Set: "n1024", M: 1, K: 1, N: 1, T: 1, Width: 20},
		{Set: "n2048", M: 1, K: 1, N: 1, T: 1, Width: 20},
		{Set: "n4096", M: 1, K: 1, N: 1, T: 1, Width: 45},
		{Set: "n4096", M: 1, K: 1, N: 1, T: 1, Width: 0},
		{Set: "n4096", M: 1, K: 1, N: 4096, T: 2, Width: 20},
		{Set: "n4096", M: 1, K: 1, N: 1, T: 1, Width: 20, DropC0: 43},
		{Set: "n4096", M: 1, K: 1, N: 1, T: 1, Width: 20, DropC1: -1},
		{Set: "n4096", M: 0, K: 1, N: 1, T: 1, Width: 20},
	} {
		if spec.Check() == nil {
			t.Errorf("%+v accepted", spec)
		}
		if _, err := spec.Section("w"); err == nil {
			t.Errorf("%+v has a section", spec)
		}
	}
}

func FuzzParsePublicKeyring(f *testing.F) {
	ring, _ := NewKeyring([]string{"n2048"}, seeded(1))
	f.Add(ring.Public().Marshal())
	f.Add([]byte("\x05n2048"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParsePublicKeyring(b)
		if err == nil && !bytes.Equal(r.Marshal(), b) {
			t.Error("a keyring does not survive a round trip")
		}
	})
}

func FuzzParseKeyring(f *testing.F) {
	ring, _ := NewKeyring([]string{"n2048"}, seeded(1))
	f.Add(ring.Marshal())
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseKeyring(b)
		if err == nil && !bytes.Equal(r.Marshal(), b) {
			t.Error("a keyring does not survive a round trip")
		}
	})
}

func FuzzOpenResponse(f *testing.F) {
	key, _ := NewSecretKey("n2048", seeded(1))
	wide, _ := NewSecretKey("n8192", seeded(1))
	f.Add([]byte{1, 2, 3}, uint8(3), uint8(5), false)
	f.Add(bytes.Repeat([]byte{0xff}, 100), uint8(40), uint8(0), true)
	f.Fuzz(func(t *testing.T, b []byte, d0, d1 uint8, two bool) {
		k := key
		if two {
			k = wide
		}
		most := k.p.resp().bits - 7
		drop0, drop1 := int(d0)%most, int(d1)%most
		const sent = 5
		msg := make([]byte, k.p.ResponseBytes(sent, drop0, drop1))
		for i := range msg {
			if len(b) > 0 {
				msg[i] = b[i%len(b)]
			}
		}
		out := make([]uint64, sent)
		if err := k.open(out, msg, positions(sent), 20, drop0, drop1); err != nil {
			return
		}
		for _, v := range out {
			if v>>20 != 0 {
				t.Errorf("share %d is not of 20 bits", v)
			}
		}
		k.open(out, b, positions(sent), 20, drop0, drop1) // any length: no panic
	})
}
