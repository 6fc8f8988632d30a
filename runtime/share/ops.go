package share

import (
	"fmt"
	"slices"

	"nimbus/internal/tensor"
	"nimbus/internal/z2k"
)

// Add returns x + y. Shapes and widths are equal, as is the result's.
func Add(x, y Arith) Arith {
	same(x, y)
	out := NewArith(x.Width, x.Shape...)
	z2k.Add(out.V, x.V, y.V, x.Width)
	return out
}

// Sub returns x - y. Shapes and widths are equal, as is the result's.
func Sub(x, y Arith) Arith {
	same(x, y)
	out := NewArith(x.Width, x.Shape...)
	z2k.Sub(out.V, x.V, y.V, x.Width)
	return out
}

// AddConst returns x + c for a public c: the server adds it to its half.
func AddConst(p int, x Arith, c uint64) Arith {
	party(p)
	x.fits()
	out := x.Clone()
	if p == Server {
		for i := range out.V {
			out.V[i] += c
		}
		z2k.Reduce(out.V, out.V, x.Width)
	}
	return out
}

// MulConst returns c · x for a public c.
func MulConst(x Arith, c uint64) Arith {
	x.fits()
	out := NewArith(x.Width, x.Shape...)
	z2k.MulConst(out.V, x.V, c, x.Width)
	return out
}

// AddBias returns x + v for a vector v that is private to the server, with as
// many elements as x or as x's last axis. The client passes nil.
func AddBias(p int, x Arith, v []uint64) Arith { return addPrivate(p, Server, x, v) }

// AddMask returns x + v for a vector v that is private to the client, with as
// many elements as x or as x's last axis. The server passes nil.
func AddMask(p int, x Arith, v []uint64) Arith { return addPrivate(p, Client, x, v) }

func addPrivate(p, owner int, x Arith, v []uint64) Arith {
	party(p)
	x.fits()
	out := x.Clone()
	if p != owner {
		return out
	}
	if _, cols := tensor.Last(x.Shape); len(v) != cols && len(v) != len(x.V) || len(v) == 0 {
		panic(fmt.Sprintf("share: internal error: %d private values for %v", len(v), x))
	}
	for i := 0; i < len(out.V); i += len(v) {
		z2k.Add(out.V[i:i+len(v)], out.V[i:i+len(v)], v, x.Width)
	}
	z2k.Reduce(out.V, out.V, x.Width)
	return out
}

// Sum adds up the last axis, which stays with size 1: [..., n] to [..., 1].
func Sum(x Arith) Arith {
	x.fits()
	rows, cols := tensor.Last(x.Shape)
	out := NewArith(x.Width, column(x.Shape)...)
	for r := range rows {
		var s uint64
		for _, e := range x.V[r*cols : (r+1)*cols] {
			s += e
		}
		out.V[r] = s
	}
	z2k.Reduce(out.V, out.V, x.Width)
	return out
}

// SubBroadcast returns x - y for x [..., n] and y [..., 1].
func SubBroadcast(x, y Arith) Arith {
	x.fits()
	y.fits()
	if x.Width != y.Width || !slices.Equal(column(x.Shape), y.Shape) {
		panic(fmt.Sprintf("share: internal error: %v minus %v along the last axis", x, y))
	}
	rows, cols := tensor.Last(x.Shape)
	out := NewArith(x.Width, x.Shape...)
	for r := range rows {
		for c := range cols {
			out.V[r*cols+c] = x.V[r*cols+c] - y.V[r]
		}
	}
	z2k.Reduce(out.V, out.V, x.Width)
	return out
}

// Shrink drops the d lowest bits of x and of the ring: width l becomes l - d,
// 0 <= d < l.
//
//	[y]_A ← Shrink([x]_A, d)        y = floor(x / 2^d) or one more, mod 2^(l-d)
//
// With x = x0 + x1 mod 2^l the high parts add up to floor(x / 2^d) less the
// carry c of the low parts, and a wrap of the sum at 2^l is a wrap at 2^(l-d),
// so it vanishes. Adding 2^d - 1 to the client's half first turns the carry
// into one that, for a uniform half, makes y exceed x / 2^d with the
// probability of its fraction: y is x / 2^d rounded up or down, unbiased, and
// exact if 2^d divides x.
func Shrink(p int, x Arith, d int) Arith {
	party(p)
	x.fits()
	if d < 0 || d >= x.Width {
		panic(fmt.Sprintf("share: internal error: shrink %v by %d bits", x, d))
	}
	var add uint64
	if p == Client {
		add = 1<<d - 1
	}
	m := z2k.Mask(x.Width)
	out := NewArith(x.Width-d, x.Shape...)
	for i, e := range x.V {
		out.V[i] = (e + add) & m >> d
	}
	return out
}

