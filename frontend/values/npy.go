package values

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The format is numpy.lib.format of the NumPy documentation: the magic, two
// bytes of version, the header's length (two bytes in version 1, four since), a
// header that is a Python dictionary, and the elements.
const npyMagic = "\x93NUMPY"

// maxHeader bounds a header; NumPy's own have some hundred bytes.
const maxHeader = 1 << 16

// npyTypes are the element types that are read.
var npyTypes = map[string]struct {
	size int
	set  func(l *List, b []byte)
}{
	"<f4": {4, func(l *List, b []byte) {
		l.real(float64(math.Float32frombits(binary.LittleEndian.Uint32(b))))
	}},
	"<f8": {8, func(l *List, b []byte) { l.real(math.Float64frombits(binary.LittleEndian.Uint64(b))) }},
	"<i4": {4, func(l *List, b []byte) { l.whole(int64(int32(binary.LittleEndian.Uint32(b)))) }},
	"<i8": {8, func(l *List, b []byte) { l.whole(int64(binary.LittleEndian.Uint64(b))) }},
	"|u1": {1, func(l *List, b []byte) { l.whole(int64(b[0])) }},
	"|b1": {1, func(l *List, b []byte) { l.whole(int64(min(b[0], 1))) }},
}

func (l *List) real(x float64) { l.Reals = append(l.Reals, x) }

func (l *List) whole(x int64) {
	l.Whole = append(l.Whole, x)
	l.Reals = append(l.Reals, float64(x))
}

var (
	npyDescr   = regexp.MustCompile(`'descr'\s*:\s*'([^']*)'`)
	npyFortran = regexp.MustCompile(`'fortran_order'\s*:\s*(True|False)`)
	npyShape   = regexp.MustCompile(`'shape'\s*:\s*\(([0-9, ]*)\)`)
)

// parseNPY reads a NumPy file, which begins with the magic.
func parseNPY(data []byte) (List, error) {
	var l List
	body := data[len(npyMagic):]
	if len(body) < 4 {
		return l, errors.New("the NumPy file is cut off")
	}
	version, size, head := body[0], 0, 4
	switch version {
	case 1:
		size = int(binary.LittleEndian.Uint16(body[2:]))
	case 2, 3:
		if head = 6; len(body) < head {
			return l, errors.New("the NumPy file is cut off")
		}
		size = int(min(binary.LittleEndian.Uint32(body[2:]), maxHeader+1))
	default:
		return l, fmt.Errorf("NumPy format version %d is not known; known are 1 to 3", version)
	}
	if size > maxHeader || size > len(body)-head {
		return l, errors.New("the NumPy file is cut off in its header")
	}
	header := string(body[head : head+size])
	body = body[head+size:]
	descr, fortran, shape := npyDescr.FindStringSubmatch(header), npyFortran.FindStringSubmatch(header), npyShape.FindStringSubmatch(header)
	if fortran == nil || shape == nil || descr == nil && !strings.Contains(header, "'descr'") {
		return l, errors.New("the NumPy header does not state descr, fortran_order and shape")
	}
	if descr == nil {
		return l, errors.New("its elements have fields; save one array of numbers for each input")
	}
	typ, ok := npyTypes[descr[1]]
	if !ok {
		return l, fmt.Errorf("its elements are %q; read are float32, float64, int32, int64, uint8 and bool, little-endian: save x.astype(\"<f4\")", descr[1])
	}
	n := 1
	l.Shape = []int{}
	for _, d := range strings.FieldsFunc(shape[1], func(r rune) bool { return r == ',' || r == ' ' }) {
		k, err := strconv.Atoi(d)
		if err != nil || k < 1 || k > maxFile/n {
			return l, fmt.Errorf("its shape (%s) is empty or too large", shape[1])
		}
		n *= k
		l.Shape = append(l.Shape, k)
	}
	if fortran[1] == "True" && slices.ContainsFunc(l.Shape, func(d int) bool { return d > 1 }) && len(l.Shape) > 1 {
		return l, errors.New("it is in Fortran order; save numpy.ascontiguousarray(x)")
	}
	if len(body) != n*typ.size {
		return l, fmt.Errorf("%d bytes follow the header, the shape (%s) of %q takes %d", len(body), shape[1], descr[1], n*typ.size)
	}
	for ; len(body) > 0; body = body[typ.size:] {
		typ.set(&l, body)
	}
	l.Nested = l.Shape
	return l, nil
}
