package tests

import (
	"bytes"
	"crypto/aes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"nimbus/backend"
	"nimbus/frontend/bristol"
	"nimbus/internal/otparams"
	"nimbus/ir"
	"nimbus/ir/plan"
	"nimbus/ir/weights"
	"nimbus/runtime"
	"nimbus/tests/shared"
)

// circuit reads a circuit and makes a plan of it.
func circuit(tb testing.TB, file string, blocks int, owners ...string) (*bristol.Circuit, *ir.Module, *backend.Account) {
	tb.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	c, err := bristol.Parse(text)
	if err != nil {
		tb.Fatalf("%s: %v", file, err)
	}
	m, err := c.Module(bristol.Options{Name: "circuit", Blocks: blocks, Owners: owners})
	if err != nil {
		tb.Fatal(err)
	}
	if err := backend.Lower(m, backend.Options{Extension: "softspoken4"}); err != nil {
		tb.Fatal(err)
	}
	account, err := backend.AccountOf(m)
	if err != nil {
		tb.Fatal(err)
	}
	return c, m, account
}

// evaluation is one run of a circuit by two parties.
type evaluation struct {
	out            [][]byte // of the first output, per block
	client, server *runtime.Report
	offline        time.Duration
	online         time.Duration
}

// evaluate runs a plan of a circuit on blocks of bytes: values[i] is input i, and
// belongs to the party that the plan says.
func evaluate(tb testing.TB, m *ir.Module, blocks int, lan bool, values ...[][]byte) (e evaluation) {
	tb.Helper()
	mine, theirs := map[string][]uint64{}, map[string][]uint64{}
	for i, p := range m.Func("main").Params {
		v, err := bristol.Unpack(values[i])
		if err != nil {
			tb.Fatal(err)
		}
		if p.Type.Party == ir.Server {
			theirs[p.Name] = v
		} else {
			mine[p.Name] = v
		}
	}
	d, err := deploy(tb.TempDir(), m, weights.Map{})
	if err != nil {
		tb.Fatal(err)
	}
	defer d.close()
	session := d.start(tb, options{server: theirs, lan: lan})
	defer session.stop()
	start := time.Now()
	if _, err := session.client.Prepare(); err != nil {
		tb.Fatal(err)
	}
	e.offline = time.Since(start)
	start = time.Now()
	var out [][]uint64
	out, e.client, e.server = session.run(mine)
	e.online = time.Since(start)
	if e.out, err = bristol.Pack(out[0], blocks); err != nil {
		tb.Fatal(err)
	}
	return e
}

