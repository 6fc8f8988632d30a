package he

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"

	"nimbus/internal/kernel"
	"nimbus/internal/packing"
	"nimbus/internal/prg"
	"nimbus/internal/rlweparams"
	"nimbus/internal/z2k"
	"nimbus/runtime/artifact"
	"nimbus/runtime/transport"
	"nimbus/runtime/transport/transporttest"
)

func seeded(s byte) *prg.PRG { return prg.New(prg.Seed{s}) }

var testID = SectionID{Key: [32]byte{1}, Plan: [32]byte{2}, Name: "w"}

// asSection wraps what Encrypt wrote.
func asSection(info artifact.SectionInfo, id SectionID, data []byte) artifact.Section {
	return artifact.Section{SectionInfo: info, PlanDigest: id.Plan, KeyID: id.Key, Data: data}
}

// section encrypts the weight of m.
func section(tb testing.TB, m MatMul, key *SecretKey, w []uint64, rng *prg.PRG) artifact.Section {
	tb.Helper()
	info, err := m.Section("w")
	if err != nil {
		tb.Fatal(err)
	}
	var data bytes.Buffer
	if err := m.Encrypt(&data, key, testID, w, rng, nil); err != nil {
		tb.Fatal(err)
	}
	return asSection(info, testID, data.Bytes())
}

// openRandom is the product m, and the rows of a random weight that a client has stored.
func openRandom(t *testing.T, m MatMul, rng *prg.PRG) (*linear, *matMulRows) {
	t.Helper()
	key, err := NewSecretKey(m.Set, rng)
	if err != nil {
		t.Fatal(err)
	}
	l, err := m.setup()
	if err != nil {
		t.Fatal(err)
	}
	rows, err := l.open(section(t, m, key, random(rng, m.K*m.N, m.Width), rng))
	if err != nil {
		t.Fatal(err)
	}
	return l, rows
}

func random(rng *prg.PRG, n, width int) []uint64 {
	v := make([]uint64, n)
	rng.Fill(v, width)
	return v
}

// worst is the largest distance, in ulp, between two vectors of Z_2^width.
func worst(a, b []uint64, width int) int64 {
	m := int64(0)
	for i := range a {
		d := z2k.Signed((a[i]-b[i])&z2k.Mask(width), width)
		m = max(m, d, -d)
	}
	return m
}

type matMulRun struct {
	result  transport.Stats
	ulp     int64
	run     transporttest.Result
	errs    []int64
	section [8]byte // of its digest
}

func runMatMul(t testing.TB, m MatMul, change func(l *linear)) matMulRun {
	t.Helper()
	rng := seeded(7)
	key, err := NewSecretKey(m.Set, rng.Child("key"))
	if err != nil {
		t.Fatal(err)
	}
	xc, xs := random(rng.Child("xc"), m.M*m.K, m.Width), random(rng.Child("xs"), m.M*m.K, m.Width)
	w := random(rng.Child("w"), m.K*m.N, m.Width)
	l, err := m.setup()
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(l)
	}
	info, err := m.Section("w")
	if err != nil {
		t.Fatal(err)
	}
	info.Bytes = l.sectionBytes()
	var data bytes.Buffer
	if err := l.encrypt(&data, key, testID, w, rng.Child("enc"), nil); err != nil {
		t.Fatal(err)
	}
	if int64(data.Len()) != info.Bytes {
		t.Fatalf("section has %d bytes, expected %d", data.Len(), info.Bytes)
	}
	pk, err := ParsePublicKey(m.Set, key.Public().Marshal())
	if err != nil {
		t.Fatal(err)
	}
	var yc, ys []uint64
	res := transporttest.TwoParty(t, func(c transport.Conn) (err error) {
		yc, err = l.client(c, asSection(info, testID, data.Bytes()), pk, xc, rng.Child("online"))
		return err
	}, func(c transport.Conn) (err error) {
		ys, err = m.Server(c, key, xs, w)
		return err
	})
	sum := sha256.Sum256(data.Bytes())
	x := make([]uint64, len(xc))
	z2k.Add(x, xc, xs, m.Width)
	want, got := make([]uint64, m.M*m.N), make([]uint64, m.M*m.N)
	z2k.MatMul(want, x, w, m.M, m.K, m.N, m.Width)
	z2k.Add(got, yc, ys, m.Width)
	return matMulRun{res.ClientStats, worst(got, want, m.Width), res, errorsOf(got, want, m.Width), [8]byte(sum[:8])}
}

