package packing

import "testing"

// negacyclic multiplies modulo X^n + 1.
func negacyclic(a, b []int64) []int64 {
	n := len(a)
	out := make([]int64, n)
	for i, x := range a {
		if x == 0 {
			continue
		}
		for j, y := range b {
			if i+j < n {
				out[i+j] += x * y
			} else {
				out[i+j-n] -= x * y
			}
		}
	}
	return out
}

// Every tile of every small ring: the product of generic matrices, the negacyclic wrap included, is where Result says.
func TestTileExhaustive(t *testing.T) {
	for _, n := range []int{4, 8, 16, 32} {
		tiles := 0
		for r := 1; r <= n; r++ {
			for k := 1; r*k <= n; k++ {
				for m := 1; r*k*m <= n; m++ {
					tiles++
					tile := Tile{Rows: r, Inner: k, Cols: m}
					if err := tile.Check(n, Product{r, k, m}); err != nil {
						t.Fatal(err)
					}
					a, b := make([]int64, n), make([]int64, n)
					A := func(i, c int) int64 { return int64(1 + i*31 + c*7 + i*c) }
					B := func(c, j int) int64 { return int64(-3 + c*13 + j*5 - c*j) }
					for i := range r {
						for c := range k {
							a[tile.A(i, c)] = A(i, c)
						}
					}
					for c := range k {
						for j := range m {
							b[tile.B(c, j)] = B(c, j)
						}
					}
					z := negacyclic(a, b)
					for i := range r {
						for j := range m {
							want := int64(0)
							for c := range k {
								want += A(i, c) * B(c, j)
							}
							if got := z[tile.Result(i, j)]; got != want {
								t.Fatalf("n=%d tile %+v: [%d][%d] is %d, want %d", n, tile, i, j, got, want)
							}
						}
					}
				}
			}
		}
		if tiles < n {
			t.Fatalf("n=%d: only %d tiles", n, tiles)
		}
	}
}

func TestTileCheck(t *testing.T) {
	p := Product{4, 4, 4}
	for _, bad := range []Tile{{}, {Rows: 5, Inner: 1, Cols: 1}, {Rows: 4, Inner: 4, Cols: 4}, {Rows: 1, Inner: 1, Cols: -1}, {Rows: 1 << 62, Inner: 1 << 62, Cols: 1}} {
		if bad.Check(32, p) == nil {
			t.Errorf("%+v accepted", bad)
		}
	}
	if (Tile{Rows: 1, Inner: 1, Cols: 1}).Check(32, Product{}) == nil {
		t.Error("empty product accepted")
	}
}

func TestTilesCover(t *testing.T) {
	p := Product{128, 64, 128}
	all := Tiles(2048, p)
	want := map[Tile]bool{{4, 4, 128, false}: false, {4, 4, 128, true}: false}
	for _, tl := range all {
		if err := tl.Check(2048, p); err != nil {
			t.Error(err)
		}
		if _, ok := want[tl]; ok {
			want[tl] = true
		}
	}
	for tl, seen := range want {
		if !seen {
			t.Errorf("%+v not tried", tl)
		}
	}
	got := Tile{4, 4, 128, false}
	if in, out, terms := got.Inputs(p), got.Outputs(p), got.Terms(p); in != 16 || out != 32 || terms != 256 {
		t.Errorf("inputs %d outputs %d terms %d", in, out, terms)
	}
}

// Linear: every stored coefficient that a response coefficient needs is inside Stored, and Stored is no larger than it
// must be.
func TestLinearStored(t *testing.T) {
	const n = 16
	for cols := 1; cols <= 40; cols++ {
		for rows := 1; rows <= n; rows++ {
			l := Linear{N: n, M: 3, K: 2, Cols: cols, T: rows}
			if l.Check() != nil {
				continue
			}
			next := 0
			for b := range l.Blocks() {
				blk := l.Block(b)
				if blk.Start != next || blk.Len > n || blk.Len < 1 || blk.Len > l.Block(0).Len {
					t.Fatalf("cols %d: block %d is %+v", cols, b, blk)
				}
				next += blk.Len
				st := l.Stored(b)
				need := map[int]bool{}
				for tok := range rows {
					for p := range rows * blk.Len {
						need[((p-tok*blk.Len)%n+n)%n] = true
					}
				}
				for i := range n {
					in := (i-st.Start+n)%n < st.Len
					if in != need[i] {
						t.Fatalf("cols %d rows %d block %d: coefficient %d stored %v, needed %v", cols, rows, b, i, in, need[i])
					}
				}
			}
			if next != cols {
				t.Fatalf("cols %d: blocks cover %d", cols, next)
			}
			seen := 0
			for g := range l.Groups() {
				s := l.GroupRows(g)
				if s.Start != seen || s.Len < 1 {
					t.Fatalf("group %d is %+v", g, s)
				}
				seen += s.Len
			}
			if seen != l.M {
				t.Fatalf("groups cover %d of %d rows", seen, l.M)
			}
		}
	}
	for _, bad := range []Linear{{N: 16, M: 1, K: 1, Cols: 9, T: 2}, {N: 16, M: 0, K: 1, Cols: 1, T: 1}, {}} {
		if bad.Check() == nil {
			t.Errorf("%+v accepted", bad)
		}
	}
}

