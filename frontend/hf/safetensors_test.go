package hf

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io/fs"
	"math"
	"strings"
	"testing"
	"testing/fstest"
)

// file makes a safetensors file of a header and data.
func file(header string, data []byte) []byte {
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(out, header...), data...)
}

func le16(v ...uint16) (b []byte) {
	for _, x := range v {
		b = binary.LittleEndian.AppendUint16(b, x)
	}
	return b
}

func le32(v ...float32) (b []byte) {
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

func folder(files map[string][]byte) fs.FS {
	dir := fstest.MapFS{}
	for name, data := range files {
		dir[name] = &fstest.MapFile{Data: data}
	}
	return dir
}

func TestRead(t *testing.T) {
	data := le32(1.5, -2, 3, 0)
	data = append(data, le16(0x3c00, 0xc000, 0x0001, 0x83ff, 0x7bff, 0)...) // f16
	data = append(data, le16(0x3f80, 0xc000)...)                            // bf16
	data = append(data, 7, 0, 0, 0, 0, 0, 0, 0)
	raw := file(`{"__metadata__": {"format": "pt"}, "ids": {"dtype": "I64", "shape": [1], "data_offsets": [32, 40]},
		"b": {"dtype": "F16", "shape": [3, 2], "data_offsets": [16, 28]}, "none": {"dtype": "F32", "shape": [0, 4], "data_offsets": [16, 16]},
		"a": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}, "c": {"dtype": "BF16", "shape": [2], "data_offsets": [28, 32]}}   `, data)
	w, err := OpenWeights(folder(map[string][]byte{"model.safetensors": raw}))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for _, c := range []struct{ name, want string }{
		{"a", "[2 2] [1.5 -2 3 0]"},
		{"b", "[3 2] [1 -2 5.9604645e-08 -6.097555e-05 65504 0]"},
		{"c", "[2] [1 -2]"},
		{"none", "[0 4] []"},
		{"ids", `hf: model.safetensors: tensor "ids" is I64; weights can be F32, F16 or BF16`},
		{"z", `hf: the folder has no tensor "z" among its 5`},
	} {
		shape, data, err := w.Tensor(c.name)
		got := fmt.Sprint(shape, " ", data)
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: got %s want %s", c.name, got, c.want)
		}
	}
}

func TestHalf(t *testing.T) {
	for h := range 1 << 16 {
		got := half(uint16(h))
		exp, frac := h>>10&31, float64(h&1023)
		want := math.Ldexp(1+frac/1024, exp-15)
		switch exp {
		case 0:
			want = math.Ldexp(frac, -24)
		case 31:
			want = math.Inf(1)
			if frac != 0 {
				want = math.NaN()
			}
		}
		if h>>15 == 1 {
			want = -want
		}
		if float64(got) != want && !(math.IsNaN(want) && math.IsNaN(float64(got))) {
			t.Fatalf("%04x is %v, want %v", h, got, want)
		}
	}
}

func TestBadFiles(t *testing.T) {
	good := `{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}`
	data := le32(1, 2)
	edit := func(old, new string) []byte {
		s := strings.Replace(good, old, new, 1)
		if s == good {
			t.Fatalf("%q is not in the example", old)
		}
		return file(s, data)
	}
	huge := binary.LittleEndian.AppendUint64(nil, 1<<40)
	long := binary.LittleEndian.AppendUint64(nil, 1000)
	for _, c := range []struct {
		name string
		raw  []byte
		want string
	}{
		{"empty", nil, "has 0 bytes, want at least the 8 of the header's length: truncated"},
		{"huge header", append(huge, "{}"...), "the header claims 1099511627776 bytes, more than the 100000000 allowed: this is no safetensors file"},
		{"cut header", append(long, good...), "the header claims 1000 bytes, but only 61 follow: truncated"},
		{"no object", file("[]", nil), "the header does not start with {: this is no safetensors file"},
		{"no json", file(`{"a": }`, nil), "header: not valid JSON at byte 5: invalid character '}' looking for beginning of value"},
		{"open object", file(`{"a": 1`, nil), "header: not valid JSON: unexpected EOF"},
		{"tail", file(`{} x`, nil), "header: there is more after the closing }"},
		{"two objects", file(`{}{}`, nil), "header: there is more after the closing }"},
		{"truncated data", file(good, data[:7]), "the header describes 8 bytes of data, the file has 7: truncated or corrupt"},
		{"more data", file(good, append(data, 0)), "the header describes 8 bytes of data, the file has 9: truncated or corrupt"},
		{"gap", edit("[0, 8]", "[1, 9]"), `header: tensor "a" begins at byte 1 of the data, want 0: tensors must follow each other without gap or overlap`},
		{"wrong size", edit("[2]", "[3]"), `header: tensor "a": F32 of shape [3] takes 12 bytes, but data_offsets [0 8] give 8`},
		{"negative dimension", edit("[2]", "[-2]"), `header: tensor "a": dimension 0 of the shape is -2`},
		{"overflow", edit("[2]", "[2147483647, 2147483647, 2147483647]"), `header: tensor "a": the shape [2147483647 2147483647 2147483647] has too many elements`},
		{"rank", edit("[2]", "[1,1,1,1,1,1,1,1,2]"), `header: tensor "a": want a shape of at most 8 dimensions`},
		{"no shape", edit(`"shape": [2], `, ""), `header: tensor "a": want a shape of at most 8 dimensions`},
		{"reversed", edit("[0, 8]", "[8, 0]"), `header: tensor "a": data_offsets are [8 0], want a begin and an end not before it`},
		{"dtype", edit("F32", "F8"), `header: tensor "a": unknown dtype "F8"`},
		{"unknown field", edit(`"dtype"`, `"x": 1, "dtype"`), `header: tensor "a": json: unknown field "x"`},
		{"twice", file(`{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}, "a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}`, data), `header: "a" comes twice`},
		{"overlap", file(`{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}, "b": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}`, data),
			`header: tensor "b" begins at byte 4 of the data, want 8: tensors must follow each other without gap or overlap`},
		{"metadata", file(`{"__metadata__": {"a": 1}}`, nil), "header: __metadata__ must map strings to strings: json: cannot unmarshal number into Go value of type string"},
	} {
		_, err := OpenFile(folder(map[string][]byte{"x": c.raw}), "x")
		if err == nil || err.Error() != "hf: x: "+c.want {
			t.Errorf("%s:\ngot  %v\nwant hf: x: %s", c.name, err, c.want)
		}
	}
}

