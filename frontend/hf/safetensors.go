package hf

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"slices"
)

// Limits on a safetensors header, checked before anything is allocated for it.
const (
	maxHeader = 100_000_000 // bytes, as in the reference implementation
	maxRank   = 8
)

// dtypeBytes are the element types of the format. Only floats of 16 and 32 bits
// can be read as weights; the others may be present, as position_ids often is.
var dtypeBytes = map[string]int64{
	"BOOL": 1, "U8": 1, "I8": 1, "F8_E5M2": 1, "F8_E4M3": 1,
	"I16": 2, "U16": 2, "F16": 2, "BF16": 2,
	"I32": 4, "U32": 4, "F32": 4,
	"I64": 8, "U64": 8, "F64": 8,
}

// A TensorInfo is one entry of a safetensors header.
type TensorInfo struct {
	Name  string
	DType string
	Shape []int
	begin int64 // relative to the end of the header
	end   int64
}

// Elems is the number of elements; 1 for a scalar.
func (t TensorInfo) Elems() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// ParseHeader checks a safetensors header: head is the JSON without its length
// prefix, body the number of bytes that follow it. The tensors must cover the
// body without gap or overlap. They are returned in the order of their data.
func ParseHeader(head []byte, body int64) ([]TensorInfo, error) {
	if len(head) == 0 || head[0] != '{' {
		return nil, fmt.Errorf("the header does not start with {: this is no safetensors file")
	}
	entries, err := splitObject(head)
	if err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	var tensors []TensorInfo
	for _, e := range entries {
		if e.name == "__metadata__" {
			var meta map[string]string
			if err := json.Unmarshal(e.raw, &meta); err != nil {
				return nil, fmt.Errorf("header: __metadata__ must map strings to strings: %w", err)
			}
			continue
		}
		t, err := parseEntry(e.name, e.raw)
		if err != nil {
			return nil, fmt.Errorf("header: tensor %q: %w", e.name, err)
		}
		tensors = append(tensors, t)
	}
	slices.SortStableFunc(tensors, func(a, b TensorInfo) int {
		switch {
		case a.begin != b.begin:
			return cmp64(a.begin, b.begin)
		default:
			return cmp64(a.end, b.end)
		}
	})
	at := int64(0)
	for _, t := range tensors {
		if t.begin != at {
			return nil, fmt.Errorf("header: tensor %q begins at byte %d of the data, want %d: tensors must follow each other without gap or overlap", t.Name, t.begin, at)
		}
		at = t.end
	}
	if at != body {
		return nil, fmt.Errorf("the header describes %d bytes of data, the file has %d: truncated or corrupt", at, body)
	}
	return tensors, nil
}