// TestLinearStack: with several rows of W in a ciphertext, products of generic matrices are where At says, what they read
// of the first polynomial is what Stored says, and there is no room for one row more.
func TestLinearStack(t *testing.T) {
	const n = 512
	for _, c := range []struct{ m, k, cols, t, stack int }{
		{3, 20, 64, 1, 8}, {3, 20, 64, 2, 4}, {5, 7, 64, 3, 2}, {5, 7, 64, 5, 1}, {9, 5, 64, 8, 1}, {2, 5, 128, 1, 4}, {4, 9, 128, 2, 2},
		{2, 3, 192, 1, 2}, {2, 3, 192, 2, 1}, {1, 3, 320, 1, 1}, {2, 3, 64, 1, 3}, {2, 9, 72, 1, 1}, {2, 3, 1024, 1, 1},
	} {
		l := Linear{N: n, M: c.m, K: c.k, Cols: c.cols, T: c.t}
		if err := l.Check(); err != nil {
			t.Fatal(err)
		}
		s := l.Stack()
		if s != c.stack || s > 1 && s < l.K && (s+1)*c.t*c.cols <= n {
			t.Errorf("%+v: %d rows in a ciphertext, want %d", l, s, c.stack)
		}
		if s == 1 {
			continue
		}
		x := func(i, b int) int64 { return int64(1 + i*31 + b*7 + i*b%5) }
		w := func(b, j int) int64 { return int64(-3 + b*13 + j*5 - b*j%7) }
		need := map[int]bool{}
		for g := range l.Groups() {
			rows := l.GroupRows(g)
			sum := make([]int64, n)
			for r := range l.Ciphertexts() {
				factor, message := make([]int64, n), make([]int64, n)
				for b := r * s; b < min((r+1)*s, l.K); b++ {
					for j := range c.cols {
						message[(b-r*s)*c.cols+j] = w(b, j)
					}
					for i := range rows.Len {
						shift := (i*s - (b - r*s)) * c.cols
						if shift < 0 {
							factor[shift+n] = -x(rows.Start+i, b)
						} else {
							factor[shift] = x(rows.Start+i, b)
						}
						for _, at := range l.At(0, rows.Len) {
							need[((at-shift)%n+n)%n] = true
						}
					}
				}
				for i, v := range negacyclic(factor, message) {
					sum[i] += v
				}
			}
			at := l.At(0, rows.Len)
			for i := range rows.Len {
				for j := range c.cols {
					want := int64(0)
					for b := range l.K {
						want += x(rows.Start+i, b) * w(b, j)
					}
					if got := sum[at[i*c.cols+j]]; got != want {
						t.Fatalf("%+v: [%d][%d] is %d, want %d", l, rows.Start+i, j, got, want)
					}
				}
			}
		}
		st := l.Stored(0)
		for i := range n {
			if in := (i-st.Start+n)%n < st.Len; need[i] && !in || in && !need[i] && st.Len < n && l.M >= l.T && l.K >= s {
				t.Fatalf("%+v: coefficient %d stored %v, needed %v", l, i, in, need[i])
			}
		}
	}
}

// TestClasses: rows of a single ciphertext row are multiplied one by one, stacked ones never, and many rows of few columns by
// transforms.
func TestClasses(t *testing.T) {
	for _, c := range []struct {
		l    Linear
		want int
	}{
		{Linear{N: 4096, M: 64, K: 768, Cols: 2304, T: 1}, 1},
		{Linear{N: 4096, M: 64, K: 768, Cols: 768, T: 1}, 16},
		{Linear{N: 4096, M: 1, K: 768, Cols: 768, T: 1}, 16},
		{Linear{N: 4096, M: 64, K: 384, Cols: 384, T: 10}, 32},
		{Linear{N: 4096, M: 2, K: 384, Cols: 384, T: 6}, 1}, // too few rows to be worth the levels
		{Linear{N: 4096, M: 64, K: 100, Cols: 100, T: 2}, 1},
		{Linear{N: 4096, M: 1500, K: 2, Cols: 4, T: 1024}, 4096},
	} {
		if got := c.l.Classes(); got != c.want {
			t.Errorf("%+v: %d classes, want %d", c.l, got, c.want)
		}
	}
}

func TestRows(t *testing.T) {
	for count := 1; count < 20; count++ {
		for cols := 1; cols <= 16; cols++ {
			r := Rows{N: 16, Count: count, Cols: cols}
			if err := r.Check(); err != nil {
				t.Fatal(err)
			}
			used := map[[2]int]bool{}
			for row := range count {
				p, off := r.At(row)
				if p >= r.Polys() || off+cols > r.Stored() || used[[2]int{p, off}] {
					t.Fatalf("%+v: row %d at %d,%d", r, row, p, off)
				}
				used[[2]int{p, off}] = true
			}
		}
	}
	if (Rows{N: 16, Count: 1, Cols: 17}).Check() == nil {
		t.Error("row wider than the ring accepted")
	}
}
