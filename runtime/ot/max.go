package ot

import (
	"fmt"

	"nimbus/internal/tensor"
	"nimbus/internal/z2k"
	"nimbus/runtime/share"
)

// Max finds the largest element along the last axis, which becomes 1.
//
//	[max_j x_j]_A ← Max([x]_A)
//
// exact with Drop = 0, otherwise at most ceil(log2 n)·2^Drop too small; the
// result is always one of the elements. A tournament of ceil(log2 n) rounds:
//
//	d = a − b      max(a, b) = b + Mux(1{d >= 0}, d)
//
// in which an odd element passes. All differences must lie in the range that
// CmpOpts states. Cost: cost.MaxCost.
func (p *Protocol) Max(x share.Arith, o CmpOpts) (share.Arith, error) {
	if err := check("max", x); err != nil {
		return share.Arith{}, err
	}
	o, err := o.Resolve(x.Width)
	if err != nil {
		return share.Arith{}, fmt.Errorf("max: %v: %w", x, err)
	}
	rows, cols := tensor.Last(x.Shape)
	if len(x.Shape) == 0 || cols == 0 {
		return share.Arith{}, fmt.Errorf("max: %v: want a last axis with at least one element", x)
	}
	cur := x.V
	for cols > 1 {
		half, next := cols/2, (cols+1)/2
		d := make([]uint64, rows*half)
		for r := range rows {
			for j := range half {
				d[r*half+j] = (cur[r*cols+2*j] - cur[r*cols+2*j+1]) & z2k.Mask(x.Width)
			}
		}
		var cut []int64
		if p.server() {
			cut = []int64{0}
		}
		bits, err := p.Cmp(share.Arith{Width: x.Width, Shape: []int{len(d)}, V: d}, cut, 1, o)
		if err != nil {
			return share.Arith{}, fmt.Errorf("max: %w", err)
		}
		won, err := p.mux([]selection{{bits.V, d, x.Width}})
		if err != nil {
			return share.Arith{}, fmt.Errorf("max: %w", err)
		}
		out := make([]uint64, rows*next)
		for r := range rows {
			for j := range half {
				out[r*next+j] = cur[r*cols+2*j+1] + won[0][r*half+j]
			}
			if cols%2 == 1 {
				out[r*next+half] = cur[r*cols+cols-1]
			}
		}
		cur, cols = out, next
	}
	res := like(x, x.Width, append([]uint64(nil), cur...))
	res.Shape[len(res.Shape)-1] = 1
	return res, nil
}
