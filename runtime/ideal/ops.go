package ideal

import (
	"fmt"
	"slices"

	"nimbus/internal/fixed"
	"nimbus/internal/tensor"
	"nimbus/internal/z2k"
	"nimbus/runtime/share"
)

// unary runs an op from one shared tensor to one of the given width and shape.
func (p *Party) unary(op string, x share.Arith, width int, shape []int, f func(x []uint64) ([]uint64, error)) (share.Arith, error) {
	c := p.meet(&call{op: op, x: x}, func(a, b *call) error {
		v, err := f(open(a.x, b.x))
		if err == nil {
			p.d.deal(a, b, v, width, shape)
		}
		return err
	})
	return c.arith, c.err
}

// each applies f to every element.
func each(f func(x uint64) uint64) func([]uint64) ([]uint64, error) {
	return func(x []uint64) ([]uint64, error) {
		for i, v := range x {
			x[i] = f(v)
		}
		return x, nil
	}
}

// Cmp is the ideal twin of ot's.
func (p *Party) Cmp(x share.Arith, cuts []int64, n int, o fixed.CmpOpts) (share.Bool, error) {
	o, err := o.Resolve(x.Width)
	if err != nil {
		return share.Bool{}, fmt.Errorf("ideal: cmp: %v: %w", x, err)
	}
	c := p.meet(&call{op: "cmp", x: x, cuts: cuts}, func(a, b *call) error {
		if a.cuts != nil || len(b.cuts) != n {
			return fmt.Errorf("want %d cuts from the server and none from the client", n)
		}
		var bits []uint8
		for _, v := range open(a.x, b.x) {
			bits = append(bits, p.d.steps.cmp(v, x.Width, b.cuts, o)...)
		}
		p.d.dealBits(a, b, bits, append(slices.Clone(x.Shape), n))
		return nil
	})
	return c.boolan, c.err
}

// Mux is the ideal twin of ot's.
func (p *Party) Mux(b share.Bool, x share.Arith) (share.Arith, error) {
	c := p.meet(&call{op: "mux", x: x, b: b}, func(a, s *call) error {
		if !slices.Equal(b.Shape, x.Shape) || len(b.V) != len(x.V) {
			return fmt.Errorf("selector %v of %v: want equal shapes", b, x)
		}
		v := open(a.x, s.x)
		for i := range v {
			v[i] = fixed.Mux(a.b.V[i]^s.b.V[i], v[i])
		}
		p.d.deal(a, s, v, x.Width, x.Shape)
		return nil
	})
	return c.arith, c.err
}

// And is the ideal twin of ot's.
func (p *Party) And(x, y share.Bool) (share.Bool, error) {
	c := p.meet(&call{op: "and", b: x, c: y}, func(a, s *call) error {
		if !slices.Equal(x.Shape, y.Shape) || len(x.V) != len(y.V) {
			return fmt.Errorf("%v and %v: want equal shapes", x, y)
		}
		v := make([]uint8, len(x.V))
		for i := range v {
			v[i] = (a.b.V[i] ^ s.b.V[i]) & (a.c.V[i] ^ s.c.V[i])
		}
		p.d.dealBits(a, s, v, x.Shape)
		return nil
	})
	return c.boolan, c.err
}

// Trunc is the ideal twin of ot's.
func (p *Party) Trunc(x share.Arith, bits, to int) (share.Arith, error) {
	if err := fixed.CheckTrunc(x.Width, bits, to); err != nil {
		return share.Arith{}, fmt.Errorf("ideal: trunc: %w", err)
	}
	return p.unary("trunc", x, to, x.Shape, each(func(v uint64) uint64 {
		return p.d.steps.Trunc(v, x.Width, bits, to)
	}))
}

// Square is the ideal twin of ot's.
func (p *Party) Square(x share.Arith, outWidth int, _ fixed.Bound) (share.Arith, error) {
	if outWidth < 1 || outWidth > x.Width {
		return share.Arith{}, fmt.Errorf("ideal: square: result of %d bits from %v", outWidth, x)
	}
	return p.unary("square", x, outWidth, x.Shape, each(func(v uint64) uint64 { return fixed.Square(v, outWidth) }))
}

