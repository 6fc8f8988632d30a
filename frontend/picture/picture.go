package picture

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"io/fs"
	"math"
	"slices"
)

// A Processor says how a model sees an image.
type Processor struct {
	Size     int // pixels of a side
	Patch    int // of a patch
	Channels int // 1, grey, or 3, red, green and blue

	// A pixel of value v, 0 to 255, becomes (v·Scale - Mean[c])/Std[c].
	Scale     float64
	Mean, Std []float64 // per channel
}

// settingsFile is what Hugging Face calls a processor's settings.
const settingsFile = "preprocessor_config.json"

const maxSettings = 1 << 20

// Load makes the processor of a model that takes images of size by size pixels
// in patches of patch by patch. dir may have preprocessor_config.json; without,
// pixels lie between -1 and 1.
func Load(dir fs.FS, size, patch, channels int) (*Processor, error) {
	p := &Processor{Size: size, Patch: patch, Channels: channels, Scale: 1.0 / 255,
		Mean: slices.Repeat([]float64{0.5}, channels), Std: slices.Repeat([]float64{0.5}, channels)}
	f, err := dir.Open(settingsFile)
	if errors.Is(err, fs.ErrNotExist) {
		return p, p.Check()
	}
	if err != nil {
		return nil, fmt.Errorf("picture: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSettings+1))
	if err == nil && len(data) > maxSettings {
		err = fmt.Errorf("it has more than %d bytes", maxSettings)
	}
	if err == nil {
		err = p.settings(data)
	}
	if err == nil {
		err = p.Check()
	}
	if err != nil {
		return nil, fmt.Errorf("picture: %s: %w", settingsFile, err)
	}
	return p, nil
}

// settings overlays preprocessor_config.json.
func (p *Processor) settings(data []byte) error {
	var s struct {
		Crop      bool            `json:"do_center_crop"`
		Rescale   *bool           `json:"do_rescale"`
		Normalize *bool           `json:"do_normalize"`
		Factor    *float64        `json:"rescale_factor"`
		Mean      []float64       `json:"image_mean"`
		Std       []float64       `json:"image_std"`
		Size      json.RawMessage `json:"size"`
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return fmt.Errorf("unexpected JSON: %w", err)
	}
	if s.Crop {
		return fmt.Errorf("do_center_crop is not supported; supported are whole images of the model's size")
	}
	var sides struct{ Height, Width int }
	if len(s.Size) > 0 && s.Size[0] == '{' {
		if err := json.Unmarshal(s.Size, &sides); err != nil {
			return fmt.Errorf("size: %w", err)
		}
	} else if len(s.Size) > 0 {
		if err := json.Unmarshal(s.Size, &sides.Height); err != nil {
			return fmt.Errorf("size: %w", err)
		}
		sides.Width = sides.Height
	}
	if len(s.Size) > 0 && (sides.Height != p.Size || sides.Width != p.Size) {
		return fmt.Errorf("size is %d by %d, but the model takes images of %d by %d", sides.Width, sides.Height, p.Size, p.Size)
	}
	if s.Factor != nil {
		p.Scale = *s.Factor
	}
	if s.Rescale != nil && !*s.Rescale {
		p.Scale = 1
	}
	if s.Mean != nil {
		p.Mean = s.Mean
	}
	if s.Std != nil {
		p.Std = s.Std
	}
	if s.Normalize != nil && !*s.Normalize {
		p.Mean, p.Std = make([]float64, p.Channels), slices.Repeat([]float64{1}, p.Channels)
	}
	return nil
}

// Check says whether the processor makes sense.
func (p *Processor) Check() error {
	switch {
	case p.Patch < 1 || p.Size < 1 || p.Size%p.Patch != 0 || p.Size > 1<<13:
		return fmt.Errorf("images of %d by %d pixels do not divide into patches of %d by %d", p.Size, p.Size, p.Patch, p.Patch)
	case p.Channels != 1 && p.Channels != 3:
		return fmt.Errorf("%d channels are not supported; supported are 1 and 3", p.Channels)
	case len(p.Mean) != p.Channels || len(p.Std) != p.Channels:
		return fmt.Errorf("image_mean and image_std have %d and %d numbers for %d channels", len(p.Mean), len(p.Std), p.Channels)
	}
	for c, s := range p.Std {
		if !(s > 0) || math.IsInf(p.Mean[c], 0) || math.IsNaN(p.Mean[c]) || !(p.Scale > 0) || math.IsInf(p.Scale, 0) {
			return fmt.Errorf("image_mean %g, image_std %g and rescale_factor %g do not normalise a channel", p.Mean[c], s, p.Scale)
		}
	}
	return nil
}

func (p *Processor) value(channel int, v uint8) float64 {
	return (float64(v)*p.Scale - p.Mean[channel]) / p.Std[channel]
}

// Decode gives the patches of a PNG. Its size is checked before its pixels are
// read.
func (p *Processor) Decode(r io.ReadSeeker) ([]float64, error) {
	head, err := png.DecodeConfig(bufio.NewReader(r))
	if err != nil {
		return nil, fmt.Errorf("picture: not a PNG that can be read: %w", err)
	}
	if err := p.fits(head.Width, head.Height); err != nil {
		return nil, err
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("picture: %w", err)
	}
	img, err := png.Decode(bufio.NewReader(r))
	if err != nil {
		return nil, fmt.Errorf("picture: damaged PNG: %w", err)
	}
	return p.Patches(img)
}

func (p *Processor) fits(width, height int) error {
	if width != p.Size || height != p.Size {
		return fmt.Errorf("picture: the image has %d by %d pixels, the model takes %d by %d; scale it first", width, height, p.Size, p.Size)
	}
	return nil
}

// Patches cuts img up: [1 + patches, channels·patch·patch], row-major, the first
// row zero, patches by rows from the top left, in each its channels one after
// the other. Transparency is dropped.
func (p *Processor) Patches(img image.Image) ([]float64, error) {
	b := img.Bounds()
	if err := p.fits(b.Dx(), b.Dy()); err != nil {
		return nil, err
	}
	side, area := p.Size/p.Patch, p.Patch*p.Patch
	width := p.Channels * area
	out := make([]float64, (1+side*side)*width)
	for y := range p.Size {
		for x := range p.Size {
			row := 1 + y/p.Patch*side + x/p.Patch
			at := row*width + y%p.Patch*p.Patch + x%p.Patch
			px := img.At(b.Min.X+x, b.Min.Y+y)
			if p.Channels == 1 {
				out[at] = p.value(0, color.GrayModel.Convert(px).(color.Gray).Y)
				continue
			}
			c := color.NRGBAModel.Convert(px).(color.NRGBA)
			for i, v := range []uint8{c.R, c.G, c.B} {
				out[at+i*area] = p.value(i, v)
			}
		}
	}
	return out, nil
}