func TestMatMul(t *testing.T) {
	for _, m := range []MatMul{
		{Set: "n4096", M: 1, K: 3, N: 5, T: 1, Width: 25},
		{Set: "n4096", M: 5, K: 12, N: 96, T: 2, Width: 37},
		{Set: "n4096", M: 9, K: 300, N: 64, T: 4, Width: 37, DropC0: 20, DropC1: 14},
		{Set: "n4096", M: 700, K: 2, N: 6, T: 600, Width: 26, DropStored: 40, DropC0: 10, DropC1: 6},
		{Set: "n4096", M: 8, K: 17, N: 64, T: 8, Width: 40},
		{Set: "n4096", M: 3, K: 64, N: 768, T: 5, Width: 44},
		{Set: "n4096", M: 3, K: 5, N: 37, T: 3, Width: 33},
		{Set: "n4096", M: 2, K: 9, N: 4100, T: 1, Width: 30},
		{Set: "n4096", M: 9, K: 300, N: 64, T: 4, Width: 38, DropC0: 20, DropC1: 14, DropStored: 28},
		{Set: "n4096", M: 3, K: 5, N: 37, T: 3, Width: 20, DropStored: 36},
		{Set: "n4096", M: 3, K: 5, N: 37, T: 1, Width: 20, DropStored: 37},
		{Set: "n4096", M: 2, K: 9, N: 4101, T: 1, Width: 30, DropStored: 1},
		{Set: "n4096", M: 20, K: 131, N: 384, T: 1, Width: 38, DropStored: 25},
		{Set: "n4096", M: 20, K: 131, N: 384, T: 3, Width: 38, DropStored: 25, DropC0: 20, DropC1: 14},
		{Set: "n4096", M: 20, K: 131, N: 128, T: 2, Width: 38, DropStored: 25, DropC0: 20, DropC1: 14},
		{Set: "n4096", M: 20, K: 131, N: 384, T: 10, Width: 38, DropStored: 25},
		{Set: "n8192", M: 3, K: 40, N: 101, T: 3, Width: 64, DropStored: 40},
		{Set: "n8192", M: 3, K: 40, N: 101, T: 2, Width: 50, DropStored: 29},
		{Set: "n8192", M: 3, K: 40, N: 100, T: 3, Width: 64},
		{Set: "n8192", M: 2, K: 10, N: 20, T: 2, Width: 64, DropC0: 50, DropC1: 35},
		{Set: "n8192", M: 2, K: 10, N: 20, T: 1, Width: 64, DropC0: 30, DropC1: 30},
	} {
		t.Run(fmt.Sprintf("%s_%d_T%d_l%d_d%d", m.Set, m.N, m.T, m.Width, m.DropStored), func(t *testing.T) {
			got := runMatMul(t, m, nil)
			set, _ := rlweparams.Lookup(m.Set)
			bound := set.MatMulNoise(m.K, m.T, m.Width, m.Drops()).MaxUlp(m.M * m.N)
			t.Logf("worst error %d ulp, bound %d", got.ulp, bound)
			if got.ulp > int64(bound) {
				t.Errorf("error of %d ulp, bound %d", got.ulp, bound)
			}
			lay := packing.Linear{N: set.N(), M: m.M, K: m.K, Cols: m.N, T: m.T}
			want := int64(0)
			for b := range lay.Blocks() {
				for g := range lay.Groups() {
					want += int64(set.ResponseBytes(lay.GroupRows(g).Len*lay.Block(b).Len, m.DropC0, m.DropC1))
				}
			}
			if got.result.BytesSent != want || got.result.BytesReceived != 0 {
				t.Errorf("client sent %d bytes and received %d, expected %d and 0", got.result.BytesSent, got.result.BytesReceived, want)
			}
		})
	}
}

