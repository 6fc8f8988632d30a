package passes

import "math"

// Density is a weighted histogram of the inputs of one scalar function, taken
// from the model's own calibration text (Nimbus, section 4.2).
type Density struct {
	Lo, Hi float64   // range of the bins
	W      []float64 // weight of each of the equal bins; sums to 1

	Samples int     // how many inputs were seen; 0 for a uniform density
	Outside float64 // share of them outside [Lo, Hi]
}

// densityBins is the resolution of a Density. 512 bins over a few units of
// range put the bin centre within 0.02 of the sample, well below the error of
// any fit made here.
const densityBins = 512

// uniformShare is the weight given to the uniform distribution over the whole
// fitted interval, so that places that the calibration text never visited still
// count a little and no fit is wild there.
const uniformShare = 0.02

// NewDensity bins xs over [lo, hi] and mixes in a little of the uniform
// distribution. Samples outside are counted at the nearest end.
func NewDensity(xs []float64, lo, hi float64) *Density {
	d := &Density{Lo: lo, Hi: hi, W: make([]float64, densityBins)}
	for i := range d.W {
		d.W[i] = uniformShare / densityBins
	}
	if len(xs) == 0 {
		for i := range d.W {
			d.W[i] = 1.0 / densityBins
		}
		return d
	}
	d.Samples = len(xs)
	outside := 0
	each := (1 - uniformShare) / float64(len(xs))
	for _, x := range xs {
		if x < lo || x > hi {
			outside++
		}
		i := int((x - lo) / (hi - lo) * densityBins)
		d.W[min(max(i, 0), densityBins-1)] += each
	}
	d.Outside = float64(outside) / float64(len(xs))
	return d
}

// At returns the centre of bin i.
func (d *Density) At(i int) float64 {
	return d.Lo + (float64(i)+0.5)*(d.Hi-d.Lo)/float64(len(d.W))
}

// Errors returns the root of the expected squared difference of f and g under
// the density, and the largest difference at any bin.
func (d *Density) Errors(f, g func(float64) float64) (rms, worst float64) {
	var sum float64
	for i, w := range d.W {
		e := math.Abs(g(d.At(i)) - f(d.At(i)))
		sum += w * e * e
		worst = max(worst, e)
	}
	return math.Sqrt(sum), worst
}
