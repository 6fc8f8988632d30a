package picture

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
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
	p.Size, p.Patch = 4, 4
	for _, c := range []struct {
		data []byte
		want string
	}{
		{file.Bytes(), "picture: the image has 2 by 2 pixels, the model takes 4 by 4; scale it first"},
		{nil, "picture: not a PNG: unexpected EOF"},
		{[]byte("GIF89a"), "picture: not a PNG: unexpected EOF"},
	} {
		if _, err := p.Decode(bytes.NewReader(c.data)); fmt.Sprint(err) != c.want {
			t.Errorf("got %v\nwant %s", err, c.want)
		}
	}
	p.Size, p.Patch = 2, 2
	if _, err := p.Decode(bytes.NewReader(file.Bytes()[:60])); err == nil {
		t.Error("half a file was read")
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
	if lo, hi := p.Range(); math.Abs(lo+1) > 1e-9 || math.Abs(hi-1) > 1e-9 {
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
