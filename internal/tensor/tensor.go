package tensor

import (
	"fmt"
	"slices"
)

// MaxElems bounds what [CheckShape] accepts: 2^40 elements.
const MaxElems = 1 << 40

// CheckShape returns an error if a size is not positive or if the shape has
// more than MaxElems elements.
func CheckShape(shape []int) error {
	n := 1
	for axis, size := range shape {
		if size < 1 {
			return fmt.Errorf("shape %v: axis %d has size %d, want at least 1", shape, axis, size)
		}
		if size > MaxElems/n {
			return fmt.Errorf("shape %v has more than %d elements", shape, MaxElems)
		}
		n *= size
	}
	return nil
}

// NumElems returns the number of elements: 1 for the empty shape.
func NumElems(shape []int) int {
	n := 1
	for _, size := range shape {
		n *= size
	}
	return n
}

// Strides returns the distance between neighbours along each axis.
func Strides(shape []int) []int {
	s := make([]int, len(shape))
	n := 1
	for i := len(shape) - 1; i >= 0; i-- {
		s[i] = n
		n *= shape[i]
	}
	return s
}

// Axis returns axis counted from the front: a negative one counts from the
// back, -1 is the last. It panics if there is no such axis.
func Axis(shape []int, axis int) int {
	a := axis
	if a < 0 {
		a += len(shape)
	}
	if a < 0 || a >= len(shape) {
		panic(fmt.Sprintf("tensor: internal error: shape %v has no axis %d", shape, axis))
	}
	return a
}

// Last returns the size of the last axis and the product of the others: the
// columns and rows of the tensor seen as a matrix. The empty shape is 1 × 1.
func Last(shape []int) (rows, cols int) {
	if len(shape) == 0 {
		return 1, 1
	}
	n := len(shape) - 1
	return NumElems(shape[:n]), shape[n]
}

// TransposeShape returns the shape whose axis i is axis perm[i] of shape.
func TransposeShape(shape, perm []int) []int {
	seen := make([]bool, len(shape))
	out := make([]int, len(perm))
	for i, p := range perm {
		if len(perm) != len(shape) || p < 0 || p >= len(shape) || seen[p] {
			panic(fmt.Sprintf("tensor: internal error: %v is not a permutation of the axes of %v", perm, shape))
		}
		seen[p] = true
		out[i] = shape[p]
	}
	if len(perm) != len(shape) {
		panic(fmt.Sprintf("tensor: internal error: %v is not a permutation of the axes of %v", perm, shape))
	}
	return out
}

// Transpose moves axis perm[i] of v to place i.
func Transpose[T any](v []T, shape, perm []int) []T {
	want(len(v), shape)
	to := TransposeShape(shape, perm)
	from := Strides(shape)
	strides := make([]int, len(perm)) // of v, in the order of the result's axes
	for i, p := range perm {
		strides[i] = from[p]
	}
	out := make([]T, len(v))
	if len(perm) == 0 {
		copy(out, v)
		return out
	}
	last := len(perm) - 1
	switch {
	case slices.IsSorted(perm):
		copy(out, v)
		return out
	case last == 1:
		swap(out, v, shape[0], shape[1])
		return out
	}
	index := make([]int, last)
	for at, base := 0, 0; at < len(out); {
		for j, p := 0, base; j < to[last]; j, p = j+1, p+strides[last] {
			out[at] = v[p]
			at++
		}
		for i := last - 1; i >= 0; i-- {
			index[i]++
			base += strides[i]
			if index[i] < to[i] {
				break
			}
			base -= to[i] * strides[i]
			index[i] = 0
		}
	}
	return out
}

// swap is the transpose of a matrix, by squares that stay in the cache.
func swap[T any](out, v []T, rows, cols int) {
	const side = 16
	for i := 0; i < rows; i += side {
		for j := 0; j < cols; j += side {
			top := min(i+side, rows)
			for c := j; c < min(j+side, cols); c++ {
				for r := i; r < top; r++ {
					out[c*rows+r] = v[r*cols+c]
				}
			}
		}
	}
}

// SplitHeads turns [S, heads·K] into [heads, S, K].
func SplitHeads[T any](v []T, shape []int, heads int) ([]T, []int) {
	if len(shape) != 2 || heads < 1 || shape[1]%heads != 0 {
		panic(fmt.Sprintf("tensor: internal error: cannot split %v into %d heads", shape, heads))
	}
	s, k := shape[0], shape[1]/heads
	return Transpose(v, []int{s, heads, k}, []int{1, 0, 2}), []int{heads, s, k}
}

// MergeHeads turns [heads, S, K] into [S, heads·K].
func MergeHeads[T any](v []T, shape []int) ([]T, []int) {
	if len(shape) != 3 {
		panic(fmt.Sprintf("tensor: internal error: cannot merge the heads of %v", shape))
	}
	return Transpose(v, shape, []int{1, 0, 2}), []int{shape[1], shape[0] * shape[2]}
}

