package packing

import (
	"fmt"

	"nimbus/internal/rlweparams"
)

// Choice is a tile and the compression that goes with it.
type Choice struct {
	Tile  Tile
	Drops rlweparams.Drops // Stored is what inputs leave out
}

// ProductBytes is what one party sends for one product: a salt and the inputs, then the responses.
func ProductBytes(set rlweparams.Set, p Product, c Choice) (inputs, responses int64) {
	inputs = 32 + int64(c.Tile.Inputs(p))*int64(set.StoredPolyBytes(set.N(), set.Limbs(), c.Drops.Stored))
	t := c.Tile
	rows, _, cols := t.Grid(p)
	// All tiles are whole but those of the last row and of the last column.
	lastR, lastC := p.Rows-(rows-1)*t.Rows, p.Cols-(cols-1)*t.Cols
	one := func(r, k int) int64 { return int64(set.ResponseBytes(r*k, c.Drops.C0, c.Drops.C1)) }
	responses = int64(rows-1)*int64(cols-1)*one(t.Rows, t.Cols) +
		int64(rows-1)*one(t.Rows, lastC) + int64(cols-1)*one(lastR, t.Cols) + one(lastR, lastC)
	return inputs, responses
}

// Choices lists tiles for batch products over Z_2^width of which the next step drops truncBits bits, each with the
// compression of inputs and responses that saves most. Tiles whose noise exceeds [rlweparams.Hidden] are left out; if none remains the set does not serve the product, which is an error.
func Choices(set rlweparams.Set, p Product, batch, width, truncBits int) ([]Choice, error) {
	if p.Rows < 1 || p.Inner < 1 || p.Cols < 1 || batch < 1 {
		return nil, fmt.Errorf("packing: product %d×%d×%d: sides must be positive", p.Rows, p.Inner, p.Cols)
	}
	if width > set.MaxMatMulSS {
		return nil, fmt.Errorf("packing: set %s serves products of shared matrices up to width %d, not %d", set.Name, set.MaxMatMulSS, width)
	}
	budget := rlweparams.Hidden(truncBits)
	outputs := batch * p.Rows * p.Cols
	var all []Choice
	for _, t := range Tiles(set.N(), p) {
		noise := func(d rlweparams.Drops) rlweparams.Noise { return set.MatMulSSNoise(t.Terms(p), width, d) }
		if noise(rlweparams.Drops{}).Bound(outputs) > budget {
			continue
		}
		all = append(all, Choice{t, set.StoredDrops(noise, rlweparams.DropSizes{
			Limbs: set.Limbs(), Stored: float64(t.Inputs(p) * set.N()),
			Responses: t.Outputs(p), Sent: t.Rows * t.Cols, Outputs: outputs,
		}, truncBits)})
	}
	if all == nil {
		return nil, fmt.Errorf("packing: set %s: the noise of a %d×%d×%d product at width %d exceeds what dropping %d bits hides",
			set.Name, p.Rows, p.Inner, p.Cols, width, truncBits)
	}
	return all, nil
}

// Weigh is what one party sends for one product, in bytes, plus N/4 for each of its transforms of one limb, which
// is what a link of about 1 Gbit/s carries meanwhile.
func Weigh(set rlweparams.Set, p Product, c Choice) float64 {
	in, out := ProductBytes(set, p, c)
	return float64(in+out) + transforms(set, p, c.Tile)*float64(set.N())/4
}

// transforms estimates one party's work for a product in transforms of one limb: those of inputs, of plaintext tiles and
// of responses, and the products in between at a seventh each.
func transforms(set rlweparams.Set, p Product, t Tile) float64 {
	r, k, c := t.Grid(p)
	plain := r * k
	if t.EncryptA {
		plain = k * c
	}
	return float64(set.Limbs()) * (4*float64(t.Inputs(p)) + float64(plain) + 7*float64(t.Outputs(p)) + 2*float64(r*k*c)/7)
}
