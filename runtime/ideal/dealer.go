package ideal

import (
	"errors"
	"fmt"
	"sync"

	"nimbus/internal/prg"
	"nimbus/internal/tensor"
	"nimbus/internal/z2k"
	"nimbus/runtime/share"
)

// Options says what the dealer computes.
type Options struct {
	Errors bool // draw the errors of the protocols' approximate steps
}

// Party is one party's access to the dealer. Its methods have the signatures of
// ot.Protocol's and return when both parties have called the same one.
type Party struct {
	party int
	d     *dealer
}

// ErrClosed is what a call returns after Close.
var ErrClosed = errors.New("ideal: dealer closed")

type dealer struct {
	steps steps
	rng   *prg.PRG

	mu     sync.Mutex
	turn   *sync.Cond
	call   [2]*call
	closed bool
}

// call is one party's request: its inputs and, later, its result.
type call struct {
	op     string
	x, y   share.Arith
	b, c   share.Bool
	cuts   []int64
	v      []uint64
	arith  share.Arith
	boolan share.Bool
	err    error
	done   bool
}

// New returns the two parties of a dealer with randomness from rng. They may be
// used from two goroutines.
func New(rng *prg.PRG, o Options) (client, server *Party) {
	d := &dealer{rng: rng.Child("shares")}
	if o.Errors {
		d.steps = noisy{rng.Child("errors")}
	} else {
		d.steps = exact{}
	}
	d.turn = sync.NewCond(&d.mu)
	return &Party{share.Client, d}, &Party{share.Server, d}
}

// Close releases a party that waits for the other.
func (p *Party) Close() error {
	p.d.mu.Lock()
	defer p.d.mu.Unlock()
	p.d.closed = true
	p.d.turn.Broadcast()
	return nil
}

// meet hands in this party's call. The party that comes second has the dealer
// compute both results.
func (p *Party) meet(c *call, compute func(client, server *call) error) *call {
	d := p.d
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		c.err = ErrClosed
		return c
	}
	d.call[p.party] = c
	if other := d.call[1-p.party]; other != nil {
		err := match(d.call[0], d.call[1])
		if err == nil {
			err = compute(d.call[0], d.call[1])
		}
		for _, c := range d.call {
			c.done = true
			if err != nil {
				c.err = fmt.Errorf("ideal: %s: %w", c.op, err)
			}
		}
		d.call = [2]*call{}
		d.turn.Broadcast()
		return c
	}
	for !c.done && !d.closed {
		d.turn.Wait()
	}
	if !c.done {
		d.call[p.party] = nil
		c.err = ErrClosed
	}
	return c
}

// match checks that both parties ask for the same thing.
func match(a, b *call) error {
	if a.op != b.op {
		return fmt.Errorf("one party asks for %s, the other for %s", a.op, b.op)
	}
	for _, c := range []*call{a, b} {
		for _, v := range []share.Arith{c.x, c.y} {
			if v.Width < 0 || v.Width > 64 || v.Width > 0 && len(v.V) != tensor.NumElems(v.Shape) {
				return fmt.Errorf("argument %v holds %d elements", v, len(v.V))
			}
		}
	}
	if a.x.String() != b.x.String() || a.y.String() != b.y.String() || a.b.String() != b.b.String() || len(a.b.V) != len(b.b.V) || a.c.String() != b.c.String() || len(a.c.V) != len(b.c.V) {
		return fmt.Errorf("the halves differ: %v and %v", a.x, b.x)
	}
	return nil
}

// open adds up two halves.
func open(a, b share.Arith) []uint64 {
	v := make([]uint64, len(a.V))
	if len(v) > 0 {
		z2k.Add(v, a.V, b.V, a.Width)
	}
	return v
}

// deal gives both parties fresh halves of v.
func (d *dealer) deal(a, b *call, v []uint64, width int, shape []int) {
	a.arith, b.arith = share.NewArith(width, shape...), share.NewArith(width, shape...)
	d.rng.Fill(a.arith.V, width)
	z2k.Sub(b.arith.V, v, a.arith.V, width)
}

// dealBits is deal for bits.
func (d *dealer) dealBits(a, b *call, v []uint8, shape []int) {
	a.boolan, b.boolan = share.NewBool(shape...), share.NewBool(shape...)
	d.rng.Bits(a.boolan.V)
	for i, x := range v {
		b.boolan.V[i] = x ^ a.boolan.V[i]
	}
}