func cmp64(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func parseEntry(name string, raw json.RawMessage) (TensorInfo, error) {
	var e struct {
		DType   string  `json:"dtype"`
		Shape   []int64 `json:"shape"`
		Offsets []int64 `json:"data_offsets"`
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil {
		return TensorInfo{}, err
	}
	size, ok := dtypeBytes[e.DType]
	if !ok {
		return TensorInfo{}, fmt.Errorf("unknown dtype %q", e.DType)
	}
	if e.Shape == nil || len(e.Shape) > maxRank {
		return TensorInfo{}, fmt.Errorf("want a shape of at most %d dimensions", maxRank)
	}
	if len(e.Offsets) != 2 || e.Offsets[0] < 0 || e.Offsets[1] < e.Offsets[0] {
		return TensorInfo{}, fmt.Errorf("data_offsets are %v, want a begin and an end not before it", e.Offsets)
	}
	t := TensorInfo{Name: name, DType: e.DType, Shape: make([]int, len(e.Shape)), begin: e.Offsets[0], end: e.Offsets[1]}
	for i, dim := range e.Shape {
		if dim < 0 || dim > math.MaxInt32 {
			return TensorInfo{}, fmt.Errorf("dimension %d of the shape is %d", i, dim)
		}
		if dim != 0 && size > math.MaxInt64/dim {
			return TensorInfo{}, fmt.Errorf("the shape %v has too many elements", e.Shape)
		}
		size *= dim
		t.Shape[i] = int(dim)
	}
	if size != t.end-t.begin {
		return TensorInfo{}, fmt.Errorf("%s of shape %v takes %d bytes, but data_offsets %v give %d", e.DType, e.Shape, size, e.Offsets, t.end-t.begin)
	}
	return t, nil
}

type entry struct {
	name string
	raw  json.RawMessage
}

// splitObject reads the members of one JSON object, refusing a name that comes
// twice (encoding/json would keep the last) and anything after the object.
func splitObject(data []byte) ([]entry, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	if _, err := d.Token(); err != nil {
		return nil, describe(err)
	}
	var entries []entry
	seen := map[string]bool{}
	for d.More() {
		tok, err := d.Token()
		if err != nil {
			return nil, describe(err)
		}
		e := entry{name: tok.(string)} // the decoder admits no other key
		if seen[e.name] {
			return nil, fmt.Errorf("%q comes twice", e.name)
		}
		seen[e.name] = true
		if err := d.Decode(&e.raw); err != nil {
			return nil, describe(err)
		}
		entries = append(entries, e)
	}
	if _, err := d.Token(); err != nil {
		return nil, describe(err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("there is more after the closing }")
	}
	return entries, nil
}

func describe(err error) error {
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("not valid JSON at byte %d: %w", syntax.Offset, err)
	case errors.Is(err, io.EOF):
		return fmt.Errorf("not valid JSON: %w", io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("unexpected JSON: %w", err)
}

// A File is an open safetensors file. Data is read when asked for, one tensor
// at a time, so that weights are never held twice. Safe for concurrent use.
type File struct {
	name    string
	tensors []TensorInfo
	index   map[string]int
	data    io.ReaderAt // of the whole file
	start   int64       // of the data
	close   func() error
}

// OpenFile opens name in dir and checks its header.
func OpenFile(dir fs.FS, name string) (*File, error) {
	f, err := dir.Open(name)
	if err != nil {
		return nil, fmt.Errorf("hf: %w", err)
	}
	file, err := newFile(f, name)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("hf: %s: %w", name, err)
	}
	return file, nil
}

func newFile(f fs.File, name string) (*File, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, fmt.Errorf("is a folder")
	}
	size := info.Size()
	out := &File{name: name, index: map[string]int{}, close: f.Close}
	if r, ok := f.(io.ReaderAt); ok {
		out.data = r
	} else { // a file system without random access: keep the file's bytes
		all, err := io.ReadAll(f)
		if err != nil {
			return nil, err
		}
		size = int64(len(all))
		out.data = bytes.NewReader(all)
	}
	if size < 8 {
		return nil, fmt.Errorf("has %d bytes, want at least the 8 of the header's length: truncated", size)
	}
	var prefix [8]byte
	if err := readFull(out.data, prefix[:], 0); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint64(prefix[:])
	if n > maxHeader {
		return nil, fmt.Errorf("the header claims %d bytes, more than the %d allowed: this is no safetensors file", n, maxHeader)
	}
	out.start = 8 + int64(n)
	if out.start > size {
		return nil, fmt.Errorf("the header claims %d bytes, but only %d follow: truncated", n, size-8)
	}
	head := make([]byte, n)
	if err := readFull(out.data, head, 8); err != nil {
		return nil, err
	}
	if out.tensors, err = ParseHeader(head, size-out.start); err != nil {
		return nil, err
	}
	for i, t := range out.tensors {
		out.index[t.Name] = i
	}
	return out, nil
}

// readFull reads all of dst at off; a ReaderAt may say io.EOF with the last byte.
func readFull(r io.ReaderAt, dst []byte, off int64) error {
	n, err := r.ReadAt(dst, off)
	if n == len(dst) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read %d bytes at %d: %w", len(dst), off, err)
}

// Close releases the file; tensors can not be read after it.
func (f *File) Close() error { return f.close() }

// Tensors lists the header in the order of the data; it must not be changed.
func (f *File) Tensors() []TensorInfo { return f.tensors }

// Info finds a tensor by name.
func (f *File) Info(name string) (TensorInfo, bool) {
	i, ok := f.index[name]
	if !ok {
		return TensorInfo{}, false
	}
	return f.tensors[i], true
}

// Read returns the elements of a float tensor in row-major order. A NaN or an
// infinity among them is an error.
func (f *File) Read(name string) ([]float32, error) {
	t, ok := f.Info(name)
	if !ok {
		return nil, fmt.Errorf("hf: %s: there is no tensor %q", f.name, name)
	}
	decode := decoders[t.DType]
	if decode == nil {
		return nil, fmt.Errorf("hf: %s: tensor %q is %s; weights can be F32, F16 or BF16", f.name, name, t.DType)
	}
	const chunk = 1 << 18 // a multiple of every element size
	out := make([]float32, t.Elems())
	buf := make([]byte, min(chunk, t.end-t.begin))
	width := int(dtypeBytes[t.DType])
	for at := t.begin; at < t.end; at += chunk {
		b := buf[:min(chunk, t.end-at)]
		if err := readFull(f.data, b, f.start+at); err != nil {
			return nil, fmt.Errorf("hf: %s: tensor %q: %w", f.name, name, err)
		}
		first := int(at-t.begin) / width
		for i := range len(b) / width {
			v := decode(b[i*width:])
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
				return nil, fmt.Errorf("hf: %s: tensor %q: element %d is %v; weights must be finite", f.name, name, first+i, v)
			}
			out[first+i] = v
		}
	}
	return out, nil
}

var decoders = map[string]func(b []byte) float32{
	"F32":  func(b []byte) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(b)) },
	"BF16": func(b []byte) float32 { return math.Float32frombits(uint32(binary.LittleEndian.Uint16(b)) << 16) },
	"F16":  func(b []byte) float32 { return half(binary.LittleEndian.Uint16(b)) },
}

// half converts IEEE 754 binary16; exact, since every value of it is a float32.
func half(h uint16) float32 {
	sign := uint32(h>>15) << 31
	exp, frac := uint32(h>>10)&31, uint32(h)&1023
	switch exp {
	case 31:
		return math.Float32frombits(sign | 255<<23 | frac<<13)
	case 0: // zero or subnormal: frac · 2^-24
		return math.Float32frombits(sign | math.Float32bits(float32(frac)*0x1p-24))
	}
	return math.Float32frombits(sign | (exp+112)<<23 | frac<<13)
}
