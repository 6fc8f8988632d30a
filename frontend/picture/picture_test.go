package picture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"math"
	goruntime "runtime"
	"testing"
	"testing/fstest"
)

func TestPatches(t *testing.T) {
	grey := image.NewGray(image.Rect(3, 5, 7, 9)) // not at the origin
	for i := range 16 {
		grey.SetGray(3+i%4, 5+i/4, color.Gray{Y: uint8(i)})
	}
	p := &Processor{Size: 4, Patch: 2, Channels: 1, Scale: 1, Mean: []float64{0}, Std: []float64{1}}
	got, err := p.Patches(grey)
	if want := "[0 0 0 0 0 1 4 5 2 3 6 7 8 9 12 13 10 11 14 15]"; err != nil || fmt.Sprint(got) != want {
		t.Errorf("got %v, %v\nwant %s", got, err, want)
	}

	img := image.NewNRGBA(image.Rect(0, 0, 2, 2))
	for i := range 4 {
		img.SetNRGBA(i%2, i/2, color.NRGBA{R: uint8(10 + i), G: uint8(20 + i), B: uint8(30 + i), A: uint8(255 - 60*i)})
	}
	var file bytes.Buffer
	if err := png.Encode(&file, img); err != nil {
		t.Fatal(err)
	}
	p = &Processor{Size: 2, Patch: 2, Channels: 3, Scale: 0.5, Mean: []float64{5, 10, 15}, Std: []float64{0.5, 0.5, 1}}
	got, err = p.Decode(bytes.NewReader(file.Bytes()))
	if want := "[0 0 0 0 0 0 0 0 0 0 0 0 0 1 2 3 0 1 2 3 0 0.5 1 1.5]"; err != nil || fmt.Sprint(got) != want {
		t.Errorf("got %v, %v\nwant %s", got, err, want)
	}
}

// start is a PNG up to its pixels, which are missing: its signature, and a header
// of an image of width by height.
func start(width, height uint32) []byte {
	chunk := binary.BigEndian.AppendUint32([]byte("IHDR"), width)
	chunk = append(binary.BigEndian.AppendUint32(chunk, height), 8, 0, 0, 0, 0)
	file := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"), chunk...)
	return binary.BigEndian.AppendUint32(file, crc32.ChecksumIEEE(chunk))
}

// What is no image of the model's size is one error, and nothing is allocated for
// the size that it states.
func TestRefused(t *testing.T) {
	var file bytes.Buffer
	if err := png.Encode(&file, image.NewGray(image.Rect(0, 0, 4, 4))); err != nil {
		t.Fatal(err)
	}
	good := file.Bytes()
	changed := func(at int) []byte {
		b := bytes.Clone(good)
		b[at] ^= 1
		return b
	}
	p := &Processor{Size: 4, Patch: 2, Channels: 1, Scale: 1, Mean: []float64{0}, Std: []float64{1}}
	if _, err := p.Decode(bytes.NewReader(good)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"nothing", nil, "not a PNG that can be read: unexpected EOF"},
		{"another format", []byte("GIF89a"), "not a PNG that can be read: unexpected EOF"},
		{"signature", changed(0), "not a PNG that can be read: png: invalid format: not a PNG file"},
		{"header cut off", good[:20], "not a PNG that can be read: unexpected EOF"},
		{"header's sum", changed(30), "not a PNG that can be read: png: invalid format: invalid checksum"},
		{"no pixels", start(0, 4), "not a PNG that can be read: png: invalid format: non-positive dimension"},
		{"negative", start(1<<31, 4), "not a PNG that can be read: png: invalid format: non-positive dimension"},
		{"another size", start(8, 4), "the image has 8 by 4 pixels, the model takes 4 by 4; scale it first"},
		{"huge", start(1<<20, 1<<20), "the image has 1048576 by 1048576 pixels, the model takes 4 by 4; scale it first"},
		{"largest", start(1<<31-1, 1<<31-1), "not a PNG that can be read: png: unsupported feature: dimension overflow"},
		{"end behind the header", start(4, 4), "damaged PNG: unexpected EOF"},
		{"pixels cut off", good[:len(good)-20], "damaged PNG: png: invalid format: unexpected EOF"},
	} {
		var before, after goruntime.MemStats
		goruntime.ReadMemStats(&before)
		_, err := p.Decode(bytes.NewReader(c.data))
		goruntime.ReadMemStats(&after)
		if fmt.Sprint(err) != "picture: "+c.want {
			t.Errorf("%s: got %v\nwant picture: %s", c.name, err, c.want)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
			t.Errorf("%s: %d bytes are allocated for a file of %d", c.name, n, len(c.data))
		}
	}
}

func TestLoad(t *testing.T) {
	for _, c := range []struct{ config, want string }{
		{"", "&{8 4 3 0.00392156862745098 [0.5 0.5 0.5] [0.5 0.5 0.5]}"},
		{`{"size": {"height": 8, "width": 8}, "image_mean": [0.1, 0.2, 0.3], "image_std": [1, 2, 3], "do_resize": true}`, "&{8 4 3 0.00392156862745098 [0.1 0.2 0.3] [1 2 3]}"},
		{`{"size": 8, "do_normalize": false, "rescale_factor": 0.25}`, "&{8 4 3 0.25 [0 0 0] [1 1 1]}"},
		{`{"size": 9}`, "picture: preprocessor_config.json: size is 9 by 9, but the model takes images of 8 by 8"},
		{`{"image_mean": [1]}`, "picture: preprocessor_config.json: image_mean and image_std have 1 and 3 numbers for 3 channels"},
		{`{"image_std": [1, 1, 0]}`, "picture: preprocessor_config.json: image_mean 0.5, image_std 0 and rescale_factor 0.00392156862745098 do not normalise a channel"},
		{`{"do_center_crop": true}`, "picture: preprocessor_config.json: do_center_crop is not supported; supported are whole images of the model's size"},
		{`{`, "picture: preprocessor_config.json: unexpected JSON: unexpected end of JSON input"},
	} {
		dir := fstest.MapFS{}
		if c.config != "" {
			dir[settingsFile] = &fstest.MapFile{Data: []byte(c.config)}
		}
		p, err := Load(dir, 8, 4, 3)
		got := fmt.Sprint(p)
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.config, got, c.want)
		}
	}
	p, err := Load(fstest.MapFS{}, 8, 4, 3)
	if err != nil {
		t.Fatal(err)
	}
	if lo, hi := p.value(0, 0), p.value(0, 255); math.Abs(lo+1) > 1e-9 || math.Abs(hi-1) > 1e-9 {
		t.Errorf("pixels lie from %g to %g", lo, hi)
	}
	if _, err := Load(fstest.MapFS{}, 9, 4, 3); err == nil {
		t.Error("patches of 4 on 9 pixels")
	}
}

// FuzzDecode: no file makes it fail otherwise than with an error.
func FuzzDecode(f *testing.F) {
	var file bytes.Buffer
	if err := png.Encode(&file, image.NewGray(image.Rect(0, 0, 4, 4))); err != nil {
		f.Fatal(err)
	}
	f.Add(file.Bytes())
	p := &Processor{Size: 4, Patch: 2, Channels: 1, Scale: 1, Mean: []float64{0}, Std: []float64{1}}
	f.Fuzz(func(t *testing.T, data []byte) {
		if v, err := p.Decode(bytes.NewReader(data)); err == nil && len(v) != 20 {
			t.Errorf("%d numbers", len(v))
		}
	})
}