// Storing only the row's own coefficients of the first polynomial suffices for T = 1 and for nothing else.
func TestCutFirstPolynomial(t *testing.T) {
	m := MatMul{Set: "n4096", M: 4, K: 8, N: 64, T: 1, Width: 37}
	cut := func(l *linear) { l.narrow = true }
	if r := runMatMul(t, m, cut); r.ulp > 1 {
		t.Errorf("T=1: error of %d ulp", r.ulp)
	}
	m.T = 2
	if r := runMatMul(t, m, cut); r.ulp < 1<<20 {
		t.Errorf("T=2 with n stored coefficients reconstructs within %d ulp: it must not", r.ulp)
	}
	if r := runMatMul(t, m, nil); r.ulp > 1 {
		t.Errorf("T=2: error of %d ulp", r.ulp)
	}
}

// A section with as many bytes, but of another number of ciphertexts, is refused.
func TestOtherCiphertexts(t *testing.T) {
	m := MatMul{Set: "n4096", M: 2, K: 4, N: 1024, T: 1, Width: 37}
	rng := seeded(7)
	key, err := NewSecretKey(m.Set, rng)
	if err != nil {
		t.Fatal(err)
	}
	sec := section(t, m, key, random(rng, m.K*m.N, m.Width), rng)
	sec.Rows = m.K
	if _, err := m.Client(discard{}, sec, key.Public(), make([]uint64, m.M*m.K), rng); err == nil || !strings.Contains(err.Error(), "run setup again") {
		t.Errorf("accepted: %v", err)
	}
}

// TestAccumulate multiplies the identity into stored rows, which gives the rows back: as the stretches of columns expand
// them, whole rows expand too. Some coefficients are the largest there are, and with a modulus far below a power of two
// a quarter of the second polynomial is drawn again.
func TestAccumulate(t *testing.T) {
	for _, c := range []struct {
		name                     string
		set                      string
		n, t, drop, blocks, half int
	}{
		{"whole", "n4096", 24, 1, 0, 1, 0},
		{"dropped", "n4096", 776, 2, 25, 1, 0},
		{"not eights", "n4096", 21, 3, 25, 1, 0},
		{"two blocks", "n4096", 4104, 1, 20, 2, 0},
		{"three limbs", "n8192", 16, 1, 30, 1, 0},
		{"drawn again", "n4096", 24, 1, 25, 1, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			const k = 9
			m := MatMul{Set: c.set, M: k, K: k, N: c.n, T: c.t, Width: 38, DropStored: c.drop}
			l, rows := openRandom(t, m, seeded(3))
			if c.half > 0 {
				p := *l.p
				p.limbs = slices.Clone(p.limbs)
				q := p.limbs[0].q/4*3 | 1
				p.limbs[0].q, p.limbs[0].mod = q, kernel.NewModulus(q)
				l.p, rows.form = &p, nil
			}
			identity := make([]int64, k*k)
			for i := range k {
				identity[i*k+i] = 1
			}
			if l.lay.Blocks() != c.blocks {
				t.Fatalf("%d blocks, want %d", l.lay.Blocks(), c.blocks)
			}
			for b := range c.blocks {
				n := l.stored(b).Len
				largest := newPoly(len(l.p.limbs), n)
				for i := range largest {
					for j := range largest[i] {
						largest[i][j] = l.p.limbs[i].q - 1
					}
				}
				if c.half == 0 {
					copy(rows.row(b, 4), l.p.packStored(nil, largest, l.p.all(), c.drop))
				}
				acc, err := l.accumulate(discard{}, rows, b, l.integers(identity, k, k))
				if err != nil {
					t.Fatal(err)
				}
				for i := range l.p.limbs {
					want := make([]uint64, n)
					second := make([]uint64, l.p.n)
					for r := range k {
						if err := l.p.unpackStored(want, make([]uint64, 2*n), rows.row(b, r), i, l.p.all(), c.drop); err != nil {
							t.Fatal(err)
						}
						expand(publicSeed("matmul", testID.Key, testID.Plan, "w", rows.salt, b*k+r, i), second, &l.p.limbs[i])
						row := acc[i].Row(r)
						if !slices.Equal(row[:n], want) {
							t.Fatalf("block %d limb %d row %d: the first polynomial differs", b, i, r)
						}
						if !slices.Equal(row[l.second(b, 1):], second) {
							t.Fatalf("block %d limb %d row %d: the second polynomial differs", b, i, r)
						}
					}
				}
			}
		})
	}
}
