package values

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	goruntime "runtime"
	"slices"
	"strings"
	"testing"

	"nimbus/ir"
	"nimbus/ir/parser"
)

// npy writes a NumPy file of the given version.
func npy(version byte, header string, body []byte) []byte {
	out := append([]byte(npyMagic), version, 0)
	if version == 1 {
		out = binary.LittleEndian.AppendUint16(out, uint16(len(header)))
	} else {
		out = binary.LittleEndian.AppendUint32(out, uint32(len(header)))
	}
	return append(append(out, header...), body...)
}

func header(descr, shape string) string {
	return fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }          \n", descr, shape)
}

func TestNPY(t *testing.T) {
	f4 := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, math.Float32bits(1.5)), math.Float32bits(-2))
	f8 := binary.LittleEndian.AppendUint64(nil, math.Float64bits(0.1))
	minus := binary.LittleEndian.AppendUint64(nil, ^uint64(6))
	for _, c := range []struct {
		data  []byte
		shape []int
		want  []float64
	}{
		{npy(1, header("<f4", "2,"), f4), []int{2}, []float64{1.5, -2}},
		{npy(2, header("<f4", "1, 2"), f4), []int{1, 2}, []float64{1.5, -2}},
		{npy(3, header("<f8", ""), f8), []int{}, []float64{0.1}},
		{npy(1, header("<i4", "2,"), minus), []int{2}, []float64{-7, -1}},
		{npy(1, header("<i8", "1,"), minus), []int{1}, []float64{-7}},
		{npy(1, header("|u1", "3,"), []byte{0, 255, 7}), []int{3}, []float64{0, 255, 7}},
		{npy(1, header("|b1", "2,"), []byte{0, 1}), []int{2}, []float64{0, 1}},
	} {
		lists, err := Parse("x.npy", c.data)
		if err != nil {
			t.Errorf("%q: %v", c.data, err)
			continue
		}
		if l := lists[Lone]; !slices.Equal(l.Reals, c.want) || !slices.Equal(l.Shape, c.shape) {
			t.Errorf("%q: %v of shape %v, want %v of %v", c.data, l.Reals, l.Shape, c.want, c.shape)
		}
	}
	good := npy(1, header("<f4", "2,"), f4)
	for _, c := range []struct {
		data []byte
		want string
	}{
		{npy(1, header(">f4", "2,"), f4), `its elements are ">f4"; read are float32, float64, int32, int64, uint8 and bool, little-endian: save x.astype("<f4")`},
		{npy(1, header("<c8", "1,"), f4), `its elements are "<c8"`},
		{npy(1, "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", f4), "its elements have fields"},
		{npy(1, strings.Replace(header("<f4", "2, 1"), "False", "True", 1), f4), "Fortran order"},
		{npy(1, strings.Replace(header("<f4", "2, 2"), "False", "True", 1), append(f4, f4...)), "Fortran order; save numpy.ascontiguousarray(x)"},
		{npy(1, header("<f4", "3,"), f4), "8 bytes follow the header, the shape (3,) of \"<f4\" takes 12"},
		{npy(1, header("<f4", "0,"), nil), "empty or too large"},
		{npy(1, header("<f4", "99999999999, 99999999999"), nil), "empty or too large"},
		{npy(1, header("<f4", "4294967296, 4294967296"), nil), "empty or too large"}, // 2^64 wraps to nothing
		{npy(1, header("<f4", "99999999999999999999,"), nil), "empty or too large"},
		{npy(1, header("<f4", "-2,"), f4), "does not state descr, fortran_order and shape"},
		{npy(1, header("<f8", "1073741824,"), nil), "0 bytes follow the header, the shape (1073741824,) of \"<f8\" takes 8589934592"},
		{append([]byte("\x93NUMPZ"), good[len(npyMagic):]...), "neither a NumPy file nor UTF-8 text"},
		{append([]byte("\x93NUMPY\x02\x00"), 0xff, 0xff, 0xff, 0xff), "cut off in its header"},
		{npy(1, "{}", f4), "does not state descr"},
		{npy(9, header("<f4", "2,"), f4), "version 9 is not known"},
		{good[:7], "cut off"},
		{good[:30], "cut off in its header"},
		{npy(2, "", nil)[:10], "cut off"},
	} {
		var before, after goruntime.MemStats
		goruntime.ReadMemStats(&before)
		_, err := Parse("x.npy", c.data)
		goruntime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
			t.Errorf("%q: %d bytes are allocated for a file of %d", c.data, n, len(c.data))
		}
		if err == nil || !strings.HasPrefix(err.Error(), "x.npy: ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %s", c.data, err, c.want)
		}
	}
}

