package z2k

import (
	"bytes"
	"fmt"
	"math/big"
	"math/rand/v2"
	goruntime "runtime"
	"slices"
	"testing"

	"nimbus/internal/kernel"
)

func random(r *rand.Rand, n, width int) []uint64 {
	v := make([]uint64, n)
	for i := range v {
		v[i] = r.Uint64() & Mask(width)
	}
	return v
}

// TestSmallWidths goes over all pairs of elements of Z_2^1 … Z_2^6.
func TestSmallWidths(t *testing.T) {
	for w := 1; w <= 6; w++ {
		n := 1 << w
		var a, b []uint64
		for i := range n * n {
			a = append(a, uint64(i/n))
			b = append(b, uint64(i%n))
		}
		got := make([]uint64, n*n)
		check := func(op string, want func(x, y int) int) {
			t.Helper()
			for i := range got {
				if x := (want(i/n, i%n)%n + n) % n; got[i] != uint64(x) {
					t.Fatalf("width %d: %d %s %d: got %d, want %d", w, i/n, op, i%n, got[i], x)
				}
			}
		}
		Add(got, a, b, w)
		check("+", func(x, y int) int { return x + y })
		Sub(got, a, b, w)
		check("-", func(x, y int) int { return x - y })
		MulConst(got, a, ^uint64(4), w)
		check("* -5,", func(x, _ int) int { return -5 * x })
		copy(got, a)
		Add(got, got, got, w) // aliases
		check("doubled,", func(x, _ int) int { return 2 * x })
		Reduce(got, a, w)
		check("reduced,", func(x, _ int) int { return x })
		for x := -n; x < n; x++ {
			e := FromInt(int64(x), w)
			if e != uint64((x+n)%n) {
				t.Fatalf("FromInt(%d, %d) = %d", x, w, e)
			}
			if x >= -n/2 && x < n/2 && Signed(e, w) != int64(x) {
				t.Fatalf("Signed(%d, %d) = %d, want %d", e, w, Signed(e, w), x)
			}
		}
	}
	if Signed(1<<63, 64) != -1<<63 || FromInt(-1, 64) != ^uint64(0) || Mask(64) != ^uint64(0) {
		t.Error("width 64")
	}
}

func TestMatMulAgainstBig(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct{ m, k, n, w int }{
		{0, 3, 2, 8}, {2, 0, 3, 8}, {1, 1, 1, 1}, {3, 5, 4, 64}, {2, 130, 513, 37}, {5, 67, 1030, 64},
	} {
		a, b := random(r, c.m*c.k, c.w), random(r, c.k*c.n, c.w)
		got := random(r, c.m*c.n, c.w)
		MatMul(got, a, b, c.m, c.k, c.n, c.w)
		mod := new(big.Int).Lsh(big.NewInt(1), uint(c.w))
		for i := range c.m {
			for j := range c.n {
				if c.n > 100 && j%37 != 0 && j < c.n-2 {
					continue
				}
				sum, x := new(big.Int), new(big.Int)
				for p := range c.k {
					x.SetUint64(a[i*c.k+p])
					sum.Add(sum, x.Mul(x, new(big.Int).SetUint64(b[p*c.n+j])))
				}
				if want := sum.Mod(sum, mod).Uint64(); got[i*c.n+j] != want {
					t.Fatalf("%+v: element %d,%d: got %d, want %d", c, i, j, got[i*c.n+j], want)
				}
			}
		}
	}
}

// TestMatMulInParts compares one goroutine with several, for odd sizes.
func TestMatMulInParts(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	const m, k, n, w = 7, 301, 1003, 43
	a, b := random(r, m*k, w), random(r, k*n, w)
	got, want := random(r, m*n, w), random(r, m*n, w)
	defer goruntime.GOMAXPROCS(goruntime.GOMAXPROCS(3))
	have := kernel.Multiplies
	kernel.Multiplies = false
	defer func() { kernel.Multiplies = have }()
	MatMul(got, a, b, m, k, n, w)
	matMul(want, a, b, k, n, w)
	if !slices.Equal(got, want) {
		t.Error("the products differ")
	}
}

// TestMatMulVector compares the vector kernel with the plain one, for shapes
// around its blocks, and operands with bits beyond the ring.
func TestMatMulVector(t *testing.T) {
	if !kernel.Multiplies {
		t.Skip("no vector kernel on this machine")
	}
	r := rand.New(rand.NewPCG(7, 9))
	defer goruntime.GOMAXPROCS(goruntime.GOMAXPROCS(3))
	for _, w := range []int{1, 25, 38, 51, 52, 53, 64} {
		for _, m := range []int{4, 7, 8, 9, 24} {
			for _, k := range []int{0, 1, 127, 128, 129, 300} {
				for _, n := range []int{1, 7, 8, 9, 63, 64, 65, 200} {
					a, b := random(r, m*k, 64), random(r, k*n, 64)
					got, want := random(r, m*n, w), random(r, m*n, w)
					MatMul(got, a, b, m, k, n, w)
					matMul(want, a, b, k, n, w)
					if !slices.Equal(got, want) {
						t.Fatalf("%d×%d×%d at width %d: the products differ", m, k, n, w)
					}
				}
			}
		}
	}
}