// MulSS is the ideal twin of ot's.
func (p *Party) MulSS(x, y share.Arith, o fixed.ProductOpts) (share.Arith, error) {
	if err := o.Check(x.Width); err != nil {
		return share.Arith{}, fmt.Errorf("ideal: mul_ss: %w", err)
	}
	c := p.meet(&call{op: "mul_ss", x: x, y: y}, func(a, b *call) error {
		n := len(x.Shape)
		row := n > 0 && len(y.Shape) == n && y.Shape[n-1] == 1 && slices.Equal(x.Shape[:n-1], y.Shape[:n-1])
		if x.Width != y.Width || !row && !slices.Equal(x.Shape, y.Shape) {
			return fmt.Errorf("%v by %v: want equal widths and shapes, or a last axis of 1", x, y)
		}
		u, v := open(a.x, b.x), open(a.y, b.y)
		per := 1
		if len(v) > 0 {
			per = len(u) / len(v)
		}
		for i, y := range v {
			p.d.steps.products(u[i*per:(i+1)*per], y, x.Width, o)
		}
		p.d.deal(a, b, u, x.Width, x.Shape)
		return nil
	})
	return c.arith, c.err
}

// Mul is the ideal twin of ot's.
func (p *Party) Mul(x share.Arith, v []uint64, vbits int) (share.Arith, error) {
	_, cols := tensor.Last(x.Shape)
	c := p.meet(&call{op: "mul", x: x, v: v}, func(a, b *call) error {
		if a.v != nil || len(b.v) != cols || vbits < 1 || vbits > 64 {
			return fmt.Errorf("want %d values of 1..64 bits from the server and none from the client", cols)
		}
		u := open(a.x, b.x)
		for i := range u {
			w := z2k.Signed(b.v[i%cols]&z2k.Mask(vbits), vbits)
			u[i] = u[i] * uint64(w) & z2k.Mask(x.Width)
		}
		p.d.deal(a, b, u, x.Width, x.Shape)
		return nil
	})
	return c.arith, c.err
}

// Max is the ideal twin of ot's. The layout changes nothing.
func (p *Party) Max(x share.Arith, o fixed.CmpOpts, stated []int) (share.Arith, error) {
	o, err := o.Resolve(x.Width)
	if err != nil {
		return share.Arith{}, fmt.Errorf("ideal: max: %v: %w", x, err)
	}
	rows, cols := tensor.Last(x.Shape)
	if len(x.Shape) == 0 || cols == 0 {
		return share.Arith{}, fmt.Errorf("ideal: max: %v: want a last axis with at least one element", x)
	}
	if _, err := fixed.NewMaxLayout(cols, x.Width, o, stated); err != nil {
		return share.Arith{}, fmt.Errorf("ideal: max: %v: %w", x, err)
	}
	shape := slices.Clone(x.Shape)
	shape[len(shape)-1] = 1
	return p.unary("max", x, x.Width, shape, func(v []uint64) ([]uint64, error) {
		var out []uint64
		for r := range rows {
			out = append(out, maximum(p.d.steps, v[r*cols:(r+1)*cols], x.Width, o))
		}
		return out, nil
	})
}

// Piecewise is the ideal twin of ot's.
func (p *Party) Piecewise(x share.Arith, f fixed.Piecewise) (share.Arith, error) {
	if err := f.Check(); err != nil {
		return share.Arith{}, fmt.Errorf("ideal: piecewise: %w", err)
	}
	if x.Width != f.In.Width {
		return share.Arith{}, fmt.Errorf("ideal: piecewise: %v for a function of %v", x, f.In)
	}
	return p.unary("piecewise", x, f.Out.Width, x.Shape, each(func(v uint64) uint64 { return piecewise(p.d.steps, &f, v) }))
}

// Recip is the ideal twin of ot's.
func (p *Party) Recip(x share.Arith, v fixed.Inverse) (share.Arith, error) {
	return p.inverse(x, v, fixed.Recip)
}

// Rsqrt is the ideal twin of ot's.
func (p *Party) Rsqrt(x share.Arith, v fixed.Inverse) (share.Arith, error) {
	return p.inverse(x, v, fixed.Rsqrt)
}

func (p *Party) inverse(x share.Arith, v fixed.Inverse, kind fixed.InverseKind) (share.Arith, error) {
	st, err := v.Steps()
	if err != nil {
		return share.Arith{}, fmt.Errorf("ideal: %v: %w", kind, err)
	}
	if v.Kind != kind || x.Width != v.In.Width {
		return share.Arith{}, fmt.Errorf("ideal: %v: %v for a %v of %v", kind, x, v.Kind, v.In)
	}
	return p.unary(kind.String(), x, v.Out.Width, x.Shape, each(func(a uint64) uint64 {
		return inverse(p.d.steps, &st, x.Width, a)
	}))
}