// FuzzParse: no file crashes the reader, and what it takes is consistent.
func FuzzParse(f *testing.F) {
	f.Add(npy(1, header("<f4", "1,"), make([]byte, 4)))
	f.Add([]byte(`{"x": [1, [2, 3]], "y": "00ff"}`))
	f.Add([]byte("1, 2 # three\n00ff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		lists, err := Parse("x", data)
		if err != nil {
			return
		}
		for _, l := range lists {
			if l.Whole != nil && len(l.Whole) != len(l.Reals) {
				t.Errorf("%d whole numbers of %d", len(l.Whole), len(l.Reals))
			}
		}
	})
}

const module = `module @m attributes {stage = fx} {
  weight @w : tensor<2x2xfx20.8>
  weight @v : tensor<2x2xfx20.8> {transpose, from = ["t"]}
  func @main(%x: tensor<2x2xfx16.8> {range = [-4, 4], norm = 5.0}, %n: tensor<2xi8> {range = [-1, 300]}, %b: tensor<16x2xi1>, %m: tensor<3xi1>) -> tensor<2xi8> {
    return %n
  }
}
`

func TestBind(t *testing.T) {
	m, err := parser.Parse("m.ir", module)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{
		"all.json": `{"x": [[1, 2], [3, -4]], "n": [-1, 255], "b": ["00ff", "1234"], "m": [true, false, 1]}`,
		"b.txt":    "00ff\n1234\n",
		"one.txt":  "1234",
		"x.txt":    "1 2, 3\n-4 # the last",
		"far.txt":  "1 2 3 5",
		"long.txt": "1 2 4 4.0",
		"hello":    "well, hello",
		"empty":    " \n",
		"latin1":   "un caf\xe9",
		"nan.npy":  string(npy(1, header("<f8", "2, 2"), binary.LittleEndian.AppendUint64(make([]byte, 24), math.Float64bits(math.NaN())))),
		"inf.npy":  string(npy(1, header("<f4", "2, 2"), binary.LittleEndian.AppendUint32(make([]byte, 12), math.Float32bits(float32(math.Inf(-1)))))),
		"nan.txt":  "1 nan 2 3",
		"only#":    "# nothing\n",
		"shape":    string(npy(1, header("|u1", "4,"), []byte{1, 2, 3, 4})),
		"square":   string(npy(1, header("|u1", "1, 2, 2"), []byte{1, 2, 3, 4})),
	}
	open := func(name string) ([]byte, error) {
		if data, ok := files[name]; ok {
			return []byte(data), nil
		}
		return nil, errors.New(name + ": no such file")
	}
	rest := []string{`{"n": [1, 2], "b": "1234", "m": [0, 0, 1]}`}
	bind := func(args ...string) (map[string][]uint64, error) {
		lists, err := Flags("-input", args, open)
		if err != nil {
			return nil, err
		}
		in, err := Bind("-input", m.Func("main").Params, lists)
		out := map[string][]uint64{}
		for name, v := range in {
			out[name] = v.Ring
		}
		return out, err
	}
	all, err := bind("all.json")
	if err != nil {
		t.Fatal(err)
	}
	if want := []uint64{256, 512, 768, 1<<16 - 1024}; !slices.Equal(all["x"], want) {
		t.Errorf("x is %v, want %v", all["x"], want)
	}
	if !slices.Equal(all["n"], []uint64{255, 255}) || !slices.Equal(all["m"], []uint64{1, 0, 1}) {
		t.Errorf("n is %v, m is %v", all["n"], all["m"])
	}
	if got := Hex(ir.TensorType(ir.IntElem(1), 16, 2), all["b"]); !slices.Equal(got, []string{"00ff", "1234"}) {
		t.Errorf("blocks came back as %v", got)
	}
	if one, err := bind(append(rest, "x=x.txt")...); err != nil || !slices.Equal(one["b"][:2], []uint64{0, 0}) || one["b"][4] != 1 || one["b"][5] != 1 {
		t.Errorf("one block for two: %v, %v", one["b"], err)
	}
	if _, err := bind(append(rest, "x=square")...); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{append(rest, "x=long.txt"), `-input: "x": row 1 is longer than 5, the norm that the program declares; scale the input, or declare a larger norm and compile again`},
		{append(rest, "x=far.txt"), `-input: "x": element 3 is outside [-4, 4], the range that the program declares; scale the input, or widen the range and compile again`},
		{append(rest, "x=shape"), `-input: "x": an array of shape [4] for a tensor<2x2xfx16.8>; reshape it`},
		{append(rest, "x=nan.npy"), `-input: "x": element 3 is not a finite number`},
		{append(rest, "x=inf.npy"), `-input: "x": element 3 is not a finite number`},
		{append(rest, "x=nan.txt"), `nan.txt:1: "nan" is no number, nor bytes in hexadecimal`},
		{append(rest, "x=1"), `-input: "x": 1 numbers for a tensor<2x2xfx16.8>, which has 4`},
		{append(rest, "x=b.txt"), `-input: "x": bytes in hexadecimal for a tensor<2x2xfx16.8>; numbers are expected`},
		{append(rest, "x="), `-input: x=: a file or a number is expected after the equals sign`},
		{append(rest, "x=nosuch"), `nosuch: no such file`},
		{append(rest, "x=hello"), `hello:1: "well" is no number, nor bytes in hexadecimal`},
		{append(rest, "x=empty"), `empty: it is empty; an input is numbers`},
		{append(rest, "x=only#"), `only#: there is no number in it`},
		{append(rest, "x=latin1"), `latin1: neither a NumPy file nor UTF-8 text; save numbers as .npy, JSON or text in UTF-8`},
		{append(rest, "x=all.json"), `-input: all.json: a JSON object names its inputs itself; leave "x=" out`},
		{append(rest, "x.txt"), `-input: the input does not say for which of %x, %n, %b, %m it is; write NAME=FILE`},
		{append(rest, "y=1"), `-input: there is no parameter %y to give; there is %x, %n, %b, %m`},
		{append(rest, "n=1"), `-input: "n" is given twice`},
		{rest, `-input: no input "x", which is a tensor<2x2xfx16.8>`},
		{[]string{`{"n": [1.5, 2]}`}, `-input: "n": whole numbers are expected for i8`},
		{[]string{`{"n": [1, -2]}`}, `-input: "n": element 1 is outside [-1, 300], the range that the program declares; scale the input, or widen the range and compile again`},
		{[]string{`{"n": [1, 256]}`}, `-input: "n": element 1 does not fit i8`},
		{[]string{`{"b": ["00", "11"]}`}, `-input: "b": block 1 has 1 bytes, expected 2`},
		{[]string{`{"b": ["0000", "0000", "0000"]}`}, `-input: "b": 3 blocks for a plan of 2; give as many, one for all, or compile with -blocks 3`},
		{[]string{`{"b": [1, "0000"]}`}, `-input: "b": numbers and hexadecimal blocks are mixed`},
		{[]string{`{"x": [1e999]}`}, `-input: "x": element 0 is out of range`},
		{[]string{`{"x": null}`}, `-input: "x": a list of numbers is expected`},
		{[]string{`{"x": [1`}, `-input:1:9: the JSON ends early`},
		{[]string{`[1] [2]`}, `-input: one JSON list is expected, and more follows`},
	} {
		if _, err := bind(c.args...); err == nil || err.Error() != c.want {
			t.Errorf("%q:\ngot  %v\nwant %s", c.args, err, c.want)
		}
	}
}

func TestTensors(t *testing.T) {
	m, err := parser.Parse("m.ir", module)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ text, want string }{
		{`{"w": [1, 2, 3, 4], "t": [[1, 2], [3, 4]]}`, "[2 2] [2 2]"},
		{`{"@w": [[1, 2], [3, 4]], "t": [1, 2, 3, 4]}`, "[2 2] [4]"},
		{`{"w": [1, 2, 3]}`, `w.json: "@w": 3 numbers for a tensor<2x2xfx20.8>, which has 4`},
		{`{"q": [1]}`, `w.json: "@q": module @m has no such weight`},
		{`{"t": [[1], [2, 3]]}`, `w.json: "@t": the list is not nested evenly`},
		{`{"w": "00ff"}`, `w.json: "@w": a list of numbers is expected`},
	} {
		lists, err := Parse("w.json", []byte(c.text))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if w, err := Tensors("w.json", m, lists); err != nil {
			got = err.Error()
		} else {
			got = fmt.Sprint(w["w"].Shape, " ", w["t"].Shape)
		}
		if got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.text, got, c.want)
		}
	}
}
