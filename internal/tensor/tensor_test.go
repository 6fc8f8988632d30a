package tensor

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func iota64(n int) []uint64 {
	v := make([]uint64, n)
	for i := range v {
		v[i] = uint64(i)
	}
	return v
}

// at returns the element of v at index.
func at[T any](v []T, shape, index []int) T {
	p := 0
	for i, s := range Strides(shape) {
		p += s * index[i]
	}
	return v[p]
}

// each calls f with every index of shape.
func each(shape []int, f func(index []int)) {
	index := make([]int, len(shape))
	for range NumElems(shape) {
		f(index)
		for i := len(shape) - 1; i >= 0; i-- {
			if index[i]++; index[i] < shape[i] {
				break
			}
			index[i] = 0
		}
	}
}

func TestTranspose(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		shape := make([]int, r.IntN(5))
		for i := range shape {
			shape[i] = 1 + r.IntN(4)
		}
		perm := r.Perm(len(shape))
		v := iota64(NumElems(shape))
		got, to := Transpose(v, shape, perm), TransposeShape(shape, perm)
		each(to, func(index []int) {
			from := make([]int, len(index))
			for i, p := range perm {
				from[p] = index[i]
			}
			if g, w := at(got, to, index), at(v, shape, from); g != w {
				t.Fatalf("shape %v perm %v at %v: got %d, want %d", shape, perm, index, g, w)
			}
		})
	}
}

func TestHeads(t *testing.T) {
	v := iota64(3 * 8) // [S, D] = [3, 8]
	got, shape := SplitHeads(v, []int{3, 8}, 4)
	if !slices.Equal(shape, []int{4, 3, 2}) {
		t.Fatalf("shape %v", shape)
	}
	each(shape, func(i []int) {
		if g, w := at(got, shape, i), uint64(i[1]*8+i[0]*2+i[2]); g != w {
			t.Errorf("at %v: got %d, want %d", i, g, w)
		}
	})
	back, shape := MergeHeads(got, shape)
	if !slices.Equal(back, v) || !slices.Equal(shape, []int{3, 8}) {
		t.Errorf("merge gives %v %v", back, shape)
	}
}

func TestSliceSplitConcat(t *testing.T) {
	shape := []int{2, 6, 3}
	v := iota64(36)
	for axis := -3; axis < 3; axis++ {
		a := Axis(shape, axis)
		for start := range shape[a] {
			for length := 1; start+length <= shape[a]; length++ {
				got, to := Slice(v, shape, axis, start, length)
				each(to, func(i []int) {
					from := slices.Clone(i)
					from[a] += start
					if g, w := at(got, to, i), at(v, shape, from); g != w {
						t.Fatalf("axis %d from %d, %d long, at %v: got %d, want %d", axis, start, length, i, g, w)
					}
				})
			}
		}
		parts, to := Split(v, shape, axis, shape[a])
		shapes := make([][]int, len(parts))
		for i := range shapes {
			shapes[i] = to
		}
		back, to := Concat(parts, shapes, axis)
		if !slices.Equal(back, v) || !slices.Equal(to, shape) {
			t.Errorf("axis %d: concat of split gives %v %v", axis, back, to)
		}
	}
	got, to := Concat([][]string{{"a", "b"}, {"c", "d", "e", "f"}}, [][]int{{2, 1}, {2, 2}}, 1)
	if !slices.Equal(got, []string{"a", "c", "d", "b", "e", "f"}) || !slices.Equal(to, []int{2, 3}) {
		t.Errorf("concat: got %v %v", got, to)
	}
}

func TestGather(t *testing.T) {
	a, b := []int{1, 2, 3, 4}, []int{5, 6}
	got, shape := Gather([][]int{a, b}, [][]int{{2, 2}, {1, 2}}, []int{2, 0, 2, 1})
	if want := []int{5, 6, 1, 2, 5, 6, 3, 4}; !slices.Equal(got, want) || !slices.Equal(shape, []int{4, 2}) {
		t.Errorf("got %v of shape %v, want %v", got, shape, want)
	}
	if _, shape = Gather([][]int{a}, [][]int{{4}}, nil); !slices.Equal(shape, []int{0}) {
		t.Errorf("nothing has shape %v", shape)
	}
}

func TestBroadcast(t *testing.T) {
	for _, c := range []struct {
		a, b, want []int
	}{
		{[]int{}, []int{}, []int{}},
		{[]int{2, 3}, []int{}, []int{2, 3}},
		{[]int{2, 3}, []int{3}, []int{2, 3}},
		{[]int{2, 1}, []int{3}, []int{2, 3}},
		{[]int{1}, []int{4, 2, 3}, []int{4, 2, 3}},
		{[]int{2}, []int{3}, nil},
		{[]int{2, 3}, []int{2, 1, 4}, nil},
	} {
		for range 2 {
			got, err := Broadcast(c.a, c.b)
			if (err != nil) != (c.want == nil) || !slices.Equal(got, c.want) {
				t.Errorf("%v with %v: got %v %v, want %v", c.a, c.b, got, err, c.want)
			}
			c.a, c.b = c.b, c.a
		}
	}
	if got := BroadcastTo([]uint8{1, 2}, []int{2, 1}, []int{2, 2, 3}); fmt.Sprint(got) != "[1 1 1 2 2 2 1 1 1 2 2 2]" {
		t.Errorf("got %v", got)
	}
}

func TestCheckShape(t *testing.T) {
	for _, c := range []struct {
		shape []int
		ok    bool
	}{
		{nil, true}, {[]int{1}, true}, {[]int{1 << 20, 1 << 20}, true},
		{[]int{0}, false}, {[]int{3, -1}, false}, {[]int{1 << 20, 1 << 20, 2}, false}, {[]int{1 << 40, 1 << 40}, false},
	} {
		if err := CheckShape(c.shape); (err == nil) != c.ok {
			t.Errorf("%v: %v", c.shape, err)
		}
	}
	if rows, cols := Last([]int{2, 3, 4}); rows != 6 || cols != 4 {
		t.Errorf("Last: %d × %d", rows, cols)
	}
}
