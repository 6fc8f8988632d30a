package passes

import (
	"fmt"
	"math"

	"nimbus/ir"
)

// Stats is the record of one calibration run: for every value of the module the
// range it took on the owner's text, and for the inputs of scalar functions the
// samples themselves.
type Stats struct {
	Range   map[string][2]float64 // value name -> least and greatest
	Samples map[string][]float64  // value name -> inputs of scalar functions, thinned
	Weights map[string][2]float64 // weight name -> least and greatest
	Tokens  int                   // tokens seen

	// Results are those of the first examples, each example's real numbers in a
	// row: what fixed point is compared with.
	Results [][]float64
}

// maxSamples bounds the samples kept for one value; the paper needs 512 tokens,
// which is well covered by an even thinning of everything seen.
const maxSamples = 1 << 17

// maxResults bounds the numbers of all results that are kept.
const maxResults = 1 << 20

// excluded is the magnitude from which a sample counts as masked out and not as
// an input that the model produced.
const excluded = 1e3

// NewStats returns an empty record.
func NewStats() *Stats {
	return &Stats{Range: map[string][2]float64{}, Samples: map[string][]float64{}, Weights: map[string][2]float64{}}
}

// Observe adds the elements of one value to its range, and samples, if any, to
// the inputs that weigh a fit. Of a masked value the elements that the mask has
// pushed away do not count.
func (s *Stats) Observe(name string, xs, samples []float64, masked bool) {
	r, ok := s.Range[name]
	if !ok {
		r = [2]float64{math.Inf(1), math.Inf(-1)}
	}
	broken := false
	for _, x := range xs {
		if masked && !(math.Abs(x) < excluded) {
			continue
		}
		if x < r[0] {
			r[0] = x
		}
		if x > r[1] {
			r[1] = x
		}
		broken = broken || x != x
	}
	if broken {
		r[1] = math.NaN() // no range
	}
	if r[0] <= r[1] {
		s.Range[name] = r
	}
	if len(samples) == 0 {
		return
	}
	old := s.Samples[name]
	for _, x := range samples {
		if !masked || math.Abs(x) < excluded {
			old = append(old, x)
		}
	}
	if len(old) > maxSamples {
		half := old[:0]
		for i := 0; i < len(old); i += 2 {
			half = append(half, old[i])
		}
		old = half
	}
	s.Samples[name] = old
}

// Calibrate writes the calibrated ranges into the module, where every later
// pass and every reader of the text sees them.
var Calibrate = Pass{
	Name: "calibrate",
	Doc: `write the ranges seen on the owner's text into the module

Each op and each weight gets range = [lo, hi]. Without a
calibration record (nimbusc opt on a bare file) the pass changes nothing, so
that ranges can also be written by hand.`,
	In: "nn", Out: "nn",
	Run: func(m *ir.Module, o *Options) error {
		if o.Stats == nil && o.Observe != nil {
			s, err := o.Observe(m)
			if err != nil {
				return err
			}
			o.Stats = s
		}
		if o.Stats == nil {
			return nil
		}
		for _, f := range m.Funcs {
			for _, op := range f.Body {
				if len(op.Results) == 0 {
					continue
				}
				lo, hi := math.Inf(1), math.Inf(-1)
				for _, v := range op.Results {
					r, ok := o.Stats.Range[v.Name]
					if !ok {
						return fmt.Errorf("%s: the calibration run never computed %%%s", op.Name, v.Name)
					}
					lo, hi = min(lo, r[0]), max(hi, r[1])
				}
				op.Attrs.Set("range", []float64{round3(lo), round3(hi)})
				op.Attrs.Set("bound", ir.Ident("calibrated"))
			}
		}
		for _, w := range m.Weights {
			if r, ok := o.Stats.Weights[w.Name]; ok {
				w.Attrs.Set("range", r[:])
			}
		}
		return nil
	},
}