func TestNotFinite(t *testing.T) {
	for dtype, data := range map[string][]byte{
		"F32":  le32(1, float32(math.Inf(-1))),
		"F16":  le16(0x3c00, 0xfc00),
		"BF16": le16(0x3f80, 0x7fc0),
	} {
		raw := file(fmt.Sprintf(`{"a": {"dtype": %q, "shape": [2], "data_offsets": [0, %d]}}`, dtype, len(data)), data)
		f, err := OpenFile(folder(map[string][]byte{"x": raw}), "x")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Read("a"); err == nil || !strings.Contains(err.Error(), `tensor "a": element 1 is `) {
			t.Errorf("%s: got %v", dtype, err)
		}
	}
}

func TestShards(t *testing.T) {
	one := file(`{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}`, le32(1))
	two := file(`{"x.LayerNorm.gamma": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}`, le32(2))
	for _, c := range []struct{ index, want string }{
		{`{"metadata": {"total_size": 8}, "weight_map": {"a": "s1", "x.LayerNorm.gamma": "s2"}}`, "[1] [2]"},
		{`{"weight_map": {}}`, "hf: model.safetensors.index.json: weight_map is empty or missing"},
		{`{"weight_map": {"a": "../s1"}}`, `hf: model.safetensors.index.json: tensor "a": the shard "../s1" is not the name of a file in the folder`},
		{`{"weight_map": {"a": "s2"}}`, `hf: model.safetensors.index.json: tensor "a" is not in its shard s2`},
		{`{"weight_map": {"a": "s3"}}`, `hf: model.safetensors.index.json: hf: open s3: file does not exist`},
		{`{`, `hf: model.safetensors.index.json: not valid JSON at byte 1: unexpected end of JSON input`},
	} {
		w, err := OpenWeights(folder(map[string][]byte{"model.safetensors.index.json": []byte(c.index), "s1": one, "s2": two}))
		got := fmt.Sprint(err)
		if err == nil {
			_, a, err1 := w.Tensor("a")
			_, b, err2 := w.Tensor("x.LayerNorm.weight")
			if err1 != nil || err2 != nil {
				t.Fatal(err1, err2)
			}
			got = fmt.Sprint(a, b)
		}
		if got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
	if _, err := OpenWeights(folder(nil)); err == nil || err.Error() != "hf: the folder has neither model.safetensors nor model.safetensors.index.json: file does not exist" {
		t.Error(err)
	}
}

// noRandomAccess hides ReadAt, as an archive's files do.
type noRandomAccess struct{ fs.FS }

func (n noRandomAccess) Open(name string) (fs.File, error) {
	f, err := n.FS.Open(name)
	return struct{ fs.File }{f}, err
}

func TestNoRandomAccess(t *testing.T) {
	raw := file(`{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}`, le32(1, 2))
	f, err := OpenFile(noRandomAccess{folder(map[string][]byte{"x": raw})}, "x")
	if err != nil {
		t.Fatal(err)
	}
	if v, err := f.Read("a"); err != nil || fmt.Sprint(v) != "[1 2]" {
		t.Error(v, err)
	}
}

func FuzzSafetensors(f *testing.F) {
	f.Add(file(`{"a": {"dtype": "F16", "shape": [2], "data_offsets": [0, 4]}, "__metadata__": {}}`, le16(1, 2)))
	f.Add(file(`{"a": {"dtype": "I64", "shape": [], "data_offsets": [0, 8]}}`, make([]byte, 8)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		file, err := OpenFile(folder(map[string][]byte{"x": raw}), "x")
		if err != nil {
			return
		}
		total := int64(0)
		for _, info := range file.Tensors() {
			total += info.end - info.begin
			if v, err := file.Read(info.Name); err == nil && len(v) != info.Elems() {
				t.Fatalf("%d elements, want %d", len(v), info.Elems())
			}
		}
		if n := binary.LittleEndian.Uint64(raw); int64(n)+8+total != int64(len(raw)) {
			t.Fatalf("header %d and data %d do not make %d bytes", n, total, len(raw))
		}
	})
}

func FuzzConfig(f *testing.F) {
	f.Add([]byte(bertConfig))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseConfig(data)
		if err != nil {
			return
		}
		if c.Hidden%c.Heads != 0 || len(c.Labels) == 0 || c.Pad >= c.Vocab {
			out, _ := json.Marshal(c)
			t.Fatalf("%s", out)
		}
	})
}