func TestPack(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for w := 1; w <= 64; w++ {
		for _, n := range []int{0, 1, 2, 7, 8, 9, 63, 64, 65, 100} {
			v := random(r, n, w)
			if n > 1 {
				v[n-1] = Mask(w)
			}
			want := new(big.Int)
			for i := n - 1; i >= 0; i-- {
				want.Lsh(want, uint(w)).Or(want, new(big.Int).SetUint64(v[i]))
			}
			wantBytes := want.FillBytes(make([]byte, PackedLen(n, w)))
			slices.Reverse(wantBytes)
			b := Pack([]byte("head"), v, w)
			if string(b[:4]) != "head" || !bytes.Equal(b[4:], wantBytes) {
				t.Fatalf("width %d, %d elements: wrong bytes", w, n)
			}
			got := random(r, n, w)
			if err := Unpack(got, b[4:], w); err != nil || !slices.Equal(got, v) {
				t.Fatalf("width %d, %d elements: got %v %v, want %v", w, n, got, err, v)
			}
			if err := Unpack(got, append(b[4:], 0), w); err == nil {
				t.Fatalf("width %d, %d elements: a byte too many passes", w, n)
			}
			if n == 0 {
				continue
			}
			if err := Unpack(got, b[4:len(b)-1], w); err == nil {
				t.Fatalf("width %d, %d elements: a byte too few passes", w, n)
			}
			for bit := n * w % 8; bit != 0 && bit < 8; bit++ {
				bad := bytes.Clone(b[4:])
				bad[len(bad)-1] |= 1 << bit
				if err := Unpack(got, bad, w); err == nil {
					t.Fatalf("width %d, %d elements: an unused bit passes", w, n)
				}
			}
		}
	}
}

func TestPackBits(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for n := range 40 {
		bits, wide := make([]uint8, n), random(r, n, 1)
		for i := range bits {
			bits[i] = uint8(wide[i])
		}
		b := PackBits(nil, bits)
		if !bytes.Equal(b, Pack(nil, wide, 1)) {
			t.Fatalf("%d bits: PackBits differs from Pack", n)
		}
		got := make([]uint8, n)
		if err := UnpackBits(got, b); err != nil || !bytes.Equal(got, bits) {
			t.Fatalf("%d bits: got %v %v, want %v", n, got, err, bits)
		}
		if UnpackBits(got, append(b, 0)) == nil {
			t.Fatalf("%d bits: a byte too many passes", n)
		}
		if n%8 != 0 {
			b[len(b)-1] |= 0x80
			if UnpackBits(got, b) == nil {
				t.Fatalf("%d bits: an unused bit passes", n)
			}
		}
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add([]byte{1, 2, 3}, 3, 8)
	f.Add([]byte{0xff}, 1, 7)
	f.Fuzz(func(t *testing.T, src []byte, n, width int) {
		if width < 1 || width > 64 || n < 0 || n > 1<<12 {
			return
		}
		v := make([]uint64, n)
		if Unpack(v, src, width) == nil && !bytes.Equal(Pack(nil, v, width), src) {
			t.Errorf("%d elements of %d bits: packing again gives other bytes", n, width)
		}
		bits := make([]uint8, n)
		if UnpackBits(bits, src) == nil && !bytes.Equal(PackBits(nil, bits), src) {
			t.Errorf("%d bits: packing again gives other bytes", n)
		}
	})
}

func BenchmarkPack(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, w := range []int{1, 12, 23, 60} {
		v := random(r, 1<<12, w)
		packed := Pack(nil, v, w)
		each := func(b *testing.B) {
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(v)), "ns/elem")
		}
		b.Run(fmt.Sprintf("pack/%d", w), func(b *testing.B) {
			for b.Loop() {
				packed = Pack(packed[:0], v, w)
			}
			each(b)
		})
		b.Run(fmt.Sprintf("unpack/%d", w), func(b *testing.B) {
			for b.Loop() {
				if err := Unpack(v, packed, w); err != nil {
					b.Fatal(err)
				}
			}
			each(b)
		})
	}
}

// TestPackStaysInside: nothing behind the packed bytes is written, even where
// the slice has room.
func TestPackStaysInside(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for w := 1; w <= 64; w++ {
		for n := range 40 {
			buf := bytes.Repeat([]byte{0xa5}, PackedLen(n, w)+16)
			got := Pack(buf[:0], random(r, n, w), w)
			if len(got) != PackedLen(n, w) || !bytes.Equal(buf[len(got):], bytes.Repeat([]byte{0xa5}, 16)) {
				t.Fatalf("width %d, %d elements: wrote behind the end", w, n)
			}
		}
	}
}

func BenchmarkMatMul(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	x, y := random(r, 128*256, 37), random(r, 256*256, 37)
	z := make([]uint64, 128*256)
	for b.Loop() {
		MatMul(z, x, y, 128, 256, 256, 37)
	}
	b.ReportMetric(float64(128*256*256)*float64(b.N)/b.Elapsed().Seconds()/1e9, "Gmac/s")
}