func unhex(tb testing.TB, text string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// TestAdder runs the repository's own circuit: two private nibbles, whose sum the
// client learns.
func TestAdder(t *testing.T) {
	_, m, account := circuit(t, filepath.Join("..", "frontend", "bristol", "testdata", "adder4.txt"), 256, ir.Client, ir.Server)
	d, err := deploy(t.TempDir(), m, weights.Map{})
	if err != nil {
		t.Fatal(err)
	}
	a, b := make([]uint64, 4*256), make([]uint64, 4*256)
	for k := range 256 {
		for w := range 4 {
			a[w*256+k], b[w*256+k] = uint64(k>>w)&1, uint64(k>>(4+w))&1
		}
	}
	session := d.start(t, options{server: map[string][]uint64{"in2": b}})
	out, client, server := session.run(map[string][]uint64{"in1": a})
	session.stop()
	checkAccount(t, account, client, server)
	for k := range 256 {
		sum := 0
		for w := range 5 {
			sum |= int(out[0][w*256+k]) << w
		}
		if sum != k&15+k>>4 {
			t.Fatalf("%d + %d is %d", k&15, k>>4, sum)
		}
	}
}

// TestAES encrypts the client's blocks under the server's key: the example of
// FIPS 197, appendix C.1, alone, and then among a thousand.
func TestAES(t *testing.T) {
	file := shared.Path(t, "data", "bristol", "aes_128.txt")
	key := unhex(t, "000102030405060708090a0b0c0d0e0f")
	plain := unhex(t, "00112233445566778899aabbccddeeff")
	cipher := unhex(t, "69c4e0d86a7b0430d8cdb78070b4c55a")
	ref, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	for _, blocks := range []int{1, 1000} {
		if blocks > 1 && testing.Short() {
			continue
		}
		c, m, account := circuit(t, file, blocks, ir.Server, ir.Client)
		keys, texts := make([][]byte, blocks), make([][]byte, blocks)
		for k := range blocks {
			keys[k], texts[k] = key, bytes.Clone(plain)
			binary.BigEndian.PutUint32(texts[k], uint32(k)+binary.BigEndian.Uint32(plain))
		}
		if m, err = plan.Parse("aes", m.String()); err != nil { // as a peer would read it
			t.Fatal(err)
		}
		e := evaluate(t, m, blocks, false, keys, texts)
		if !bytes.Equal(e.out[0], cipher) {
			t.Fatalf("FIPS 197: %x, want %x", e.out[0], cipher)
		}
		want := make([]byte, aes.BlockSize)
		for k, got := range e.out {
			if ref.Encrypt(want, texts[k]); !bytes.Equal(got, want) {
				t.Fatalf("block %d: %x, want %x", k, got, want)
			}
		}
		checkAccount(t, account, e.client, e.server)
		if n := int64(c.Ands() * blocks); account.Online.COTClientSends != n || account.Online.COTServerSends != n {
			t.Errorf("%d and %d COTs for %d ANDs", account.Online.COTClientSends, account.Online.COTServerSends, n)
		}
		if most := float64(c.Depth()) + 2; e.client.Online.Rounds > most {
			t.Errorf("%g rounds for %d levels of ANDs", e.client.Online.Rounds, c.Depth())
		}
		t.Logf("%d blocks, %d ops: offline %v, online %v, %d + %d bytes, %g rounds", blocks, len(m.Func("main").Body),
			e.offline.Round(time.Millisecond), e.online.Round(time.Millisecond),
			e.client.Online.BytesSent, e.client.Online.BytesReceived, e.client.Online.Rounds)
	}
}

// TestSHA256 compresses the client's block from the initial state, which the
// server gives: the digest of "abc", and of other short texts.
func TestSHA256(t *testing.T) {
	if testing.Short() {
		t.Skip("1607 rounds")
	}
	file := shared.Path(t, "data", "bristol", "sha256.txt")
	const blocks = 3
	_, m, account := circuit(t, file, blocks, ir.Client, ir.Server)
	iv := unhex(t, "6a09e667bb67ae853c6ef372a54ff53a510e527f9b05688c1f83d9ab5be0cd19")
	rng := rand.New(rand.NewPCG(1, 2))
	var texts, states, want [][]byte
	for k := range blocks {
		text := []byte("abc")
		for range k * 17 {
			text = append(text, byte(rng.Uint32()))
		}
		sum := sha256.Sum256(text)
		padded := make([]byte, 64)
		padded[copy(padded, text)] = 0x80
		binary.BigEndian.PutUint64(padded[56:], uint64(8*len(text)))
		texts, states, want = append(texts, padded), append(states, iv), append(want, sum[:])
	}
	e := evaluate(t, m, blocks, false, texts, states)
	for k := range blocks {
		if !bytes.Equal(e.out[k], want[k]) {
			t.Errorf("block %d: %x, want %x", k, e.out[k], want[k])
		}
	}
	checkAccount(t, account, e.client, e.server)
	t.Logf("%d blocks, %d ops: offline %v, online %v, %d + %d bytes, %g rounds", blocks, len(m.Func("main").Body),
		e.offline.Round(time.Millisecond), e.online.Round(time.Millisecond),
		e.client.Online.BytesSent, e.client.Online.BytesReceived, e.client.Online.Rounds)
}

// BenchmarkAES is a session of one run of 1000 blocks over a lan, both parties in
// this process: base OTs and all correlations first, then the run.
func BenchmarkAES(b *testing.B) {
	const blocks = 1000
	_, m, _ := circuit(b, shared.Path(b, "data", "bristol", "aes_128.txt"), blocks, ir.Server, ir.Client)
	var values [][]byte
	for range blocks {
		values = append(values, make([]byte, aes.BlockSize))
	}
	for _, extension := range otparams.Names() {
		b.Run(extension, func(b *testing.B) {
			m := m.Clone()
			m.Attrs.Set("extension", ir.Ident(extension))
			var offline, online time.Duration
			for b.Loop() {
				e := evaluate(b, m, blocks, true, values, values)
				offline, online = offline+e.offline, online+e.online
			}
			b.ReportMetric(offline.Seconds()*1e3/float64(b.N), "offline-ms/op")
			b.ReportMetric(online.Seconds()*1e3/float64(b.N), "online-ms/op")
		})
	}
}
