package passes

import (
	"fmt"
	"testing"

	"nimbus/ir"
)

// Softmax quantizes whatever its scores may be, with a mask and without: every ring
// is as wide as it must, and later passes find what they need.
func TestSoftmaxOfAnyScores(t *testing.T) {
	for _, masked := range []bool{false, true} {
		share := 1.0 // the largest that calibration saw
		for r := 1.0; r < 20000; r *= 1.3 {
			share = 1.01 - share*0.97 // large and small in turn
			x, mask := "%q", ""
			if masked {
				x, mask = "%s", fmt.Sprintf("    %%s = nn.add_mask %%q, %%mask {range = [%g, %g]} : tensor<4x4xf32>\n", -r, r)
			}
			src := fmt.Sprintf(`module @m attributes {stage = nn} {
  func @main(%%q: tensor<4x4xf32> {range = [%[1]g, %[2]g]}, %%mask: tensor<4xi1>, %%v: tensor<4x8xf32> {range = [-1.0, 1.0]}) -> tensor<4x8xf32> {
%[5]s    %%max = nn.max %[3]s {axis = 1, range = [%[1]g, %[2]g]} : tensor<4x1xf32>
    %%z   = nn.sub %[3]s, %%max {range = [%[4]g, 0.0]} : tensor<4x4xf32>
    %%e   = nn.piecewise %%z {fn = exp, cuts = [-5.15625, -2.59375, -1.21875], coef = [[0.0, 0.0, 0.0], [0.3073, 0.1200, 0.01171875], [0.7383, 0.4584, 0.078125], [0.9941, 0.9009, 0.26953125]], lo = -8.0, hi = 0.0, range = [0.0, 1.0]} : tensor<4x4xf32>
    %%sum = nn.sum %%e {axis = 1, range = [1.0, 4.0], proved = [0.73, 4.0], proof = fit} : tensor<4x1xf32>
    %%r   = nn.recip %%sum {range = [0.25, 1.0]} : tensor<4x1xf32>
    %%p   = nn.mul %%e, %%r {range = [0.0, %[6]g]} : tensor<4x4xf32>
    %%c   = nn.matmul %%p, %%v {range = [-1.0, 1.0]} : tensor<4x8xf32>
    return %%c
  }
}
`, -r, r, x, -2*r, mask, share)
			for _, mode := range []Range{Clamped, Calibrated} {
				m := parse(t, "softmax.ir", src)
				if err := Run(m, []Pass{Bound, Quantize, InsertTrunc}, &Options{Range: mode, Hidden: func(*ir.Weight, []float64) {}}, nil); err != nil {
					t.Errorf("scores up to %.4g, masked %v, %s: %v", r, masked, mode, err)
				}
			}
		}
	}
}