// Slice returns the elements start … start+length-1 along axis, with their
// shape.
func Slice[T any](v []T, shape []int, axis, start, length int) ([]T, []int) {
	want(len(v), shape)
	axis = Axis(shape, axis)
	if start < 0 || length < 1 || start+length > shape[axis] {
		panic(fmt.Sprintf("tensor: internal error: %d elements from %d along axis %d of %v", length, start, axis, shape))
	}
	inner := NumElems(shape[axis+1:])
	step := inner * shape[axis]
	out := make([]T, 0, len(v)/shape[axis]*length)
	for at := start * inner; at < len(v); at += step {
		out = append(out, v[at:at+length*inner]...)
	}
	to := slices.Clone(shape)
	to[axis] = length
	return out, to
}

// Split cuts v into equal parts along axis. All parts have the returned shape.
func Split[T any](v []T, shape []int, axis, parts int) ([][]T, []int) {
	axis = Axis(shape, axis)
	if parts < 1 || shape[axis]%parts != 0 {
		panic(fmt.Sprintf("tensor: internal error: cannot split axis %d of %v into %d parts", axis, shape, parts))
	}
	size := shape[axis] / parts
	out := make([][]T, parts)
	to := shape
	for i := range out {
		out[i], to = Slice(v, shape, axis, i*size, size)
	}
	return out, to
}

// Concat joins tensors along axis; the other sizes must agree.
func Concat[T any](vs [][]T, shapes [][]int, axis int) ([]T, []int) {
	if len(vs) == 0 || len(vs) != len(shapes) {
		panic(fmt.Sprintf("tensor: internal error: concat of %d tensors with %d shapes", len(vs), len(shapes)))
	}
	axis = Axis(shapes[0], axis)
	to := slices.Clone(shapes[0])
	to[axis] = 0
	for i, shape := range shapes {
		want(len(vs[i]), shape)
		if len(shape) != len(to) || !slices.Equal(shape[:axis], to[:axis]) || !slices.Equal(shape[axis+1:], to[axis+1:]) {
			panic(fmt.Sprintf("tensor: internal error: concat along axis %d of %v and %v", axis, shapes[0], shape))
		}
		to[axis] += shape[axis]
	}
	inner := NumElems(to[axis+1:])
	out := make([]T, 0, NumElems(to))
	for o := range NumElems(to[:axis]) {
		for i, v := range vs {
			n := shapes[i][axis] * inner
			out = append(out, v[o*n:(o+1)*n]...)
		}
	}
	return out, to
}

// Gather picks slices along the first axis: output slice i is slice index[i] of
// the tensors put one after the other along that axis. Other sizes agree.
func Gather[T any](vs [][]T, shapes [][]int, index []int) ([]T, []int) {
	if len(vs) == 0 || len(vs) != len(shapes) {
		panic(fmt.Sprintf("tensor: internal error: gather from %d tensors with %d shapes", len(vs), len(shapes)))
	}
	to := slices.Clone(shapes[0])
	inner := NumElems(to[1:])
	var rows [][]T
	for i, v := range vs {
		want(len(v), shapes[i])
		if !slices.Equal(shapes[i][1:], to[1:]) {
			panic(fmt.Sprintf("tensor: internal error: gather from %v and %v", to, shapes[i]))
		}
		for r := range shapes[i][0] {
			rows = append(rows, v[r*inner:(r+1)*inner])
		}
	}
	out := make([]T, 0, len(index)*inner)
	for _, r := range index {
		out = append(out, rows[r]...)
	}
	to[0] = len(index)
	return out, to
}

// Broadcast returns the shape of an element-wise op on shapes a and b: aligned
// at the last axis, sizes equal or one of them 1, missing axes count as 1.
func Broadcast(a, b []int) ([]int, error) {
	out := make([]int, max(len(a), len(b)))
	for i := range out {
		x, y := 1, 1
		if j := len(a) - len(out) + i; j >= 0 {
			x = a[j]
		}
		if j := len(b) - len(out) + i; j >= 0 {
			y = b[j]
		}
		if x != y && x != 1 && y != 1 {
			return nil, fmt.Errorf("shapes %v and %v do not broadcast: %d against %d", a, b, x, y)
		}
		out[i] = max(x, y)
	}
	return out, nil
}

// BroadcastTo repeats v, of shape from, to shape to. Broadcast(from, to) must
// be to.
func BroadcastTo[T any](v []T, from, to []int) []T {
	want(len(v), from)
	if s, err := Broadcast(from, to); err != nil || !slices.Equal(s, to) {
		panic(fmt.Sprintf("tensor: internal error: shape %v does not broadcast to %v", from, to))
	}
	pad := len(to) - len(from)
	strides := make([]int, len(to))
	for i, s := range Strides(from) {
		if from[i] > 1 {
			strides[pad+i] = s
		}
	}
	out := make([]T, NumElems(to))
	index := make([]int, len(to))
	base := 0
	for at := range out {
		out[at] = v[base]
		for i := len(to) - 1; i >= 0; i-- {
			index[i]++
			base += strides[i]
			if index[i] < to[i] {
				break
			}
			base -= to[i] * strides[i]
			index[i] = 0
		}
	}
	return out
}

func want(n int, shape []int) {
	if n != NumElems(shape) {
		panic(fmt.Sprintf("tensor: internal error: %d elements for shape %v", n, shape))
	}
}