// Gather picks slices along the first axis: slice i of the result is slice
// index[i] of the arguments put one after the other. Indices are public.
func Gather(xs []Arith, index []int) Arith {
	var vs [][]uint64
	var shapes [][]int
	for _, x := range xs {
		x.fits()
		vs, shapes = append(vs, x.V), append(shapes, x.Shape)
	}
	v, shape := tensor.Gather(vs, shapes, index)
	return Arith{xs[0].Width, shape, v}
}

// GatherBits is Gather for bits.
func GatherBits(xs []Bool, index []int) Bool {
	var vs [][]uint8
	var shapes [][]int
	for _, x := range xs {
		x.fits()
		vs, shapes = append(vs, x.V), append(shapes, x.Shape)
	}
	v, shape := tensor.Gather(vs, shapes, index)
	return Bool{shape, v}
}

// Number shifts x left by bits and adds the place of each element of a row,
// counted from the row's end: y[j] = 2^bits·x[j] + n-1-j. Party p adds it.
func Number(p int, x Arith, bits int) Arith {
	party(p)
	out := MulConst(x, 1<<bits)
	if p == Server {
		_, n := tensor.Last(x.Shape)
		for i := range out.V {
			out.V[i] += uint64(n - 1 - i%n)
		}
		z2k.Reduce(out.V, out.V, x.Width)
	}
	return out
}

// Reduce keeps the low width bits: x mod 2^width, width <= x.Width.
func Reduce(x Arith, width int) Arith {
	x.fits()
	if width > x.Width {
		panic(fmt.Sprintf("share: internal error: reduce %v to %d bits", x, width))
	}
	out := NewArith(width, x.Shape...)
	z2k.Reduce(out.V, x.V, width)
	return out
}

// Transpose moves axis perm[i] to place i.
func Transpose(x Arith, perm []int) Arith {
	return Arith{x.Width, tensor.TransposeShape(x.Shape, perm), tensor.Transpose(x.V, x.Shape, perm)}
}

// SplitHeads turns [S, D] into [heads, S, D/heads].
func SplitHeads(x Arith, heads int) Arith {
	v, shape := tensor.SplitHeads(x.V, x.Shape, heads)
	return Arith{x.Width, shape, v}
}

// MergeHeads turns [H, S, K] into [S, H·K].
func MergeHeads(x Arith) Arith {
	v, shape := tensor.MergeHeads(x.V, x.Shape)
	return Arith{x.Width, shape, v}
}

// Split cuts x into equal parts along axis.
func Split(x Arith, axis, parts int) []Arith {
	vs, shape := tensor.Split(x.V, x.Shape, axis, parts)
	out := make([]Arith, parts)
	for i, v := range vs {
		out[i] = Arith{x.Width, slices.Clone(shape), v}
	}
	return out
}

// Slice keeps length elements from start along axis.
func Slice(x Arith, axis, start, length int) Arith {
	v, shape := tensor.Slice(x.V, x.Shape, axis, start, length)
	return Arith{x.Width, shape, v}
}

// Concat joins shares of one width along axis.
func Concat(axis int, xs ...Arith) Arith {
	vs, shapes := make([][]uint64, len(xs)), make([][]int, len(xs))
	for i, x := range xs {
		if x.Width != xs[0].Width {
			panic(fmt.Sprintf("share: internal error: concat of %v and %v", xs[0], x))
		}
		vs[i], shapes[i] = x.V, x.Shape
	}
	v, shape := tensor.Concat(vs, shapes, axis)
	return Arith{xs[0].Width, shape, v}
}

// Reshape returns x with another shape of as many elements.
func Reshape(x Arith, shape ...int) Arith {
	out := x.Clone()
	out.Shape = slices.Clone(shape)
	out.fits()
	return out
}

// Not returns 1 ⊕ b: the server flips its half.
func Not(p int, b Bool) Bool {
	party(p)
	b.fits()
	out := b.Clone()
	if p == Server {
		for i := range out.V {
			out.V[i] ^= 1
		}
	}
	return out
}

// Xor returns a ⊕ b. Shapes are equal.
func Xor(a, b Bool) Bool {
	a.fits()
	b.fits()
	if !slices.Equal(a.Shape, b.Shape) {
		panic(fmt.Sprintf("share: internal error: shapes of %v and %v differ", a, b))
	}
	out := a.Clone()
	for i := range out.V {
		out.V[i] ^= b.V[i]
	}
	return out
}

func same(x, y Arith) {
	x.fits()
	y.fits()
	if x.Width != y.Width || !slices.Equal(x.Shape, y.Shape) {
		panic(fmt.Sprintf("share: internal error: %v and %v differ in width or shape", x, y))
	}
}

// column returns shape with a last axis of size 1.
func column(shape []int) []int {
	out := slices.Clone(shape)
	if len(out) > 0 {
		out[len(out)-1] = 1
	}
	return out
}
